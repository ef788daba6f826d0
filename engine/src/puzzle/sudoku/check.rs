//! What disobeys the rules, in words.

use std::fmt;

use super::Sudoku;
use super::shape::{Shape, Unit};
use crate::puzzle::Place;

/// Cells of one row, column or box that hold the same digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where.
    pub unit: Unit,
    /// What they hold.
    pub digit: u8,
    /// Two or more.
    pub places: Vec<Place>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.places.iter().map(Place::to_string).collect();
        let (last, others) = names.split_last().map_or(("", &[][..]), |(last, others)| (last, others));
        let both = if others.len() == 1 { "both" } else { "all" };
        write!(f, "{} and {last} {both} hold {} ({})", others.join(", "), self.digit, self.unit)
    }
}

/// A way in which an answer is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The answer is a board of another size; nothing else was looked at.
    Shape {
        /// The puzzle's.
        expected: Shape,
        /// The answer's.
        found: Shape,
    },
    /// A cell has no digit.
    Blank(Place),
    /// A cell that the puzzle fills holds another digit, or none.
    GivenChanged {
        /// Where.
        place: Place,
        /// The puzzle's.
        given: u8,
        /// The answer's; 0 for none.
        found: u8,
    },
    /// A digit that is there more than once.
    Conflict(Conflict),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Shape { expected, found } => {
                write!(f, "the puzzle is {expected}, the answer {found}")
            }
            Violation::Blank(place) => write!(f, "{place} is blank"),
            Violation::GivenChanged { place, given, found: 0 } => {
                write!(f, "{place} is blank; the puzzle gives {given}")
            }
            Violation::GivenChanged { place, given, found } => {
                write!(f, "{place} holds {found}; the puzzle gives {given}")
            }
            Violation::Conflict(conflict) => conflict.fmt(f),
        }
    }
}

/// Holds an answer against the rules, and against the puzzle that it is to answer. Nothing is found: it is right.
pub fn check(answer: &Sudoku, puzzle: &Sudoku) -> Vec<Violation> {
    if answer.shape != puzzle.shape {
        return vec![Violation::Shape { expected: puzzle.shape, found: answer.shape }];
    }
    let cells = answer.cells().iter().zip(puzzle.cells()).enumerate();
    let wrong = cells.filter_map(|(cell, (&found, &given))| {
        let place = answer.shape.place(cell);
        match (found, given) {
            (0, 0) => Some(Violation::Blank(place)),
            (_, 0) => None,
            _ => (found != given).then_some(Violation::GivenChanged { place, given, found }),
        }
    });
    wrong.chain(answer.conflicts().into_iter().map(Violation::Conflict)).collect()
}

impl Sudoku {
    /// Digits that a row, column or box holds more than once. Cells that share two of them are named twice.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut found = vec![];
        for (index, cells) in self.shape.layout().units().enumerate() {
            for digit in 1..=self.shape.n() as u8 {
                let held = || cells.iter().filter(|&&cell| self.cells[cell] == digit);
                if held().nth(1).is_some() {
                    let unit = Unit::of_index(self.shape, index);
                    let places = held().map(|&cell| self.shape.place(cell)).collect();
                    found.push(Conflict { unit, digit, places });
                }
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    const SOLUTION: &str = "1234341221434321";

    fn words(answer: &str, puzzle: &str) -> Vec<String> {
        let board = |line: &str| line.parse().expect("a board");
        check(&board(answer), &board(puzzle)).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let puzzle = "1.......2.......";
        assert_eq!(words(SOLUTION, puzzle), [""; 0]);
        assert_eq!(words(".234341221434321", puzzle), ["r1c1 is blank; the puzzle gives 1"]);
        assert_eq!(words("123.341221434321", puzzle), ["r1c4 is blank"]);
        assert_eq!(
            words("1244341221434321", puzzle),
            [
                "r1c3 and r1c4 both hold 4 (row 1)",
                "r1c3 and r3c3 both hold 4 (column 3)",
                "r1c3 and r1c4 both hold 4 (box 2)"
            ]
        );
        let all = words(&"1".repeat(16), puzzle);
        assert_eq!(all[0], "r3c1 holds 1; the puzzle gives 2");
        assert_eq!(all[1], "r1c1, r1c2, r1c3 and r1c4 all hold 1 (row 1)");
        assert_eq!(all.len(), 1 + 12);
        assert_eq!(words(SOLUTION, &".".repeat(36)), ["the puzzle is 6x6, the answer 4x4"]);
    }
}
