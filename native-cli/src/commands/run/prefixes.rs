//! `fathom run --prefixes`: what the model would say after every prefix of a prompt, and how deep it
//! would think, all read from one batched pass.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use fathom_engine::{DepthControl, Model, Prefix};
use serde::Serialize;

use crate::output;
use crate::paint::Paint;

#[derive(Serialize)]
struct PrefixLine {
    n_tokens: usize,
    token: u32,
    text: String,
    depth: u32,
    steps_taken: u32,
    q_halt: f32,
    q_continue: f32,
    next_token: u32,
    next_text: String,
}

/// The table, or one JSON object a prefix.
pub fn show(
    model: &Arc<Model>,
    tokens: &[u32],
    depth: &DepthControl,
    paint: Paint,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let prefixes = pollster::block_on(fathom_engine::prefixes(model, tokens, depth))?;
    let lines = prefixes
        .iter()
        .zip(tokens)
        .enumerate()
        .map(|(i, (prefix, &token))| line(model, i + 1, token, prefix));
    let mut out = io::stdout().lock();
    if json {
        for line in lines {
            output::json_line(&mut out, &line)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let lines: Vec<PrefixLine> = lines.collect();
    table(&mut out, &lines, model.config().hrm_max_steps as u32, paint)?;
    Ok(ExitCode::SUCCESS)
}

fn line(model: &Model, n_tokens: usize, token: u32, prefix: &Prefix) -> PrefixLine {
    PrefixLine {
        n_tokens,
        token,
        text: model.token_name(token),
        depth: prefix.depth,
        steps_taken: prefix.steps_taken,
        q_halt: prefix.q[0],
        q_continue: prefix.q[1],
        next_token: prefix.token,
        next_text: model.token_name(prefix.token),
    }
}

fn table(out: &mut impl Write, lines: &[PrefixLine], deepest: u32, paint: Paint) -> io::Result<()> {
    let widest = |of: fn(&PrefixLine) -> &str, least: usize| {
        lines.iter().map(|line| of(line).chars().count()).fold(least, usize::max)
    };
    let (read, next) = (widest(|line| &line.text, 5), widest(|line| &line.next_text, 4));
    let head = format!(
        "{:>6}  {:<read$}  {:<next$}  {:>5}  {:>9}  {:>10}",
        "length", "token", "next", "depth", "q_halt", "q_continue"
    );
    writeln!(out, "{}", paint.faint(head))?;
    for line in lines {
        let depth = paint.depth(line.depth, deepest, format!(" {:>3} ", line.depth));
        let (text, next_text) = (pad(&line.text, read), pad(&line.next_text, next));
        writeln!(
            out,
            "{:>6}  {text}  {next_text}  {depth}  {:>9.3}  {:>10.3}",
            line.n_tokens, line.q_halt, line.q_continue
        )?;
    }
    out.flush()
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}
