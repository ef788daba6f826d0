//! An answer on a device that may be lost on the way.

use std::ops::{Deref, DerefMut};

use fathom_engine::{Error, Generator, StepTrace, TokenEvent};

use crate::cli::Common;
use crate::loading::{self, Source};
use crate::output;

/// A generator that goes on, with the same tokens, when the driver takes the device away: the model is loaded
/// again. A second loss before another token was made is an error.
pub struct Recovering {
    generator: Generator,
    source: Source,
    common: Common,
    was_lost: bool,
}

impl Recovering {
    /// `source` and `common` are those that the generator's model was opened with.
    pub fn new(generator: Generator, source: &Source, common: &Common) -> Recovering {
        Recovering { generator, source: source.clone(), common: common.clone(), was_lost: false }
    }

    /// The next token, or None when the answer has ended.
    ///
    /// # Errors
    /// Those of [`Generator::next`] and of loading the model again.
    pub fn next(
        &mut self,
        mut on_step: Option<&mut dyn FnMut(&StepTrace)>,
    ) -> anyhow::Result<Option<TokenEvent>> {
        loop {
            let again: Option<&mut dyn FnMut(&StepTrace)> = match &mut on_step {
                Some(on_step) => Some(&mut **on_step),
                None => None,
            };
            match pollster::block_on(self.generator.next(again)) {
                Err(lost @ Error::DeviceLost(_)) if !self.was_lost => {
                    self.was_lost = true;
                    if !self.common.quiet {
                        output::note(&format!("{lost}; loading the model again"));
                    }
                    self.generator.move_to(&loading::open_model(&self.source, &self.common)?)?;
                }
                made => {
                    self.was_lost = false;
                    return Ok(made?);
                }
            }
        }
    }
}

impl Deref for Recovering {
    type Target = Generator;

    fn deref(&self) -> &Generator {
        &self.generator
    }
}

impl DerefMut for Recovering {
    fn deref_mut(&mut self) -> &mut Generator {
        &mut self.generator
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;
    use fathom_engine::GenerateOptions;

    use super::*;
    use crate::cli::Cli;
    use crate::commands::show::options;

    fn tokens(device: &str, lose_at: &[usize]) -> anyhow::Result<Vec<u32>> {
        let common = Cli::parse_from(["fathom", "--quiet", "--device", device]).common;
        let model = loading::open_model(&Source::built_in(), &common)?;
        let prompt = loading::encode(&model, "4-6+9*3-8+5*7=")?;
        let options: GenerateOptions = options(12);
        let generator = Generator::new(&model, &prompt, options)?;
        let mut generator = Recovering::new(generator, &Source::built_in(), &common);
        let mut tokens = vec![];
        loop {
            if lose_at.contains(&tokens.len()) {
                generator.session().model().device().lose();
            }
            match generator.next(None)? {
                Some(event) => tokens.push(event.token),
                None => return Ok(tokens),
            }
        }
    }

    #[test]
    fn a_lost_device_changes_no_token() {
        let right = tokens("gpu", &[]).unwrap();
        assert!(right.len() > 5);
        assert_eq!(tokens("gpu", &[3]).unwrap(), right);
        assert_eq!(tokens("gpu", &[0, 1, 2, 5]).unwrap(), right);
    }
}
