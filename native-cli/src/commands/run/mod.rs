//! `fathom run`: a prompt, and the answer as it comes.

mod prefixes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use fathom_engine::{DepthControl, GenerateOptions, Generator, Model, Sampling};

use crate::answer::{Answer, Style, Tally};
use crate::args::{DepthArgs, LengthArgs, ModelArgs, SamplingArgs};
use crate::cli::Common;
use crate::failure::INTERRUPTED;
use crate::interrupt::Graceful;
use crate::loading::{self, Source};
use crate::output;
use crate::paint::Paint;
use crate::prompt::{Prompt, PromptArgs};
use crate::recovering::Recovering;
use crate::trace_file::TraceFile;

/// `fathom run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to answer.
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How far.
    #[command(flatten)]
    pub length: LengthArgs,
    /// One JSON object a token, and a closing one
    #[arg(long)]
    pub json: bool,
    /// Write every reasoning step of every token to a file, one JSON object a token
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Make no answer: show the next token and the depth after every prefix of the prompt
    #[arg(long, conflicts_with_all = ["n_tokens", "overflow", "stop", "ignore_eos", "trace",
        "temp", "top_k", "top_p", "min_p", "repeat_penalty", "seed"])]
    pub prefixes: bool,
    /// How to choose tokens.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// What to do, with nothing left to look up.
struct Request {
    prompt: Prompt,
    source: Source,
    paint: Paint,
    json: bool,
    quiet: bool,
    task: Task,
}

enum Task {
    Generate { options: GenerateOptions, trace: Option<PathBuf> },
    Prefixes(DepthControl),
}

/// Carries out `fathom run`.
pub fn run(common: &Common, args: RunArgs) -> anyhow::Result<ExitCode> {
    let request = Request::resolve(common, args)?;
    let model = loading::open_model(&request.source, common)?;
    let tokens = request.prompt.tokens(&model)?;
    match &request.task {
        Task::Prefixes(depth) => prefixes::show(&model, &tokens, depth, request.paint, request.json),
        Task::Generate { options, trace } => {
            let generator = Generator::new(&model, &tokens, options.clone())?;
            let trace =
                trace.as_deref().map(TraceFile::create).transpose().map_err(|e| e.context("--trace"))?;
            generate(&request, &model, Recovering::new(generator, &request.source, common), options, trace)
        }
    }
}

impl Request {
    fn resolve(common: &Common, args: RunArgs) -> anyhow::Result<Request> {
        let depth = args.depth.resolve()?;
        let task = if args.prefixes {
            Task::Prefixes(depth)
        } else {
            let sampling = args.sampling.resolve(Sampling::default());
            let options = args.length.resolve(sampling, depth, args.trace.is_some());
            Task::Generate { options, trace: args.trace }
        };
        Ok(Request {
            prompt: args.prompt.resolve("run")?,
            source: args.model.source(common)?,
            paint: Paint::resolve(common.color, output::stdout_is_terminal()),
            json: args.json,
            quiet: common.quiet,
            task,
        })
    }
}

fn generate(
    request: &Request,
    model: &Arc<Model>,
    mut generator: Recovering,
    options: &GenerateOptions,
    mut trace: Option<TraceFile>,
) -> anyhow::Result<ExitCode> {
    let graceful = Graceful::begin();
    let mut tally = Tally::begin();
    let mut answer = if request.json {
        Answer::json()
    } else {
        Answer::text(Style {
            paint: request.paint,
            deepest: model.config().hrm_max_steps as u32,
            ids_for_text: model.tokenizer().is_none(),
        })
    };
    while !graceful.asked() {
        let event = match generator.next(None) {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => {
                answer.end_line()?;
                return Err(error);
            }
        };
        tally.count(&event);
        if let Some(trace) = &mut trace {
            trace.write(&event)?;
        }
        answer.token(&event)?;
        if let Some(sentence) = generator.overflowed().filter(|_| !request.quiet) {
            if output::stdout_is_terminal() {
                answer.end_line()?;
            }
            output::note(sentence);
        }
    }
    let done = generator.done().map_or_else(|| "interrupted".to_owned(), |reason| reason.to_string());
    answer.finish(&generator.rest(), &done, &tally, &model.device().name())?;
    if !request.quiet && !request.json {
        output::note(&summary(&tally, &done, model, options));
    }
    Ok(if generator.done().is_none() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

fn summary(tally: &Tally, done: &str, model: &Model, options: &GenerateOptions) -> String {
    let mut parts = tally.parts();
    parts.push(model.device().name());
    match done {
        "end" => {}
        "length" => parts.push(format!("cut at -n {}", options.n_tokens)),
        "stop" => parts.push("stopped at a --stop text".to_owned()),
        "context" => parts.push(format!("the window of {} is full", model.config().block_size)),
        _ => parts.push("interrupted".to_owned()),
    }
    if options.sampling.temperature > 0.0 {
        parts.push(format!("seed {}", options.sampling.seed));
    }
    parts.join(" · ")
}
