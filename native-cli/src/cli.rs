//! The command line as clap reads it. Each subcommand's file turns its part into plain data, once.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::bench::BenchArgs;
use crate::commands::chat::ChatArgs;
use crate::commands::completions::{CompletionsArgs, ManArgs};
use crate::commands::convert::ConvertArgs;
use crate::commands::depth_sweep::SweepCommand;
use crate::commands::devices::DevicesArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::eval::EvalCommand;
use crate::commands::forward::ForwardArgs;
use crate::commands::info::InfoArgs;
use crate::commands::list::ListArgs;
use crate::commands::pull::PullArgs;
use crate::commands::puzzles::PuzzlesArgs;
use crate::commands::rm::RmArgs;
use crate::commands::run::RunArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::solve::SolveArgs;
use crate::commands::watch::WatchArgs;
use crate::paint::ColorChoice;

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit   ",
    env!("FATHOM_BUILD_COMMIT"),
    "\nbuild    ",
    env!("FATHOM_BUILD_PROFILE"),
    ", ",
    env!("FATHOM_BUILD_TARGET"),
    "\nwgpu     ",
    env!("FATHOM_BUILD_WGPU"),
);

const EXAMPLES: &str = "\
Examples:
  fathom                              see the built-in model solve problems, easy to hard
  fathom run \"7+5-3*4=\"               solve one; each token is tinted by its depth
  fathom watch \"7+5-3*4=\"             the same full screen, every step to go back and forth in
  fathom solve --watch                a Sudoku that fills itself in
  fathom pull owner/repo              a model from Hugging Face
  fathom chat -m owner/repo           talk with it
  fathom run -m DIR \"Once upon\"       a model from a folder
  fathom devices                      what this machine has to compute on

Every flag has a variable: --halt-bias is FATHOM_HALT_BIAS. Flags that take no value are set by true.";

/// Runs models that decide for themselves how long to think.
#[derive(Debug, Parser)]
#[command(name = "fathom", version, long_version = LONG_VERSION, after_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 100)]
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
    /// Folder of pulled models [default: fathom/models in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Continue a prompt: the answer to standard output, everything else to standard error
    Run(Box<RunArgs>),
    /// Talk with a model
    Chat(Box<ChatArgs>),
    /// Watch it think, full screen: each step of each token, live, to go back and forth in
    Watch(Box<WatchArgs>),
    /// Solve puzzles, segment by segment: Sudokus, mazes, ARC tasks; one, or a file of them
    Solve(Box<SolveArgs>),
    /// Answer over HTTP, in the form of OpenAI's interface
    Serve(Box<ServeArgs>),
    /// Fetch a model from a hub (Hugging Face) into the cache; goes on where it was ended
    Pull(PullArgs),
    /// List the models in the cache
    List(ListArgs),
    /// Remove models from the cache
    Rm(RmArgs),
    /// PyTorch files, safetensors and folders to a folder that the engine reads
    Convert(ConvertArgs),
    /// Tell what a model costs: parameters, FLOPs, bytes, cache, room
    Info(InfoArgs),
    /// How good a model is: perplexity, multiple choice, exact answers; and how deep
    #[command(subcommand)]
    Eval(Box<EvalCommand>),
    /// Quality, steps and time against forced depth and halting bias; CSV and SVG
    #[command(subcommand)]
    DepthSweep(Box<SweepCommand>),
    /// Time a token at given contexts and depths
    Bench(BenchArgs),
    /// One forward of the whole prompt, nothing cached: depth, halting values, logits
    Forward(ForwardArgs),
    /// Make Sudokus: sizes, grades, numbers of givens, none twice
    Puzzles(PuzzlesArgs),
    /// List what there is to compute on, and which one `auto` takes
    Devices(DevicesArgs),
    /// Examine drivers and devices: right answers, speed, a verdict
    Doctor(DoctorArgs),
    /// Print what a shell needs to complete commands and flags
    Completions(CompletionsArgs),
    /// Print the manual, or write a page for each command
    Man(ManArgs),
}

impl Cli {
    /// What the program was started with; what a flag does not say, its variable `FATHOM_<FLAG>` may.
    ///
    /// # Errors
    /// What clap finds wrong with it, or the help or version that was asked for.
    pub fn read() -> Result<Cli, clap::Error> {
        Cli::from_arg_matches(&Cli::whole_command().try_get_matches()?)
    }

    /// All of the command line, every flag with its variable.
    pub fn whole_command() -> clap::Command {
        with_variables(Cli::command())
    }
}

/// A flag's variable.
pub fn variable(long: &str) -> String {
    format!("FATHOM_{}", long.replace('-', "_").to_uppercase())
}

fn with_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_long() {
        Some(long) => {
            let variable = variable(long);
            arg.env(variable).hide_env(true)
        }
        None => arg,
    });
    command.mut_subcommands(with_variables)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        Cli::command().debug_assert();
    }
}
