//! Puzzles that reasoning models solve, without the models: what a puzzle is, whether an answer obeys its
//! rules, and the numbers that the models of HRM's authors read and write for it.
//!
//! | module | what |
//! |---|---|
//! | [`sudoku`] | boards of 4x4, 6x6 and 9x9: rules, solver, grades, generator, symmetries |
//! | [`maze`] | walls and ways: reading them, and whether marked cells are a way |
//! | [`arc`] | tasks of the Abstraction and Reasoning Corpus: grids of ten colours |
//!
//! [`Task`] tells which of them a model was made for. Nothing here needs a device, a clock or a thread, and chance comes from a [`Random`] that gives the same
//! numbers everywhere.

pub mod arc;
mod error;
pub mod maze;
mod place;
mod random;
pub mod sudoku;
mod task;

pub use error::PuzzleError;
pub use place::Place;
pub use random::Random;
pub use task::Task;
