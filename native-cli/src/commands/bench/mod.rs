//! `fathom bench`: how fast prompts are read and tokens made, in llama-bench's manner, and what a device's own
//! bandwidth and cost per call would allow.
//!
//! A measurement of a prompt reads it from an empty cache and makes one token. One of decoding reads a context less N
//! tokens, makes one token that is not counted, and times the next N together; so the last one is made at the full
//! context. Each is done once before it counts, to compile what it needs, and then so many times.

mod measure;
mod profile;
mod synth;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use fathom_engine::{Device, DeviceRequest, KvType, Model, ModelFiles, WeightTypes};

use crate::args::{TableFormat, WeightChoice, at_least_one};
use crate::cli::Common;
use crate::failure::usage;
use crate::loading::{self, LoadBar, Source};
use crate::output;

use self::measure::{Kind, Limits, Test};

/// `fathom bench`. `--device` may name several, separated by commas.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Prompts to read and contexts to make tokens at, in tokens
    #[arg(short = 'p', long = "n-prompt", value_name = "CONTEXTS", value_delimiter = ',', default_value = "128",
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub contexts: Vec<u32>,
    /// Tokens to make at each
    #[arg(short, long = "n-gen", value_name = "N", default_value_t = 16,
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub n_tokens: u32,
    /// What to time
    #[arg(long, value_name = "TESTS", value_enum, value_delimiter = ',', default_value = "prompt,decode")]
    pub test: Vec<Kind>,
    /// Depths to force [default: 1,4,16, as far as the model thinks that deep]
    #[arg(long, value_name = "DEPTHS", value_delimiter = ',', value_parser = at_least_one,
        allow_negative_numbers = true)]
    pub depth: Vec<u32>,
    /// Sequences that are made at a time
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "1", value_parser = at_least_one,
        allow_negative_numbers = true)]
    pub batch: Vec<u32>,
    /// How matrices are stored on the device: f32, f16, bf16, q8, q4, or keep, as the model's files do
    #[arg(long, value_name = "TYPES", value_delimiter = ',', default_value = "keep")]
    pub weights: Vec<WeightChoice>,
    /// How keys and values are cached: f32 or f16
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub kv: KvType,
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
    /// Print instead where the time of decoding goes, kernel by kernel; on a GPU each call then gets a pass of its own
    #[arg(long)]
    pub profile: bool,
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
    weights: Vec<WeightChoice>,
    kv_type: KvType,
    tests: Vec<Kind>,
    devices: Vec<DeviceRequest>,
    contexts: Vec<usize>,
    /// Empty: those of [`DEPTHS`] that the model can think.
    depths: Vec<u32>,
    batches: Vec<usize>,
    n_tokens: usize,
    repetitions: u32,
    seed: u64,
    quiet: bool,
}

enum Measured {
    Synthetic(Form),
    Given(Source),
}

/// Carries out `fathom bench`.
pub fn bench(common: &Common, args: BenchArgs) -> anyhow::Result<ExitCode> {
    let (output, profile) = (args.output, args.profile);
    let plan = Plan::resolve(common, args)?;
    let mut out = io::stdout().lock();
    let mut rows = Vec::new();
    let files = plan.files()?;
    for &WeightChoice(stored) in &plan.weights {
        let files = ModelFiles { types: WeightTypes::all(stored), kv_type: plan.kv_type, ..files.clone() };
        let weights = stored.unwrap_or(files.open_weights()?.weight_type()).name();
        for request in &plan.devices {
            let device = pollster::block_on(Device::open_for_profiling(request))?;
            if let Some(why) = device.why().filter(|_| !plan.quiet) {
                output::note(&why);
            }
            let limits = Limits::measure(&device)?;
            let model = loading::load(&files, device, &mut LoadBar::new(plan.quiet))?;
            for test in plan.tests(&model, weights)? {
                plan.tell(&model, &test);
                if !profile {
                    rows.push(measure::measure(&model, &test, &limits)?);
                } else if test.kind == Kind::Decode {
                    profile::show(&mut out, &model, &test, &limits, output)?;
                }
            }
        }
    }
    if !profile {
        table::print(&mut out, &rows, output)?;
    }
    out.flush()?;
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
            weights: args.weights,
            kv_type: args.kv,
            tests: args.test,
            devices: devices.collect::<anyhow::Result<_>>()?,
            contexts,
            depths: args.depth,
            batches: args.batch.iter().map(|&n| n as usize).collect(),
            n_tokens,
            repetitions: args.repetitions,
            seed: args.seed,
            quiet: common.quiet,
        })
    }

    fn files(&self) -> anyhow::Result<ModelFiles> {
        match &self.model {
            Measured::Synthetic(form) => synth::model(*form, self.seed),
            Measured::Given(source) => source.files(),
        }
    }

    /// In the order of the table.
    fn tests(&self, model: &Model, weights: &'static str) -> anyhow::Result<Vec<Test>> {
        let window = model.config().block_size;
        if let Some(context) = self.contexts.iter().find(|&&context| context > window) {
            return Err(usage(format!("-p {context}: the model's window is {window} tokens")));
        }
        let deepest = model.config().hrm_max_steps as u32;
        let depths = match self.depths.as_slice() {
            [] => DEPTHS.into_iter().filter(|&depth| depth <= deepest).collect(),
            depths => depths.to_vec(),
        };
        let mut tests = vec![];
        for &kind in &self.tests {
            for &context in &self.contexts {
                for &depth in &depths {
                    for &batch in &self.batches {
                        let Plan { n_tokens, repetitions, seed, .. } = *self;
                        tests.push(Test {
                            kind,
                            weights,
                            context,
                            n_tokens,
                            depth,
                            batch,
                            repetitions,
                            seed,
                        });
                    }
                }
            }
        }
        Ok(tests)
    }

    fn tell(&self, model: &Model, test: &Test) {
        if !self.quiet {
            let Test { kind, context, depth, batch, .. } = test;
            let device = model.device().name();
            output::note(&format!("{device}: {kind} {context}, depth {depth}, batch {batch}"));
        }
    }
}
