//! Root mean square normalisation.
//!
//! ```text
//! y[i, c] = w[c] * x[source row of i, c] / sqrt(mean over c of x^2 + eps)        i < n_rows, c < C
//! ```
//!
//! Source: CosmicFish-HRM `model.py`, RMSNorm; Zhang and Sennrich, arXiv 1910.07467.

use rayon::prelude::*;

use super::{Bindings, Kernel, Row, Span, fold64, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::RMS_NORM, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,
    weight: u32,
    eps: f32,
}

/// The arguments.
#[derive(Debug)]
pub struct RmsNorm<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// Holds w `[C]`, f32.
    pub w: &'a Buffer,
    /// Where w begins, in units of 16 bytes.
    pub weight: u32,
    /// `[source row, C]`, f32.
    pub x: &'a Buffer,
    /// `[n_rows, C]`, f32; not x.
    pub y: &'a Buffer,
    /// C.
    pub n: u32,
    /// Keeps the root away from zero.
    pub eps: f32,
}

impl RmsNorm<'_> {
    /// One workgroup a row.
    pub fn record(&self, recording: &mut Recording) {
        let RmsNorm { span, w, weight, x, y, n, eps } = *self;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "w", w, (4 * weight + n) as usize);
        recording.expect(&KERNEL, "y", y, (span.n * n) as usize);
        let params = Params { first_row: span.first, n_rows: span.n, step: span.step, n, weight, eps };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![span.rows.clone(), span.mask.clone(), w.clone(), x.clone(), y.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [span.n, 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (w, x, y) = (bindings.read::<f32>(2), bindings.read::<f32>(3), bindings.write::<f32>(4));
    let n = p.n as usize;
    let w = &w[4 * p.weight as usize..][..n];
    y.par_chunks_exact_mut(n).take(p.n_rows as usize).enumerate().with_min_len(16).for_each(|(i, y)| {
        let row = rows[p.first_row as usize + i];
        if !live(row, mask, p.step) {
            return;
        }
        let x = &x[row[2] as usize * n..][..n];
        let mut acc = [0.0; 64];
        for part in x.chunks(64) {
            for (acc, x) in acc.iter_mut().zip(part) {
                *acc += x * x;
            }
        }
        let scale = 1.0 / (fold64(acc) / p.n as f32 + p.eps).sqrt();
        for ((y, w), x) in y.iter_mut().zip(w).zip(x) {
            *y = w * (x * scale);
        }
    });
}
