//! Colour: how deep a token was thought about, as the tint behind it.
//!
//! The ramp is ColorBrewer's GnBu, sequential and safe for colour-blind eyes: shallow water is pale,
//! deep water is dark. A tint lies behind the text and brings its own black or white letters, so it reads
//! the same on dark and on light terminals. One step, the least there is, stays untinted.

use std::env;
use std::fmt;

use anstyle::{Ansi256Color, Color, Effects, RgbColor, Style};
use clap::ValueEnum;

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Where standard output is a terminal that can, and NO_COLOR is not set
    Auto,
    /// Also into a pipe or a file
    Always,
    /// Plain text
    Never,
}

/// How a cell of a board looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As text.
    Plain,
    /// What may be overlooked.
    Faint,
    /// What the puzzle gives.
    Given,
    /// What a segment changed.
    Changed,
    /// What cannot be.
    Wrong,
    /// One of ARC's ten colours.
    Colour(u8),
}

/// ARC's colours as its authors show them: black, blue, red, green, yellow, grey, magenta, orange, cyan, maroon.
const ARC: [[u8; 3]; 10] = [
    [0, 0, 0],
    [0, 116, 217],
    [255, 65, 54],
    [46, 204, 64],
    [255, 220, 0],
    [170, 170, 170],
    [240, 18, 190],
    [255, 133, 27],
    [127, 219, 255],
    [135, 12, 37],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Plain,
    Indexed,
    True,
}

/// What this terminal shows.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    range: Range,
}

/// Text in a style; the style ends with the text.
pub struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

/// From the second step to the deepest one.
const RAMP: [[u8; 3]; 7] = [
    [204, 235, 197],
    [168, 221, 181],
    [123, 204, 196],
    [78, 179, 211],
    [43, 140, 190],
    [8, 104, 172],
    [8, 64, 129],
];

impl Paint {
    /// For a stream that is a terminal or is not.
    pub fn resolve(choice: ColorChoice, is_terminal: bool) -> Paint {
        let wanted = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                is_terminal && !anstyle_query::no_color() && anstyle_query::term_supports_color()
            }
        };
        let range = match wanted {
            false => Range::Plain,
            true if can_show_true_colour() => Range::True,
            true => Range::Indexed,
        };
        if wanted {
            let _windows_before_10_shows_none = anstyle_query::windows::enable_ansi_colors();
        }
        Paint { range }
    }

    /// Tints are shown.
    pub fn is_coloured(self) -> bool {
        self.range != Range::Plain
    }

    /// Text on the tint of a depth, of the `deepest` that this model can think.
    pub fn depth<T: fmt::Display>(self, depth: u32, deepest: u32, text: T) -> Painted<T> {
        Painted { style: self.depth_style(depth, deepest), text }
    }

    /// The tint of a depth with its letters; nothing where there is none.
    pub fn depth_style(self, depth: u32, deepest: u32) -> Style {
        match tint(depth, deepest) {
            Some(colour) if self.is_coloured() => self.on(colour),
            _ => Style::new(),
        }
    }

    /// A headline or the word that matters.
    pub fn strong<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.effect(Effects::BOLD, text)
    }

    /// What may be overlooked.
    pub fn faint<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.effect(Effects::DIMMED, text)
    }

    /// A cell of a board.
    pub fn look<T: fmt::Display>(self, look: Look, text: T) -> Painted<T> {
        let style = match look {
            _ if !self.is_coloured() => Style::new(),
            Look::Plain => Style::new(),
            Look::Faint => Style::new().effects(Effects::DIMMED),
            Look::Given => Style::new().effects(Effects::BOLD),
            Look::Changed => self.on(RAMP[1]),
            Look::Wrong => self.on([255, 65, 54]),
            Look::Colour(colour) => self.on(ARC[usize::from(colour) % ARC.len()]),
        };
        Painted { style, text }
    }

    fn on(self, colour: [u8; 3]) -> Style {
        let letters = self.colour(letters_on(colour));
        Style::new().bg_color(Some(self.colour(colour))).fg_color(Some(letters))
    }

    fn effect<T: fmt::Display>(self, effect: Effects, text: T) -> Painted<T> {
        let style = if self.is_coloured() { Style::new().effects(effect) } else { Style::new() };
        Painted { style, text }
    }

    fn colour(self, rgb: [u8; 3]) -> Color {
        match self.range {
            Range::True => Color::Rgb(RgbColor(rgb[0], rgb[1], rgb[2])),
            _ => Color::Ansi256(Ansi256Color(nearest_indexed(rgb))),
        }
    }
}

fn can_show_true_colour() -> bool {
    cfg!(windows) || env::var("COLORTERM").is_ok_and(|v| v == "truecolor" || v == "24bit")
}

fn tint(depth: u32, deepest: u32) -> Option<[u8; 3]> {
    if depth < 2 {
        return None;
    }
    let span = deepest.saturating_sub(2).max(1) as f32;
    let place = ((depth - 2) as f32 / span).min(1.0) * (RAMP.len() - 1) as f32;
    let below = (place as usize).min(RAMP.len() - 2);
    let share = place - below as f32;
    let mix = |i: usize| {
        (f32::from(RAMP[below][i]) * (1.0 - share) + f32::from(RAMP[below + 1][i]) * share).round()
    };
    Some([mix(0) as u8, mix(1) as u8, mix(2) as u8])
}

/// Black or white, whichever stands out more (WCAG 2: the two contrasts meet at luminance 0.179).
fn letters_on(colour: [u8; 3]) -> [u8; 3] {
    if luminance(colour) > 0.179 { [0, 0, 0] } else { [255, 255, 255] }
}

fn luminance(rgb: [u8; 3]) -> f32 {
    let linear = |v: u8| {
        let v = f32::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2])
}

/// The nearest of the 6×6×6 cube that starts at 16 in the table of 256 colours; of two the lighter, so that the
/// palest tint is a green and no grey.
fn nearest_indexed(rgb: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    rgb.iter().fold(0, |index, &v| {
        let level = (0..6).rev().min_by_key(|&i| LEVELS[usize::from(i)].abs_diff(v)).unwrap_or(0);
        index * 6 + level
    }) + 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: [u8; 3], b: [u8; 3]) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn letters_are_legible_on_every_tint() {
        for deepest in 2..=64 {
            for depth in 2..=deepest {
                let Some(colour) = tint(depth, deepest) else { panic!("depth {depth} has a tint") };
                assert!(contrast(colour, letters_on(colour)) >= 4.5, "depth {depth} of {deepest}");
            }
        }
    }

    #[test]
    fn deeper_is_darker() {
        let lights: Vec<f32> = (2..=16).filter_map(|d| tint(d, 16)).map(luminance).collect();
        assert!(lights.windows(2).all(|pair| pair[0] > pair[1]), "{lights:?}");
    }

    #[test]
    fn the_table_of_256_colours() {
        assert_eq!(nearest_indexed([0, 0, 0]), 16);
        assert_eq!(nearest_indexed([255, 255, 255]), 231);
        assert_eq!(nearest_indexed(RAMP[0]), 16 + 4 * 36 + 5 * 6 + 4);
        assert_eq!(nearest_indexed([8, 104, 172]), 16 + 6 + 3);
    }

    #[test]
    fn no_colour_means_no_escapes() {
        let paint = Paint::resolve(ColorChoice::Never, true);
        assert_eq!(paint.depth(9, 16, "6").to_string(), "6");
        assert_eq!(paint.strong("6").to_string(), "6");
        let paint = Paint::resolve(ColorChoice::Always, false);
        assert_eq!(paint.depth(1, 16, "6").to_string(), "6");
        assert!(paint.depth(2, 16, "6").to_string().starts_with('\u{1b}'));
    }
}
