//! One submission: the rows of the puzzles that are here, some segments of them, and what came back.

use super::{Segment, Slot, Solver};
use crate::config::HrmConfig;
use crate::device::Region;
use crate::error::{Error, Result};
use crate::halting::HaltedBy;
use crate::kernels::OVER;
use crate::kernels::decide::{Control, Decide, Verdict};
use crate::model::hrm::{Forward, Rows};
use crate::recording::Recording;

/// What a submission is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Answer,
    /// The logits after each H cycle are read too.
    Watch,
}

/// A slot, its segments or why it has none, and the logits after each H cycle where somebody watches.
pub type Outcome = (usize, Result<Vec<Segment>>, Vec<Vec<f32>>);

impl Solver {
    pub(super) async fn submit(&mut self, n_segments: u32, kind: Kind) -> Result<Vec<Outcome>> {
        let model = std::sync::Arc::clone(&self.model);
        let (config, device) = (model.config(), model.device());
        let (n_slots, n_cells, n_vocab) = (self.slots.len(), config.seq_len, config.vocab_size);
        // New ones come first: only they are embedded.
        let is_new = |&slot: &usize| self.slots[slot].as_ref().is_some_and(|slot| slot.done == 0);
        let here = (0..n_slots).filter(|&slot| self.slots[slot].is_some());
        let (mut active, old): (Vec<usize>, Vec<usize>) = here.partition(is_new);
        let n_new = active.len();
        active.extend(old);
        if active.is_empty() {
            return Ok(vec![]);
        }
        let rows = self.write_inputs(&active)?;
        let watched_bytes = (kind == Kind::Watch).then(|| seen_bytes(config, active.len()));
        if let Some(n_bytes) = watched_bytes.filter(|&n_bytes| self.state.seen.n_bytes() < n_bytes) {
            self.state.seen = device.buffer("logits of cycles", n_bytes)?;
        }

        let state = &self.state;
        let forward = Forward { model: &model, state, n_sequences: n_slots };
        let mut r = Recording::new();
        if n_new > 0 {
            forward.embed(&mut r, Rows { cells: (n_new * n_cells) as u32, ..rows });
        }
        for step in 1..=n_segments {
            forward.segment(&mut r, rows, step, watched_bytes.map(|_| &state.seen));
            Decide {
                controls: &state.controls,
                q: &state.q,
                logits: &state.logits,
                answers: &state.answers,
                mask: &state.mask,
                verdicts: &state.verdicts,
                step,
                n_sequences: n_slots as u32,
                n_cells: n_cells as u32,
                n_vocab: n_vocab as u32,
                capacity: config.n_positions() as u32,
            }
            .record(&mut r);
        }
        let slab_bytes = 4 * (n_slots * n_cells) as u64;
        let verdict_bytes = (n_segments as usize * n_slots * size_of::<Verdict>()) as u64;
        let mut reads = vec![
            Region { buffer: &state.verdicts, at: 0, bytes: verdict_bytes },
            Region { buffer: &state.answers, at: slab_bytes, bytes: slab_bytes * u64::from(n_segments) },
        ];
        reads.extend(watched_bytes.map(|bytes| Region { buffer: &state.seen, at: 0, bytes }));
        let read = device.run(r, &reads).await?;
        let verdicts: Vec<Verdict> = bytemuck::pod_collect_to_vec(&read[0]);
        let answers: Vec<u32> = bytemuck::pod_collect_to_vec(&read[1]);
        let seen: Vec<f32> = read.get(2).map(|bytes| bytemuck::pod_collect_to_vec(bytes)).unwrap_or_default();

        let mut outcomes = vec![];
        for (place, &slot) in active.iter().enumerate() {
            let of_step = |step: usize| {
                let answer = &answers[(step * n_slots + slot) * n_cells..][..n_cells];
                (verdicts[step * n_slots + slot], answer)
            };
            let (mut segments, mut is_bad) = (vec![], false);
            for (verdict, answer) in (0..n_segments as usize).map(of_step) {
                is_bad |= verdict.is_bad != 0;
                segments.push(Segment {
                    segment: verdict.segment,
                    answer: answer.to_vec(),
                    changed: verdict.changed,
                    q: verdict.q,
                    halted_by: HaltedBy::from_word(verdict.by),
                });
                if verdict.by != 0 || is_bad {
                    break;
                }
            }
            let cycles = seen.chunks_exact(active.len() * n_cells * n_vocab);
            let own = place * n_cells * n_vocab..(place + 1) * n_cells * n_vocab;
            let cycles = cycles.map(|cycle| cycle[own.clone()].to_vec()).collect();
            self.confirm(slot, &segments);
            let segments = if is_bad {
                // Of this puzzle alone: others never see its numbers.
                self.drop_slot(slot);
                Err(Error::NonFiniteLogits { position: config.n_puzzle_positions() })
            } else {
                Ok(segments)
            };
            outcomes.push((slot, segments, cycles));
        }
        outcomes.sort_by_key(|&(slot, ..)| slot);
        Ok(outcomes)
    }

    /// Writes the rows of the puzzles that are here, when they halt, and what they answered last.
    fn write_inputs(&self, active: &[usize]) -> Result<Rows> {
        let config = self.model.config();
        let (device, state) = (self.model.device(), &self.state);
        let (n_positions, n_cells) = (config.n_positions(), config.seq_len);
        let n_before = config.n_puzzle_positions();
        let row = |place: usize, slot: usize, position: usize| {
            [slot as u32, position as u32, (place * n_positions + position) as u32, 0]
        };
        let places = || active.iter().copied().enumerate();
        let of = |from: usize, n: usize| {
            places().flat_map(move |(place, slot)| (from..from + n).map(move |p| row(place, slot, p)))
        };
        let rows: Vec<[u32; 4]> = of(0, n_positions).chain(of(n_before, n_cells)).chain(of(0, 1)).collect();
        device.write(&state.rows, 0, bytemuck::cast_slice(&rows))?;

        let mut mask = vec![[OVER; 2]; self.slots.len()];
        let mut controls: Vec<Control> = vec![bytemuck::Zeroable::zeroed(); self.slots.len()];
        let mut answers = vec![0; self.slots.len() * n_cells];
        for (place, slot) in places() {
            let Some(Slot { done, control, answer }) = &self.slots[slot] else { continue };
            mask[slot] = [0; 2];
            controls[slot] = Control { done: *done, first_row: (place * n_cells) as u32, ..*control };
            answers[slot * n_cells..][..n_cells].copy_from_slice(answer);
        }
        device.write(&state.mask, 0, bytemuck::cast_slice(&mask))?;
        device.write(&state.controls, 0, bytemuck::cast_slice(&controls))?;
        device.write(&state.answers, 0, bytemuck::cast_slice(&answers))?;
        let n = active.len() as u32;
        Ok(Rows { positions: n * n_positions as u32, cells: n * n_cells as u32, firsts: n })
    }

    /// What halted leaves its slot.
    fn confirm(&mut self, slot: usize, segments: &[Segment]) {
        let Some(last) = segments.last() else { return };
        match &mut self.slots[slot] {
            here @ Some(_) if last.halted_by.is_some() => *here = None,
            Some(here) => {
                here.done = last.segment;
                here.answer.clone_from(&last.answer);
            }
            None => {}
        }
    }
}

/// The logits of all cycles of a watched segment.
fn seen_bytes(config: &HrmConfig, n_puzzles: usize) -> u64 {
    [config.h_cycles, n_puzzles, config.seq_len, config.vocab_size].into_iter().fold(4, |n, of| n * of as u64)
}
