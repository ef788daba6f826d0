//! Attention over the cached keys and values, causal or of a whole sequence.
//!
//! ```text
//! s_j = scale * q[i, h] . k[slab, slot j, h / (n_head / n_kv_head)]          j <= position of i, or j < n_keys
//! y[i, h] = sum over j of softmax(s)_j * v[slab, slot j, the same head]      i < n_rows, h < n_head
//! ```
//!
//! Key j belongs to part j mod 8; each part has a softmax of its own, kept up to date over tiles of 128 keys from the
//! left, and the parts are put together at the end. So scores are stored nowhere and the result depends on nothing
//! but the row's own position.
//! Source: CosmicFish-HRM `model.py`, GroupedQueryAttention; HRM `layers.py`, Attention; Milakov and Gimelshein,
//! arXiv 1805.02867.

use multiversion::multiversion;
use rayon::prelude::*;

use super::dot::widen_f16;
use super::linear::kv_stride;
use super::{Bindings, Kernel, Row, Span, kv_constant, live, n_slabs, params, shader, slab_of};
use crate::config::KvType;
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
    scale: f32,
    n_keys: u32,
}

/// Keys of a tile.
const TILE: usize = 128;
/// Softmaxes that a row's keys are dealt out to.
const PARTS: usize = 8;
/// In place of minus infinity, which WGSL does not know.
const LOWEST: f32 = -3.4e38;
/// exp of less is not a normal number.
const LEAST_EXPONENT: f32 = -87.0;
/// Blocks of 64 numbers of all heads of a workgroup, at the most: what fits its memory.
const MOST_BLOCKS: u32 = 4;

/// The arguments.
#[derive(Debug)]
pub struct Attention<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, n_head, hd]`, f32.
    pub q: &'a Buffer,
    /// `[slab, slot, k then v, n_kv_head, hd up to whole vec4]`.
    pub kv: &'a Buffer,
    /// How its numbers are stored.
    pub kv_type: KvType,
    /// `[n_rows, n_head, hd]`, f32; not q.
    pub y: &'a Buffer,
    /// The slab of kv, or [`OUTPUT`](super::OUTPUT).
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
    /// Which keys a row sees.
    pub sees: Sees,
}

/// Which keys of its sequence a row sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// Those up to its own position.
    Before,
    /// So many, from the first on, wherever it is itself.
    First(u32),
}

impl Attention<'_> {
    /// One workgroup a row and group of heads that share a key head.
    pub fn record(&self, recording: &mut Recording) {
        let Attention { span, q, kv, kv_type, y, plane, capacity, n_slots, .. } = *self;
        let Attention { n_head, n_kv_head, head_dim, scale, sees, .. } = *self;
        let n_keys = if let Sees::First(n) = sees { n } else { 0 };
        let n_heads = span.n as usize * n_head as usize;
        let n_cached = n_slabs(plane) * n_slots as usize * 2 * n_kv_head as usize * kv_stride(head_dim);
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "q", q, n_heads * head_dim as usize);
        recording.expect(&KERNEL, "kv", kv, n_cached * kv_type.size_bytes() / 4);
        recording.expect(&KERNEL, "y", y, n_heads * head_dim as usize);
        let group = heads_of_a_group(n_head / n_kv_head, head_dim);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params =
            Params { first_row, n_rows, step, plane, capacity, n_slots, n_head, n_kv_head, scale, n_keys };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![("GROUP", group), ("HEAD_DIM", head_dim), ("KV", kv_constant(kv_type))],
            buffers: vec![span.rows.clone(), span.mask.clone(), q.clone(), kv.clone(), y.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_head / group, span.n, 1],
        });
    }
}

/// Query heads that a workgroup serves, of those that share a key head: each key is read once for all of them.
pub(crate) fn heads_of_a_group(n_sharing: u32, head_dim: u32) -> u32 {
    let fits = |n: &u32| n_sharing.is_multiple_of(*n) && n * head_dim.div_ceil(64) <= MOST_BLOCKS;
    [4, 2].into_iter().find(fits).unwrap_or(1)
}

/// Products that a thread should have to do before another one is woken.
const TWIN_PRODUCTS: usize = 1 << 16;

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (q, kv, y) = (bindings.read::<f32>(2), bindings.read::<u32>(3), bindings.write::<f32>(4));
    let is_f16 = call.constant("KV", 0) == 1;
    let (group, head_dim) = (call.constant("GROUP", 1), call.constant("HEAD_DIM", 8));
    let n_groups = (p.n_head / group) as usize;
    let width = (group * head_dim) as usize;
    let head_stride = kv_stride(head_dim);
    let slot_stride = 2 * p.n_kv_head as usize * head_stride;
    let rows = &rows[p.first_row as usize..][..p.n_rows as usize];
    let n_keys = |row: Row| if p.n_keys == 0 { row[1] as usize + 1 } else { p.n_keys as usize };
    let most_keys = rows.iter().map(|&row| n_keys(row)).max().unwrap_or(1);
    let min_len = TWIN_PRODUCTS.div_ceil(2 * most_keys * width);

    let groups = y.par_chunks_exact_mut(width).take(rows.len() * n_groups).enumerate();
    groups.with_min_len(min_len).for_each(|(own, y)| {
        let (row, first_head) = (rows[own / n_groups], (own % n_groups) as u32 * group);
        if !live(row, mask, p.step) {
            return;
        }
        let slot = slab_of(p.plane, row, mask) * p.n_slots as usize + (row[0] * p.capacity) as usize;
        let kv_head = (first_head / (p.n_head / p.n_kv_head)) as usize;
        let k = slot * slot_stride + kv_head * head_stride;
        let v = k + p.n_kv_head as usize * head_stride;
        let (n_keys, scale) = (n_keys(row), p.scale);
        let q = &q[own * width..][..width];
        if is_f16 {
            let halves: &[u16] = bytemuck::cast_slice(kv);
            let [k, v] = [k, v].map(|at| widened(&halves[at..], slot_stride, head_stride, n_keys));
            let heads = Heads { k: &k, v: &v, slot_stride: head_stride, n_keys, scale };
            attend(q, head_dim as usize, &heads, y);
        } else {
            let numbers: &[f32] = bytemuck::cast_slice(kv);
            let heads = Heads { k: &numbers[k..], v: &numbers[v..], slot_stride, n_keys, scale };
            attend(q, head_dim as usize, &heads, y);
        }
    });
}

/// The keys or the values of a head, which lie apart, one after the other and as f32.
fn widened(halves: &[u16], slot_stride: usize, head_stride: usize, n_keys: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; n_keys * head_stride];
    for (j, numbers) in numbers.chunks_exact_mut(head_stride).enumerate() {
        widen_f16(&halves[j * slot_stride..][..head_stride], numbers);
    }
    numbers
}

/// A key head of the cache. Key and value j begin at `j * slot_stride`.
struct Heads<'a> {
    k: &'a [f32],
    v: &'a [f32],
    slot_stride: usize,
    n_keys: usize,
    scale: f32,
}

/// One row and the query heads of a group, `[head, hd]`.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn attend(q: &[f32], head_dim: usize, heads: &Heads<'_>, y: &mut [f32]) {
    let Heads { k, v, slot_stride, n_keys, scale } = *heads;
    let n_parts = PARTS.min(n_keys);
    let mut values = vec![0.0f32; n_parts * head_dim];
    for (q, y) in q.chunks_exact(head_dim).zip(y.chunks_exact_mut(head_dim)) {
        let (mut largest, mut sums) = ([LOWEST; PARTS], [0.0f32; PARTS]);
        values.fill(0.0);
        for first in (0..n_keys).step_by(TILE) {
            let mut tile = [LOWEST; TILE];
            let n_tile = TILE.min(n_keys - first);
            for (j, score) in (first..).zip(&mut tile[..n_tile]) {
                *score = dot8(q, &k[j * slot_stride..][..head_dim]) * scale;
            }
            let mut next = largest;
            for scores in tile.as_chunks::<PARTS>().0 {
                for (next, &score) in next.iter_mut().zip(scores) {
                    *next = next.max(score);
                }
            }
            for (part, values) in values.chunks_exact_mut(head_dim).enumerate() {
                let shrink = (largest[part] - next[part]).max(LEAST_EXPONENT).exp();
                sums[part] *= shrink;
                values.iter_mut().for_each(|value| *value *= shrink);
            }
            largest = next;
            for (j, &score) in tile[..n_tile].iter().enumerate() {
                let part = j % PARTS;
                let weight = (score - largest[part]).max(LEAST_EXPONENT).exp();
                sums[part] += weight;
                let v = &v[(first + j) * slot_stride..][..head_dim];
                for (value, v) in values[part * head_dim..][..head_dim].iter_mut().zip(v) {
                    *value += weight * v;
                }
            }
        }
        let highest = largest.iter().fold(LOWEST, |highest, &part| highest.max(part));
        let shares = largest.map(|part| (part - highest).max(LEAST_EXPONENT).exp());
        let sum = sums.iter().zip(&shares).fold(0.0, |sum, (part, share)| sum + part * share);
        for (e, y) in y.iter_mut().enumerate() {
            let parts = values.iter().skip(e).step_by(head_dim).zip(&shares);
            *y = parts.fold(0.0, |total, (value, share)| total + value * share) / sum;
        }
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
