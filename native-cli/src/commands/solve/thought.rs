//! A question on a model: the copies of it that are thought about, and which of their answers counts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::anyhow;
use fathom_engine::puzzle::sudoku::{Sudoku, Symmetry};
use fathom_engine::puzzle::{Random, Task};
use fathom_engine::{Error, Halting, Hrm, Noise, Puzzle, Segment, Solver, most_confident};

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

impl Ways {
    /// Copies that are really thought about at a time, of so many questions.
    pub fn at_a_time(&self, model: &Hrm, n_questions: usize) -> usize {
        let all = n_questions.saturating_mul(self.rollouts as usize);
        self.batch.min(all).min(Solver::most_slots(model)).max(1)
    }
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

/// A question whose copies are thought about.
struct Open<'a> {
    copies: Vec<Copy<'a>>,
    thought: Vec<Option<Vec<Segment>>>,
}

/// Solves all questions, and tells of each as it is done: its place, and what came of it or why nothing did. Copies of a
/// question are made when there is room for them.
///
/// # Errors
/// Those of [`copies`] and of the engine.
pub fn solve(
    model: &Arc<Hrm>,
    questions: &[Question],
    ways: &Ways,
    on_done: &mut dyn FnMut(usize, anyhow::Result<Solved>) -> ControlFlow<()>,
) -> anyhow::Result<()> {
    let mut solver = Solver::new(model, ways.at_a_time(model, questions.len()))?;
    let per_question = ways.rollouts as usize;
    let open: RefCell<BTreeMap<usize, Open<'_>>> = RefCell::default();
    let mut wrong = None;
    let mut puzzles = questions.iter().enumerate().map_while(|(i, question)| {
        let copies = copies(question, model, ways).map_err(|error| wrong = Some(error)).ok()?;
        let puzzles: Vec<Puzzle> = copies.iter().map(|copy| copy.puzzle.clone()).collect();
        open.borrow_mut().insert(i, Open { thought: vec![None; copies.len()], copies });
        Some(puzzles)
    });
    let mut on_halt = |i: usize, segments: Result<Vec<Segment>, Error>| {
        let (question, copy) = (i / per_question, i % per_question);
        let mut open = open.borrow_mut();
        let Some(here) = open.get_mut(&question) else { return ControlFlow::Continue(()) };
        // A copy that came to nothing is no answer; where all did, that is told.
        let failure = segments.as_ref().err().map(ToString::to_string);
        here.thought[copy] = Some(segments.unwrap_or_default());
        if here.thought.iter().any(Option::is_none) {
            return ControlFlow::Continue(());
        }
        let Some(Open { copies, thought }) = open.remove(&question) else { return ControlFlow::Continue(()) };
        let solved = choose(&questions[question], &copies, thought.into_iter().flatten().collect());
        let sentence = || anyhow!(failure.unwrap_or_else(|| "no copy came to an answer".to_owned()));
        on_done(question, solved.ok_or_else(sentence))
    };
    pollster::block_on(solver.solve(&mut puzzles.by_ref().flatten(), ways.halting, &mut on_halt))?;
    drop(puzzles);
    wrong.map_or(Ok(()), Err)
}

/// Of all copies the one that the model is surest of.
pub fn choose(question: &Question, copies: &[Copy<'_>], all: Vec<Vec<Segment>>) -> Option<Solved> {
    let finished: Vec<usize> = (0..all.len()).filter(|&copy| !all[copy].is_empty()).collect();
    let surest = most_confident(finished.iter().filter_map(|&copy| all[copy].last()))?;
    let copy = finished[surest];
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
