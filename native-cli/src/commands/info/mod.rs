//! `fathom info`: what a model is made of and what it costs, from its folder or from a config.json alone.

mod report;
mod table;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use fathom_engine::{Config, WeightType, Weights};

use self::report::Report;
use crate::args::at_least_one;
use crate::cli::Common;
use crate::failure::usage;
use crate::loading::{self, Source};
use crate::output;
use crate::paint::Paint;

/// `fathom info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A model, or a config.json of one that need not exist [default: the built-in model]
    #[arg(value_name = "MODEL|CONFIG")]
    pub model: Option<PathBuf>,
    /// Tokens of context that a token's costs are told for [default: the model's window]
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub context: Option<u32>,
    /// How the weights are stored [default: as in the file; f32 for a config.json alone]
    #[arg(long, value_name = "TYPE", value_enum)]
    pub dtype: Option<StoredAs>,
    /// Memory that it has to fit into, such as 8GB or 512MB; may be given several times
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Vec<u64>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `--dtype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoredAs {
    /// Four bytes a number
    F32,
    /// Two, IEEE half precision
    F16,
    /// Two, the upper half of an f32
    Bf16,
}

/// Carries out `fathom info`.
pub fn info(common: &Common, args: InfoArgs) -> anyhow::Result<ExitCode> {
    let (name, config, stored) = read(common, args.model)?;
    let weights = args.dtype.map(StoredAs::weight_type).or(stored).unwrap_or(WeightType::F32);
    let window = config.block_size as u32;
    let context = args.context.unwrap_or(window);
    if context > window {
        return Err(usage(format!("--context {context}: the model's window is {window} tokens")));
    }
    let report = Report::of(name, &config, weights, context, &args.memory);
    let mut out = io::stdout().lock();
    if args.json {
        output::json_line(&mut out, &report)?;
    } else {
        table::print(&mut out, &report, Paint::resolve(common.color, output::stdout_is_terminal()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Its name, its dimensions, and how its weights are stored where there are some. Weights are checked.
fn read(common: &Common, model: Option<PathBuf>) -> anyhow::Result<(String, Config, Option<WeightType>)> {
    if let Some(path) = model.as_ref().filter(|path| path.is_file()) {
        let name = path.display().to_string();
        if path.extension().is_none_or(|extension| extension != "json") {
            bail!("{name}: expected a model's folder or a config.json");
        }
        let text = fs::read_to_string(path).with_context(|| name.clone())?;
        let config = Config::from_json(&text, &name)?;
        return Ok((name, config, None));
    }
    let files = loading::read_files(&Source::resolve(model, common)?, common.quiet)?;
    let config = Config::from_json(&files.config, "config.json")?;
    let weights = Weights::from_files(&files.weights)?;
    pollster::block_on(weights.check(&config))?;
    Ok((files.name, config, Some(weights.weight_type())))
}

impl StoredAs {
    fn weight_type(self) -> WeightType {
        match self {
            StoredAs::F32 => WeightType::F32,
            StoredAs::F16 => WeightType::F16,
            StoredAs::Bf16 => WeightType::Bf16,
        }
    }
}

/// A size in bytes: `8GB`, `512 MB`, `16GiB`, `1000000`.
fn memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit: f64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("expected a size such as 8GB or 512MB".to_owned()),
    };
    match digits.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value * unit < 1e18 => Ok((value * unit) as u64),
        _ => Err("expected a size such as 8GB or 512MB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("8GB", 8_000_000_000), ("512 mb", 512_000_000), ("1.5GiB", 1_610_612_736), ("7", 7)]
        {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "-1GB", "8 apples", "nan", "1e300GB"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }
}
