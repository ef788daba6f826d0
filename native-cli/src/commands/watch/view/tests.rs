//! What stands in the picture, in which row, at which size.

use fathom_engine::{HaltedBy, Level};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::commands::watch::state::{Cycle, Event, Guess, Said, Step};
use crate::paint::ColorChoice;

fn step(number: u32, q_halt: f32, q_continue: f32, guesses: &[(u32, &str, f32)]) -> Event {
    let cycle = |(level, moved)| Cycle { level, moved };
    let guess = |&(token, name, probability): &(u32, &str, f32)| {
        let name = name.to_owned();
        Guess { token, name, probability }
    };
    Event::Step(Step {
        number,
        q_halt,
        q_continue,
        margin: q_halt - 4.75 - q_continue,
        ms: 2.5,
        cycles: [(Level::L, 0.9), (Level::H, 0.5), (Level::L, 0.0007), (Level::H, 0.04)].map(cycle).into(),
        would_say: guesses.iter().map(guess).collect(),
    })
}

fn said(token: u32, name: &str, depth: u32) -> Event {
    Event::Said(Said { token, name: name.to_owned(), depth, halted_by: HaltedBy::Test })
}

/// Two tokens and a third in the making.
fn watched() -> Watched {
    let mut watched = Watched::new("7+5-3*4=".to_owned());
    let events = [
        step(1, -1.0, 1.0, &[(9, "7", 0.6), (8, "6", 0.2)]),
        step(2, 1.0, -1.0, &[(8, "6", 0.997), (9, "7", 0.002)]),
        step(3, 2.5, -2.5, &[(8, "6", 0.999), (9, "7", 0.0004)]),
        said(8, "6", 3),
        step(1, 2.5, -2.5, &[(11, "9", 0.98)]),
        said(11, "9", 1),
        step(1, -2.0, 2.0, &[(4, "2", 0.5)]),
    ];
    for event in events {
        watched.accept(event, false);
    }
    watched
}

fn scene<'a>(watched: &'a Watched, mode: &'a Mode, color: ColorChoice) -> Scene<'a> {
    Scene {
        watched,
        mode,
        model: "beads (built in)",
        device: "cpu, 2 threads".to_owned(),
        deepest: 16,
        bias: Some(-4.75),
        seed: None,
        is_paused: false,
        pace: Duration::from_millis(250),
        paint: Paint::resolve(color, true),
    }
}

fn picture(scene: &Scene<'_>, columns: u16, rows: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(frame, scene)).expect("a picture");
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let rows = buffer.content.chunks(usize::from(buffer.area.width.max(1)));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}

fn text(watched: &Watched, columns: u16, rows: u16) -> Vec<String> {
    lines(&picture(&scene(watched, &Mode::Watching, ColorChoice::Never), columns, rows))
}

/// The row of the table that belongs to a step.
fn row(lines: &[String], step: u32) -> &str {
    let head = lines.iter().position(|line| line.trim_start().starts_with("step"));
    let head = head.unwrap_or_else(|| panic!("no table in {lines:#?}"));
    &lines[head + step as usize]
}

#[test]
fn at_80_by_24_everything_is_there() {
    let mut watched = watched();
    watched.look_at(0);
    let lines = text(&watched, 80, 24);
    assert_eq!(lines[1], " asked   7+5-3*4=");
    assert_eq!(lines[2], " answer  ▸6◂ 9  …");
    assert_eq!(lines[3], " depth    3  1  1");
    assert!(
        lines[5].contains(" token 1 of 3, “6”: stopped itself after 3 of at most 16 steps ─"),
        "{lines:#?}"
    );
    assert!(lines[6].contains("Does it stop here?") && lines[6].contains("Settling?"), "{lines:#?}");
    assert!(lines[7].contains("go on │ stop") && lines[7].contains("L H L H"), "{lines:#?}");
    assert!(row(&lines, 1).contains("−5.75  +1.00    ██████│ "), "{lines:#?}");
    assert!(row(&lines, 1).contains("█ ▇ ▂ ▆"), "{lines:#?}");
    assert!(row(&lines, 1).contains("7   60%  6   20%"), "{lines:#?}");
    assert!(row(&lines, 2).contains("█│ "), "{lines:#?}");
    assert!(row(&lines, 3).starts_with(" ▶  3    −2.25  −2.50          │▌ ■ stops"), "{lines:#?}");
    assert!(row(&lines, 3).contains("6  >99%  7   <1%"), "{lines:#?}");
    // The threshold's line goes on to where it could still think.
    assert!(row(&lines, 4).starts_with("    4                          │"), "{lines:#?}");
    assert_eq!(lines[20], " Step 3: q_halt +2.50 + bias −4.75 = −2.25 > q_continue −2.50: it stops here");
    assert!(lines[21].contains("L by 0.900, H by 0.500, L by 7e-4, H by 0.040 (took 2.5 ms)"), "{lines:#?}");
    assert!(lines[22].starts_with(" cpu, 2 threads · mean depth 2.0 · 160.0 tokens/s"), "{lines:#?}");
    assert!(lines[23].ends_with("q quit"), "{lines:#?}");
}

#[test]
fn the_step_that_is_looked_at_is_the_one_that_is_told_of() {
    let mut watched = watched();
    watched.look_at(0);
    watched.look_deeper(-2);
    let lines = text(&watched, 80, 24);
    assert!(row(&lines, 1).starts_with(" ▶") && !row(&lines, 3).starts_with(" ▶"), "{lines:#?}");
    assert!(lines[20].ends_with("= −5.75 ≤ q_continue +1.00: it goes on"), "{lines:#?}");
    let none = scene(&watched, &Mode::Watching, ColorChoice::Never);
    let picture = picture(&none, 80, 24);
    let number = &picture[(4, 8)];
    assert_eq!((number.symbol(), number.modifier.contains(Modifier::BOLD)), ("1", true));
}

#[test]
fn depths_have_their_tints_and_without_colour_none() {
    let mut watched = watched();
    watched.look_at(0);
    let colourful = picture(&scene(&watched, &Mode::Watching, ColorChoice::Always), 80, 24);
    let (deep, shallow) = (&colourful[(10, 2)], &colourful[(13, 2)]);
    assert_eq!((deep.symbol(), shallow.symbol()), ("6", "9"));
    assert!(deep.bg != Color::Reset && shallow.bg == Color::Reset, "{deep:?} {shallow:?}");
    let plain = picture(&scene(&watched, &Mode::Watching, ColorChoice::Never), 80, 24);
    assert!(plain.content.iter().all(|cell| cell.bg == Color::Reset && cell.fg == Color::Reset));
    // What it said in the end stands out without colour too.
    assert!(
        plain.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED) && cell.symbol() == "6")
    );
}

#[test]
fn a_larger_terminal_has_soundings_margins_and_times() {
    let mut watched = watched();
    watched.look_at(0);
    let lines = text(&watched, 120, 40);
    assert_eq!(lines[4], "          │  ●  ●");
    assert_eq!(lines[5], "      4   ◉");
    assert!(lines.iter().any(|line| line.contains("margin") && line.contains("ms")), "{lines:#?}");
    assert!(row(&lines, 3).contains("+0.25") && row(&lines, 3).contains("2.5"), "{lines:#?}");
    assert!(row(&lines, 16).contains('│'), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("If it stopped here it would say")), "{lines:#?}");
}

#[test]
fn a_smaller_one_keeps_what_matters() {
    let mut watched = watched();
    watched.look_at(0);
    let lines = text(&watched, 40, 12);
    assert_eq!(lines[1], " answer  ▸6◂ 9  …");
    assert!(lines[3].contains("1/3 “6”: stopped itself after 3"), "{lines:#?}");
    assert!(row(&lines, 3).contains("│") && row(&lines, 3).contains('■'), "{lines:#?}");
    assert!(row(&lines, 3).contains("6  >99%"), "{lines:#?}");
    assert_eq!(lines[10], " Step 3: −2.25 > −2.50: it stops here");
    assert!(lines[11].starts_with(" ? help · cpu, 2 threads"), "{lines:#?}");
    assert!(text(&watched, 39, 12)[0].starts_with("39×12 is too small"));
    assert!(text(&watched, 80, 11)[1].starts_with("make it 40×12"));
}

#[test]
fn a_step_is_seen_cycle_by_cycle() {
    let mut watched = watched();
    watched.accept(step(2, 1.0, -1.0, &[(4, "2", 0.75)]), true);
    assert!(watched.unveil());
    let lines = text(&watched, 80, 24);
    assert!(row(&lines, 2).contains('█') && !row(&lines, 2).contains('▇'), "{lines:#?}");
    assert!(!row(&lines, 2).contains("75%") && !row(&lines, 2).contains('−'), "{lines:#?}");
    assert!(lines[5].contains("token 3 of 3: thinking, step 2 of at most 16"), "{lines:#?}");
    while watched.unveil() {}
    let lines = text(&watched, 80, 24);
    assert!(row(&lines, 2).contains('▇') && row(&lines, 2).contains("75%"), "{lines:#?}");
}

#[test]
fn the_help_has_all_keys_at_every_size() {
    let watched = watched();
    for (columns, rows) in [(80, 24), (40, 12), (300, 99)] {
        let lines = lines(&picture(&scene(&watched, &Mode::Help, ColorChoice::Never), columns, rows));
        for key in words::KEYS {
            assert!(lines.iter().any(|line| line.contains(key)), "{key}: {lines:#?}");
        }
        assert_eq!(lines.iter().any(|line| line.contains("Settling? In a step")), columns >= 80);
    }
}

#[test]
fn a_note_leaves_the_verdict_and_a_failure_says_what_failed() {
    let mut watched = watched();
    watched.accept(Event::Note("the window is full".to_owned()), false);
    watched.accept(Event::Failed(anyhow::anyhow!("the device was lost")), false);
    let lines = text(&watched, 80, 24);
    assert!(lines[0].ends_with("■ failed: the device was lost"), "{lines:#?}");
    assert!(lines[20].starts_with(" Step 1:") && lines[21] == " the window is full", "{lines:#?}");
    assert!(watched.failure.is_some());
}

#[test]
fn tokens_wider_than_a_column_stay_over_their_depths() {
    let mut watched = Watched::new("日本".to_owned());
    for (token, name) in [(1, "語"), (2, "👍"), (3, "x")] {
        watched.accept(step(1, 3.0, -3.0, &[(token, name, 0.9), (9, "日本語", 0.05)]), false);
        watched.accept(said(token, name, 1), false);
    }
    let picture = picture(&scene(&watched, &Mode::Watching, ColorChoice::Never), 100, 24);
    let at = |x, y| picture[(x, y)].symbol();
    // A wide one takes two cells; its depth stands under the first.
    assert_eq!((at(10, 2), at(14, 2), at(18, 2)), ("語", "👍", "x"));
    assert_eq!((at(10, 3), at(14, 3), at(18, 3)), ("1", "1", "1"));
    let table = &lines(&picture)[8];
    assert!(table.contains("x        90%  日 本 語     5%"), "{table}");
}

#[test]
fn a_prompt_is_typed_where_it_stands() {
    let watched = watched();
    let mut editor = Editor::new("7+x");
    editor.complaint = Some("`x` is no token".to_owned());
    let mode = Mode::Asking(editor);
    let lines = lines(&picture(&scene(&watched, &mode, ColorChoice::Never), 80, 24));
    assert_eq!(lines[1], " ask     7+x  `x` is no token");
    assert!(lines[0].ends_with("Enter asks · Esc leaves"));
}

/// On both sides of where the picture changes.
const COLUMNS: [u16; 11] = [1, 2, 39, 40, 41, 47, 71, 72, 98, 99, 300];
const ROWS: [u16; 11] = [1, 2, 11, 12, 15, 16, 20, 22, 24, 35, 90];

/// Nothing panics at any size, with any names, in any mode.
#[test]
fn every_size_is_a_picture() {
    let mut odd = Watched::new("日本語\n\t\u{1b}[31m👩‍👩‍👧".to_owned());
    for (i, name) in ["日本", "👩‍👩‍👧", "\u{301}", "", "\u{200b}", "\\n\\n", "a very long token indeed", "ﷺ"]
        .iter()
        .enumerate()
    {
        let number = i as u32 + 1;
        odd.accept(step(1, f32::NAN, f32::INFINITY, &[(number, name, f32::NAN), (99, name, 0.5)]), false);
        for deeper in 2..=40 {
            odd.accept(step(deeper, -9e9, 3.0, &[(number, name, 1.0)]), false);
        }
        odd.accept(said(number, name, 40), false);
    }
    odd.accept(Event::Done("failed: 日本語".to_owned()), false);
    let empty = Watched::new(String::new());
    let modes =
        [Mode::Watching, Mode::Help, Mode::Asking(Editor::new("日本語日本語日本語日本語日本語日本語"))];
    for watched in [&odd, &empty] {
        for mode in &modes {
            let sizes = COLUMNS.iter().flat_map(|&columns| ROWS.map(|rows| (columns, rows)));
            for (columns, rows) in sizes {
                picture(&scene(watched, mode, ColorChoice::Always), columns, rows);
            }
        }
    }
}
