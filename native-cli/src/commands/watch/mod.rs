//! `fathom watch`: the thinking, live and full screen, to go back and forth in.

mod app;
mod editor;
mod replay;
mod screen;
mod state;
mod view;
mod worker;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fathom_engine::{GenerateOptions, Sampling};

use crate::args::{DepthArgs, LengthArgs, ModelArgs, SamplingArgs, whole};
use crate::cli::Common;
use crate::failure::usage;
use crate::loading::{self, Source};
use crate::output;
use crate::paint::Paint;
use crate::prompt::{Prompt, PromptArgs};

use self::app::App;
use self::screen::Screen;

const KEYS: &str = "\
Without a prompt it asks for one. Keys: space pauses, s makes one token, left and right choose a token, up and down \
a step of it, f follows the newest, p asks something else, b and B lower and raise the halting bias, + and - change \
the pace, q ends, ? tells all of them.";

/// `fathom watch`.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub struct WatchArgs {
    /// What to answer.
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How far.
    #[command(flatten)]
    pub length: LengthArgs,
    /// Show each step for at least so many milliseconds; 0: as fast as it is thought
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = whole)]
    pub pace: u32,
    /// Watch what `fathom run --trace FILE` wrote; the names of tokens are the model's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "file", "tokens"])]
    pub replay: Option<PathBuf>,
    /// How to choose tokens.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// What to do, with nothing left to look up.
struct Request {
    what: What,
    source: Source,
    options: GenerateOptions,
    pace: Duration,
    paint: Paint,
}

/// What is watched first.
enum What {
    Answer(Prompt),
    Replay(PathBuf),
    Ask,
}

/// Carries out `fathom watch`.
pub fn watch(common: &Common, args: WatchArgs) -> anyhow::Result<ExitCode> {
    let request = Request::resolve(common, args)?;
    let model = loading::open_model(&request.source, common)?;
    let mut app = App::new(model, request.options, request.pace, request.paint);
    match &request.what {
        What::Answer(prompt) => app.ask(prompt)?,
        What::Replay(path) => app.replay(path)?,
        What::Ask => app.edit(),
    }
    let mut screen = Screen::take(request.paint)?;
    let ended = app.run(&mut screen);
    drop(screen);
    app.stop();
    ended.map(|()| ExitCode::SUCCESS)
}

impl Request {
    fn resolve(common: &Common, args: WatchArgs) -> anyhow::Result<Request> {
        if !output::stdout_is_terminal() {
            return Err(usage(
                "fathom watch draws on a terminal, and standard output is none: fathom run --trace FILE writes what it shows",
            ));
        }
        if env::var_os("TERM").is_some_and(|term| term == "dumb") {
            return Err(usage(
                "fathom watch draws on a terminal, and this one cannot move its cursor (TERM=dumb): fathom run --trace FILE writes what it shows",
            ));
        }
        let sampling = args.sampling.resolve(Sampling::default());
        let what = match args.replay {
            Some(path) => What::Replay(path),
            None => args.prompt.resolve_or_ask()?.map_or(What::Ask, What::Answer),
        };
        Ok(Request {
            what,
            source: args.model.source(common)?,
            options: args.length.resolve(sampling, args.depth.resolve()?, true),
            pace: Duration::from_millis(args.pace.into()),
            paint: Paint::resolve(common.color, true),
        })
    }
}
