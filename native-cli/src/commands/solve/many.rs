//! Many puzzles: a line each where somebody wants to read them, and what came of all of them by grade.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fathom_engine::Hrm;
use fathom_engine::puzzle::sudoku::{Grade, grade};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{self, json_line};

use super::question::Question;
use super::report::{PuzzleObject, SummaryObject, TallyObject};
use super::thought::{Solved, Ways, solve};

/// Counts of some puzzles.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub puzzles: u64,
    pub solved: u64,
    pub segments: u64,
    /// Answers that the model held for right (confidence above a half) as they were, or for wrong as they were.
    pub judged: u64,
}

impl Tally {
    fn add(&mut self, solved: &Solved) {
        let Some(last) = solved.last() else { return };
        let is_right = solved.verdict.is_right == Some(true);
        self.puzzles += 1;
        self.solved += u64::from(is_right);
        self.segments += u64::from(last.segment.segment);
        self.judged += u64::from((last.segment.confidence() > 0.5) == is_right);
    }

    pub fn mean_segments(&self) -> f64 {
        self.segments as f64 / self.puzzles.max(1) as f64
    }
}

/// Solves all of them. With `json` a line for each as it is done, in any order, and one for all.
///
/// # Errors
/// Those of the engine, and of standard output.
pub fn solve_all(
    out: &mut impl Write,
    model: &Arc<Hrm>,
    questions: &[Question],
    ways: &Ways,
    json: bool,
    quiet: bool,
) -> anyhow::Result<()> {
    let bar = progress(questions.len() as u64, quiet);
    let mut tallies: BTreeMap<Option<Grade>, Tally> = BTreeMap::new();
    let mut lost = None;
    // Grading is not solving: it is done before the clock runs.
    let grades: Vec<Option<Grade>> = questions.iter().map(grade_of).collect();
    let began = Instant::now();
    solve(model, questions, ways, &mut |i, solved| {
        bar.inc(1);
        let tally = tallies.entry(grades[i]).or_default();
        match solved {
            Ok(solved) => {
                tally.add(&solved);
                if json {
                    lost = json_line(out, &PuzzleObject::of(i + 1, &questions[i], &solved)).err();
                }
            }
            Err(error) => {
                tally.puzzles += 1;
                output::note(&format!("puzzle {}: {error}", i + 1));
            }
        }
        // Nobody reads any more.
        if lost.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let took = began.elapsed();
    bar.finish_and_clear();
    if let Some(error) = lost {
        return Err(error);
    }
    let all = tallies.values().fold(Tally::default(), |sum, tally| Tally {
        puzzles: sum.puzzles + tally.puzzles,
        solved: sum.solved + tally.solved,
        segments: sum.segments + tally.segments,
        judged: sum.judged + tally.judged,
    });
    if json {
        let grades = tallies
            .iter()
            .filter_map(|(grade, tally)| Some((grade.as_ref()?.to_string(), TallyObject::of(tally))))
            .collect();
        return json_line(out, &SummaryObject::of(model, &all, grades, took));
    }
    table(out, &tallies, &all, took)?;
    writeln!(
        out,
        "{} on {}, {} at a time",
        model.name(),
        model.device().name(),
        ways.at_a_time(model, questions.len())
    )?;
    Ok(())
}

fn grade_of(question: &Question) -> Option<Grade> {
    match question {
        Question::Sudoku { puzzle, grade: known } => known.or_else(|| grade(puzzle)),
        _ => None,
    }
}

fn table(
    out: &mut impl Write,
    tallies: &BTreeMap<Option<Grade>, Tally>,
    all: &Tally,
    took: Duration,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:<10} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "grade", "puzzles", "solved", "", "segments", "judged"
    )?;
    let mut line = |name: &str, tally: &Tally| {
        let share = |n: u64| 100.0 * n as f64 / tally.puzzles.max(1) as f64;
        writeln!(
            out,
            "{name:<10} {:>8} {:>8} {:>7.2} % {:>9.2} {:>7.2} %",
            tally.puzzles,
            tally.solved,
            share(tally.solved),
            tally.mean_segments(),
            share(tally.judged),
        )
    };
    for (grade, tally) in tallies {
        line(&grade.map_or("-".to_owned(), |grade| grade.to_string()), tally)?;
    }
    if tallies.len() > 1 {
        line("all", all)?;
    }
    let seconds = took.as_secs_f64();
    writeln!(out, "{:.1} puzzles/s ({seconds:.2} s)", all.puzzles as f64 / seconds.max(1e-9))?;
    Ok(())
}

fn progress(n: u64, quiet: bool) -> ProgressBar {
    if quiet || !output::stderr_is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {pos} of {len} puzzles, {per_sec}");
    ProgressBar::new(n).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
