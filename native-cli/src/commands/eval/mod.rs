//! `fathom eval`: how good a model is at a text, at choosing, at answering; and how deep it thought about what it
//! got right and wrong.

mod answers;
mod choices;
mod exam;
mod merge;
mod record;
mod report;
mod results;
mod statistics;
mod table;
mod windows;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use fathom_engine::{DepthControl, Model, ModelFiles};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{DepthArgs, ModelArgs, at_least_one};
use crate::cli::Common;
use crate::failure::{INTERRUPTED, usage};
use crate::interrupt::Graceful;
use crate::loading::{self, LoadBar};
use crate::output;
use crate::paint::Paint;

use self::results::Results;

pub use self::exam::{Exam, Reading, Task};
pub use self::record::Record;
pub use self::report::Report;
pub use self::results::{ModelIdentity, Shard};

/// `fathom eval`.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// How likely a text is, in bits and as perplexity
    ///
    /// The text is read in windows. Each further window begins --stride tokens behind the one before and scores
    /// only what that one did not, so that every token but the text's first is scored once. bits a byte divides
    /// by the bytes of the scored tokens.
    Perplexity(EvalArgs<PerplexityArgs>),
    /// Which of several endings is likeliest: JSON lines, as HellaSwag, PIQA and WinoGrande have them
    ///
    /// A line has one of these forms; but for the first, an ending begins with a space:
    ///
    ///   context, endings, label                taken as they stand
    ///   ctx (or ctx_a, ctx_b), endings, label  HellaSwag: marks in brackets are left out
    ///   goal, sol1, sol2, label                PIQA
    ///   sentence, option1, option2, answer     WinoGrande: the option and what follows are the ending
    ///
    /// Context and ending become tokens separately. The ending whose tokens have the highest mean
    /// log-probability is chosen, as the authors do.
    #[command(verbatim_doc_comment)]
    Choice(EvalArgs<ChoiceArgs>),
    /// Whether the likeliest answer is the expected one: JSON lines with prompt or question, and answer
    ///
    /// A prompt is read as it stands; of a question the model reads `Question: … Answer:`, and its answer ends
    /// with the line, as the authors do. answer may be one text or a list of right ones.
    Exact(EvalArgs<ExactArgs>),
    /// Put the results of all shards together
    Merge(MergeArgs),
}

/// A task, and how it is gone through.
#[derive(Debug, Args)]
pub struct EvalArgs<T: Args> {
    /// What is asked.
    #[command(flatten)]
    pub task: T,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Keep the result of every item in this file, and go on where an earlier run with it ended
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which items.
    #[command(flatten)]
    pub part: PartArgs,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// Which items of a file.
#[derive(Clone, Copy, Debug, Args)]
pub struct PartArgs {
    /// Only the first N items
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub limit: Option<u32>,
    /// Only every n-th item, from the i-th on; `fathom eval merge` puts the parts of an evaluation together
    #[arg(long, value_name = "i/n", value_parser = Shard::parse, default_value = "1/1")]
    pub shard: Shard,
}

/// `perplexity`.
#[derive(Debug, Args)]
pub struct PerplexityArgs {
    /// A text
    pub file: PathBuf,
    /// Tokens that a window reads [default: as many as the model can]
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub window: Option<u32>,
    /// Tokens from one window's beginning to the next one's [default: half a window]
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub stride: Option<u32>,
    /// At which depth a token is read [default: both; of depth-sweep: prefix]
    #[arg(long, value_enum, value_name = "HOW")]
    pub reading: Option<Reading>,
    /// The file holds token ids, separated by commas or spaces
    #[arg(long)]
    pub token_ids: bool,
}

/// `choice`.
#[derive(Debug, Args)]
pub struct ChoiceArgs {
    /// Questions, a JSON object a line
    pub file: PathBuf,
    /// The right answers, one a line, where the questions come without (PIQA)
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// At which depth a token is read
    #[arg(long, value_enum, value_name = "HOW", default_value_t = OneReading::Whole)]
    pub reading: OneReading,
    /// Of WinoGrande, score only what follows the blank, as lm-evaluation-harness does
    #[arg(long)]
    pub partial: bool,
}

/// `--reading` where there is one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OneReading {
    /// One forward, all at the depth that context and ending come to together: the authors' way
    Whole,
    /// Each at its own prefix's depth, as generation would read it
    Prefix,
}

/// `exact`.
#[derive(Debug, Args)]
pub struct ExactArgs {
    /// Questions, a JSON object a line
    pub file: PathBuf,
    /// Compare without case, ASCII punctuation, spare spaces and the words a, an, the
    #[arg(long)]
    pub normalize: bool,
    /// Tokens of an answer at the most [default: the expected answer's and those that end it; of a question: 20]
    #[arg(short, long = "n-predict", value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub n_predict: Option<u32>,
    /// End an answer before this text; may be given several times
    #[arg(long, value_name = "STRING", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub stop: Vec<String>,
    /// Questions that are answered at once; the answers are the same
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one, allow_negative_numbers = true)]
    pub batch: u32,
}

/// `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// What the runs of all shards wrote with --out
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// A task with its file, and nothing left to ask but the model.
pub trait Asked {
    /// With defaults out of the model; `reading` where none was asked for.
    fn exam(self, model: std::sync::Arc<Model>, reading: Reading) -> anyhow::Result<Exam>;
}

impl Asked for PerplexityArgs {
    fn exam(self, model: std::sync::Arc<Model>, reading: Reading) -> anyhow::Result<Exam> {
        let most = model.config().block_size;
        let window = self.window.map_or(most, |window| window as usize);
        if window > most {
            return Err(usage(format!("--window {window}: the model's window is {most} tokens")));
        }
        let stride = self.stride.map_or((window / 2).max(1), |stride| stride as usize);
        if stride > window {
            return Err(usage(format!(
                "--stride {stride} is above the window, {window}: tokens would be left out"
            )));
        }
        let (reading, token_ids) = (self.reading.unwrap_or(reading), self.token_ids);
        Exam::open(model, Task::Perplexity { window, stride, reading, token_ids }, &self.file, None, 1)
    }
}

impl Asked for ChoiceArgs {
    fn exam(self, model: std::sync::Arc<Model>, _: Reading) -> anyhow::Result<Exam> {
        let ChoiceArgs { file, labels, reading, partial } = self;
        let reading = match reading {
            OneReading::Whole => Reading::Whole,
            OneReading::Prefix => Reading::Prefix,
        };
        Exam::open(model, Task::Choice { reading, partial }, &file, labels.as_deref(), 1)
    }
}

impl Asked for ExactArgs {
    fn exam(self, model: std::sync::Arc<Model>, _: Reading) -> anyhow::Result<Exam> {
        let ExactArgs { file, normalize, n_predict, stop, batch } = self;
        let n_predict = n_predict.map(|n| n as usize);
        Exam::open(model, Task::Exact { normalize, n_predict, stop }, &file, None, batch as usize)
    }
}

/// Carries out `fathom eval`.
pub fn eval(common: &Common, command: EvalCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvalCommand::Perplexity(args) => examine(common, args),
        EvalCommand::Choice(args) => examine(common, args),
        EvalCommand::Exact(args) => examine(common, args),
        EvalCommand::Merge(args) => {
            let (header, records) = merge::merge(&args.files)?;
            print(common, &Report::new(&header, records), args.json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn examine<T: Args + Asked>(common: &Common, args: EvalArgs<T>) -> anyhow::Result<ExitCode> {
    let EvalArgs { task, model, out, part, json, depth } = args;
    let depth = depth.resolve()?;
    let (files, model) = open_model(common, model)?;
    depth.check(model.config())?;
    let exam = task.exam(model, Reading::Both)?;
    let limit = part.limit.map(|limit| limit as usize);
    let header = exam.header(ModelIdentity::of(&files)?, &depth, limit, part.shard);
    drop(files);
    let (mut results, mut records) = match &out {
        Some(path) => {
            let (results, records) = Results::open(path, &header)?;
            (Some(results), records)
        }
        None => (None, vec![]),
    };
    let mut is_done = vec![false; header.n_items];
    records.iter().for_each(|record| is_done[record.item] = true);
    let n_there = records.len();
    let todo: Vec<usize> = part.shard.items(header.n_items).filter(|&item| !is_done[item]).collect();
    let n_items = n_there + todo.len();
    if n_there > 0 && !common.quiet {
        output::note(&format!("{n_there} of {n_items} items are there already"));
    }
    let bar = Bar::new(common, n_items);
    bar.0.set_position(n_there as u64);
    bar.0.reset_eta();
    let is_whole = run(&exam, depth, &todo, &bar, &mut |new| {
        if let Some(results) = &mut results {
            results.write(&new)?;
        }
        records.extend(new);
        Ok(())
    })?;
    drop(bar);
    if !is_whole {
        let how = if out.is_some() { "; the same command goes on from here" } else { "" };
        if !common.quiet {
            output::note(&format!("interrupted: {} of {n_items} items are done{how}", records.len()));
        }
        return Ok(ExitCode::from(INTERRUPTED));
    }
    print(common, &Report::new(&header, records), json)?;
    Ok(ExitCode::SUCCESS)
}

/// The model, and its files for telling which one it is.
pub fn open_model(common: &Common, args: ModelArgs) -> anyhow::Result<(ModelFiles, std::sync::Arc<Model>)> {
    let files = args.source(common)?.files()?;
    let device = loading::open_device(common)?;
    let model = loading::load(&files, device, &mut LoadBar::new(common.quiet))?;
    Ok((files, model))
}

/// Examines items and hands over their records; false where Ctrl-C ended it.
pub fn run(
    exam: &Exam,
    depth: DepthControl,
    items: &[usize],
    bar: &Bar,
    take: &mut dyn FnMut(Vec<Record>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let graceful = Graceful::begin();
    let mut sitting = exam.sitting(depth)?;
    for places in items.chunks(exam.at_once()) {
        if graceful.asked() {
            return Ok(false);
        }
        take(sitting.examine(places)?)?;
        bar.0.inc(places.len() as u64);
    }
    Ok(true)
}

/// Items as they are done, on standard error, for terminals; gone when it goes.
pub struct Bar(pub ProgressBar);

impl Bar {
    /// With nothing done.
    pub fn new(common: &Common, n_items: usize) -> Bar {
        if common.quiet || !output::stderr_is_terminal() {
            return Bar(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{msg}{bar:32} {pos} of {len}, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar(ProgressBar::new(n_items as u64).with_style(style))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn print(common: &Common, report: &Report, json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return output::json_line(&mut out, report);
    }
    Ok(table::print(&mut out, report, Paint::resolve(common.color, output::stdout_is_terminal()))?)
}
