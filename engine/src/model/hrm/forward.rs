//! The equations of `mod.rs` as kernel calls, for the sequences of one submission.

use super::{Hrm, State};
use crate::device::Buffer;
use crate::kernels::Span;
use crate::kernels::embed::Embed;
use crate::kernels::inject::Next;
use crate::kernels::linear::{Epilogue, Linear};
use crate::kernels::load_rows::LoadRows;
use crate::kernels::q_head::QHead;
use crate::kernels::store_rows::StoreRows;
use crate::model::blocks::Blocks;
use crate::model::parameters::Block;
use crate::recording::Recording;
use crate::weights::WeightType;

/// Records the stages of a segment.
pub struct Forward<'a> {
    /// The weights.
    pub model: &'a Hrm,
    /// The carry, and what is worked in.
    pub state: &'a State,
    /// Sequences that there is room for.
    pub n_sequences: usize,
}

/// The rows of a submission: how many of the table are of each kind, one kind after the other.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// All positions of all sequences: row i of what is worked in.
    pub positions: u32,
    /// Cells; their sources are rows of positions, their places those of the logits.
    pub cells: u32,
    /// First positions.
    pub firsts: u32,
}

/// Rows times blocks after which work is handed over: operating systems kill what takes seconds.
const MOST_ROW_BLOCKS: u32 = 8192;

impl Forward<'_> {
    fn span(&self, first: u32, n: u32, step: u32) -> Span<'_> {
        Span { rows: &self.state.rows, mask: &self.state.mask, first, n, step }
    }

    fn n_embd(&self) -> u32 {
        self.model.config().hidden_size as u32
    }

    fn capacity(&self) -> u32 {
        self.model.config().n_positions() as u32
    }

    fn n_slots(&self) -> u32 {
        self.n_sequences as u32 * self.capacity()
    }

    /// e of the cells; that of the positions before them comes from the host.
    pub fn embed(&self, r: &mut Recording, rows: Rows) {
        let Forward { model, state, .. } = *self;
        let (n, capacity, n_slots) = (self.n_embd(), self.capacity(), self.n_slots());
        let parameters = model.parameters();
        let span = self.span(rows.positions, rows.cells, 1);
        let x = &state.blocks.x;
        Embed {
            span,
            tokens: &state.tokens,
            w: &parameters.embedding,
            weight_type: WeightType::F32,
            scales: 0,
            wpe: parameters.embed_pos,
            x,
            n_embd: n,
            capacity,
        }
        .record(r);
        StoreRows { span, x, y: &state.input, n, plane: 0, capacity, n_slots }.record(r);
    }

    /// One segment, the `step`th of the submission: z_H and z_L go on from where they are; then the logits of all cells,
    /// and the halting values. With `seen`, the logits after each H cycle too, `[H cycle, cell, V]`.
    pub fn segment(&self, r: &mut Recording, rows: Rows, step: u32, seen: Option<&Buffer>) {
        let Forward { model, state, .. } = *self;
        let (parameters, config) = (model.parameters(), model.config());
        let (n, capacity, n_slots) = (self.n_embd(), self.capacity(), self.n_slots());
        let span = self.span(0, rows.positions, step);
        let (z_h, z_l) = (&state.work_z_h, &state.work_z_l);
        for (x, y) in [(&state.z_h, z_h), (&state.z_l, z_l)] {
            LoadRows { span, x, y, n, plane: Some(0), capacity, n_slots }.record(r);
        }
        let blocks = Blocks {
            shape: config.into(),
            trig: Some(&parameters.trig),
            work: &state.blocks,
            span,
            capacity,
            n_slots,
        };
        let mut weight = 0;
        let mut level = |r: &mut Recording, level: &[Block]| {
            for block in level {
                blocks.post_norm(r, block, &state.kv);
                weight += rows.positions;
                if weight >= MOST_ROW_BLOCKS {
                    r.cut();
                    weight = 0;
                }
            }
        };
        // Each level leaves the norm behind its last block to the injection that follows.
        blocks.inject(r, None, z_h, z_l, &state.input, Next::LAfterH);
        for h_cycle in 1..=config.h_cycles {
            for l_cycle in 1..=config.l_cycles {
                level(r, &parameters.l_level);
                let next = if l_cycle < config.l_cycles { Next::LAfterL } else { Next::HAfterL };
                blocks.inject(r, parameters.l_level.last(), z_l, z_h, &state.input, next);
            }
            level(r, &parameters.h_level);
            let next = if h_cycle < config.h_cycles { Next::LAfterH } else { Next::Nothing };
            blocks.inject(r, parameters.h_level.last(), z_h, z_l, &state.input, next);
            if let Some(seen) = seen {
                self.logits(r, rows, step, seen, (h_cycle - 1) as u32 * rows.cells);
            }
        }
        for (x, y) in [(z_h, &state.z_h), (z_l, &state.z_l)] {
            StoreRows { span, x, y, n, plane: 0, capacity, n_slots }.record(r);
        }
        self.logits(r, rows, step, &state.logits, 0);
        // The mean over a first position is that position.
        let span = self.span(rows.positions + rows.cells, rows.firsts, step);
        QHead { span, sum: &state.z_h, w: &parameters.q_head, q: &state.q, n, plane: 0, capacity, n_slots }
            .record(r);
    }

    /// `lm_head(z_H)` of all cells.
    fn logits(&self, r: &mut Recording, rows: Rows, step: u32, y: &Buffer, out_row: u32) {
        let Forward { model, state, .. } = *self;
        let parameters = model.parameters();
        Linear {
            span: self.span(rows.positions, rows.cells, step),
            w: &parameters.head,
            layer: parameters.lm_head,
            norm: None,
            x: &state.work_z_h,
            y,
            s: &state.blocks.s,
            unused: &state.blocks.unused,
            out_row,
            n_in: self.n_embd(),
            n_out: model.config().vocab_size as u32,
            epilogue: Epilogue::Store,
        }
        .record(r);
    }
}
