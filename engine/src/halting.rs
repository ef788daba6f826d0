//! When a sequence stops thinking.
//!
//! The test itself runs on the device (`shaders/halt.wgsl`); here are its controls, its outcome, and the same
//! test for callers that decide about many prefixes at once.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::kernels::halt::{BY_CAP, BY_FORCED, BY_TEST, Control};
use crate::kernels::sample::NO_TOKEN;

/// How long a sequence may think. The default leaves it to the model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DepthControl {
    /// The most steps; otherwise the model's `hrm_max_steps`.
    pub cap: Option<u32>,
    /// The fewest steps. A test that is passed below is ignored, not remembered.
    pub floor: Option<u32>,
    /// Exactly so many steps, whatever the test says.
    pub forced: Option<u32>,
    /// Added to q_halt before it is compared with q_continue; otherwise the model's own.
    pub halt_bias: Option<f32>,
}

impl DepthControl {
    /// Checks the controls against a model.
    ///
    /// # Errors
    /// [`Error::DepthZero`], [`Error::DepthTooLarge`], [`Error::DepthFloorAboveCap`]; [`Error::Sampling`] for a
    /// bias that is no number.
    pub fn check(&self, config: &Config) -> Result<()> {
        let most = config.hrm_max_steps as u32;
        for (what, depth) in
            [("depth cap", self.cap), ("depth floor", self.floor), ("forced depth", self.forced)]
        {
            match depth {
                Some(0) => return Err(Error::DepthZero { what }),
                Some(found) if found > most => return Err(Error::DepthTooLarge { what, found, most }),
                _ => {}
            }
        }
        if let Some(found) = self.halt_bias.filter(|bias| !bias.is_finite()) {
            return Err(Error::Sampling { what: "the halting bias", expected: "a finite number", found });
        }
        match (self.floor, self.cap) {
            (Some(floor), Some(cap)) if floor > cap => Err(Error::DepthFloorAboveCap { floor, cap }),
            _ => Ok(()),
        }
    }

    /// The most steps that can come of it.
    pub(crate) fn deepest(&self, config: &Config) -> u32 {
        self.forced.or(self.cap).unwrap_or(config.hrm_max_steps as u32)
    }

    /// As the kernel reads it, for a context of so many tokens.
    pub(crate) fn words(&self, config: &Config, n_tokens: usize) -> Control {
        let cap = self.cap.unwrap_or(config.hrm_max_steps as u32);
        // The authors' code does not test at all where there is one step.
        let floor = if config.hrm_max_steps == 1 { 2 } else { self.floor.unwrap_or(1) };
        Control {
            n_tokens: n_tokens as u32,
            floor,
            cap,
            forced: self.forced.unwrap_or(0),
            bias: self.halt_bias.unwrap_or(config.halt_bias),
            reach: cap,
            most_tokens: n_tokens as u32,
            end: NO_TOKEN,
        }
    }
}

/// What ended a sequence's thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltedBy {
    /// `q_halt + halt_bias > q_continue`.
    Test,
    /// The most steps were done.
    Cap,
    /// The forced depth was reached.
    Forced,
}

impl HaltedBy {
    pub(crate) fn from_word(word: u32) -> Option<HaltedBy> {
        match word {
            BY_TEST => Some(HaltedBy::Test),
            BY_CAP => Some(HaltedBy::Cap),
            BY_FORCED => Some(HaltedBy::Forced),
            _ => None,
        }
    }

    /// The authors' count of a depth, which leaves out the step that halts.
    pub fn steps_taken(self, depth: u32) -> u32 {
        if self == HaltedBy::Test { depth.saturating_sub(1) } else { depth }
    }
}

impl std::fmt::Display for HaltedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            HaltedBy::Test => "test",
            HaltedBy::Cap => "cap",
            HaltedBy::Forced => "forced",
        })
    }
}

/// What `halt.wgsl` decides at a step.
pub(crate) fn halts(control: &Control, step: u32, [q_halt, q_continue]: [f32; 2]) -> Option<HaltedBy> {
    if control.forced != 0 {
        (step == control.forced).then_some(HaltedBy::Forced)
    } else if step >= control.floor && q_halt + control.bias > q_continue {
        Some(HaltedBy::Test)
    } else {
        (step == control.cap).then_some(HaltedBy::Cap)
    }
}
