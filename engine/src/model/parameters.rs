//! The weights on a device. A block's are packed into one buffer and found by offsets, so that a kernel that
//! needs several of them still binds one.

use std::collections::BTreeSet;

use super::packing::{Packing, Uploader, shared_type};
use crate::config::Config;
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::files::Progress;
use crate::kernels::linear::Affine;
use crate::tokenizer::Tokenizer;
use crate::weights::{Tensor, WeightType, Weights, block_names};

/// All weights of a model.
#[derive(Debug)]
pub struct Parameters {
    /// `[V, C]`; behind it its scales, `wpe [block_size, C]` where positions are learned, and ln_f.
    pub wte: Buffer,
    /// The embedding in `wte`, as the head reads it.
    pub embedding: Affine,
    /// Where wpe begins in `wte`, f32, in units of 16 bytes.
    pub wpe: u32,
    /// Where ln_f `[C]`, f32, begins in `wte`, in units of 16 bytes.
    pub ln_f: u32,
    /// (cos, sin) `[block_size, hd / 2]`.
    pub trig: Buffer,
    /// `[n_input_layers]`.
    pub input_blocks: Vec<Block>,
    /// `[hrm_H_layers]`.
    pub h_level: Vec<Block>,
    /// `[hrm_L_layers]`.
    pub l_level: Vec<Block>,
    /// `[n_output_layers]`.
    pub output_blocks: Vec<Block>,
    /// `[C]`, f32.
    pub h_init: Buffer,
    /// `[C]`, f32.
    pub l_init: Buffer,
    /// `[2, C]`, then `[2]` biases; f32.
    pub q_head: Buffer,
    /// A bit for each token that may be drawn, `[ceil(V / 32)]`.
    pub has_text: Buffer,
}

/// One block: a buffer, and where in it what begins.
#[derive(Debug)]
pub struct Block {
    /// Everything below.
    pub w: Buffer,
    /// ln_2 of the block before it on its level, whose norm a post-norm block does first. In units of 16 bytes.
    pub ln_before: Option<u32>,
    /// In units of 16 bytes.
    pub ln_1: u32,
    /// In units of 16 bytes.
    pub ln_2: u32,
    /// q, k and v one after the other: `[C + 2 KV, C]`.
    pub qkv: Affine,
    /// `[C, C]`.
    pub c_proj: Affine,
    /// up and gate one after the other `[8 C, C]`, or c_fc `[4 C, C]`.
    pub up: Affine,
    /// `[C, 4 C]`.
    pub down: Affine,
}

impl Parameters {
    /// Reads what [`Weights::check`] has checked.
    pub async fn load(
        config: &Config,
        weights: &Weights,
        tokenizer: Option<&Tokenizer>,
        device: &Device,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Parameters> {
        let uploader = Uploader::new(device, weights.n_bytes(), progress);
        let mut loader = Loader { config, weights, uploader };
        let c = config.n_embd;

        let mut packing = Packing::default();
        let embedding = packing.push_matrix(vec![weights.resolve_tied(config).await?]);
        let wpe = if config.use_rotary {
            0
        } else {
            packing.push(vec![weights.tensor("wpe.weight", &[config.block_size, c])?], WeightType::F32)
        };
        let ln_f = packing.push(vec![weights.tensor("ln_f.weight", &[c])?], WeightType::F32);
        let mut q_head = Packing::default();
        let q_tensors = [("hrm_core.q_head.weight", vec![2, c]), ("hrm_core.q_head.bias", vec![2])];
        let q_tensors = q_tensors.iter().map(|(name, shape)| weights.tensor(name, shape));
        q_head.push(q_tensors.collect::<Result<_>>()?, WeightType::F32);

        Ok(Parameters {
            wte: loader.uploader.upload("the embedding", packing).await?,
            embedding,
            wpe,
            ln_f,
            trig: device.buffer_of("the RoPE table", bytemuck::cast_slice(&trig_of(config)))?,
            input_blocks: loader.blocks("input_blocks", config.n_input_layers, NormPlace::Before).await?,
            h_level: loader.blocks("hrm_core.H_level.layers", config.hrm_h_layers, NormPlace::Behind).await?,
            l_level: loader.blocks("hrm_core.L_level.layers", config.hrm_l_layers, NormPlace::Behind).await?,
            output_blocks: loader.blocks("output_blocks", config.n_output_layers, NormPlace::Before).await?,
            h_init: loader.vector("hrm_core.H_init").await?,
            l_init: loader.vector("hrm_core.L_init").await?,
            q_head: loader.uploader.upload("q_head", q_head).await?,
            has_text: device
                .buffer_of("drawable tokens", bytemuck::cast_slice(&has_text(config, tokenizer)))?,
        })
    }
}

fn trig_of(config: &Config) -> Vec<[f32; 2]> {
    trig(if config.use_rotary { config.block_size } else { 0 }, config.head_dim(), 10_000.0)
}

/// The cosine and sine of `position * theta^(-2i / hd)`, `[n_positions, hd / 2]`. The angle is rounded to f32 where the
/// authors' code rounds it.
pub fn trig(n_positions: usize, hd: usize, theta: f32) -> Vec<[f32; 2]> {
    let frequency = |i: usize| 1.0 / theta.powf((2 * i) as f32 / hd as f32);
    let frequencies: Vec<f32> = (0..hd / 2).map(frequency).collect();
    let angles = (0..n_positions).flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
    angles.map(|angle| [f64::from(angle).cos() as f32, f64::from(angle).sin() as f32]).collect()
}

/// Every id of a model without a tokenizer may be drawn.
fn has_text(config: &Config, tokenizer: Option<&Tokenizer>) -> Vec<u32> {
    let mut bits = vec![0; config.vocab_size.div_ceil(32)];
    for id in 0..config.vocab_size {
        if tokenizer.is_none_or(|tokenizer| tokenizer.has_text(id as u32)) {
            bits[id / 32] |= 1 << (id % 32);
        }
    }
    bits
}

/// Where the blocks of a stack have their norms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NormPlace {
    /// Before attention and MLP.
    Before,
    /// Behind them, where the next block does the last one.
    Behind,
}

struct Loader<'a> {
    config: &'a Config,
    weights: &'a Weights,
    uploader: Uploader<'a>,
}

impl Loader<'_> {
    async fn blocks(&mut self, stack: &str, n: usize, norms: NormPlace) -> Result<Vec<Block>> {
        let mut blocks = Vec::with_capacity(n);
        for i in 0..n {
            let before = (norms == NormPlace::Behind && i > 0).then(|| format!("{stack}.{}", i - 1));
            blocks.push(self.block(&format!("{stack}.{i}"), before.as_deref()).await?);
        }
        Ok(blocks)
    }

    /// `before` is the block whose last norm this one does.
    async fn block(&mut self, block: &str, before: Option<&str>) -> Result<Block> {
        let Config { n_embd: c, bias, .. } = *self.config;
        let weights = self.weights;
        let mut packing = Packing::default();
        let norm = |block: &str, name: &str| weights.tensor(&format!("{block}.{name}.weight"), &[c]);
        let ln_before = before.map(|before| norm(before, "ln_2")).transpose()?;
        let ln_before = ln_before.map(|ln| packing.push(vec![ln], WeightType::F32));
        let (ln_1, ln_2) = (norm(block, "ln_1")?, norm(block, "ln_2")?);
        let ln_1 = packing.push(vec![ln_1], WeightType::F32);
        let ln_2 = packing.push(vec![ln_2], WeightType::F32);

        let mut affine = |layer: Layer| -> Result<Affine> {
            let mut affine = packing.push_matrix(layer.matrices(weights, block)?);
            if bias {
                let bias = |(name, n): &(&str, usize)| weights.tensor(&format!("{block}.{name}.bias"), &[*n]);
                let biases = layer.parts.iter().map(bias).collect::<Result<_>>()?;
                affine.bias = packing.push(biases, WeightType::F32);
            }
            Ok(affine)
        };
        let [qkv, c_proj, up, down] = layers(self.config);
        let (qkv, c_proj, up, down) = (affine(qkv)?, affine(c_proj)?, affine(up)?, affine(down)?);
        Ok(Block {
            w: self.uploader.upload(block, packing).await?,
            ln_before,
            ln_1,
            ln_2,
            qkv,
            c_proj,
            up,
            down,
        })
    }

    async fn vector(&mut self, name: &str) -> Result<Buffer> {
        let mut packing = Packing::default();
        packing.push(vec![self.weights.tensor(name, &[self.config.n_embd])?], WeightType::F32);
        self.uploader.upload(name, packing).await
    }
}

/// Matrices of a block that are one on the device.
struct Layer {
    /// Their names and outputs.
    parts: Vec<(&'static str, usize)>,
    n_in: usize,
}

impl Layer {
    fn matrices(&self, weights: &Weights, block: &str) -> Result<Vec<Tensor>> {
        let matrix =
            |(name, n): &(&str, usize)| weights.tensor(&format!("{block}.{name}.weight"), &[*n, self.n_in]);
        self.parts.iter().map(matrix).collect()
    }
}

/// q, k and v; c_proj; up and gate; down.
fn layers(config: &Config) -> [Layer; 4] {
    let (c, kv, hidden) = (config.n_embd, config.kv_dim(), 4 * config.n_embd);
    let (up, down) = if config.use_swiglu {
        (vec![("mlp.up", hidden), ("mlp.gate", hidden)], "mlp.down")
    } else {
        (vec![("mlp.c_fc", hidden)], "mlp.c_proj")
    };
    [
        Layer { parts: vec![("attn.q_proj", c), ("attn.k_proj", kv), ("attn.v_proj", kv)], n_in: c },
        Layer { parts: vec![("attn.c_proj", c)], n_in: c },
        Layer { parts: up, n_in: c },
        Layer { parts: vec![(down, c)], n_in: hidden },
    ]
}

/// The types that a model's matrices have on a device.
pub fn matrix_types(config: &Config, weights: &Weights) -> Result<BTreeSet<WeightType>> {
    let mut types = BTreeSet::from([weights.embedding(config)?.stored]);
    for block in block_names(config) {
        for layer in layers(config) {
            types.insert(shared_type(&layer.matrices(weights, &block)?));
        }
    }
    Ok(types)
}
