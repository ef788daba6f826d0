//! What disobeys the rules, in words.

use std::fmt;

use super::Sudoku;
use super::shape::{Place, Shape, Unit};

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
    wrong.chain(conflicts(answer).into_iter().map(Violation::Conflict)).collect()
}

impl Sudoku {
    /// Digits that a row, column or box holds more than once. Cells that share two of them are named twice.
    pub fn conflicts(&self) -> Vec<Conflict> {
        conflicts(self)
    }
}

pub(super) fn conflicts(board: &Sudoku) -> Vec<Conflict> {
    let shape = board.shape;
    let mut found = vec![];
    for (index, unit) in shape.layout().units().enumerate() {
        for digit in 1..=shape.n() as u8 {
            let held = || unit.iter().filter(|&&cell| board.cells[cell] == digit);
            if held().nth(1).is_some() {
                let places = held().map(|&cell| shape.place(cell)).collect();
                found.push(Conflict { unit: Unit::of_index(shape, index), digit, places });
            }
        }
    }
    found
}
