//! `fathom`: runs models that decide for themselves how long to think.
//!
//! The command line becomes plain data (`cli`), each subcommand has one file, and what they share
//! (models, colour, Ctrl-C, exit codes) stands beside them. Everything that computes is in the engine.

mod answer;
mod beads;
mod bench;
mod cli;
mod devices;
mod failure;
mod forward;
mod interrupt;
mod loading;
mod output;
mod paint;
mod prefixes;
mod run;
mod show;
mod synth;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
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
        Some(Command::Forward(args)) => forward::forward(&cli.common, args),
        Some(Command::Devices(args)) => devices::devices(&cli.common, args),
        Some(Command::Bench(args)) => bench::bench(&cli.common, args),
    }
}
