//! What people do with a pencil: candidates in each cell, and techniques that strike them out.

use super::Sudoku;
use super::grade::Grade;
use super::shape::{Layout, MOST_CELLS, MOST_SIDE};
use super::solve::lowest;

/// A board with the candidates that are left. A candidate that is struck out stays so.
pub(super) struct Pencil {
    board: Sudoku,
    layout: &'static Layout,
    /// Bit d - 1 for digit d; 0 where the cell is filled.
    candidates: [u16; MOST_CELLS],
}

impl Pencil {
    /// A puzzle that does not contradict itself.
    pub fn new(puzzle: &Sudoku) -> Pencil {
        let mut candidates = [0; MOST_CELLS];
        candidates[..puzzle.shape.cells()].copy_from_slice(&puzzle.candidates());
        Pencil { board: *puzzle, layout: puzzle.shape.layout(), candidates }
    }

    pub fn is_full(&self) -> bool {
        self.board.is_full()
    }

    /// Does what a grade adds to the grades below it; whether that changed anything.
    pub fn apply(&mut self, grade: Grade) -> bool {
        match grade {
            Grade::Easy => self.naked_singles(),
            Grade::Medium => self.hidden_singles(),
            Grade::Hard => self.locked() || self.subsets(2) || self.subsets(3) || self.x_wings(),
            Grade::Extreme => false,
        }
    }

    fn place(&mut self, cell: usize, digit: u8) {
        self.board.cells[cell] = digit;
        self.candidates[cell] = 0;
        for unit in self.layout.units_of[cell] {
            for &other in self.layout.unit(unit) {
                self.candidates[other] &= !(1 << (digit - 1));
            }
        }
    }

    /// Strikes digits out of a cell; whether any of them was there.
    fn strike(&mut self, cell: usize, digits: u16) -> bool {
        let struck = self.candidates[cell] & digits != 0;
        self.candidates[cell] &= !digits;
        struck
    }

    fn naked_singles(&mut self) -> bool {
        let mut changed = false;
        for cell in 0..self.board.shape.cells() {
            if self.candidates[cell].count_ones() == 1 {
                self.place(cell, lowest(self.candidates[cell]));
                changed = true;
            }
        }
        changed
    }

    fn hidden_singles(&mut self) -> bool {
        let mut changed = false;
        for unit in self.layout.units() {
            for digit in 1..=self.board.shape.n() as u8 {
                let places = self.places(unit, digit);
                if places.count_ones() == 1 {
                    self.place(unit[places.trailing_zeros() as usize], digit);
                    changed = true;
                }
            }
        }
        changed
    }

    /// Where in the unit a digit can be, bit k for the unit's k-th cell.
    fn places(&self, unit: &[usize], digit: u8) -> u16 {
        let can = |&cell: &usize| self.candidates[cell] >> (digit - 1) & 1;
        unit.iter().enumerate().fold(0, |mask, (k, cell)| mask | can(cell) << k)
    }

    /// All candidates of a unit's cells for which `choose` holds.
    fn union(&self, unit: &[usize], choose: impl Fn(usize) -> bool) -> u16 {
        unit.iter().filter(|&&cell| choose(cell)).fold(0, |all, &cell| all | self.candidates[cell])
    }

    /// Digits that a box keeps on one line, or a line in one box: they are nowhere else in the other.
    fn locked(&mut self) -> bool {
        let n = self.board.shape.n();
        let mut changed = false;
        for line in 0..2 * n {
            for boxed in 2 * n..3 * n {
                let layout = self.layout;
                let in_line = |cell: usize| layout.units_of[cell][line / n] == line;
                let in_box = |cell: usize| layout.units_of[cell][2] == boxed;
                let shared = self.union(layout.unit(line), in_box);
                if shared == 0 {
                    continue;
                }
                let rest_of_line = self.union(layout.unit(line), |cell| !in_box(cell));
                let rest_of_box = self.union(layout.unit(boxed), |cell| !in_line(cell));
                for &cell in layout.unit(line).iter().filter(|&&cell| !in_box(cell)) {
                    changed |= self.strike(cell, shared & !rest_of_box);
                }
                for &cell in layout.unit(boxed).iter().filter(|&&cell| !in_line(cell)) {
                    changed |= self.strike(cell, shared & !rest_of_line);
                }
            }
        }
        changed
    }

    /// Naked ones: `size` cells that hold `size` digits between them, which no other cell of the unit has then.
    /// Hidden ones: `size` digits that have `size` cells between them, which hold no other digit then.
    fn subsets(&mut self, size: u32) -> bool {
        let n = self.board.shape.n();
        let mut changed = false;
        for unit in self.layout.units() {
            let mut by_cell = [0; MOST_SIDE];
            let mut by_digit = [0; MOST_SIDE];
            for k in 0..n {
                by_cell[k] = self.candidates[unit[k]];
                by_digit[k] = self.places(unit, k as u8 + 1);
            }
            for (cells, digits) in closed(&by_cell[..n], size) {
                for k in (0..n).filter(|k| cells >> k & 1 == 0) {
                    changed |= self.strike(unit[k], digits);
                }
            }
            for (digits, cells) in closed(&by_digit[..n], size) {
                for k in (0..n).filter(|k| cells >> k & 1 != 0) {
                    changed |= self.strike(unit[k], !digits);
                }
            }
        }
        changed
    }

    /// Two rows that have a digit in the same two columns, which have it nowhere else then; and the other way
    /// around.
    fn x_wings(&mut self) -> bool {
        let n = self.board.shape.n();
        let mut changed = false;
        for digit in 1..=n as u8 {
            for (lines, across) in [(0, n), (n, 0)] {
                let mut by_line = [0; MOST_SIDE];
                for (k, columns) in by_line[..n].iter_mut().enumerate() {
                    *columns = self.places(self.layout.unit(lines + k), digit);
                }
                for (chosen, columns) in closed(&by_line[..n], 2) {
                    for column in (0..n).filter(|column| columns >> column & 1 != 0) {
                        for k in (0..n).filter(|k| chosen >> k & 1 == 0) {
                            let cell = self.layout.unit(across + column)[k];
                            changed |= self.strike(cell, 1 << (digit - 1));
                        }
                    }
                }
            }
        }
        changed
    }
}

/// Every choice of `size` masks, none of them 0, that have `size` bits between them: which ones, and the bits.
fn closed(masks: &[u16], size: u32) -> Vec<(u16, u16)> {
    let mut open = 0u16;
    for (k, mask) in masks.iter().enumerate() {
        if (1..=size).contains(&mask.count_ones()) {
            open |= 1 << k;
        }
    }
    let mut found = vec![];
    if open.count_ones() < size {
        return found;
    }
    for chosen in 1u16..1 << masks.len() {
        if chosen.count_ones() == size && chosen & !open == 0 {
            let bits = (0..masks.len()).filter(|k| chosen >> k & 1 != 0).fold(0, |all, k| all | masks[k]);
            if bits.count_ones() == size {
                found.push((chosen, bits));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::*;

    fn pencil() -> Pencil {
        Pencil::new(&Sudoku::blank(Shape::NINE))
    }

    fn keep(pencil: &mut Pencil, cells: &[usize], digits: u16) {
        for &cell in cells {
            pencil.candidates[cell] &= digits;
        }
    }

    #[test]
    fn masks_that_close() {
        assert_eq!(closed(&[0b11, 0b11, 0b111, 0], 2), [(0b11, 0b11)]);
        assert_eq!(closed(&[0b11, 0b110, 0b101, 0b1111], 3), [(0b111, 0b111)]);
        assert_eq!(closed(&[0b1, 0b10, 0b100], 2), [(0b11, 0b11), (0b101, 0b101), (0b110, 0b110)]);
    }

    #[test]
    fn a_naked_pair_and_a_hidden_one() {
        let mut naked = pencil();
        keep(&mut naked, &[0, 4], 0b11);
        assert!(naked.subsets(2) && !naked.subsets(2));
        assert_eq!(
            (naked.candidates[8], naked.candidates[0], naked.candidates[9]),
            (0b1_1111_1100, 0b11, 0b1_1111_1111)
        );
        let mut hidden = pencil();
        keep(&mut hidden, &[1, 2, 3, 5, 6, 7, 8], !0b11);
        assert!(hidden.subsets(2));
        assert_eq!((hidden.candidates[0], hidden.candidates[4]), (0b11, 0b11));
    }

    #[test]
    fn a_digit_locked_in_a_line_of_a_box() {
        let mut pencil = pencil();
        keep(&mut pencil, &[9, 10, 11, 18, 19, 20], !1);
        assert!(pencil.locked() && !pencil.locked());
        assert!((3..9).all(|cell| pencil.candidates[cell] & 1 == 0));
        assert!((0..3).all(|cell| pencil.candidates[cell] & 1 == 1));
    }

    #[test]
    fn an_x_wing() {
        let mut pencil = pencil();
        for row in [0, 4] {
            let others: Vec<usize> = (0..9).filter(|c| ![2, 7].contains(c)).map(|c| 9 * row + c).collect();
            keep(&mut pencil, &others, !1);
        }
        assert!(pencil.x_wings() && !pencil.x_wings());
        for row in 0..9 {
            let has = row == 0 || row == 4;
            assert_eq!([2, 7].map(|c| pencil.candidates[9 * row + c] & 1 == 1), [has, has], "row {row}");
        }
    }
}
