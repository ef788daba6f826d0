//! Splits q | k | v, turns q and k by their position, and writes k and v to the cache.
//!
//! ```text
//! pairs (2j, 2j+1) of a head turn by position * 10000^(-2j/hd):
//!     a' = a cos - b sin;  b' = a sin + b cos
//! q[i] = turned qkv[i, ..C];   k[slab, slot of i] = turned qkv[i, C..C + kv_dim];   v[slab, slot of i] = the rest
//! ```
//!
//! The table of (cos, sin) comes from the host, because sin and cos of WGSL are good to 2^-11 only.
//! Source: CosmicFish-HRM `model.py`, apply_rotary_emb; Su et al., arXiv 2104.09864.

use super::{Bindings, Kernel, Row, Span, live, n_slabs, params, shader, slab_of};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::ROPE_CACHE, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
    n_embd: u32,
    kv_dim: u32,
    head_dim: u32,
}

/// Numbers of a workgroup.
const NUMBERS: u32 = 64;

/// The arguments.
#[derive(Debug)]
pub struct RopeCache<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, C + 2 kv_dim]`, f32.
    pub qkv: &'a Buffer,
    /// `[position, hd / 2]` of (cos, sin), f32; only read where q and k turn.
    pub trig: &'a Buffer,
    /// `[n_rows, C]`, f32.
    pub q: &'a Buffer,
    /// `[slab, slot, kv_dim]`, f32.
    pub k: &'a Buffer,
    /// `[slab, slot, kv_dim]`, f32; not k.
    pub v: &'a Buffer,
    /// The slab of k and v, or [`OUTPUT`](super::OUTPUT).
    pub plane: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
    /// C, a multiple of hd.
    pub n_embd: u32,
    /// n_kv_head * hd.
    pub kv_dim: u32,
    /// hd, even where q and k turn.
    pub head_dim: u32,
    /// Whether q and k turn; otherwise they are only put in place.
    pub rotary: bool,
}

impl RopeCache<'_> {
    /// A workgroup makes 64 numbers of a row.
    pub fn record(&self, recording: &mut Recording) {
        let RopeCache {
            span,
            qkv,
            trig,
            q,
            k,
            v,
            plane,
            capacity,
            n_slots,
            n_embd,
            kv_dim,
            head_dim,
            rotary,
        } = *self;
        let width = n_embd + 2 * kv_dim;
        let n_cached = n_slabs(plane) * n_slots as usize * kv_dim as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "qkv", qkv, span.n as usize * width as usize);
        if rotary {
            recording.expect(&KERNEL, "trig", trig, capacity as usize * head_dim as usize);
        }
        recording.expect(&KERNEL, "q", q, span.n as usize * n_embd as usize);
        recording.expect(&KERNEL, "k", k, n_cached);
        recording.expect(&KERNEL, "v", v, n_cached);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, plane, capacity, n_slots, n_embd, kv_dim, head_dim };
        let (rows, mask) = (span.rows.clone(), span.mask.clone());
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![("ROTARY", rotary.into())],
            buffers: vec![rows, mask, qkv.clone(), trig.clone(), q.clone(), k.clone(), v.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [width.div_ceil(NUMBERS), span.n, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (qkv, trig) = (bindings.read::<f32>(2), bindings.read::<[f32; 2]>(3));
    let (q, k, v) = (bindings.write::<f32>(4), bindings.write::<f32>(5), bindings.write::<f32>(6));
    let (n_embd, kv_dim, half) = (p.n_embd as usize, p.kv_dim as usize, p.head_dim as usize / 2);
    let rotary = call.constant("ROTARY", 1) == 1;
    let rows = rows[p.first_row as usize..].iter().take(p.n_rows as usize);
    for ((&row, qkv), q) in rows.zip(qkv.chunks_exact(n_embd + 2 * kv_dim)).zip(q.chunks_exact_mut(n_embd)) {
        if !live(row, mask, p.step) {
            continue;
        }
        let slot = slab_of(p.plane, row, mask) * p.n_slots as usize + (row[0] * p.capacity + row[1]) as usize;
        let (k, v) = (&mut k[slot * kv_dim..][..kv_dim], &mut v[slot * kv_dim..][..kv_dim]);
        q.copy_from_slice(&qkv[..n_embd]);
        k.copy_from_slice(&qkv[n_embd..][..kv_dim]);
        v.copy_from_slice(&qkv[n_embd + kv_dim..]);
        if rotary {
            let turns = &trig[row[1] as usize * half..][..half];
            for head in q.chunks_exact_mut(2 * half).chain(k.chunks_exact_mut(2 * half)) {
                turn(head, turns);
            }
        }
    }
}

/// Turns the pairs of one head.
fn turn(head: &mut [f32], turns: &[[f32; 2]]) {
    for ([a, b], [cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
    }
}
