//! What was found for one item: a line of the results.

use fathom_engine::HaltedBy;
use serde::{Deserialize, Serialize};

use crate::tasks::Form;

/// One window, one choice or one question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the file, from 0 on.
    pub item: usize,
    /// What came of it.
    #[serde(flatten)]
    pub found: Found,
    /// What it took.
    pub ms: f64,
}

/// By task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Found {
    /// `eval perplexity`.
    Window {
        /// Scored tokens.
        n_tokens: u64,
        /// Their bytes; None where the model has no words.
        n_bytes: Option<u64>,
        /// One forward for the window.
        #[serde(skip_serializing_if = "Option::is_none")]
        whole: Option<Scores>,
        /// Every token at its own prefix's depth.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<Scores>,
    },
    /// `eval choice`.
    Choice {
        right: bool,
        right_by_sum: bool,
        label: usize,
        chosen: usize,
        /// Another option has the same mean.
        is_tie: bool,
        form: Form,
        /// Tokens of the longest context that did not fit into the window.
        n_cut: usize,
        /// The mean log-probability of each ending; None where it has no tokens, or more than the window.
        mean: Vec<Option<f64>>,
        /// Their sums.
        sum: Vec<Option<f64>>,
        depths: Depths,
    },
    /// `eval exact`.
    Exact {
        right: bool,
        answer: String,
        /// Tokens of the prompt that did not fit into the window.
        n_cut: usize,
        depths: Depths,
    },
}

/// What the tokens of a window came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scores {
    /// The sum of the log-probabilities.
    pub log_prob: f64,
    /// Tokens that were the likeliest.
    pub n_greedy: u64,
    /// Of each token.
    pub depths: Depths,
}

/// How often each depth occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depths {
    /// How often depth 1, depth 2, and so on, as far as any occurred.
    pub counts: Vec<u64>,
    /// How many of all were ended by the halting test: the authors' `steps_taken` is one less for those.
    pub n_by_test: u64,
}

impl Depths {
    /// One more.
    pub fn count(&mut self, depth: u32, halted_by: HaltedBy) {
        let depth = depth as usize;
        if self.counts.len() < depth {
            self.counts.resize(depth, 0);
        }
        if let Some(count) = depth.checked_sub(1).and_then(|index| self.counts.get_mut(index)) {
            *count += 1;
        }
        self.n_by_test += u64::from(halted_by == HaltedBy::Test);
    }

    /// All of another's.
    pub fn add(&mut self, other: &Depths) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.n_by_test = self.n_by_test.saturating_add(other.n_by_test);
    }

    /// How many were counted.
    pub fn n(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// The mean depth; 0 of none.
    pub fn mean(&self) -> f64 {
        let sum: f64 = (1..).zip(&self.counts).map(|(depth, &count)| f64::from(depth) * count as f64).sum();
        sum / self.n().max(1) as f64
    }

    /// The mean of the authors' `steps_taken`.
    pub fn mean_steps_taken(&self) -> f64 {
        self.mean() - self.n_by_test as f64 / self.n().max(1) as f64
    }
}

/// For log-probabilities in results: nine digits behind the point, which survive writing and reading exactly.
pub fn rounded(log_prob: f64) -> f64 {
    (log_prob * 1e9).round() / 1e9
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_counted_as_ours_and_as_the_authors() {
        let mut depths = Depths::default();
        for (depth, by) in [(1, HaltedBy::Test), (3, HaltedBy::Test), (16, HaltedBy::Cap)] {
            depths.count(depth, by);
        }
        assert_eq!((depths.n(), depths.counts.len()), (3, 16));
        assert!((depths.mean() - 20.0 / 3.0).abs() < 1e-12);
        assert!((depths.mean_steps_taken() - 18.0 / 3.0).abs() < 1e-12);
        let mut twice = Depths::default();
        twice.add(&depths);
        twice.add(&depths);
        assert_eq!((twice.n(), twice.mean()), (6, depths.mean()));
    }

    #[test]
    fn records_survive_writing_and_reading() {
        let scores =
            |log_prob| Scores { log_prob: rounded(log_prob), n_greedy: 1, depths: Depths::default() };
        let values = (1..2000).map(|i| -f64::from(i).powf(1.7) / 3.0);
        for (item, log_prob) in values.enumerate() {
            let found =
                Found::Window { n_tokens: 2, n_bytes: None, whole: Some(scores(log_prob)), prefix: None };
            let written = serde_json::to_string(&Record { item, found, ms: 1.5 }).unwrap();
            let read: Record = serde_json::from_str(&written).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
    }
}
