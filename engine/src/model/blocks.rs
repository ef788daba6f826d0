//! A transformer block, pre-norm and post-norm.
//!
//! ```text
//! pre-norm     x = x + attn(rms(x; ln_1));   x = x + mlp(rms(x; ln_2))
//! post-norm    x = rms(x + attn(x); ln_1);   x = rms(x + mlp(x); ln_2)
//! ```
//!
//! Source: CosmicFish-HRM `model.py`, Block and HRMBlock.

use super::Parameters;
use super::parameters::{Affine, Block};
use super::state::{KeysValues, Work};
use crate::config::Config;
use crate::device::Buffer;
use crate::kernels::Span;
use crate::kernels::attention::Attention;
use crate::kernels::linear::{Epilogue, Linear};
use crate::kernels::rms_norm::RmsNorm;
use crate::kernels::rope_cache::RopeCache;
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

impl Blocks<'_> {
    /// The residual stream `x` `[n_rows, C]`, in place. `plane` is the slab of keys and values.
    pub fn pre_norm(&self, r: &mut Recording, block: &Block, x: &Buffer, kv: &KeysValues, plane: u32) {
        let h = &self.work.h;
        self.rms_norm(r, block, block.ln_1, x, h);
        self.attention(r, block, h, x, kv, plane);
        self.rms_norm(r, block, block.ln_2, x, h);
        self.mlp(r, block, h, x);
    }

    /// The state `z` `[n_rows, C]`, in place.
    pub fn post_norm(&self, r: &mut Recording, block: &Block, z: &Buffer, kv: &KeysValues) {
        let h = &self.work.h;
        self.attention(r, block, z, z, kv, 0);
        self.rms_norm(r, block, block.ln_1, z, h);
        self.mlp(r, block, h, h);
        self.rms_norm(r, block, block.ln_2, h, z);
    }

    fn rms_norm(&self, r: &mut Recording, block: &Block, weight: u32, x: &Buffer, y: &Buffer) {
        let (n, eps) = (self.config.n_embd as u32, self.config.eps);
        RmsNorm { span: self.span, w: &block.w, weight, x, y, n, eps }.record(r);
    }

    /// `residual += c_proj(attention(x))`. All that is read of x is read before anything is added.
    fn attention(
        &self,
        r: &mut Recording,
        block: &Block,
        x: &Buffer,
        residual: &Buffer,
        kv: &KeysValues,
        plane: u32,
    ) {
        let Blocks { config, work, span, capacity, n_slots, .. } = *self;
        let (n_embd, kv_dim) = (config.n_embd as u32, config.kv_dim() as u32);
        let head_dim = config.head_dim() as u32;
        self.linear(r, block, block.qkv, x, &work.qkv, n_embd, n_embd + 2 * kv_dim, Epilogue::Store);
        RopeCache {
            span,
            qkv: &work.qkv,
            trig: &self.parameters.trig,
            q: &work.q,
            k: &kv.k,
            v: &kv.v,
            plane,
            capacity,
            n_slots,
            n_embd,
            kv_dim,
            head_dim,
            rotary: config.use_rotary,
        }
        .record(r);
        Attention {
            span,
            q: &work.q,
            k: &kv.k,
            v: &kv.v,
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
        self.linear(r, block, block.c_proj, &work.attended, residual, n_embd, n_embd, Epilogue::Add);
    }

    /// `residual += down(silu(up(x)) * gate(x))`, or `c_proj(gelu(c_fc(x)))`.
    fn mlp(&self, r: &mut Recording, block: &Block, x: &Buffer, residual: &Buffer) {
        let (n_embd, hidden) = (self.config.n_embd as u32, 4 * self.config.n_embd as u32);
        let activation = if self.config.use_swiglu { Epilogue::SwiGlu } else { Epilogue::Gelu };
        self.linear(r, block, block.up, x, &self.work.hidden, n_embd, hidden, activation);
        self.linear(r, block, block.down, &self.work.hidden, residual, hidden, n_embd, Epilogue::Add);
    }

    #[allow(clippy::too_many_arguments)] // those of one layer; the kernel takes them by name
    fn linear(
        &self,
        r: &mut Recording,
        block: &Block,
        layer: Affine,
        x: &Buffer,
        y: &Buffer,
        n_in: u32,
        n_out: u32,
        epilogue: Epilogue,
    ) {
        let (weight, bias, weight_type) = (layer.weight, layer.bias, self.parameters.weight_type);
        let (span, w, out_row) = (self.span, &block.w, 0);
        Linear { span, w, weight_type, weight, bias, x, y, out_row, n_in, n_out, epilogue }.record(r);
    }
}
