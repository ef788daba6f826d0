//! Styles by what they mean, and text put at a place. The terminal's own colours are kept for everything but
//! depths and one accent, so that it reads on dark and on light.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use crate::paint::Paint;

/// What this terminal shows.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    /// Its colours.
    pub paint: Paint,
    /// The deepest that the model can think.
    pub deepest: u32,
}

impl Ink {
    /// The tint of a depth.
    pub fn depth(self, depth: u32) -> Style {
        let style = self.paint.depth_style(depth, self.deepest);
        Style { fg: style.get_fg_color().map(colour), bg: style.get_bg_color().map(colour), ..Style::new() }
    }

    /// The wish to stop, the slow state, and where one looks.
    pub fn accent(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.paint.is_coloured() { style.fg(Color::Magenta) } else { style }
    }
}

/// A headline, or what is looked at.
pub fn strong() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// What may be overlooked.
pub fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// What it said in the end.
pub fn said() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn colour(colour: anstyle::Color) -> Color {
    match colour {
        anstyle::Color::Rgb(anstyle::RgbColor(r, g, b)) => Color::Rgb(r, g, b),
        anstyle::Color::Ansi256(anstyle::Ansi256Color(index)) => Color::Indexed(index),
        anstyle::Color::Ansi(ansi) => Color::Indexed(ansi as u8),
    }
}

/// Columns that a text takes.
pub fn width(text: &str) -> u16 {
    text.width().min(u16::MAX as usize) as u16
}

/// A text in at most so many columns, `…` for what is cut off its end.
pub fn fit(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if width(&cut) + 1 > columns {
            cut.pop();
            break;
        }
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// The same, cut at its beginning.
pub fn fit_end(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let starts = text.char_indices().map(|(at, _)| at);
    let tail = starts.into_iter().find(|&at| width(&text[at..]) < columns).map_or("", |at| &text[at..]);
    if columns > 0 { format!("…{tail}") } else { String::new() }
}

/// Line breaks and other control characters spelled out, as the names of tokens have them.
pub fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { seen.extend(c.escape_default()) } else { seen.push(c) }
    }
    seen
}

/// A place to put text on: a row, from one column up to another.
pub struct Row<'a> {
    buffer: &'a mut Buffer,
    y: u16,
    end: u16,
}

impl Row<'_> {
    /// The row `y` of a buffer, `start` and `end` in its columns.
    pub fn new(buffer: &mut Buffer, y: u16, end: u16) -> Row<'_> {
        Row { buffer, y, end }
    }

    /// Puts a text at a column, in at most so many columns; what does not fit is left out. Gives the column behind.
    pub fn put(&mut self, x: u16, columns: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        let end = self.end.min(area.right());
        if x >= end || x < area.left() || self.y < area.top() || self.y >= area.bottom() {
            return x;
        }
        self.buffer.set_stringn(x, self.y, text, usize::from(columns.min(end - x)), style).0
    }

    /// The same, aligned to the right of the columns.
    pub fn put_right(&mut self, x: u16, columns: u16, text: &str, style: Style) {
        let shift = columns.saturating_sub(width(text));
        self.put(x + shift, columns - shift, text, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_count_columns_and_not_characters() {
        assert_eq!(fit("upon", 4), "upon");
        assert_eq!(fit("upon", 3), "up…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("upon", 0), "");
        assert_eq!(fit_end("7+5-3=", 4), "…-3=");
        assert_eq!(fit_end("日本語", 4), "…語");
        assert_eq!(fit_end("日本語", 0), "");
        assert_eq!(visible("a\n\u{1b}[2J"), "a\\n\\u{1b}[2J");
    }

    #[test]
    fn nothing_is_put_outside() {
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 3, 1));
        let mut row = Row::new(&mut buffer, 0, 9);
        assert_eq!(row.put(1, 9, "日本", Style::new()), 3);
        assert_eq!(row.put(7, 2, "x", Style::new()), 7);
        Row::new(&mut buffer, 4, 9).put_right(0, 3, "x", Style::new());
        assert_eq!(buffer.content[1].symbol(), "日");
    }
}
