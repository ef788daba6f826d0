//! What is wrong with a puzzle that somebody gave: one sentence each, with the place.

/// What cannot be read as a puzzle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PuzzleError {
    /// A board of no known size, or of another one than was asked for.
    #[error("a Sudoku must have {expected} cells, found {found}")]
    SudokuCells {
        /// How many there may be.
        expected: String,
        /// How many there are.
        found: usize,
    },
    /// A character that is neither a digit nor a blank nor part of a drawing.
    #[error("line {line}, column {column}: {found:?} has no place in a Sudoku; expected 1-9, or . 0 _ for a blank")]
    SudokuCharacter {
        /// The character.
        found: char,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// A digit that a board of this size does not have.
    #[error("{place} holds {found}; a Sudoku of {n}x{n} has the digits 1 to {n}")]
    SudokuDigit {
        /// Where, such as r1c5.
        place: String,
        /// The digit.
        found: u32,
        /// The largest digit.
        n: usize,
    },
}
