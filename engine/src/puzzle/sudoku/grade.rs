//! How hard a puzzle is for a person.

use std::fmt;
use std::str::FromStr;

use super::Sudoku;
use super::pencil::Pencil;

/// The least that solves a puzzle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Naked singles: a cell that has one candidate left.
    Easy,
    /// Hidden singles too: a digit that has one cell left in a row, column or box.
    Medium,
    /// Also locked candidates, naked and hidden pairs and triples, X-wings.
    Hard,
    /// None of that suffices: a person would have to know more, or to guess.
    Extreme,
}

impl Grade {
    /// All of them, the easiest first.
    pub const ALL: [Grade; 4] = [Grade::Easy, Grade::Medium, Grade::Hard, Grade::Extreme];
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grade::Easy => "easy",
            Grade::Medium => "medium",
            Grade::Hard => "hard",
            Grade::Extreme => "extreme",
        })
    }
}

impl FromStr for Grade {
    type Err = String;

    fn from_str(text: &str) -> Result<Grade, String> {
        let found = Grade::ALL.into_iter().find(|grade| grade.to_string() == text);
        found.ok_or_else(|| "expected easy, medium, hard or extreme".to_owned())
    }
}

/// A puzzle's grade; none where it has no solution, or several.
pub fn grade(puzzle: &Sudoku) -> Option<Grade> {
    if !puzzle.conflicts().is_empty() {
        return None;
    }
    let mut pencil = Pencil::new(puzzle);
    let mut needed = Grade::Easy;
    loop {
        // Always the simplest that helps: what is not needed is not used.
        let technique = Grade::ALL.into_iter().find(|&grade| pencil.apply(grade));
        match technique {
            Some(grade) => needed = needed.max(grade),
            None if pencil.is_full() => return Some(needed),
            None => return puzzle.solutions(2).only().map(|_| Grade::Extreme),
        }
    }
}

/// Whether a person who knows no more than this grade solves it.
pub(super) fn yields_to(puzzle: &Sudoku, most: Grade) -> bool {
    let mut pencil = Pencil::new(puzzle);
    let known = || Grade::ALL.into_iter().filter(|&grade| grade <= most);
    while known().any(|grade| pencil.apply(grade)) {}
    pencil.is_full()
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Grade> {
        grade(&line.parse().expect(line))
    }

    #[test]
    fn known_puzzles() {
        for (line, expected) in [
            // Wikipedia's example.
            (
                "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79",
                Grade::Easy,
            ),
            // 17 givens, and none of them hard.
            (
                "000000010400000000020000000000050407008000300001090000300400200050100000000806000",
                Grade::Medium,
            ),
            // Inkala's of 2012.
            (
                "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..",
                Grade::Extreme,
            ),
        ] {
            assert_eq!(of(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn puzzles_without_one_solution_have_none() {
        assert_eq!(of(&".".repeat(81)), None);
        assert_eq!(of(&format!("11{}", ".".repeat(14))), None);
        // The last cell of the first row can only be a 4, which its column has.
        assert_eq!(of("123....4........"), None);
    }

    #[test]
    fn names() {
        for grade in Grade::ALL {
            assert_eq!(grade.to_string().parse(), Ok(grade));
        }
        assert!("Easy".parse::<Grade>().is_err());
    }
}
