//! `fathom forward`: one forward of a whole prompt with nothing cached, for looking inside and for
//! comparing with other implementations.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use fathom_engine::{Forward, Model, Positions, TopToken, likeliest};
use serde::Serialize;

use crate::args::{DepthArgs, ModelArgs, TokenList};
use crate::cli::Common;
use crate::loading;
use crate::output;
use crate::paint::Paint;

/// `fathom forward`.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// The prompt as token ids: 1,2,3
    #[arg(long, value_name = "IDS", value_parser = TokenList::parse)]
    pub tokens: TokenList,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// One JSON object with the logits
    #[arg(long)]
    pub json: bool,
    /// The logits of every position, not of the last one only
    #[arg(long, requires = "json")]
    pub all: bool,
    /// How long to think.
    #[command(flatten)]
    pub depth: DepthArgs,
}

/// How many of the likeliest tokens people are shown.
const N_SHOWN: usize = 5;

/// `q` is `[q_halt, q_continue]` of every computed step, before the bias.
#[derive(Serialize)]
struct ForwardObject<'a> {
    n_tokens: usize,
    depth: u32,
    steps_taken: u32,
    halted_by: String,
    q: &'a [[f32; 2]],
    logits: Logits<'a>,
    device: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Logits<'a> {
    Last(&'a [f32]),
    All(&'a [Vec<f32>]),
}

/// Carries out `fathom forward`.
pub fn forward(common: &Common, args: ForwardArgs) -> anyhow::Result<ExitCode> {
    let depth = args.depth.resolve()?;
    let paint = Paint::resolve(common.color, output::stdout_is_terminal());
    let model = loading::open_model(&args.model.source(common)?, common)?;
    let tokens = &args.tokens.0;
    let positions = if args.all { Positions::All } else { Positions::Last };
    let forward = pollster::block_on(fathom_engine::forward(&model, tokens, &depth, positions))?;
    let last = forward.logits.last().map(Vec::as_slice).unwrap_or_default();
    let mut out = io::stdout().lock();
    if args.json {
        let object = ForwardObject {
            n_tokens: tokens.len(),
            depth: forward.depth,
            steps_taken: forward.steps_taken,
            halted_by: forward.halted_by.to_string(),
            q: &forward.q,
            logits: if args.all { Logits::All(&forward.logits) } else { Logits::Last(last) },
            device: model.device().name(),
        };
        output::json_line(&mut out, &object)?;
    } else {
        summary(&mut out, &model, tokens.len(), &forward, last, paint)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(
    out: &mut impl Write,
    model: &Model,
    n_tokens: usize,
    forward: &Forward,
    logits: &[f32],
    paint: Paint,
) -> io::Result<()> {
    let deepest = model.config().hrm_max_steps as u32;
    let depth = paint.depth(forward.depth, deepest, format!(" {} ", forward.depth));
    let ended_by = match forward.halted_by.to_string().as_str() {
        "test" => "halted by its own test",
        "cap" => "ended by the cap",
        _ => "forced",
    };
    writeln!(out, "tokens       {n_tokens}")?;
    writeln!(out, "depth       {depth}{ended_by}, steps_taken {}", forward.steps_taken)?;
    if let Some([q_halt, q_continue]) = forward.q.last() {
        writeln!(out, "last step    q_halt {q_halt:.4}, q_continue {q_continue:.4}")?;
    }
    writeln!(out, "device       {}", model.device().name())?;
    writeln!(out, "likeliest")?;
    for TopToken { token, probability } in likeliest(logits, N_SHOWN) {
        let name = model.token_name(token);
        writeln!(
            out,
            "  {:>5.1} %  {} {}",
            probability * 100.0,
            paint.strong(name),
            paint.faint(format!("({token})"))
        )?;
    }
    out.flush()
}
