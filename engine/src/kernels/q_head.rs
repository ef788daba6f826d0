//! The halting values of every prefix that ends at a computed row.
//!
//! ```text
//! (q_halt, q_continue)[plane, slot of i] = W . (sum[slot of i] / (position of i + 1)) + b       i < n_rows
//! ```
//!
//! Summed over C in the one summation order.
//! Source: CosmicFish-HRM `model.py`, HRMCore.q_head on the mean of z_H.

use super::{Bindings, Kernel, Row, Span, fold64, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::Q_HEAD, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
}

/// The arguments.
#[derive(Debug)]
pub struct QHead<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[slot, C]`, f32: the sums of this step, from `prefix_sum`.
    pub sum: &'a Buffer,
    /// W `[2, C]`, then b `[2]`, f32.
    pub w: &'a Buffer,
    /// `[slab, slot]` of (q_halt, q_continue), f32.
    pub q: &'a Buffer,
    /// C.
    pub n: u32,
    /// The slab of q; a number, never [`OUTPUT`](super::OUTPUT).
    pub plane: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
}

impl QHead<'_> {
    /// One workgroup a row.
    pub fn record(&self, recording: &mut Recording) {
        let QHead { span, sum, w, q, n, plane, capacity, n_slots } = *self;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "sum", sum, n_slots as usize * n as usize);
        recording.expect(&KERNEL, "w", w, 2 * n as usize + 2);
        recording.expect(&KERNEL, "q", q, 2 * (plane as usize + 1) * n_slots as usize);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n, plane, capacity, n_slots };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![span.rows.clone(), span.mask.clone(), sum.clone(), w.clone(), q.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [span.n, 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (sums, w, q) = (bindings.read::<f32>(2), bindings.read::<f32>(3), bindings.write::<[f32; 2]>(4));
    let n = p.n as usize;
    for &row in rows[p.first_row as usize..].iter().take(p.n_rows as usize) {
        if !live(row, mask, p.step) {
            continue;
        }
        let slot = (row[0] * p.capacity + row[1]) as usize;
        let sum = &sums[slot * n..][..n];
        let count = (row[1] + 1) as f32;
        q[p.plane as usize * p.n_slots as usize + slot] = [0, 1].map(|head| {
            let mut acc = [0.0; 64];
            for (w, sum) in w[head * n..][..n].chunks(64).zip(sum.chunks(64)) {
                for (acc, (w, sum)) in acc.iter_mut().zip(w.iter().zip(sum)) {
                    *acc += w * (sum / count);
                }
            }
            fold64(acc) + w[2 * n + head]
        });
    }
}
