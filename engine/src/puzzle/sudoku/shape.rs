//! Sizes of boards, and which cells are a row, a column or a box.

use std::fmt;

use crate::puzzle::{Place, PuzzleError};

/// Cells of the largest board.
pub(super) const MOST_CELLS: usize = 81;
/// Cells of its rows, columns and boxes; also its digits.
pub(super) const MOST_SIDE: usize = 9;

/// The size of a board and of its boxes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    n: usize,
    box_height: usize,
    box_width: usize,
}

impl Shape {
    /// 4x4, boxes of 2x2.
    pub const FOUR: Shape = Shape { n: 4, box_height: 2, box_width: 2 };
    /// 6x6, boxes 2 rows high and 3 columns wide.
    pub const SIX: Shape = Shape { n: 6, box_height: 2, box_width: 3 };
    /// 9x9, boxes of 3x3.
    pub const NINE: Shape = Shape { n: 9, box_height: 3, box_width: 3 };
    /// All of them.
    pub const ALL: [Shape; 3] = [Shape::FOUR, Shape::SIX, Shape::NINE];

    /// The one with so many cells: 16, 36 or 81.
    ///
    /// # Errors
    /// [`PuzzleError::SudokuCells`].
    pub fn of_cells(found: usize) -> Result<Shape, PuzzleError> {
        Shape::ALL.into_iter().find(|shape| shape.cells() == found).ok_or_else(|| cell_count(None, found))
    }

    /// The one with rows of so many cells: 4, 6 or 9.
    pub fn of_side(n: usize) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.n == n)
    }

    /// Cells of a row; also the number of rows, columns, boxes and digits.
    pub const fn n(self) -> usize {
        self.n
    }

    /// Rows of a box.
    pub const fn box_height(self) -> usize {
        self.box_height
    }

    /// Columns of a box.
    pub const fn box_width(self) -> usize {
        self.box_width
    }

    /// Cells of the board.
    pub const fn cells(self) -> usize {
        self.n * self.n
    }

    /// Where the cell stands.
    pub fn place(self, cell: usize) -> Place {
        Place::of(cell, self.n)
    }

    pub(super) fn layout(self) -> &'static Layout {
        match self.n {
            4 => &LAYOUT_4,
            6 => &LAYOUT_6,
            _ => &LAYOUT_9,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{n}x{n}", n = self.n)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(super) fn cell_count(shape: Option<Shape>, found: usize) -> PuzzleError {
    let expected = shape.map_or("16, 36 or 81".to_owned(), |shape| shape.cells().to_string());
    PuzzleError::SudokuCells { expected, found }
}

/// Cells that hold each digit once; numbered from 0, shown from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// From the top.
    Row(usize),
    /// From the left.
    Column(usize),
    /// Row by row.
    Box(usize),
}

impl Unit {
    /// The unit that a layout counts as this one: rows, columns, boxes.
    pub(super) fn of_index(shape: Shape, index: usize) -> Unit {
        let i = index % shape.n;
        match index / shape.n {
            0 => Unit::Row(i),
            1 => Unit::Column(i),
            _ => Unit::Box(i),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::Row(i) => write!(f, "row {}", i + 1),
            Unit::Column(i) => write!(f, "column {}", i + 1),
            Unit::Box(i) => write!(f, "box {}", i + 1),
        }
    }
}

/// A shape's units: the rows first, then the columns, then the boxes.
#[derive(Debug)]
pub(super) struct Layout {
    n: usize,
    units: [[usize; MOST_SIDE]; 3 * MOST_SIDE],
    /// Each cell's row, column and box, as places in `units`.
    pub units_of: [[usize; 3]; MOST_CELLS],
}

static LAYOUT_4: Layout = Layout::new(Shape::FOUR);
static LAYOUT_6: Layout = Layout::new(Shape::SIX);
static LAYOUT_9: Layout = Layout::new(Shape::NINE);

impl Layout {
    const fn new(shape: Shape) -> Layout {
        let Shape { n, box_height, box_width } = shape;
        let mut layout = Layout { n, units: [[0; MOST_SIDE]; 3 * MOST_SIDE], units_of: [[0; 3]; MOST_CELLS] };
        let mut cell = 0;
        while cell < n * n {
            let (row, column) = (cell / n, cell % n);
            let boxed = row / box_height * box_height + column / box_width;
            layout.units[row][column] = cell;
            layout.units[n + column][row] = cell;
            layout.units[2 * n + boxed][row % box_height * box_width + column % box_width] = cell;
            layout.units_of[cell] = [row, n + column, 2 * n + boxed];
            cell += 1;
        }
        layout
    }

    /// The cells of each row, column and box.
    pub fn units(&self) -> impl Iterator<Item = &[usize]> {
        self.units[..3 * self.n].iter().map(|unit| &unit[..self.n])
    }

    /// The cells of one of them.
    pub fn unit(&self, index: usize) -> &[usize] {
        &self.units[index][..self.n]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_holds_each_cell_once() {
        for shape in Shape::ALL {
            let layout = shape.layout();
            assert_eq!(layout.units().count(), 3 * shape.n());
            for (index, unit) in layout.units().enumerate() {
                assert!(unit.iter().all(|&cell| layout.units_of[cell][index / shape.n()] == index));
                let mut cells = unit.to_vec();
                cells.dedup();
                assert_eq!(cells.len(), shape.n(), "{shape} {index}");
            }
        }
        // 6x6: the second box is the right half of the two upper rows.
        assert_eq!(Shape::SIX.layout().unit(13), [3, 4, 5, 9, 10, 11]);
    }

    #[test]
    fn sizes_and_names() {
        assert_eq!(Shape::of_cells(36), Ok(Shape::SIX));
        let error = Shape::of_cells(80).map_err(|error| error.to_string());
        assert_eq!(error, Err("a Sudoku must have 16, 36 or 81 cells, found 80".to_owned()));
        assert_eq!(Shape::of_side(5), None);
        assert_eq!(Shape::NINE.place(13).to_string(), "r2c5");
        assert_eq!(Unit::of_index(Shape::SIX, 13).to_string(), "box 2");
    }
}
