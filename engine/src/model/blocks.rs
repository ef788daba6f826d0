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
//! HRM's norms have no weights: theirs are ones. Its SwiGLU has the gate first, which is the one that passes silu, as `up`
//! does in CosmicFish-HRM.
//!
//! Source: CosmicFish-HRM `model.py`, Block and HRMBlock; HRM `hrm_act_v1.py`.

use super::parameters::Block;
use super::sizes::WorkBytes;
use crate::config::{Config, HrmConfig, HrmPositions, KvType};
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::kernels::Span;
use crate::kernels::attention::{Attention, Sees};
use crate::kernels::inject::{Inject, Next};
use crate::kernels::linear::{Affine, Epilogue, Linear, Norm, Qkv};
use crate::recording::Recording;

/// What every block of a forward shares.
pub struct Blocks<'a> {
    pub shape: BlockShape,
    /// (cos, sin) `[position, hd / 2]`; None: q and k are not turned.
    pub trig: Option<&'a Buffer>,
    pub work: &'a Workspace,
    pub span: Span<'a>,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// All slots of a slab.
    pub n_slots: u32,
}

/// The dimensions of all blocks of a model.
#[derive(Debug, Clone, Copy)]
pub struct BlockShape {
    n_embd: u32,
    n_head: u32,
    n_kv_head: u32,
    /// Width of the MLP's hidden numbers.
    hidden: u32,
    mlp: Mlp,
    sees: Sees,
    kv_type: KvType,
    eps: f32,
    is_rotary: bool,
}

/// What stands between an MLP's two matrices.
#[derive(Debug, Clone, Copy)]
enum Mlp {
    SwiGlu,
    Gelu,
}

impl From<&Config> for BlockShape {
    fn from(config: &Config) -> BlockShape {
        BlockShape {
            n_embd: config.n_embd as u32,
            n_head: config.n_head as u32,
            n_kv_head: config.n_kv_head as u32,
            hidden: 4 * config.n_embd as u32,
            mlp: if config.use_swiglu { Mlp::SwiGlu } else { Mlp::Gelu },
            sees: Sees::Before,
            kv_type: config.kv_type,
            eps: config.eps,
            is_rotary: config.use_rotary,
        }
    }
}

impl From<&HrmConfig> for BlockShape {
    fn from(config: &HrmConfig) -> BlockShape {
        BlockShape {
            n_embd: config.hidden_size as u32,
            n_head: config.num_heads as u32,
            n_kv_head: config.num_heads as u32,
            hidden: config.hidden() as u32,
            mlp: Mlp::SwiGlu,
            sees: Sees::First(config.n_positions() as u32),
            kv_type: KvType::F32,
            eps: config.eps,
            is_rotary: config.positions == HrmPositions::Rope,
        }
    }
}

impl BlockShape {
    fn head_dim(self) -> u32 {
        self.n_embd / self.n_head
    }
}

/// What blocks work in.
#[derive(Debug)]
pub struct Workspace {
    /// `[n_rows, C]`: the stream through the blocks.
    pub x: Buffer,
    /// `[n_rows]`: the factors of the norm that was last done.
    pub s: Buffer,
    /// `[n_rows, C]`.
    pub q: Buffer,
    /// `[n_rows, C]`.
    pub attended: Buffer,
    /// `[n_rows, hidden]`.
    pub hidden: Buffer,
    /// Bound where a kernel writes nothing.
    pub unused: Buffer,
}

impl Workspace {
    /// Room for so many rows.
    pub fn new(device: &Device, bytes: &WorkBytes, n_rows: usize) -> Result<Workspace> {
        let rows = |label: &str, row_bytes: u64| device.buffer(label, row_bytes * n_rows as u64);
        Ok(Workspace {
            x: rows("x in work", bytes.embd)?,
            s: rows("the norm's factors", bytes.factor)?,
            q: rows("q", bytes.embd)?,
            attended: rows("attended rows", bytes.embd)?,
            hidden: rows("the MLP's hidden rows", bytes.hidden)?,
            unused: device.buffer("nothing", WorkBytes::UNUSED)?,
        })
    }
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

    /// Brings `z` up to date behind the blocks of its level, where it has gone through any, and sets what follows.
    /// `input` is `[slot, C]`.
    pub fn inject(
        &self,
        r: &mut Recording,
        last: Option<&Block>,
        z: &Buffer,
        other: &Buffer,
        input: &Buffer,
        next: Next,
    ) {
        let Blocks { work, span, capacity, .. } = *self;
        let norm = last.map(|block| self.norm(block.ln_2));
        let w = last.map_or(&work.unused, |block| &block.w);
        let n = self.shape.n_embd;
        Inject { span, w, norm, x: &work.x, z, other, input, n, capacity, next }.record(r);
    }

    /// A norm with the model's eps.
    fn norm(&self, weight: u32) -> Norm {
        Norm { weight, eps: self.shape.eps }
    }

    /// `x = x + c_proj(attention(x))`.
    fn attention(&self, r: &mut Recording, block: &Block, stream: Stream, kv: &Buffer, plane: u32) {
        let Blocks { shape, trig, work, span, capacity, n_slots } = *self;
        let BlockShape { n_embd, n_head, n_kv_head, kv_type, sees, .. } = shape;
        let head_dim = shape.head_dim();
        let trig = trig.filter(|_| shape.is_rotary);
        let qkv = Epilogue::Qkv(Qkv { trig, kv, kv_type, plane, capacity, n_slots, head_dim });
        let n_out = (n_head + 2 * n_kv_head) * head_dim;
        let layer = Shape { n_in: n_embd, n_out, norm: stream.norm };
        self.linear(r, block, block.qkv, layer, &work.x, &work.q, qkv);
        Attention {
            span,
            q: &work.q,
            kv,
            kv_type,
            y: &work.attended,
            plane,
            capacity,
            n_slots,
            n_head,
            n_kv_head,
            head_dim,
            scale: 1.0 / (head_dim as f32).sqrt(),
            sees,
        }
        .record(r);
        let shape = Shape { n_in: n_embd, n_out: n_embd, norm: None };
        self.linear(r, block, block.c_proj, shape, &work.attended, &work.x, stream.add());
    }

    /// `x = x + down(silu(up(x)) * gate(x))`, or `c_proj(gelu(c_fc(x)))`.
    fn mlp(&self, r: &mut Recording, block: &Block, stream: Stream) {
        let work = self.work;
        let BlockShape { n_embd, hidden, mlp, .. } = self.shape;
        let activation = match mlp {
            Mlp::SwiGlu => Epilogue::SwiGlu,
            Mlp::Gelu => Epilogue::Gelu,
        };
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
