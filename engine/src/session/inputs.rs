//! The small buffers that the host fills for a submission, and the one that it reads.

use super::MOST_TOKENS;
use crate::config::Config;
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::kernels::halt::Control;
use crate::kernels::sample::SamplerWords;
use crate::model::Model;

/// One for each purpose; all but the table of rows have a place for each sequence.
#[derive(Debug)]
pub struct Inputs {
    /// `[row]`, see [`Span`](crate::kernels::Span).
    pub rows: Buffer,
    /// `[sequence]` of (depth, first position of the output stage).
    pub mask: Buffer,
    /// The same for a trace's looks at the output stage of every step.
    pub peek: Buffer,
    /// `[sequence]`.
    pub controls: Buffer,
    /// `[sequence, depth]`: what halting at that depth writes into the mask.
    pub out_from: Buffer,
    /// `[token, sequence]` of (depth, halted by, q_halt, q_continue).
    pub halted: Buffer,
    /// `[sequence]`.
    pub samplers: Buffer,
    /// Whether all that were written last are greedy.
    pub are_greedy: bool,
    /// `[sequence]`, a bit for each token of the context.
    pub seen: Buffer,
}

/// Rows that the table has room for at first.
const FIRST_ROWS: u64 = 256;

impl Inputs {
    /// Room for so many sequences.
    pub fn new(config: &Config, device: &Device, n_sequences: usize) -> Result<Inputs> {
        let words = |label, n: usize| device.buffer(label, 4 * (n_sequences as u64) * (n as u64));
        Ok(Inputs {
            rows: device.buffer("the table of rows", 16 * FIRST_ROWS)?,
            mask: words("the halting mask", 2)?,
            peek: words("the trace's mask", 2)?,
            controls: words("depth controls", size_of::<Control>() / 4)?,
            out_from: words("where output stages begin", config.hrm_max_steps)?,
            halted: words("how sequences halted", 4 * MOST_TOKENS)?,
            samplers: words("samplers", size_of::<SamplerWords>() / 4)?,
            are_greedy: true,
            seen: words("seen tokens", config.vocab_size.div_ceil(32))?,
        })
    }

    /// Writes a table of rows.
    pub fn write_rows(&mut self, device: &Device, rows: &[[u32; 4]]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(rows);
        if bytes.len() as u64 > self.rows.n_bytes() {
            self.rows = device.buffer("the table of rows", (bytes.len() as u64).next_power_of_two())?;
        }
        device.write(&self.rows, 0, bytes)
    }

    /// Writes how the next tokens of some sequences are chosen.
    pub fn write_samplers(&mut self, device: &Device, samplers: &[(usize, SamplerWords)]) -> Result<()> {
        self.are_greedy = samplers.iter().all(|(_, words)| words.temperature == 0.0);
        for (sequence, words) in samplers {
            let bytes = bytemuck::bytes_of(words);
            device.write(&self.samplers, (sequence * bytes.len()) as u64, bytes)?;
        }
        Ok(())
    }

    /// Writes which tokens a context has.
    pub fn write_seen(&self, model: &Model, sequence: usize, tokens: &[u32]) -> Result<()> {
        let mut seen = vec![0u32; model.config().vocab_size.div_ceil(32)];
        for &token in tokens {
            seen[token as usize / 32] |= 1 << (token % 32);
        }
        let bytes: &[u8] = bytemuck::cast_slice(&seen);
        model.device().write(&self.seen, (sequence * bytes.len()) as u64, bytes)
    }
}
