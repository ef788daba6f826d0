//! Reading a context with every step seen: one submission a step, and the output stage looked at each time.

use web_time::Instant;

use super::submission::Kind;
use super::{Read, Reading, Session};
use crate::config::Config;
use crate::device::{Buffer, Device, Region};
use crate::error::Result;
use crate::model::cosmicfish_hrm::Probe;
use crate::model::state::{MOST_ROWS, State};
use crate::trace::{CycleTrace, Level, StepTrace, likeliest};

/// How many tokens are named that the model would say.
const N_TOP: usize = 5;

/// Where traced steps leave what is seen of them.
#[derive(Debug)]
pub struct Buffers {
    z_l: Buffer,
    z_h: Buffer,
    moved: Buffer,
    path: Buffer,
}

impl Buffers {
    /// Room for steps of so many rows.
    fn new(config: &Config, device: &Device, n_rows: usize) -> Result<Buffers> {
        let numbers = |label, n: usize| device.buffer(label, 4 * n as u64);
        let n_work = n_rows.min(MOST_ROWS) * config.n_embd;
        Ok(Buffers {
            z_l: numbers("z_L before a cycle", n_work)?,
            z_h: numbers("z_H before a cycle", n_work)?,
            moved: numbers("movements", levels(config).count() * n_rows)?,
            path: numbers("the path of z_H", config.hrm_h_cycles * config.n_embd)?,
        })
    }

    /// For a piece of a step's rows.
    pub fn probe(&self, n_rows: u32, first: u32) -> Probe<'_> {
        let Buffers { z_l, z_h, moved, path } = self;
        Probe { z_l, z_h, moved, path, n_rows, first }
    }

    /// What is read after a step: the halting values, in a row of q; the movements, the path, the logits.
    pub fn regions<'a>(&'a self, state: &'a State, q_row: usize, vocab_size: usize) -> [Region<'a>; 4] {
        let whole = |buffer: &'a Buffer| Region { buffer, at: 0, bytes: buffer.n_bytes() };
        let q = Region { buffer: &state.q, at: 8 * q_row as u64, bytes: 8 };
        let logits = Region { buffer: &state.work.logits, at: 0, bytes: 4 * vocab_size as u64 };
        [q, whole(&self.moved), whole(&self.path), logits]
    }
}

/// Which state each cycle of a step updates.
fn levels(config: &Config) -> impl Iterator<Item = Level> + use<> {
    let (h_cycles, l_cycles) = (config.hrm_h_cycles, config.hrm_l_cycles);
    (0..h_cycles).flat_map(move |_| std::iter::repeat_n(Level::L, l_cycles).chain([Level::H]))
}

impl Session {
    /// The same as [`Session::read`] for one context, and tells of each step as it happens.
    ///
    /// # Errors
    /// Those of [`Session::read`].
    pub async fn read_traced(
        &mut self,
        read: &Read<'_>,
        on_step: &mut dyn FnMut(StepTrace),
    ) -> Result<Reading> {
        let mut pending = self.accept(std::slice::from_ref(read))?;
        let done = self.think_aloud(&mut pending, on_step).await;
        let mut readings = self.finish(done, pending)?;
        readings.remove(0).map(|mut readings| readings.remove(0))
    }

    async fn think_aloud(
        &mut self,
        pending: &mut [super::Pending],
        on_step: &mut dyn FnMut(StepTrace),
    ) -> Result<()> {
        let model = std::sync::Arc::clone(&self.model);
        let config = model.config();
        let (sequence, deepest, bias) = (pending[0].sequence, pending[0].deepest, pending[0].control.bias);
        let n = self.sequences[sequence].tokens().len();
        let buffers = Buffers::new(config, model.device(), n - self.sequences[sequence].step_from(deepest))?;
        for step in 1..=deepest {
            let began = Instant::now();
            let first_position = self.sequences[sequence].step_from(step);
            let n_rows = n - first_position;
            let read = self.submit(pending, step..=step, Kind::Trace(&buffers)).await?;
            let ms = began.elapsed().as_secs_f64() * 1000.0;
            let floats: Vec<Vec<f32>> =
                read.iter().map(|bytes| bytemuck::pod_collect_to_vec(bytes)).collect();
            let [q, moved, path, logits] = floats.as_slice() else { return Ok(()) };
            let (q_halt, q_continue) = (q[0], q[1]);
            let mut cycles = Vec::new();
            let mut z_h = Vec::new();
            if n_rows > 0 {
                let moved = levels(config).zip(moved.chunks_exact(n_rows));
                cycles.extend(moved.map(|(level, moved)| CycleTrace { level, moved: moved.to_vec() }));
                let path = path.chunks_exact(config.n_embd).take(config.hrm_h_cycles);
                z_h.extend(path.map(<[f32]>::to_vec));
            }
            on_step(StepTrace {
                step,
                q_halt,
                q_continue,
                margin: q_halt + bias - q_continue,
                ms,
                first_position,
                cycles,
                z_h,
                top: likeliest(&logits[..config.vocab_size], N_TOP),
            });
            if pending[0].halted.is_some() {
                break;
            }
        }
        Ok(())
    }
}
