//! `fathom chat`: a conversation in the terminal.
//!
//! `line` reads what is typed, `command` what begins with a slash, `conversation` fits the turns into the
//! window, and `talk` makes the answers.

mod command;
mod conversation;
mod line;
mod talk;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::command::Command;
use self::line::{Lines, Typed};
use self::talk::Talk;
use crate::args::{DepthArgs, ModelArgs, SamplingArgs, at_least_one};
use crate::cli::Common;
use crate::loading;
use crate::output;

/// `fathom chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// What the conversation is about, in place of the template's own opening
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Tokens of an answer at the most
    #[arg(short, long = "n-predict", alias = "predict", value_name = "N", default_value_t = 512,
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub n_tokens: u32,
    /// Go on with a conversation that /save wrote
    #[arg(long, value_name = "FILE")]
    pub load: Option<PathBuf>,
    /// Where the lines that were typed are kept [default: fathom/history in the user's state folder]
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Keep no lines
    #[arg(long, conflicts_with = "history")]
    pub no_history: bool,
    /// How to choose tokens.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// Carries out `fathom chat`.
pub fn chat(common: &Common, args: ChatArgs) -> anyhow::Result<ExitCode> {
    let depth = args.depth.resolve()?;
    let source = args.model.source(common)?;
    let model = loading::open_model(&source, common)?;
    depth.check(model.config())?;
    let mut talk = Talk::new(common, &source, &model, args.n_tokens as usize, &args.sampling, depth)?;
    if let Some(system) = args.system {
        talk.conversation.set_system(system);
    }
    if let Some(file) = &args.load {
        talk.load(file)?;
    }
    let mut lines = Lines::open(args.history, args.no_history);
    if !common.quiet && output::stderr_is_terminal() {
        output::note(&talk.greeting());
    }
    loop {
        let text = match lines.read()? {
            Typed::Text(text) => text,
            Typed::Nothing => continue,
            Typed::End => return Ok(ExitCode::SUCCESS),
        };
        if !text.starts_with('/') {
            // A message that cannot be answered does not end the conversation.
            if let Err(error) = talk.ask(&text) {
                output::note(&format!("error: {error:#}"));
                talk.give_up();
            }
            continue;
        }
        match text.parse() {
            Ok(Command::Exit) => return Ok(ExitCode::SUCCESS),
            Ok(command) => {
                if let Err(error) = talk.obey(command) {
                    output::note(&format!("error: {error:#}"));
                }
            }
            Err(reason) => output::note(&format!("error: {reason}")),
        }
    }
}
