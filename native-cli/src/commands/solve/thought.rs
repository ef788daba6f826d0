//! A question on a model: the copies of it that are thought about, and which of their answers counts.

use std::sync::Arc;

use fathom_engine::puzzle::sudoku::{Sudoku, Symmetry};
use fathom_engine::puzzle::{Random, Task};
use fathom_engine::{Halting, Hrm, Noise, Puzzle, Segment, Solver, most_confident};

use crate::failure::usage;

use super::question::{Answer, Question, Verdict};

/// How puzzles are solved.
#[derive(Debug, Clone)]
pub struct Ways {
    /// When a copy halts.
    pub halting: Halting,
    /// Copies of each puzzle.
    pub rollouts: u32,
    /// What copies are shaken by; 0: they are permuted.
    pub noise: f32,
    /// Of noise and permutations.
    pub seed: u64,
    /// The row of the model's table of puzzles.
    pub identifier: u32,
    /// Puzzles at a time.
    pub batch: usize,
}

/// One segment in the question's own form.
#[derive(Debug, Clone)]
pub struct Step {
    pub answer: Answer,
    pub segment: Segment,
}

/// A question that was thought about.
#[derive(Debug)]
pub struct Solved {
    /// Of the copy that counts, all segments.
    pub steps: Vec<Step>,
    /// Which copy that is, from 0; the first is the puzzle as it was asked.
    pub copy: usize,
    /// How many copies came to the same answer.
    pub agree: usize,
    /// What plain code says of the answer.
    pub verdict: Verdict,
}

impl Solved {
    pub fn last(&self) -> Option<&Step> {
        self.steps.last()
    }
}

/// A copy of a question, and how its answer is read.
pub struct Copy<'a> {
    question: &'a Question,
    task: Option<Task>,
    symmetry: Option<Symmetry>,
    pub puzzle: Puzzle,
}

impl Copy<'_> {
    /// An answer to the copy as one to the question.
    pub fn answer(&self, tokens: &[u32]) -> Answer {
        match (self.question.answer(self.task, tokens), &self.symmetry) {
            (Answer::Sudoku(found), Some(symmetry)) => Answer::Sudoku(symmetry.undo(&found)),
            (answer, _) => answer,
        }
    }
}

/// All copies of a question, the first one as it was asked.
///
/// # Errors
/// The model was made for other puzzles; a puzzle that cannot be permuted without `--noise`.
pub fn copies<'a>(question: &'a Question, model: &Hrm, ways: &Ways) -> anyhow::Result<Vec<Copy<'a>>> {
    let task = Task::of(model.config());
    let identifier = ways.identifier;
    let mut random = Random::new(ways.seed);
    let copy = |k: u32| {
        let (mut symmetry, mut noise) = (None, None);
        let mut tokens = question.tokens(task)?;
        if k > 0 && ways.noise > 0.0 {
            noise = Some(Noise { sigma: ways.noise, seed: random.bits() });
        } else if k > 0 {
            let Question::Sudoku { puzzle, .. } = question else {
                return Err(usage("--rollouts: only Sudokus can be permuted; give --noise"));
            };
            let drawn = Symmetry::random(puzzle.shape(), &mut random);
            let permuted: Sudoku = drawn.apply(puzzle);
            tokens = permuted.tokens();
            symmetry = Some(drawn);
        }
        Ok(Copy { question, task, symmetry, puzzle: Puzzle { tokens, identifier, noise } })
    };
    (0..ways.rollouts).map(copy).collect()
}

/// Solves all questions, and tells of each as it is done: its place and what came of it.
///
/// # Errors
/// Those of [`copies`] and of the engine.
pub fn solve(
    model: &Arc<Hrm>,
    questions: &[Question],
    ways: &Ways,
    on_done: &mut dyn FnMut(usize, Solved),
) -> anyhow::Result<()> {
    let of_each: Vec<Vec<Copy<'_>>> =
        questions.iter().map(|question| copies(question, model, ways)).collect::<anyhow::Result<_>>()?;
    let puzzles: Vec<Puzzle> = of_each.iter().flatten().map(|copy| copy.puzzle.clone()).collect();
    let n_slots = ways.batch.min(puzzles.len()).min(Solver::most_slots(model));
    let mut solver = Solver::new(model, n_slots)?;
    let per_question = ways.rollouts as usize;
    let mut open: Vec<Vec<Option<Vec<Segment>>>> = vec![vec![None; per_question]; questions.len()];
    let mut on_halt = |i: usize, segments: Vec<Segment>| {
        let (question, copy) = (i / per_question, i % per_question);
        open[question][copy] = Some(segments);
        if open[question].iter().all(Option::is_some) {
            let all = std::mem::take(&mut open[question]).into_iter().flatten().collect();
            if let Some(solved) = choose(&questions[question], &of_each[question], all) {
                on_done(question, solved);
            }
        }
    };
    pollster::block_on(solver.solve(&puzzles, ways.halting, &mut on_halt))?;
    Ok(())
}

/// Of all copies the one that the model is surest of.
pub fn choose(question: &Question, copies: &[Copy<'_>], all: Vec<Vec<Segment>>) -> Option<Solved> {
    let copy = most_confident(all.iter().filter_map(|segments| segments.last()))?;
    let read = |copy: usize, segment: &Segment| copies[copy].answer(&segment.answer);
    let steps: Vec<Step> = all[copy]
        .iter()
        .map(|segment| Step { answer: read(copy, segment), segment: segment.clone() })
        .collect();
    let answer = &steps.last()?.answer;
    let lasts = all.iter().enumerate().filter_map(|(copy, segments)| Some(read(copy, segments.last()?)));
    let agree = lasts.filter(|other| other == answer).count();
    let verdict = question.check(answer);
    Some(Solved { copy, agree, verdict, steps })
}
