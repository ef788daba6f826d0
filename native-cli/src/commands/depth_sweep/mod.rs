//! `fathom depth-sweep`: how good a model is, how many steps it takes and how long that is, at each forced depth and at
//! several halting biases; and where its own halting lies among them.

mod figure;
mod rows;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use fathom_engine::{Config, DepthControl};
use indicatif::ProgressBar;
use tempfile::NamedTempFile;

use crate::args::{ModelArgs, TableFormat, at_least_one, finite};
use crate::cli::Common;
use crate::commands::eval::{
    Asked, Bar, ChoiceArgs, ExactArgs, Exam, ModelIdentity, PartArgs, PerplexityArgs, Reading, Record,
    Report, open_model, run,
};
use crate::failure::{INTERRUPTED, usage};
use crate::output;

use self::rows::{Control, Sweep};

/// `fathom depth-sweep`.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// The bits that a token of a text costs, as eval perplexity measures them
    Perplexity(SweepArgs<PerplexityArgs>),
    /// The accuracy at multiple choice, as eval choice measures it
    Choice(SweepArgs<ChoiceArgs>),
    /// The accuracy of answers, as eval exact measures it
    Exact(SweepArgs<ExactArgs>),
}

/// A task, and what is tried.
#[derive(Debug, Args)]
pub struct SweepArgs<T: Args> {
    /// What is asked.
    #[command(flatten)]
    pub task: T,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Which items.
    #[command(flatten)]
    pub part: PartArgs,
    /// Depths to force [default: all]
    #[arg(long, value_name = "DEPTHS", value_delimiter = ',', value_parser = at_least_one,
        allow_negative_numbers = true)]
    pub depths: Vec<u32>,
    /// Halting biases to try beside the model's own [default: 1, 2 and 4 more and less than that]
    #[arg(long, value_name = "BIASES", value_delimiter = ',', value_parser = finite, allow_hyphen_values = true)]
    pub biases: Vec<f32>,
    /// Write the rows to a file, as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw them into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// How to print the rows
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = TableFormat::Md)]
    pub output: TableFormat,
}

/// Biases that are tried where none were given, from the model's own.
const AROUND: [f32; 6] = [-4.0, -2.0, -1.0, 1.0, 2.0, 4.0];

/// The controls take turns, so that whatever else the machine does slows all of them alike.
const ROUNDS: usize = 5;

/// Carries out `fathom depth-sweep`.
pub fn depth_sweep(common: &Common, command: SweepCommand) -> anyhow::Result<ExitCode> {
    match command {
        SweepCommand::Perplexity(args) => {
            if args.task.reading == Some(Reading::Both) {
                return Err(usage("--reading both: a curve is of one reading, whole or prefix"));
            }
            sweep(common, args)
        }
        SweepCommand::Choice(args) => sweep(common, args),
        SweepCommand::Exact(args) => sweep(common, args),
    }
}

fn sweep<T: Args + Asked>(common: &Common, args: SweepArgs<T>) -> anyhow::Result<ExitCode> {
    let SweepArgs { task, model, part, depths, biases, csv, svg, output, .. } = args;
    let (files, model) = open_model(common, model)?;
    let exam = task.exam(model, Reading::Prefix)?;
    let controls = controls(exam.model.config(), &depths, &biases);
    for control in &controls {
        control.depth().check(exam.model.config())?;
    }
    let limit = part.limit.map(|limit| limit as usize);
    let n_items = exam.n_items().min(limit.unwrap_or(usize::MAX));
    let items: Vec<usize> = part.shard.items(n_items).collect();
    if items.is_empty() {
        return Err(usage(format!("--shard {}: of {n_items} items it has none", part.shard)));
    }
    // Whether they can be written is known before hours are spent.
    let csv = csv.as_deref().map(|path| Target::open("--csv", path)).transpose()?;
    let svg = svg.as_deref().map(|path| Target::open("--svg", path)).transpose()?;
    warm_up(&exam, &items)?;
    let mut sweep = Sweep::new(&exam, items.len());
    let identity = ModelIdentity::of(&files)?;
    drop(files);
    let bar = Bar::new(common, items.len() * controls.len());
    let mut found: Vec<(Control, Vec<Record>)> =
        controls.into_iter().map(|control| (control, Vec::with_capacity(items.len()))).collect();
    for round in 0..ROUNDS {
        let items: Vec<usize> = items.iter().copied().skip(round).step_by(ROUNDS).collect();
        for (control, records) in &mut found {
            bar.0.set_message(format!("{control:<16}"));
            let is_whole = run(&exam, control.depth(), &items, &bar, &mut |new| {
                records.extend(new);
                Ok(())
            })?;
            if !is_whole {
                drop(bar);
                if !common.quiet {
                    output::note("interrupted; nothing was written");
                }
                return Ok(ExitCode::from(INTERRUPTED));
            }
        }
    }
    for (control, records) in found {
        let header = exam.header(identity.clone(), &control.depth(), limit, part.shard);
        sweep.add(control, &Report::new(&header, records));
    }
    drop(bar);
    let mut rows = Vec::new();
    sweep.print_csv(&mut rows)?;
    let mut out = io::stdout().lock();
    match output {
        TableFormat::Csv => out.write_all(&rows)?,
        TableFormat::Json => output::json_line(&mut out, &sweep)?,
        TableFormat::Md => sweep.print_table(&mut out)?,
    }
    out.flush()?;
    if output == TableFormat::Csv && !common.quiet {
        output::note(&sweep.own_halting());
    }
    if let Some(csv) = csv {
        csv.write(&rows)?;
    }
    if let Some(svg) = svg {
        svg.write(figure::draw(&sweep).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All that is tried, forced depths first; the model's own bias among the others.
fn controls(config: &Config, depths: &[u32], biases: &[f32]) -> Vec<Control> {
    let own = config.halt_bias;
    let mut depths =
        if depths.is_empty() { (1..=config.hrm_max_steps as u32).collect() } else { depths.to_vec() };
    depths.sort_unstable();
    depths.dedup();
    let mut biases = if biases.is_empty() { AROUND.map(|bias| own + bias).to_vec() } else { biases.to_vec() };
    biases.push(own);
    biases.sort_by(f32::total_cmp);
    biases.dedup();
    let biases = biases.into_iter().map(|bias| Control::Bias { bias, is_own: bias == own });
    depths.into_iter().map(Control::Depth).chain(biases).collect()
}

/// One item as deep as it goes, not counted: shaders are compiled when they are first used.
fn warm_up(exam: &Exam, items: &[usize]) -> anyhow::Result<()> {
    let deepest =
        DepthControl { forced: Some(exam.model.config().hrm_max_steps as u32), ..DepthControl::default() };
    run(exam, deepest, &items[..1], &Bar(ProgressBar::hidden()), &mut |_| Ok(()))?;
    Ok(())
}

/// A file that will be whole or not there.
struct Target<'a> {
    flag: &'static str,
    path: &'a Path,
    file: NamedTempFile,
}

impl<'a> Target<'a> {
    fn open(flag: &'static str, path: &'a Path) -> anyhow::Result<Target<'a>> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // As any new file; the user's mask applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).with_context(|| format!("{flag} {}", path.display()))?;
        Ok(Target { flag, path, file })
    }

    fn write(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| Ok(self.file.persist(self.path).map(drop)?));
        written.with_context(|| format!("{} {}", self.flag, self.path.display()))
    }
}

impl Control {
    fn depth(self) -> DepthControl {
        match self {
            Control::Depth(depth) => DepthControl { forced: Some(depth), ..DepthControl::default() },
            Control::Bias { bias, .. } => DepthControl { halt_bias: Some(bias), ..DepthControl::default() },
        }
    }
}
