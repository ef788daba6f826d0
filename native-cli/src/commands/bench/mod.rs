//! `fathom bench`: the time of one decoded token, at given contexts and forced depths.
//!
//! A measurement reads the context less N tokens, makes one token that is not counted (it carries the
//! reading and warms up), and times the next N one by one; so the last one is made at the full context.

mod synth;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use fathom_engine::{
    DepthControl, DeviceRequest, GenerateOptions, Generator, Model, ModelFiles, Overflow, Sampling,
};
use serde::Serialize;

use crate::args::{TableFormat, at_least_one};
use crate::cli::Common;
use crate::failure::usage;
use crate::loading::{self, LoadBar, Source};
use crate::output::{self, json_line, thousandths};

use self::synth::Random;

/// `fathom bench`. `--device` may name several, separated by commas.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Contexts to time at, in tokens
    #[arg(short = 'p', long = "n-prompt", value_name = "CONTEXTS", value_delimiter = ',', default_value = "128",
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub contexts: Vec<u32>,
    /// Tokens to time at each
    #[arg(short, long = "n-gen", value_name = "N", default_value_t = 16,
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub n_tokens: u32,
    /// Depths to force [default: 1,4,16, as far as the model thinks that deep]
    #[arg(long, value_name = "DEPTHS", value_delimiter = ',', value_parser = at_least_one,
        allow_negative_numbers = true)]
    pub depth: Vec<u32>,
    /// Time a model of this form with random weights [default: cosmicfish-hrm]
    #[arg(long, value_name = "FORM", value_enum, conflicts_with = "model")]
    pub synth: Option<Form>,
    /// Time the model in this folder, or the pulled model of this name
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// Repetitions, each from an empty cache
    #[arg(short, long, value_name = "REPS", default_value_t = 3,
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub repetitions: u32,
    /// How to print the results
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = TableFormat::Md)]
    pub output: TableFormat,
    /// Seed of the random weights and of the context
    #[arg(short, long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
}

/// `--synth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The size that CosmicFish-HRM is released in: 82.8 M parameters, 16 steps
    CosmicfishHrm,
}

/// What is timed where no depths are asked for.
const DEPTHS: [u32; 3] = [1, 4, 16];

/// What to measure, with nothing left to look up.
struct Plan {
    model: Measured,
    devices: Vec<DeviceRequest>,
    contexts: Vec<usize>,
    /// Empty: those of [`DEPTHS`] that the model can think.
    depths: Vec<u32>,
    n_tokens: usize,
    repetitions: u32,
    seed: u64,
    quiet: bool,
}

enum Measured {
    Synthetic(Form),
    Given(Source),
}

/// One line of the result.
#[derive(Serialize)]
struct Row {
    model: String,
    device: String,
    context: usize,
    depth: u32,
    n_samples: usize,
    ms_per_token: f64,
    ms_sd: f64,
    tokens_per_s: f64,
}

/// Carries out `fathom bench`.
pub fn bench(common: &Common, args: BenchArgs) -> anyhow::Result<ExitCode> {
    let output = args.output;
    let plan = Plan::resolve(common, args)?;
    let files = plan.files()?;
    let mut rows = Vec::new();
    for request in &plan.devices {
        let device = loading::open_requested(request, plan.quiet)?;
        let model = loading::load(&files, device, &mut LoadBar::new(plan.quiet))?;
        plan.check(&model)?;
        for &context in &plan.contexts {
            for depth in plan.depths(&model) {
                rows.push(plan.measure(&model, context, depth)?);
            }
        }
    }
    print(&mut io::stdout().lock(), &rows, output)?;
    Ok(ExitCode::SUCCESS)
}

impl Plan {
    fn resolve(common: &Common, args: BenchArgs) -> anyhow::Result<Plan> {
        let n_tokens = args.n_tokens as usize;
        let contexts: Vec<usize> = args.contexts.iter().map(|&context| context as usize).collect();
        if let Some(context) = contexts.iter().find(|&&context| context <= n_tokens) {
            return Err(usage(format!(
                "-p {context}: the context must be longer than the {n_tokens} tokens of -n"
            )));
        }
        let devices = common.device.split(',').map(|name| loading::device_request(name.trim()));
        Ok(Plan {
            model: match args.model {
                Some(model) => Measured::Given(Source::resolve(Some(model), common)?),
                None => Measured::Synthetic(args.synth.unwrap_or(Form::CosmicfishHrm)),
            },
            devices: devices.collect::<anyhow::Result<_>>()?,
            contexts,
            depths: args.depth,
            n_tokens,
            repetitions: args.repetitions,
            seed: args.seed,
            quiet: common.quiet,
        })
    }

    fn files(&self) -> anyhow::Result<ModelFiles> {
        match &self.model {
            Measured::Synthetic(form) => synth::model(*form, self.seed),
            Measured::Given(source) => loading::read_files(source, self.quiet),
        }
    }

    fn depths(&self, model: &Model) -> Vec<u32> {
        if self.depths.is_empty() {
            DEPTHS.into_iter().filter(|&depth| depth as usize <= model.config().hrm_max_steps).collect()
        } else {
            self.depths.clone()
        }
    }

    fn check(&self, model: &Model) -> anyhow::Result<()> {
        let window = model.config().block_size;
        match self.contexts.iter().find(|&&context| context > window) {
            Some(context) => Err(usage(format!("-p {context}: the model's window is {window} tokens"))),
            None => Ok(()),
        }
    }

    fn measure(&self, model: &Arc<Model>, context: usize, depth: u32) -> anyhow::Result<Row> {
        let mut random = Random::new(self.seed);
        let vocab_size = model.config().vocab_size as u64;
        let prompt: Vec<u32> =
            (0..context - self.n_tokens).map(|_| (random.bits() % vocab_size) as u32).collect();
        let options = GenerateOptions {
            n_tokens: self.n_tokens + 1,
            sampling: Sampling::default(),
            depth: DepthControl { forced: Some(depth), ..DepthControl::default() },
            overflow: Overflow::Stop,
            stop: Vec::new(),
            ignore_eos: true,
            trace: false,
        };
        let mut ms = Vec::new();
        for repetition in 1..=self.repetitions {
            if !self.quiet {
                output::note(&format!(
                    "{}: context {context}, depth {depth}, repetition {repetition} of {}",
                    model.device().name(),
                    self.repetitions
                ));
            }
            let mut generator = Generator::new(model, &prompt, options.clone())?;
            pollster::block_on(generator.next(None))?;
            loop {
                let began = Instant::now();
                if pollster::block_on(generator.next(None))?.is_none() {
                    break;
                }
                ms.push(began.elapsed().as_secs_f64() * 1000.0);
            }
        }
        let (mean, deviation) = mean_and_deviation(&ms);
        Ok(Row {
            model: model.name().to_owned(),
            device: model.device().name(),
            context,
            depth,
            n_samples: ms.len(),
            ms_per_token: thousandths(mean),
            ms_sd: thousandths(deviation),
            tokens_per_s: thousandths(1000.0 / mean),
        })
    }
}

/// Of the sample: divided by n - 1.
fn mean_and_deviation(samples: &[f64]) -> (f64, f64) {
    let n = samples.len().max(1) as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

fn print(out: &mut impl Write, rows: &[Row], format: TableFormat) -> anyhow::Result<()> {
    match format {
        TableFormat::Json => json_line(out, &rows)?,
        TableFormat::Csv => {
            writeln!(out, "model,device,context,depth,n_samples,ms_per_token,ms_sd,tokens_per_s")?;
            for row in rows {
                let (model, device) = (quoted(&row.model), quoted(&row.device));
                let Row { context, depth, n_samples, ms_per_token, ms_sd, tokens_per_s, .. } = row;
                writeln!(
                    out,
                    "{model},{device},{context},{depth},{n_samples},{ms_per_token},{ms_sd},{tokens_per_s}"
                )?;
            }
        }
        TableFormat::Md => markdown(out, rows)?,
    }
    Ok(out.flush()?)
}

fn markdown(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    if let Some(row) = rows.first() {
        writeln!(out, "{}, {} tokens a row\n", row.model, row.n_samples)?;
    }
    let width = rows.iter().map(|row| row.device.chars().count()).fold(6, usize::max);
    writeln!(out, "| {:<width$} | context | depth |    ms per token | tokens/s |", "device")?;
    writeln!(out, "| :{:-<1$} | ------: | ----: | --------------: | -------: |", "", width - 1)?;
    for row in rows {
        let ms = format!("{:.2} ± {:.2}", row.ms_per_token, row.ms_sd);
        writeln!(
            out,
            "| {:<width$} | {:>7} | {:>5} | {ms:>15} | {:>8.1} |",
            row.device, row.context, row.depth, row.tokens_per_s
        )?;
    }
    Ok(())
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
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
