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

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    const LINE: &str = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79";

    #[test]
    fn pasted_boards() {
        let board: Sudoku = LINE.parse().expect("a board");
        assert_eq!((board.line().as_str(), board.givens(), board.is_full()), (LINE, 30, false));
        assert_eq!(LINE.replace('.', "0").parse(), Ok(board));
        let rows: Vec<&str> = (0..9).map(|row| &LINE[9 * row..9 * row + 9]).collect();
        let drawn: Vec<String> = rows
            .iter()
            .map(|row| format!("| {} | {} | {} |\r\n", &row[..3], &row[3..6], &row[6..]))
            .collect();
        let frame = "+-----+-----+-----+\n";
        let drawn = format!("{frame}{}{frame}", drawn.concat().replace('.', "_"));
        assert_eq!(drawn.parse(), Ok(board));
    }

    #[test]
    fn text_that_is_no_board() {
        for (text, expected) in [
            ("", "must have 16, 36 or 81 cells, found 0"),
            (&LINE[1..], "found 80"),
            (&"1".repeat(100_000), "found 100000"),
            ("1234\n34x2", "line 2, column 3: 'x' has no place"),
            ("12\u{1b}4", "line 1, column 3: '\\u{1b}'"),
            ("1234341221434325", "r4c4 holds 5; a Sudoku of 4x4 has the digits 1 to 4"),
        ] {
            let error = text.parse::<Sudoku>().expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = Sudoku::parse(Shape::SIX, LINE).expect_err("another size").to_string();
        assert_eq!(error, "a Sudoku must have 36 cells, found 81");
    }
}
