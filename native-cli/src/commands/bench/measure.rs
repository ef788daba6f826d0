//! One measurement: what was done, how long it took, and what the device could do.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use fathom_engine::puzzle::Random;
use fathom_engine::{
    Batch, CacheBytes, DepthControl, Detail, Device, GenerateOptions, Model, Overflow, Profile, Sampling,
    diagnosis,
};
use serde::Serialize;

use crate::output::thousandths;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reading a prompt, and its first token
    Prompt,
    /// Making tokens one after the other
    Decode,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Prompt => "prompt",
            Kind::Decode => "decode",
        })
    }
}

/// A measurement to be made.
#[derive(Debug, Clone)]
pub struct Test {
    pub kind: Kind,
    /// How the model's matrices are stored.
    pub weights: &'static str,
    /// Tokens of the context when the last token is made; of the prompt.
    pub context: usize,
    /// Tokens to make.
    pub n_tokens: usize,
    pub depth: u32,
    /// Sequences at a time.
    pub batch: usize,
    pub repetitions: u32,
    pub seed: u64,
}

/// What a device does at best.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes_per_s: f64,
    pub us_per_dispatch: f64,
}

impl Limits {
    /// Those of a device that has nothing else to do: see [`diagnosis::measure_speed`].
    pub fn measure(device: &Device) -> anyhow::Result<Limits> {
        let speed = pollster::block_on(diagnosis::measure_speed(device))?;
        Ok(Limits { bytes_per_s: speed.bytes_per_s, us_per_dispatch: speed.us_per_dispatch })
    }

    /// The least that so many bytes and calls take, in ms.
    pub fn floor_ms(&self, bytes: f64, calls: f64) -> f64 {
        bytes / self.bytes_per_s * 1e3 + calls * self.us_per_dispatch / 1e3
    }
}

/// One line of the result. What is "a token" is one of a sequence: a batch of 8 makes 8 at a time.
#[derive(Debug, Serialize)]
pub struct Row {
    pub model: String,
    pub weights: &'static str,
    /// How keys and values were cached.
    pub kv: &'static str,
    pub device: String,
    pub test: Kind,
    pub context: usize,
    pub depth: u32,
    pub batch: usize,
    pub n_tokens: usize,
    pub repetitions: u32,
    pub tokens_per_s: f64,
    /// Of the repetitions.
    pub tokens_per_s_sd: f64,
    pub ms_per_token: f64,
    /// Of it: choosing rows, recording and submitting, until the device has all of the work.
    pub encode_ms: f64,
    /// In the kernels, by the device's clock; on a processor by the host's. None without timestamps.
    pub compute_ms: Option<f64>,
    /// Waiting for the numbers, less the kernels that ran meanwhile.
    pub readback_ms: Option<f64>,
    pub dispatches_per_token: f64,
    pub submissions_per_token: f64,
    /// Weights that are read for a token, where every row of a call shares one reading.
    pub weight_bytes_per_token: f64,
    /// Keys and values that are read for it.
    pub kv_bytes_per_token: f64,
    /// The most bytes that were in buffers on the device at a time, from the empty cache on: the weights, the cache,
    /// and what the engine works with.
    pub peak_bytes: u64,
    /// The device's, measured in the same run.
    pub bytes_per_s: f64,
    pub us_per_dispatch: f64,
    /// What these bytes and dispatches take at least. None for a prompt, whose products take the time.
    pub floor_ms: Option<f64>,
    /// ms_per_token by it.
    pub floor_ratio: Option<f64>,
}

/// Makes a measurement.
pub fn measure(model: &Arc<Model>, test: &Test, limits: &Limits) -> anyhow::Result<Row> {
    let n = test.n_counted() as f64;
    model.device().forget_peak();
    timed(model, test, None)?;
    let peak_bytes = model.device().counts().peak_bytes;
    let mut speeds = vec![];
    for _ in 0..test.repetitions {
        speeds.push(n / timed(model, test, None)?.seconds);
    }
    let (tokens_per_s, tokens_per_s_sd) = mean_and_deviation(&speeds);
    let ms = 1e3 / tokens_per_s;
    // How the time is spent is seen in runs of their own, so that looking costs the others nothing.
    let seen = timed(model, test, Some(Detail::Passes))?;
    let kernels = timed(model, test, Some(Detail::Kernels))?.profile.kernels;

    let compute_ms = seen.profile.compute_ms.map(|ms| ms / n);
    let wait_ms = seen.profile.wait_ms / n;
    let encode_ms = (seen.seconds * 1e3 - seen.profile.own_ms) / n - wait_ms;
    let calls = seen.calls as f64 / n;
    let weight_bytes = kernels.iter().map(|k| k.weight_bytes).sum::<u64>() as f64 / n;
    let kv_bytes = test.kv_bytes_per_token(model);
    let floor_ms = (test.kind == Kind::Decode).then(|| limits.floor_ms(weight_bytes + kv_bytes, calls));
    Ok(Row {
        model: model.name().to_owned(),
        weights: test.weights,
        kv: model.config().kv_type.name(),
        device: model.device().name(),
        test: test.kind,
        context: test.context,
        depth: test.depth,
        batch: test.batch,
        n_tokens: test.n_tokens,
        repetitions: test.repetitions,
        tokens_per_s: thousandths(tokens_per_s),
        tokens_per_s_sd: thousandths(tokens_per_s_sd),
        ms_per_token: thousandths(ms),
        encode_ms: thousandths(encode_ms.max(0.0)),
        compute_ms: compute_ms.map(thousandths),
        readback_ms: compute_ms.map(|compute| thousandths((wait_ms - compute).max(0.0))),
        dispatches_per_token: thousandths(calls),
        submissions_per_token: thousandths(seen.submissions as f64 / n),
        weight_bytes_per_token: weight_bytes.round(),
        kv_bytes_per_token: kv_bytes.round(),
        peak_bytes,
        bytes_per_s: limits.bytes_per_s.round(),
        us_per_dispatch: thousandths(limits.us_per_dispatch),
        floor_ms: floor_ms.map(thousandths),
        floor_ratio: floor_ms.map(|floor| thousandths(ms / floor)),
    })
}

/// What happened within the time that counts.
pub struct Timed {
    pub seconds: f64,
    pub calls: u64,
    pub submissions: u64,
    pub profile: Profile,
}

/// Does it once, from an empty cache.
pub fn timed(model: &Arc<Model>, test: &Test, detail: Option<Detail>) -> anyhow::Result<Timed> {
    let device = model.device();
    let mut batch = Batch::new(model, test.prompts(model))?;
    if test.kind == Kind::Decode {
        pollster::block_on(batch.next())?;
    }
    let before = device.counts();
    if let Some(detail) = detail {
        device.profile(detail);
    }
    let began = Instant::now();
    let mut done = pollster::block_on(batch.next())?;
    while !done.is_empty() {
        for (_, event) in done {
            event?;
        }
        done = pollster::block_on(batch.next())?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = device.counts();
    Ok(Timed {
        seconds,
        calls: after.calls - before.calls,
        submissions: after.submissions - before.submissions,
        profile: device.take_profile(),
    })
}

impl Test {
    /// Tokens that are timed together.
    pub fn n_counted(&self) -> usize {
        self.batch * if self.kind == Kind::Prompt { self.context } else { self.n_tokens }
    }

    /// Every sequence has tokens of its own.
    fn prompts(&self, model: &Model) -> Vec<(Vec<u32>, GenerateOptions)> {
        let mut random = Random::new(self.seed);
        let vocab_size = model.config().vocab_size as u64;
        let (n_prompt, n_tokens) = match self.kind {
            Kind::Prompt => (self.context, 1),
            Kind::Decode => (self.context - self.n_tokens, self.n_tokens + 1),
        };
        let options = GenerateOptions {
            n_tokens,
            sampling: Sampling::default(),
            depth: DepthControl { forced: Some(self.depth), ..DepthControl::default() },
            overflow: Overflow::Stop,
            stop: Vec::new(),
            ignore_eos: true,
            trace: false,
        };
        let mut prompt = || (0..n_prompt).map(|_| (random.bits() % vocab_size) as u32).collect();
        (0..self.batch).map(|_| (prompt(), options.clone())).collect()
    }

    /// The keys and values of all positions up to a token, once for each application of a block.
    fn kv_bytes_per_token(&self, model: &Model) -> f64 {
        let bytes = CacheBytes::of(model.config());
        let applications = bytes.n_input + u64::from(self.depth) * bytes.n_step + bytes.n_output;
        let positions = match self.kind {
            Kind::Prompt => self.context as f64 / 2.0,
            Kind::Decode => self.context as f64 - self.n_tokens as f64 / 2.0,
        };
        applications as f64 * bytes.keys_values as f64 * positions
    }
}

/// Of the sample: divided by n - 1.
fn mean_and_deviation(samples: &[f64]) -> (f64, f64) {
    let n = samples.len().max(1) as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_the_samples_own() {
        assert_eq!(
            mean_and_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]),
            (5.0, (32.0f64 / 7.0).sqrt())
        );
        assert_eq!(mean_and_deviation(&[3.0]), (3.0, 0.0));
    }
}
