//! How the next token is chosen.
//!
//! The order, which is the authors' where they have one (CosmicFish-HRM `chat.py`):
//!
//! 1. temperature: every logit is divided by it (0: the greedy choice, nothing is divided)
//! 2. repetition penalty: once for each distinct token of the context, positive values are divided by it,
//!    negative ones multiplied
//! 3. top-k: the k largest values, ties kept
//! 4. top-p: the fewest largest whose probability, among those left, reaches p
//! 5. min-p: those with at least this share of the largest probability
//! 6. a draw among those left
//!
//! It is computed by `shaders/sample.wgsl` on the device. The random numbers are pcg3d (Jarzynski and Olano,
//! JCGT 9(3), 2020) of the seed and the token's place in the answer: the same stream on every device.

use crate::error::{Error, Result};
use crate::kernels::sample::SamplerWords;

/// How tokens are chosen. The default is greedy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0: always the likeliest token. Below 0.001 it makes no difference, so that is greedy too.
    pub temperature: f32,
    /// 1: no penalty.
    pub repeat_penalty: f32,
    /// 0: no limit.
    pub top_k: u32,
    /// 1: no limit.
    pub top_p: f32,
    /// 0: no limit.
    pub min_p: f32,
    /// Of the draws.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 0.0, repeat_penalty: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 0 }
    }
}

impl Sampling {
    /// Whether every control is within its range.
    ///
    /// # Errors
    /// [`Error::Sampling`].
    pub fn check(&self) -> Result<()> {
        let share = |value: f32| (0.0..=1.0).contains(&value);
        for (what, found, is_good, expected) in [
            ("the temperature", self.temperature, self.temperature >= 0.0, "0 or above"),
            (
                "the repetition penalty",
                self.repeat_penalty,
                (0.01..=100.0).contains(&self.repeat_penalty),
                "from 0.01 to 100",
            ),
            ("top-p", self.top_p, share(self.top_p) && self.top_p > 0.0, "above 0 and at most 1"),
            ("min-p", self.min_p, share(self.min_p), "from 0 to 1"),
        ] {
            if !is_good || !found.is_finite() {
                return Err(Error::Sampling { what, expected, found });
            }
        }
        Ok(())
    }

    /// Whether the tokens of the context make a difference.
    pub(crate) fn looks_back(&self) -> bool {
        self.repeat_penalty != 1.0
    }

    /// As the kernel reads it, for the token at this place of the answer.
    pub(crate) fn words(&self, place: u32) -> SamplerWords {
        /// Below every value that a token can have.
        const ALL: f32 = -3.4e38;
        SamplerWords {
            temperature: if self.temperature < 0.001 { 0.0 } else { self.temperature },
            penalty: self.repeat_penalty,
            top_k: self.top_k,
            top_p: self.top_p,
            ln_min_p: if self.min_p > 0.0 { self.min_p.ln() } else { ALL },
            seed_low: self.seed as u32,
            seed_high: (self.seed >> 32) as u32,
            counter: place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert!(Sampling::default().check().is_ok());
        for wrong in [
            Sampling { temperature: -1.0, ..Sampling::default() },
            Sampling { temperature: f32::NAN, ..Sampling::default() },
            Sampling { temperature: f32::INFINITY, ..Sampling::default() },
            Sampling { repeat_penalty: 0.0, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { top_p: 1.5, ..Sampling::default() },
            Sampling { min_p: -0.5, ..Sampling::default() },
        ] {
            assert!(matches!(wrong.check(), Err(Error::Sampling { .. })), "{wrong:?}");
        }
    }
}
