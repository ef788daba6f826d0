//! A level's injection, added once before its first block.
//!
//! ```text
//! z_L = z_L + (z_H + x)        with x
//! z_H = z_H + z_L              without                 [n_rows, C]
//! ```
//!
//! Source: CosmicFish-HRM `model.py`, HRMCore; arXiv 2506.21734.

use rayon::prelude::*;

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
}

/// Channels of a workgroup.
const CHANNELS: u32 = 64;

/// The arguments.
#[derive(Debug)]
pub struct Inject<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, C]`, f32: the other level's state.
    pub from_other: &'a Buffer,
    /// `[slot, C]`, f32: what the input stage made; None where the level does not see it.
    pub x: Option<&'a Buffer>,
    /// `[n_rows, C]`, f32: the level's state; neither of the others.
    pub z: &'a Buffer,
    /// C.
    pub n: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
}

impl Inject<'_> {
    /// A workgroup makes 64 channels of a row.
    pub fn record(&self, recording: &mut Recording) {
        let Inject { span, from_other, x, z, n, capacity } = *self;
        let n_states = span.n as usize * n as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "from_other", from_other, n_states);
        if let Some(x) = x {
            recording.expect(&KERNEL, "x", x, capacity as usize * n as usize);
        }
        recording.expect(&KERNEL, "z", z, n_states);
        let params = Params { first_row: span.first, n_rows: span.n, step: span.step, n, capacity };
        let (rows, mask) = (span.rows.clone(), span.mask.clone());
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![("WITH_X", x.is_some().into())],
            // Something has to be bound in x's place; two readers of one buffer are allowed.
            buffers: vec![rows, mask, from_other.clone(), x.unwrap_or(from_other).clone(), z.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n.div_ceil(CHANNELS), span.n, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (from_other, x) = (bindings.read::<f32>(2), bindings.read::<f32>(3));
    let z = bindings.write::<f32>(4);
    let (n, with_x) = (p.n as usize, call.constant("WITH_X", 0) == 1);
    z.par_chunks_exact_mut(n).take(p.n_rows as usize).enumerate().with_min_len(64).for_each(|(i, z)| {
        let row = rows[p.first_row as usize + i];
        if !live(row, mask, p.step) {
            return;
        }
        let from_other = &from_other[i * n..][..n];
        if with_x {
            let x = &x[(row[0] * p.capacity + row[1]) as usize * n..][..n];
            for ((z, from_other), x) in z.iter_mut().zip(from_other).zip(x) {
                *z += from_other + x;
            }
        } else {
            for (z, from_other) in z.iter_mut().zip(from_other) {
                *z += from_other;
            }
        }
    });
}
