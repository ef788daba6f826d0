//! CosmicFish-HRM. Source: MistyozAI/CosmicFish-HRM `model.py` (arXiv 2605.28919).
//!
//! ```text
//! x   = input_blocks(wte[ids] (+ wpe))                            pre-norm, causal
//! z_H = H_init;  z_L = L_init                                     at every position
//! for step in 1..=hrm_max_steps:
//!     repeat hrm_H_cycles:
//!         repeat hrm_L_cycles:  z_L = L_level(z_L + (z_H + x))    post-norm, causal
//!         z_H = H_level(z_H + z_L)
//!     (q_halt, q_continue) = q_head(mean over the positions of z_H)
//!     stop when q_halt + halt_bias > q_continue
//! logits = lm_head(ln_f(output_blocks(z_H)))                      pre-norm, causal
//! ```
//!
//! Everything is causal, so all of this is recorded for whichever rows (sequence, position) are missing from the
//! cache: a whole prompt, one decoded token, or the rows of a depth that was not needed before.

use super::Model;
use super::blocks::Blocks;
use super::state::State;
use crate::device::Buffer;
use crate::kernels::embed::Embed;
use crate::kernels::inject::Next;
use crate::kernels::linear::{Epilogue, Linear, Norm};
use crate::kernels::load_rows::LoadRows;
use crate::kernels::movement::Movement;
use crate::kernels::prefix_sum::PrefixSum;
use crate::kernels::q_head::QHead;
use crate::kernels::store_rows::StoreRows;
use crate::kernels::{OUTPUT, Span};
use crate::recording::Recording;

/// Records the stages of a forward.
pub struct Forward<'a> {
    /// The weights.
    pub model: &'a Model,
    /// The cache.
    pub state: &'a State,
}

/// Where a traced step leaves how far z_L and z_H moved.
pub struct Probe<'a> {
    /// `[n_rows, C]`: z_L as it was.
    pub z_l: &'a Buffer,
    /// `[n_rows, C]`: z_H as it was.
    pub z_h: &'a Buffer,
    /// `[cycle, all rows of the step]`, in the order in which a step updates z_L and z_H.
    pub moved: &'a Buffer,
    /// `[H cycle, C]`: z_H of the last row.
    pub path: &'a Buffer,
    /// All rows of the step.
    pub n_rows: u32,
    /// Where this span begins among them.
    pub first: u32,
}

impl Forward<'_> {
    fn n_embd(&self) -> u32 {
        self.model.config().n_embd as u32
    }

    fn capacity(&self) -> u32 {
        self.state.capacity as u32
    }

    fn n_slots(&self) -> u32 {
        self.state.n_slots as u32
    }

    fn blocks<'b>(&'b self, span: Span<'b>) -> Blocks<'b> {
        Blocks {
            shape: self.model.config().into(),
            trig: Some(&self.model.parameters().trig),
            work: &self.state.work.blocks,
            span,
            capacity: self.capacity(),
            n_slots: self.n_slots(),
        }
    }

    /// `x = input_blocks(wte[ids] (+ wpe))` of the span's rows.
    pub fn input(&self, r: &mut Recording, span: Span<'_>) {
        let Forward { model, state, .. } = *self;
        let (parameters, config) = (model.parameters(), model.config());
        let x = &state.work.blocks.x;
        Embed {
            span,
            tokens: &state.tokens,
            w: &parameters.wte,
            weight_type: parameters.embedding.weight_type,
            scales: parameters.embedding.scales,
            wpe: (!config.use_rotary).then_some(parameters.wpe),
            x,
            n_embd: self.n_embd(),
            capacity: self.capacity(),
        }
        .record(r);
        let blocks = self.blocks(span);
        for (block, kv) in parameters.input_blocks.iter().zip(&state.input) {
            blocks.pre_norm(r, block, kv, 0);
        }
        self.store(r, span, x, &state.x);
    }

    /// One step, from plane `span.step - 1` to plane `span.step`, and the halting values of every prefix that
    /// ends at one of the span's rows.
    pub fn step(&self, r: &mut Recording, span: Span<'_>, probe: Option<&Probe<'_>>) {
        let Forward { model, state, .. } = *self;
        let (parameters, config) = (model.parameters(), model.config());
        let (z_h, z_l) = (&state.work.z_h, &state.work.z_l);
        let Some((plane, earlier)) = state.planes[..span.step as usize].split_last() else { return };

        match earlier.last() {
            None => {
                self.load(r, span, &parameters.h_init, None, z_h);
                self.load(r, span, &parameters.l_init, None, z_l);
            }
            Some(before) => {
                self.load(r, span, &state.z_h, Some(span.step - 2), z_h);
                self.load(r, span, &before.z_l, Some(0), z_l);
            }
        }
        let mut watch = Watch { forward: self, span, probe, n_cycles: 0, n_h_cycles: 0 };
        watch.begin(r);

        let blocks = self.blocks(span);
        let mut kv = plane.applications.iter();
        // Each level leaves the norm behind its last block to the injection that follows.
        blocks.inject(r, None, z_h, z_l, &state.x, Next::LAfterH);
        for h_cycle in 1..=config.hrm_h_cycles {
            for l_cycle in 1..=config.hrm_l_cycles {
                for (block, kv) in parameters.l_level.iter().zip(&mut kv) {
                    blocks.post_norm(r, block, kv);
                }
                let next = if l_cycle < config.hrm_l_cycles { Next::LAfterL } else { Next::HAfterL };
                blocks.inject(r, parameters.l_level.last(), z_l, z_h, &state.x, next);
                watch.moved_l(r);
            }
            for (block, kv) in parameters.h_level.iter().zip(&mut kv) {
                blocks.post_norm(r, block, kv);
            }
            let next = if h_cycle < config.hrm_h_cycles { Next::LAfterH } else { Next::Nothing };
            blocks.inject(r, parameters.h_level.last(), z_h, z_l, &state.x, next);
            watch.moved_h(r);
        }
        self.store(r, span, z_l, &plane.z_l);
        let (n, capacity, n_slots) = (self.n_embd(), self.capacity(), self.n_slots());
        let slab = span.step - 1;
        let sum = &plane.sum;
        PrefixSum { span, z: z_h, z_h: &state.z_h, sum, n, plane: slab, capacity, n_slots }.record(r);
        QHead { span, sum, w: &parameters.q_head, q: &state.q, n, plane: slab, capacity, n_slots }.record(r);
    }

    /// `output_blocks(z_H)` of the span's rows, each at its sequence's depth.
    pub fn output(&self, r: &mut Recording, span: Span<'_>) {
        let state = self.state;
        let x = &state.work.blocks.x;
        self.load(r, span, &state.z_h, Some(OUTPUT), x);
        let blocks = self.blocks(span);
        for (block, kv) in self.model.parameters().output_blocks.iter().zip(&state.output) {
            blocks.pre_norm(r, block, kv, OUTPUT);
        }
    }

    /// `lm_head(ln_f(x))` of rows that [`Forward::output`] has just made; the table's source rows say which.
    /// Row 0 of the span goes to row `out_row` of the logits.
    pub fn logits(&self, r: &mut Recording, span: Span<'_>, out_row: u32) {
        let Forward { model, state, .. } = *self;
        let (parameters, work) = (model.parameters(), &state.work);
        Linear {
            span,
            w: &parameters.wte,
            layer: parameters.embedding,
            norm: Some(Norm { weight: parameters.ln_f, eps: model.config().eps }),
            x: &work.blocks.x,
            y: &work.logits,
            s: &work.blocks.s,
            unused: &work.blocks.unused,
            out_row,
            n_in: self.n_embd(),
            n_out: model.config().vocab_size as u32,
            epilogue: Epilogue::Store,
        }
        .record(r);
    }

    /// Reads rows of a cached state, or one vector for all rows where there is no plane.
    fn load(&self, r: &mut Recording, span: Span<'_>, x: &Buffer, plane: Option<u32>, y: &Buffer) {
        let (n, capacity, n_slots) = (self.n_embd(), self.capacity(), self.n_slots());
        LoadRows { span, x, y, n, plane, capacity, n_slots }.record(r);
    }

    fn store(&self, r: &mut Recording, span: Span<'_>, x: &Buffer, y: &Buffer) {
        let (n, capacity, n_slots) = (self.n_embd(), self.capacity(), self.n_slots());
        StoreRows { span, x, y, n, plane: 0, capacity, n_slots }.record(r);
    }
}

/// Follows a step's cycles for the trace; does nothing without a probe.
struct Watch<'a> {
    forward: &'a Forward<'a>,
    span: Span<'a>,
    probe: Option<&'a Probe<'a>>,
    n_cycles: u32,
    n_h_cycles: u32,
}

impl Watch<'_> {
    /// Remembers where the step begins.
    fn begin(&self, r: &mut Recording) {
        let Some(probe) = self.probe else { return };
        let work = &self.forward.state.work;
        // A movement of which nobody reads the length: it copies z.
        for (z, before) in [(&work.z_l, probe.z_l), (&work.z_h, probe.z_h)] {
            self.record(r, probe, z, before, 0, None);
        }
    }

    fn moved_l(&mut self, r: &mut Recording) {
        if let Some(probe) = self.probe {
            let z_l = &self.forward.state.work.z_l;
            self.record(r, probe, z_l, probe.z_l, self.n_cycles, None);
            self.n_cycles += 1;
        }
    }

    fn moved_h(&mut self, r: &mut Recording) {
        if let Some(probe) = self.probe {
            let z_h = &self.forward.state.work.z_h;
            self.record(r, probe, z_h, probe.z_h, self.n_cycles, Some(self.n_h_cycles));
            self.n_cycles += 1;
            self.n_h_cycles += 1;
        }
    }

    fn record(
        &self,
        r: &mut Recording,
        probe: &Probe<'_>,
        z: &Buffer,
        before: &Buffer,
        cycle: u32,
        h_cycle: Option<u32>,
    ) {
        let n = self.forward.n_embd();
        Movement {
            span: self.span,
            z,
            before,
            moved: probe.moved,
            path: probe.path,
            n,
            moved_at: cycle * probe.n_rows + probe.first,
            path_at: h_cycle.map(|h_cycle| h_cycle * n),
        }
        .record(r);
    }
}
