//! The buffers of a solver: what carries over from segment to segment, and what a segment works in.

use crate::config::HrmConfig;
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::kernels::decide::{Control, Verdict};
use crate::kernels::linear::kv_stride;
use crate::model::blocks::Workspace;
use crate::model::sizes::WorkBytes;

/// Everything that a solver keeps on the device. Slots are sequences times T positions.
#[derive(Debug)]
pub struct State {
    /// `[slot, C]`: e.
    pub input: Buffer,
    /// `[slot, C]`: carried over.
    pub z_h: Buffer,
    /// `[slot, C]`: carried over.
    pub z_l: Buffer,
    /// `[slot, k then v, head, hd up to whole vec4]`: of the block that is computed.
    pub kv: Buffer,
    /// `[slot]`: the cells' words.
    pub tokens: Buffer,
    /// `[slot]` of (q_halt, q_continue).
    pub q: Buffer,
    /// What the blocks work in, a row a slot.
    pub blocks: Workspace,
    /// `[slot, C]`: z_H in work.
    pub work_z_h: Buffer,
    /// `[slot, C]`: z_L in work.
    pub work_z_l: Buffer,
    /// `[cell, V]` of the sequences of a submission.
    pub logits: Buffer,
    /// `[H cycle, cell, V]` of a watched segment; it grows when somebody watches.
    pub seen: Buffer,
    /// `[row]`, see [`Span`](crate::kernels::Span): all positions, then the cells, then the first positions.
    pub rows: Buffer,
    /// `[sequence]` of (step it halted at, 0).
    pub mask: Buffer,
    /// `[sequence]`.
    pub controls: Buffer,
    /// `[1 + MOST_SEGMENTS, sequence, cell]`.
    pub answers: Buffer,
    /// `[MOST_SEGMENTS, sequence]`.
    pub verdicts: Buffer,
}

/// Segments of a submission at the most.
pub const MOST_SEGMENTS: usize = 8;

impl State {
    /// Room for so many sequences.
    pub fn new(config: &HrmConfig, device: &Device, n_sequences: usize) -> Result<State> {
        let (n, n_slots) = (n_sequences, n_sequences * config.n_positions());
        let n_cells = n_sequences * config.seq_len;
        // Checked by the configuration and by the number of slots to fit 32 bits as numbers, not as bytes.
        let words = |label: &str, n: usize| device.buffer(label, 4 * n as u64);
        let states = |label: &str| words(label, n_slots * config.hidden_size);
        Ok(State {
            input: states("e")?,
            z_h: states("z_H")?,
            z_l: states("z_L")?,
            kv: words(
                "keys and values",
                n_slots * 2 * config.num_heads * kv_stride(config.head_dim() as u32),
            )?,
            tokens: words("the cells' words", n_slots)?,
            q: words("the halting values", 2 * n_slots)?,
            blocks: Workspace::new(device, &WorkBytes::of_hrm(config), n_slots)?,
            work_z_h: states("z_H in work")?,
            work_z_l: states("z_L in work")?,
            logits: words("logits", n_cells * config.vocab_size)?,
            seen: words("logits of cycles", 1)?,
            rows: words("the table of rows", 4 * (n_slots + n_cells + n))?,
            mask: words("the halting mask", 2 * n)?,
            controls: words("when to halt", n * size_of::<Control>() / 4)?,
            answers: words("answers", (1 + MOST_SEGMENTS) * n_cells)?,
            verdicts: words("verdicts", MOST_SEGMENTS * n * size_of::<Verdict>() / 4)?,
        })
    }
}
