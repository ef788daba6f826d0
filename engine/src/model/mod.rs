//! The models, in their papers' symbols. Nothing here knows a device: it records kernel calls.

mod blocks;
pub(crate) mod cosmicfish_hrm;
pub(crate) mod hrm;
mod packing;
mod parameters;
mod sizes;
pub(crate) mod state;

use std::sync::Arc;

use crate::config::Config;
use crate::device::{Device, Region};
use crate::error::Result;
use crate::files::{ModelFiles, Progress};
use crate::recording::Recording;
use crate::text::visible;
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

pub use hrm::Hrm;
pub(crate) use parameters::{Parameters, matrix_types};
pub use sizes::{CacheBytes, WorkBytes, weights_bytes};

/// A CosmicFish-HRM on a device. What changes from text to text is in a [`Session`](crate::Session).
#[derive(Debug)]
pub struct Model {
    name: String,
    config: Config,
    tokenizer: Option<Tokenizer>,
    device: Arc<Device>,
    parameters: Parameters,
}

impl Model {
    /// Checks a model's files and puts its weights on a device, in the types that [`ModelFiles::types`] asks for.
    /// `progress` is told about the weights.
    ///
    /// # Errors
    /// What is wrong with the files: the errors of [`Config::from_json`], [`Weights::check`],
    /// [`Tokenizer::from_json`] and [`Config::check_vocabulary`]; [`Error::NumberDoesNotFit`](crate::Error::NumberDoesNotFit);
    /// those of the device.
    pub async fn load(
        files: &ModelFiles,
        device: impl Into<Arc<Device>>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Arc<Model>> {
        let config = files.read_config()?;
        let weights = files.open_weights()?;
        weights.check(&config).await?;
        let tokenizer = match &files.tokenizer {
            Some(bytes) => Some(Tokenizer::from_json(bytes, "tokenizer.json")?),
            None if !config.has_gpt2_vocabulary() => None,
            None => match &files.gpt2 {
                Some(bytes) => Some(Tokenizer::gpt2_from(bytes)?),
                None if cfg!(feature = "gpt2") => Some(Tokenizer::gpt2()?),
                None => None,
            },
        };
        if let Some(tokenizer) = &tokenizer {
            config.check_vocabulary(tokenizer.n_vocab())?;
        }
        Model::of(&files.name, config, &weights, tokenizer, device.into(), progress).await
    }

    /// A model out of parts that were checked.
    pub(crate) async fn of(
        name: &str,
        config: Config,
        weights: &Weights,
        tokenizer: Option<Tokenizer>,
        device: Arc<Device>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Arc<Model>> {
        let parameters = Parameters::load(&config, weights, tokenizer.as_ref(), &device, progress).await?;
        // Only now it is known that the device took everything: a browser tells of a lack of memory late.
        let written = Region { buffer: &parameters.wte, at: 0, bytes: 16 };
        device.run(Recording::new(), &[written]).await?;
        let name = name.to_owned();
        #[allow(clippy::arc_with_non_send_sync)] // in a browser nothing leaves its thread
        Ok(Arc::new(Model { name, config, tokenizer, device, parameters }))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its dimensions.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its words; None where it has only token ids.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// Where it computes.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The token that ends a text: the configuration's, else the tokenizer's.
    pub fn eos(&self) -> Option<u32> {
        self.config.eos_token_id.or_else(|| self.tokenizer.as_ref()?.eos())
    }

    /// A token as people read it: its text with control characters spelled out, `<end>` for the end token, else
    /// its id.
    pub fn token_name(&self, id: u32) -> String {
        let bytes = self.tokenizer.as_ref().and_then(|tokenizer| tokenizer.token_bytes(id));
        match bytes {
            Some(bytes) if !bytes.is_empty() => visible(&String::from_utf8_lossy(&bytes)),
            _ if self.eos() == Some(id) => "<end>".to_owned(),
            _ => format!("#{id}"),
        }
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}
