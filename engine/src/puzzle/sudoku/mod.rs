//! Sudoku: a board of n x n cells, where every row, column and box holds each digit once.
//!
//! | file | what |
//! |---|---|
//! | `shape` | sizes, and which cells are a row, a column or a box |
//! | `text` | boards from text and back |
//! | `tokens` | boards as HRM's models read them |
//! | `check` | what disobeys the rules, in words |
//! | `solve` | candidates, and how many solutions there are |
//! | `grade` | how hard a puzzle is for a person, by the techniques in `pencil` that it needs |
//! | `generate` | new puzzles |
//! | `symmetry` | what may be changed without changing the puzzle |
//! | `fingerprint` | a number that no symmetry changes |

mod check;
mod fingerprint;
mod generate;
mod grade;
mod pencil;
mod shape;
mod solve;
mod symmetry;
mod text;
mod tokens;

pub use check::{Conflict, Violation, check};
pub use generate::{Made, generate};
pub use grade::{Grade, grade};
pub use shape::{Shape, Unit};
pub use solve::Solutions;
pub use symmetry::Symmetry;

use super::PuzzleError;
use shape::{MOST_CELLS, cell_count};

/// A board, blank or filled, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sudoku {
    shape: Shape,
    /// 0: blank. Those behind the shape's cells are 0.
    cells: [u8; MOST_CELLS],
}

impl Sudoku {
    /// Nothing but blanks.
    pub fn blank(shape: Shape) -> Sudoku {
        Sudoku { shape, cells: [0; MOST_CELLS] }
    }

    /// From digits row by row, 0 for a blank.
    ///
    /// # Errors
    /// [`PuzzleError::SudokuCells`] for another number of cells, [`PuzzleError::SudokuDigit`] for a digit that
    /// the shape does not have.
    pub fn from_cells(shape: Shape, cells: &[u8]) -> Result<Sudoku, PuzzleError> {
        let mut board = Sudoku::blank(shape);
        if cells.len() != shape.cells() {
            return Err(cell_count(Some(shape), cells.len()));
        }
        for (i, &digit) in cells.iter().enumerate() {
            if usize::from(digit) > shape.n() {
                let place = shape.place(i);
                return Err(PuzzleError::SudokuDigit { place, found: digit.into(), n: shape.n() });
            }
            board.cells[i] = digit;
        }
        Ok(board)
    }

    /// Its size.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Digits row by row, 0 for a blank.
    pub fn cells(&self) -> &[u8] {
        &self.cells[..self.shape.cells()]
    }

    /// How many cells are filled.
    pub fn givens(&self) -> usize {
        self.cells.iter().filter(|&&digit| digit != 0).count()
    }

    /// Every cell has a digit.
    pub fn is_full(&self) -> bool {
        self.givens() == self.shape.cells()
    }
}
