//! Several tokens in one submission: behind the first one, each is fed back on the device (`feed.wgsl`), which knows
//! without the host what it lacks.
//!
//! Where the host has to send something is decided twice, on the device by the mask and here by what was read back:
//! a sequence goes on while its token is drawn, is not the end, and the planes and the output stage reach as deep as
//! the next token thinks. A token deeper than those before it lacks rows in the planes that they skipped, so it is
//! left to a further submission, which knows the rows. What the device did not come to are calls of which every row
//! is masked.

use std::ops::RangeInclusive;

use super::submission::{Outcome, Piece, SPARE_ROWS, Table};
use super::{Halted, Pending, Session, Token};
use crate::error::Result;
use crate::model::state::MOST_ROWS;

/// The most tokens of a sequence in one submission.
pub const MOST_TOKENS: usize = 16;

/// How far to read beyond the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAhead {
    /// The most tokens, the next one included; more than [`MOST_TOKENS`] and what the capacity allows are not made.
    pub n_tokens: usize,
    /// The token behind which nothing is wanted.
    pub end: Option<u32>,
}

/// A token that follows one of the same submission, of each sequence that goes on.
pub struct Turn {
    /// A row for each sequence.
    pub rows: Vec<Piece>,
    /// Pieces of the output stage, each with those of its rows that get logits.
    pub output: Vec<(Piece, Piece)>,
}

impl Session {
    /// For each pending sequence how many tokens may be fed back, and the rows of these tokens.
    pub(super) fn turns(
        &self,
        pending: &[Pending],
        out_first: &[Option<usize>],
        steps: RangeInclusive<u32>,
        table: &mut Table,
    ) -> (Vec<usize>, Vec<Turn>) {
        let first_rows: Vec<FirstRows> =
            pending.iter().zip(out_first).map(|(p, &from)| self.first_rows(p, from, steps.clone())).collect();
        let n_fed = |(p, rows): (&Pending, &FirstRows)| match rows {
            FirstRows::TooMany => 0,
            _ => {
                let n_left = self.state.capacity - p.control.n_tokens as usize;
                p.ahead.n_tokens.min(MOST_TOKENS).saturating_sub(1).min(n_left)
            }
        };
        let n_fed: Vec<usize> = pending.iter().zip(&first_rows).map(n_fed).collect();
        let turn = |nth: usize| {
            let here = pending.iter().zip(&first_rows).zip(&n_fed).filter(|&(_, &n_fed)| nth < n_fed);
            let mut rows = vec![];
            let mut output = vec![];
            for ((p, first), _) in here {
                let position = p.control.n_tokens as usize + nth;
                rows.push((p.sequence, position, true));
                let from = match *first {
                    FirstRows::From(from) => from,
                    _ => position,
                };
                output.extend((from..=position).map(|at| (p.sequence, at, at == position)));
            }
            let rows = table.add(&rows, MOST_ROWS);
            let output = table.add(&output, MOST_ROWS).into_iter();
            let output = output.map(|piece| (piece, table.pick(piece, |row| row[3] == 1))).collect();
            Turn { rows, output }
        };
        let turns = (0..n_fed.iter().copied().max().unwrap_or(0)).map(turn).collect();
        (n_fed, turns)
    }

    /// Writes tokens, of which any will do, into the places of those to come: the rows of a sequence that is over
    /// still look theirs up.
    pub(super) fn write_places(&self, pending: &[Pending], n_fed: &[usize]) -> Result<()> {
        for (p, &n_fed) in pending.iter().zip(n_fed).filter(|&(_, &n_fed)| n_fed > 0) {
            let at = 4 * (p.sequence * self.state.capacity + p.control.n_tokens as usize) as u64;
            self.model.device().write(&self.state.tokens, at, bytemuck::cast_slice(&vec![0u32; n_fed]))?;
        }
        Ok(())
    }

    /// Where the output stage of a further token may have to begin.
    fn first_rows(&self, p: &Pending, from: Option<usize>, steps: RangeInclusive<u32>) -> FirstRows {
        let sequence = &self.sequences[p.sequence];
        match from {
            Some(from) if sequence.tokens().len() - from <= SPARE_ROWS => {
                let is_here = |step: &u32| p.may_halt_at(*step) && sequence.out_from(*step) >= from;
                if steps.filter(is_here).count() == 1 { FirstRows::Last } else { FirstRows::From(from) }
            }
            _ => FirstRows::TooMany,
        }
    }

    /// Takes note of the tokens that followed: `[token, sequence]` of how they halted, and those that were drawn,
    /// token by token.
    pub(super) fn confirm_turns(
        &mut self,
        pending: &mut [Pending],
        n_fed: &[usize],
        halted: &[[u32; 4]],
        mut drawn: impl Iterator<Item = [u32; 2]>,
        here: impl Fn(usize, u32) -> bool,
    ) {
        for (nth, halted) in halted.chunks_exact(self.sequences.len()).enumerate() {
            for (i, p) in pending.iter_mut().enumerate().filter(|&(i, _)| nth < n_fed[i]) {
                let drawn = drawn.next();
                if self.was_fed(p) {
                    let halted = Halted::from_words(halted[p.sequence]);
                    let depth = halted.map(|halted| halted.depth).filter(|&depth| here(i, depth));
                    let output = depth.zip(drawn);
                    self.confirm(p, &Outcome { last_step: p.done, halted, output });
                }
            }
        }
    }

    /// Where the device fed a token back, it becomes the last one of the context. The same rule as the kernel's,
    /// but for the number of tokens, which the caller knows.
    fn was_fed(&mut self, p: &mut Pending) -> bool {
        let (Some(Token::Drawn(token)), Ok(reading)) = (p.token, self.reading(p)) else { return false };
        if Some(token) == p.ahead.end {
            return false;
        }
        self.sequences[p.sequence].push(token);
        p.readings.push(reading);
        p.control.n_tokens += 1;
        p.done = p.done.min(reading.depth);
        (p.halted, p.token) = (None, None);
        true
    }
}

/// The rows of a further token's output stage.
enum FirstRows {
    /// Only the last: there is one depth at which it may halt, that of the token before.
    Last,
    /// From this position on, for whichever depth it is.
    From(usize),
    /// More than are worth it.
    TooMany,
}
