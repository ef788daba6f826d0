//! One puzzle as it is asked, and what an answer to it is worth by the rules.

use anyhow::{anyhow, bail};
use fathom_engine::puzzle::Task;
use fathom_engine::puzzle::arc::Grid;
use fathom_engine::puzzle::maze::Maze;
use fathom_engine::puzzle::sudoku::{self, Grade, Sudoku};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    Sudoku {
        puzzle: Sudoku,
        grade: Option<Grade>,
    },
    Maze(Maze),
    /// A test grid of a task, and what is to come of it where the task tells.
    Arc {
        name: String,
        input: Grid,
        output: Option<Grid>,
    },
}

/// An answer in the question's own form.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Sudoku(Sudoku),
    Maze(Maze),
    Grid(Grid),
    /// It cannot be read as one, because of this.
    Unreadable(String),
}

/// What plain code says of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it obeys the rules; None where there are none to hold it against.
    pub is_right: Option<bool>,
    /// Why not, or what can be said of it.
    pub sentences: Vec<String>,
}

impl Question {
    /// What kind of puzzle it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Question::Sudoku { .. } => "sudoku",
            Question::Maze(_) => "maze",
            Question::Arc { .. } => "arc",
        }
    }

    /// A word for each cell of the model.
    ///
    /// # Errors
    /// The model was made for other puzzles, or for others of this kind.
    pub fn tokens(&self, task: Option<Task>) -> anyhow::Result<Vec<u32>> {
        match (self, task) {
            (Question::Sudoku { puzzle, .. }, Some(Task::Sudoku(shape))) if puzzle.shape() == shape => {
                Ok(puzzle.tokens())
            }
            (Question::Sudoku { puzzle, .. }, Some(Task::Sudoku(shape))) => {
                bail!("the model solves Sudokus of {shape}; the puzzle is {}", puzzle.shape())
            }
            (Question::Maze(maze), Some(Task::Maze(side))) => Ok(maze.tokens(side)?),
            (Question::Arc { input, .. }, Some(Task::Arc)) => Ok(input.tokens()),
            (_, Some(task)) => bail!("the model was made for {}, the puzzle is {}", task.name(), self.kind()),
            (_, None) => bail!("the model's cells and words are those of no puzzle that is known here"),
        }
    }

    /// What a model's words say.
    pub fn answer(&self, task: Option<Task>, tokens: &[u32]) -> Answer {
        let read = match (self, task) {
            (Question::Sudoku { puzzle, .. }, _) => {
                Sudoku::from_tokens(puzzle.shape(), tokens).map(Answer::Sudoku)
            }
            (Question::Maze(maze), Some(Task::Maze(side))) => maze.answer(tokens, side).map(Answer::Maze),
            _ => Grid::from_tokens(tokens).map(Answer::Grid),
        };
        read.unwrap_or_else(|error| Answer::Unreadable(error.to_string()))
    }

    /// Holds an answer against the rules.
    pub fn check(&self, answer: &Answer) -> Verdict {
        let told = |is_right, sentences| Verdict { is_right: Some(is_right), sentences };
        match (self, answer) {
            (Question::Sudoku { puzzle, .. }, Answer::Sudoku(found)) => {
                let violations = sudoku::check(found, puzzle);
                told(violations.is_empty(), violations.iter().map(ToString::to_string).collect())
            }
            (Question::Maze(maze), Answer::Maze(found)) => {
                let reading = maze.check(found);
                let mut sentences: Vec<String> = reading.violations.iter().map(ToString::to_string).collect();
                if let (Some(steps), Some(shortest)) = (reading.steps, reading.shortest) {
                    sentences.push(format!("{steps} steps; the shortest way has {shortest}"));
                }
                told(reading.violations.is_empty(), sentences)
            }
            (Question::Arc { output: Some(expected), .. }, Answer::Grid(found)) => {
                let sentence = "it is not the grid that the task gives".to_owned();
                told(found == expected, if found == expected { vec![] } else { vec![sentence] })
            }
            (Question::Arc { output: None, .. }, Answer::Grid(_)) => Verdict {
                is_right: None,
                sentences: vec!["the task does not tell its answer, so nobody can check it".to_owned()],
            },
            (_, Answer::Unreadable(why)) => told(false, vec![why.clone()]),
            _ => told(false, vec!["it is an answer to another kind of puzzle".to_owned()]),
        }
    }

    /// Refuses what cannot be solved, with the cells named; says where there is more than one solution.
    ///
    /// # Errors
    /// It contradicts itself, or has no solution.
    pub fn examine(&self) -> anyhow::Result<Option<&'static str>> {
        match self {
            Question::Sudoku { puzzle, .. } => {
                let conflicts = puzzle.conflicts();
                if !conflicts.is_empty() {
                    let named: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
                    return Err(anyhow!("the puzzle contradicts itself: {}", named.join("; ")));
                }
                let found = puzzle.solutions(2);
                if found.n == 0 && !found.gave_up {
                    return Err(
                        match puzzle
                            .candidates()
                            .iter()
                            .enumerate()
                            .find(|&(cell, &mask)| mask == 0 && puzzle.cells()[cell] == 0)
                        {
                            Some((cell, _)) => {
                                anyhow!(
                                    "the puzzle has no solution: no digit is left for {}",
                                    puzzle.shape().place(cell)
                                )
                            }
                            None => anyhow!("the puzzle has no solution"),
                        },
                    );
                }
                Ok((found.n > 1).then_some("the puzzle has more than one solution"))
            }
            Question::Maze(maze) => match maze.shortest() {
                Some(_) => Ok(None),
                None => Err(anyhow!("no way leads from S to G in this maze")),
            },
            Question::Arc { .. } => Ok(None),
        }
    }
}
