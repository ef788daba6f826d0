//! The halting test of one step. With `feed` the only kernel that writes the mask.
//!
//! ```text
//! halted when  forced depth:  step == forced
//!              else:          step >= floor and q_halt + bias > q_continue (strict), or step == cap
//! ```
//!
//! (q_halt, q_continue) are those of the whole context: of the prefix that ends at its last token. A test that
//! is passed below the floor is ignored, not remembered. A sequence that needs a step beyond its reach is over: the
//! host has to send what is missing.
//! Source: CosmicFish-HRM `model.py`, HRMCore.forward.

use super::{Bindings, Kernel, OVER, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::HALT, fields: FIELDS, twin };

params! {
    step: u32,
    n_sequences: u32,
    capacity: u32,
    n_slots: u32,
    n_planes: u32,
    first_halted: u32,
}

/// Sequences of a workgroup.
const SEQUENCES: u32 = 64;

/// Halted by the test.
pub const BY_TEST: u32 = 1;
/// Halted because no more steps were allowed.
pub const BY_CAP: u32 = 2;
/// Halted at the forced depth.
pub const BY_FORCED: u32 = 3;

/// How long a sequence may think, as the kernel reads it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Control {
    /// Tokens of its context; 0 where the sequence takes no part.
    pub n_tokens: u32,
    /// The first step whose test counts.
    pub floor: u32,
    /// The step that is the last one whatever the test says.
    pub cap: u32,
    /// Exactly so many steps; 0 where it is not forced.
    pub forced: u32,
    /// Added to q_halt before it is compared.
    pub bias: f32,
    /// The last step that can be taken here: the planes above are not complete, or their steps not recorded.
    pub reach: u32,
    /// So long may the context become before the host has to read what was drawn.
    pub most_tokens: u32,
    /// The token after which nothing is wanted; [`NO_TOKEN`](super::sample::NO_TOKEN) for none.
    pub end: u32,
}

/// The arguments.
#[derive(Debug)]
pub struct Halt<'a> {
    /// `[sequence]` of [`Control`].
    pub controls: &'a Buffer,
    /// `[slab, slot]` of (q_halt, q_continue), f32; slab `step - 1` is read.
    pub q: &'a Buffer,
    /// `[sequence, plane]`: the first position that the output stage computes at that depth, u32.
    pub out_from: &'a Buffer,
    /// `[sequence]` of (depth it halted at or 0, first position of its output stage), u32.
    pub mask: &'a Buffer,
    /// `[first_halted + sequence]` of (depth, halted by, q_halt, q_continue), written when it halts.
    pub halted: &'a Buffer,
    /// The step that was just computed, from 1.
    pub step: u32,
    /// How many sequences.
    pub n_sequences: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Slots of a slab.
    pub n_slots: u32,
    /// Columns of out_from.
    pub n_planes: u32,
    /// The row of halted that is sequence 0's.
    pub first_halted: u32,
}

impl Halt<'_> {
    /// One invocation a sequence.
    pub fn record(&self, recording: &mut Recording) {
        let Halt { controls, q, out_from, mask, halted, .. } = *self;
        let Halt { step, n_sequences, capacity, n_slots, n_planes, first_halted, .. } = *self;
        let n = n_sequences as usize;
        recording.expect(&KERNEL, "controls", controls, n * size_of::<Control>() / 4);
        recording.expect(&KERNEL, "q", q, 2 * step as usize * n_slots as usize);
        recording.expect(&KERNEL, "out_from", out_from, n * n_planes as usize);
        recording.expect(&KERNEL, "mask", mask, 2 * n);
        recording.expect(&KERNEL, "halted", halted, 4 * (first_halted as usize + n));
        let params = Params { step, n_sequences, capacity, n_slots, n_planes, first_halted };
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: vec![controls.clone(), q.clone(), out_from.clone(), mask.clone(), halted.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [n_sequences.div_ceil(SEQUENCES), 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (controls, q) = (bindings.read::<[u32; 8]>(0), bindings.read::<[f32; 2]>(1));
    let (out_from, mask) = (bindings.read::<u32>(2), bindings.write::<[u32; 2]>(3));
    let halted = bindings.write::<[u32; 4]>(4);
    for s in 0..p.n_sequences as usize {
        let c: Control = bytemuck::cast(controls[s]);
        if c.n_tokens == 0 || mask[s][0] != 0 {
            continue;
        }
        let slot = s * p.capacity as usize + c.n_tokens as usize - 1;
        let [q_halt, q_continue] = q[(p.step as usize - 1) * p.n_slots as usize + slot];
        let by = if c.forced != 0 {
            if p.step == c.forced { BY_FORCED } else { 0 }
        } else if p.step >= c.floor && q_halt + c.bias > q_continue {
            BY_TEST
        } else if p.step == c.cap {
            BY_CAP
        } else {
            0
        };
        if by == 0 {
            if p.step == c.reach {
                mask[s] = [OVER, OVER];
            }
            continue;
        }
        mask[s] = [p.step, out_from[s * p.n_planes as usize + p.step as usize - 1]];
        halted[p.first_halted as usize + s] = [p.step, by, q_halt.to_bits(), q_continue.to_bits()];
    }
}
