//! Which puzzle a model was made for: its cells and words tell.

use super::sudoku::Shape;
use crate::config::HrmConfig;

/// A kind of puzzle that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A board of that shape: a word for each digit, one for a blank, one for padding.
    Sudoku(Shape),
    /// A square of that many cells a side: padding, then `# SGo`.
    Maze(usize),
    /// Grids of ten colours in a square of 30x30: padding, an end, the colours.
    Arc,
}

impl Task {
    /// That of a model; None where its cells and words are those of none.
    pub fn of(config: &HrmConfig) -> Option<Task> {
        const MAZE_WORDS: usize = 6;
        const ARC_WORDS: usize = 12;
        let (cells, words) = (config.seq_len, config.vocab_size);
        let sudoku = Shape::ALL.into_iter().find(|shape| (shape.cells(), shape.n() + 2) == (cells, words));
        match (sudoku, words) {
            (Some(shape), _) => Some(Task::Sudoku(shape)),
            (_, MAZE_WORDS) if cells.isqrt().pow(2) == cells => Some(Task::Maze(cells.isqrt())),
            (_, ARC_WORDS) if cells == super::arc::SIDE.pow(2) => Some(Task::Arc),
            _ => None,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Task::Sudoku(_) => "sudoku",
            Task::Maze(_) => "maze",
            Task::Arc => "arc",
        }
    }
}
