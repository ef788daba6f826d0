//! Token embedding, plus the learned position where the model has one.
//!
//! ```text
//! x[i, c] = wte[token of i, c] (+ wpe[position of i, c])          i < n_rows, c < C
//! ```
//!
//! wte is of any type, wpe f32. It needs no mask: no sequence has halted before its first step.
//! Source: CosmicFish-HRM `model.py`, forward.

use rayon::prelude::*;

use super::dot::Matrix;
use super::{Bindings, Kernel, Row, Span, params, shader, stored_as, weights_constant};
use crate::device::Buffer;
use crate::recording::{Call, Recording};
use crate::weights::WeightType;

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::EMBED, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    n_embd: u32,
    capacity: u32,
    wpe: u32,
    scales: u32,
}

/// Channels of a workgroup.
const CHANNELS: u32 = 64;

/// The arguments.
#[derive(Debug)]
pub struct Embed<'a> {
    /// The rows; mask and step make no difference.
    pub span: Span<'a>,
    /// `[slot]`, u32, each below V.
    pub tokens: &'a Buffer,
    /// Holds wte `[V, C]` at its start, its scales and wpe `[block_size, C]`.
    pub w: &'a Buffer,
    /// How wte is stored.
    pub weight_type: WeightType,
    /// Where its scales begin, in units of 16 bytes.
    pub scales: u32,
    /// Where wpe begins, f32, in units of 16 bytes; None without learned positions.
    pub wpe: Option<u32>,
    /// `[n_rows, C]`, f32.
    pub x: &'a Buffer,
    /// C.
    pub n_embd: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
}

impl Embed<'_> {
    /// A workgroup makes 64 channels of a row.
    pub fn record(&self, recording: &mut Recording) {
        let Embed { span, tokens, w, weight_type, scales, wpe, x, n_embd, capacity } = *self;
        let words_of_row = (weight_type.data_bytes(n_embd.into()) / 4) as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "tokens", tokens, capacity as usize);
        recording.expect(&KERNEL, "w", w, words_of_row);
        if weight_type.is_quantized() {
            let words = weight_type.scale_bytes(n_embd.into()).div_ceil(4) as usize;
            recording.expect(&KERNEL, "w (scales)", w, 4 * scales as usize + words);
        }
        if let Some(wpe) = wpe {
            recording.expect(&KERNEL, "w (wpe)", w, 4 * wpe as usize + capacity as usize * n_embd as usize);
        }
        recording.expect(&KERNEL, "x", x, span.n as usize * n_embd as usize);
        let (first_row, n_rows) = (span.first, span.n);
        let params = Params { first_row, n_rows, n_embd, capacity, wpe: wpe.unwrap_or(0), scales };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![
                ("WEIGHTS", weights_constant(weight_type)),
                ("LEARNED_POSITIONS", wpe.is_some().into()),
            ],
            buffers: vec![span.rows.clone(), tokens.clone(), w.clone(), x.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_embd.div_ceil(CHANNELS), span.n, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, tokens, w) = (bindings.read::<Row>(0), bindings.read::<u32>(1), bindings.read::<u32>(2));
    let x = bindings.write::<f32>(3);
    let n = p.n_embd as usize;
    let stored = stored_as(call.constant("WEIGHTS", 0));
    let wte = Matrix { w, stored, first: 0, scales: 4 * p.scales as usize, n_in: n };
    let has_positions = call.constant("LEARNED_POSITIONS", 0) == 1;
    x.par_chunks_exact_mut(n).take(p.n_rows as usize).enumerate().with_min_len(16).for_each(|(i, x)| {
        let [sequence, position, ..] = rows[p.first_row as usize + i];
        let token = tokens[(sequence * p.capacity + position) as usize] as usize;
        x.copy_from_slice(wte.row(token, &mut vec![]));
        if has_positions {
            let wpe: &[f32] = bytemuck::cast_slice(&w[4 * p.wpe as usize..]);
            for (x, wpe) in x.iter_mut().zip(&wpe[position as usize * n..]) {
                *x += wpe;
            }
        }
    });
}
