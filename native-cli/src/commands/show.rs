//! `fathom` alone: the built-in model solves problems, easy to hard, and one sees how long it thinks.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use fathom_engine::{DepthControl, GenerateOptions, Generator, Model, Overflow, Sampling, TokenEvent};

use crate::beads;
use crate::cli::Common;
use crate::loading::{self, Source};
use crate::output;
use crate::paint::Paint;

const PROBLEMS: [&str; 8] = [
    "7+5=",
    "8-9*3=",
    "3*7+8-5+6=",
    "4-6+9*3-8+5*7=",
    "2+9-4*3+8-7+5-6+1=",
    "1+7-4+9*3-8+6-5+2*7-3+4=",
    "5+8-3+9-6+4*7-2+8+1-9+6-5*3+8-7+2=",
    "2-7+9*4+6-8+3*7-5+9-1+8*3-6+4*0+7=",
];

/// What stands left of the tokens is indented by 2 and this wide, so that 17 tokens, three wide each, and
/// the mark behind them end before column 80.
const WIDTH: usize = 20;

/// Carries out `fathom` without a subcommand.
pub fn show(common: &Common) -> anyhow::Result<ExitCode> {
    let paint = Paint::resolve(common.color, output::stdout_is_terminal());
    let model = loading::open_model(&Source::built_in(), common)?;
    let deepest = model.config().hrm_max_steps as u32;
    let mut out = io::stdout().lock();
    opening(&mut out, paint, deepest)?;
    for (i, problem) in PROBLEMS.iter().enumerate() {
        Row { problem, paint, deepest, is_explained: i == 0 }.show(&mut out, &model)?;
    }
    writeln!(out, "Try one of your own:  {}", paint.strong("fathom run \"7+5-3*4=\""))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn opening(out: &mut impl Write, paint: Paint, deepest: u32) -> io::Result<()> {
    writeln!(out, "\n{}: a small model that decides for itself how long to think", paint.strong("fathom"))?;
    writeln!(out)?;
    writeln!(out, "The task is a running calculation, left to right, on a ring of ten beads: only")?;
    writeln!(out, "the last digit counts. The answer is the last value, and then it unwinds: all")?;
    writeln!(out, "the values before, back to the first. Under each digit of it stands its depth:")?;
    write!(out, "how many steps the model thought before it wrote that digit, ")?;
    for depth in [1, deepest / 4, deepest / 2, deepest * 3 / 4, deepest] {
        write!(out, "{}", paint.depth(depth, deepest, format!("{depth:>2} ")))?;
    }
    writeln!(out, "\n")?;
    out.flush()
}

/// One problem: the digits of the answer as they come, and under them the depths.
struct Row<'a> {
    problem: &'a str,
    paint: Paint,
    deepest: u32,
    is_explained: bool,
}

struct Solved {
    answer: String,
    depths: Vec<u32>,
}

impl Row<'_> {
    fn show(&self, out: &mut impl Write, model: &Arc<Model>) -> anyhow::Result<()> {
        let right = beads::answer(self.problem).unwrap_or_default();
        self.head(out)?;
        let solved = self.solve(out, model, right.len() + 1)?;
        let is_right = solved.answer == right;
        write!(out, "  {}", self.paint.strong(if is_right { "✓" } else { "✗" }))?;
        self.explain(out, "   answer: 12 ends in 2; before that it was 7")?;
        self.depths(out, &solved.depths)?;
        self.explain(out, "      depth: steps it thought for each digit")?;
        if !is_right {
            writeln!(out, "  {:<WIDTH$}{}", "right would be", spaced(&right))?;
        }
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// The digits, each seen as soon as it is there; the end token has none.
    fn solve(&self, out: &mut impl Write, model: &Arc<Model>, n_tokens: usize) -> anyhow::Result<Solved> {
        let prompt = loading::encode(model, self.problem)?;
        let mut generator = Generator::new(model, &prompt, options(n_tokens))?;
        let mut solved = Solved { answer: String::new(), depths: Vec::new() };
        while let Some(TokenEvent { text, depth, .. }) = pollster::block_on(generator.next(None))? {
            if !text.is_empty() {
                write!(out, "{}", self.paint.depth(depth, self.deepest, format!("{text:>2} ")))?;
                out.flush()?;
                solved.answer.push_str(&text);
                solved.depths.push(depth);
            }
        }
        Ok(solved)
    }

    fn depths(&self, out: &mut impl Write, depths: &[u32]) -> io::Result<()> {
        write!(out, "  {}", self.paint.faint(format!("{:<WIDTH$}", caption(self.problem))))?;
        for &depth in depths {
            write!(out, "{}", self.paint.depth(depth, self.deepest, format!("{depth:>2} ")))?;
        }
        Ok(())
    }

    /// Ends a line, behind the first problem with words.
    fn explain(&self, out: &mut impl Write, words: &str) -> io::Result<()> {
        if self.is_explained { writeln!(out, "{}", self.paint.faint(words)) } else { writeln!(out) }
    }

    /// A long problem has a line to itself.
    fn head(&self, out: &mut impl Write) -> io::Result<()> {
        if self.problem.len() < WIDTH {
            return write!(out, "  {}", self.paint.strong(format!("{:<WIDTH$}", self.problem)));
        }
        write!(out, "  {}", self.paint.strong(self.problem))?;
        match beads::since_reset(self.problem) {
            Some(_) => writeln!(out, "  {}", self.paint.faint("*0 wipes out everything before it"))?,
            None => writeln!(out)?,
        }
        write!(out, "  {:WIDTH$}", "")
    }
}

/// The likeliest tokens, thought about as long as the model wants.
pub fn options(n_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        n_tokens,
        sampling: Sampling::default(),
        depth: DepthControl::default(),
        overflow: Overflow::Stop,
        stop: Vec::new(),
        ignore_eos: false,
        trace: false,
    }
}

fn caption(problem: &str) -> String {
    match beads::n_operations(problem) {
        1 => "1 operation".to_owned(),
        n => format!("{n} operations"),
    }
}

fn spaced(digits: &str) -> String {
    digits.chars().map(|digit| format!("{digit:>2} ")).collect()
}
