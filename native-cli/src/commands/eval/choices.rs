//! Multiple choice, scored as the authors do it: context and ending become tokens separately, one forward reads
//! both, and the ending whose tokens have the highest mean log-probability is chosen; of equal ones the first.

use anyhow::{Context, ensure};
use fathom_engine::{DepthControl, Model, ScoreReading, Scorer, Tokenizer};

use super::exam::Reading;
use super::record::{Depths, Found, rounded};
use crate::tasks::{Choice, Form, Opt};

/// One question in tokens.
pub struct Item {
    options: Vec<Tokens>,
    label: usize,
    form: Form,
}

struct Tokens {
    /// The end of the context, as much as the window has room for, and the ending.
    text: Vec<u32>,
    n_ending: usize,
    /// Tokens of the context that found no room.
    n_cut: usize,
    /// There is an ending, and room for it behind one token of context.
    can_be_scored: bool,
}

impl Item {
    /// An empty context becomes the token that ends a text, which in training stands before one.
    pub fn new(model: &Model, words: &Tokenizer, choice: Choice) -> anyhow::Result<Item> {
        let line = choice.line;
        let tokens = |option: &Opt| {
            let mut text = words.encode(&option.context)?;
            if text.is_empty() {
                text.extend(model.eos());
            }
            ensure!(!text.is_empty(), "the context is empty, and the model has no token that ends a text");
            let ending = words.encode(&option.ending)?;
            let room = model.config().block_size.saturating_sub(ending.len());
            let n_cut = text.len().saturating_sub(room);
            let can_be_scored = !ending.is_empty() && room > 0;
            text.drain(..n_cut);
            text.extend_from_slice(&ending);
            Ok(Tokens { text, n_ending: ending.len(), n_cut, can_be_scored })
        };
        let options = choice.options.iter().map(tokens).collect::<anyhow::Result<_>>();
        let options = options.with_context(|| format!("line {line}"))?;
        Ok(Item { options, label: choice.label, form: choice.form })
    }

    /// Scores every ending. A depth is counted for each forward, or with [`Reading::Prefix`] for each token.
    pub fn examine(
        &self,
        scorer: &mut Scorer,
        depth: &DepthControl,
        reading: Reading,
    ) -> anyhow::Result<Found> {
        let mut depths = Depths::default();
        let (mut mean, mut sum) = (Vec::new(), Vec::new());
        for Tokens { text, n_ending, can_be_scored, .. } in &self.options {
            if !can_be_scored {
                mean.push(None);
                sum.push(None);
                continue;
            }
            let begin = text.len() - n_ending;
            let how = if reading == Reading::Prefix { ScoreReading::Prefixes } else { ScoreReading::Whole };
            let scored = scorer.score(text, begin - 1, &text[begin..], depth, how);
            let scored = pollster::block_on(scored)?;
            let n_counted = if how == ScoreReading::Whole { 1 } else { scored.len() };
            for token in &scored[..n_counted] {
                depths.count(token.depth, token.halted_by);
            }
            let total: f64 = scored.iter().map(|token| token.log_prob).sum();
            sum.push(Some(rounded(total)));
            mean.push(Some(rounded(total / scored.len() as f64)));
        }
        let chosen = highest(&mean);
        Ok(Found::Choice {
            // Where no ending can be scored none was chosen.
            right: mean[chosen].is_some() && chosen == self.label,
            right_by_sum: sum[chosen].is_some() && highest(&sum) == self.label,
            label: self.label,
            chosen,
            is_tie: mean[chosen].is_some() && mean.iter().filter(|&other| *other == mean[chosen]).count() > 1,
            form: self.form,
            n_cut: self.options.iter().map(|option| option.n_cut).max().unwrap_or(0),
            mean,
            sum,
            depths,
        })
    }
}

/// The first of the highest; one without a score is lower than any with one.
fn highest(scores: &[Option<f64>]) -> usize {
    let value = |i: usize| scores[i].unwrap_or(f64::NEG_INFINITY);
    (1..scores.len()).fold(0, |best, i| if value(i) > value(best) { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::highest;

    #[test]
    fn the_first_of_the_highest() {
        assert_eq!(highest(&[Some(-2.0), Some(-1.0), Some(-1.0)]), 1);
        assert_eq!(highest(&[None, Some(-1e9)]), 1);
        assert_eq!(highest(&[None, None]), 0);
    }
}
