//! The thinking about one token: a row for each step, deeper ones below.
//!
//! A row tells three things side by side: the halting test as a bar on one side of the threshold's line, how far
//! the states moved in each cycle, and what it would have said.

use fathom_engine::{HaltedBy, Level};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::ink::{Ink, Row, faint, fit, said, strong, width};
use super::words::{letter, percent, signed};
use crate::commands::watch::state::{Range, Step, Thought, Watched};

const NUMBER: u16 = 5;
const VALUES: u16 = 17;
/// Longer names are cut.
const LONGEST_NAME: u16 = 10;
/// A blank on each side of a name, its share, a gap.
const BESIDE_NAME: u16 = 8;
const BLOCKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The columns, by the width there is: where each begins, and how wide it is.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    values: Option<u16>,
    chart: (u16, u16),
    margin: Option<u16>,
    movement: (u16, u16),
    /// Columns from one cycle to the next.
    stride: u16,
    ms: Option<u16>,
    say: (u16, u16),
}

impl Columns {
    fn of(area: Rect, n_cycles: usize) -> Columns {
        let (is_wide, is_roomy) = (area.width >= 70, area.width >= 96);
        let n_cycles = n_cycles.clamp(1, usize::from(area.width / 5).max(1)) as u16;
        let stride = if 2 * n_cycles <= (area.width / 5).max(8) { 2 } else { 1 };
        let movement = (stride * n_cycles).max(8);
        let fixed =
            NUMBER + if is_wide { VALUES } else { 0 } + if is_roomy { 9 + 10 } else { 0 } + (movement + 5);
        let rest = area.width.saturating_sub(fixed);
        let chart = (rest * 2 / 5).clamp(9, 41);
        let mut x = area.left() + NUMBER;
        let mut next = |columns: u16| {
            let at = x;
            x += columns;
            at
        };
        Columns {
            values: is_wide.then(|| next(VALUES)),
            chart: (next(chart + 2), chart),
            margin: is_roomy.then(|| next(9)),
            movement: (next(movement + 3), movement),
            stride,
            ms: is_roomy.then(|| next(10)),
            say: (next(0), (area.right() - next(0).min(area.right())).min(60)),
        }
    }

    /// Where each cycle stands, as far as there is room.
    fn cycles(&self) -> impl Iterator<Item = u16> {
        let (start, columns) = self.movement;
        (start..start + columns).step_by(usize::from(self.stride))
    }

    /// Columns left of the threshold's line; behind it the rest.
    fn threshold(&self) -> u16 {
        self.chart.1 / 2
    }
}

/// `n_heads` rows of captions, then the steps around the one that is looked at.
pub fn draw(buffer: &mut Buffer, area: Rect, n_heads: u16, watched: &Watched, ink: Ink) {
    let columns = Columns::of(area, watched.n_cycles);
    heads(buffer, area, n_heads, &columns, watched, ink);
    let none = Thought::default();
    let thought = watched.thought().unwrap_or(&none);
    let n_rows = usize::from(area.height.saturating_sub(n_heads));
    let first = (watched.step() + 1).saturating_sub(n_rows);
    for (i, y) in (first..).zip(area.top() + n_heads..area.bottom()) {
        let mut row = Row::new(buffer, y, area.right());
        match thought.steps.get(i) {
            Some(step) => {
                let hidden = watched.hidden(watched.token(), i);
                let line = Line { step, thought, hidden, is_chosen: i == watched.step(), ink };
                line.draw(&mut row, &columns, area.left(), &watched.range);
            }
            // As deep as it may think the line goes on.
            None if i < ink.deepest as usize => {
                row.put_right(area.left() + 2, 2, &(i + 1).to_string(), faint());
                row.put(columns.chart.0 + columns.threshold(), 1, "│", faint());
            }
            None => {}
        }
    }
}

fn heads(buffer: &mut Buffer, area: Rect, n_heads: u16, columns: &Columns, watched: &Watched, ink: Ink) {
    let test = columns.values.unwrap_or(columns.chart.0);
    let threshold = columns.chart.0 + columns.threshold();
    if n_heads > 1 {
        let mut row = Row::new(buffer, area.top(), area.right());
        row.put(test, u16::MAX, "Does it stop here?", strong());
        row.put(columns.movement.0, columns.movement.1 + 2, "Settling?", strong());
        let long = "If it stopped here it would say";
        let title = if width(long) <= columns.say.1 { long } else { "It would say" };
        row.put(columns.say.0, columns.say.1, title, strong());
    }
    let mut row = Row::new(buffer, area.top() + n_heads - 1, area.right());
    row.put(area.left(), u16::MAX, "step", faint());
    if let Some(x) = columns.values {
        row.put_right(x, 8, "q_halt+b", faint());
        row.put_right(x + 9, 6, "q_cont", faint());
    }
    if columns.threshold() > 5 {
        row.put(threshold - 6, 6, "go on ", faint());
    }
    row.put(threshold, 1, "│", faint());
    row.put(threshold + 1, u16::MAX, " stop", faint());
    if let Some(x) = columns.margin {
        row.put_right(x, 7, "margin", faint());
    }
    let steps = watched.thoughts.iter().rev().flat_map(|thought| &thought.steps);
    if let Some(step) = steps.into_iter().find(|step| !step.cycles.is_empty()) {
        for (cycle, x) in step.cycles.iter().zip(columns.cycles()) {
            row.put(x, 1, letter(cycle.level), cycle_style(cycle.level, ink));
        }
    }
    if let Some(x) = columns.ms {
        row.put_right(x, 7, "ms", faint());
    }
    if n_heads == 1 {
        row.put(columns.say.0, columns.say.1, &fit("would say", columns.say.1), faint());
    }
}

fn cycle_style(level: Level, ink: Ink) -> Style {
    if level == Level::H { ink.accent() } else { Style::new() }
}

/// One step.
struct Line<'a> {
    step: &'a Step,
    thought: &'a Thought,
    /// Cycles that are still to be shown; the rest of the step comes behind them.
    hidden: usize,
    is_chosen: bool,
    ink: Ink,
}

impl Line<'_> {
    fn draw(&self, row: &mut Row<'_>, columns: &Columns, left: u16, range: &Range) {
        let base = if self.is_chosen { strong() } else { Style::new() };
        if self.is_chosen {
            row.put(left, 1, "▶", self.ink.accent());
        }
        row.put_right(
            left + 1,
            3,
            &self.step.number.to_string(),
            self.ink.depth(self.step.number).patch(base),
        );
        self.movement(row, columns, range);
        let threshold = columns.chart.0 + columns.threshold();
        if self.hidden > 0 {
            row.put(threshold, 1, "│", base);
            return;
        }
        if let Some(x) = columns.values {
            row.put_right(x, 8, &signed(self.step.q_halt + self.step.bias()), base);
            row.put_right(x + 9, 6, &signed(self.step.q_continue), base);
        }
        self.test(row, columns, range, base);
        if let Some(x) = columns.margin {
            row.put_right(x, 7, &signed(self.step.margin), base);
        }
        if let Some(x) = columns.ms {
            row.put_right(x, 7, &format!("{:.1}", self.step.ms), faint());
        }
        self.would_say(row, columns, base);
    }

    /// The step at which it ended has a word behind its bar.
    fn ending(&self) -> Option<&'static str> {
        let said = self.thought.said.as_ref().filter(|said| said.depth == self.step.number)?;
        Some(match said.halted_by {
            HaltedBy::Test => "■ stops",
            HaltedBy::Cap => "■ limit",
            HaltedBy::Forced => "■ forced",
        })
    }

    fn test(&self, row: &mut Row<'_>, columns: &Columns, range: &Range, base: Style) {
        let before = columns.threshold();
        let behind = columns.chart.1 - before - 1;
        let line = columns.chart.0 + before;
        let reach = if range.below > 0.0 { range.below } else { range.above };
        let halves = |distance: f32| (distance / reach * f32::from(before) * 2.0).round() as u16;
        row.put(line, 1, "│", base);
        let mut end = line + 1;
        if self.step.margin > 0.0 {
            let halves = halves(self.step.margin).clamp(1, 2 * behind);
            let bar = "█".repeat(usize::from(halves / 2)) + if halves % 2 == 1 { "▌" } else { "" };
            end = row.put(end, behind, &bar, self.ink.accent());
        } else {
            let halves = halves(-self.step.margin).min(2 * before);
            let bar = String::from(if halves % 2 == 1 { "▐" } else { "" });
            let bar = bar + &"█".repeat(usize::from(halves / 2));
            row.put_right(columns.chart.0, before, &bar, faint());
        }
        if let Some(word) = self.ending() {
            let room = columns.chart.0 + columns.chart.1 + 1;
            let word = if width(word) < behind { word } else { "■" };
            let at = (end + 1).min(room.saturating_sub(width(word)));
            row.put(at, u16::MAX, word, strong());
        }
    }

    fn movement(&self, row: &mut Row<'_>, columns: &Columns, range: &Range) {
        if self.step.cycles.is_empty() {
            row.put(columns.movement.0, columns.movement.1, "cached", faint());
        }
        let n_shown = self.step.cycles.len().saturating_sub(self.hidden);
        for (cycle, x) in self.step.cycles.iter().take(n_shown).zip(columns.cycles()) {
            let block = BLOCKS[(range.stir(cycle.moved) * 7.0).round() as usize];
            row.put(x, 1, block, cycle_style(cycle.level, self.ink));
        }
    }

    /// How many guesses have room in all steps of the token, and the columns of the longest name among them.
    fn n_guesses(&self, room: u16) -> (usize, u16) {
        let longest = |n| {
            let shown = self.thought.steps.iter().flat_map(|step| step.would_say.iter().take(n));
            shown.map(|guess| width(&guess.name)).max().unwrap_or(1).clamp(1, LONGEST_NAME)
        };
        let most = self.step.would_say.len().min(8);
        let fits = |&n: &usize| n as u16 * (longest(n) + BESIDE_NAME) <= room + 1;
        let n = (2..=most).rev().find(fits).unwrap_or(1);
        (n, longest(n))
    }

    /// As many as there is room for, each with its share.
    fn would_say(&self, row: &mut Row<'_>, columns: &Columns, base: Style) {
        let (n, longest) = self.n_guesses(columns.say.1);
        let each = longest + BESIDE_NAME;
        let in_the_end = self.thought.said.as_ref().map(|said| said.token);
        for (i, guess) in self.step.would_say.iter().take(n).enumerate() {
            let x = columns.say.0 + i as u16 * each;
            let name = format!(" {} ", fit(&guess.name, longest));
            let style = if in_the_end == Some(guess.token) { said() } else { Style::new() };
            let style = if i == 0 { style.add_modifier(Modifier::BOLD) } else { style.patch(base) };
            let behind = row.put(x, columns.say.1, &name, style);
            row.put_right(
                behind,
                (x + each).saturating_sub(behind + 1),
                &percent(guess.probability),
                faint(),
            );
        }
    }
}
