//! Boards from text, in the forms in which people paste them, and back.

use std::str::FromStr;

use super::Sudoku;
use super::shape::{MOST_CELLS, Shape, cell_count};
use crate::puzzle::PuzzleError;

impl FromStr for Sudoku {
    type Err = PuzzleError;

    /// Digits, and `.`, `0` or `_` for a blank; white space and `|`, `-`, `+` of a drawing are passed over. The
    /// number of cells tells the size.
    fn from_str(text: &str) -> Result<Sudoku, PuzzleError> {
        let (cells, n) = cells(text)?;
        read(Shape::of_cells(n)?, &cells, n)
    }
}

impl Sudoku {
    /// The same for a board of this size.
    ///
    /// # Errors
    /// [`PuzzleError`]: a character that has no place, another number of cells, a digit that is too large.
    pub fn parse(shape: Shape, text: &str) -> Result<Sudoku, PuzzleError> {
        let (cells, n) = cells(text)?;
        read(shape, &cells, n)
    }

    /// One line, row by row, `.` for a blank.
    pub fn line(&self) -> String {
        self.cells().iter().map(|&digit| if digit == 0 { '.' } else { char::from(b'0' + digit) }).collect()
    }
}

fn read(shape: Shape, cells: &[u8; MOST_CELLS], n: usize) -> Result<Sudoku, PuzzleError> {
    if n != shape.cells() {
        return Err(cell_count(Some(shape), n));
    }
    Sudoku::from_cells(shape, &cells[..n])
}

/// The first cells, and how many there are in all.
fn cells(text: &str) -> Result<([u8; MOST_CELLS], usize), PuzzleError> {
    let mut cells = [0; MOST_CELLS];
    let mut n = 0;
    let (mut line, mut column) = (1, 0);
    for found in text.chars() {
        column += 1;
        let digit = match found {
            '.' | '_' => 0,
            '0'..='9' => found as u8 - b'0',
            '\n' => {
                (line, column) = (line + 1, 0);
                continue;
            }
            '|' | '-' | '+' => continue,
            _ if found.is_whitespace() => continue,
            _ => return Err(PuzzleError::SudokuCharacter { found, line, column }),
        };
        if let Some(cell) = cells.get_mut(n) {
            *cell = digit;
        }
        n += 1;
    }
    Ok((cells, n))
}
