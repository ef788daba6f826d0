//! Puzzles out of what people have: an argument, a file with one a line or with commas, a drawn board, a maze, an ARC
//! task.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow};
use fathom_engine::puzzle::Random;
use fathom_engine::puzzle::arc::ArcTask;
use fathom_engine::puzzle::maze::Maze;
use fathom_engine::puzzle::sudoku::{Grade, Shape, Sudoku, generate};

use super::question::Question;

/// What was given.
#[derive(Debug)]
pub struct Given {
    /// The puzzles.
    pub questions: Vec<Question>,
    /// A file of several, each on a line of its own.
    pub is_list: bool,
}

/// Names of columns that hold puzzles, as data sets call them.
const COLUMNS: [&str; 4] = ["puzzle", "question", "quizzes", "quiz"];

/// Reads the argument: a file, `-` for standard input, or the puzzle itself.
///
/// # Errors
/// Name the file and line, and what is wrong there.
pub fn read(argument: &str) -> anyhow::Result<Given> {
    if argument == "-" {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).context("standard input")?;
        return parse(&text, None).context("standard input");
    }
    let path = Path::new(argument);
    // A puzzle of dots and digits is no file's name, whatever else may be.
    if path.exists() && !path.is_dir() {
        let text = fs::read_to_string(path).with_context(|| argument.to_owned())?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        return parse(&text, stem.as_deref()).with_context(|| argument.to_owned());
    }
    let is_word = |text: &OsStr| text.len() > 1 && text.to_string_lossy().chars().all(char::is_alphabetic);
    let looks_like_a_path = argument.contains(['/', '\\']) || path.extension().is_some_and(is_word);
    if looks_like_a_path {
        return Err(anyhow!("{argument}: there is no such file"));
    }
    parse(argument, None)
}

/// A new Sudoku, of the grade that is wanted.
///
/// # Errors
/// There is none of this size and grade.
pub fn new(shape: Shape, grade: Option<Grade>, seed: u64) -> anyhow::Result<Question> {
    let fewest = shape.cells() / 4;
    let made = generate(shape, fewest..=shape.cells(), grade, &mut Random::new(seed));
    let made = made.ok_or_else(|| anyhow!("no Sudoku of {shape} with this grade was found"))?;
    Ok(Question::Sudoku { puzzle: made.puzzle, grade: Some(made.grade) })
}

/// `stem` is the file's name, which is that of an ARC task.
fn parse(text: &str, stem: Option<&str>) -> anyhow::Result<Given> {
    // Windows programs put a mark before UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let one = |question| Given { questions: vec![question], is_list: false };
    let trimmed = text.trim();
    if trimmed.starts_with('{') {
        let task = ArcTask::from_json(trimmed)?;
        let name = stem.unwrap_or("the task").to_owned();
        let ask = |asked: fathom_engine::puzzle::arc::Asked| Question::Arc {
            name: name.clone(),
            input: asked.input,
            output: asked.output,
        };
        return Ok(Given { questions: task.asked.into_iter().map(ask).collect(), is_list: false });
    }
    let is_maze = |c: char| "#SGo .\r\n".contains(c);
    if trimmed.contains(['S', 'G', '#']) && trimmed.chars().all(is_maze) {
        return Ok(one(Question::Maze(text.parse::<Maze>()?.unmarked())));
    }
    let lines = || text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let is_board = |line: &str| line.parse::<Sudoku>().is_ok();
    let is_header = |line: &str| fields(line).any(|name| COLUMNS.contains(&name.to_lowercase().as_str()));
    let begins_with_names = lines().next().is_some_and(|(_, line)| is_header(line));
    let has_boards = lines().count() > 1 && lines().any(|(_, line)| is_board(line));
    let is_list = trimmed.contains(',') || begins_with_names || has_boards;
    if !is_list {
        return Ok(one(sudoku(trimmed)?));
    }
    let mut lines = lines().peekable();
    let mut columns = Columns::default();
    if let Some(&(_, first)) = lines.peek().filter(|_| begins_with_names) {
        columns = Columns::named(first);
        lines.next();
    }
    let read = |(i, line): (usize, &str)| columns.read(line).with_context(|| format!("line {}", i + 1));
    Ok(Given { questions: lines.map(read).collect::<anyhow::Result<_>>()?, is_list: true })
}

fn sudoku(text: &str) -> anyhow::Result<Question> {
    Ok(Question::Sudoku { puzzle: text.parse()?, grade: None })
}

/// Of a line; neither puzzles nor their grades hold commas.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| field.trim().trim_matches('"'))
}

/// Where a list has what.
#[derive(Default)]
struct Columns {
    puzzle: usize,
    grade: Option<usize>,
}

impl Columns {
    fn named(header: &str) -> Columns {
        let names: Vec<String> = fields(header).map(str::to_lowercase).collect();
        let position = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        Columns { puzzle: position(&COLUMNS).unwrap_or(0), grade: position(&["grade"]) }
    }

    fn read(&self, line: &str) -> anyhow::Result<Question> {
        let field = |i: usize| fields(line).nth(i);
        let puzzle = field(self.puzzle).context("the column of puzzles is missing")?.parse()?;
        let grade = self.grade.and_then(field).and_then(|grade| grade.parse().ok());
        Ok(Question::Sudoku { puzzle, grade })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EASY: &str = "1.34341221434321";

    #[test]
    fn what_people_have() {
        for (text, n, is_list) in [
            (EASY, 1, false),
            ("1.|34\n34|12\n--+--\n21|43\n43|21\n", 1, false),
            ("1.34341221434321\n1.34341221434321\n\n", 2, true),
            ("puzzle,solution,givens,grade\n1.34341221434321,x,15,easy\n", 1, true),
            ("source,question,answer\nweb,1.34341221434321,y\n", 1, true),
            ("1.34341221434321,1234341221434321\n", 1, true),
            ("\u{feff}\"Puzzle\",\"Grade\"\r\n\"1.34341221434321\",easy\r\n", 1, true),
            ("#####\n#S G#\n#####", 1, false),
            (r#"{"train": [], "test": [{"input": [[1]]}, {"input": [[2]], "output": [[3]]}]}"#, 2, false),
        ] {
            let given = parse(text, None);
            assert!(
                given.as_ref().is_ok_and(|g| (g.questions.len(), g.is_list) == (n, is_list)),
                "{text}: {given:?}"
            );
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, part) in [
            ("1.34341221434321\n1.3434122143432", "line 2: a Sudoku must have"),
            ("\n\npuzzle\n1.34341221434321,\n1.34341221434329,", "line 5"),
            ("", "16, 36 or 81 cells, found 0"),
            ("hello", "line 1, column 1"),
        ] {
            let error = parse(text, None).map(|_| ()).map_err(|error| format!("{error:#}"));
            assert!(error.as_ref().is_err_and(|error| error.contains(part)), "{text}: {error:?}");
        }
    }
}
