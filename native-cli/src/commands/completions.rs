//! `fathom completions` and `fathom man`: what shells and readers of manuals want to know of the command line.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_complete::Shell;

use crate::cli::Cli;

/// `fathom completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell's
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `fathom man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page a command into this folder [default: the main page to standard output]
    pub folder: Option<PathBuf>,
}

/// Carries out `fathom completions`.
pub fn completions(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::whole_command(), "fathom", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Carries out `fathom man`.
pub fn man(args: ManArgs) -> anyhow::Result<ExitCode> {
    // Manuals name the variables, which the short help leaves out.
    let command = show_variables(Cli::whole_command());
    match args.folder {
        None => clap_mangen::Man::new(command).render(&mut io::stdout().lock())?,
        Some(folder) => {
            let write =
                || fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command, &folder));
            write().with_context(|| folder.display().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env(false)).mut_subcommands(show_variables)
}
