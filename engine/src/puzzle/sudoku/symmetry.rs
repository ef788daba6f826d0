//! What may be changed without changing the puzzle: other names for the digits, other orders of rows and columns.

use super::Sudoku;
use super::shape::{MOST_SIDE, Shape};
use crate::puzzle::Random;

/// Another name for each digit; another order of the bands and of the rows within them, of the stacks and of the
/// columns within them; and rows for columns where boxes are square.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symmetry {
    shape: Shape,
    /// What becomes of each digit; a blank stays one.
    digits: [u8; MOST_SIDE + 1],
    /// For each cell, the one that it comes from.
    from: Vec<usize>,
}

impl Symmetry {
    /// Nothing is changed.
    pub fn identity(shape: Shape) -> Symmetry {
        Symmetry { shape, digits: std::array::from_fn(|d| d as u8), from: (0..shape.cells()).collect() }
    }

    /// Any of a shape's symmetries, all as likely.
    pub fn random(shape: Shape, random: &mut Random) -> Symmetry {
        let n = shape.n();
        let mut symmetry = Symmetry::identity(shape);
        random.shuffle(&mut symmetry.digits[1..=n]);
        let rows = order(n, shape.box_height(), random);
        let columns = order(n, shape.box_width(), random);
        let transposed = shape.box_height() == shape.box_width() && random.below(2) == 1;
        for row in 0..n {
            for column in 0..n {
                let (i, j) = if transposed { (column, row) } else { (row, column) };
                symmetry.from[row * n + column] = rows[i] * n + columns[j];
            }
        }
        symmetry
    }

    /// The board as the symmetry shows it. A board of another shape stays as it is.
    pub fn apply(&self, board: &Sudoku) -> Sudoku {
        let mut shown = *board;
        if board.shape == self.shape {
            for (to, &from) in self.from.iter().enumerate() {
                shown.cells[to] = self.digits[usize::from(board.cells[from])];
            }
        }
        shown
    }

    /// The board that is shown as this one: `undo(apply(board)) == board`.
    pub fn undo(&self, shown: &Sudoku) -> Sudoku {
        let mut board = *shown;
        if shown.shape == self.shape {
            for (to, &from) in self.from.iter().enumerate() {
                board.cells[from] = self.digit_before(shown.cells[to]);
            }
        }
        board
    }

    /// The digit that is shown as this one.
    pub fn digit_before(&self, shown: u8) -> u8 {
        self.digits.iter().position(|&digit| digit == shown).map_or(shown, |digit| digit as u8)
    }
}

/// An order of `n` lines, where those of a group of `size` stay together.
fn order(n: usize, size: usize, random: &mut Random) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..n / size).collect();
    random.shuffle(&mut groups);
    let mut lines = vec![];
    for group in groups {
        let mut within: Vec<usize> = (group * size..(group + 1) * size).collect();
        random.shuffle(&mut within);
        lines.append(&mut within);
    }
    lines
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::super::{check, generate, grade};
    use super::*;

    #[test]
    fn the_puzzle_stays_the_puzzle() {
        let mut random = Random::new(5);
        for shape in Shape::ALL {
            let made = generate(shape, 0..=shape.cells(), None, &mut random).expect("a puzzle");
            for _ in 0..50 {
                let symmetry = Symmetry::random(shape, &mut random);
                let (puzzle, solution) = (symmetry.apply(&made.puzzle), symmetry.apply(&made.solution));
                assert_eq!(check(&solution, &puzzle), []);
                assert_eq!(grade(&puzzle), Some(made.grade));
                assert_eq!(symmetry.undo(&solution), made.solution);
                assert_eq!(symmetry.undo(&puzzle), made.puzzle);
            }
        }
    }

    #[test]
    fn what_does_not_belong_stays() {
        let symmetry = Symmetry::random(Shape::NINE, &mut Random::new(1));
        let board = Sudoku::from_cells(Shape::FOUR, &[1; 16]).expect("a board");
        assert_eq!(symmetry.apply(&board), board);
    }
}
