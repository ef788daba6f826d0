//! Sequences on a device: their contexts, what is cached of them, and the reading of one more token.
//!
//! [`Session::read`] takes contexts and brings each of them, through whatever is missing from the cache, to its
//! own depth and its next token. A first submission holds the steps that the last tokens needed, the output
//! stage and the sampling; a sequence that has not halted by then gets as many steps again in each further one. Where
//! the output stage has to be computed for a whole context at a depth that nobody expected, it is one more. On a
//! device that does not look ahead a submission holds one step.
//!
//! [`Session::read_ahead`] goes on behind the next token within the first submission (`ahead.rs`).

mod ahead;
mod inputs;
mod read_out;
mod submission;
mod traced;

use std::ops::RangeInclusive;
use std::sync::Arc;

use self::inputs::Inputs;
use self::submission::{Kind, Outcome};
use crate::cache::Sequence;
use crate::error::{Error, Result};
use crate::halting::{DepthControl, HaltedBy};
use crate::kernels::halt::Control;
use crate::kernels::sample::{NO_TOKEN, SamplerWords};
use crate::model::Model;
use crate::model::state::State;
use crate::sampler::Sampling;

pub use ahead::{MOST_TOKENS, ReadAhead};
pub use read_out::Prefix;

/// Several contexts of one model. Each has exactly the results that it would have alone.
#[derive(Debug)]
pub struct Session {
    model: Arc<Model>,
    state: State,
    inputs: Inputs,
    sequences: Vec<Sequence>,
    /// The depth of each sequence's last token: as deep as a first submission goes.
    expected: Vec<u32>,
    computed: Computed,
}

/// One context to be read.
#[derive(Debug, Clone)]
pub struct Read<'a> {
    /// Which sequence of the session, from 0.
    pub sequence: usize,
    /// The whole context; what it shares with the one before is not computed again.
    pub tokens: &'a [u32],
    /// How long to think.
    pub depth: DepthControl,
    /// How to choose the next token.
    pub sampling: Sampling,
    /// The token's place in the answer, from 0: which random number is drawn.
    pub place: u32,
}

/// What came of a context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Steps that were computed.
    pub depth: u32,
    /// What ended them.
    pub halted_by: HaltedBy,
    /// (q_halt, q_continue) of the last step, before the bias.
    pub q: [f32; 2],
    /// The next token.
    pub token: u32,
}

/// Rows that were computed since the session began: of the input stage, of all steps, of the output stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Computed {
    /// (position)s of the input stage.
    pub input_rows: u64,
    /// (position, depth)s of the steps.
    pub step_rows: u64,
    /// (position, depth)s of the output stage.
    pub output_rows: u64,
}

/// A context on its way.
#[derive(Debug)]
struct Pending {
    sequence: usize,
    control: Control,
    /// The most steps that can come of it.
    deepest: u32,
    /// Whether the token that is drawn now is to be fed back, and how often.
    ahead: ReadAhead,
    /// The last step that was taken without halting.
    done: u32,
    halted: Option<Halted>,
    token: Option<Token>,
    /// Those that were fed back.
    readings: Vec<Reading>,
}

impl Pending {
    /// Whether it may halt at a step, and then has its output stage.
    fn may_halt_at(&self, step: u32) -> bool {
        match self.control.forced {
            0 => step <= self.deepest && (step >= self.control.floor || step == self.control.cap),
            forced => step == forced,
        }
    }
}

/// What the output stage came to.
#[derive(Debug, Clone, Copy)]
enum Token {
    Drawn(u32),
    /// A logit is not finite.
    NotFinite,
    /// No token has a text.
    NoneHasText,
}

#[derive(Debug, Clone, Copy)]
struct Halted {
    depth: u32,
    by: HaltedBy,
    q: [f32; 2],
}

const NO_STEPS: RangeInclusive<u32> = RangeInclusive::new(1, 0);

impl Session {
    /// Room for so many sequences of at most `capacity` positions.
    ///
    /// # Errors
    /// [`Error::GpuMemory`]; [`Error::ContextFull`] where the capacity is above the model's window.
    pub fn new(model: &Arc<Model>, n_sequences: usize, capacity: usize) -> Result<Session> {
        let (config, device) = (model.config(), model.device());
        if capacity > config.block_size {
            return Err(Error::ContextFull { n_tokens: capacity, block_size: config.block_size });
        }
        let (n_sequences, capacity) = (n_sequences.max(1), capacity.max(1));
        // Slots are counted in 32 bits on the device.
        if n_sequences.checked_mul(capacity).is_none_or(|n_slots| u32::try_from(n_slots).is_err()) {
            let what = format!("{n_sequences} sequences of {capacity} positions");
            return Err(Error::GpuMemory { what, needed_bytes: u64::MAX, held_bytes: 0, limit_bytes: None });
        }
        Ok(Session {
            model: Arc::clone(model),
            state: State::new(config, device, n_sequences, capacity)?,
            inputs: Inputs::new(config, device, n_sequences)?,
            sequences: vec![Sequence::new(config.hrm_max_steps); n_sequences],
            expected: vec![1; n_sequences],
            computed: Computed::default(),
        })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Positions that a sequence may have.
    pub fn capacity(&self) -> usize {
        self.state.capacity
    }

    /// What was computed so far.
    pub fn computed(&self) -> Computed {
        self.computed
    }

    /// The context of a sequence, whose beginning another one may share.
    pub fn context(&self, sequence: usize) -> &[u32] {
        self.sequences.get(sequence).map_or(&[], Sequence::tokens)
    }

    /// Reads contexts, each of another sequence, and chooses their next tokens.
    ///
    /// # Errors
    /// Those of [`Session::read_each`], and the first of those that it has for one of the sequences.
    pub async fn read(&mut self, reads: &[Read<'_>]) -> Result<Vec<Reading>> {
        self.read_each(reads).await?.into_iter().collect()
    }

    /// The same, where one sequence's failure is no other's: the error of a sequence is
    /// [`Error::NonFiniteLogits`] or [`Error::NotThere`], and the sequence is empty then.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::ContextFull`], [`Error::TokenOutOfRange`], [`Error::NotThere`], those of
    /// [`DepthControl::check`] and [`Sampling::check`]: nothing has changed. Those of the device: all sequences
    /// are empty, and can be used again.
    pub async fn read_each(&mut self, reads: &[Read<'_>]) -> Result<Vec<Result<Reading>>> {
        let ahead = ReadAhead { n_tokens: 1, end: None };
        let reads: Vec<_> = reads.iter().map(|read| (read.clone(), ahead)).collect();
        let readings = self.read_ahead(&reads).await?.into_iter();
        Ok(readings.map(|readings| readings.map(|mut readings| readings.remove(0))).collect())
    }

    /// The same for several tokens in a row: each is fed back on the device, which stops where it lacks something
    /// that the host has to send, so there may be fewer than were wanted, but always the first. They are those that
    /// as many calls of [`Session::read_each`] give.
    ///
    /// # Errors
    /// Those of [`Session::read_each`]. A failure behind a sequence's first token is left to the next read.
    pub async fn read_ahead(&mut self, reads: &[(Read<'_>, ReadAhead)]) -> Result<Vec<Result<Vec<Reading>>>> {
        let (contexts, aheads): (Vec<Read<'_>>, Vec<ReadAhead>) = reads.iter().cloned().unzip();
        let mut pending = self.accept(&contexts)?;
        for (p, ahead) in pending.iter_mut().zip(aheads) {
            p.ahead = ahead;
        }
        let done = self.think(&mut pending).await;
        self.finish(done, pending)
    }

    /// Submission after submission, until every sequence has halted and has its token.
    async fn think(&mut self, pending: &mut [Pending]) -> Result<()> {
        let looks_ahead = self.model.device().looks_ahead();
        let expected = |p: &Pending| match p.control.forced {
            0 if looks_ahead => self.expected[p.sequence].max(p.control.floor).min(p.deepest),
            0 => p.control.floor.clamp(1, p.deepest),
            forced => forced,
        };
        let first = pending.iter().map(expected).max().unwrap_or(1);
        self.submit(pending, 1..=first, Kind::Answer).await?;
        loop {
            let undecided = || pending.iter().filter(|p| p.halted.is_none());
            let (done, deepest) = (undecided().map(|p| p.done).min(), undecided().map(|p| p.deepest).max());
            let (Some(done), Some(deepest)) = (done, deepest) else { break };
            if done >= deepest {
                return Err(Error::Internal(format!("a sequence did not halt at its cap of {deepest}")));
            }
            let more = if looks_ahead { done } else { 1 };
            self.submit(pending, done + 1..=(done + more).min(deepest), Kind::Answer).await?;
        }
        if pending.iter().any(|p| p.token.is_none()) {
            self.submit(pending, NO_STEPS, Kind::Answer).await?;
        }
        Ok(())
    }

    /// Checks everything before anything is changed, then sets the contexts.
    fn accept(&mut self, reads: &[Read<'_>]) -> Result<Vec<Pending>> {
        let config = self.model.config();
        for (i, read) in reads.iter().enumerate() {
            let is_new = reads[..i].iter().all(|earlier| earlier.sequence != read.sequence);
            if read.sequence >= self.sequences.len() || !is_new {
                let (s, n) = (read.sequence, self.sequences.len());
                return Err(Error::NotThere(format!(
                    "sequence {s} of {n}, or it is named twice in one read"
                )));
            }
            self.check_tokens(read.tokens)?;
            read.depth.check(config)?;
            read.sampling.check()?;
        }
        let samplers: Vec<(usize, SamplerWords)> =
            reads.iter().map(|read| (read.sequence, read.sampling.words(read.place))).collect();
        let model = Arc::clone(&self.model);
        for read in reads {
            self.set_context(read.sequence, read.tokens)?;
            if read.sampling.looks_back() {
                self.inputs.write_seen(&model, read.sequence, read.tokens)?;
            }
        }
        self.inputs.write_samplers(model.device(), &samplers)?;
        let pending = |read: &Read<'_>| Pending {
            sequence: read.sequence,
            control: read.depth.words(model.config(), read.tokens.len()),
            deepest: read.depth.deepest(model.config()),
            ahead: ReadAhead { n_tokens: 1, end: None },
            done: 0,
            halted: None,
            token: None,
            readings: vec![],
        };
        Ok(reads.iter().map(pending).collect())
    }

    fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        let (vocab_size, capacity) = (self.model.config().vocab_size, self.state.capacity);
        if tokens.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if tokens.len() > capacity {
            return Err(Error::ContextFull { n_tokens: tokens.len(), block_size: capacity });
        }
        match tokens.iter().find(|&&token| token as usize >= vocab_size) {
            Some(&token) => Err(Error::TokenOutOfRange { token, vocab_size }),
            None => Ok(()),
        }
    }

    fn set_context(&mut self, sequence: usize, tokens: &[u32]) -> Result<()> {
        let from = self.sequences[sequence].set(tokens);
        let at = 4 * (sequence * self.state.capacity + from) as u64;
        self.model.device().write(&self.state.tokens, at, bytemuck::cast_slice(&tokens[from..]))
    }

    /// The readings; or, where the device failed, an empty session, because nobody knows what it did.
    fn finish(&mut self, done: Result<()>, pending: Vec<Pending>) -> Result<Vec<Result<Vec<Reading>>>> {
        if let Err(error) = done {
            self.sequences.iter_mut().for_each(|sequence| sequence.truncate(0));
            return Err(error);
        }
        let finish_one = |mut p: Pending| {
            match self.reading(&p) {
                Ok(reading) => {
                    self.expected[p.sequence] = reading.depth;
                    p.readings.push(reading);
                }
                Err(error) => {
                    self.sequences[p.sequence].truncate(0);
                    // What came before it is good; the next read comes to the error first.
                    if p.readings.is_empty() {
                        return Err(error);
                    }
                }
            }
            Ok(p.readings)
        };
        Ok(pending.into_iter().map(finish_one).collect())
    }

    fn reading(&self, p: &Pending) -> Result<Reading> {
        match (p.halted, p.token) {
            (Some(Halted { depth, by, q }), Some(Token::Drawn(token))) => {
                Ok(Reading { depth, halted_by: by, q, token })
            }
            (_, Some(Token::NotFinite)) => {
                Err(Error::NonFiniteLogits { position: self.sequences[p.sequence].tokens().len() - 1 })
            }
            (_, Some(Token::NoneHasText)) => {
                Err(Error::NotThere("a token that may be drawn, as none has a text".to_owned()))
            }
            _ => Err(Error::Internal(format!("sequence {} has no token", p.sequence))),
        }
    }

    /// Takes note of what a submission did.
    fn confirm(&mut self, p: &mut Pending, outcome: &Outcome) {
        let sequence = &mut self.sequences[p.sequence];
        let n = sequence.tokens().len();
        if p.halted.is_none() && outcome.last_step > 0 {
            p.halted = outcome.halted;
            p.done = outcome.last_step;
            let depth = p.halted.map_or(outcome.last_step, |halted| halted.depth);
            self.computed.input_rows += (n - sequence.x_from()) as u64;
            self.computed.step_rows += (1..=depth).map(|d| (n - sequence.step_from(d)) as u64).sum::<u64>();
            sequence.confirm_steps(depth);
        }
        let Some((depth, [token, is_bad])) = outcome.output else { return };
        self.computed.output_rows += (n - sequence.out_from(depth)) as u64;
        sequence.confirm_output(depth, n);
        if p.halted.is_some_and(|halted| halted.depth == depth) {
            p.token = Some(match token {
                _ if is_bad != 0 => Token::NotFinite,
                NO_TOKEN => Token::NoneHasText,
                token => Token::Drawn(token),
            });
        }
    }
}
