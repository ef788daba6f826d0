//! `fathom run`: a prompt, and the answer as it comes.

mod prefixes;

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use fathom_engine::{DepthControl, GenerateOptions, Generator, Model, Sampling};

use crate::answer::{Answer, Style, Tally};
use crate::args::{DepthArgs, ModelArgs, OverflowChoice, SamplingArgs, TokenList, at_least_one};
use crate::cli::Common;
use crate::failure::{INTERRUPTED, usage};
use crate::interrupt::Graceful;
use crate::loading::{self, Source};
use crate::output;
use crate::paint::Paint;
use crate::recovering::Recovering;
use crate::trace_file::TraceFile;

/// `fathom run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The prompt; without it, -f or --tokens, standard input is read
    pub prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "prompt")]
    pub file: Option<PathBuf>,
    /// The prompt as token ids: 1,2,3
    #[arg(long, value_name = "IDS", value_parser = TokenList::parse, conflicts_with_all = ["prompt", "file"])]
    pub tokens: Option<TokenList>,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Tokens to make at the most
    #[arg(short, long = "n-predict", alias = "predict", value_name = "N", default_value_t = 256,
        value_parser = at_least_one, allow_negative_numbers = true)]
    pub n_tokens: u32,
    /// What to do when the model's window is full
    #[arg(long, value_enum, value_name = "HOW", default_value_t = OverflowChoice::Recompute)]
    pub overflow: OverflowChoice,
    /// End before this text; may be given several times
    #[arg(long, value_name = "STRING", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub stop: Vec<String>,
    /// Go on behind the end token
    #[arg(long)]
    pub ignore_eos: bool,
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

enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
}

/// Carries out `fathom run`.
pub fn run(common: &Common, args: RunArgs) -> anyhow::Result<ExitCode> {
    let request = Request::resolve(common, args)?;
    let model = loading::open_model(&request.source, common)?;
    let tokens = match &request.prompt {
        Prompt::Text(text) => loading::encode(&model, text)?,
        Prompt::Tokens(ids) => ids.clone(),
    };
    match &request.task {
        Task::Prefixes(depth) => prefixes::show(&model, &tokens, depth, request.paint, request.json),
        Task::Generate { options, trace } => {
            let generator = Generator::new(&model, &tokens, options.clone())?;
            let trace = trace.as_deref().map(TraceFile::create).transpose()?;
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
            let options = GenerateOptions {
                n_tokens: args.n_tokens as usize,
                sampling: args.sampling.resolve(Sampling::default()),
                depth,
                overflow: args.overflow.into(),
                stop: args.stop,
                ignore_eos: args.ignore_eos,
                trace: args.trace.is_some(),
            };
            Task::Generate { options, trace: args.trace }
        };
        Ok(Request {
            prompt: Prompt::resolve(args.prompt, args.file, args.tokens.map(|list| list.0))?,
            source: args.model.source(common)?,
            paint: Paint::resolve(common.color, output::stdout_is_terminal()),
            json: args.json,
            quiet: common.quiet,
            task,
        })
    }
}

impl Prompt {
    fn resolve(text: Option<String>, file: Option<PathBuf>, ids: Option<Vec<u32>>) -> anyhow::Result<Prompt> {
        if let Some(ids) = ids {
            return Ok(Prompt::Tokens(ids));
        }
        let text = match (text, file) {
            (Some(text), _) => text,
            (None, Some(file)) => {
                let bytes = fs::read(&file).with_context(|| format!("--file {}", file.display()))?;
                prompt_text(bytes).with_context(|| format!("--file {}", file.display()))?
            }
            (None, None) if io::stdin().is_terminal() => {
                return Err(usage(
                    "no prompt: give one, as in fathom run \"7+5-3*4=\", or -f FILE, or pipe one in",
                ));
            }
            (None, None) => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
                prompt_text(bytes).context("standard input")?
            }
        };
        if text.is_empty() { Err(usage("the prompt is empty")) } else { Ok(Prompt::Text(text)) }
    }
}

/// The line break that ends a text file is not part of the prompt.
fn prompt_text(bytes: Vec<u8>) -> anyhow::Result<String> {
    let mut text = String::from_utf8(bytes).context("expected a text in UTF-8")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn generate(
    request: &Request,
    model: &Arc<Model>,
    mut generator: Recovering<'_>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_of_a_file_goes() {
        for (bytes, text) in [("1+2=\n", "1+2="), ("1+2=\r\n", "1+2="), ("a\n\n", "a\n"), ("a", "a")] {
            assert_eq!(prompt_text(bytes.into()).ok().as_deref(), Some(text));
        }
        assert!(prompt_text(vec![0xff]).is_err());
    }
}
