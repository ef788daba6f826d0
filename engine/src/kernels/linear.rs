//! A linear layer, with the norm before it and what follows it.
//!
//! ```text
//! h[i, k] = x[i, k], or ln[k] * x[i, k] * s[i] with s[i] = 1 / sqrt(mean over k of x[i, k]^2 + eps)
//! v[i, o] = sum over k of W[o, k] * h[i, k] (+ b[o])             i < n_rows, o < n_out, k < n_in
//! y[i, o] = v | y[i, o] + v | ln'[o] * (y[i, o] * s[i]) + v | gelu(v) | silu(v) * (W[n_out + o] h + b[n_out + o])
//! q, k, v = v[i, ..], where the pairs (2j, 2j+1) of a head of q and k turn by position * 10000^(-2j/hd)
//! ```
//!
//! x is that of the row's source. Every dot product keeps to the one summation order, whatever the number of rows;
//! s is a factor of the whole sum. Weights are of any type; sums are f32. The table of (cos, sin) comes from the
//! host, because sin and cos of WGSL are good to 2^-11 only.
//! Source: CosmicFish-HRM `model.py`, RMSNorm, apply_rotary_emb, the projections of attention and MLP, and lm_head.

use half::f16;
use rayon::prelude::*;

use super::dot::{Matrix, dot, dots};
use super::{
    Bindings, Kernel, Row, Span, kv_constant, live, n_slabs, params, shader, slab_of, stored_as,
    weights_constant,
};
use crate::config::KvType;
use crate::device::Buffer;
use crate::recording::{Call, Recording};
use crate::weights::WeightType;

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::LINEAR, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n_in: u32,
    n_out: u32,
    weight: u32,
    bias: u32,
    out_row: u32,
    norm: u32,
    eps: f32,
    residual: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
    head_dim: u32,
    rotary: u32,
    scales: u32,
}

/// Lanes groups of a workgroup; each makes as many outputs as a lane does.
const GROUPS: u32 = 8;
/// The most rows of a workgroup.
const ROWS: u32 = 4;
/// In place of an offset: there is none.
pub const NONE: u32 = u32::MAX;

/// A matrix and a bias, and where in a buffer they begin.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    /// How the matrix is stored.
    pub weight_type: WeightType,
    /// The matrix `[n_out, n_in]`, in units of 16 bytes.
    pub weight: u32,
    /// Its scales `[n_out, n_in / 32]`, f16, in units of 16 bytes; of no account where its type has none.
    pub scales: u32,
    /// The bias `[n_out]`, f32, in units of 16 bytes; [`NONE`] without.
    pub bias: u32,
}

/// A norm: `ln * x * s`.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Where ln begins, f32, in units of 16 bytes.
    pub weight: u32,
    /// Keeps the root away from zero.
    pub eps: f32,
}

/// What is done with v.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// `y = v`.
    Store,
    /// `y = y + v`: the residual.
    Add,
    /// `y = ln' * (y * s) + v`: the residual of a stream that is normed behind the block; ln' begins there, `[n_out]`
    /// f32, in units of 16 bytes.
    AddNormed(u32),
    /// `y = gelu(v)`, the exact (erf) form.
    Gelu,
    /// `y = silu(v) * gate`; the gate's n_out rows of W and b follow those of v.
    SwiGlu,
    /// q goes to y, k and v to the cache.
    Qkv(Qkv<'a>),
}

/// Where q, k and v go.
#[derive(Debug, Clone, Copy)]
pub struct Qkv<'a> {
    /// `[position, hd / 2]` of (cos, sin), f32; None: q and k are not turned.
    pub trig: Option<&'a Buffer>,
    /// `[slab, slot, k then v, head, hd up to whole vec4]`. What lies behind a head's end is not written.
    pub kv: &'a Buffer,
    /// How its numbers are stored; hd is even for f16.
    pub kv_type: KvType,
    /// The slab of kv, or [`OUTPUT`](super::OUTPUT).
    pub plane: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
    /// hd, even where q and k turn; n_out is n_in and twice the heads of k of that size.
    pub head_dim: u32,
}

/// The arguments.
#[derive(Debug)]
pub struct Linear<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// Holds W, b, ln and ln'.
    pub w: &'a Buffer,
    /// W and b, of twice as many outputs for SwiGLU.
    pub layer: Affine,
    /// What x passes first; its ln is `[n_in]`.
    pub norm: Option<Norm>,
    /// `[source row, n_in]`, f32.
    pub x: &'a Buffer,
    /// `[out_row + n_rows, n_out]`, f32, for q `[n_rows, n_in]`; not x.
    pub y: &'a Buffer,
    /// `[n_rows]`, f32: the norm's factors, kept for the residual.
    pub s: &'a Buffer,
    /// What is bound where nothing is written: any buffer that is none of the others.
    pub unused: &'a Buffer,
    /// The row of y that row 0 goes to.
    pub out_row: u32,
    /// A multiple of 8, for quantised weights of 32.
    pub n_in: u32,
    /// Any number.
    pub n_out: u32,
    /// What is done with v.
    pub epilogue: Epilogue<'a>,
}

impl Linear<'_> {
    /// A workgroup makes 8 to 64 outputs of up to 4 rows.
    pub fn record(&self, recording: &mut Recording) {
        let Linear { span, w, layer, norm, x, y, s, unused, out_row, n_in, n_out, epilogue } = *self;
        let Affine { weight_type, weight, scales, bias } = layer;
        let rows_of_w = if epilogue.is_swiglu() { 2 * n_out } else { n_out } as usize;
        let n_w = rows_of_w as u64 * u64::from(n_in);
        let words = |n_bytes: u64| n_bytes.div_ceil(4) as usize;
        let vector = |recording: &mut Recording, name: &str, at: u32, n: usize| {
            if at != NONE {
                recording.expect(&KERNEL, name, w, 4 * at as usize + n);
            }
        };
        let Norm { weight: ln, eps } = norm.unwrap_or(Norm { weight: NONE, eps: 0.0 });
        let residual = if let Epilogue::AddNormed(ln) = epilogue { ln } else { NONE };
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "w", w, 4 * weight as usize + words(weight_type.data_bytes(n_w)));
        if weight_type.is_quantized() {
            let words_of_scales = words(weight_type.scale_bytes(n_w));
            recording.expect(&KERNEL, "w (scales)", w, 4 * scales as usize + words_of_scales);
        }
        vector(recording, "w (bias)", bias, rows_of_w);
        vector(recording, "w (norm)", ln, n_in as usize);
        vector(recording, "w (residual)", residual, n_out as usize);
        recording.expect(&KERNEL, "s", s, span.n as usize);
        let mut params = Params {
            first_row: span.first,
            n_rows: span.n,
            step: span.step,
            n_in,
            n_out,
            weight,
            bias,
            out_row,
            norm: ln,
            eps,
            residual,
            plane: 0,
            capacity: 0,
            n_slots: 0,
            head_dim: 0,
            rotary: 0,
            scales,
        };
        let (mut trig, mut kv) = (span.rows, unused);
        if let Epilogue::Qkv(qkv) = epilogue {
            let Qkv { kv_type, plane, capacity, n_slots, head_dim, .. } = qkv;
            params = Params { plane, capacity, n_slots, head_dim, ..params };
            let of_slot = n_kv_heads(n_in, n_out, head_dim) as usize * kv_stride(head_dim);
            let n_cached = n_slabs(plane) * n_slots as usize * of_slot;
            recording.expect(&KERNEL, "kv", qkv.kv, n_cached * kv_type.size_bytes() / 4);
            recording.expect(&KERNEL, "y", y, span.n as usize * n_in as usize);
            if let Some(table) = qkv.trig {
                recording.expect(&KERNEL, "trig", table, capacity as usize * head_dim as usize);
                (trig, params.rotary) = (table, 1);
            }
            kv = qkv.kv;
        } else {
            recording.expect(&KERNEL, "y", y, (out_row + span.n) as usize * n_out as usize);
        }
        // Two variants, not one for each number: every further one is compiled before the first answer.
        let rows = if span.n == 1 { 1 } else { ROWS };
        let outs = epilogue.outs(rows, n_out);
        let (rows_table, mask) = (span.rows.clone(), span.mask.clone());
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![
                ("WEIGHTS", weights_constant(weight_type)),
                ("EPILOGUE", epilogue.constant()),
                ("NORM", norm.is_some().into()),
                ("KV", epilogue.kv_constant()),
                ("ROWS", rows),
                ("OUTS", outs),
            ],
            buffers: vec![
                rows_table,
                mask,
                w.clone(),
                x.clone(),
                y.clone(),
                s.clone(),
                trig.clone(),
                kv.clone(),
            ],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_out.div_ceil(GROUPS * outs), span.n.div_ceil(rows), 1],
        });
    }
}

impl Epilogue<'_> {
    fn is_swiglu(&self) -> bool {
        matches!(self, Epilogue::SwiGlu)
    }

    /// The shader's `EPILOGUE`.
    fn constant(&self) -> u32 {
        match self {
            Epilogue::Store => 0,
            Epilogue::Add | Epilogue::AddNormed(_) => 1,
            Epilogue::Gelu => 2,
            Epilogue::SwiGlu => 3,
            Epilogue::Qkv(_) => 4,
        }
    }

    /// The shader's `KV`.
    fn kv_constant(&self) -> u32 {
        if let Epilogue::Qkv(qkv) = self { kv_constant(qkv.kv_type) } else { 0 }
    }

    /// Outputs of a lane: the more, the rarer x is read, until its accumulators no longer fit a GPU's registers.
    fn outs(&self, rows: u32, n_out: u32) -> u32 {
        /// As many that a large GPU still has enough workgroups.
        const MANY: u32 = 8192;
        match (self, rows) {
            (Epilogue::SwiGlu, 2..) => 2,
            (Epilogue::Store, 1) if n_out >= MANY => 8,
            _ => 4,
        }
    }
}

/// Heads of k and v together.
fn n_kv_heads(n_in: u32, n_out: u32, head_dim: u32) -> u32 {
    n_out.saturating_sub(n_in) / head_dim.max(1)
}

/// Numbers from one head of the cache to the next.
pub(crate) fn kv_stride(head_dim: u32) -> usize {
    head_dim.next_multiple_of(4) as usize
}

/// The bytes of W that a call reads, once.
pub(crate) fn weight_bytes(call: &Call) -> u64 {
    let p: Params = call.params();
    let n_matrices = if call.constant("EPILOGUE", 0) == Epilogue::SwiGlu.constant() { 2 } else { 1 };
    let stored = stored_as(call.constant("WEIGHTS", 0));
    stored.bytes(n_matrices * u64::from(p.n_in) * u64::from(p.n_out))
}

/// Rows that share one pass over the weights.
const TWIN_ROWS: usize = 16;
/// Outputs that a thread takes at a time.
const TWIN_OUTPUTS: usize = 16;

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (w, x, trig) = (bindings.read::<u32>(2), bindings.read::<f32>(3), bindings.read::<[f32; 2]>(6));
    let (y, s, kv) = (bindings.write::<f32>(4), bindings.write::<f32>(5), bindings.write::<u32>(7));
    let (n_in, n_out) = (p.n_in as usize, p.n_out as usize);
    let stored = stored_as(call.constant("WEIGHTS", 0));
    let matrix = Matrix { w, stored, first: 4 * p.weight as usize, scales: 4 * p.scales as usize, n_in };
    let vector = |at: u32, n: usize| -> Option<&[f32]> {
        (at != NONE).then(|| bytemuck::cast_slice(&w[4 * at as usize..][..n]))
    };
    let epilogue = call.constant("EPILOGUE", 0);
    let is_swiglu = epilogue == Epilogue::SwiGlu.constant();
    let bias = vector(p.bias, if is_swiglu { 2 * n_out } else { n_out });
    let (ln, residual) = (vector(p.norm, n_in), vector(p.residual, n_out));
    let affine = |dot: f32, factor: f32, o: usize| dot * factor + bias.map_or(0.0, |b| b[o]);

    let rows = &rows[p.first_row as usize..][..p.n_rows as usize];
    let live: Vec<usize> = (0..rows.len()).filter(|&i| live(rows[i], mask, p.step)).collect();
    // One line an output, so that threads share no line; put in place afterwards.
    let mut made = vec![0.0; n_out * live.len().min(TWIN_ROWS)];
    for live in live.chunks(TWIN_ROWS) {
        let xs: Vec<&[f32]> = live.iter().map(|&i| &x[rows[i][2] as usize * n_in..][..n_in]).collect();
        let normed: Vec<Vec<f32>> = match ln {
            Some(ln) => xs.iter().map(|x| ln.iter().zip(*x).map(|(ln, x)| ln * x).collect()).collect(),
            None => vec![],
        };
        let factors: Vec<f32> = match ln {
            Some(_) => xs.iter().map(|x| 1.0 / (dot(x, x) / p.n_in as f32 + p.eps).sqrt()).collect(),
            None => vec![1.0; live.len()],
        };
        if ln.is_some() {
            live.iter().zip(&factors).for_each(|(&i, &factor)| s[i] = factor);
        }
        let hs: Vec<&[f32]> = if ln.is_some() { normed.iter().map(Vec::as_slice).collect() } else { xs };
        let n_rows = live.len();
        let made = &mut made[..n_out * n_rows];
        made.par_chunks_mut(n_rows * TWIN_OUTPUTS).enumerate().for_each(|(part, made)| {
            let (mut gates, mut row) = (vec![0.0; n_rows], vec![]);
            for (j, v) in made.chunks_exact_mut(n_rows).enumerate() {
                let o = part * TWIN_OUTPUTS + j;
                dots(matrix.row(o, &mut row), &hs, v);
                if is_swiglu {
                    dots(matrix.row(n_out + o, &mut row), &hs, &mut gates);
                }
                for ((v, gate), &factor) in v.iter_mut().zip(&gates).zip(&factors) {
                    let sum = affine(*v, factor, o);
                    *v = match epilogue {
                        2 => gelu(sum),
                        3 => silu(sum) * affine(*gate, factor, n_out + o),
                        _ => sum,
                    };
                }
            }
        });
        for (r, &i) in live.iter().enumerate() {
            let made = made.iter().skip(r).step_by(n_rows).copied();
            if epilogue == 4 {
                let (q, is_f16) = (&mut y[i * n_in..][..n_in], call.constant("KV", 0) == 1);
                keep_qkv(&p, rows[i], mask, trig, made, q, kv, is_f16);
                continue;
            }
            let y = &mut y[(p.out_row as usize + i) * n_out..][..n_out];
            for (o, (y, v)) in y.iter_mut().zip(made).enumerate() {
                *y = match (epilogue, residual) {
                    (1, Some(ln)) => v + ln[o] * (*y * s[i]),
                    (1, None) => v + *y,
                    _ => v,
                };
            }
        }
    }
}

/// Puts one row of q, k and v in place, q and k turned.
#[allow(clippy::too_many_arguments)] // those of the kernel
fn keep_qkv(
    p: &Params,
    row: Row,
    mask: &[[u32; 2]],
    trig: &[[f32; 2]],
    made: impl Iterator<Item = f32>,
    q: &mut [f32],
    kv: &mut [u32],
    is_f16: bool,
) {
    let (head_dim, half) = (p.head_dim as usize, p.head_dim as usize / 2);
    let stride = kv_stride(p.head_dim);
    let n_heads = n_kv_heads(p.n_in, p.n_out, p.head_dim) as usize;
    let slot = slab_of(p.plane, row, mask) * p.n_slots as usize + (row[0] * p.capacity + row[1]) as usize;
    let mut qkv: Vec<f32> = made.collect();
    if p.rotary == 1 {
        let turns = &trig[row[1] as usize * half..][..half];
        let n_turned = (p.n_in + p.n_out) as usize / 2;
        for head in qkv[..n_turned].chunks_exact_mut(head_dim) {
            for ([a, b], [cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
    let (from_q, from_kv) = qkv.split_at(q.len());
    q.copy_from_slice(from_q);
    let first = slot * n_heads * stride;
    let heads = from_kv.chunks_exact(head_dim);
    if is_f16 {
        let halves: &mut [u16] = bytemuck::cast_slice_mut(kv);
        for (head, from) in halves[first..].chunks_exact_mut(stride).zip(heads) {
            for (half, &number) in head.iter_mut().zip(from) {
                // What is no finite number stays so.
                let fits = if number.is_finite() { number.clamp(-MOST_F16, MOST_F16) } else { number };
                *half = f16::from_f32(fits).to_bits();
            }
        }
    } else {
        let numbers: &mut [f32] = bytemuck::cast_slice_mut(kv);
        for (head, from) in numbers[first..].chunks_exact_mut(stride).zip(heads) {
            head[..head_dim].copy_from_slice(from);
        }
    }
}

/// The largest finite half.
const MOST_F16: f32 = 65504.0;

fn silu(v: f32) -> f32 {
    v / (1.0 + (-v).clamp(-87.0, 87.0).exp())
}

/// erf by Abramowitz and Stegun 7.1.26, absolute error at most 1.5e-7.
fn gelu(v: f32) -> f32 {
    #[allow(clippy::excessive_precision)] // the published digits, as in the shader
    const A: [f32; 5] = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
    #[allow(clippy::approx_constant, clippy::excessive_precision)] // the shader's digits
    let z = (v.abs() * 0.70710678).min(9.0);
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let poly = ((((A[4] * t + A[3]) * t + A[2]) * t + A[1]) * t + A[0]) * t;
    let erf = 1.0 - poly * (-z * z).exp();
    0.5 * v * (1.0 + if v < 0.0 { -erf } else { erf })
}
