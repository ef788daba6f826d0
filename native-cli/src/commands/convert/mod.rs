//! `fathom convert`: the files that people have to a folder that the engine reads.
//!
//! What is read may be somebody else's: nothing in it is run, everything is checked before a byte is written, and
//! the folder appears whole or not at all. One tensor at a time is in memory.

mod check;
mod folder;
mod form;
mod gpt2;
mod hrm;
mod names;
mod numbers;
mod plan;
mod source;
mod state_dict;
mod summary;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use fathom_engine::{Progress, Tokenizer, WeightType, WeightTypes};

use crate::args::{WeightChoice, at_least_one, tensor_type};
use crate::cli::Common;
use crate::failure::{INTERRUPTED, usage};
use crate::interrupt::Graceful;
use crate::loading::LoadBar;
use crate::output;
use crate::paint::Paint;

use self::folder::NewFolder;
use self::form::{Form, file_beside};
use self::source::Input;
use self::summary::Summary;
use self::write::Written;

/// `fathom convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A PyTorch file (CF.pt), a safetensors file, or a model's folder
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The folder to write; it must not be there yet, or be empty
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// The type to write numbers in: f32, f16 or bf16; q8 or q4 (blocks of 32 with a scale) for matrices, and the
    /// others as they are; keep: each tensor as it is
    #[arg(long, visible_alias = "dtype", value_name = "TYPE", default_value = "keep")]
    pub weights: WeightChoice,
    /// Another type for tensors whose names contain TEXT; the first TEXT that a name contains counts
    #[arg(long, value_name = "TEXT=TYPE", value_parser = tensor_type)]
    pub tensor_type: Vec<(String, WeightType)>,
    /// Write several files of at most this size each: 500MB, 5GB, 2GiB [default: one file]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub shard_size: Option<u64>,
    /// The model's configuration [default: the one in IN, or config.json or all_config.yaml beside it]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The tokenizer.json to put there [default: GPT-2's for its vocabulary, or the one beside IN]
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Cells of a puzzle, for an HRM checkpoint that does not tell
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub seq_len: Option<u32>,
    /// Replace OUT where it is a model's folder
    #[arg(long)]
    pub force: bool,
    /// The summary as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

const TOKENIZER: &str = "tokenizer.json";

/// What else a model's folder may hold that belongs to its words.
const COMPANIONS: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "chat_template.jinja"];

/// Ctrl-C was pressed; what was begun is removed.
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Carries out `fathom convert`.
pub fn convert(common: &Common, args: ConvertArgs) -> anyhow::Result<ExitCode> {
    match carry_out(common, &args) {
        Err(error) if error.is::<Stopped>() => Ok(ExitCode::from(INTERRUPTED)),
        Err(error) => Err(error),
        Ok(summary) => {
            if args.json {
                summary.print_json()?;
            } else if !common.quiet {
                summary.print(Paint::resolve(common.color, output::stderr_is_terminal()));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn carry_out(common: &Common, args: &ConvertArgs) -> anyhow::Result<Summary> {
    let mut input = Input::open(&args.input)?;
    let prefixes = names::strip(&mut input.tensors).with_context(|| args.input.display().to_string())?;
    let mut form = form::resolve(&input, args.config.as_deref(), args.seq_len)?;
    let types = WeightTypes { matrices: args.weights.0, named: args.tensor_type.clone() };
    let (planned, tied_twice) = plan::plan(&mut input, &form, &types)?;
    let words = Words::choose(args.tokenizer.as_deref(), &input, &form)?;
    // What most numbers are: the widest matrix tells.
    if let Some(largest) = planned.iter().max_by_key(|tensor| tensor.n).filter(|_| form.cosmicfish.is_some())
    {
        form.set_type(largest.to);
    }
    let mut summary = Summary::begin(&input, prefixes, &form, &planned, &args.out);
    if let Some(note) = &form.note {
        summary.note(note);
    }
    if tied_twice {
        summary.leave_out("lm_head.weight (it is wte.weight)");
    }
    if let (Some(file), Some(_)) = (&args.config, &input.config) {
        summary.leave_out(&format!("the configuration in the file (--config {} was given)", file.display()));
    }

    // From here on the first Ctrl-C removes what was begun.
    let graceful = Graceful::begin();
    let new = NewFolder::begin(&args.out, &args.input, args.force)?;
    let mut bar = LoadBar::new(common.quiet);
    let bytes_total = planned.iter().map(plan::Planned::n_bytes).sum();
    let mut bytes_done = 0;
    let mut done = |n_bytes| {
        bytes_done += n_bytes;
        bar.show(Progress { phase: "writing weights", bytes_done, bytes_total });
        if graceful.asked() { Err(anyhow::Error::new(Stopped)) } else { Ok(()) }
    };
    let shards = write::shards(planned, args.shard_size);
    let weights = write::write(&mut input, shards, &new.path(), &mut done)?;
    drop(bar);
    let weight_names: Vec<String> =
        weights.iter().map(|file| file.name.clone()).filter(|name| name.ends_with(".safetensors")).collect();

    let mut files = vec![write::write_text(&new.path(), "config.json", &form.config_text()?)?];
    files.extend(weights);
    files.extend(words.write(&input, &new.path())?);
    summary.tokenizer(&words.described());
    let kind = if form.cosmicfish.is_some() { check::Kind::CosmicFish } else { check::Kind::Hrm };
    check::written(kind, &new.path(), &weight_names)?;
    new.finish()?;
    summary.finish(files, run_command(&words, &args.out));
    Ok(summary)
}

/// Where the new folder's tokenizer comes from.
enum Words {
    /// GPT-2's, written out.
    Gpt2,
    /// A file, which was read once.
    Copied(PathBuf),
    /// An HRM has no words.
    NoneNeeded,
    /// There is none.
    Missing,
}

impl Words {
    fn choose(given: Option<&Path>, input: &Input, form: &Form) -> anyhow::Result<Words> {
        let Some(config) = &form.cosmicfish else {
            return match given {
                Some(_) => Err(usage("--tokenizer: an HRM has no tokenizer")),
                None => Ok(Words::NoneNeeded),
            };
        };
        let gpt2 = config.has_gpt2_vocabulary();
        // Beside a single file there may be anything; in its own folder a model's tokenizer is its own.
        let beside = file_beside(input, TOKENIZER).filter(|_| input.is_folder || !gpt2);
        let Some(file) = given.map(Path::to_owned).or(beside) else {
            return Ok(if gpt2 { Words::Gpt2 } else { Words::Missing });
        };
        let named = file.display().to_string();
        let tokenizer = Tokenizer::from_json(source::read_text(&file)?.as_bytes(), &named)?;
        config.check_vocabulary(tokenizer.n_vocab()).context(named)?;
        Ok(Words::Copied(file))
    }

    fn write(&self, input: &Input, folder: &Path) -> anyhow::Result<Vec<Written>> {
        let mut files = Vec::new();
        match self {
            Words::Gpt2 => files.push(write::write_text(folder, TOKENIZER, &gpt2::tokenizer_json()?)?),
            Words::Copied(file) => files.push(write::copy(file, folder, TOKENIZER)?),
            Words::NoneNeeded | Words::Missing => {}
        }
        for name in COMPANIONS.into_iter().filter(|_| input.is_folder) {
            if let Some(file) = file_beside(input, name) {
                files.push(write::copy(&file, folder, name)?);
            }
        }
        Ok(files)
    }

    fn described(&self) -> String {
        match self {
            Words::Gpt2 => "GPT-2's, the built-in one written out".to_owned(),
            Words::Copied(file) => file.display().to_string(),
            Words::NoneNeeded => "none: puzzles have no words".to_owned(),
            Words::Missing => {
                "none: no tokenizer.json is beside the input; the model takes token ids".to_owned()
            }
        }
    }
}

/// The command that shows that it worked.
fn run_command(words: &Words, out: &Path) -> String {
    let out = out.display().to_string();
    let plain = out.chars().all(|c| c.is_alphanumeric() || "/\\._-:".contains(c));
    let out = if plain { out } else { format!("\"{out}\"") };
    match words {
        Words::NoneNeeded => format!("fathom solve -m {out} PUZZLE"),
        Words::Missing => format!("fathom forward -m {out} --tokens 1,2,3"),
        _ => format!("fathom run -m {out} \"Once upon a time\""),
    }
}

/// A size such as 500MB.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as 500MB, 5GB or 2GiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[digits..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KIB" => 1 << 10,
        "MIB" => 1 << 20,
        "GIB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let n: u64 = text[..digits].parse().map_err(|_| wrong())?;
    n.checked_mul(unit).filter(|&n| n > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("500MB"), Ok(500_000_000));
        assert_eq!(size("2 GiB"), Ok(2 << 30));
        assert_eq!(size("7"), Ok(7));
        for wrong in ["", "MB", "0", "-1", "1.5GB", "5TB", "99999999999GB", "é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
