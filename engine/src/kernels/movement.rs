//! How far a state moved since it was last looked at, for the trace.
//!
//! ```text
//! moved[moved_at + i] = sqrt(mean over c of (z[i, c] - before[i, c])^2);   before = z       i < n_rows, c < C
//! path[path_at + c] = z[i, c]                                     i the last row of its sequence
//! ```

use rayon::prelude::*;

use super::{Bindings, Kernel, Row, Span, fold64, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::MOVEMENT, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,
    moved_at: u32,
    path_at: u32,
}

/// The arguments.
#[derive(Debug)]
pub struct Movement<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[n_rows, C]`, f32: the state.
    pub z: &'a Buffer,
    /// `[n_rows, C]`, f32: what it was, and what it is afterwards.
    pub before: &'a Buffer,
    /// `[moved_at + n_rows]`, f32.
    pub moved: &'a Buffer,
    /// `[path_at + C]`, f32. It is bound, and so must be none of the others, even where nothing is kept.
    pub path: &'a Buffer,
    /// C.
    pub n: u32,
    /// Where row 0's movement goes.
    pub moved_at: u32,
    /// Where z of the last row goes; None: it is not kept. At most one of the rows may be a last one then.
    pub path_at: Option<u32>,
}

impl Movement<'_> {
    /// One workgroup a row.
    pub fn record(&self, recording: &mut Recording) {
        let Movement { span, z, before, moved, path, n, moved_at, path_at } = *self;
        let n_states = span.n as usize * n as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "z", z, n_states);
        recording.expect(&KERNEL, "before", before, n_states);
        recording.expect(&KERNEL, "moved", moved, (moved_at + span.n) as usize);
        if let Some(path_at) = path_at {
            recording.expect(&KERNEL, "path", path, (path_at + n) as usize);
        }
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n, moved_at, path_at: path_at.unwrap_or(0) };
        let (rows, mask) = (span.rows.clone(), span.mask.clone());
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![("PATH", path_at.is_some().into())],
            buffers: vec![rows, mask, z.clone(), before.clone(), moved.clone(), path.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [span.n, 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (z, before) = (bindings.read::<f32>(2), bindings.write::<f32>(3));
    let (moved, path) = (bindings.write::<f32>(4), bindings.write::<f32>(5));
    let n = p.n as usize;
    let rows = &rows[p.first_row as usize..][..p.n_rows as usize];
    let moved = &mut moved[p.moved_at as usize..][..rows.len()];
    let states = before.par_chunks_exact_mut(n).zip(z.par_chunks_exact(n));
    rows.par_iter().zip(moved).zip(states).with_min_len(16).for_each(|((&row, moved), (before, z))| {
        if !live(row, mask, p.step) {
            return;
        }
        let mut acc = [0.0; 64];
        for (before, z) in before.chunks(64).zip(z.chunks(64)) {
            for (acc, (before, z)) in acc.iter_mut().zip(before.iter().zip(z)) {
                let change = z - before;
                *acc += change * change;
            }
        }
        *moved = (fold64(acc) / p.n as f32).sqrt();
        before.copy_from_slice(z);
    });
    if call.constant("PATH", 0) == 1 {
        for (&row, z) in rows.iter().zip(z.chunks_exact(n)) {
            if row[3] == 1 && live(row, mask, p.step) {
                path[p.path_at as usize..][..n].copy_from_slice(z);
            }
        }
    }
}
