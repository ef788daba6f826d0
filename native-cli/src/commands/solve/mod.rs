//! `fathom solve`: puzzles on an HRM, segment by segment.

mod board;
mod identifiers;
pub(super) mod input;
mod many;
mod one;
pub(super) mod question;
mod report;
mod thought;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use fathom_engine::puzzle::Task;
use fathom_engine::puzzle::sudoku::{Grade, Shape};
use fathom_engine::{Halting, Hrm};
use ratatui::crossterm::terminal;

use crate::args::{PuzzleModelArgs, at_least_one, finite};
use crate::cli::Common;
use crate::failure::usage;
use crate::loading;
use crate::output;
use crate::paint::Paint;

use super::puzzles::shape;

use self::input::Given;
use self::one::Screen;
use self::question::Question;
use self::report::PuzzleObject;
use self::thought::Ways;

const EXAMPLES: &str = "\
Examples:
  fathom solve                                  a new 6x6 Sudoku
  fathom solve --watch --size 9 --grade hard    one of 9x9 before your eyes
  fathom solve 1...25........4.6..6..5.2.3...6..2..
  fathom solve puzzles.csv                      all of a file, a summary by grade
  fathom solve -m DIR maze.txt                  a maze of # (wall), S, G and spaces
  fathom solve -m DIR task.json --identifiers identifiers.json";

/// `fathom solve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SolveArgs {
    /// A Sudoku (4x4, 6x6 or 9x9; . or 0 is blank), a file of puzzles, one a line or CSV, a maze, an ARC task; - reads
    /// standard input [default: a new Sudoku]
    #[arg(value_name = "PUZZLE")]
    pub puzzle: Option<String>,
    /// Which model.
    #[command(flatten)]
    pub model: PuzzleModelArgs,
    /// Think exactly N segments
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true,
        conflicts_with_all = ["halt", "confidence"])]
    pub segments: Option<u32>,
    /// When to halt
    #[arg(long, value_enum, value_name = "RULE", default_value_t = HaltRule::Settled)]
    pub halt: HaltRule,
    /// Halt when the model is that sure of its whole answer, 0 to 1
    #[arg(long, value_name = "P", value_parser = finite, allow_negative_numbers = true, conflicts_with = "halt")]
    pub confidence: Option<f32>,
    /// Think about K copies of each puzzle, at most 1024, and take the surest answer: the puzzle as it is, others permuted
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1024), default_value_t = 1)]
    pub rollouts: u32,
    /// Shake the copies' first state by normal noise instead of permuting them
    #[arg(long, value_name = "SIGMA", value_parser = finite, allow_negative_numbers = true, default_value_t = 0.0)]
    pub noise: f32,
    /// Of copies and of a new Sudoku: the same seed gives the same ones [default: 0; for a new Sudoku another each
    /// time]
    #[arg(short, long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// How hard a new Sudoku is for a person: easy, medium, hard, extreme
    #[arg(long, value_name = "GRADE", conflicts_with = "puzzle")]
    pub grade: Option<Grade>,
    /// Rows of a new Sudoku, without --model: 6 or 9
    #[arg(long, value_name = "N", value_parser = shape, default_value = "6", conflicts_with_all = ["puzzle", "model"])]
    pub size: Shape,
    /// Puzzles, or copies, at a time
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true, default_value_t = 64)]
    pub batch: u32,
    /// The row of the model's table that a puzzle has
    #[arg(long, value_name = "N")]
    pub puzzle_id: Option<u32>,
    /// The names of all rows of an ARC model's table: its data set's identifiers.json
    #[arg(long, value_name = "FILE", conflicts_with = "puzzle_id")]
    pub identifiers: Option<PathBuf>,
    /// Draw the board after every cycle, over the one before
    #[arg(long, conflicts_with_all = ["json", "rollouts"])]
    pub watch: bool,
    /// One JSON object a puzzle, with all segments; for a file one more for all
    #[arg(long)]
    pub json: bool,
}

/// States are around 1 in size.
const MOST_NOISE: f32 = 1e6;

/// `--halt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HaltRule {
    /// When q_halt > q_continue and the answer has stayed the same for a segment
    Settled,
    /// When q_halt > q_continue, as the authors train it
    Q,
}

impl SolveArgs {
    fn halting(&self) -> anyhow::Result<Halting> {
        match (self.segments, self.confidence, self.halt) {
            (Some(n), ..) => Ok(Halting::Segments(n)),
            (_, Some(p), _) if p > 0.0 && p < 1.0 => Ok(Halting::Confidence(p)),
            (_, Some(p), _) => Err(usage(format!("--confidence {p}: expected a number between 0 and 1"))),
            (.., HaltRule::Settled) => Ok(Halting::Settled),
            (.., HaltRule::Q) => Ok(Halting::Q),
        }
    }
}

/// Carries out `fathom solve`.
pub fn solve(common: &Common, args: SolveArgs) -> anyhow::Result<ExitCode> {
    let halting = args.halting()?;
    if !(0.0..=MOST_NOISE).contains(&args.noise) {
        return Err(usage(format!("--noise {}: expected a number from 0 to {MOST_NOISE}", args.noise)));
    }
    if args.noise > 0.0 && args.rollouts == 1 {
        return Err(usage("--noise shakes the copies of --rollouts; the first is never shaken"));
    }
    if args.watch && !output::stdout_is_terminal() {
        return Err(usage("--watch draws over what it drew before, which takes a terminal"));
    }
    // Before the model: what cannot be read, or contradicts itself, is said at once.
    let given = args.puzzle.as_deref().map(input::read).transpose()?;
    if let Some(given) = &given {
        examine(&given.questions, common.quiet)?;
        if args.watch && given.is_list {
            return Err(usage("--watch shows one puzzle, not a list of them"));
        }
    }
    let model = load(common, &args.model, given.as_ref(), args.size)?;
    let Given { questions, is_list } = match given {
        Some(given) => given,
        None => Given { questions: vec![new_puzzle(&model, &args)?], is_list: false },
    };
    for (i, question) in questions.iter().enumerate() {
        question.tokens(Task::of(model.config())).with_context(|| place(i, questions.len()))?;
    }
    let first = questions.first().context("there is no puzzle")?;
    let identifier = identifiers::find(&model, first, args.puzzle_id, args.identifiers.as_deref())?;
    let (seed, batch) = (args.seed.unwrap_or(0), args.batch as usize);
    let ways = Ways { halting, rollouts: args.rollouts, noise: args.noise, seed, identifier, batch };

    let mut out = io::stdout().lock();
    if is_list {
        many::solve_all(&mut out, &model, &questions, &ways, args.json, common.quiet)?;
        return Ok(ExitCode::SUCCESS);
    }
    let size = if output::stdout_is_terminal() { terminal::size().ok() } else { None };
    let (columns, rows) = size.unwrap_or((80, 24));
    let paint = Paint::resolve(common.color, output::stdout_is_terminal());
    let screen = Screen { paint, columns: columns.into(), rows: rows.into() };
    for (i, question) in questions.iter().enumerate() {
        if args.json {
            let solved = one::solve_one(&model, question, &ways)?;
            output::json_line(&mut out, &PuzzleObject::of(i + 1, question, &solved))?;
        } else if args.watch {
            one::watch(&mut out, &model, question, &ways, screen)?;
        } else {
            one::print(&mut out, &model, question, &ways, screen)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what cannot be solved, and says what has more than one solution.
fn examine(questions: &[Question], quiet: bool) -> anyhow::Result<()> {
    for (i, question) in questions.iter().enumerate() {
        let place = || place(i, questions.len());
        let remark = question.examine().with_context(place)?;
        if let Some(remark) = remark.filter(|_| !quiet) {
            output::note(&format!("{}: {remark}", place()));
        }
    }
    Ok(())
}

fn place(i: usize, n: usize) -> String {
    if n > 1 { format!("puzzle {}", i + 1) } else { "the puzzle".to_owned() }
}

/// The model that was named; without a name the built-in one that knows puzzles of this size.
fn load(
    common: &Common,
    args: &PuzzleModelArgs,
    given: Option<&Given>,
    size: Shape,
) -> anyhow::Result<Arc<Hrm>> {
    let shape = match given.map(|given| given.questions.first()) {
        None => size,
        Some(Some(Question::Sudoku { puzzle, .. })) => puzzle.shape(),
        Some(_) if args.model.is_none() => {
            return Err(usage(
                "the built-in models solve Sudokus only; name one for this puzzle with --model",
            ));
        }
        Some(_) => size,
    };
    loading::open_puzzle_model(args, shape, common)
}

fn new_puzzle(model: &Hrm, args: &SolveArgs) -> anyhow::Result<Question> {
    let Some(Task::Sudoku(shape)) = Task::of(model.config()) else {
        return Err(usage(format!(
            "{} solves no Sudokus, so there is none to make up: give a puzzle",
            model.name()
        )));
    };
    input::new(shape, args.grade, args.seed.unwrap_or_else(crate::args::any_seed))
}
