//! The command line as clap reads it. Each subcommand's file turns its part into plain data, once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fathom_engine::{DepthControl, Overflow, Sampling};

use crate::failure::usage;
use crate::paint::ColorChoice;

const EXAMPLES: &str = "\
Examples:
  fathom                              see the built-in model solve problems, easy to hard
  fathom run \"7+5-3*4=\"               solve one; each token is tinted by its depth
  fathom run -m DIR \"Once upon\"       a model from a folder
  fathom devices                      what this machine has to compute on";

/// Runs models that decide for themselves how long to think.
#[derive(Debug, Parser)]
#[command(name = "fathom", version, after_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
    /// Without one: the built-in model solves problems, easy to hard.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// What to compute on: auto, gpu, cpu, low-power, high-performance, or the name or index of one
    /// that `fathom devices` lists
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// When to tint tokens by their depth
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Nothing on standard error but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Continue a prompt: the answer to standard output, everything else to standard error
    Run(Box<RunArgs>),
    /// One forward of the whole prompt, nothing cached: depth, halting values, logits
    Forward(ForwardArgs),
    /// List what there is to compute on, and which one `auto` takes
    Devices(DevicesArgs),
    /// Time a token at given contexts and depths
    Bench(BenchArgs),
}

/// `fathom run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The prompt; without it, -f or --tokens, standard input is read
    pub prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "prompt")]
    pub file: Option<PathBuf>,
    /// The prompt as token ids: 1,2,3
    #[arg(long, value_name = "IDS", value_parser = TokenList::parse, conflicts_with_all = ["prompt", "file"])]
    pub tokens: Option<TokenList>,
    /// Folder with config.json and model.safetensors [default: the built-in model]
    #[arg(short, long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Tokens to make at the most
    #[arg(short, long = "n-predict", alias = "predict", value_name = "N", default_value_t = 256,
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub n_tokens: u32,
    /// What to do when the model's window is full
    #[arg(long, value_enum, value_name = "HOW", default_value_t = OverflowChoice::Recompute)]
    pub overflow: OverflowChoice,
    /// End before this text; may be given several times
    #[arg(long, value_name = "STRING", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub stop: Vec<String>,
    /// Go on behind the end token
    #[arg(long)]
    pub ignore_eos: bool,
    /// One JSON object a token, and a closing one
    #[arg(long)]
    pub json: bool,
    /// Write every reasoning step of every token to a file, one JSON object a token
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Make no answer: show the next token and the depth after every prefix of the prompt
    #[arg(long, conflicts_with_all = ["n_tokens", "overflow", "stop", "ignore_eos", "trace",
        "temp", "top_k", "top_p", "min_p", "repeat_penalty", "seed"])]
    pub prefixes: bool,
    /// How to choose tokens.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// How to choose tokens, under llama-cli's names.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Temperature; 0 always takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = finite, allow_negative_numbers = true)]
    pub temp: f32,
    /// Draw from the K likeliest tokens only; 0: from all
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = whole, allow_negative_numbers = true)]
    pub top_k: u32,
    /// Draw from the likeliest tokens that hold this share of the probability; 1: from all
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = finite, allow_negative_numbers = true)]
    pub top_p: f32,
    /// Draw from tokens with at least this share of the likeliest one's probability; 0: from all
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = finite, allow_negative_numbers = true)]
    pub min_p: f32,
    /// Make tokens of the context less likely; 1: as likely as they are
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = finite, allow_negative_numbers = true)]
    pub repeat_penalty: f32,
    /// Seed of the draws [default: another one each time, told in the summary]
    #[arg(short, long, value_name = "SEED")]
    pub seed: Option<u64>,
}

impl SamplingArgs {
    /// With this seed where none was given.
    pub fn resolve(&self, other_seed: u64) -> Sampling {
        Sampling {
            temperature: self.temp,
            repeat_penalty: self.repeat_penalty,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            seed: self.seed.unwrap_or(other_seed),
        }
    }
}

/// How long to think.
#[derive(Debug, Args)]
#[command(next_help_heading = "Thinking")]
pub struct DepthArgs {
    /// Think at most N steps a token
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub max_depth: Option<u32>,
    /// Think at least N steps a token
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub min_depth: Option<u32>,
    /// Think exactly N steps a token
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true,
        conflicts_with_all = ["max_depth", "min_depth", "halt_bias"])]
    pub depth: Option<u32>,
    /// Stop thinking when q_halt + X > q_continue: a higher X thinks less [default: the model's own]
    #[arg(long, value_name = "X", value_parser = finite, allow_negative_numbers = true)]
    pub halt_bias: Option<f32>,
}

impl DepthArgs {
    /// Checked against each other; the engine checks them against the model.
    pub fn resolve(&self) -> anyhow::Result<DepthControl> {
        if let (Some(floor), Some(cap)) = (self.min_depth, self.max_depth)
            && floor > cap
        {
            return Err(usage(format!("--min-depth {floor} is above --max-depth {cap}")));
        }
        Ok(DepthControl {
            cap: self.max_depth,
            floor: self.min_depth,
            forced: self.depth,
            halt_bias: self.halt_bias,
        })
    }
}

/// `fathom forward`.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// The prompt as token ids: 1,2,3
    #[arg(long, value_name = "IDS", value_parser = TokenList::parse)]
    pub tokens: TokenList,
    /// Folder with config.json and model.safetensors [default: the built-in model]
    #[arg(short, long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// One JSON object with the logits
    #[arg(long)]
    pub json: bool,
    /// The logits of every position, not of the last one only
    #[arg(long, requires = "json")]
    pub all: bool,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// `fathom devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

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
    /// Time the model in this folder
    #[arg(short, long, value_name = "DIR")]
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

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// A table for people, in Markdown
    Md,
    /// Comma-separated values with a header
    Csv,
    /// One JSON array
    Json,
}

/// `--overflow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverflowChoice {
    /// Drop the oldest token each time and recompute the whole window, as the authors do
    Recompute,
    /// Drop the older half of the window and go on
    Slide,
    /// End
    Stop,
}

impl From<OverflowChoice> for Overflow {
    fn from(choice: OverflowChoice) -> Overflow {
        match choice {
            OverflowChoice::Recompute => Overflow::Recompute,
            OverflowChoice::Slide => Overflow::Slide,
            OverflowChoice::Stop => Overflow::Stop,
        }
    }
}

/// Token ids separated by commas or spaces; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenList(pub Vec<u32>);

impl TokenList {
    fn parse(text: &str) -> Result<TokenList, String> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let ids = words.map(|word| word.parse().map_err(|_| format!("`{word}` is not a token id")));
        match ids.collect::<Result<Vec<u32>, String>>()? {
            ids if ids.is_empty() => Err("expected token ids such as 3,81,22".to_owned()),
            ids => Ok(TokenList(ids)),
        }
    }
}

fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(value) if value > 0 => Ok(value),
        _ => Err("expected a whole number from 1 on".to_owned()),
    }
}

fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 0 on".to_owned())
}

fn finite(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("expected a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn token_lists() {
        assert_eq!(TokenList::parse("3,81, 22"), Ok(TokenList(vec![3, 81, 22])));
        assert_eq!(TokenList::parse("3,x"), Err("`x` is not a token id".to_owned()));
        assert!(TokenList::parse(",").is_err());
        assert!(TokenList::parse("-1").is_err());
        assert!(TokenList::parse("4294967296").is_err());
    }
}
