//! Gathers rows of a cached state into the working rows of a step.
//!
//! ```text
//! y[i, c] = x[slab, slot of i, c]          i < n_rows, c < C
//! y[i, c] = x[c]                           without a plane: the initial state
//! ```

use rayon::prelude::*;

use super::{Bindings, Kernel, Row, Span, live, n_slabs, params, shader, slab_of};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::LOAD_ROWS, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
    row_stride: u32,
}

/// Channels of a workgroup.
const CHANNELS: u32 = 64;

/// The arguments.
#[derive(Debug)]
pub struct LoadRows<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[slab, slot, C]`, f32; `[C]` without a plane.
    pub x: &'a Buffer,
    /// `[n_rows, C]`, f32; not x.
    pub y: &'a Buffer,
    /// C.
    pub n: u32,
    /// The slab of x, or [`OUTPUT`](super::OUTPUT); None: every row reads the same vector.
    pub plane: Option<u32>,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
}

impl LoadRows<'_> {
    /// A workgroup makes 64 channels of a row.
    pub fn record(&self, recording: &mut Recording) {
        let LoadRows { span, x, y, n, plane, capacity, n_slots } = *self;
        let n_read = plane.map_or(1, |plane| n_slabs(plane) * n_slots as usize) * n as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "x", x, n_read);
        recording.expect(&KERNEL, "y", y, span.n as usize * n as usize);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let row_stride = if plane.is_some() { n } else { 0 };
        let plane = plane.unwrap_or(0);
        let params = Params { first_row, n_rows, step, n, plane, capacity, n_slots, row_stride };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![span.rows.clone(), span.mask.clone(), x.clone(), y.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n.div_ceil(CHANNELS), span.n, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (x, y) = (bindings.read::<f32>(2), bindings.write::<f32>(3));
    let n = p.n as usize;
    y.par_chunks_exact_mut(n).take(p.n_rows as usize).enumerate().with_min_len(64).for_each(|(i, y)| {
        let row = rows[p.first_row as usize + i];
        if live(row, mask, p.step) {
            let slot =
                slab_of(p.plane, row, mask) * p.n_slots as usize + (row[0] * p.capacity + row[1]) as usize;
            y.copy_from_slice(&x[slot * p.row_stride as usize..][..n]);
        }
    });
}
