//! Draws the next token from the logits of a row.
//!
//! ```text
//! 1 temperature   v = logit / temperature                     (0: greedy, v = logit)
//! 2 repetition    v > 0: v / penalty, else v * penalty        (once per distinct token seen)
//! 3 top-k         the k largest, ties kept
//! 4 top-p         the smallest set of largest whose mass reaches p, ties kept
//! 5 min-p         at least min_p of the largest probability
//! 6 draw          in order of token id, u from pcg3d(seed, counter)
//! drawn[drawn_row + i] = (token, 1 where a logit is not finite)        from logits[out_row + i, V], i < n_rows
//! ```
//!
//! A token's mass is exp(v - the largest v). Masses are summed in 256 contiguous segments, each from the left,
//! and the segments from the left. Tokens without a text are never drawn.
//! Source of 1 to 3: CosmicFish-HRM `chat.py`. pcg3d: Jarzynski and Olano, JCGT 9(3), 2020.

use rayon::prelude::*;

use super::{Bindings, Kernel, Row, Span, live, params, shader};
use crate::device::Buffer;
use crate::recording::{Call, Recording};

/// The kernel.
pub static KERNEL: Kernel = Kernel { shader: &shader::SAMPLE, fields: FIELDS, twin };

params! {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n_vocab: u32,
    out_row: u32,
    drawn_row: u32,
}

/// Segments that a row's masses are summed in.
const SEGMENTS: usize = 256;
/// exp of less is not a normal number.
const LEAST_EXPONENT: f32 = -87.0;
/// In place of a token where none may be drawn.
pub const NO_TOKEN: u32 = u32::MAX;

/// How a sequence's tokens are chosen, as the kernel reads it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SamplerWords {
    /// 0: the largest value, always.
    pub temperature: f32,
    /// 1: none.
    pub penalty: f32,
    /// 0: all.
    pub top_k: u32,
    /// 1: all.
    pub top_p: f32,
    /// The logarithm of min-p; -3.4e38: all.
    pub ln_min_p: f32,
    /// The seed's lower half.
    pub seed_low: u32,
    /// The seed's upper half.
    pub seed_high: u32,
    /// Which number of the seed's stream is taken.
    pub counter: u32,
}

/// The arguments.
#[derive(Debug)]
pub struct Sample<'a> {
    /// The rows.
    pub span: Span<'a>,
    /// `[out_row + n_rows, V]`, f32.
    pub logits: &'a Buffer,
    /// A bit a token, u32: whether it may be drawn.
    pub has_text: &'a Buffer,
    /// `[sequence]`, a bit a token, u32: whether the context holds it.
    pub seen: &'a Buffer,
    /// `[sequence]` of [`SamplerWords`].
    pub samplers: &'a Buffer,
    /// `[drawn_row + n_rows]` of (token, 1 where a logit is not finite), u32.
    pub drawn: &'a Buffer,
    /// V.
    pub n_vocab: u32,
    /// The row of logits that row 0 reads.
    pub out_row: u32,
    /// The row of drawn that row 0 writes.
    pub drawn_row: u32,
}

impl Sample<'_> {
    /// One workgroup a row.
    pub fn record(&self, recording: &mut Recording) {
        self.record_variant(recording, 0);
    }

    /// The same where every sampler is greedy: a smaller shader, sooner compiled.
    pub fn record_greedy(&self, recording: &mut Recording) {
        self.record_variant(recording, 1);
    }

    fn record_variant(&self, recording: &mut Recording, greedy: u32) {
        let Sample { span, logits, has_text, seen, samplers, drawn, n_vocab, out_row, drawn_row } = *self;
        let n_rows = span.n as usize;
        let words_of_bits = n_vocab.div_ceil(32) as usize;
        recording.expect_span(&KERNEL, &span);
        recording.expect(&KERNEL, "logits", logits, (out_row as usize + n_rows) * n_vocab as usize);
        recording.expect(&KERNEL, "has_text", has_text, words_of_bits);
        recording.expect(&KERNEL, "seen", seen, words_of_bits);
        recording.expect(&KERNEL, "samplers", samplers, size_of::<SamplerWords>() / 4);
        recording.expect(&KERNEL, "drawn", drawn, 2 * (drawn_row as usize + n_rows));
        let (first_row, n_rows, step) = (span.first, span.n, span.step);
        let params = Params { first_row, n_rows, step, n_vocab, out_row, drawn_row };
        let (rows, mask, logits, has_text) =
            (span.rows.clone(), span.mask.clone(), logits.clone(), has_text.clone());
        recording.call(Call {
            kernel: &KERNEL,
            constants: vec![("GREEDY", greedy)],
            buffers: vec![rows, mask, logits, has_text, seen.clone(), samplers.clone(), drawn.clone()],
            params: bytemuck::bytes_of(&params).to_vec(),
            grid: [span.n, 1, 1],
        });
    }
}

fn twin(call: &Call, mut bindings: Bindings<'_>) {
    let p: Params = call.params();
    let (rows, mask) = (bindings.read::<Row>(0), bindings.read::<[u32; 2]>(1));
    let (logits, has_text) = (bindings.read::<f32>(2), bindings.read::<u32>(3));
    let (seen, samplers) = (bindings.read::<u32>(4), bindings.read::<[u32; 8]>(5));
    let drawn = &mut bindings.write::<[u32; 2]>(6)[p.drawn_row as usize..][..p.n_rows as usize];
    let n_vocab = p.n_vocab as usize;
    let words_of_bits = n_vocab.div_ceil(32);
    drawn.par_iter_mut().enumerate().for_each(|(i, drawn)| {
        let row = rows[p.first_row as usize + i];
        if !live(row, mask, p.step) {
            return;
        }
        let sequence = row[0] as usize;
        let logits = &logits[(p.out_row as usize + i) * n_vocab..][..n_vocab];
        let seen = &seen[sequence * words_of_bits..][..words_of_bits];
        let sampler = bytemuck::cast(samplers[sequence]);
        let is_bad = logits.iter().any(|logit| !logit.is_finite());
        *drawn = [draw(logits, has_text, seen, &sampler), is_bad.into()];
    });
}

/// A token that is still in the draw.
struct Candidate {
    token: u32,
    /// After temperature and repetition penalty.
    value: f32,
    key: u32,
    mass: f32,
}

fn draw(logits: &[f32], has_text: &[u32], seen: &[u32], sampler: &SamplerWords) -> u32 {
    let has_bit = |bits: &[u32], token: usize| (bits[token / 32] >> (token % 32)) & 1 == 1;
    let mut candidates: Vec<Candidate> = Vec::new();
    for (token, &logit) in logits.iter().enumerate().filter(|(token, _)| has_bit(has_text, *token)) {
        let mut value = if sampler.temperature > 0.0 { logit / sampler.temperature } else { logit };
        if has_bit(seen, token) {
            value = if value > 0.0 { value / sampler.penalty } else { value * sampler.penalty };
        }
        candidates.push(Candidate { token: token as u32, value, key: key(value), mass: 0.0 });
    }
    // The lowest id on a tie.
    let Some(best) = candidates.iter().reduce(|best, c| if c.value > best.value { c } else { best }) else {
        return NO_TOKEN;
    };
    let (best_token, best) = (best.token, best.value);
    if sampler.temperature == 0.0 {
        return best_token;
    }

    let top_k = sampler.top_k as usize;
    if top_k > 0 && top_k < candidates.len() {
        let mut keys: Vec<u32> = candidates.iter().map(|c| c.key).collect();
        let (_, &mut least, _) = keys.select_nth_unstable_by(top_k - 1, |a, b| b.cmp(a));
        candidates.retain(|c| c.key >= least);
    }
    for c in &mut candidates {
        c.mass = (c.value - best).max(LEAST_EXPONENT).exp();
    }

    let segment = logits.len().div_ceil(SEGMENTS) as u32;
    if sampler.top_p < 1.0 {
        let wanted = sampler.top_p * total(&candidates, segment, |_| true);
        // The largest key above which at least the mass p lies, bit by bit.
        let mut above = 0;
        for bit in (0..32).rev() {
            let candidate = above | 1 << bit;
            if total(&candidates, segment, |c| c.key > candidate) >= wanted {
                above = candidate;
            }
        }
        candidates.retain(|c| c.key > above);
    }
    candidates.retain(|c| c.value >= best + sampler.ln_min_p);

    let target = uniform(sampler) * total(&candidates, segment, |_| true);
    let mut before = 0.0;
    let mut segments = candidates.chunk_by(|a, b| a.token / segment == b.token / segment);
    // Whole segments first; the token is looked for in the one that passes the target.
    let part = segments.find(|part| {
        let after = before + part.iter().fold(0.0, |sum, c| sum + c.mass);
        let passes = after > target;
        before = if passes { before } else { after };
        passes
    });
    let mut chosen = best_token;
    for c in part.into_iter().chain(segments).flatten() {
        before += c.mass;
        chosen = c.token;
        if before > target {
            break;
        }
    }
    chosen
}

/// The sum of masses, segment by segment.
fn total(candidates: &[Candidate], segment: u32, is_in: impl Fn(&Candidate) -> bool) -> f32 {
    candidates
        .chunk_by(|a, b| a.token / segment == b.token / segment)
        .fold(0.0, |sum, part| sum + part.iter().filter(|c| is_in(c)).fold(0.0, |sum, c| sum + c.mass))
}

/// Unsigned numbers in the order of the floats; -0 is 0.
fn key(value: f32) -> u32 {
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 }
}

/// From 0 to just below 1.
fn uniform(sampler: &SamplerWords) -> f32 {
    let [x, ..] = pcg3d([sampler.seed_low, sampler.seed_high, sampler.counter]);
    (x >> 8) as f32 / 16_777_216.0
}

/// Three random words of three words.
pub fn pcg3d(words: [u32; 3]) -> [u32; 3] {
    let mut v = words.map(|w| w.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |[x, y, z]: [u32; 3]| {
        let x = x.wrapping_add(y.wrapping_mul(z));
        let y = y.wrapping_add(z.wrapping_mul(x));
        [x, y, z.wrapping_add(x.wrapping_mul(y))]
    };
    v = mix(v).map(|w| w ^ (w >> 16));
    mix(v)
}
