//! Groups of flags that several commands share, and how values are read.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use fathom_engine::{DepthControl, GenerateOptions, KvType, Overflow, Sampling, WeightType, WeightTypes};

use crate::cli::Common;
use crate::failure::usage;
use crate::loading::Source;

/// Which model.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// Folder with config.json and model.safetensors, or the name of a pulled model: owner/repo,
    /// owner/repo@revision, or just repo [default: the built-in model]
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// How a device stores the matrices: f32, f16, bf16, q8, q4 (blocks of 32 with a scale), or keep, as the
    /// files do
    #[arg(long, value_name = "TYPE", default_value = "keep")]
    pub weights: WeightChoice,
    /// Another type for tensors whose names contain TEXT; the first TEXT that a name contains counts
    #[arg(long, value_name = "TEXT=TYPE", value_parser = tensor_type)]
    pub tensor_type: Vec<(String, WeightType)>,
    /// How keys and values are cached: f32, or f16, in half the memory and rounded
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub kv: KvType,
}

/// Which model of puzzles.
#[derive(Clone, Debug, Args)]
pub struct PuzzleModelArgs {
    /// Folder with config.json (hrm_act_v1) and model.safetensors, or the name of a pulled model [default: a built-in
    /// one]
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// How a device stores the matrices: f32, f16, bf16, q8, q4 (blocks of 32 with a scale), or keep, as the
    /// files do
    #[arg(long, value_name = "TYPE", default_value = "keep")]
    pub weights: WeightChoice,
    /// Another type for tensors whose names contain TEXT; the first TEXT that a name contains counts
    #[arg(long, value_name = "TEXT=TYPE", value_parser = tensor_type)]
    pub tensor_type: Vec<(String, WeightType)>,
}

/// `--weights`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightChoice(pub Option<WeightType>);

impl FromStr for WeightChoice {
    type Err = String;

    /// A type's name, or keep.
    fn from_str(text: &str) -> Result<WeightChoice, String> {
        match text {
            "keep" => Ok(WeightChoice(None)),
            _ => text
                .parse()
                .map(|stored| WeightChoice(Some(stored)))
                .map_err(|error: String| format!("{error}, or keep")),
        }
    }
}

/// TEXT=TYPE.
pub fn tensor_type(text: &str) -> Result<(String, WeightType), String> {
    let (name, stored) = text.rsplit_once('=').ok_or("expected TEXT=TYPE, such as wte=f16")?;
    if name.is_empty() {
        return Err("expected a part of a tensor's name before the =".to_owned());
    }
    Ok((name.to_owned(), stored.parse()?))
}

impl ModelArgs {
    /// Where it comes from.
    ///
    /// # Errors
    /// There is neither such a folder nor such a pulled model.
    pub fn source(self, common: &Common) -> anyhow::Result<Source> {
        let types = WeightTypes { matrices: self.weights.0, named: self.tensor_type };
        Ok(Source { types, kv_type: self.kv, ..Source::resolve(self.model, common)? })
    }
}

/// How to choose tokens, under llama-cli's names. What is not said is the command's own choice.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Temperature; 0 always takes the likeliest token
    #[arg(long, value_name = "T", value_parser = finite, allow_negative_numbers = true)]
    pub temp: Option<f32>,
    /// Draw from the K likeliest tokens only; 0: from all
    #[arg(long, value_name = "K", value_parser = whole, allow_negative_numbers = true)]
    pub top_k: Option<u32>,
    /// Draw from the likeliest tokens that hold this share of the probability; 1: from all
    #[arg(long, value_name = "P", value_parser = finite, allow_negative_numbers = true)]
    pub top_p: Option<f32>,
    /// Draw from tokens with at least this share of the likeliest one's probability; 0: from all
    #[arg(long, value_name = "P", value_parser = finite, allow_negative_numbers = true)]
    pub min_p: Option<f32>,
    /// Make tokens of the context less likely; 1: as likely as they are
    #[arg(long, value_name = "X", value_parser = finite, allow_negative_numbers = true)]
    pub repeat_penalty: Option<f32>,
    /// Seed of the draws [default: another one each time, told in the summary]
    #[arg(short, long, value_name = "SEED")]
    pub seed: Option<u64>,
}

impl SamplingArgs {
    /// What was said, and the rest as in `otherwise`; without a seed another one each time.
    pub fn resolve(&self, otherwise: Sampling) -> Sampling {
        Sampling {
            temperature: self.temp.unwrap_or(otherwise.temperature),
            repeat_penalty: self.repeat_penalty.unwrap_or(otherwise.repeat_penalty),
            top_k: self.top_k.unwrap_or(otherwise.top_k),
            top_p: self.top_p.unwrap_or(otherwise.top_p),
            min_p: self.min_p.unwrap_or(otherwise.min_p),
            seed: self.seed.unwrap_or_else(any_seed),
        }
    }
}

/// Another one each time.
pub fn any_seed() -> u64 {
    RandomState::new().hash_one(())
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

/// How far an answer goes.
#[derive(Debug, Args)]
pub struct LengthArgs {
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
}

impl LengthArgs {
    /// Together with how tokens are chosen and how long is thought about each.
    pub fn resolve(self, sampling: Sampling, depth: DepthControl, trace: bool) -> GenerateOptions {
        GenerateOptions {
            n_tokens: self.n_tokens as usize,
            sampling,
            depth,
            overflow: self.overflow.into(),
            stop: self.stop,
            ignore_eos: self.ignore_eos,
            trace,
        }
    }
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

/// `-o`: how a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// A table for people, in Markdown
    Md,
    /// Comma-separated values with a header
    Csv,
    /// One JSON array
    Json,
}

/// Token ids separated by commas or spaces; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenList(pub Vec<u32>);

impl TokenList {
    /// For clap.
    ///
    /// # Errors
    /// A sentence that names the word that is none.
    pub fn parse(text: &str) -> Result<TokenList, String> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let ids = words.map(|word| word.parse().map_err(|_| format!("`{word}` is not a token id")));
        match ids.collect::<Result<Vec<u32>, String>>()? {
            ids if ids.is_empty() => Err("expected token ids such as 3,81,22".to_owned()),
            ids => Ok(TokenList(ids)),
        }
    }
}

/// From 1 on.
pub fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(value) if value > 0 => Ok(value),
        _ => Err("expected a whole number from 1 on".to_owned()),
    }
}

/// From 0 on.
pub fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 0 on".to_owned())
}

/// Not infinite, and not NaN.
pub fn finite(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("expected a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_lists() {
        assert_eq!(TokenList::parse("3,81, 22"), Ok(TokenList(vec![3, 81, 22])));
        assert_eq!(TokenList::parse("3,x"), Err("`x` is not a token id".to_owned()));
        assert!(TokenList::parse(",").is_err());
        assert!(TokenList::parse("-1").is_err());
        assert!(TokenList::parse("4294967296").is_err());
    }
}
