//! Stores z_H of a step and the running sum of z_H over positions, which the halting test reads.
//!
//! ```text
//! z_h[plane, slot of i, c] = z[i, c]                                       i < n_rows, c < C
//! sum[slot of i, c] = sum[slot before, c] + z[i, c]      strictly left to right, 0 before position 0
//! ```
//!
//! One row of sums a position, so a shorter context is just an earlier row. The rows of a sequence are contiguous
//! and ascend, and the sum before the first of them is there already.

use super::{Bindings, Kernel, Row, Span, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::PREFIX_SUM, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
}

/// Channels of a workgroup.
const CHANNELS: u32 = 64;

/// The arguments.
#[derive(Debug)]
pub struct PrefixSum<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, C]`, f32: z_H after the step.
    pub z: &'a Buffer,
    /// `[slab, slot, C]`, f32: z_H of all depths; not z.
    pub z_h: &'a Buffer,
    /// `[slot, C]`, f32: the sums of this step.
    pub sum: &'a Buffer,
    /// C.
    pub n: u32,
    /// The slab of z_h; a number, never [`OUTPUT`](super::OUTPUT).
    pub plane: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
}

impl PrefixSum<'_> {
    /// One invocation a channel, which walks all rows.
    pub fn record(&self, recording: &mut Recording) {
        let PrefixSum { span, z, z_h, sum, n, plane, capacity, n_slots } = *self;
        let n_slab = n_slots as usize * n as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "z", z, span.n as usize * n as usize);
        recording.expect(&KERNEL, "z_h", z_h, (plane as usize + 1) * n_slab);
        recording.expect(&KERNEL, "sum", sum, n_slab);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n, plane, capacity, n_slots };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![span.rows.clone(), span.mask.clone(), z.clone(), z_h.clone(), sum.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n.div_ceil(CHANNELS), 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (z, z_h, sums) = (bindings.read::<f32>(2), bindings.write::<f32>(3), bindings.write::<f32>(4));
    let n = p.n as usize;
    let rows = rows[p.first_row as usize..].iter().take(p.n_rows as usize);
    for (&row, z) in rows.zip(z.chunks_exact(n)) {
        if !live(row, mask, p.step) {
            continue;
        }
        let slot = (row[0] * p.capacity + row[1]) as usize;
        z_h[(p.plane as usize * p.n_slots as usize + slot) * n..][..n].copy_from_slice(z);
        let (earlier, sum) = sums.split_at_mut(slot * n);
        let sum = &mut sum[..n];
        if row[1] > 0 {
            sum.copy_from_slice(&earlier[(slot - 1) * n..]);
        } else {
            sum.fill(0.0);
        }
        for (sum, z) in sum.iter_mut().zip(z) {
            *sum += z;
        }
    }
}
