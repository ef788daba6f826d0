//! An answer on its way out: as tinted text for people, or as one JSON object a token for programs.

use std::io::{self, StdoutLock, Write};
use std::time::{Duration, Instant};

use fathom_engine::TokenEvent;
use serde::Serialize;

use crate::output::{json_line, thousandths};
use crate::paint::Paint;

/// What is told about an answer when it is over.
pub struct Tally {
    /// Tokens made, the end token included.
    pub n_tokens: u64,
    /// The greatest depth of any.
    pub deepest: u32,
    sum_of_depths: u64,
    took: Duration,
    began: Instant,
}

impl Tally {
    /// The clock starts.
    pub fn begin() -> Tally {
        Tally { n_tokens: 0, deepest: 0, sum_of_depths: 0, took: Duration::ZERO, began: Instant::now() }
    }

    /// One token more.
    pub fn count(&mut self, event: &TokenEvent) {
        self.n_tokens += 1;
        self.sum_of_depths += u64::from(event.depth);
        self.deepest = self.deepest.max(event.depth);
        self.took = self.began.elapsed();
    }

    /// How many tokens, how deep, how fast.
    pub fn parts(&self) -> Vec<String> {
        let words = if self.n_tokens == 1 { "token" } else { "tokens" };
        vec![
            format!("{} {words}", self.n_tokens),
            format!("depth {:.1} on average, {} at most", self.mean_depth(), self.deepest),
            format!("{:.1} tokens/s", self.tokens_per_s()),
        ]
    }

    /// 0 where there was no token.
    pub fn mean_depth(&self) -> f64 {
        self.sum_of_depths as f64 / self.n_tokens.max(1) as f64
    }

    /// Reading the prompt is part of the time.
    pub fn tokens_per_s(&self) -> f64 {
        if self.n_tokens == 0 { 0.0 } else { self.n_tokens as f64 / self.took.as_secs_f64() }
    }
}

/// How an answer is written.
pub struct Style {
    /// The colours of standard output.
    pub paint: Paint,
    /// The deepest that the model can think.
    pub deepest: u32,
    /// The model has no texts, so the ids are the answer.
    pub ids_for_text: bool,
}

/// Where the tokens go.
pub enum Answer {
    /// Text in tints.
    Text {
        /// Standard output.
        out: StdoutLock<'static>,
        /// How it is written.
        style: Style,
        /// The text so far does not end in a line break.
        line_is_open: bool,
    },
    /// JSON lines.
    Json {
        /// Standard output.
        out: StdoutLock<'static>,
    },
}

/// The object of a token.
#[derive(Serialize)]
struct TokenLine<'a> {
    token: u32,
    text: &'a str,
    depth: u32,
    steps_taken: u32,
    q_halt: f32,
    q_continue: f32,
    ms: f64,
}

/// The closing object. `text` is there where text was held back because it might have begun a stop string.
#[derive(Serialize)]
struct ClosingLine<'a> {
    done: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    n_tokens: u64,
    tokens_per_s: f64,
    device: &'a str,
}

impl Answer {
    /// Text on standard output.
    pub fn text(style: Style) -> Answer {
        Answer::Text { out: io::stdout().lock(), style, line_is_open: false }
    }

    /// JSON lines on standard output.
    pub fn json() -> Answer {
        Answer::Json { out: io::stdout().lock() }
    }

    /// One token, seen at once.
    pub fn token(&mut self, event: &TokenEvent) -> anyhow::Result<()> {
        match self {
            Answer::Json { out } => json_line(
                out,
                &TokenLine {
                    token: event.token,
                    text: &event.text,
                    depth: event.depth,
                    steps_taken: event.steps_taken,
                    q_halt: event.q_halt,
                    q_continue: event.q_continue,
                    ms: thousandths(event.ms),
                },
            ),
            Answer::Text { out, style, line_is_open } if style.ids_for_text => {
                let gap = if *line_is_open { " " } else { "" };
                *line_is_open = true;
                write!(out, "{gap}{}", style.paint.depth(event.depth, style.deepest, event.token))?;
                Ok(out.flush()?)
            }
            Answer::Text { .. } => self.write_text(&event.text, event.depth),
        }
    }

    /// The text that was held back until the end, and the end of the last line.
    pub fn finish(&mut self, rest: &str, done: &str, tally: &Tally, device: &str) -> anyhow::Result<()> {
        if let Answer::Json { out } = self {
            let closing = ClosingLine {
                done,
                text: rest,
                n_tokens: tally.n_tokens,
                tokens_per_s: thousandths(tally.tokens_per_s()),
                device,
            };
            return json_line(out, &closing);
        }
        self.rest(rest)?;
        self.end_line()
    }

    /// Text that came with no token of its own.
    pub fn rest(&mut self, rest: &str) -> anyhow::Result<()> {
        self.write_text(rest, 1)
    }

    /// What follows starts at the left, whatever happened.
    pub fn end_line(&mut self) -> anyhow::Result<()> {
        if let Answer::Text { out, line_is_open, .. } = self
            && *line_is_open
        {
            *line_is_open = false;
            writeln!(out)?;
            out.flush()?;
        }
        Ok(())
    }

    /// A tint never crosses a line break: the terminal would paint the rest of the line.
    fn write_text(&mut self, text: &str, depth: u32) -> anyhow::Result<()> {
        let Answer::Text { out, style, line_is_open } = self else { return Ok(()) };
        for piece in text.split_inclusive('\n') {
            let line = piece.strip_suffix('\n');
            let shown = line.unwrap_or(piece);
            if !shown.is_empty() {
                write!(out, "{}", style.paint.depth(depth, style.deepest, shown))?;
            }
            if line.is_some() {
                writeln!(out)?;
            }
            *line_is_open = line.is_none();
        }
        Ok(out.flush()?)
    }
}
