//! The answer: a cell for each token in the tint of its depth, the depth under it, and, where there is room, a
//! plumb line down to it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::ink::{Ink, Row, faint, fit, width};
use crate::commands::watch::state::{Thought, Watched};

/// Longer names are cut.
const LONGEST_NAME: u16 = 14;

const ANSWER: &str = "answer  ";
const DEPTH: &str = "depth   ";

struct Cell {
    token: usize,
    name: String,
    depth: u32,
    is_open: bool,
    x: u16,
    columns: u16,
}

/// Two rows, and below them as many soundings as the area has.
pub fn draw(buffer: &mut Buffer, area: Rect, watched: &Watched, ink: Ink) {
    let left = area.left() + width(ANSWER);
    let (cells, is_cut) = cells(watched, left, area.right());
    let y = area.top();
    for (row, caption) in [(y, ANSWER), (y + 1, DEPTH)] {
        Row::new(buffer, row, area.right()).put(area.left(), u16::MAX, caption, faint());
    }
    if is_cut {
        Row::new(buffer, y, area.right()).put(left - 1, 1, "‹", faint());
    }
    for cell in &cells {
        let is_chosen = cell.token == watched.token();
        let style = if cell.is_open { faint() } else { ink.depth(cell.depth) };
        let style = if is_chosen { style.add_modifier(Modifier::BOLD) } else { style };
        let (open, close) = if is_chosen { ("▸", "◂") } else { (" ", " ") };
        let inner = cell.columns - 2;
        let mut row = Row::new(buffer, y, area.right());
        row.put(cell.x, u16::MAX, &" ".repeat(usize::from(cell.columns)), style);
        row.put(cell.x + 1 + (inner - width(&cell.name)) / 2, inner, &cell.name, style);
        row.put(cell.x, 1, open, style);
        row.put(cell.x + cell.columns - 1, 1, close, style);
        let depth = cell.depth.to_string();
        let mut row = Row::new(buffer, y + 1, area.right());
        row.put(cell.x, u16::MAX, &" ".repeat(usize::from(cell.columns)), style);
        row.put(cell.x + 1 + (inner.saturating_sub(width(&depth))) / 2, inner, &depth, style);
    }
    let below = Rect { y: y + 2, height: area.height.saturating_sub(2), ..area };
    soundings(buffer, below, &cells, watched, ink);
}

/// The cells around the one that is looked at, and whether there are more on their left.
fn cells(watched: &Watched, left: u16, right: u16) -> (Vec<Cell>, bool) {
    let Some(mut first) = watched.thoughts.len().checked_sub(1).map(|last| watched.token().min(last)) else {
        return (Vec::new(), false);
    };
    let room = right.saturating_sub(left);
    // As far back as fits, with room for the one that comes next.
    let next = watched.thoughts.get(first + 1).map_or(0, |thought| cell(thought, 0, 0).columns);
    let mut taken = cell(&watched.thoughts[first], 0, 0).columns + next;
    while first > 0 {
        taken += cell(&watched.thoughts[first - 1], 0, 0).columns;
        if taken > room {
            break;
        }
        first -= 1;
    }
    let mut x = left;
    let mut cells = Vec::new();
    for (token, thought) in watched.thoughts.iter().enumerate().skip(first) {
        let cell = cell(thought, token, x);
        if cell.x + cell.columns > right {
            break;
        }
        x += cell.columns;
        cells.push(cell);
    }
    (cells, first > 0)
}

fn cell(thought: &Thought, token: usize, x: u16) -> Cell {
    let depth = thought.said.as_ref().map_or(thought.steps.len() as u32, |said| said.depth);
    let name = thought.said.as_ref().map_or("…", |said| &said.name);
    let name = fit(name, LONGEST_NAME);
    let inner = width(&name).max(width(&depth.to_string())).max(1);
    Cell { token, name, depth, is_open: thought.said.is_none(), x, columns: inner + 2 }
}

/// Each token's depth as a line into the water, on one scale for all.
fn soundings(buffer: &mut Buffer, area: Rect, cells: &[Cell], watched: &Watched, ink: Ink) {
    if area.height == 0 {
        return;
    }
    let n_rows = u32::from(area.height);
    let per_row = ink.deepest.div_ceil(n_rows).max(1);
    for i in 0..n_rows {
        let y = area.top() + i as u16;
        let floor = (i + 1) * per_row;
        if floor <= ink.deepest.max(per_row) && (i % 2 == 1 || per_row > 2) {
            let caption = floor.to_string();
            Row::new(buffer, y, area.right()).put_right(area.left(), width(ANSWER) - 2, &caption, faint());
        }
        for cell in cells {
            let top = i * per_row;
            if cell.depth <= top {
                continue;
            }
            let is_bottom = cell.depth <= floor;
            let style = ink.depth(if cell.is_open { 1 } else { cell.depth.min(floor) });
            let is_chosen = cell.token == watched.token();
            let (mark, style) = match (is_bottom, is_chosen) {
                (true, true) => ("◉", style.add_modifier(Modifier::BOLD)),
                (true, false) => ("●", style),
                (false, _) => ("│", style),
            };
            let mut row = Row::new(buffer, y, area.right());
            row.put(cell.x, u16::MAX, &" ".repeat(usize::from(cell.columns)), style);
            row.put(cell.x + (cell.columns - 1) / 2, 1, mark, style);
        }
    }
}
