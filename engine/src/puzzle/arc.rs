//! Tasks of the Abstraction and Reasoning Corpus: pairs of grids that show a rule, and grids to apply it to.
//!
//! HRM's models read 30x30 tokens, row by row: 0 is padding, 1 an end, colour c is c + 2. The grid lies in the
//! upper left corner, with a row and a column of ends behind it where there is room.

use serde::Deserialize;

use super::{Place, PuzzleError};

/// The largest side of a grid, and the side of the models' square.
pub const SIDE: usize = 30;

const END: u32 = 1;
const FIRST_COLOUR: u32 = 2;
const LAST_COLOUR: u32 = 11;

/// A rectangle of colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    width: usize,
    cells: Vec<u8>,
}

/// A pair that shows the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Before.
    pub input: Grid,
    /// After.
    pub output: Grid,
}

/// A grid that the rule is to be applied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Before.
    pub input: Grid,
    /// After, where the task tells.
    pub output: Option<Grid>,
}

/// A task: at least one grid is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcTask {
    /// The file calls them train.
    pub shown: Vec<Shown>,
    /// The file calls them test.
    pub asked: Vec<Asked>,
}

type Rows = Vec<Vec<i64>>;

#[derive(Deserialize)]
struct TaskFile {
    train: Vec<PairFile>,
    test: Vec<PairFile>,
}

#[derive(Deserialize)]
struct PairFile {
    input: Rows,
    output: Option<Rows>,
}

impl ArcTask {
    /// The corpus' own form: `{"train": [{"input": [[0]], "output": [[0]]}], "test": [{"input": [[0]]}]}`.
    ///
    /// # Errors
    /// [`PuzzleError::ArcJson`], [`PuzzleError::ArcNoTest`]; those of [`Grid::from_rows`], which name the grid.
    pub fn from_json(text: &str) -> Result<ArcTask, PuzzleError> {
        let json = |reason: String| PuzzleError::ArcJson { reason };
        let TaskFile { train, test } = serde_json::from_str(text).map_err(|error| json(error.to_string()))?;
        let mut shown = vec![];
        for (i, PairFile { input, output }) in train.into_iter().enumerate() {
            let name = |side: &str| format!("the {side} of train pair {}", i + 1);
            let output = output.ok_or_else(|| json(format!("{} is missing", name("output"))))?;
            shown.push(Shown {
                input: Grid::from_rows(&input, &name("input"))?,
                output: Grid::from_rows(&output, &name("output"))?,
            });
        }
        let mut asked = vec![];
        for (i, PairFile { input, output }) in test.into_iter().enumerate() {
            let name = |side: &str| format!("the {side} of test {}", i + 1);
            asked.push(Asked {
                input: Grid::from_rows(&input, &name("input"))?,
                output: output.map(|rows| Grid::from_rows(&rows, &name("output"))).transpose()?,
            });
        }
        if asked.is_empty() { Err(PuzzleError::ArcNoTest) } else { Ok(ArcTask { shown, asked }) }
    }
}

impl Grid {
    /// From rows of colours, 0 to 9; `name` is what errors call the grid.
    ///
    /// # Errors
    /// [`PuzzleError::ArcSize`] for a side that is not 1 to 30, [`PuzzleError::ArcRow`] for rows of several
    /// lengths, [`PuzzleError::ArcColour`].
    pub fn from_rows(rows: &[Vec<i64>], name: &str) -> Result<Grid, PuzzleError> {
        let grid = || name.to_owned();
        let (width, height) = (rows.first().map_or(0, Vec::len), rows.len());
        if !(1..=SIDE).contains(&width) || !(1..=SIDE).contains(&height) {
            return Err(PuzzleError::ArcSize { grid: grid(), width, height, most: SIDE });
        }
        let mut cells = vec![];
        for (row, colours) in rows.iter().enumerate() {
            if colours.len() != width {
                let (row, found) = (row + 1, colours.len());
                return Err(PuzzleError::ArcRow { grid: grid(), row, expected: width, found });
            }
            for (column, &found) in colours.iter().enumerate() {
                let colour = u8::try_from(found).ok().filter(|&colour| colour <= 9);
                let place = Place { row, column };
                cells.push(colour.ok_or_else(|| PuzzleError::ArcColour { grid: grid(), place, found })?);
            }
        }
        Ok(Grid { width, cells })
    }

    /// Cells of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Rows of colours, 0 to 9.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.cells.chunks(self.width)
    }

    /// 30 * 30 tokens.
    pub fn tokens(&self) -> Vec<u32> {
        let (width, height) = (self.width, self.height());
        let mut tokens = vec![0; SIDE * SIDE];
        for (to, from) in tokens.chunks_mut(SIDE).zip(self.rows()) {
            for (token, &colour) in to.iter_mut().zip(from) {
                *token = u32::from(colour) + FIRST_COLOUR;
            }
            if width < SIDE {
                to[width] = END;
            }
        }
        if height < SIDE {
            tokens[height * SIDE..height * SIDE + width].fill(END);
        }
        tokens
    }

    /// The grid that a model answered: the largest rectangle of nothing but colours at the upper left corner, as
    /// HRM's authors read it; of equal ones the flattest.
    ///
    /// # Errors
    /// [`PuzzleError::AnswerLength`] for other than 30 * 30 tokens, [`PuzzleError::ArcAnswerEmpty`] where the
    /// corner itself is no colour.
    pub fn from_tokens(tokens: &[u32]) -> Result<Grid, PuzzleError> {
        if tokens.len() != SIDE * SIDE {
            return Err(PuzzleError::AnswerLength { expected: SIDE * SIDE, found: tokens.len() });
        }
        let is_colour = |token: &&u32| (FIRST_COLOUR..=LAST_COLOUR).contains(*token);
        let mut width = SIDE;
        let mut largest = (0, 0);
        for (row, cells) in tokens.chunks(SIDE).enumerate() {
            width = width.min(cells.iter().take_while(is_colour).count());
            if width * (row + 1) > largest.0 * largest.1 {
                largest = (width, row + 1);
            }
        }
        let (width, height) = largest;
        if width == 0 {
            return Err(PuzzleError::ArcAnswerEmpty);
        }
        let rows = tokens.chunks(SIDE).take(height);
        let cells = rows.flat_map(|row| &row[..width]).map(|&token| (token - FIRST_COLOUR) as u8).collect();
        Ok(Grid { width, cells })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    const TASK: &str = r#"{"train": [{"input": [[0, 1], [2, 3]], "output": [[9]]}],
        "test": [{"input": [[5, 5, 5]]}, {"input": [[1]], "output": [[2]]}], "name": "more is no harm"}"#;

    #[test]
    fn a_task_is_read() {
        let task = ArcTask::from_json(TASK).expect("a task");
        assert_eq!((task.shown.len(), task.asked.len()), (1, 2));
        assert_eq!((task.shown[0].input.width(), task.shown[0].input.height()), (2, 2));
        assert_eq!(task.shown[0].input.rows().collect::<Vec<_>>(), [[0, 1], [2, 3]]);
        assert_eq!((&task.asked[0].output, task.asked[1].output.is_some()), (&None, true));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let large = format!("[{}]", vec!["[1]"; 31].join(","));
        for (grid, expected) in [
            ("[]", "the input of test 1 is 0 rows of 0; expected 1 to 30 of 1 to 30"),
            ("[[]]", "the input of test 1 is 1 rows of 0"),
            (&large, "is 31 rows of 1"),
            ("[[1, 2], [1]]", "row 2 of the input of test 1 has 1 cells, the first one 2"),
            ("[[1, 10]]", "r1c2 of the input of test 1 is 10; expected a colour, 0 to 9"),
            ("[[-1]]", "is -1"),
            ("[[1.5]]", "not an ARC task"),
            ("7", "line 1 column"),
            (&"[".repeat(100_000), "not an ARC task"),
        ] {
            let text = format!(r#"{{"train": [], "test": [{{"input": {grid}}}]}}"#);
            let error = ArcTask::from_json(&text).expect_err(grid).to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(ArcTask::from_json(r#"{"train": [], "test": []}"#), Err(PuzzleError::ArcNoTest));
        let error =
            ArcTask::from_json(r#"{"train": [{"input": [[1]]}], "test": []}"#).expect_err("no output");
        assert!(error.to_string().contains("the output of train pair 1 is missing"), "{error}");
    }

    #[test]
    fn tokens_and_back() {
        let grid = Grid::from_rows(&[vec![0, 9], vec![4, 5], vec![1, 1]], "a grid").expect("a grid");
        let tokens = grid.tokens();
        assert_eq!(tokens.len(), 900);
        assert_eq!(tokens[..4], [2, 11, 1, 0]);
        assert_eq!(tokens[90..94], [1, 1, 0, 0]);
        assert_eq!(Grid::from_tokens(&tokens), Ok(grid));
        let full = Grid::from_rows(&vec![vec![7; 30]; 30], "a grid").expect("a grid");
        assert_eq!(full.tokens(), [9; 900]);
        assert_eq!(Grid::from_tokens(&full.tokens()), Ok(full));
    }

    #[test]
    fn answers_that_are_ragged() {
        assert_eq!(Grid::from_tokens(&[1; 900]), Err(PuzzleError::ArcAnswerEmpty));
        assert_eq!(Grid::from_tokens(&[2; 9]), Err(PuzzleError::AnswerLength { expected: 900, found: 9 }));
        // Five in the first row, two in the next three: 2x4 is larger than 5x1.
        let mut tokens = [0; 900];
        tokens[..5].fill(3);
        for row in 1..4 {
            tokens[row * SIDE..row * SIDE + 2].fill(4);
        }
        let grid = Grid::from_tokens(&tokens).expect("a grid");
        assert_eq!((grid.width(), grid.height()), (2, 4));
        // What no vocabulary has is no colour.
        tokens[1] = u32::MAX;
        assert_eq!(Grid::from_tokens(&tokens).map(|grid| grid.width()), Ok(1));
    }
}
