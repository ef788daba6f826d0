//! Between two levels: the norm behind the last block, and what the next level begins with.
//!
//! ```text
//! z = rms(x; ln), where the last block's norm is still to do; else z is as it was      [n_rows, C]
//! x = z_L + (z_H + input) | z_H + z_L                     z is one of the two, other the other one
//! ```
//!
//! Source: CosmicFish-HRM `model.py`, HRMCore, RMSNorm; arXiv 2506.21734.

use rayon::prelude::*;

use super::dot::dot;
use super::linear::{NONE, Norm};
use super::{Bindings, Kernel, Row, Span, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::INJECT, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,
    capacity: u32,
    norm: u32,
    eps: f32,
    next: u32,
}

/// What follows the level that z is the state of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The step is over: x is left as it is.
    Nothing = 0,
    /// L goes on with itself: `z_L + (z_H + input)`, z is z_L.
    LAfterL = 1,
    /// H follows L: `z_H + z_L`, z is z_L.
    HAfterL = 2,
    /// L follows H: `z_L + (z_H + input)`, z is z_H.
    LAfterH = 3,
}

/// The arguments.
#[derive(Debug)]
pub struct Inject<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// Holds ln `[C]`, f32.
    pub w: &'a Buffer,
    /// The norm behind the last block; None: z is as it was.
    pub norm: Option<Norm>,
    /// `[n_rows, C]`, f32: the stream through the blocks.
    pub x: &'a Buffer,
    /// `[n_rows, C]`, f32: the state of the level that was last updated; not x.
    pub z: &'a Buffer,
    /// `[n_rows, C]`, f32: the other level's state; not z.
    pub other: &'a Buffer,
    /// `[slot, C]`, f32: what the input stage made.
    pub input: &'a Buffer,
    /// C, a multiple of 8.
    pub n: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// What follows.
    pub next: Next,
}

impl Inject<'_> {
    /// One workgroup a row.
    pub fn record(&self, recording: &mut Recording) {
        let Inject { span, w, norm, x, z, other, input, n, capacity, next } = *self;
        let n_states = span.n as usize * n as usize;
        let Norm { weight: ln, eps } = norm.unwrap_or(Norm { weight: NONE, eps: 0.0 });
        recording.expect_span(&KERNEL, &span);
        if norm.is_some() {
            recording.expect(&KERNEL, "w", w, (4 * ln + n) as usize);
        }
        for (name, buffer) in [("x", x), ("z", z), ("other", other)] {
            recording.expect(&KERNEL, name, buffer, n_states);
        }
        recording.expect(&KERNEL, "input", input, capacity as usize * n as usize);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n, capacity, norm: ln, eps, next: next as u32 };
        let (rows, mask) = (span.rows.clone(), span.mask.clone());
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![rows, mask, w.clone(), x.clone(), z.clone(), other.clone(), input.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [span.n, 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (w, x, z) = (bindings.read::<f32>(2), bindings.write::<f32>(3), bindings.write::<f32>(4));
    let (other, input) = (bindings.read::<f32>(5), bindings.read::<f32>(6));
    let n = p.n as usize;
    let ln = (p.norm != NONE).then(|| &w[4 * p.norm as usize..][..n]);
    let states = x.par_chunks_exact_mut(n).zip(z.par_chunks_exact_mut(n)).zip(other.par_chunks_exact(n));
    states.take(p.n_rows as usize).enumerate().with_min_len(16).for_each(|(i, ((x, z), other))| {
        let row = rows[p.first_row as usize + i];
        if !live(row, mask, p.step) {
            return;
        }
        if let Some(ln) = ln {
            let factor = 1.0 / (dot(x, x) / p.n as f32 + p.eps).sqrt();
            for ((z, ln), x) in z.iter_mut().zip(ln).zip(&*x) {
                *z = ln * (x * factor);
            }
        }
        let input = &input[(row[0] * p.capacity + row[1]) as usize * n..][..n];
        let numbers = x.iter_mut().zip(&*z).zip(other).zip(input);
        match p.next {
            1 => numbers.for_each(|(((x, z), other), input)| *x = z + (other + input)),
            2 => numbers.for_each(|(((x, z), other), _)| *x = z + other),
            3 => numbers.for_each(|(((x, z), other), input)| *x = other + (z + input)),
            _ => {}
        }
    });
}
