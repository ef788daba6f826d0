//! What a segment of HRM answers, and whether it was the last one.
//!
//! ```text
//! answer[step, s, j] = argmax over v of logits[first_row of s + j, v], the first of equals      j < n_cells
//! changed  = how many answers differ from answer[step - 1, s]
//! forced:    halted when segment == forced
//! otherwise: halted when (q_halt > q_continue, or q_halt >= threshold) and changed == 0 where it must settle,
//!            or segment == cap
//! ```
//!
//! Halting writes `mask[s] = (step, 0)`: whatever follows leaves the sequence as it is.
//! Source: HRM `hrm_act_v1.py`, HierarchicalReasoningModel_ACTV1.forward.

use bytemuck::{Pod, Zeroable};

use super::halt::{BY_CAP, BY_FORCED, BY_TEST};
use super::{Bindings, Kernel, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::DECIDE, fields: FIELDS, twin };

params! {
    step: u32,
    n_sequences: u32,
    n_cells: u32,
    n_vocab: u32,
    capacity: u32,
}

/// When a sequence halts.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Control {
    /// Segments before this submission.
    pub done: u32,
    /// The last segment.
    pub cap: u32,
    /// Exactly so many segments; 0: not forced.
    pub forced: u32,
    /// 1: the test is `q_halt >= threshold`, else `q_halt > q_continue`.
    pub by_threshold: u32,
    /// What q_halt is compared with.
    pub threshold: f32,
    /// 1: the answer has to stay as it is for a segment.
    pub must_settle: u32,
    /// Where its cells begin among the logits.
    pub first_row: u32,
}

/// What came of a segment.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Verdict {
    /// Which segment, from 1; 0: none was computed.
    pub segment: u32,
    /// What halted it, as in `halt`; 0: nothing yet.
    pub by: u32,
    /// Cells with another answer than in the segment before.
    pub changed: u32,
    /// 1: a logit or a halting value is not finite.
    pub is_bad: u32,
    /// The halting values.
    pub q: [f32; 2],
}

/// The arguments.
#[derive(Debug)]
pub struct Decide<'a> {
    /// `[sequence]` of [`Control`].
    pub controls: &'a Buffer,
    /// `[slot]` of (q_halt, q_continue), f32; that of a sequence's first position counts.
    pub q: &'a Buffer,
    /// `[row, n_vocab]`, f32.
    pub logits: &'a Buffer,
    /// `[1 + steps, sequence, cell]`, u32; slab 0 is what was answered before.
    pub answers: &'a Buffer,
    /// `[sequence]` of (step it halted at or 0, 0), u32.
    pub mask: &'a Buffer,
    /// `[steps, sequence]` of [`Verdict`].
    pub verdicts: &'a Buffer,
    /// The segment of this submission, from 1.
    pub step: u32,
    /// How many sequences.
    pub n_sequences: u32,
    /// Cells of a puzzle.
    pub n_cells: u32,
    /// Words of a cell.
    pub n_vocab: u32,
    /// Positions of a sequence.
    pub capacity: u32,
}

impl Decide<'_> {
    /// One workgroup a sequence.
    pub fn record(&self, recording: &mut Recording) {
        let Decide { controls, q, logits, answers, mask, verdicts, .. } = *self;
        let Decide { step, n_sequences, n_cells, n_vocab, capacity, .. } = *self;
        let n = n_sequences as usize;
        recording.expect(&KERNEL, "controls", controls, n * size_of::<Control>() / 4);
        recording.expect(&KERNEL, "q", q, 2 * n * capacity as usize);
        recording.expect(&KERNEL, "logits", logits, n_cells as usize * n_vocab as usize);
        recording.expect(&KERNEL, "answers", answers, (step as usize + 1) * n * n_cells as usize);
        recording.expect(&KERNEL, "mask", mask, 2 * n);
        recording.expect(&KERNEL, "verdicts", verdicts, step as usize * n * size_of::<Verdict>() / 4);
        let params = Params { step, n_sequences, n_cells, n_vocab, capacity };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: [controls, q, logits, answers, mask, verdicts].map(Buffer::clone).to_vec(),
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_sequences, 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (controls, q) = (bindings.read::<[u32; 7]>(0), bindings.read::<[f32; 2]>(1));
    let (logits, answers) = (bindings.read::<f32>(2), bindings.write::<u32>(3));
    let (mask, verdicts) = (bindings.write::<[u32; 2]>(4), bindings.write::<[u32; 6]>(5));
    let (n_cells, n_vocab) = (p.n_cells as usize, p.n_vocab as usize);
    let slab = p.n_sequences as usize * n_cells;
    let (before, now) = answers.split_at_mut(p.step as usize * slab);
    for s in 0..p.n_sequences as usize {
        if mask[s][0] != 0 {
            continue;
        }
        let c: Control = bytemuck::cast(controls[s]);
        let before = &before[(p.step as usize - 1) * slab + s * n_cells..][..n_cells];
        let now = &mut now[s * n_cells..][..n_cells];
        let logits = &logits[c.first_row as usize * n_vocab..][..n_cells * n_vocab];
        let (mut changed, mut is_bad) = (0, false);
        for ((before, now), logits) in before.iter().zip(now).zip(logits.chunks_exact(n_vocab)) {
            let better = |best, v| if logits[v] > logits[best] { v } else { best };
            let best = (0..n_vocab).fold(0, better) as u32;
            is_bad |= logits.iter().any(|logit| !logit.is_finite());
            changed += u32::from(*before != best);
            *now = best;
        }
        let segment = c.done + p.step;
        let [q_halt, q_continue] = q[s * p.capacity as usize];
        is_bad |= !q_halt.is_finite() || !q_continue.is_finite();
        let test = if c.by_threshold == 1 { q_halt >= c.threshold } else { q_halt > q_continue };
        let by = if c.forced != 0 {
            if segment == c.forced { BY_FORCED } else { 0 }
        } else if test && (c.must_settle == 0 || changed == 0) {
            BY_TEST
        } else if segment == c.cap {
            BY_CAP
        } else {
            0
        };
        if by != 0 {
            mask[s] = [p.step, 0];
        }
        let verdict = Verdict { segment, by, changed, is_bad: is_bad.into(), q: [q_halt, q_continue] };
        verdicts[(p.step as usize - 1) * p.n_sequences as usize + s] = bytemuck::cast(verdict);
    }
}
