//! Causal attention over the cached keys and values.
//!
//! ```text
//! s_j = scale * q[i, h] . k[slab, slot j, h / (n_head / n_kv_head)]          j <= position of i
//! y[i, h] = sum over j of softmax(s)_j * v[slab, slot j, the same head]      i < n_rows, h < n_head
//! ```
//!
//! The softmax is kept up to date over tiles of 64 keys from the left, so scores are stored nowhere and the
//! result depends on nothing but the row's own position.
//! Source: CosmicFish-HRM `model.py`, GroupedQueryAttention; Milakov and Gimelshein, arXiv 1805.02867.

use multiversion::multiversion;
use rayon::prelude::*;

use super::{Bindings, Kernel, Row, Span, live, n_slabs, params, shader, slab_of};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::ATTENTION, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
    n_head: u32,
    n_kv_head: u32,
    head_dim: u32,
    scale: f32,
}

/// Keys of a tile.
const TILE: usize = 64;
/// In place of minus infinity, which WGSL does not know.
const LOWEST: f32 = -3.4e38;
/// exp of less is not a normal number.
const LEAST_EXPONENT: f32 = -87.0;

/// The arguments.
#[derive(Debug)]
pub struct Attention<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, n_head, hd]`, f32.
    pub q: &'a Buffer,
    /// `[slab, slot, n_kv_head, hd]`, f32.
    pub k: &'a Buffer,
    /// `[slab, slot, n_kv_head, hd]`, f32.
    pub v: &'a Buffer,
    /// `[n_rows, n_head, hd]`, f32; not q.
    pub y: &'a Buffer,
    /// The slab of k and v, or [`OUTPUT`](super::OUTPUT).
    pub plane: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
    /// Query heads; a multiple of n_kv_head.
    pub n_head: u32,
    /// Key and value heads.
    pub n_kv_head: u32,
    /// hd, at most 256.
    pub head_dim: u32,
    /// What a score is multiplied by.
    pub scale: f32,
}

impl Attention<'_> {
    /// One workgroup a head and row.
    pub fn record(&self, recording: &mut Recording) {
        let Attention { span, q, k, v, y, plane, capacity, n_slots, n_head, n_kv_head, head_dim, scale } =
            *self;
        let n_heads = span.n as usize * n_head as usize;
        let n_cached = n_slabs(plane) * n_slots as usize * (n_kv_head * head_dim) as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "q", q, n_heads * head_dim as usize);
        recording.expect(&KERNEL, "k", k, n_cached);
        recording.expect(&KERNEL, "v", v, n_cached);
        recording.expect(&KERNEL, "y", y, n_heads * head_dim as usize);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params =
            Params { first_row, n_rows, step, plane, capacity, n_slots, n_head, n_kv_head, head_dim, scale };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![span.rows.clone(), span.mask.clone(), q.clone(), k.clone(), v.clone(), y.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_head, span.n, 1],
        });
    }
}

/// Products that a thread should have to do before another one is woken.
const TWIN_PRODUCTS: usize = 1 << 16;

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (q, k, v) = (bindings.read::<f32>(2), bindings.read::<f32>(3), bindings.read::<f32>(4));
    let y = bindings.write::<f32>(5);
    let (n_rows, n_head, head_dim) = (p.n_rows as usize, p.n_head as usize, p.head_dim as usize);
    let kv_dim = p.n_kv_head as usize * head_dim;
    let rows = &rows[p.first_row as usize..][..n_rows];
    let most_keys = rows.iter().map(|row| row[1] as usize + 1).max().unwrap_or(1);
    let min_len = TWIN_PRODUCTS.div_ceil(2 * most_keys * head_dim);

    let heads = y.par_chunks_exact_mut(head_dim).take(n_rows * n_head).enumerate();
    heads.with_min_len(min_len).for_each(|(own, y)| {
        let (row, head) = (rows[own / n_head], own % n_head);
        if !live(row, mask, p.step) {
            return;
        }
        let slot = slab_of(p.plane, row, mask) * p.n_slots as usize + (row[0] * p.capacity) as usize;
        let kv = slot * kv_dim + head / (n_head / p.n_kv_head as usize) * head_dim;
        let n_keys = row[1] as usize + 1;
        attend(&q[own * head_dim..][..head_dim], &k[kv..], &v[kv..], kv_dim, n_keys, p.scale, y);
    });
}

/// One row and head. Key and value j begin at `j * kv_dim`.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn attend(q: &[f32], k: &[f32], v: &[f32], kv_dim: usize, n_keys: usize, scale: f32, y: &mut [f32]) {
    let head_dim = q.len();
    let mut largest = LOWEST;
    let mut sum = 0.0;
    y.fill(0.0);
    for first in (0..n_keys).step_by(TILE) {
        let mut tile = [0.0f32; TILE];
        let tile = &mut tile[..TILE.min(n_keys - first)];
        for (j, score) in (first..).zip(tile.iter_mut()) {
            *score = dot8(q, &k[j * kv_dim..][..head_dim]) * scale;
        }
        let next = tile.iter().fold(largest, |next, &score| next.max(score));
        let shrink = (largest - next).max(LEAST_EXPONENT).exp();
        largest = next;
        sum *= shrink;
        for score in tile.iter_mut() {
            *score = (*score - next).max(LEAST_EXPONENT).exp();
            sum += *score;
        }
        for y in y.iter_mut() {
            *y *= shrink;
        }
        for (j, weight) in (first..).zip(tile.iter()) {
            for (y, v) in y.iter_mut().zip(&v[j * kv_dim..][..head_dim]) {
                *y += weight * v;
            }
        }
    }
    for y in y.iter_mut() {
        *y /= sum;
    }
}

/// q . k in 8 interleaved accumulators, folded in halves.
#[inline(always)]
fn dot8(q: &[f32], k: &[f32]) -> f32 {
    let mut acc = [0.0f32; 8];
    let ((q_8, q_rest), (k_8, k_rest)) = (q.as_chunks::<8>(), k.as_chunks::<8>());
    for (q, k) in q_8.iter().zip(k_8) {
        for l in 0..8 {
            acc[l] += q[l] * k[l];
        }
    }
    for (acc, (q, k)) in acc.iter_mut().zip(q_rest.iter().zip(k_rest)) {
        *acc += q * k;
    }
    ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]))
}
