//! A transformer block, pre-norm and post-norm, in five kernel calls.
//!
//! ```text
//! pre-norm     x = x + attn(rms(x; ln_1));   x = x + mlp(rms(x; ln_2))
//! post-norm    x = rms(x + attn(x); ln_1);   x = rms(x + mlp(x); ln_2)
//! ```
//!
//! A norm is done by whoever reads what is normed: the one behind a post-norm block by the next block, or by the
//! injection that follows the last one.
//!
//! Source: CosmicFish-HRM `model.py`, Block and HRMBlock.

use super::Parameters;
use super::parameters::Block;
use super::state::Work;
use crate::config::Config;
use crate::device::Buffer;
use crate::kernels::Span;
use crate::kernels::attention::Attention;
use crate::kernels::linear::{Affine, Epilogue, Linear, Norm, Qkv};
use crate::recording::Recording;

/// What every block of a forward shares.
pub struct Blocks<'a> {
    pub config: &'a Config,
    pub parameters: &'a Parameters,
    pub work: &'a Work,
    pub span: Span<'a>,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// All slots of a slab.
    pub n_slots: u32,
}

/// What a layer reads, and what it adds to.
#[derive(Clone, Copy)]
struct Stream {
    /// Where the weights of the norm begin that the stream passes before it is read.
    norm: Option<u32>,
    /// Whether what is added to is normed too.
    normed_residual: bool,
}

impl Blocks<'_> {
    /// The stream `x` `[n_rows, C]`, in place. `plane` is the slab of keys and values.
    pub fn pre_norm(&self, r: &mut Recording, block: &Block, kv: &Buffer, plane: u32) {
        let stream = |norm: u32| Stream { norm: Some(norm), normed_residual: false };
        self.attention(r, block, stream(block.ln_1), kv, plane);
        self.mlp(r, block, stream(block.ln_2));
    }

    /// The stream `x` `[n_rows, C]`, in place. The norm behind the block is left to whoever reads the stream next; the
    /// one behind the block before is done here.
    pub fn post_norm(&self, r: &mut Recording, block: &Block, kv: &Buffer) {
        let stream = |norm: Option<u32>| Stream { norm, normed_residual: norm.is_some() };
        self.attention(r, block, stream(block.ln_before), kv, 0);
        self.mlp(r, block, stream(Some(block.ln_1)));
    }

    /// A norm with the model's eps.
    pub fn norm(&self, weight: u32) -> Norm {
        Norm { weight, eps: self.config.eps }
    }

    /// `x = x + c_proj(attention(x))`.
    fn attention(&self, r: &mut Recording, block: &Block, stream: Stream, kv: &Buffer, plane: u32) {
        let Blocks { config, work, span, capacity, n_slots, .. } = *self;
        let (n_embd, kv_dim) = (config.n_embd as u32, config.kv_dim() as u32);
        let head_dim = config.head_dim() as u32;
        let trig = config.use_rotary.then_some(&self.parameters.trig);
        let qkv =
            Epilogue::Qkv(Qkv { trig, kv, kv_type: config.kv_type, plane, capacity, n_slots, head_dim });
        let shape = Shape { n_in: n_embd, n_out: n_embd + 2 * kv_dim, norm: stream.norm };
        self.linear(r, block, block.qkv, shape, &work.x, &work.q, qkv);
        Attention {
            span,
            q: &work.q,
            kv,
            kv_type: config.kv_type,
            y: &work.attended,
            plane,
            capacity,
            n_slots,
            n_head: config.n_head as u32,
            n_kv_head: config.n_kv_head as u32,
            head_dim,
            scale: 1.0 / (head_dim as f32).sqrt(),
        }
        .record(r);
        let shape = Shape { n_in: n_embd, n_out: n_embd, norm: None };
        self.linear(r, block, block.c_proj, shape, &work.attended, &work.x, stream.add());
    }

    /// `x = x + down(silu(up(x)) * gate(x))`, or `c_proj(gelu(c_fc(x)))`.
    fn mlp(&self, r: &mut Recording, block: &Block, stream: Stream) {
        let work = self.work;
        let (n_embd, hidden) = (self.config.n_embd as u32, 4 * self.config.n_embd as u32);
        let activation = if self.config.use_swiglu { Epilogue::SwiGlu } else { Epilogue::Gelu };
        let shape = Shape { n_in: n_embd, n_out: hidden, norm: stream.norm };
        self.linear(r, block, block.up, shape, &work.x, &work.hidden, activation);
        let shape = Shape { n_in: hidden, n_out: n_embd, norm: None };
        self.linear(r, block, block.down, shape, &work.hidden, &work.x, stream.add());
    }

    #[allow(clippy::too_many_arguments)] // those of one layer; the kernel takes them by name
    fn linear(
        &self,
        r: &mut Recording,
        block: &Block,
        affine: Affine,
        shape: Shape,
        x: &Buffer,
        y: &Buffer,
        epilogue: Epilogue<'_>,
    ) {
        let Shape { n_in, n_out, norm } = shape;
        Linear {
            span: self.span,
            w: &block.w,
            layer: affine,
            norm: norm.map(|weight| self.norm(weight)),
            x,
            y,
            s: &self.work.s,
            unused: &self.work.unused,
            out_row: 0,
            n_in,
            n_out,
            epilogue,
        }
        .record(r);
    }
}

/// The shape of a linear layer, and where the norm before it begins.
struct Shape {
    n_in: u32,
    n_out: u32,
    norm: Option<u32>,
}

impl Stream {
    fn add(self) -> Epilogue<'static> {
        match self.norm {
            Some(norm) if self.normed_residual => Epilogue::AddNormed(norm),
            _ => Epilogue::Add,
        }
    }
}
