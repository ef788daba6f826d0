//! What a model of puzzles is asked: a text of its task, or tokens.

use fathom_engine::puzzle::arc::{ArcTask, Grid};
use fathom_engine::puzzle::maze::{Maze, MazeViolation};
use fathom_engine::puzzle::sudoku::{Shape, Sudoku, check};
use fathom_engine::puzzle::{PuzzleError, Task};
use wasm_bindgen::JsValue;

use crate::convert::{error, puzzle_error};
use crate::views::{FaultView, JudgementView};

/// A puzzle.
pub struct Question {
    /// A token a cell.
    pub tokens: Vec<u32>,
    kind: Kind,
}

/// What is known of it beside its tokens.
enum Kind {
    Sudoku(Shape),
    /// A maze in a square of this side.
    Maze(Maze, usize),
    /// The output of the task's test, where the task tells.
    Arc(Option<Grid>),
    /// Nothing: such an answer has no text.
    Unknown,
}

impl Question {
    /// From a board, a maze, or an ARC task, of which the first test is asked.
    pub fn of_text(task: Option<Task>, text: &str) -> Result<Question, JsValue> {
        let Some(task) = task else {
            return Err(error(
                "puzzle",
                "the model's puzzles are of a kind that has no text here: give tokens",
            ));
        };
        read(task, text).map_err(|e| puzzle_error(&e))
    }

    /// From tokens.
    pub fn of_tokens(task: Option<Task>, tokens: Vec<u32>) -> Question {
        let kind = match task {
            Some(Task::Sudoku(shape)) => Kind::Sudoku(shape),
            Some(Task::Arc) => Kind::Arc(None),
            // Where the maze ends in its square, only its text tells.
            Some(Task::Maze(_)) | None => Kind::Unknown,
        };
        Question { tokens, kind }
    }

    /// An answer as people read it; empty where it is none.
    pub fn text_of(&self, answer: &[u32]) -> String {
        match &self.kind {
            Kind::Sudoku(shape) => Sudoku::from_tokens(*shape, answer).map(|board| board.line()),
            Kind::Maze(maze, side) => maze.answer(answer, *side).map(|maze| maze.to_string()),
            Kind::Arc(_) => Grid::from_tokens(answer).map(|grid| rows(&grid)),
            Kind::Unknown => Ok(String::new()),
        }
        .unwrap_or_default()
    }

    /// Holds an answer against the rules; None where they are not known.
    pub fn judge(&self, answer: &[u32]) -> Result<Option<JudgementView>, JsValue> {
        let faults = self.faults(answer).map_err(|e| puzzle_error(&e))?;
        Ok(faults.map(|faults| JudgementView { right: faults.is_empty(), faults }))
    }

    fn faults(&self, answer: &[u32]) -> Result<Option<Vec<FaultView>>, PuzzleError> {
        Ok(match &self.kind {
            Kind::Sudoku(shape) => {
                let board = |tokens| Sudoku::from_tokens(*shape, tokens);
                let found = check(&board(answer)?, &board(&self.tokens)?);
                Some(found.iter().map(|each| FaultView::of_violation(each, shape.n())).collect())
            }
            Kind::Maze(maze, side) => {
                let reading = maze.check(&maze.answer(answer, *side)?);
                Some(reading.violations.iter().map(|each| maze_fault(each, maze.width())).collect())
            }
            Kind::Arc(Some(expected)) if Grid::from_tokens(answer).as_ref() == Ok(expected) => Some(vec![]),
            Kind::Arc(Some(_)) => {
                Some(vec![FaultView::of(&"the answer is not the output that the task tells", &[], 1)])
            }
            Kind::Arc(None) | Kind::Unknown => None,
        })
    }
}

fn read(task: Task, text: &str) -> Result<Question, PuzzleError> {
    Ok(match task {
        Task::Sudoku(shape) => {
            Question { tokens: Sudoku::parse(shape, text)?.tokens(), kind: Kind::Sudoku(shape) }
        }
        Task::Maze(side) => {
            let maze = text.parse::<Maze>()?.unmarked();
            Question { tokens: maze.tokens(side)?, kind: Kind::Maze(maze, side) }
        }
        Task::Arc => {
            let first = ArcTask::from_json(text)?.asked.into_iter().next().ok_or(PuzzleError::ArcNoTest)?;
            Question { tokens: first.input.tokens(), kind: Kind::Arc(first.output) }
        }
    })
}

fn maze_fault(violation: &MazeViolation, width: usize) -> FaultView {
    match violation {
        MazeViolation::Changed { place, .. } => FaultView::of(violation, &[*place], width),
        MazeViolation::Size | MazeViolation::NoWay => FaultView::of(violation, &[], width),
    }
}

/// A grid as the corpus writes it.
fn rows(grid: &Grid) -> String {
    let row = |row: &[u8]| {
        let colours: Vec<String> = row.iter().map(u8::to_string).collect();
        format!("[{}]", colours.join(","))
    };
    format!("[{}]", grid.rows().map(row).collect::<Vec<_>>().join(","))
}
