//! The generator of puzzles and the check of their rules against each other, over ten thousand puzzles.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use fathom_engine::puzzle::Random;
use fathom_engine::puzzle::sudoku::{Grade, Shape, Sudoku, Violation, check, generate, grade};

const N_PUZZLES: usize = 10_000;

/// A board with another digit in one cell; 0 for none.
fn with(board: &Sudoku, cell: usize, digit: u8) -> Sudoku {
    let mut cells = board.cells().to_vec();
    cells[cell] = digit;
    Sudoku::from_cells(board.shape(), &cells).expect("a board")
}

/// What is said of a wrong digit in this cell: exactly that it is wrong, and whom it meets.
fn a_slip_is_caught(puzzle: &Sudoku, solution: &Sudoku, cell: usize, digit: u8) {
    let shape = puzzle.shape();
    let (right, given) = (solution.cells()[cell], puzzle.cells()[cell]);
    let found = check(&with(solution, cell, digit), puzzle);
    let place = shape.place(cell);
    let words: Vec<String> = found.iter().map(Violation::to_string).collect();
    let what = format!("{} {place} {digit}: {words:?}", puzzle.line());
    let mut words = words.iter();
    let mut expect = |expected: String| assert_eq!(words.next(), Some(&expected), "{what}");
    match (given, digit) {
        (0, 0) => expect(format!("{place} is blank")),
        (0, _) => {}
        (_, 0) => expect(format!("{place} is blank; the puzzle gives {right}")),
        _ => expect(format!("{place} holds {digit}; the puzzle gives {right}")),
    }
    // A wrong digit meets its like once in its row, once in its column, once in its box.
    for word in ["row", "column", "box"].into_iter().filter(|_| digit != 0) {
        let sentence = words.next().expect(&what);
        assert!(sentence.contains(&place.to_string()), "{what}");
        assert!(sentence.contains(&format!(" both hold {digit} ({word} ")), "{what}");
    }
    assert_eq!(words.next(), None, "{what}");
}

#[test]
fn ten_thousand_puzzles_and_a_slip_in_each() {
    let mut random = Random::new(2025);
    for i in 0..N_PUZZLES {
        let shape = Shape::ALL[i % 3];
        let fewest = shape.cells() / 3 + i / 3 % (shape.cells() / 2);
        let made = generate(shape, fewest..=shape.cells(), None, &mut random).expect("a puzzle");
        let line = made.puzzle.line();
        assert!(made.puzzle.givens() >= fewest, "{line}");
        assert_eq!(made.puzzle.solutions(2).only(), Some(made.solution), "{line}");
        assert_eq!(check(&made.solution, &made.puzzle), [], "{line}");
        assert_eq!(grade(&made.puzzle), Some(made.grade), "{line}");
        assert_eq!(line.parse(), Ok(made.puzzle));
        assert_eq!(Sudoku::from_tokens(shape, &made.puzzle.tokens()), Ok(made.puzzle));

        let n = shape.n() as u32;
        let cell = random.below(n * n) as usize;
        let right = made.solution.cells()[cell];
        // Any digit but the right one, and sometimes none.
        let wrong = (u32::from(right) + 1 + random.below(n)) % (n + 1);
        a_slip_is_caught(&made.puzzle, &made.solution, cell, wrong as u8);
    }
}

/// More givens never make a puzzle harder, and the solution itself is the easiest.
#[test]
fn grades_only_fall_as_cells_are_filled() {
    let mut random = Random::new(11);
    for wanted in Grade::ALL {
        for _ in 0..20 {
            let made = generate(Shape::NINE, 22..=32, Some(wanted), &mut random).expect("a puzzle");
            let mut cells: Vec<usize> = (0..81).collect();
            random.shuffle(&mut cells);
            let (mut puzzle, mut last) = (made.puzzle, made.grade);
            for cell in cells {
                puzzle = with(&puzzle, cell, made.solution.cells()[cell]);
                let now = grade(&puzzle).expect("one solution");
                assert!(now <= last, "{}", puzzle.line());
                last = now;
            }
            assert_eq!(last, Grade::Easy);
        }
    }
}
