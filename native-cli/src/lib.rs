//! `fathom`: runs models that decide for themselves how long to think.
//!
//! The command line becomes plain data (`cli`, `args`), each subcommand has one file or folder in `commands`,
//! and what they share (models, colour, Ctrl-C, exit codes) stands beside them. Everything that computes is in
//! the engine.

mod answer;
mod args;
mod beads;
mod cli;
mod commands;
mod failure;
mod hub;
mod interrupt;
mod loading;
mod output;
mod paint;
mod prompt;
#[doc(hidden)]
pub mod pytorch;
mod recovering;
mod sudokus;
#[doc(hidden)]
pub mod tasks;
mod template;
mod trace_file;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::commands::{
    bench, chat, completions, convert, depth_sweep, devices, doctor, eval, forward, info, list, pull,
    puzzles, rm, run, serve, show, solve, watch,
};

/// The whole program, from its arguments to its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return failure::report_parsing(&error),
    };
    carry_out(cli).unwrap_or_else(|error| failure::report(&error))
}

fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    interrupt::install()?;
    match cli.command {
        None => show::show(&cli.common),
        Some(Command::Run(args)) => run::run(&cli.common, *args),
        Some(Command::Chat(args)) => chat::chat(&cli.common, *args),
        Some(Command::Watch(args)) => watch::watch(&cli.common, *args),
        Some(Command::Serve(args)) => serve::serve(&cli.common, *args),
        Some(Command::Pull(args)) => pull::pull(&cli.common, args),
        Some(Command::List(args)) => list::list(&cli.common, args),
        Some(Command::Rm(args)) => rm::rm(&cli.common, args),
        Some(Command::Convert(args)) => convert::convert(&cli.common, args),
        Some(Command::Info(args)) => info::info(&cli.common, args),
        Some(Command::Eval(command)) => eval::eval(&cli.common, *command),
        Some(Command::DepthSweep(command)) => depth_sweep::depth_sweep(&cli.common, *command),
        Some(Command::Bench(args)) => bench::bench(&cli.common, args),
        Some(Command::Forward(args)) => forward::forward(&cli.common, args),
        Some(Command::Solve(args)) => solve::solve(&cli.common, *args),
        Some(Command::Puzzles(args)) => puzzles::puzzles(args),
        Some(Command::Devices(args)) => devices::devices(&cli.common, args),
        Some(Command::Doctor(args)) => doctor::doctor(&cli.common, args),
        Some(Command::Completions(args)) => completions::completions(args),
        Some(Command::Man(args)) => completions::man(args),
    }
}
