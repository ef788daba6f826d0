//! Candidates, and how many solutions a board has: bit masks, singles first, then the cell with the fewest
//! candidates.

use super::Sudoku;
use super::shape::{Layout, MOST_SIDE, Shape};
use crate::puzzle::Random;

/// Guesses after which a search ends. The worst boards with a single solution need some hundreds; this is well
/// below a second.
const MOST_GUESSES: u32 = 50_000;

/// What a search for solutions found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solutions {
    /// How many were found, at most as many as were asked for.
    pub n: usize,
    /// The first of them.
    pub first: Option<Sudoku>,
    /// The search was ended before it had seen everything: there may be more than `n`.
    pub gave_up: bool,
}

impl Solutions {
    /// The one solution; none where there are several, or where that is not known.
    pub fn only(self) -> Option<Sudoku> {
        self.first.filter(|_| self.n == 1 && !self.gave_up)
    }
}

impl Sudoku {
    /// The digits that each cell's row, column and box leave for it, bit d - 1 for digit d; 0 where it is filled.
    pub fn candidates(&self) -> Vec<u16> {
        let board = Board::new(self);
        (0..self.shape.cells())
            .map(|cell| if self.cells[cell] == 0 { board.candidates(cell) } else { 0 })
            .collect()
    }

    /// Looks for solutions until there are `limit`: 2 tells whether there is only one. A board that contradicts
    /// itself has none.
    pub fn solutions(&self, limit: usize) -> Solutions {
        let found = Solutions { n: 0, first: None, gave_up: false };
        if limit == 0 || !self.conflicts().is_empty() {
            return found;
        }
        let mut search = Search { limit, guesses_left: MOST_GUESSES, random: None, found };
        search.look(Board::new(self));
        search.found
    }
}

/// A full board, drawn by chance.
pub(super) fn full(shape: Shape, random: &mut Random) -> Option<Sudoku> {
    let found = Solutions { n: 0, first: None, gave_up: false };
    let mut search = Search { limit: 1, guesses_left: MOST_GUESSES, random: Some(random), found };
    search.look(Board::new(&Sudoku::blank(shape)));
    search.found.first
}

/// All digits of a board, as a mask.
pub(super) fn all_digits(shape: Shape) -> u16 {
    (1 << shape.n()) - 1
}

/// The lowest digit of a mask that is not 0.
pub(super) fn lowest(mask: u16) -> u8 {
    mask.trailing_zeros() as u8 + 1
}

/// A board with the digits that each unit holds.
#[derive(Clone, Copy)]
struct Board {
    cells: Sudoku,
    layout: &'static Layout,
    all: u16,
    used: [u16; 3 * MOST_SIDE],
}

/// What the rules say before anything is guessed.
enum Settled {
    Contradiction,
    Full,
    /// A cell with the fewest candidates.
    Open(usize),
}

impl Board {
    fn new(puzzle: &Sudoku) -> Board {
        let shape = puzzle.shape;
        let layout = shape.layout();
        let cells = Sudoku::blank(shape);
        let mut board = Board { cells, layout, all: all_digits(shape), used: [0; 3 * MOST_SIDE] };
        for (cell, &digit) in puzzle.cells().iter().enumerate() {
            if digit != 0 {
                board.place(cell, digit);
            }
        }
        board
    }

    fn place(&mut self, cell: usize, digit: u8) {
        self.cells.cells[cell] = digit;
        for unit in self.layout.units_of[cell] {
            self.used[unit] |= 1 << (digit - 1);
        }
    }

    fn candidates(&self, cell: usize) -> u16 {
        let [row, column, boxed] = self.layout.units_of[cell];
        self.all & !(self.used[row] | self.used[column] | self.used[boxed])
    }

    /// Places singles until there are none.
    fn settle(&mut self) -> Settled {
        loop {
            let mut placed = false;
            let mut fewest: Option<(u32, usize)> = None;
            for cell in 0..self.cells.shape.cells() {
                if self.cells.cells[cell] != 0 {
                    continue;
                }
                let candidates = self.candidates(cell);
                match candidates.count_ones() {
                    0 => return Settled::Contradiction,
                    1 => {
                        self.place(cell, lowest(candidates));
                        placed = true;
                    }
                    n if fewest.is_none_or(|(least, _)| n < least) => fewest = Some((n, cell)),
                    _ => {}
                }
            }
            if placed {
                continue;
            }
            let Some((_, cell)) = fewest else { return Settled::Full };
            match self.hidden_single() {
                Err(Impossible) => return Settled::Contradiction,
                Ok(true) => {}
                Ok(false) => return Settled::Open(cell),
            }
        }
    }

    /// Places the digits that have one cell left in some unit; whether there were any.
    fn hidden_single(&mut self) -> Result<bool, Impossible> {
        let mut placed = false;
        for index in 0..3 * self.cells.shape.n() {
            let unit = self.layout.unit(index);
            let (mut once, mut twice) = (0, 0);
            for &cell in unit.iter().filter(|&&cell| self.cells.cells[cell] == 0) {
                let candidates = self.candidates(cell);
                twice |= once & candidates;
                once |= candidates;
            }
            if once | self.used[index] != self.all {
                return Err(Impossible);
            }
            let mut single = once & !twice;
            while single != 0 {
                let digit = lowest(single);
                single &= single - 1;
                let bit = 1 << (digit - 1);
                let open = |&&cell: &&usize| self.cells.cells[cell] == 0 && self.candidates(cell) & bit != 0;
                // Another single may have taken its cell: then there is no solution.
                let cell = *unit.iter().find(open).ok_or(Impossible)?;
                self.place(cell, digit);
                placed = true;
            }
        }
        Ok(placed)
    }
}

struct Impossible;

struct Search<'a> {
    limit: usize,
    guesses_left: u32,
    /// Draws which candidate is tried first.
    random: Option<&'a mut Random>,
    found: Solutions,
}

impl Search<'_> {
    /// At most one level deeper for each cell.
    fn look(&mut self, mut board: Board) {
        let cell = match board.settle() {
            Settled::Contradiction => return,
            Settled::Full => {
                self.found.n += 1;
                self.found.first.get_or_insert(board.cells);
                return;
            }
            Settled::Open(cell) => cell,
        };
        let mut candidates = board.candidates(cell);
        while candidates != 0 && self.found.n < self.limit {
            if self.guesses_left == 0 {
                self.found.gave_up = true;
                return;
            }
            self.guesses_left -= 1;
            let digit = self.choose(candidates);
            candidates &= !(1 << (digit - 1));
            let mut guessed = board;
            guessed.place(cell, digit);
            self.look(guessed);
        }
    }

    fn choose(&mut self, candidates: u16) -> u8 {
        let Some(random) = &mut self.random else { return lowest(candidates) };
        let skipped = random.below(candidates.count_ones());
        lowest((0..skipped).fold(candidates, |left, _| left & (left - 1)))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    const PUZZLE: &str = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79";
    const SOLUTION: &str =
        "534678912672195348198342567859761423426853791713924856961537284287419635345286179";

    fn board(line: &str) -> Sudoku {
        line.parse().expect(line)
    }

    #[test]
    fn known_puzzles_have_their_solution() {
        assert_eq!(board(PUZZLE).solutions(2).only().map(|board| board.line()), Some(SOLUTION.to_owned()));
        // 17 givens, the fewest there can be.
        let fewest = "000000010400000000020000000000050407008000300001090000300400200050100000000806000";
        let found = board(fewest).solutions(2).only().expect("one solution").line();
        assert_eq!(
            found,
            "693784512487512936125963874932651487568247391741398625319475268856129743274836159"
        );
        assert_eq!(board("1.......4.......").solutions(2).n, 2);
    }

    #[test]
    fn a_search_has_an_end() {
        let blank = Sudoku::blank(Shape::NINE);
        let found = blank.solutions(2);
        assert_eq!((found.n, found.gave_up), (2, false));
        assert!(blank.solutions(usize::MAX).gave_up);
        assert_eq!(blank.solutions(0).n, 0);
        let contradictory = board(&PUZZLE.replacen("53", "55", 1)).solutions(2);
        assert_eq!((contradictory.n, contradictory.only()), (0, None));
        // Known to be slow for searches that only try: no solution, and no single sets it going.
        let slow = ".....5.8....6.1.43..........1.5........1.6...3.......553.....61........4.........";
        let found = board(slow).solutions(2);
        assert!(found.n == 0 || found.gave_up, "{found:?}");
        // All 4x4 boards, of which there are 288.
        assert_eq!(Sudoku::blank(Shape::FOUR).solutions(usize::MAX).n, 288);
    }

    #[test]
    fn candidates_are_what_the_rules_leave() {
        let candidates = board(PUZZLE).candidates();
        assert_eq!((candidates[0], candidates[2]), (0, 0b1011));
    }
}
