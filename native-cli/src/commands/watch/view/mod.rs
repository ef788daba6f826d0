//! The picture: what was asked, the answer, the thinking about one token step by step, and one line of sums.

mod answer;
mod ink;
mod steps;
mod words;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Clear, Widget};

use self::ink::{Ink, Row, faint, fit, fit_end, strong, visible, width};
use super::editor::Editor;
use super::state::Watched;
use crate::paint::Paint;

/// In less there is no reading.
const LEAST: (u16, u16) = (40, 12);

/// What keys mean.
#[derive(Debug)]
pub enum Mode {
    /// They go back and forth in the thinking.
    Watching,
    /// They type a prompt.
    Asking(Editor),
    /// Any of them ends the help.
    Help,
}

/// All that is drawn.
pub struct Scene<'a> {
    /// The thinking.
    pub watched: &'a Watched,
    /// What keys mean.
    pub mode: &'a Mode,
    /// The model's name.
    pub model: &'a str,
    /// Where it computes.
    pub device: String,
    /// The deepest that the model can think.
    pub deepest: u32,
    /// What is added to its wish to stop, where that is known.
    pub bias: Option<f32>,
    /// Of the draws, where tokens are drawn.
    pub seed: Option<u64>,
    /// Nothing more is shown until somebody says so.
    pub is_paused: bool,
    /// The least time that a step is shown.
    pub pace: Duration,
    /// The terminal's colours.
    pub paint: Paint,
}

/// What is drawn where, by the height there is.
struct Rows {
    has_title: bool,
    n_soundings: u16,
    has_gaps: bool,
    n_heads: u16,
    n_steps: u16,
    n_words: u16,
    has_keys: bool,
}

impl Rows {
    /// The steps get what they can use before anything else gets more than it needs.
    fn of(height: u16, deepest: u32) -> Rows {
        let roomy = height >= 16;
        let mut rows = Rows {
            has_title: roomy,
            n_soundings: 0,
            has_gaps: height >= 22,
            n_heads: if roomy { 2 } else { 1 },
            n_steps: 0,
            n_words: if height >= 20 { 2 } else { 1 },
            has_keys: roomy,
        };
        // The prompt, the answer, its depths, a headline, the line of sums.
        let fixed = 5
            + u16::from(rows.has_title)
            + 2 * u16::from(rows.has_gaps)
            + rows.n_heads
            + rows.n_words
            + u16::from(rows.has_keys);
        let free = height.saturating_sub(fixed);
        rows.n_steps = free.min(deepest.clamp(4, 64) as u16);
        let rest = free - rows.n_steps;
        rows.n_soundings = if rest >= 4 { rest.min(8) } else { 0 };
        rows
    }
}

/// Draws all of it, at any size.
pub fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(frame, area);
    }
    let ink = Ink { paint: scene.paint, deepest: scene.deepest };
    let rows = Rows::of(area.height, scene.deepest);
    let (left, right) = (area.left() + 1, area.right() - 1);
    let mut y = area.top();
    if rows.has_title {
        title(&mut Row::new(frame.buffer_mut(), y, right), left, right, scene);
        y += 1;
    }
    match scene.mode {
        Mode::Asking(editor) => ask(frame, y, left, right, editor, ink),
        _ => prompt(&mut Row::new(frame.buffer_mut(), y, right), left, right, scene),
    }
    y += 1;
    let strip = Rect { x: left, y, width: right - left, height: 2 + rows.n_soundings };
    answer::draw(frame.buffer_mut(), strip, scene.watched, ink);
    y += strip.height + u16::from(rows.has_gaps);
    let headline = words::headline(scene, area.width - 6);
    rule(&mut Row::new(frame.buffer_mut(), y, area.right()), area, &headline);
    y += 1;
    let table = Rect { x: left, y, width: right - left, height: rows.n_heads + rows.n_steps };
    steps::draw(frame.buffer_mut(), table, rows.n_heads, scene.watched, ink);
    y += table.height + u16::from(rows.has_gaps);
    for sentence in words::sentences(scene, right - left).iter().take(usize::from(rows.n_words)) {
        Row::new(frame.buffer_mut(), y, right).put(
            left,
            u16::MAX,
            &fit(sentence, right - left),
            Style::new(),
        );
        y += 1;
    }
    let foot = area.bottom() - 1 - u16::from(rows.has_keys);
    let sums = words::sums(scene, right - left, rows.has_keys);
    Row::new(frame.buffer_mut(), foot, right).put(left, u16::MAX, &sums, Style::new());
    if rows.has_keys {
        let keys = words::keys(scene, right - left);
        Row::new(frame.buffer_mut(), foot + 1, right).put(left, u16::MAX, keys, faint());
    }
    if matches!(scene.mode, Mode::Help) {
        help(frame, area);
    }
}

fn title(row: &mut Row<'_>, left: u16, right: u16, scene: &Scene<'_>) {
    let x = row.put(left, u16::MAX, "fathom watch", strong());
    let state = words::state(scene);
    let room = (right - x).saturating_sub(width(&state) + 4);
    row.put(x + 2, room, &fit(&visible(scene.model), room), faint());
    row.put_right(left, right - left, &state, strong());
}

const PROMPT: &str = "asked   ";

fn prompt(row: &mut Row<'_>, left: u16, right: u16, scene: &Scene<'_>) {
    let x = row.put(left, u16::MAX, PROMPT, faint());
    row.put(x, u16::MAX, &fit_end(&visible(&scene.watched.prompt), right - x), strong());
}

fn ask(frame: &mut Frame<'_>, y: u16, left: u16, right: u16, editor: &Editor, ink: Ink) {
    let (before, behind) = editor.parts();
    let mut row = Row::new(frame.buffer_mut(), y, right);
    let x = row.put(left, u16::MAX, "ask     ", ink.accent());
    let before = fit_end(before, (right - x) * 3 / 4);
    let cursor = row.put(x, u16::MAX, &before, strong().add_modifier(Modifier::UNDERLINED));
    let end = row.put(cursor, u16::MAX, behind, strong().add_modifier(Modifier::UNDERLINED));
    let hint = match &editor.complaint {
        Some(complaint) => complaint.as_str(),
        None if before.is_empty() && behind.is_empty() => " type what it is to answer, then Enter",
        None => "",
    };
    row.put(end + 2, u16::MAX, &fit(&visible(hint), right.saturating_sub(end + 2)), ink.accent());
    frame.set_cursor_position((cursor.min(right), y));
}

/// A line across, with words in it.
fn rule(row: &mut Row<'_>, area: Rect, words: &str) {
    let x = row.put(area.left(), 2, "──", faint());
    let x = row.put(x + 1, u16::MAX, words, strong()) + 1;
    row.put(x, u16::MAX, &"─".repeat(usize::from(area.right().saturating_sub(x))), faint());
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let lines = [
        format!("{}×{} is too small:", area.width, area.height),
        format!("make it {}×{} or more", LEAST.0, LEAST.1),
        "Ctrl-C quits".to_owned(),
    ];
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        Row::new(frame.buffer_mut(), y, area.right()).put(area.left(), u16::MAX, &line, Style::new());
    }
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let all = || words::EXPLAINED.into_iter().chain(words::KEYS);
    let fits =
        usize::from(area.height) >= all().count() + 2 && all().all(|line| width(line) + 4 <= area.width);
    let lines: Vec<&str> = if fits { all().collect() } else { words::KEYS.into() };
    let columns = lines.iter().map(|line| width(line)).max().unwrap_or(0) + 4;
    let size = (columns.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let x = area.left() + (area.width - size.0) / 2;
    let y = area.top() + (area.height - size.1) / 2;
    let place = Rect { x, y, width: size.0, height: size.1 };
    Clear.render(place, frame.buffer_mut());
    ratatui::widgets::Block::bordered().title(" help: any key closes it ").render(place, frame.buffer_mut());
    for (y, line) in (place.top() + 1..place.bottom().saturating_sub(1)).zip(lines) {
        let row = &mut Row::new(frame.buffer_mut(), y, place.right() - 1);
        row.put(place.left() + 2, u16::MAX, line, Style::new());
    }
}

#[cfg(test)]
mod tests;
