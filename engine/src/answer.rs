//! One answer in the making: its context, its text, whether it is over.

use crate::error::Result;
use crate::generate::{Done, GenerateOptions, Overflow, TokenEvent};
use crate::model::Model;
use crate::session::{Read, ReadAhead, Reading};
use crate::text::TextStream;

/// One answer in the making.
#[derive(Debug, Clone)]
pub struct Answer {
    options: GenerateOptions,
    /// The most tokens that the model reads.
    window: usize,
    /// What it reads: the end of the prompt and the answer.
    context: Vec<u32>,
    text: TextStream,
    n_made: usize,
    eos: Option<u32>,
    done: Option<Done>,
    /// The window was full; not told yet.
    overflowed: Option<&'static str>,
    has_overflowed: bool,
}

const RECOMPUTES: &str =
    "the window is full: each further token drops the oldest one and computes the whole window anew";
const SLIDES: &str = "the window is full: the older half of it was dropped";

impl Answer {
    /// Nothing is made yet.
    ///
    /// # Errors
    /// Those of [`Generator::new`](crate::Generator::new).
    pub fn new(model: &Model, window: usize, prompt: &[u32], options: GenerateOptions) -> Result<Answer> {
        options.check(model.config(), window, prompt)?;
        let decoder = model.tokenizer().map(|tokenizer| tokenizer.decoder());
        let mut answer = Answer {
            text: TextStream::new(decoder, options.stop.clone()),
            window,
            context: prompt.to_vec(),
            n_made: 0,
            eos: model.eos().filter(|_| !options.ignore_eos),
            done: (options.n_tokens == 0).then_some(Done::Length),
            overflowed: None,
            has_overflowed: false,
            options,
        };
        answer.fit();
        Ok(answer)
    }

    /// Makes the context fit into the window.
    fn fit(&mut self) {
        if self.context.len() <= self.window {
            return;
        }
        let (n_kept, sentence) = match self.options.overflow {
            Overflow::Recompute => (self.window, RECOMPUTES),
            Overflow::Slide => (self.window.div_ceil(2), SLIDES),
            Overflow::Stop => {
                self.done = Some(Done::Context);
                return;
            }
        };
        self.context.drain(..self.context.len() - n_kept);
        if !self.has_overflowed {
            self.has_overflowed = true;
            self.overflowed = Some(sentence);
        }
    }

    /// What the model reads for the next token.
    pub fn read(&self, sequence: usize) -> Read<'_> {
        let GenerateOptions { depth, sampling, .. } = self.options;
        Read { sequence, tokens: &self.context, depth, sampling, place: self.n_made as u32 }
    }

    /// How far it may be read beyond the next token: to its end, and as long as the window has room.
    pub fn ahead(&self, n_tokens: usize) -> ReadAhead {
        let n_left = self.options.n_tokens - self.n_made;
        let n_room = self.window - self.context.len() + 1;
        ReadAhead { n_tokens: n_tokens.min(n_left).min(n_room), end: self.eos }
    }

    /// The next token.
    pub fn accept(&mut self, reading: &Reading) -> TokenEvent {
        let Reading { depth, halted_by, q: [q_halt, q_continue], token } = *reading;
        self.n_made += 1;
        let is_end = self.eos == Some(token);
        let text = if is_end { String::new() } else { self.text.push(token) };
        if is_end {
            self.done = Some(Done::End);
        } else if self.text.is_stopped() {
            self.done = Some(Done::Stop);
        } else if self.n_made >= self.options.n_tokens {
            self.done = Some(Done::Length);
        } else {
            self.context.push(token);
            self.fit();
        }
        let steps_taken = halted_by.steps_taken(depth);
        TokenEvent { token, text, depth, steps_taken, halted_by, q_halt, q_continue, ms: 0.0, trace: None }
    }

    /// Why it ended; None while it has not.
    pub fn done(&self) -> Option<Done> {
        self.done
    }

    /// Every step is kept.
    pub fn is_traced(&self) -> bool {
        self.options.trace
    }

    /// When it is over: the text that was held back.
    pub fn rest(&mut self) -> String {
        self.text.rest()
    }

    /// One sentence, once, when the window has become full.
    pub fn overflowed(&mut self) -> Option<&'static str> {
        self.overflowed.take()
    }
}

/// Positions that the longest of the answers can come to.
pub fn capacity<'a>(model: &Model, answers: impl IntoIterator<Item = &'a Answer>) -> usize {
    let block_size = model.config().block_size;
    let longest = answers.into_iter().map(|a| a.context.len().saturating_add(a.options.n_tokens)).max();
    longest.unwrap_or(1).min(block_size)
}
