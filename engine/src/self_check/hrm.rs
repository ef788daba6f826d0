//! The same for an HRM.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Seen, compare, known_weights};
use crate::config::HrmConfig;
use crate::device::{Device, DeviceRequest};
use crate::error::{Error, Result};
use crate::files::{ModelFiles, Progress};
use crate::kernels::linear::kv_stride;
use crate::model::Hrm;
use crate::solver::{Halting, Puzzle, Solver};
use crate::weights::{BLOCK, WeightType, Weights, hrm_tensors};

/// Loads an HRM onto a device with room for it that passes the check. Where `auto` finds a GPU that does not, or that
/// fails on the way, it takes the processor, and [`Device::why`] says so.
///
/// # Errors
/// Those of [`Device::open_for`] and [`Hrm::load`]; [`Error::WrongGpu`].
pub async fn load_checked_hrm(
    request: &DeviceRequest,
    files: &ModelFiles,
    progress: &mut dyn FnMut(Progress),
) -> Result<Arc<Hrm>> {
    let config = HrmConfig::from_json(&files.config, "config.json")?;
    let weights = files.open_weights()?;
    weights.check_hrm(&config)?;
    let device = Device::open_for(request, largest_hrm_buffer_bytes(&config)).await?;
    #[allow(clippy::arc_with_non_send_sync)] // in a browser nothing leaves its thread
    let device = Arc::new(device);
    if device.is_cpu() {
        return Hrm::load(files, device, progress).await;
    }
    let loaded = match check(&device, &config, &weights).await {
        Ok(()) => Hrm::load(files, device, progress).await,
        Err(error) => Err(error),
    };
    match loaded {
        Err(
            error @ (Error::WrongGpu(_) | Error::Gpu(_) | Error::GpuMemory { .. } | Error::DeviceLost(_)),
        ) if *request == DeviceRequest::Auto => Hrm::load(files, Device::cpu(Some(error)), progress).await,
        loaded => loaded,
    }
}

/// The largest buffer that one puzzle needs, weights taken as f32.
pub fn largest_hrm_buffer_bytes(config: &HrmConfig) -> u64 {
    let [c, hidden, n, v] =
        [config.hidden_size, config.hidden(), config.n_positions(), config.vocab_size].map(|n| n as u64);
    let block = 4 * c * c + 3 * c * hidden + c;
    let keys_values = n * 2 * config.num_heads as u64 * kv_stride(config.head_dim() as u32) as u64;
    let largest = [block, keys_values, (v + n) * c, n * hidden, n * v];
    4 * largest.into_iter().fold(0, u64::max)
}

/// A miniature for each type that the model's matrices have on the device.
async fn check(device: &Arc<Device>, config: &HrmConfig, weights: &Weights) -> Result<()> {
    let is_matrix = |(name, _): &(String, Vec<usize>)| name.contains(".layers.") || name.contains("lm_head");
    let matrices = hrm_tensors(config).into_iter().filter(is_matrix);
    let types = matrices.map(|(name, shape)| Ok(weights.tensor(&name, &shape)?.stored));
    for weight_type in types.collect::<Result<BTreeSet<_>>>()? {
        let miniature = miniature(config, weight_type);
        let weights = known_weights(hrm_tensors(&miniature), weight_type)?;
        let found = observe(&miniature, &weights, Arc::clone(device)).await.map_err(|error| match error {
            Error::NonFiniteLogits { .. } | Error::Internal(_) => Error::WrongGpu(error.to_string()),
            other => other,
        })?;
        #[allow(clippy::arc_with_non_send_sync)]
        let expected = observe(&miniature, &weights, Arc::new(Device::cpu(None))).await?;
        compare(&found, &expected)?;
    }
    Ok(())
}

/// The same shader variants, and next to no work.
fn miniature(config: &HrmConfig, weight_type: WeightType) -> HrmConfig {
    let head_dim = config.head_dim();
    let unit = if weight_type.is_quantized() { BLOCK } else { 8 };
    let fits = |n: &usize| (n * head_dim).is_multiple_of(unit);
    let num_heads = (1..unit).find(fits).unwrap_or(unit);
    let hidden_size = num_heads * head_dim;
    HrmConfig {
        seq_len: 5,
        vocab_size: config.vocab_size.min(24),
        hidden_size,
        num_heads,
        h_layers: 1,
        l_layers: 1,
        h_cycles: 1,
        l_cycles: 1,
        puzzle_emb_ndim: config.puzzle_emb_ndim.min(hidden_size),
        num_puzzle_identifiers: 1,
        halt_max_steps: 2,
        ..config.clone()
    }
}

/// Two segments of two puzzles.
async fn observe(config: &HrmConfig, weights: &Weights, device: Arc<Device>) -> Result<Vec<Seen>> {
    let model = Hrm::of("the miniature", config.clone(), weights, device, &mut |_| ()).await?;
    let mut solver = Solver::new(&model, 2)?;
    for slot in 0..2 {
        let token = |cell: usize| ((3 * cell + slot) % config.vocab_size) as u32;
        let tokens = (0..config.seq_len).map(token).collect();
        solver.begin(slot, &Puzzle { tokens, identifier: 0, noise: None }, Halting::Segments(2)).await?;
    }
    let mut seen = vec![];
    while !solver.is_idle() {
        for watched in solver.watch().await? {
            seen.push(("the halting values", watched.segment.q.to_vec()));
            seen.extend(watched.cycles.into_iter().map(|logits| ("the logits", logits)));
        }
    }
    Ok(seen)
}
