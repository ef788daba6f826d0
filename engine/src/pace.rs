//! How many tokens a submission makes in a row: as many as come at once without anybody noticing, and without much
//! that is recorded in vain.
//!
//! The first token of an answer comes alone, because somebody waits for it. Where a token needs another depth than
//! those before it, the device stops, and what was recorded behind it still costs its dispatches: on a large GPU
//! more than the round trip that was to be saved. So the number is a third of the tokens that came since it last
//! stopped: what is in vain stays a fraction, and a model whose depth is steady soon has many tokens a submission.
//! It is bounded by [`BUDGET_MS`], so that text keeps flowing and an answer that nobody wants any more ends at once.
//! The processor has no round trip to save, nor has one that plays GPU: there it is one.

use crate::device::Device;
use crate::session::MOST_TOKENS;

/// The time of a submission.
const BUDGET_MS: f64 = 30.0;
/// Tokens without a stop for each token of a submission.
const STREAK: f64 = 3.0;

/// What is learnt from one read to the next.
#[derive(Debug, Clone)]
pub struct Pace {
    most_tokens: usize,
    n_tokens: usize,
    /// Tokens of a sequence since the device was last stopped.
    streak: f64,
}

/// What a read brought, of all sequences together.
#[derive(Debug, Clone, Copy)]
pub struct Brought {
    /// How many there are.
    pub n_sequences: usize,
    /// Tokens that were recorded.
    pub n_recorded: usize,
    /// Tokens that came.
    pub n_tokens: usize,
    /// The time that it took.
    pub ms: f64,
}

impl Pace {
    /// Of a device.
    pub fn new(device: &Device) -> Pace {
        Pace { most_tokens: if device.looks_ahead() { MOST_TOKENS } else { 1 }, n_tokens: 1, streak: 0.0 }
    }

    /// From now on at most so many.
    pub fn limit(&mut self, most_tokens: usize) {
        self.most_tokens = most_tokens.max(1);
        self.n_tokens = self.n_tokens.min(self.most_tokens);
    }

    /// The next read is that of a prompt.
    pub fn restart(&mut self) {
        (self.n_tokens, self.streak) = (1, 0.0);
    }

    /// Tokens of the next read.
    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// Takes note of a read.
    pub fn learn(&mut self, brought: Brought) {
        let Brought { n_sequences, n_recorded, n_tokens, ms } = brought;
        let each = n_tokens as f64 / n_sequences.max(1) as f64;
        // One sequence among many that stops wastes little.
        let was_stopped = 4 * n_tokens < 3 * n_recorded;
        self.streak = if was_stopped { 0.0 } else { self.streak + each };
        let in_time = BUDGET_MS * each / ms.max(f64::MIN_POSITIVE);
        // A fraction of a token is none.
        self.n_tokens = (self.streak / STREAK).min(in_time).clamp(1.0, self.most_tokens as f64) as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_nothing_stops_it_and_stays_in_time() {
        let mut pace = Pace { most_tokens: MOST_TOKENS, n_tokens: 1, streak: 0.0 };
        let mut read = |n_recorded: usize, n_tokens: usize, ms: f64| {
            pace.learn(Brought { n_sequences: 1, n_recorded, n_tokens, ms });
            pace.n_tokens()
        };
        assert_eq!(read(1, 1, 400.0), 1, "a prompt");
        assert_eq!([(); 5].map(|()| read(1, 1, 2.0)), [1, 1, 1, 1, 2]);
        assert_eq!([read(2, 2, 4.0), read(2, 2, 4.0), read(3, 3, 6.0), read(4, 4, 8.0)], [2, 3, 4, 5]);
        assert_eq!(read(20, 20, 40.0), 12, "a third");
        assert_eq!(read(12, 12, 24.0), 15, "30 ms of 2 ms");
        assert_eq!(read(15, 15, 300.0), 1, "a slow one");
        assert_eq!(read(15, 14, 0.0), 16, "the most");
        assert_eq!(read(16, 3, 1.0), 1, "stopped");
        pace.limit(1);
        pace.learn(Brought { n_sequences: 2, n_recorded: 100, n_tokens: 100, ms: 1.0 });
        assert_eq!(pace.n_tokens(), 1);
    }
}
