//! How likely a given text is: the log-probability of each of its tokens, and how deep the model thought about it.
//!
//! Logits never leave the session all at once: they are read in pieces, and of each position one number stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::halting::{DepthControl, HaltedBy};
use crate::model::Model;
use crate::sampler::Sampling;
use crate::session::{Prefix, Read, Session};

/// At which depth a token is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreReading {
    /// One forward, every position at the depth that the whole text comes to: the authors' way.
    Whole,
    /// Each position at the depth of the prefix that ends there, as generation would have read it. One batched
    /// pass over the steps; the output stage once for each depth that occurs.
    Prefixes,
}

/// What the model says about one given token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredToken {
    /// Steps that were thought before it.
    pub depth: u32,
    /// What ended them.
    pub halted_by: HaltedBy,
    /// The authors' count of them.
    pub steps_taken: u32,
    /// The natural logarithm of its probability, among the whole vocabulary.
    pub log_prob: f64,
    /// No other token is likelier.
    pub is_greedy: bool,
}

/// Scores one text after another. What a text shares with the one before, from its first token on, is not
/// computed again: the endings of one question cost its context once.
#[derive(Debug)]
pub struct Scorer {
    session: Session,
}

impl Scorer {
    /// Room for a whole window.
    ///
    /// # Errors
    /// [`Error::GpuMemory`].
    pub fn new(model: &Arc<Model>) -> Result<Scorer> {
        Ok(Scorer { session: Session::new(model, 1, model.config().block_size)? })
    }

    /// Reads `tokens`, and scores `next[0]` as what follows the token at position `first`, `next[1]` as what
    /// follows the one behind it, and so on. They need not be what stands there: the last one may lie behind
    /// the text.
    ///
    /// # Errors
    /// Those of [`Session::read`]; [`Error::NotThere`] where `next` reaches beyond the text,
    /// [`Error::TokenOutOfRange`] for its tokens too.
    pub async fn score(
        &mut self,
        tokens: &[u32],
        first: usize,
        next: &[u32],
        depth: &DepthControl,
        reading: ScoreReading,
    ) -> Result<Vec<ScoredToken>> {
        let n = first.saturating_add(next.len());
        if n > tokens.len() {
            let (len, n_next) = (tokens.len(), next.len());
            return Err(Error::NotThere(format!(
                "{n_next} positions from {first} on in a text of {len} tokens"
            )));
        }
        let vocab_size = self.session.model().config().vocab_size;
        if let Some(&token) = next.iter().find(|&&token| token as usize >= vocab_size) {
            return Err(Error::TokenOutOfRange { token, vocab_size });
        }
        if next.is_empty() {
            return Ok(vec![]);
        }
        let mut scored = match reading {
            ScoreReading::Whole => {
                let sampling = Sampling::default();
                let read = Read { sequence: 0, tokens, depth: *depth, sampling, place: 0 };
                let reading = self.session.read(&[read]).await?.remove(0);
                vec![unscored(reading.depth, reading.halted_by); next.len()]
            }
            ScoreReading::Prefixes => {
                let prefixes = self.session.halting_prefixes(0, &tokens[..n], depth, first).await?;
                prefixes.iter().map(|&Prefix { depth, halted_by, .. }| unscored(depth, halted_by)).collect()
            }
        };
        let depths: BTreeSet<u32> = scored.iter().map(|token| token.depth).collect();
        for depth in depths {
            let here: Vec<usize> = (0..scored.len()).filter(|&i| scored[i].depth == depth).collect();
            let positions: Vec<usize> = here.iter().map(|&i| first + i).collect();
            let wanted: Vec<u32> = here.iter().map(|&i| next[i]).collect();
            let found = self.session.log_probs(0, depth, &positions, &wanted).await?;
            for (i, (log_prob, is_greedy)) in here.into_iter().zip(found) {
                scored[i] = ScoredToken { log_prob, is_greedy, ..scored[i] };
            }
        }
        Ok(scored)
    }

    /// What was computed.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

fn unscored(depth: u32, halted_by: HaltedBy) -> ScoredToken {
    let steps_taken = halted_by.steps_taken(depth);
    ScoredToken { depth, halted_by, steps_taken, log_prob: 0.0, is_greedy: false }
}
