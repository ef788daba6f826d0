//! Boards as HRM's models read and write them: 0 is padding, 1 a blank, digit d is d + 1.

use super::Sudoku;
use super::shape::Shape;
use crate::puzzle::PuzzleError;

impl Sudoku {
    /// A token a cell.
    pub fn tokens(&self) -> Vec<u32> {
        self.cells().iter().map(|&digit| u32::from(digit) + 1).collect()
    }

    /// The board that these tokens stand for; what is no digit of it is a blank.
    ///
    /// # Errors
    /// [`PuzzleError::SudokuCells`] for another number of tokens than the shape has cells.
    pub fn from_tokens(shape: Shape, tokens: &[u32]) -> Result<Sudoku, PuzzleError> {
        let digit = |&token: &u32| match token {
            2..=10 if token as usize <= shape.n() + 1 => (token - 1) as u8,
            _ => 0,
        };
        Sudoku::from_cells(shape, &tokens.iter().map(digit).collect::<Vec<_>>())
    }
}
