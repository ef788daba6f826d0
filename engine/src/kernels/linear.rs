//! A linear layer, with what follows it.
//!
//! ```text
//! v[i, o] = sum over k of W[o, k] * x[i, k] (+ b[o])             i < n_rows, o < n_out, k < n_in
//! y[i, o] = v | y[i, o] + v | gelu(v) | silu(v) * (W[n_out + o] x + b[n_out + o])
//! ```
//!
//! Every dot product keeps to the one summation order, whatever the number of rows. Weights are f32, f16 or
//! bf16; sums are f32.
//! Source: CosmicFish-HRM `model.py`, the projections of attention and MLP, and lm_head.

use std::borrow::Cow;

use half::bf16;
use multiversion::multiversion;
use rayon::prelude::*;

use super::{Bindings, Kernel, Row, Span, live, params, shader, weights_constant};
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
}

/// Outputs of a workgroup.
const OUTPUTS: u32 = 8;
/// The most rows of a workgroup.
const ROWS: u32 = 4;
/// In place of the bias's offset: there is none.
pub const NONE: u32 = u32::MAX;

/// What is done with v.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// `y = v`.
    Store = 0,
    /// `y = y + v`: the residual.
    Add = 1,
    /// `y = gelu(v)`, the exact (erf) form.
    Gelu = 2,
    /// `y = silu(v) * gate`; the gate's n_out rows of W and b follow those of v.
    SwiGlu = 3,
}

/// The arguments.
#[derive(Debug)]
pub struct Linear<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// Holds W `[n_out, n_in]` (twice as many rows for SwiGLU) and b `[n_out]`, f32.
    pub w: &'a Buffer,
    /// How W is stored.
    pub weight_type: WeightType,
    /// Where W begins, in units of 16 bytes.
    pub weight: u32,
    /// Where b begins, in units of 16 bytes, or [`NONE`].
    pub bias: u32,
    /// `[n_rows, n_in]`, f32.
    pub x: &'a Buffer,
    /// `[out_row + n_rows, n_out]`, f32; not x.
    pub y: &'a Buffer,
    /// The row of y that row 0 goes to.
    pub out_row: u32,
    /// A multiple of 8.
    pub n_in: u32,
    /// Any number.
    pub n_out: u32,
    /// What is done with v.
    pub epilogue: Epilogue,
}

impl Linear<'_> {
    /// A workgroup makes 8 outputs of up to 4 rows.
    pub fn record(&self, recording: &mut Recording) {
        let Linear { span, w, weight_type, weight, bias, x, y, out_row, n_in, n_out, epilogue } = *self;
        let rows_of_w = if epilogue == Epilogue::SwiGlu { 2 * n_out } else { n_out } as usize;
        let words_of_w = rows_of_w * n_in as usize * weight_type.size_bytes() / 4;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "w", w, 4 * weight as usize + words_of_w);
        if bias != NONE {
            recording.expect(&KERNEL, "w (bias)", w, 4 * bias as usize + rows_of_w);
        }
        recording.expect(&KERNEL, "x", x, (span.n * n_in) as usize);
        recording.expect(&KERNEL, "y", y, (out_row + span.n) as usize * n_out as usize);
        // Two variants, not one for each number: every further one is compiled before the first answer.
        let rows = if span.n == 1 { 1 } else { ROWS };
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n_in, n_out, weight, bias, out_row };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![
                ("WEIGHTS", weights_constant(weight_type)),
                ("EPILOGUE", epilogue as u32),
                ("ROWS", rows),
            ],
            buffers: vec![span.rows.clone(), span.mask.clone(), w.clone(), x.clone(), y.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_out.div_ceil(OUTPUTS), span.n.div_ceil(rows), 1],
        });
    }
}

/// Rows that share one pass over the weights.
const TWIN_ROWS: usize = 16;
/// Outputs that a thread takes at a time.
const TWIN_OUTPUTS: usize = 16;

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (w, x, y) = (bindings.read::<u32>(2), bindings.read::<f32>(3), bindings.write::<f32>(4));
    let (n_in, n_out) = (p.n_in as usize, p.n_out as usize);
    let matrix = Matrix { w, stored: call.constant("WEIGHTS", 0), first: 4 * p.weight as usize, n_in };
    let bias = (p.bias != NONE).then(|| bytemuck::cast_slice::<u32, f32>(&w[4 * p.bias as usize..]));
    let bias = |o: usize| bias.map_or(0.0, |b| b[o]);
    let epilogue = call.constant("EPILOGUE", 0);

    let live: Vec<usize> =
        (0..p.n_rows as usize).filter(|&i| live(rows[p.first_row as usize + i], mask, p.step)).collect();
    // One line an output, so that threads share no line; put in place afterwards.
    let mut made = vec![0.0; n_out * live.len().min(TWIN_ROWS)];
    for live in live.chunks(TWIN_ROWS) {
        let xs: Vec<&[f32]> = live.iter().map(|i| &x[i * n_in..][..n_in]).collect();
        let n_rows = live.len();
        let made = &mut made[..n_out * n_rows];
        made.par_chunks_mut(n_rows * TWIN_OUTPUTS).enumerate().for_each(|(part, made)| {
            let mut gates = vec![0.0; n_rows];
            for (j, v) in made.chunks_exact_mut(n_rows).enumerate() {
                let o = part * TWIN_OUTPUTS + j;
                dots(&matrix.row(o), &xs, v);
                if epilogue == Epilogue::SwiGlu as u32 {
                    dots(&matrix.row(n_out + o), &xs, &mut gates);
                }
                for (v, gate) in v.iter_mut().zip(&gates) {
                    let sum = *v + bias(o);
                    *v = match epilogue {
                        2 => gelu(sum),
                        3 => silu(sum) * (gate + bias(n_out + o)),
                        _ => sum,
                    };
                }
            }
        });
        for (r, i) in live.iter().enumerate() {
            let y = &mut y[(p.out_row as usize + i) * n_out..][..n_out];
            for (y, v) in y.iter_mut().zip(made.iter().skip(r).step_by(n_rows)) {
                *y = if epilogue == Epilogue::Add as u32 { v + *y } else { *v };
            }
        }
    }
}

/// W as it is stored.
struct Matrix<'a> {
    w: &'a [u32],
    stored: u32,
    /// Where it begins, in words.
    first: usize,
    n_in: usize,
}

impl Matrix<'_> {
    /// One row, as f32.
    fn row(&self, o: usize) -> Cow<'_, [f32]> {
        let n = self.n_in;
        if self.stored == 0 {
            return Cow::Borrowed(bytemuck::cast_slice(&self.w[self.first + o * n..][..n]));
        }
        let pairs = &self.w[self.first + o * n / 2..][..n / 2];
        let mut row = vec![0.0; n];
        widen(pairs, self.stored == 1, &mut row);
        Cow::Owned(row)
    }
}

/// Pairs of 16-bit floats, the lower half first.
#[multiversion(targets("x86_64+avx2+f16c", "aarch64+neon"))]
fn widen(pairs: &[u32], is_f16: bool, row: &mut [f32]) {
    for (&pair, two) in pairs.iter().zip(row.as_chunks_mut::<2>().0) {
        let halves = [pair as u16, (pair >> 16) as u16];
        *two = if is_f16 { halves.map(widen_f16) } else { halves.map(|h| bf16::from_bits(h).to_f32()) };
    }
}

/// `f16::to_f32` without branches, so that loops of it vectorise. Exact for every number.
#[inline(always)]
fn widen_f16(half: u16) -> f32 {
    // The exponent is put right by a product, which gets subnormal numbers right too.
    const TWO_112: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * TWO_112).to_bits();
    let bits = if half & 0x7c00 == 0x7c00 { magnitude | 0x7f80_0000 } else { finite };
    f32::from_bits(bits | u32::from(half & 0x8000) << 16)
}

/// One row of W times several rows of x.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn dots(w: &[f32], xs: &[&[f32]], v: &mut [f32]) {
    for (x, v) in xs.iter().zip(v) {
        let mut acc = [0.0f32; 64];
        let ((w_64, w_rest), (x_64, x_rest)) = (w.as_chunks::<64>(), x.as_chunks::<64>());
        for (w, x) in w_64.iter().zip(x_64) {
            for l in 0..64 {
                acc[l] += w[l] * x[l];
            }
        }
        for (acc, (w, x)) in acc.iter_mut().zip(w_rest.iter().zip(x_rest)) {
            *acc += w * x;
        }
        *v = fold8(std::array::from_fn(|lane| fold8(std::array::from_fn(|i| acc[8 * lane + i]))));
    }
}

/// Eight numbers, folded in halves: 4, 2, 1.
#[inline(always)]
fn fold8(a: [f32; 8]) -> f32 {
    ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
}

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

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn every_f16_widens_exactly() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (widen_f16(bits), f16::from_bits(bits).to_f32());
            assert!(found == expected || found.is_nan() && expected.is_nan(), "{bits:#06x}");
            assert_eq!(found.is_sign_negative(), expected.is_sign_negative(), "{bits:#06x}");
        }
    }
}
