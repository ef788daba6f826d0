//! Sudoku without a model: what a board is worth, and new ones.

use fathom_engine::puzzle::Random;
use fathom_engine::puzzle::sudoku::{self, Grade, Shape, Sudoku};
use wasm_bindgen::prelude::*;

use crate::convert::{error, from_js, puzzle_error, to_js};
use crate::views::{GenerateSudokuView, MadeView, SudokuCheckView};

/// `SudokuCheck` of a board, filled or not; without a side, of any size.
#[wasm_bindgen(js_name = checkSudoku)]
pub fn check_sudoku(text: &str, side: Option<usize>) -> Result<JsValue, JsValue> {
    to_js(&SudokuCheckView::of(&parse(text, side)?))
}

/// A puzzle's grade; undefined where it has no solution, or several.
#[wasm_bindgen(js_name = gradeSudoku)]
pub fn grade_sudoku(text: &str, side: Option<usize>) -> Result<Option<String>, JsValue> {
    Ok(sudoku::grade(&parse(text, side)?).map(|grade| grade.to_string()))
}

/// A new puzzle, `MadeSudoku`.
#[wasm_bindgen(js_name = generateSudoku)]
pub fn generate_sudoku(options: JsValue) -> Result<JsValue, JsValue> {
    let GenerateSudokuView { side, grade, givens, seed } = from_js(options)?;
    let grade = grade.map(|grade| grade.parse::<Grade>()).transpose();
    let grade = grade.map_err(|why| error("option", &format!("grade: {why}")))?;
    let shape = shape(side)?;
    let [fewest, most] = givens.unwrap_or(usual_givens(shape));
    let made = sudoku::generate(shape, fewest..=most, grade, &mut Random::new(seed));
    let none =
        || error("puzzle", "there is no such puzzle, or it is very rare: allow more numbers of givens");
    to_js(&MadeView::of(&made.ok_or_else(none)?))
}

/// Few enough to be puzzles, and enough for every grade.
fn usual_givens(shape: Shape) -> [usize; 2] {
    match shape {
        Shape::FOUR => [4, 10],
        Shape::SIX => [10, 24],
        _ => [22, 40],
    }
}

fn parse(text: &str, side: Option<usize>) -> Result<Sudoku, JsValue> {
    let board = match side {
        Some(side) => Sudoku::parse(shape(side)?, text),
        None => text.parse(),
    };
    board.map_err(|e| puzzle_error(&e))
}

fn shape(side: usize) -> Result<Shape, JsValue> {
    Shape::of_side(side).ok_or_else(|| error("option", &format!("a Sudoku's side is 4, 6 or 9, not {side}")))
}
