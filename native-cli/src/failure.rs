//! Exit codes, and the one line that says what went wrong.
//!
//! 0: done, also when the reader of a pipe went away. 1: it failed. 2: the command asked for something
//! that cannot be (a bad flag, a bad value). 130: ended by Ctrl-C.

use std::env;
use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use fathom_engine::{Error, HRM_TYPE, MODEL_TYPE};

use crate::{cli, output};

/// The exit code of a run that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// A command that cannot be carried out as it was given: exit code 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Shorthand for an error of the kind [`Usage`].
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}

/// Prints the error on one line and gives the exit code; silent where a pipe was closed.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    line(&format!("{error:#}{}", what_runs_it(error)));
    ExitCode::from(if is_usage(error) { USAGE } else { FAILURE })
}

/// The command that runs a model which the one that was given does not run.
fn what_runs_it(error: &anyhow::Error) -> &'static str {
    let of_other_type = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<Error>() {
        Some(Error::ModelType { found, .. }) if found == HRM_TYPE => Some("; `fathom solve` runs it"),
        Some(Error::ModelType { found, .. }) if found == MODEL_TYPE => Some("; `fathom run` runs it"),
        _ => None,
    };
    error.chain().find_map(of_other_type).unwrap_or_default()
}

/// What clap found wrong with the command line, or the help or version it was asked for.
pub fn report_parsing(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _closed_pipe_is_no_error = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    line(&format!("{}{}", one_line(&text), origin(error)));
    ExitCode::from(USAGE)
}

/// Where the wrong value may come from, when it is that of a flag's variable.
fn origin(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = context(ContextKind::InvalidArg).and_then(|arg| arg.split(' ').find(|w| w.starts_with("--")));
    let variable = flag.map(|flag| cli::variable(flag.trim_start_matches("--")));
    match (variable, context(ContextKind::InvalidValue)) {
        (Some(name), Some(value)) if env::var(&name).is_ok_and(|found| found == value) => {
            format!(" (the variable {name})")
        }
        _ => String::new(),
    }
}

/// The first paragraph, and the tip where it says which word was meant.
fn one_line(text: &str) -> String {
    let mut paragraphs = text.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut line = paragraphs.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    for tip in paragraphs.filter(|p| p.starts_with("tip: ") && p.contains("similar")) {
        line.push_str("; ");
        line.push_str(tip.trim_start_matches("tip: "));
    }
    line
}

/// One line, in which nothing that comes from a file or a server can move the cursor or change colours.
fn line(message: &str) {
    let mut shown = String::with_capacity(message.len());
    for c in message.chars() {
        match c {
            '\n' => shown.push(' '),
            c if c.is_control() => shown.extend(c.escape_debug()),
            c => shown.push(c),
        }
    }
    output::note(&format!("error: {shown}"));
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        kind.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || matches!(
                cause.downcast_ref::<Error>(),
                Some(
                    Error::DepthZero { .. }
                        | Error::DepthTooLarge { .. }
                        | Error::DepthFloorAboveCap { .. }
                        | Error::Sampling { .. }
                        | Error::TokenOutOfRange { .. }
                        | Error::EmptyPrompt
                        | Error::UnknownText { .. }
                )
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_found_behind_its_context() {
        let closed =
            anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("standard output");
        assert!(is_closed_pipe(&closed));
        assert!(!is_closed_pipe(&usage("no prompt")));
    }

    #[test]
    fn values_that_cannot_be_are_usage() {
        assert!(is_usage(&usage("no prompt").context("fathom run")));
        assert!(is_usage(&anyhow::Error::new(Error::TokenOutOfRange { token: 9, vocab_size: 4 })));
        assert!(!is_usage(&anyhow::anyhow!("the disk is full")));
    }
}
