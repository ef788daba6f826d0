//! New puzzles: a full board by chance, from which digits are taken while it can still be solved in one way.

use std::ops::RangeInclusive;

use super::grade::{Grade, grade, yields_to};
use super::shape::Shape;
use super::{Sudoku, solve};
use crate::puzzle::Random;

/// Boards that are tried before there is thought to be no such puzzle.
const MOST_TRIES: u32 = 5000;

/// A puzzle with one solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The puzzle.
    pub puzzle: Sudoku,
    /// Its only solution.
    pub solution: Sudoku,
    /// How hard it is.
    pub grade: Grade,
}

/// Makes a puzzle. It has as few givens as the range allows, or as many more as its board needs for a single
/// solution; and the grade, where one is wanted. None where some thousand boards gave no such puzzle.
pub fn generate(
    shape: Shape,
    givens: RangeInclusive<usize>,
    wanted: Option<Grade>,
    random: &mut Random,
) -> Option<Made> {
    (0..MOST_TRIES).find_map(|_| {
        let solution = solve::full(shape, random)?;
        let puzzle = dig(&solution, *givens.start(), wanted, random);
        if !givens.contains(&puzzle.givens()) {
            return None;
        }
        let grade = grade(&puzzle).filter(|&found| wanted.is_none_or(|wanted| found == wanted))?;
        Some(Made { puzzle, solution, grade })
    })
}

/// Takes digits in any order until `fewest` are left, or none can be taken.
fn dig(solution: &Sudoku, fewest: usize, wanted: Option<Grade>, random: &mut Random) -> Sudoku {
    let shape = solution.shape;
    let mut order: Vec<usize> = (0..shape.cells()).collect();
    random.shuffle(&mut order);
    let mut puzzle = *solution;
    let mut left = shape.cells();
    for cell in order {
        if left <= fewest {
            break;
        }
        let digit = puzzle.cells[cell];
        puzzle.cells[cell] = 0;
        if still_solved(&puzzle, cell, wanted) {
            left -= 1;
        } else {
            puzzle.cells[cell] = digit;
        }
    }
    puzzle
}

/// The cell was the last one that was taken.
fn still_solved(puzzle: &Sudoku, cell: usize, wanted: Option<Grade>) -> bool {
    // A cell with one candidate is filled by anybody.
    if puzzle.candidates()[cell].count_ones() == 1 {
        return true;
    }
    match wanted {
        None | Some(Grade::Extreme) => puzzle.solutions(2).only().is_some(),
        Some(most) => yields_to(puzzle, most),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn what_was_wanted_is_made() {
        let mut random = Random::new(7);
        for (wanted, givens) in [
            (Grade::Easy, 28..=50),
            (Grade::Medium, 26..=45),
            (Grade::Hard, 22..=30),
            (Grade::Extreme, 22..=30),
        ] {
            for _ in 0..5 {
                let made =
                    generate(Shape::NINE, givens.clone(), Some(wanted), &mut random).expect("a puzzle");
                assert_eq!((made.grade, grade(&made.puzzle)), (wanted, Some(wanted)));
                assert!(givens.contains(&made.puzzle.givens()));
                assert_eq!(made.puzzle.solutions(2).only(), Some(made.solution));
                assert_eq!(check(&made.solution, &made.puzzle), []);
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same() {
        let of = |seed| generate(Shape::NINE, 26..=60, None, &mut Random::new(seed)).expect("a puzzle");
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        // On every machine.
        let line = "..9.4.52..537....8.....27...35....49...81..6.....9....7.....6...2..3..843..4.....";
        assert_eq!(of(1).puzzle.line(), line);
    }

    #[test]
    fn what_cannot_be_is_not_made() {
        let mut random = Random::new(1);
        assert_eq!(generate(Shape::FOUR, 0..=3, None, &mut random), None);
        assert_eq!(generate(Shape::FOUR, 16..=16, Some(Grade::Extreme), &mut random), None);
        assert_eq!(generate(Shape::FOUR, 17..=20, None, &mut random), None);
        assert_eq!(
            generate(Shape::FOUR, 16..=16, None, &mut random).map(|made| made.puzzle.givens()),
            Some(16)
        );
    }
}
