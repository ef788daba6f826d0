//! One submission: which rows it works on, what it records, what came back.

use std::ops::RangeInclusive;

use super::ahead::Turn;
use super::{Halted, Pending, Session};
use crate::device::Region;
use crate::error::Result;
use crate::halting::HaltedBy;
use crate::kernels::feed::Feed;
use crate::kernels::halt::{Control, Halt};
use crate::kernels::sample::{NO_TOKEN, Sample};
use crate::kernels::{OUTPUT, Span};
use crate::model::cosmicfish_hrm::Forward;
use crate::model::state::MOST_ROWS;
use crate::recording::Recording;

/// Masked rows of the output stage that a submission puts up with, to serve a depth that may not be the one.
pub const SPARE_ROWS: usize = 16;
/// In the mask: this submission does not hold all rows that the output stage needs at this depth.
const NOT_HERE: u32 = u32::MAX;
/// Rows times blocks after which work is handed over: operating systems kill what takes seconds.
const MOST_ROW_BLOCKS: usize = 8192;

/// What the output stage of a submission is for.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// It serves those that halt.
    Answer,
    /// It shows what the model would say at the submission's one step, halted or not.
    Trace(&'a super::traced::Buffers),
}

/// What a submission did for one sequence.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The last step that it held; 0 where it held none.
    pub last_step: u32,
    /// How the sequence halted, where it did.
    pub halted: Option<Halted>,
    /// The depth at which the output stage was computed, and (token, whether a logit is not finite).
    pub output: Option<(u32, [u32; 2])>,
}

/// A part of the table of rows, short enough for one call.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub first: u32,
    pub n: u32,
}

/// The table of rows, as it grows.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<[u32; 4]>,
}

impl Table {
    /// Appends rows (sequence, position, whether it is the sequence's last) in pieces of at most `most`; a
    /// row's source is its place in its piece.
    pub fn add(&mut self, rows: &[(usize, usize, bool)], most: usize) -> Vec<Piece> {
        let piece = |rows: &[(usize, usize, bool)]| {
            let first = self.rows.len() as u32;
            let entries = (0..)
                .zip(rows)
                .map(|(i, &(s, position, is_last))| [s as u32, position as u32, i, u32::from(is_last)]);
            self.rows.extend(entries);
            Piece { first, n: rows.len() as u32 }
        };
        rows.chunks(most).map(piece).collect()
    }

    /// Appends, as one piece, chosen rows of a piece; their sources stay their places in that piece.
    pub fn pick(&mut self, piece: Piece, mut is_chosen: impl FnMut(&[u32; 4]) -> bool) -> Piece {
        let first = self.rows.len() as u32;
        let whole = piece.first as usize..(piece.first + piece.n) as usize;
        let chosen: Vec<[u32; 4]> = self.rows[whole].iter().copied().filter(|row| is_chosen(row)).collect();
        self.rows.extend_from_slice(&chosen);
        Piece { first, n: chosen.len() as u32 }
    }

    /// All rows.
    pub fn rows(&self) -> &[[u32; 4]] {
        &self.rows
    }
}

/// Which rows a submission works on, piece by piece.
struct Plan {
    table: Table,
    input: Vec<Piece>,
    /// Steps, each with its pieces.
    steps: Vec<(u32, Vec<Piece>)>,
    /// Pieces of the output stage, each with those of its rows that get logits.
    output: Vec<(Piece, Piece)>,
    /// For each pending sequence: the first row of its output stage that is here.
    out_first: Vec<Option<usize>>,
    /// For each pending sequence: how many tokens may be fed back.
    n_fed: Vec<usize>,
    /// Those tokens.
    turns: Vec<Turn>,
}

impl Session {
    /// Runs steps for the sequences that have not halted, the output stage for those that have or may, and
    /// takes note of what came of it. Returns what a trace reads beside that.
    pub(super) async fn submit(
        &mut self,
        pending: &mut [Pending],
        steps: RangeInclusive<u32>,
        kind: Kind<'_>,
    ) -> Result<Vec<Vec<u8>>> {
        let model = std::sync::Arc::clone(&self.model);
        let (config, device) = (model.config(), model.device());
        let plan = self.plan(pending, steps.clone(), kind);
        let mut r = Recording::new();
        if !steps.is_empty() {
            self.state.reach(config, device, &mut r, *steps.end() as usize)?;
        }
        let pieces = plan.input.iter().chain(plan.steps.iter().flat_map(|(_, pieces)| pieces));
        let output = plan.output.iter().chain(plan.turns.iter().flat_map(|turn| &turn.output));
        let n_rows = pieces.chain(output.map(|(piece, _)| piece)).map(|piece| piece.n).max();
        let n_out = plan.out_first.iter().flatten().count();
        let n_drawn = n_out + plan.n_fed.iter().sum::<usize>();
        self.state.make_room(config, device, n_rows.unwrap_or(1) as usize, n_out, n_drawn)?;
        self.inputs.write_rows(device, plan.table.rows())?;
        let here = self.write_masks(pending, &plan, &steps, kind)?;
        self.write_places(pending, &plan.n_fed)?;

        let forward = Forward { model: &model, state: &self.state };
        self.record(&mut r, &forward, &plan, kind);

        let n_sequences = self.sequences.len() as u64;
        let mut reads = vec![Region {
            buffer: &self.inputs.halted,
            at: 0,
            bytes: 16 * n_sequences * (1 + plan.turns.len() as u64),
        }];
        if n_out > 0 {
            reads.push(Region { buffer: &self.state.work.drawn, at: 0, bytes: 8 * n_drawn as u64 });
        }
        if let Kind::Trace(buffers) = kind {
            let p = &pending[0];
            let slab = (*steps.end() as usize - 1) * self.state.n_slots;
            let last = p.sequence * self.state.capacity + self.sequences[p.sequence].tokens().len() - 1;
            reads.extend(buffers.regions(&self.state, slab + last, config.vocab_size));
        }
        let mut read = device.run(r, &reads).await?;
        let traced = read.split_off(read.len().min(2));
        let halted: Vec<[u32; 4]> = bytemuck::pod_collect_to_vec(&read[0]);
        let drawn: Vec<[u32; 2]> =
            read.get(1).map(|bytes| bytemuck::pod_collect_to_vec(bytes)).unwrap_or_default();

        let last_step = if steps.is_empty() { 0 } else { *steps.end() };
        let mut drawn = drawn.into_iter();
        for (i, p) in pending.iter_mut().enumerate() {
            let drawn = plan.out_first[i].and_then(|_| drawn.next());
            let halted = p.halted.or_else(|| Halted::from_words(halted[p.sequence]));
            let depth = match kind {
                Kind::Answer => halted.map(|halted| halted.depth).filter(|&depth| here(i, depth)),
                Kind::Trace(_) => Some(last_step),
            };
            self.confirm(p, &Outcome { last_step, halted, output: depth.zip(drawn) });
        }
        self.confirm_turns(pending, &plan.n_fed, &halted[self.sequences.len()..], drawn, here);
        Ok(traced)
    }

    fn plan(&self, pending: &[Pending], steps: RangeInclusive<u32>, kind: Kind<'_>) -> Plan {
        let mut table = Table::default();
        let undecided = || pending.iter().filter(|p| p.halted.is_none() && !steps.is_empty());
        // Positions of a sequence, from one on.
        let rows = |p: &Pending, from: usize| {
            let (s, n) = (p.sequence, self.sequences[p.sequence].tokens().len());
            (from..n).map(move |position| (s, position, position + 1 == n))
        };
        let input: Vec<_> = undecided().flat_map(|p| rows(p, self.sequences[p.sequence].x_from())).collect();
        let input = table.add(&input, MOST_ROWS);
        let steps_with_rows = steps.clone().map(|step| {
            let of_step = undecided().filter(|p| step <= p.deepest);
            let of_step: Vec<_> =
                of_step.flat_map(|p| rows(p, self.sequences[p.sequence].step_from(step))).collect();
            (step, table.add(&of_step, MOST_ROWS))
        });
        let steps_with_rows = steps_with_rows.collect();

        let out_first: Vec<Option<usize>> = pending.iter().map(|p| self.out_first(p, &steps, kind)).collect();
        let output: Vec<_> = pending
            .iter()
            .zip(&out_first)
            .filter_map(|(p, from)| Some(rows(p, (*from)?)))
            .flatten()
            .collect();
        let output = table.add(&output, MOST_ROWS);
        let output = output.into_iter().map(|piece| (piece, table.pick(piece, |row| row[3] == 1))).collect();
        let (n_fed, turns) = match kind {
            Kind::Answer if steps.contains(&1) => self.turns(pending, &out_first, steps, &mut table),
            _ => (vec![], vec![]),
        };
        Plan { table, input, steps: steps_with_rows, output, out_first, n_fed, turns }
    }

    /// The first row of a sequence's output stage that a submission holds: what the depths need at which it
    /// may halt here, as long as that is little more than one row; otherwise what any of them needs.
    fn out_first(&self, p: &Pending, steps: &RangeInclusive<u32>, kind: Kind<'_>) -> Option<usize> {
        let sequence = &self.sequences[p.sequence];
        if let Some(halted) = p.halted {
            return p.token.is_none().then(|| sequence.out_from(halted.depth));
        }
        let n = sequence.tokens().len();
        let froms = || {
            let here = steps.clone().filter(|step| matches!(kind, Kind::Trace(_)) || p.may_halt_at(*step));
            here.map(|step| sequence.out_from(step))
        };
        froms().filter(|from| n - from <= SPARE_ROWS).min().or_else(|| froms().min())
    }

    /// Writes the mask and what halting may write into it. Returns whether a pending sequence's output stage is
    /// wholly here at a depth.
    fn write_masks(
        &self,
        pending: &[Pending],
        plan: &Plan,
        steps: &RangeInclusive<u32>,
        kind: Kind<'_>,
    ) -> Result<impl Fn(usize, u32) -> bool + use<>> {
        let (device, n_depths) = (self.model.device(), self.model.config().hrm_max_steps);
        let n_sequences = self.sequences.len();
        let mut mask = vec![[0u32; 2]; n_sequences];
        let mut peek = vec![[0u32; 2]; n_sequences];
        let mut controls = vec![bytemuck::Zeroable::zeroed(); n_sequences];
        let mut out_from = vec![NOT_HERE; n_sequences * n_depths];
        let mut tables: Vec<Vec<u32>> = Vec::with_capacity(pending.len());
        for (i, (p, first)) in pending.iter().zip(&plan.out_first).enumerate() {
            let sequence = &self.sequences[p.sequence];
            let from = |depth: u32| match (first, sequence.out_from(depth)) {
                (Some(first), from) if from >= *first => from as u32,
                _ => NOT_HERE,
            };
            let table: Vec<u32> = (1..=n_depths as u32).map(from).collect();
            match p.halted {
                Some(halted) => mask[p.sequence] = [halted.depth, from(halted.depth)],
                None if !steps.is_empty() => {
                    let n_fed = plan.n_fed.get(i).map_or(0, |&n| n as u32);
                    controls[p.sequence] = Control {
                        reach: *steps.end(),
                        most_tokens: p.control.n_tokens + n_fed,
                        end: p.ahead.end.unwrap_or(NO_TOKEN),
                        ..p.control
                    };
                }
                None => {}
            }
            if matches!(kind, Kind::Trace(_)) {
                peek[p.sequence] = [*steps.end(), from(*steps.end())];
            }
            out_from[p.sequence * n_depths..][..n_depths].copy_from_slice(&table);
            tables.push(table);
        }
        let inputs = &self.inputs;
        device.write(&inputs.mask, 0, bytemuck::cast_slice(&mask))?;
        device.write(&inputs.peek, 0, bytemuck::cast_slice(&peek))?;
        device.write(&inputs.controls, 0, bytemuck::cast_slice(&controls))?;
        device.write(&inputs.out_from, 0, bytemuck::cast_slice(&out_from))?;
        let none_halted = vec![[0u32; 4]; n_sequences * (1 + plan.turns.len())];
        device.write(&inputs.halted, 0, bytemuck::cast_slice(&none_halted))?;
        Ok(move |i: usize, depth: u32| tables[i][depth as usize - 1] != NOT_HERE)
    }

    fn record(&self, r: &mut Recording, forward: &Forward<'_>, plan: &Plan, kind: Kind<'_>) {
        let config = self.model.config();
        let mut weight = Weight::default();
        for &piece in &plan.input {
            forward.input(r, self.span(piece, 1));
            weight.add(r, piece, config.n_input_layers);
        }
        for (step, pieces) in &plan.steps {
            let n_rows = pieces.iter().map(|piece| piece.n).sum();
            for &piece in pieces {
                let first = piece.first - pieces[0].first;
                let probe = match kind {
                    Kind::Answer => None,
                    Kind::Trace(buffers) => Some(buffers.probe(n_rows, first)),
                };
                forward.step(r, self.span(piece, *step), probe.as_ref());
                weight.add(r, piece, config.step_applications());
            }
            self.halt(r, *step, 0);
        }
        let mask = if matches!(kind, Kind::Trace(_)) { &self.inputs.peek } else { &self.inputs.mask };
        let mut drawn_row = 0;
        let mut output = |r: &mut Recording, pieces: &[(Piece, Piece)], is_fed: bool| {
            let mut out_row = 0;
            for &(piece, last) in pieces {
                forward.output(r, Span { mask, ..self.span(piece, OUTPUT) });
                if last.n > 0 {
                    let last = Span { mask, ..self.span(last, OUTPUT) };
                    forward.logits(r, last, out_row);
                    self.draw(r, last, out_row, drawn_row);
                    if is_fed {
                        self.feed(r, last, drawn_row);
                    }
                    out_row += last.n;
                    drawn_row += last.n;
                }
                weight.add(r, piece, config.n_output_layers);
            }
        };
        output(r, &plan.output, !plan.turns.is_empty());
        for (i, turn) in plan.turns.iter().enumerate() {
            for &piece in &turn.rows {
                forward.input(r, self.span(piece, 1));
            }
            for &(step, _) in &plan.steps {
                for &piece in &turn.rows {
                    forward.step(r, self.span(piece, step), None);
                }
                self.halt(r, step, i + 1);
            }
            output(r, &turn.output, i + 1 < plan.turns.len());
        }
    }

    /// Tests whether sequences halt at a step; `token` counts those of the submission, from 0.
    fn halt(&self, r: &mut Recording, step: u32, token: usize) {
        let (inputs, state) = (&self.inputs, &self.state);
        let n_sequences = self.sequences.len() as u32;
        Halt {
            controls: &inputs.controls,
            q: &state.q,
            out_from: &inputs.out_from,
            mask: &inputs.mask,
            halted: &inputs.halted,
            step,
            n_sequences,
            capacity: state.capacity as u32,
            n_slots: state.n_slots as u32,
            n_planes: self.model.config().hrm_max_steps as u32,
            first_halted: token as u32 * n_sequences,
        }
        .record(r);
    }

    /// Makes drawn tokens the next of their contexts.
    fn feed(&self, r: &mut Recording, span: Span<'_>, drawn_row: u32) {
        let (inputs, state, config) = (&self.inputs, &self.state, self.model.config());
        Feed {
            span,
            drawn: &state.work.drawn,
            controls: &inputs.controls,
            out_from: &inputs.out_from,
            tokens: &state.tokens,
            seen: &inputs.seen,
            samplers: &inputs.samplers,
            n_vocab: config.vocab_size as u32,
            capacity: state.capacity as u32,
            n_planes: config.hrm_max_steps as u32,
            drawn_row,
        }
        .record(r);
    }

    /// Chooses the tokens of rows that have logits.
    pub(super) fn draw(&self, r: &mut Recording, span: Span<'_>, out_row: u32, drawn_row: u32) {
        let sample = Sample {
            span,
            logits: &self.state.work.logits,
            has_text: &self.model.parameters().has_text,
            seen: &self.inputs.seen,
            samplers: &self.inputs.samplers,
            drawn: &self.state.work.drawn,
            n_vocab: self.model.config().vocab_size as u32,
            out_row,
            drawn_row,
        };
        if self.inputs.are_greedy {
            sample.record_greedy(r);
        } else {
            sample.record(r);
        }
    }
}

impl Halted {
    pub(super) fn from_words([depth, by, q_halt, q_continue]: [u32; 4]) -> Option<Halted> {
        let q = [q_halt, q_continue].map(f32::from_bits);
        HaltedBy::from_word(by).map(|by| Halted { depth, by, q })
    }
}

/// How much was recorded since the last cut.
#[derive(Default)]
struct Weight {
    row_blocks: usize,
}

impl Weight {
    fn add(&mut self, r: &mut Recording, piece: Piece, n_blocks: usize) {
        self.row_blocks += piece.n as usize * n_blocks;
        if self.row_blocks >= MOST_ROW_BLOCKS {
            r.cut();
            self.row_blocks = 0;
        }
    }
}
