//! Where a cell stands.

use std::fmt;

/// A cell's row and column, from 0; shown from 1, as `r1c5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From the top.
    pub row: usize,
    /// From the left.
    pub column: usize,
}

impl Place {
    /// Of a cell in a board of this width, counted row by row.
    pub(crate) fn of(cell: usize, width: usize) -> Place {
        Place { row: cell / width, column: cell % width }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}c{}", self.row + 1, self.column + 1)
    }
}
