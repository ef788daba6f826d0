//! What is wrong with a puzzle that somebody gave: one sentence each, with the place.

use super::Place;

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
    #[error(
        "line {line}, column {column}: {found:?} has no place in a Sudoku; expected 1-9, or . 0 _ for a blank"
    )]
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
        /// Where.
        place: Place,
        /// The digit.
        found: u32,
        /// The largest digit.
        n: usize,
    },

    /// A maze without a single line.
    #[error("the maze is empty; expected lines of # (wall), a space or . (free), S (start) and G (goal)")]
    MazeEmpty,
    /// A maze's lines are not of one length.
    #[error("line {line} of the maze has {found} characters, the first one {expected}")]
    MazeLine {
        /// From 1.
        line: usize,
        /// Characters of the first line.
        expected: usize,
        /// Characters of this one.
        found: usize,
    },
    /// A character that no maze has.
    #[error("line {line}, column {column}: {found:?} has no place in a maze; expected # S G o, a space or .")]
    MazeCharacter {
        /// The character.
        found: char,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// Not one start, or not one goal.
    #[error("a maze must have one {mark}, found {found}")]
    MazeEnds {
        /// S or G.
        mark: char,
        /// How many there are.
        found: usize,
    },
    /// A maze that the model has no room for.
    #[error("the maze is {width}x{height}; the model reads at most {side}x{side}")]
    MazeTooLarge {
        /// Cells of a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The model's side.
        side: usize,
    },
    /// An answer of another number of tokens than the model's square has cells.
    #[error("the answer must have {expected} tokens, found {found}")]
    AnswerLength {
        /// The model's.
        expected: usize,
        /// The answer's.
        found: usize,
    },

    /// A text that is not JSON, or not that of an ARC task.
    #[error(
        "not an ARC task ({{\"train\": [{{\"input\", \"output\"}}], \"test\": [{{\"input\"}}]}}): {reason}"
    )]
    ArcJson {
        /// What the parser said, with line and column.
        reason: String,
    },
    /// An ARC task that asks nothing.
    #[error("the ARC task has no test input")]
    ArcNoTest,
    /// A grid without cells, or larger than grids may be.
    #[error("{grid} is {height} rows of {width}; expected 1 to {most} of 1 to {most}")]
    ArcSize {
        /// Which grid.
        grid: String,
        /// Cells of its first row.
        width: usize,
        /// Rows.
        height: usize,
        /// The largest side.
        most: usize,
    },
    /// A grid whose rows are not of one length.
    #[error("row {row} of {grid} has {found} cells, the first one {expected}")]
    ArcRow {
        /// Which grid.
        grid: String,
        /// From 1.
        row: usize,
        /// Cells of the first row.
        expected: usize,
        /// Cells of this one.
        found: usize,
    },
    /// A number that is no colour.
    #[error("{place} of {grid} is {found}; expected a colour, 0 to 9")]
    ArcColour {
        /// Which grid.
        grid: String,
        /// Where.
        place: Place,
        /// The number.
        found: i64,
    },
    /// An answer that does not begin with a colour.
    #[error("the answer is no grid: its upper left corner holds no colour")]
    ArcAnswerEmpty,
}
