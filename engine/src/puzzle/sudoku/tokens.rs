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

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let board: Sudoku = "12.4............".parse().expect("a board");
        let tokens = board.tokens();
        assert_eq!(tokens[..5], [2, 3, 1, 5, 1]);
        assert_eq!(Sudoku::from_tokens(Shape::FOUR, &tokens), Ok(board));
        let strange: Vec<u32> =
            tokens.iter().map(|&token| if token == 1 { u32::MAX } else { token }).collect();
        assert_eq!(Sudoku::from_tokens(Shape::FOUR, &strange), Ok(board));
        // Padding, and a digit that a larger board has.
        let blank = Sudoku::from_tokens(Shape::FOUR, &[0, 6].repeat(8));
        assert_eq!(blank, Ok(Sudoku::blank(Shape::FOUR)));
        assert!(Sudoku::from_tokens(Shape::NINE, &tokens).is_err());
    }
}
