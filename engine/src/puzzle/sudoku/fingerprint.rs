//! A number that no symmetry changes.

use super::Sudoku;
use super::shape::MOST_SIDE;
use crate::puzzle::random::mix;

/// Enough for a difference in one corner to reach the other.
const ROUNDS: u64 = 5;

impl Sudoku {
    /// Equal for boards that are the same but for a [`Symmetry`](super::Symmetry). Different ones differ, but
    /// for rare chance: that two are equal is a reason to leave one out, not a proof. It is made for puzzles: all full boards
    /// of a size have one number, as nothing in a full board sets a cell apart.
    ///
    /// Cells and digits have colours, which grow more particular each round: a cell's by those of its digit, row,
    /// column, box, band and stack, a digit's by those of its cells. Sums do not know an order.
    pub fn fingerprint(&self) -> u64 {
        let shape = self.shape;
        let (n, layout) = (shape.n(), shape.layout());
        let mut colours = vec![0; shape.cells()];
        let mut digits = [1; MOST_SIDE + 1];
        digits[0] = 2;
        for round in 0..ROUNDS {
            let mut cells_of = [0u64; MOST_SIDE + 1];
            let mut units = [0u64; 3 * MOST_SIDE];
            for (cell, colour) in colours.iter_mut().enumerate() {
                let digit = usize::from(self.cells[cell]);
                *colour = pair(*colour, digits[digit]);
                cells_of[digit] = cells_of[digit].wrapping_add(mix(*colour));
                for unit in layout.units_of[cell] {
                    units[unit] = units[unit].wrapping_add(mix(*colour));
                }
            }
            // Lines with the lines of their band or stack.
            let grouped = |first: usize, size: usize, line: usize| {
                let start = first + (line - first) / size * size;
                let group = (start..start + size).fold(0u64, |sum, k| sum.wrapping_add(mix(units[k])));
                pair(units[line], group)
            };
            let is_square = shape.box_height() == shape.box_width();
            for (cell, colour) in colours.iter_mut().enumerate() {
                let [row, column, boxed] = layout.units_of[cell];
                let row = grouped(0, shape.box_height(), row);
                let column = grouped(n, shape.box_width(), column);
                // Where rows may become columns, nothing may tell them apart.
                let lines = if is_square { mix(row).wrapping_add(mix(column)) } else { pair(row, column) };
                *colour = pair(pair(*colour, units[boxed]), pair(lines, round));
            }
            for (digit, sum) in digits.iter_mut().zip(cells_of) {
                *digit = pair(*digit, sum);
            }
        }
        let cells = colours.iter().fold(n as u64, |sum, &c| sum.wrapping_add(mix(c)));
        mix(cells)
    }
}

/// One word of two, where their order counts.
fn pair(a: u64, b: u64) -> u64 {
    mix(mix(a.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ b)
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use std::collections::HashSet;

    use super::super::{Shape, Symmetry, generate};
    use super::*;
    use crate::puzzle::Random;

    #[test]
    fn no_symmetry_changes_it() {
        let mut random = Random::new(3);
        for shape in Shape::ALL {
            let made = generate(shape, 0..=shape.cells(), None, &mut random).expect("a puzzle");
            for board in [made.puzzle, made.solution, Sudoku::blank(shape)] {
                for _ in 0..200 {
                    let shown = Symmetry::random(shape, &mut random).apply(&board);
                    assert_eq!(shown.fingerprint(), board.fingerprint(), "{}", board.line());
                }
            }
        }
    }

    #[test]
    fn other_puzzles_have_others() {
        let mut random = Random::new(4);
        let mut seen = HashSet::new();
        for _ in 0..500 {
            let made = generate(Shape::NINE, 26..=60, None, &mut random).expect("a puzzle");
            assert!(seen.insert(made.puzzle.fingerprint()));
            // One given more is another puzzle.
            let mut more = made.puzzle;
            let blank = made.puzzle.cells().iter().position(|&digit| digit == 0).expect("a blank");
            more.cells[blank] = made.solution.cells[blank];
            assert!(seen.insert(more.fingerprint()));
        }
    }

    #[test]
    fn rows_are_not_columns_where_boxes_are_not_square() {
        let text = |cells: [usize; 2]| {
            let mut board = Sudoku::blank(Shape::SIX);
            for cell in cells {
                board.cells[cell] = 1 + u8::from(cell > 0);
            }
            board.fingerprint()
        };
        assert_ne!(text([0, 5]), text([0, 30]));
    }
}
