//! One puzzle: its boards beside each other, or one that is drawn over and over while it is thought about.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use fathom_engine::puzzle::Task;
use fathom_engine::{HaltedBy, Hrm, Solver, probabilities};

use crate::failure::usage;
use crate::paint::Paint;

use super::board::{Board, side_by_side};
use super::question::{Answer, Question};
use super::thought::{Solved, Step, Ways, choose, copies, solve};

/// Where a board is drawn.
#[derive(Clone, Copy)]
pub struct Screen {
    pub paint: Paint,
    /// Characters of a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// Solves a puzzle and draws every segment.
///
/// # Errors
/// Those of the engine, and of standard output.
pub fn print(
    out: &mut impl Write,
    model: &Arc<Hrm>,
    question: &Question,
    ways: &Ways,
    screen: Screen,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let solved = solve_one(model, question, ways)?;
    let took = began.elapsed();
    let mut boards = vec![("the puzzle".to_owned(), Board::question(question))];
    let mut before: Option<&Answer> = None;
    for Step { answer, segment } in &solved.steps {
        let title = format!("segment {}: {}", segment.segment, percent(segment.confidence()));
        boards.push((title, Board::answer(question, answer, before)));
        before = Some(answer);
    }
    write!(out, "{}", side_by_side(&boards, screen.paint, screen.columns))?;
    summary(out, model, &solved, ways, took, screen.paint)?;
    Ok(())
}

/// At least so long stands what a cycle made of the board.
const PACE: Duration = Duration::from_millis(350);

/// A cell is decided when its likeliest word has this probability.
const SURE: f32 = 0.9;

/// Solves a puzzle before the reader's eyes: the board after every H cycle, drawn over the one before.
///
/// # Errors
/// Those of the engine, and of standard output.
pub fn watch(
    out: &mut impl Write,
    model: &Arc<Hrm>,
    question: &Question,
    ways: &Ways,
    screen: Screen,
) -> anyhow::Result<()> {
    let (paint, n_vocab) = (screen.paint, model.config().vocab_size);
    let task = Task::of(model.config());
    let copies = copies(question, model, &Ways { rollouts: 1, ..ways.clone() })?;
    let mut solver = Solver::new(model, 1)?;
    pollster::block_on(solver.begin(0, &copies[0].puzzle, ways.halting))?;
    let first = Board::question(question);
    if first.height() + 1 >= screen.rows {
        let (needed, rows) = (first.height() + 2, screen.rows);
        return Err(usage(format!("--watch draws {needed} lines over each other, the terminal has {rows}")));
    }
    let mut height = draw(out, &first, "nothing is thought yet", paint)?;
    out.flush()?;
    let (mut before, mut segments, mut took) = (None, vec![], Duration::ZERO);
    while !solver.is_idle() {
        sleep(PACE);
        let began = Instant::now();
        let watched = pollster::block_on(solver.watch())?;
        took += began.elapsed();
        for watched in watched {
            let n_cycles = watched.cycles.len();
            for (i, logits) in watched.cycles.iter().enumerate() {
                if i > 0 {
                    sleep(PACE);
                }
                let shares = probabilities(logits, n_vocab);
                let answer = question.answer(task, &likeliest(&shares, n_vocab));
                let open: Vec<bool> = shares
                    .chunks(n_vocab)
                    .map(|cell| cell.iter().fold(0.0, |most: f32, &p| most.max(p)) < SURE)
                    .collect();
                let unsure = open.iter().filter(|&&open| open).count();
                let title = format!(
                    "segment {}, cycle {} of {n_cycles}: {} confident, {unsure} of {} cells unsure",
                    watched.segment.segment,
                    i + 1,
                    percent(watched.segment.confidence()),
                    model.config().seq_len,
                );
                // Up to the headline; what is below is wiped out.
                write!(out, "\x1b[{height}A\x1b[J")?;
                let board = Board::answer(question, &answer, before.as_ref());
                // Only a board of digits has the model's cells.
                let board = match question {
                    Question::Sudoku { .. } => board.fade(|cell| open.get(cell).is_some_and(|&open| open)),
                    _ => board,
                };
                height = draw(out, &board, &title, paint)?;
                out.flush()?;
                before = Some(answer);
            }
            segments.push(watched.segment);
        }
    }
    writeln!(out)?;
    if let Some(solved) = choose(question, &copies, vec![segments]) {
        summary(out, model, &solved, ways, took, paint)?;
    }
    Ok(())
}

/// One puzzle, without being watched.
///
/// # Errors
/// Those of the engine; that of the puzzle.
pub fn solve_one(model: &Arc<Hrm>, question: &Question, ways: &Ways) -> anyhow::Result<Solved> {
    let mut solved = None;
    solve(model, std::slice::from_ref(question), ways, &mut |_, one| {
        solved = Some(one);
        ControlFlow::Continue(())
    })?;
    solved.context("the puzzle came to nothing")?
}

/// Draws a board under its headline; returns how many lines that are.
fn draw(out: &mut impl Write, board: &Board, title: &str, paint: Paint) -> io::Result<usize> {
    let lines = board.lines(paint);
    writeln!(out, "{}", paint.faint(title))?;
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    Ok(lines.len() + 1)
}

fn likeliest(shares: &[f32], n_vocab: usize) -> Vec<u32> {
    let best = |cell: &[f32]| (0..cell.len()).fold(0, |best, v| if cell[v] > cell[best] { v } else { best });
    shares.chunks(n_vocab).map(|cell| best(cell) as u32).collect()
}

/// What came of it, in three lines.
fn summary(
    out: &mut impl Write,
    model: &Hrm,
    solved: &Solved,
    ways: &Ways,
    took: Duration,
    paint: Paint,
) -> io::Result<()> {
    let Some(Step { segment, .. }) = solved.last() else { return Ok(()) };
    let headline = match solved.verdict.is_right {
        Some(true) => "solved: the answer obeys the rules",
        Some(false) => "NOT solved: the answer breaks the rules",
        None => "answered",
    };
    let ended = match segment.halted_by {
        Some(HaltedBy::Test) => "halted by its own test",
        Some(HaltedBy::Cap) => "ended by the model's limit",
        Some(HaltedBy::Forced) | None => "as many as were asked for",
    };
    writeln!(out, "{}", paint.strong(headline))?;
    const SHOWN: usize = 6;
    for sentence in solved.verdict.sentences.iter().take(SHOWN) {
        writeln!(out, "  {sentence}")?;
    }
    if let Some(more) = solved.verdict.sentences.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        writeln!(out, "  and {more} more")?;
    }
    let limit = match segment.halted_by {
        Some(HaltedBy::Forced) | None => String::new(),
        _ => format!(" of at most {}", model.config().halt_max_steps),
    };
    writeln!(out, "segments     {}{limit}, {ended}", segment.segment)?;
    writeln!(out, "confidence   {} (q_halt {:.2})", percent(segment.confidence()), segment.q[0])?;
    if ways.rollouts > 1 && solved.agree > 0 {
        writeln!(
            out,
            "rollouts     copy {} of {} is the surest; {} agree",
            solved.copy + 1,
            ways.rollouts,
            solved.agree
        )?;
    }
    let model_name = model.name();
    writeln!(
        out,
        "{}",
        paint.faint(format!("{model_name} on {}, {:.0} ms", model.device().name(), took.as_secs_f64() * 1e3))
    )
}

/// A probability that is never rounded to certainty.
pub fn percent(p: f32) -> String {
    match p * 100.0 {
        p if p > 99.9 => "over 99.9 %".to_owned(),
        p if p < 0.1 => "under 0.1 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}
