//! `fathom solve`: puzzles on an HRM, segment by segment.

mod board;
mod identifiers;
mod input;
mod many;
mod one;
mod question;
mod report;
mod thought;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use fathom_engine::puzzle::Task;
use fathom_engine::puzzle::sudoku::Grade;
use fathom_engine::{Halting, Hrm};
use ratatui::crossterm::terminal;

use crate::args::{PuzzleModelArgs, at_least_one, finite};
use crate::cli::Common;
use crate::failure::usage;
use crate::loading;
use crate::output;
use crate::paint::Paint;

use self::input::Given;
use self::one::Screen;
use self::question::Question;
use self::report::PuzzleObject;
use self::thought::Ways;

const EXAMPLES: &str = "\
Examples:
  fathom solve                                  a new 6x6 Sudoku
  fathom solve --watch --grade medium --seed 3  the same before your eyes, a harder one
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
    #[arg(value_name = "PUZZLE", allow_hyphen_values = true)]
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
    /// Think about K copies of each puzzle and take the surest answer: the puzzle as it is, others permuted
    #[arg(long, value_name = "K", value_parser = at_least_one, allow_negative_numbers = true, default_value_t = 1)]
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
    if args.noise < 0.0 {
        return Err(usage(format!("--noise {}: expected 0 or more", args.noise)));
    }
    if args.noise > 0.0 && args.rollouts == 1 {
        return Err(usage("--noise shakes the copies of --rollouts; the first is never shaken"));
    }
    if args.watch && !output::stdout_is_terminal() {
        return Err(usage("--watch draws over what it drew before, which takes a terminal"));
    }
    // Before the model: what is wrong with a puzzle is said at once.
    let given = args.puzzle.as_deref().map(input::read).transpose()?;
    let model = load(common, &args.model, given.as_ref())?;
    let Given { questions, is_list } = match given {
        Some(given) => given,
        None => Given { questions: vec![new_puzzle(&model, &args)?], is_list: false },
    };
    for (i, question) in questions.iter().enumerate() {
        let place =
            || if questions.len() > 1 { format!("puzzle {}", i + 1) } else { "the puzzle".to_owned() };
        question.tokens(Task::of(model.config())).with_context(place)?;
        let remark = question.examine().with_context(place)?;
        if let Some(remark) = remark.filter(|_| !common.quiet) {
            output::note(&format!("{}: {remark}", place()));
        }
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
    let columns =
        if output::stdout_is_terminal() { terminal::size().map_or(80, |(columns, _)| columns) } else { 80 };
    let paint = Paint::resolve(common.color, output::stdout_is_terminal());
    let screen = Screen { paint, columns: columns.into() };
    for (i, question) in questions.iter().enumerate() {
        if args.json {
            thought::solve(&model, std::slice::from_ref(question), &ways, &mut |_, solved| {
                let _told_below = output::json_line(&mut out, &PuzzleObject::of(i + 1, question, &solved));
            })?;
            out.flush()?;
        } else if args.watch {
            one::watch(&mut out, &model, question, &ways, screen)?;
        } else {
            one::print(&mut out, &model, question, &ways, screen)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The model that was named; without a name the built-in one that knows puzzles of this size.
fn load(common: &Common, args: &PuzzleModelArgs, given: Option<&Given>) -> anyhow::Result<Arc<Hrm>> {
    let shape = given.and_then(|given| match given.questions.first() {
        Some(Question::Sudoku { puzzle, .. }) => Some(puzzle.shape()),
        _ => None,
    });
    let needs_own = given.is_some() && shape.is_none();
    if needs_own && args.model.is_none() {
        return Err(usage("the built-in models solve Sudokus only; name one for this puzzle with --model"));
    }
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
