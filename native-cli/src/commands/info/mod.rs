//! `fathom info`: how large a model is, what a token of it costs at each depth, what its cache takes and what
//! fits. From a `config.json` alone too, so that a model can be planned before there is one.

mod costs;
mod fits;
mod parts;
mod puzzles;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use fathom_engine::{CacheBytes, Config, WeightType, Weights, weights_bytes};
use serde::Serialize;

use crate::args::at_least_one;
use crate::cli::Common;
use crate::failure::usage;
use crate::loading::Source;
use crate::output::{self, json_line};
use crate::paint::Paint;

use self::costs::DepthCosts;
use self::fits::{Fit, Memory};
use self::parts::Parameters;
use self::puzzles::PuzzleInfo;

/// `fathom info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A model's folder, or a config.json alone [default: the built-in model]
    #[arg(value_name = "MODEL|CONFIG")]
    pub model: Option<PathBuf>,
    /// Count the cost of a token at the end of so many [default: the whole window]
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub context: Option<u32>,
    /// What fits into so much memory, as 8GB or 24GiB [default: 1GB to 80GB]
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = Memory::parse)]
    pub memory: Vec<Memory>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// A `config.json` is a page of text; what is longer is something else.
const MOST_CONFIG_BYTES: u64 = 1 << 20;

/// Everything that is told. Sizes are in bytes.
#[derive(Serialize)]
struct Info {
    model: String,
    config: Dimensions,
    parameters: Parameters,
    /// How the numbers are stored; null where there is only a config.json.
    stored: Option<Stored>,
    /// The weights on a device, by the type of their matrices.
    weights_bytes: ByType<u64>,
    token: Token,
    cache: Cache,
    fits: Vec<Fit>,
}

#[derive(Serialize)]
struct Dimensions {
    vocab_size: usize,
    n_embd: usize,
    block_size: usize,
    n_head: usize,
    n_kv_head: usize,
    n_input_layers: usize,
    n_output_layers: usize,
    hrm_h_layers: usize,
    hrm_l_layers: usize,
    hrm_h_cycles: usize,
    hrm_l_cycles: usize,
    hrm_max_steps: usize,
    /// Block applications of one step.
    step_applications: usize,
}

#[derive(Serialize)]
struct Stored {
    #[serde(rename = "type")]
    weight_type: &'static str,
    bytes: u64,
    n_files: usize,
}

/// A number for each type that matrices are stored in.
#[derive(Clone, Copy, Debug, Serialize)]
struct ByType<T> {
    f32: T,
    f16: T,
    q8: T,
    q4: T,
}

impl<T> ByType<T> {
    fn each(of: impl Fn(WeightType) -> T) -> ByType<T> {
        ByType {
            f32: of(WeightType::F32),
            f16: of(WeightType::F16),
            q8: of(WeightType::Q8),
            q4: of(WeightType::Q4),
        }
    }
}

#[derive(Serialize)]
struct Token {
    context: u64,
    /// The type in which weights are counted where bytes are compared.
    compared_in: &'static str,
    depths: Vec<DepthCosts>,
}

/// Of one position of one sequence; and of a whole window.
#[derive(Serialize)]
struct Cache {
    input_bytes: u64,
    plane_states_bytes: u64,
    plane_keys_values_bytes: u64,
    output_keys_values_bytes: u64,
    /// A plane with its states.
    plane_bytes: u64,
    /// A plane with its share of the output blocks' keys and values.
    depth_bytes: u64,
    window: Window,
}

#[derive(Serialize)]
struct Window {
    n_tokens: u64,
    plane_bytes: u128,
    depth_bytes: u128,
    /// All that is allocated for a context that was read to the deepest step.
    all_bytes: u128,
}

/// What there is to tell about.
struct Subject {
    name: String,
    config: Config,
    stored: Option<(WeightType, Stored)>,
}

/// Carries out `fathom info`.
pub fn info(common: &Common, args: InfoArgs) -> anyhow::Result<ExitCode> {
    let paint = Paint::resolve(common.color, output::stdout_is_terminal());
    let folder = match &args.model {
        Some(path) if !path.exists() => {
            Source::resolve(args.model.clone(), common)?.folder().map(Path::to_owned)
        }
        path => path.clone(),
    };
    if let Some(puzzles) = folder.map(|path| PuzzleInfo::read(&path)).transpose()?.flatten() {
        let mut out = io::stdout().lock();
        if args.json {
            json_line(&mut out, &puzzles)?;
        } else {
            puzzles.print(&mut out, paint)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let subject = Subject::read(args.model, common)?;
    let window = subject.config.block_size as u64;
    let context = args.context.map_or(window, u64::from);
    if context > window {
        return Err(usage(format!("--context {context}: the model's window is {window} tokens")));
    }
    let memories = if args.memory.is_empty() { Memory::usual() } else { args.memory };
    let info = Info::of(subject, context, &memories);
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &info)?;
    } else {
        table::print(&mut out, &info, paint)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Subject {
    fn read(path: Option<PathBuf>, common: &Common) -> anyhow::Result<Subject> {
        match path {
            Some(path) if path.is_file() => Subject::from_config(&path),
            path => {
                let config =
                    path.as_ref().map(|folder| folder.join("config.json")).filter(|file| file.is_file());
                let source = Source::resolve(path, common)?;
                Subject::from_model(&source).map_err(|error| hinted(error, config))
            }
        }
    }

    fn from_config(path: &Path) -> anyhow::Result<Subject> {
        let name = path.display().to_string();
        let n_bytes = fs::metadata(path).with_context(|| name.clone())?.len();
        if n_bytes > MOST_CONFIG_BYTES {
            anyhow::bail!(
                "{name}: expected a config.json or a model's folder, found a file of {n_bytes} bytes"
            );
        }
        let json = fs::read_to_string(path).with_context(|| name.clone())?;
        Ok(Subject { config: Config::from_json(&json, &name)?, name, stored: None })
    }

    /// The files are checked as if the model were to be run.
    fn from_model(source: &Source) -> anyhow::Result<Subject> {
        let files = source.files()?;
        let config = files.read_config()?;
        let weights = Weights::from_files(&files.weights)?;
        pollster::block_on(weights.check(&config))?;
        let weight_type = weights.weight_type();
        let stored = Stored {
            weight_type: weight_type.name(),
            bytes: files.weights.iter().map(fathom_engine::WeightFile::n_bytes).sum(),
            n_files: files.weights.len(),
        };
        Ok(Subject { name: files.name, config, stored: Some((weight_type, stored)) })
    }
}

impl Info {
    fn of(subject: Subject, context: u64, memories: &[Memory]) -> Info {
        let Subject { name, config, stored } = subject;
        let compared_in = stored.as_ref().map_or(WeightType::F32, |(weight_type, _)| *weight_type);
        Info {
            model: name,
            parameters: Parameters::of(&config),
            stored: stored.map(|(_, stored)| stored),
            weights_bytes: ByType::each(|stored| weights_bytes(&config, stored)),
            token: Token {
                context,
                compared_in: compared_in.name(),
                depths: costs::by_depth(&config, context, compared_in),
            },
            cache: Cache::of(&config),
            fits: memories.iter().map(|memory| Fit::of(&config, memory)).collect(),
            config: Dimensions::of(&config),
        }
    }
}

impl Cache {
    fn of(config: &Config) -> Cache {
        let bytes = CacheBytes::of(config);
        let n_tokens = config.block_size as u64;
        let whole = |of_token: u64| u128::from(n_tokens) * u128::from(of_token);
        let keys_values = bytes.n_step * bytes.keys_values;
        Cache {
            input_bytes: bytes.input(),
            plane_states_bytes: bytes.plane() - keys_values,
            plane_keys_values_bytes: keys_values,
            output_keys_values_bytes: bytes.output(),
            plane_bytes: bytes.plane(),
            depth_bytes: bytes.plane() + bytes.output(),
            window: Window {
                n_tokens,
                plane_bytes: whole(bytes.plane()),
                depth_bytes: whole(bytes.plane() + bytes.output()),
                all_bytes: bytes.allocated(n_tokens, bytes.most_depths),
            },
        }
    }
}

impl Dimensions {
    fn of(config: &Config) -> Dimensions {
        Dimensions {
            vocab_size: config.vocab_size,
            n_embd: config.n_embd,
            block_size: config.block_size,
            n_head: config.n_head,
            n_kv_head: config.n_kv_head,
            n_input_layers: config.n_input_layers,
            n_output_layers: config.n_output_layers,
            hrm_h_layers: config.hrm_h_layers,
            hrm_l_layers: config.hrm_l_layers,
            hrm_h_cycles: config.hrm_h_cycles,
            hrm_l_cycles: config.hrm_l_cycles,
            hrm_max_steps: config.hrm_max_steps,
            step_applications: config.step_applications(),
        }
    }
}

/// Whoever plans a model has no weights yet.
fn hinted(error: anyhow::Error, config: Option<PathBuf>) -> anyhow::Error {
    match (error.downcast_ref(), config) {
        (Some(fathom_engine::Error::FileMissing { .. }), Some(config)) => {
            anyhow::anyhow!("{error}; without weights, name {} itself", config.display())
        }
        _ => error,
    }
}
