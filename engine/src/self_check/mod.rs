//! Which device a model gets: one that has room for its largest buffer, and that computes rightly.
//!
//! Drivers have bugs, and a wrong number in a language model is a plausible word. So before a model is loaded,
//! a miniature of it runs on the GPU: the same switches and type of weights, hence the same shader variants, the
//! very pipelines that the model then uses. Its answers are known: the processor's twins give them. (Only the
//! variant that draws tokens at random is left to be compiled when somebody asks for it.)

mod hrm;

use std::collections::HashMap;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};

pub use self::hrm::{largest_hrm_buffer_bytes, load_checked_hrm};
use crate::config::Config;
use crate::device::{Device, DeviceRequest};
use crate::error::{Error, Result};
use crate::files::{ModelFiles, Progress};
use crate::halting::DepthControl;
use crate::kernels::attention::heads_of_a_group;
use crate::model::state::MOST_LOGITS;
use crate::model::{CacheBytes, Model, matrix_types};
use crate::sampler::Sampling;
use crate::session::{Read, ReadAhead, Session};
use crate::weights::{BLOCK, WeightFile, WeightType, WeightTypes, Weights, expected_tensors};

/// How far a number may be from the processor's, as a share of the largest.
const TOLERANCE: f32 = 1e-3;

/// Tokens of the miniature's vocabulary.
const VOCAB_SIZE: usize = 24;

/// The size of the largest buffer that a model of that configuration needs for one whole window at full depth,
/// from the size of its weights: `config.json` is known long before the weights are.
pub fn largest_buffer_bytes(config: &Config, weights_bytes: u64) -> u64 {
    let (n_parameters, n_wte) = (config.n_parameters() as u64, (config.vocab_size * config.n_embd) as u64);
    if weights_bytes >= 3 * n_parameters {
        largest_buffer(config, WeightType::F32, WeightType::F32.bytes(n_wte))
    } else if 10 * weights_bytes >= 19 * n_parameters {
        largest_buffer(config, WeightType::F16, WeightType::F16.bytes(n_wte))
    } else {
        // Quantised; the embedding may be the one tensor that was left wide.
        largest_buffer(config, WeightType::F16, WeightType::F32.bytes(n_wte).min(weights_bytes))
    }
}

/// The same where it is known how the embedding is stored, and the widest matrix of a block.
fn largest_buffer(config: &Config, widest: WeightType, wte: u64) -> u64 {
    let (c, v, n) = (config.n_embd as u64, config.vocab_size as u64, config.block_size as u64);
    let (kv, mlp) = (config.kv_dim() as u64, if config.use_swiglu { 12 } else { 8 } * c * c);
    let biases = if config.bias { 2 * kv + 11 * c } else { 0 };
    // With the gaps that bring each tensor to 16 bytes.
    let block = widest.bytes(2 * c * c + 2 * kv * c + mlp) + 4 * (biases + 3 * c) + 16 * 17;
    let embedding = wte + 4 * (if config.use_rotary { 0 } else { n * c } + c) + 48;
    let slabs = config.hrm_max_steps as u64;
    let logits = 4 * v * MOST_LOGITS as u64;
    let hidden = 4 * n.min(512) * 4 * c;
    let keys_values = slabs * n * CacheBytes::of(config).keys_values;
    [block, embedding, 4 * slabs * n * c, keys_values, logits, hidden].into_iter().fold(0, u64::max)
}

/// Opens a device for a model: with room for its largest buffer, and one that passes [`self_check`]. Where
/// `auto` finds a GPU that does not, it takes the processor, and [`Device::why`] says so.
///
/// # Errors
/// Those of [`Device::open_for`] and [`self_check`]; what is wrong with the files.
pub async fn open_checked(request: &DeviceRequest, files: &ModelFiles) -> Result<Arc<Device>> {
    let config = files.read_config()?;
    let weights = files.open_weights()?;
    // The widest comes first.
    let widest = matrix_types(&config, &weights)?.first().copied().unwrap_or(WeightType::F32);
    let wte = weights.embedding(&config)?.stored.bytes((config.vocab_size * config.n_embd) as u64);
    let device = Device::open_for(request, largest_buffer(&config, widest, wte)).await?;
    #[allow(clippy::arc_with_non_send_sync)] // in a browser nothing leaves its thread
    let device = Arc::new(device);
    if device.is_cpu() {
        return Ok(device);
    }
    match self_check(&device, &config, &weights).await {
        Ok(()) => Ok(device),
        #[allow(clippy::arc_with_non_send_sync)]
        Err(error) if *request == DeviceRequest::Auto => Ok(Arc::new(Device::cpu(Some(error)))),
        Err(error) => Err(error),
    }
}

/// Loads a model onto such a device. Where `auto` finds a GPU that fails on the way, as for lack of memory, it
/// takes the processor.
///
/// # Errors
/// Those of [`open_checked`] and [`Model::load`].
pub async fn load_checked(
    request: &DeviceRequest,
    files: &ModelFiles,
    progress: &mut dyn FnMut(Progress),
) -> Result<Arc<Model>> {
    let device = open_checked(request, files).await?;
    let is_gpu = !device.is_cpu();
    match Model::load(files, device, progress).await {
        Err(error @ (Error::Gpu(_) | Error::GpuMemory { .. } | Error::DeviceLost(_)))
            if is_gpu && *request == DeviceRequest::Auto =>
        {
            Model::load(files, Device::cpu(Some(error)), progress).await
        }
        loaded => loaded,
    }
}

/// Whether a device computes what the twins compute, by a miniature of a model for each type that its matrices have
/// there: a prompt, a further token with every step seen, and one that is fed back.
///
/// # Errors
/// [`Error::WrongGpu`]; those of the device; a matrix that is missing.
pub async fn self_check(device: &Arc<Device>, config: &Config, weights: &Weights) -> Result<()> {
    for weight_type in matrix_types(config, weights)? {
        check_type(device, &miniature(config, weight_type), weight_type).await?;
    }
    Ok(())
}

async fn check_type(device: &Arc<Device>, config: &Config, weight_type: WeightType) -> Result<()> {
    let weights = known_weights(expected_tensors(config), weight_type)?;
    let found = observe(config, &weights, Arc::clone(device)).await.map_err(|error| match error {
        Error::NonFiniteLogits { .. } | Error::NotThere(_) | Error::Internal(_) => {
            Error::WrongGpu(error.to_string())
        }
        other => other,
    })?;
    #[allow(clippy::arc_with_non_send_sync)]
    let expected = observe(config, &weights, Arc::new(Device::cpu(None))).await?;
    compare(&found, &expected)
}

/// What a GPU computed, and the processor.
fn compare(found: &[Seen], expected: &[Seen]) -> Result<()> {
    if found.len() != expected.len() {
        return Err(Error::WrongGpu("it took another number of steps".to_owned()));
    }
    for ((what, found), (_, expected)) in found.iter().zip(expected) {
        let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        if found.len() != expected.len() {
            return Err(Error::WrongGpu(format!("{} {what}, expected {}", found.len(), expected.len())));
        }
        for (f, e) in found.iter().zip(expected) {
            // Written so that a NaN is wrong.
            let is_near = (f - e).abs() <= TOLERANCE * largest.max(1.0);
            if !is_near {
                return Err(Error::WrongGpu(format!("one of {what} is {f}, expected {e}")));
            }
        }
    }
    Ok(())
}

/// The same shader variants, and next to no work.
fn miniature(config: &Config, weight_type: WeightType) -> Config {
    let head_dim = config.head_dim();
    let group = heads_of_a_group((config.n_head / config.n_kv_head) as u32, head_dim as u32) as usize;
    // As few heads as make rows of whole vectors, or of whole blocks.
    let unit = if weight_type.is_quantized() { BLOCK } else { 8 };
    let fits = |n_kv_head: &usize| (group * n_kv_head * head_dim).is_multiple_of(unit);
    let n_kv_head = (if group == 1 { 2 } else { 1 }..unit).find(fits).unwrap_or(unit);
    let n_head = group * n_kv_head;
    Config {
        vocab_size: VOCAB_SIZE,
        n_embd: n_head * head_dim,
        block_size: 8,
        n_input_layers: 1,
        n_output_layers: 1,
        n_head,
        n_kv_head,
        hrm_h_layers: 1,
        hrm_l_layers: 1,
        hrm_h_cycles: 1,
        hrm_l_cycles: 1,
        hrm_max_steps: config.hrm_max_steps.min(2),
        eos_token_id: None,
        ..config.clone()
    }
}

/// Numbers that look random and are the same everywhere: Weyl's sequence of the golden ratio. They are f32, and a
/// device narrows every matrix as it would a model's.
pub(crate) fn known_weights(tensors: Vec<(String, Vec<usize>)>, weight_type: WeightType) -> Result<Weights> {
    const GOLDEN: u32 = 0x9e37_79b9;
    let (mut word, mut drawn) = (0u32, vec![]);
    for (name, shape) in tensors {
        let scale = if shape.len() > 1 { 1.5 / (shape[1] as f32).sqrt() } else { 0.5 };
        let centre = if name.contains("ln_") { 1.0 } else { 0.0 };
        let draw = |_| {
            word = word.wrapping_add(GOLDEN);
            // The upper bits of a square are less regular than the sequence itself.
            let square = (u64::from(word) * u64::from(word)) >> 16;
            (centre + scale * (square as u32 as f32 / (1u64 << 31) as f32 - 1.0)).to_le_bytes()
        };
        let bytes: Vec<u8> = (0..shape.iter().product::<usize>()).flat_map(draw).collect();
        drawn.push((name, shape, bytes));
    }
    let internal = |e: safetensors::SafeTensorError| Error::Internal(e.to_string());
    let views = drawn.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(internal)?;
    let file = safetensors::serialize(views, None::<HashMap<String, String>>).map_err(internal)?;
    let named = vec![("q_head.weight".to_owned(), weight_type)];
    let types = WeightTypes { matrices: Some(weight_type), named };
    Weights::from_files(&[WeightFile::in_memory("the miniature", file)])?.with_types(&types)
}

/// Some numbers of a miniature, and what they are called.
type Seen = (&'static str, Vec<f32>);

/// What there is to see of the miniature, by name.
async fn observe(config: &Config, weights: &Weights, device: Arc<Device>) -> Result<Vec<Seen>> {
    let model = Model::of("the miniature", config.clone(), weights, None, device, &mut |_| ()).await?;
    let mut session = Session::new(&model, 1, config.block_size)?;
    let tokens = [3, 7, 1, 9, 2, 11];
    let sampling = Sampling::default();
    // The prompt at the deepest, the further token at one step, because a user waits meanwhile.
    let deepest = config.hrm_max_steps as u32;
    let read = |n: usize, depth: u32| {
        let depth = DepthControl { forced: Some(depth), ..DepthControl::default() };
        Read { sequence: 0, tokens: &tokens[..n], depth, sampling, place: 0 }
    };
    let mut seen = vec![];
    let reading = session.read(&[read(5, deepest)]).await?.remove(0);
    seen.push(("the halting values", reading.q.to_vec()));
    seen.push(("the logits", session.logits(0, deepest, 3..5).await?.concat()));
    seen.push(("the likeliest tokens", vec![reading.token as f32]));
    let mut steps = vec![];
    session.read_traced(&read(6, 1), &mut |step| steps.push(step)).await?;
    for step in steps {
        seen.push(("the halting values", vec![step.q_halt, step.q_continue]));
        seen.push(("the states", step.z_h.concat()));
        seen.push(("the movements", step.cycles.iter().flat_map(|cycle| cycle.moved.clone()).collect()));
        seen.push(("the probabilities", step.top.iter().map(|top| top.probability).collect()));
    }
    // One that is fed back, and the one behind it.
    let ahead = ReadAhead { n_tokens: 2, end: None };
    for reading in session.read_ahead(&[(read(6, 1), ahead)]).await?.remove(0)? {
        seen.push(("the halting values", reading.q.to_vec()));
        seen.push(("the likeliest tokens", vec![reading.token as f32]));
    }
    Ok(seen)
}
