//! Scatters the working rows of a step into a cached state: the inverse of `load_rows`.
//!
//! ```text
//! y[plane, slot of i, c] = x[i, c]          i < n_rows, c < C
//! ```

use super::{Bindings, Kernel, Row, Span, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::STORE_ROWS, fields: FIELDS, twin };

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
pub struct StoreRows<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, C]`, f32.
    pub x: &'a Buffer,
    /// `[slab, slot, C]`, f32; not x.
    pub y: &'a Buffer,
    /// C.
    pub n: u32,
    /// The slab of y; a number, never [`OUTPUT`](super::OUTPUT).
    pub plane: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
}

impl StoreRows<'_> {
    /// A workgroup stores 64 channels of a row.
    pub fn record(&self, recording: &mut Recording) {
        let StoreRows { span, x, y, n, plane, capacity, n_slots } = *self;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "x", x, span.n as usize * n as usize);
        recording.expect(&KERNEL, "y", y, (plane as usize + 1) * n_slots as usize * n as usize);
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n, plane, capacity, n_slots };
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
    let rows = rows[p.first_row as usize..].iter().take(p.n_rows as usize);
    for (&row, x) in rows.zip(x.chunks_exact(n)) {
        if live(row, mask, p.step) {
            let slot = p.plane as usize * p.n_slots as usize + (row[0] * p.capacity + row[1]) as usize;
            y[slot * n..][..n].copy_from_slice(x);
        }
    }
}
