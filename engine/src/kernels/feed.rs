//! Feeds drawn tokens back, so that a submission holds several in a row. With `halt` the only kernel that writes the
//! mask.
//!
//! ```text
//! over    the sequence did not halt, its output stage is not wholly here, a logit is not finite, the token is the
//!         end, or the host wants no more: nothing is computed for it until the host has read what there is
//! else    tokens[sequence, n] = token;  the token is seen;  the sampler's counter and n advance by one
//!         reach = min(reach, depth);  out_from[depth] = n;  the mask is that of a sequence that thinks
//! ```
//!
//! n is the length of the context that the token was drawn for. The planes above the depth that a token halted at
//! lack its position, so what follows can only go as deep as everything before: that is the reach.

use super::halt::Control;
use super::sample::{NO_TOKEN, SamplerWords};
use super::{Bindings, Kernel, OUTPUT, OVER, Row, Span, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::FEED, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    n_vocab: u32,
    capacity: u32,
    n_planes: u32,
    drawn_row: u32,
}

/// Rows of a workgroup.
const ROWS: u32 = 64;

/// The arguments.
#[derive(Debug)]
pub struct Feed<'a> {
    /// The rows that tokens were drawn for, each of another sequence; the step makes no difference, and the mask is
    /// written.
    pub span: Span<'a>,
    /// `[drawn_row + n_rows]` of (token, 1 where a logit is not finite), u32.
    pub drawn: &'a Buffer,
    /// `[sequence]` of [`Control`].
    pub controls: &'a Buffer,
    /// `[sequence, plane]`: the first position that the output stage computes at that depth, u32.
    pub out_from: &'a Buffer,
    /// `[slot]`, u32.
    pub tokens: &'a Buffer,
    /// `[sequence]`, a bit a token, u32: whether the context holds it.
    pub seen: &'a Buffer,
    /// `[sequence]` of [`SamplerWords`].
    pub samplers: &'a Buffer,
    /// V.
    pub n_vocab: u32,
    /// Positions that a sequence may have.
    pub capacity: u32,
    /// Columns of out_from.
    pub n_planes: u32,
    /// The row of drawn that is row 0's.
    pub drawn_row: u32,
}

impl Feed<'_> {
    /// One invocation a row.
    pub fn record(&self, recording: &mut Recording) {
        let Feed { span, drawn, controls, out_from, tokens, seen, samplers, .. } = *self;
        let Feed { n_vocab, capacity, n_planes, drawn_row, .. } = *self;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "drawn", drawn, 2 * (drawn_row + span.n) as usize);
        recording.expect(&KERNEL, "controls", controls, size_of::<Control>() / 4);
        recording.expect(&KERNEL, "out_from", out_from, n_planes as usize);
        recording.expect(&KERNEL, "tokens", tokens, capacity as usize);
        recording.expect(&KERNEL, "seen", seen, n_vocab.div_ceil(32) as usize);
        recording.expect(&KERNEL, "samplers", samplers, size_of::<SamplerWords>() / 4);
        let (first_row, n_rows) = (span.first, span.n);
        let params = Params { first_row, n_rows, n_vocab, capacity, n_planes, drawn_row };
        let written = [controls, out_from, tokens, seen, samplers].map(Buffer::clone);
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![],
            buffers: [&[span.rows.clone(), span.mask.clone(), drawn.clone()], &written[..]].concat(),
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [span.n.div_ceil(ROWS), 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.write::<[u32; 2]>(1));
    let drawn = bindings.read::<[u32; 2]>(2);
    let (controls, out_from) = (bindings.write::<[u32; 8]>(3), bindings.write::<u32>(4));
    let (tokens, seen) = (bindings.write::<u32>(5), bindings.write::<u32>(6));
    let samplers = bindings.write::<[u32; 8]>(7);
    let words_of_bits = p.n_vocab.div_ceil(32) as usize;
    for i in 0..p.n_rows as usize {
        let row = rows[p.first_row as usize + i];
        let s = row[0] as usize;
        let mut c: Control = bytemuck::cast(controls[s]);
        let [token, is_bad] = drawn[p.drawn_row as usize + i];
        let is_drawn = live(row, mask, OUTPUT) && is_bad == 0 && token != NO_TOKEN;
        if !is_drawn || token == c.end || c.n_tokens >= c.most_tokens {
            mask[s] = [OVER, OVER];
            continue;
        }
        let depth = mask[s][0];
        tokens[s * p.capacity as usize + c.n_tokens as usize] = token;
        seen[s * words_of_bits + token as usize / 32] |= 1 << (token % 32);
        let mut sampler: SamplerWords = bytemuck::cast(samplers[s]);
        sampler.counter += 1;
        samplers[s] = bytemuck::cast(sampler);
        out_from[s * p.n_planes as usize + depth as usize - 1] = c.n_tokens;
        c.n_tokens += 1;
        c.reach = c.reach.min(depth);
        controls[s] = bytemuck::cast(c);
        mask[s] = [0, 0];
    }
}
