//! Looks into contexts beyond the next token: logits of any position, halting values of every step, and what
//! every prefix would have come to by itself.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::submission::{Piece, Table};
use super::{Read, Session};
use crate::device::Region;
use crate::error::{Error, Result};
use crate::halting::{DepthControl, HaltedBy, halts};
use crate::kernels::{OUTPUT, Span};
use crate::model::cosmicfish_hrm::Forward;
use crate::model::state::{MOST_LOGITS, MOST_ROWS};
use crate::recording::Recording;
use crate::sampler::Sampling;

/// What to read of the output stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// `[V]` a position.
    Logits,
    /// (greedy token, whether a logit is not finite), two words a position.
    Tokens,
}

/// What a prefix of a context comes to: the same as if it were read alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prefix {
    /// Steps until it halts.
    pub depth: u32,
    /// What ends them.
    pub halted_by: HaltedBy,
    /// The authors' count of them.
    pub steps_taken: u32,
    /// (q_halt, q_continue) of the last step, before the bias.
    pub q: [f32; 2],
    /// The likeliest next token.
    pub token: u32,
}

impl Session {
    /// (q_halt, q_continue) of steps 1 to `depth` for the whole context, before the bias.
    ///
    /// # Errors
    /// [`Error::NotThere`] where the context was not brought to that depth; those of the device.
    pub async fn halting_values(&self, sequence: usize, depth: u32) -> Result<Vec<[f32; 2]>> {
        let n = self.sequences.get(sequence).map_or(0, |sequence| sequence.tokens().len());
        self.check_computed(sequence, depth, n)?;
        let last = n - 1;
        let values = self.read_q(sequence, last..last + 1, 1..=depth).await?;
        Ok(values.concat())
    }

    /// Logits of positions of the context, read at a depth that it was brought to: `[position][V]`.
    ///
    /// # Errors
    /// [`Error::NotThere`] where the positions were not brought to that depth; those of the device.
    pub async fn logits(
        &mut self,
        sequence: usize,
        depth: u32,
        positions: Range<usize>,
    ) -> Result<Vec<Vec<f32>>> {
        self.check_computed(sequence, depth, positions.end)?;
        let wanted: Vec<usize> = positions.collect();
        let vocab_size = self.model.config().vocab_size;
        let mut logits = Vec::with_capacity(wanted.len());
        self.read_out(sequence, depth, &wanted, Wanted::Logits, |bytes| {
            let rows: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
            logits.extend(rows.chunks_exact(vocab_size).map(<[f32]>::to_vec));
            Ok(())
        })
        .await?;
        Ok(logits)
    }

    /// Whether the first `n` positions of a sequence are there at a depth, and at least one is asked for.
    fn check_computed(&self, sequence: usize, depth: u32, n: usize) -> Result<()> {
        let steps = 1..=self.model.config().hrm_max_steps as u32;
        let n_there =
            self.sequences.get(sequence).filter(|_| steps.contains(&depth)).map(|s| s.step_from(depth));
        match n_there {
            Some(n_there) if (1..=n_there).contains(&n) => Ok(()),
            _ => Err(Error::NotThere(format!("{n} positions of sequence {sequence} at depth {depth}"))),
        }
    }

    /// What every prefix of a context comes to that ends at position `first` or later, in one batched pass: the
    /// steps once for all of them, the output stage once for each depth that occurs.
    ///
    /// # Errors
    /// Those of [`Session::read`].
    pub async fn prefixes(
        &mut self,
        sequence: usize,
        tokens: &[u32],
        depth: &DepthControl,
        first: usize,
    ) -> Result<Vec<Prefix>> {
        let sampling = Sampling::default();
        self.accept(&[Read { sequence, tokens, depth: *depth, sampling, place: 0 }])?;
        let found = self.prefixes_from(sequence, depth, first.min(tokens.len())).await;
        self.emptied_by_failure(found)
    }

    /// What [`Session::prefixes`] finds, but for the next tokens: the output stage is not run.
    pub(crate) async fn halting_prefixes(
        &mut self,
        sequence: usize,
        tokens: &[u32],
        depth: &DepthControl,
        first: usize,
    ) -> Result<Vec<Prefix>> {
        let sampling = Sampling::default();
        self.accept(&[Read { sequence, tokens, depth: *depth, sampling, place: 0 }])?;
        let found = self.halting_from(sequence, depth, first.min(tokens.len())).await;
        self.emptied_by_failure(found)
    }

    /// For positions of the context, which ascend and were brought to a depth: the log-probability of a given
    /// next token, and whether it is the likeliest. Logits come piece by piece; the softmax, over the whole
    /// vocabulary, is computed here in f64.
    pub(crate) async fn log_probs(
        &mut self,
        sequence: usize,
        depth: u32,
        positions: &[usize],
        next: &[u32],
    ) -> Result<Vec<(f64, bool)>> {
        let vocab_size = self.model.config().vocab_size;
        let mut wanted = positions.iter().zip(next);
        let mut found = Vec::with_capacity(positions.len());
        let take = |bytes: &[u8]| {
            let rows: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
            for (row, (&position, &token)) in rows.chunks_exact(vocab_size).zip(&mut wanted) {
                found.push(log_prob(row, token).ok_or(Error::NonFiniteLogits { position })?);
            }
            Ok(())
        };
        let done = self.read_out(sequence, depth, positions, Wanted::Logits, take).await;
        self.emptied_by_failure(done.map(|()| found))
    }

    /// Nobody knows what a device did that failed: the next read starts from nothing.
    fn emptied_by_failure<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.sequences.iter_mut().for_each(|sequence| sequence.truncate(0));
        }
        done
    }

    /// How every prefix halts that ends at position `first` or later.
    async fn halting_from(
        &mut self,
        sequence: usize,
        depth: &DepthControl,
        first: usize,
    ) -> Result<Vec<Prefix>> {
        let config = self.model.config();
        let n = self.sequences[sequence].tokens().len();
        let (control, deepest) = (depth.words(config, n), depth.deepest(config));
        let mut prefixes: Vec<Option<Prefix>> = vec![None; n - first];
        let mut steps = 1..=1;
        while prefixes.iter().any(Option::is_none) {
            self.reach(sequence, *steps.end()).await?;
            let values = self.read_q(sequence, first..n, steps.clone()).await?;
            for (step, values) in steps.clone().zip(values) {
                for (prefix, q) in prefixes.iter_mut().zip(values).filter(|(prefix, _)| prefix.is_none()) {
                    *prefix = halts(&control, step, q).map(|halted_by| {
                        let steps_taken = halted_by.steps_taken(step);
                        Prefix { depth: step, halted_by, steps_taken, q, token: 0 }
                    });
                }
            }
            // As many again: few readbacks where it is deep, little waste where it is not.
            steps = steps.end() + 1..=(2 * steps.end()).min(deepest);
            if steps.is_empty() {
                break;
            }
        }
        let prefixes: Vec<Prefix> = prefixes.into_iter().flatten().collect();
        if prefixes.len() < n - first {
            return Err(Error::Internal(format!(
                "{} of {n} prefixes did not halt",
                n - first - prefixes.len()
            )));
        }
        Ok(prefixes)
    }

    async fn prefixes_from(
        &mut self,
        sequence: usize,
        depth: &DepthControl,
        first: usize,
    ) -> Result<Vec<Prefix>> {
        let n = self.sequences[sequence].tokens().len();
        let mut prefixes = self.halting_from(sequence, depth, first).await?;
        let depths: BTreeSet<u32> = prefixes.iter().map(|prefix| prefix.depth).collect();
        for depth in depths {
            let wanted: Vec<usize> = (first..n).filter(|&i| prefixes[i - first].depth == depth).collect();
            let mut left = wanted.iter();
            self.read_out(sequence, depth, &wanted, Wanted::Tokens, |bytes| {
                let drawn: Vec<[u32; 2]> = bytemuck::pod_collect_to_vec(bytes);
                for (&[token, is_bad], &position) in drawn.iter().zip(&mut left) {
                    if is_bad != 0 {
                        return Err(Error::NonFiniteLogits { position });
                    }
                    prefixes[position - first].token = token;
                }
                Ok(())
            })
            .await?;
        }
        Ok(prefixes)
    }

    /// Brings all positions of a context to a depth, halted or not.
    async fn reach(&mut self, sequence: usize, depth: u32) -> Result<()> {
        let model = Arc::clone(&self.model);
        let mut r = Recording::new();
        self.state.reach(model.config(), model.device(), &mut r, depth as usize)?;
        let cached = &self.sequences[sequence];
        let n = cached.tokens().len();
        let mut table = Table::default();
        let mut rows = |from: usize| {
            let rows: Vec<_> = (from..n).map(|position| (sequence, position, position + 1 == n)).collect();
            table.add(&rows, MOST_ROWS)
        };
        let input = rows(cached.x_from());
        let steps: Vec<_> = (1..=depth).map(|step| (step, rows(cached.step_from(step)))).collect();
        self.computed.input_rows += (n - cached.x_from()) as u64;
        self.computed.step_rows += (1..=depth).map(|d| (n - cached.step_from(d)) as u64).sum::<u64>();
        self.state.make_room(model.config(), model.device(), n.min(MOST_ROWS), 1, 1)?;
        self.inputs.write_rows(model.device(), table.rows())?;
        self.write_mask(sequence, [0, 0])?;

        let forward = Forward { model: &model, state: &self.state };
        for piece in input {
            forward.input(&mut r, self.span(piece, 1));
        }
        for (step, pieces) in steps {
            for piece in pieces {
                forward.step(&mut r, self.span(piece, step), None);
            }
            r.cut();
        }
        model.device().run(r, &[]).await?;
        self.sequences[sequence].confirm_steps(depth);
        Ok(())
    }

    /// The halting values of positions at steps: `[step][position]`.
    async fn read_q(
        &self,
        sequence: usize,
        positions: Range<usize>,
        steps: RangeInclusive<u32>,
    ) -> Result<Vec<Vec<[f32; 2]>>> {
        let n = positions.len() as u64;
        let region = |step: u32| {
            let slab = (step as usize - 1) * self.state.n_slots;
            let slot = slab + sequence * self.state.capacity + positions.start;
            Region { buffer: &self.state.q, at: 8 * slot as u64, bytes: 8 * n }
        };
        let regions: Vec<_> = steps.map(region).collect();
        let read = self.model.device().run(Recording::new(), &regions).await?;
        Ok(read.iter().map(|bytes| bytemuck::pod_collect_to_vec(bytes)).collect())
    }

    /// Runs the output stage at a depth and hands over, piece by piece, what is wanted of some positions, which
    /// ascend.
    async fn read_out(
        &mut self,
        sequence: usize,
        depth: u32,
        positions: &[usize],
        wanted: Wanted,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let model = Arc::clone(&self.model);
        let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else { return Ok(()) };
        let from = self.sequences[sequence].out_from(depth).min(first);
        let mut table = Table::default();
        let rows: Vec<_> = (from..=last).map(|position| (sequence, position, false)).collect();
        let pieces = table.add(&rows, MOST_LOGITS);
        let pieces: Vec<(Piece, Piece)> = pieces
            .into_iter()
            .map(|piece| {
                (piece, table.pick(piece, |row| positions.binary_search(&(row[1] as usize)).is_ok()))
            })
            .collect();
        let n_out = MOST_LOGITS.min(positions.len());
        self.state.make_room(model.config(), model.device(), MOST_LOGITS, n_out, n_out)?;
        self.inputs.write_rows(model.device(), table.rows())?;
        self.inputs.write_samplers(model.device(), &[(sequence, Sampling::default().words(0))])?;
        self.write_mask(sequence, [depth, from as u32])?;
        for (piece, chosen) in pieces {
            let mut r = Recording::new();
            let forward = Forward { model: &model, state: &self.state };
            forward.output(&mut r, self.span(piece, OUTPUT));
            self.computed.output_rows += u64::from(piece.n);
            let work = &self.state.work;
            let (n, row_bytes) = (u64::from(chosen.n), 4 * model.config().vocab_size as u64);
            if n == 0 {
                model.device().run(r, &[]).await?;
                continue;
            }
            forward.logits(&mut r, self.span(chosen, OUTPUT), 0);
            if wanted == Wanted::Tokens {
                self.draw(&mut r, self.span(chosen, OUTPUT), 0, 0);
            }
            let region = match wanted {
                Wanted::Logits => Region { buffer: &work.logits, at: 0, bytes: n * row_bytes },
                Wanted::Tokens => Region { buffer: &work.drawn, at: 0, bytes: 8 * n },
            };
            take(&model.device().run(r, &[region]).await?.concat())?;
        }
        self.sequences[sequence].confirm_output(depth, last + 1);
        Ok(())
    }

    pub(super) fn span(&self, piece: Piece, step: u32) -> Span<'_> {
        Span { rows: &self.inputs.rows, mask: &self.inputs.mask, first: piece.first, n: piece.n, step }
    }

    fn write_mask(&self, sequence: usize, mask: [u32; 2]) -> Result<()> {
        self.model.device().write(&self.inputs.mask, 8 * sequence as u64, bytemuck::cast_slice(&mask))
    }
}

/// The log-probability of a token, and whether no other is likelier; None where a logit is not finite.
fn log_prob(logits: &[f32], token: u32) -> Option<(f64, bool)> {
    let of_token = *logits.get(token as usize)?;
    let is_finite = logits.iter().all(|logit| logit.is_finite());
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - f64::from(most)).exp()).sum();
    let log_prob = f64::from(of_token) - f64::from(most) - sum.ln();
    is_finite.then_some((log_prob, of_token == most))
}

#[cfg(test)]
mod tests {
    use super::log_prob;

    #[test]
    fn log_probabilities() {
        let (found, is_likeliest) = log_prob(&[1.0, 1.0, 1.0, 1.0], 2).unwrap_or_default();
        assert!((found + 4f64.ln()).abs() < 1e-15 && is_likeliest);
        let (found, is_likeliest) = log_prob(&[1000.0, 0.0], 1).unwrap_or_default();
        assert_eq!((found, is_likeliest), (-1000.0, false));
        assert_eq!(log_prob(&[f32::NAN, 0.0], 1), None);
        assert_eq!(log_prob(&[0.0, 0.0], 2), None);
    }
}
