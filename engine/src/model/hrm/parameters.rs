//! An HRM's weights on a device, in the form that the blocks of CosmicFish-HRM have there.
//!
//! Its weightless norms are ones. Its RoPE turns pairs (i, i + hd/2) of a head: the rows of q and k go to the device
//! interleaved, so that these pairs are neighbours; scores are sums over all of a head and do not mind. The scale of
//! the embedding is multiplied in here.

use crate::config::{HrmConfig, HrmPositions};
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::files::Progress;
use crate::kernels::linear::Affine;
use crate::model::packing::{Packing, Uploader};
use crate::model::parameters::{Block, trig};
use crate::weights::{Tensor, WeightType, Weights};

/// All weights of an HRM, but for the table of puzzles.
#[derive(Debug)]
pub struct Parameters {
    /// `[V, C]`, f32, scaled; behind it `embed_pos [T, C]`, scaled, where positions are learned.
    pub embedding: Buffer,
    /// Where embed_pos begins in it, in units of 16 bytes.
    pub embed_pos: Option<u32>,
    /// (cos, sin) `[T, hd / 2]`; nothing where positions are learned.
    pub trig: Buffer,
    /// `[H_layers]`.
    pub h_level: Vec<Block>,
    /// `[L_layers]`.
    pub l_level: Vec<Block>,
    /// `[C]`.
    pub h_init: Vec<f32>,
    /// `[C]`.
    pub l_init: Vec<f32>,
    /// Holds `lm_head [V, C]`.
    pub head: Buffer,
    /// Where it does.
    pub lm_head: Affine,
    /// `[2, C]`, then `[2]` biases; f32.
    pub q_head: Buffer,
    /// What the embedding is multiplied by.
    pub scale: f32,
    /// `[P, C]`, scaled: what learned positions add to the puzzle's own embedding.
    pub puzzle_pos: Vec<f32>,
}

/// The authors' approximation of sqrt(1/2).
const HALF_ROOT: f32 = 0.707_106_77;

impl Parameters {
    /// Reads what [`Weights::check_hrm`] has checked.
    pub async fn load(
        config: &HrmConfig,
        weights: &Weights,
        device: &Device,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Parameters> {
        let HrmConfig { hidden_size: c, vocab_size: v, positions, rope_theta, .. } = *config;
        let mut uploader = Uploader::new(device, weights.n_bytes(), progress);
        let is_learned = positions == HrmPositions::Learned;
        let root = (c as f32).sqrt();
        let scale = if is_learned { root * HALF_ROOT } else { root };
        let scaled =
            |numbers: Vec<f32>| -> Vec<f32> { numbers.iter().map(|number| scale * number).collect() };

        let mut embedding = Packing::default();
        embedding.push_floats(scaled(
            floats(&weights.tensor("inner.embed_tokens.embedding_weight", &[v, c])?).await?,
        ));
        let (mut embed_pos, mut puzzle_pos) = (None, vec![0.0; config.n_puzzle_positions() * c]);
        if is_learned {
            let shape = [config.n_positions(), c];
            let numbers = scaled(floats(&weights.tensor("inner.embed_pos.embedding_weight", &shape)?).await?);
            puzzle_pos.copy_from_slice(&numbers[..config.n_puzzle_positions() * c]);
            embed_pos = Some(embedding.push_floats(numbers));
        }
        let mut head = Packing::default();
        let lm_head = head.push_matrix(vec![weights.tensor("inner.lm_head.weight", &[v, c])?]);
        let mut q_head = Packing::default();
        let q_tensors = [("inner.q_head.weight", vec![2, c]), ("inner.q_head.bias", vec![2])];
        let q_tensors = q_tensors.iter().map(|(name, shape)| weights.tensor(name, shape));
        q_head.push(q_tensors.collect::<Result<_>>()?, WeightType::F32);

        let n_turned = if is_learned { 0 } else { config.n_positions() };
        let table = trig(n_turned, config.head_dim(), rope_theta);
        let mut levels = [vec![], vec![]];
        for (blocks, (level, n_layers)) in
            levels.iter_mut().zip([("H_level", config.h_layers), ("L_level", config.l_layers)])
        {
            for i in 0..n_layers {
                let name = format!("inner.{level}.layers.{i}");
                blocks.push(load_block(config, weights, &mut uploader, &name, i > 0).await?);
            }
        }
        let [h_level, l_level] = levels;
        Ok(Parameters {
            embedding: uploader.upload("the embedding", embedding).await?,
            embed_pos,
            trig: device.buffer_of("the RoPE table", bytemuck::cast_slice(&table))?,
            h_level,
            l_level,
            h_init: floats(&weights.tensor("inner.H_init", &[c])?).await?,
            l_init: floats(&weights.tensor("inner.L_init", &[c])?).await?,
            head: uploader.upload("lm_head", head).await?,
            lm_head,
            q_head: uploader.upload("q_head", q_head).await?,
            scale,
            puzzle_pos,
        })
    }
}

/// A block whose norms are ones; `norms_first`: it does the norm of the one before it.
async fn load_block(
    config: &HrmConfig,
    weights: &Weights,
    uploader: &mut Uploader<'_>,
    block: &str,
    norms_first: bool,
) -> Result<Block> {
    let (c, hidden) = (config.hidden_size, config.hidden());
    let matrix = |name: &str, n_out: usize, n_in: usize| {
        weights.tensor(&format!("{block}.{name}.weight"), &[n_out, n_in])
    };
    let mut packing = Packing::default();
    let ones = packing.push_floats(vec![1.0; c]);
    let qkv = matrix("self_attn.qkv_proj", 3 * c, c)?;
    let qkv = match config.positions {
        HrmPositions::Rope => packing.push_rows(qkv, interleaved(c, config.head_dim())),
        HrmPositions::Learned => packing.push_matrix(vec![qkv]),
    };
    let c_proj = packing.push_matrix(vec![matrix("self_attn.o_proj", c, c)?]);
    let up = packing.push_matrix(vec![matrix("mlp.gate_up_proj", 2 * hidden, c)?]);
    let down = packing.push_matrix(vec![matrix("mlp.down_proj", c, hidden)?]);
    let ln_before = norms_first.then_some(ones);
    let w = uploader.upload(block, packing).await?;
    Ok(Block { w, ln_before, ln_1: ones, ln_2: ones, qkv, c_proj, up, down })
}

/// The rows of q and k, head by head, in the order 0, hd/2, 1, hd/2 + 1, …; those of v as they are.
fn interleaved(c: usize, head_dim: usize) -> Vec<u64> {
    let half = head_dim / 2;
    let turned = (0..2 * c).map(|row| {
        let (head, e) = (row / head_dim, row % head_dim);
        head * head_dim + e / 2 + if e % 2 == 0 { 0 } else { half }
    });
    turned.chain(2 * c..3 * c).map(|row| row as u64).collect()
}

/// All numbers of a small tensor.
async fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    let found = tensor.read_as(WeightType::F32, 0..tensor.n()).await?;
    Ok(bytemuck::pod_collect_to_vec(&found.data))
}
