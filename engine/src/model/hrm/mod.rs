//! HRM. Source: sapientinc/HRM `models/hrm/hrm_act_v1.py`, `models/layers.py` (arXiv 2506.21734).
//!
//! ```text
//! e = sqrt(C) · concat(the puzzle's own embedding in P positions, embed_tokens[cells])
//!     (learned positions: e = sqrt(C) · sqrt(1/2) · (concat(…) + embed_pos))
//! z_H, z_L = H_init, L_init                                          at every position
//! for segment in 1..=halt_max_steps:                                  z_H and z_L carry over
//!     repeat H_cycles:
//!         repeat L_cycles:  z_L = L_level(z_L + (z_H + e))            post-norm, bidirectional
//!         z_H = H_level(z_H + z_L)
//!     logits = lm_head(z_H)[P..];   (q_halt, q_continue) = q_head(z_H[0])
//! ```

mod forward;
mod parameters;
mod state;

use std::sync::Arc;

use crate::config::HrmConfig;
use crate::device::{Device, Region};
use crate::error::{Error, Result};
use crate::files::{ModelFiles, Progress};
use crate::recording::Recording;
use crate::weights::{Tensor, WeightType, Weights};

pub(crate) use self::forward::{Forward, Rows};
use self::parameters::Parameters;
pub(crate) use self::state::State;

/// An HRM on a device. What changes from puzzle to puzzle is in a [`Solver`](crate::Solver).
#[derive(Debug)]
pub struct Hrm {
    name: String,
    config: HrmConfig,
    device: Arc<Device>,
    parameters: Parameters,
    /// The table of puzzles, which stays in its file: it may be larger than all the rest by far.
    puzzles: Option<Tensor>,
}

impl Hrm {
    /// Checks a model's files and puts its weights on a device, in the types that [`ModelFiles::types`] asks for.
    /// `progress` is told about the weights.
    ///
    /// # Errors
    /// What is wrong with the files: the errors of [`HrmConfig::from_json`] and [`Weights::check_hrm`];
    /// [`Error::NumberDoesNotFit`]; those of the device.
    pub async fn load(
        files: &ModelFiles,
        device: impl Into<Arc<Device>>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Arc<Hrm>> {
        let config = HrmConfig::from_json(&files.config, "config.json")?;
        let weights = files.open_weights()?;
        weights.check_hrm(&config)?;
        Hrm::of(&files.name, config, &weights, device.into(), progress).await
    }

    /// A model out of parts that were checked.
    pub(crate) async fn of(
        name: &str,
        config: HrmConfig,
        weights: &Weights,
        device: Arc<Device>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Arc<Hrm>> {
        let parameters = Parameters::load(&config, weights, &device, progress).await?;
        // Only now it is known that the device took everything: a browser tells of a lack of memory late.
        let written = Region { buffer: &parameters.embedding, at: 0, bytes: 16 };
        device.run(Recording::new(), &[written]).await?;
        let shape = [config.num_puzzle_identifiers, config.puzzle_emb_ndim];
        let puzzles = match config.puzzle_emb_ndim {
            0 => None,
            _ => Some(weights.tensor("inner.puzzle_emb.weights", &shape)?),
        };
        let name = name.to_owned();
        #[allow(clippy::arc_with_non_send_sync)] // in a browser nothing leaves its thread
        Ok(Arc::new(Hrm { name, config, device, parameters, puzzles }))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its dimensions.
    pub fn config(&self) -> &HrmConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// e of the P positions before the cells, `[P, C]`: the puzzle's own embedding, padded with zeros.
    pub(crate) async fn puzzle_rows(&self, identifier: u32) -> Result<Vec<f32>> {
        let Some(table) = &self.puzzles else { return Ok(vec![]) };
        let (width, n) = (self.config.puzzle_emb_ndim as u64, self.config.num_puzzle_identifiers);
        if identifier as usize >= n {
            let expected = format!("below {n}, the rows of the model's table");
            let (what, found) = ("the puzzle's identifier", identifier.to_string());
            return Err(Error::Puzzle { what, expected, found });
        }
        let row = u64::from(identifier) * width;
        let found = table.read_as(WeightType::F32, row..row + width).await?;
        let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&found.data);
        let mut rows = self.parameters.puzzle_pos.clone();
        for (e, number) in rows.iter_mut().zip(numbers) {
            *e += self.parameters.scale * number;
        }
        Ok(rows)
    }
}
