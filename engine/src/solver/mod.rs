//! Puzzles on an HRM: each is thought about segment after segment until it halts, alone or beside others.
//!
//! A slot holds a puzzle. A submission works on the slots that have one, computes one or several segments, and the halting
//! mask on the device ends each puzzle at its own: what is recorded behind that leaves it as it is. What halted gives its
//! slot to the next puzzle. A puzzle has exactly the results that it would have alone.

mod noise;
mod submission;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use self::noise::Noise;
use crate::error::{Error, Result};
use crate::halting::HaltedBy;
use crate::kernels::decide::Control;
use crate::model::hrm::{Hrm, State};

/// When a puzzle has been thought about for long enough. Never longer than the model's halt_max_steps, unless exactly so
/// many segments are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Halting {
    /// q_halt > q_continue, and the answer has stayed the same for a segment.
    #[default]
    Settled,
    /// q_halt > q_continue: the authors' rule in training.
    Q,
    /// sigmoid(q_halt) is at least this.
    Confidence(f32),
    /// After exactly so many segments.
    Segments(u32),
}

/// What is to be solved.
#[derive(Debug, Clone, PartialEq)]
pub struct Puzzle {
    /// A word for each cell, seq_len of them.
    pub tokens: Vec<u32>,
    /// Its row in the model's table of puzzles.
    pub identifier: u32,
    /// What the first state is shaken by, for rollouts.
    pub noise: Option<Noise>,
}

/// What came of a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Which, from 1.
    pub segment: u32,
    /// The likeliest word of each cell.
    pub answer: Vec<u32>,
    /// How many cells have another one than in the segment before; in the first all.
    pub changed: u32,
    /// (q_halt, q_continue).
    pub q: [f32; 2],
    /// What ended it here; None: it goes on.
    pub halted_by: Option<HaltedBy>,
}

impl Segment {
    /// How probable the model thinks it that the whole answer is right: sigmoid(q_halt).
    pub fn confidence(&self) -> f32 {
        1.0 / (1.0 + (-self.q[0]).exp())
    }
}

/// A segment with what can be seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The slot.
    pub slot: usize,
    /// What came of it.
    pub segment: Segment,
    /// After each H cycle the logits `[cell, V]`. The last ones are those of the segment.
    pub cycles: Vec<Vec<f32>>,
}

/// How probable each word of each cell is: softmax over each row of `n_vocab` logits.
pub fn probabilities(logits: &[f32], n_vocab: usize) -> Vec<f32> {
    let mut shares = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(n_vocab) {
        let largest = row.iter().fold(f32::MIN, |largest, &logit| largest.max(logit));
        let exps = row.iter().map(|logit| (logit - largest).exp());
        let sum: f32 = exps.clone().sum();
        shares.extend(exps.map(|exp| exp / sum));
    }
    shares
}

/// The most rows of a submission: what one dimension of a kernel's grid can hold.
const MOST_ROWS: usize = 65535;

/// Room for some puzzles on a device.
#[derive(Debug)]
pub struct Solver {
    model: Arc<Hrm>,
    state: State,
    slots: Vec<Option<Slot>>,
}

/// A puzzle on its way.
#[derive(Debug, Clone)]
struct Slot {
    /// Segments so far.
    done: u32,
    control: Control,
    /// The last answer; before the first segment no word at all.
    answer: Vec<u32>,
}

impl Slot {
    /// Segments that it can still take.
    fn most_left(&self) -> u32 {
        let last = if self.control.forced > 0 { self.control.forced } else { self.control.cap };
        last.saturating_sub(self.done).max(1)
    }
}

/// In place of a word: there is none yet.
const NO_WORD: u32 = u32::MAX;

impl Solver {
    /// Room for so many puzzles at a time.
    ///
    /// # Errors
    /// [`Error::GpuMemory`]; [`Error::Puzzle`] where it is more than [`Solver::most_slots`].
    pub fn new(model: &Arc<Hrm>, n_slots: usize) -> Result<Solver> {
        let most = Solver::most_slots(model);
        if n_slots == 0 || n_slots > most {
            let (what, expected) = ("puzzles at a time", format!("from 1 to {most} for this model"));
            return Err(Error::Puzzle { what, expected, found: n_slots.to_string() });
        }
        let state = State::new(model.config(), model.device(), n_slots)?;
        Ok(Solver { model: Arc::clone(model), state, slots: vec![None; n_slots] })
    }

    /// The most puzzles that can be worked on at a time.
    pub fn most_slots(model: &Hrm) -> usize {
        MOST_ROWS / model.config().n_positions()
    }

    /// The model.
    pub fn model(&self) -> &Arc<Hrm> {
        &self.model
    }

    /// Puts a puzzle into a slot, in place of what is there.
    ///
    /// # Errors
    /// [`Error::Puzzle`], [`Error::TokenOutOfRange`]: nothing has changed. Those of reading the table of puzzles, and of
    /// the device.
    pub async fn begin(&mut self, slot: usize, puzzle: &Puzzle, halting: Halting) -> Result<()> {
        let config = self.model.config();
        let control = halting.control(config.halt_max_steps as u32)?;
        let n_slots = self.slots.len();
        if slot >= n_slots {
            let expected = format!("below {n_slots}");
            return Err(Error::Puzzle { what: "the slot", expected, found: slot.to_string() });
        }
        if puzzle.tokens.len() != config.seq_len {
            let expected = format!("{} for this model", config.seq_len);
            let found = puzzle.tokens.len().to_string();
            return Err(Error::Puzzle { what: "the number of cells", expected, found });
        }
        if let Some(&token) = puzzle.tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
            return Err(Error::TokenOutOfRange { token, vocab_size: config.vocab_size });
        }
        let rows = self.model.puzzle_rows(puzzle.identifier).await?;
        let (n_positions, n_embd) = (config.n_positions(), config.hidden_size);
        let (device, state, parameters) = (self.model.device(), &self.state, self.model.parameters());
        let at = 4 * (slot * n_positions) as u64;
        let mut tokens = vec![0; config.n_puzzle_positions()];
        tokens.extend(&puzzle.tokens);
        device.write(&state.tokens, at, bytemuck::cast_slice(&tokens))?;
        let at = at * n_embd as u64;
        device.write(&state.input, at, bytemuck::cast_slice(&rows))?;
        let mut shake = puzzle.noise.map(Noise::stream);
        for (init, z) in [(&parameters.h_init, &state.z_h), (&parameters.l_init, &state.z_l)] {
            let mut z_0 = init.repeat(n_positions);
            if let Some(shake) = &mut shake {
                z_0.iter_mut().for_each(|z| *z += shake.next_number());
            }
            device.write(z, at, bytemuck::cast_slice(&z_0))?;
        }
        self.slots[slot] = Some(Slot { done: 0, control, answer: vec![NO_WORD; puzzle.tokens.len()] });
        Ok(())
    }

    /// Takes a puzzle out of its slot.
    pub fn drop_slot(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = None;
        }
    }

    /// Whether no slot has a puzzle.
    pub fn is_idle(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Thinks on, in one submission, about all puzzles that are here: one segment, or several where the device is better
    /// served by that. What halted leaves its slot.
    ///
    /// # Errors
    /// Those of the device: all slots are empty then. That of a puzzle, [`Error::NonFiniteLogits`], is its own: its slot is
    /// empty then.
    pub async fn advance(&mut self) -> Result<Vec<(usize, Result<Vec<Segment>>)>> {
        /// Of which most puzzles need most.
        const LOOK_AHEAD: u32 = 4;
        let most = if self.model.device().looks_ahead() { LOOK_AHEAD } else { 1 };
        let left = self.slots.iter().flatten().map(Slot::most_left).max();
        let n_segments = left.unwrap_or(1).min(most);
        let done = self.submit(n_segments, submission::Kind::Answer).await;
        Ok(self.all_or_none(done)?.into_iter().map(|(slot, segments, _)| (slot, segments)).collect())
    }

    /// Thinks one segment on, and shows every H cycle of it.
    ///
    /// # Errors
    /// Those of [`Solver::advance`], the first of a puzzle's too.
    pub async fn watch(&mut self) -> Result<Vec<Watched>> {
        let done = self.submit(1, submission::Kind::Watch).await;
        let watched = |(slot, segments, cycles): submission::Outcome| {
            let segment = segments.map(|segments| segments.into_iter().next()).transpose()?;
            Some(segment.map(|segment| Watched { slot, segment, cycles }))
        };
        self.all_or_none(done)?.into_iter().filter_map(watched).collect()
    }

    /// Solves all puzzles, as many at a time as there are slots, and tells of each as it halts: its place in the list and
    /// all of its segments, or why there are none. A puzzle is asked for when it has a slot.
    ///
    /// # Errors
    /// Those of [`Solver::begin`] and [`Solver::advance`].
    pub async fn solve(
        &mut self,
        puzzles: &mut dyn Iterator<Item = Puzzle>,
        halting: Halting,
        on_halt: &mut dyn FnMut(usize, Result<Vec<Segment>>) -> ControlFlow<()>,
    ) -> Result<()> {
        self.slots.fill(None);
        let mut waiting = puzzles.enumerate();
        let mut here: Vec<(usize, Vec<Segment>)> = vec![(0, vec![]); self.slots.len()];
        loop {
            for (slot, here) in here.iter_mut().enumerate() {
                if self.slots[slot].is_none()
                    && let Some((i, puzzle)) = waiting.next()
                {
                    self.begin(slot, &puzzle, halting).await?;
                    *here = (i, vec![]);
                }
            }
            if self.is_idle() {
                return Ok(());
            }
            for (slot, segments) in self.advance().await? {
                let (i, so_far) = &mut here[slot];
                let all = segments.map(|segments| {
                    so_far.extend(segments);
                    std::mem::take(so_far)
                });
                match all {
                    Ok(segments) if self.slots[slot].is_some() => *so_far = segments,
                    all => {
                        if on_halt(*i, all).is_break() {
                            self.slots.fill(None);
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// Nobody knows what a device did that failed.
    fn all_or_none<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.slots.fill(None);
        }
        done
    }
}

impl Halting {
    fn control(self, cap: u32) -> Result<Control> {
        let mut control: Control = bytemuck::Zeroable::zeroed();
        control.cap = cap;
        match self {
            Halting::Settled => control.must_settle = 1,
            Halting::Q => {}
            Halting::Confidence(p) if p > 0.0 && p < 1.0 => {
                control.by_threshold = 1;
                control.threshold = (p / (1.0 - p)).ln();
            }
            Halting::Segments(n) if n > 0 => control.forced = n,
            Halting::Confidence(p) => {
                let expected = "between 0 and 1, both left out".to_owned();
                return Err(Error::Puzzle { what: "the confidence", expected, found: p.to_string() });
            }
            Halting::Segments(_) => {
                let expected = "1 or more".to_owned();
                return Err(Error::Puzzle {
                    what: "the number of segments",
                    expected,
                    found: "0".to_owned(),
                });
            }
        }
        Ok(control)
    }
}

/// Of several copies of a puzzle, by their last segments, the one of which the model is surest; the first of equals.
pub fn most_confident<'a>(copies: impl Iterator<Item = &'a Segment>) -> Option<usize> {
    let surer = |best: Option<(usize, f32)>, (i, segment): (usize, &Segment)| match best {
        Some((_, q)) if segment.q[0] <= q => best,
        _ => Some((i, segment.q[0])),
    };
    copies.enumerate().fold(None, surer).map(|(i, _)| i)
}
