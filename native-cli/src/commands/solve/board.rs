//! Puzzles and answers drawn with characters, what changed marked.

use std::fmt::Write;

use fathom_engine::puzzle::arc::Grid;
use fathom_engine::puzzle::maze::{Maze, Tile};
use fathom_engine::puzzle::sudoku::Sudoku;

use crate::paint::{Look, Paint};

use super::question::{Answer, Question};

/// What is drawn: rows of cells, each a character with its looks.
pub struct Board {
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Copy)]
struct Cell {
    symbol: char,
    look: Look,
    /// Marked where there is no colour.
    mark: char,
    /// A line stands before it, or above it.
    line_before: bool,
    line_above: bool,
}

impl Cell {
    fn of(symbol: char, look: Look, mark: char) -> Cell {
        Cell { symbol, look, mark, line_before: false, line_above: false }
    }
}

impl Board {
    /// The puzzle before anything was thought.
    pub fn question(question: &Question) -> Board {
        match question {
            Question::Sudoku { puzzle, .. } => Board::digits(puzzle, |cell| {
                if puzzle.cells()[cell] == 0 { (Look::Faint, ' ') } else { (Look::Given, ' ') }
            }),
            Question::Maze(maze) => Board::maze(maze, None),
            Question::Arc { input, .. } => Board::grid(input),
        }
    }

    /// An answer, beside the one before it: cells with another content are marked.
    pub fn answer(question: &Question, answer: &Answer, before: Option<&Answer>) -> Board {
        match (question, answer, before) {
            (Question::Sudoku { puzzle, .. }, Answer::Sudoku(found), before) => {
                let before = match before {
                    Some(Answer::Sudoku(before)) => Some(before),
                    _ => None,
                };
                Board::digits(found, |cell| {
                    let (given, now) = (puzzle.cells()[cell], found.cells()[cell]);
                    let is_new = before.is_none_or(|before| before.cells()[cell] != now);
                    match (given, is_new) {
                        (0, true) => (Look::Changed, '*'),
                        (0, false) => (Look::Plain, ' '),
                        (given, _) if given == now => (Look::Given, ' '),
                        _ => (Look::Wrong, '!'),
                    }
                })
            }
            (_, Answer::Maze(found), Some(Answer::Maze(before))) => Board::maze(found, Some(before)),
            (_, Answer::Maze(found), _) => Board::maze(found, None),
            (_, Answer::Grid(found), _) => Board::grid(found),
            (_, Answer::Sudoku(found), _) => Board::digits(found, |_| (Look::Plain, ' ')),
            (_, Answer::Unreadable(_), _) => Board { rows: vec![] },
        }
    }

    /// The same with cells faint that are not given and still open.
    pub fn fade(mut self, is_open: impl Fn(usize) -> bool) -> Board {
        let cells = self.rows.iter_mut().flatten().enumerate();
        for (_, cell) in cells.filter(|(i, cell)| cell.look != Look::Given && is_open(*i)) {
            cell.look = Look::Faint;
        }
        self
    }

    fn digits(board: &Sudoku, look: impl Fn(usize) -> (Look, char)) -> Board {
        let shape = board.shape();
        let n = shape.n();
        let cell = |i: usize| {
            let digit = board.cells()[i];
            let (look, mark) = look(i);
            let symbol = if digit == 0 { '·' } else { char::from(b'0' + digit) };
            let (row, column) = (i / n, i % n);
            let line_before = column > 0 && column.is_multiple_of(shape.box_width());
            let line_above = row > 0 && row.is_multiple_of(shape.box_height());
            Cell { line_before, line_above, ..Cell::of(symbol, look, mark) }
        };
        Board { rows: (0..n).map(|row| (row * n..(row + 1) * n).map(cell).collect()).collect() }
    }

    fn maze(maze: &Maze, before: Option<&Maze>) -> Board {
        let cell = |i: usize| {
            let tile = maze.tiles()[i];
            let is_new = before.is_some_and(|before| before.tiles()[i] != tile);
            let (symbol, look) = match tile {
                Tile::Wall => ('█', Look::Faint),
                Tile::Free => (' ', Look::Plain),
                Tile::Start => ('S', Look::Given),
                Tile::Goal => ('G', Look::Given),
                Tile::Path => ('•', Look::Plain),
                Tile::Nothing => ('?', Look::Wrong),
            };
            Cell::of(symbol, if is_new { Look::Changed } else { look }, if is_new { '*' } else { ' ' })
        };
        let width = maze.width();
        Board {
            rows: (0..maze.height())
                .map(|row| (row * width..(row + 1) * width).map(cell).collect())
                .collect(),
        }
    }

    fn grid(grid: &Grid) -> Board {
        let cell = |&colour: &u8| Cell::of(char::from(b'0' + colour), Look::Colour(colour), ' ');
        Board { rows: grid.rows().map(|row| row.iter().map(cell).collect()).collect() }
    }

    /// Its lines, all equally wide.
    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let mut lines = vec![];
        for row in &self.rows {
            if row.first().is_some_and(|cell| cell.line_above) {
                let between: String =
                    row.iter().map(|cell| if cell.line_before { "+---" } else { "--" }).collect();
                lines.push(paint.look(Look::Faint, between).to_string());
            }
            let mut line = String::new();
            for cell in row {
                if cell.line_before {
                    let _never_fails = write!(line, "{} ", paint.look(Look::Faint, '|'));
                }
                let _never_fails = write!(line, "{}", paint.look(cell.look, cell.symbol));
                line.push(if paint.is_coloured() { ' ' } else { cell.mark });
            }
            lines.push(line);
        }
        lines
    }

    /// Lines.
    pub fn height(&self) -> usize {
        let lines_above = self.rows.iter().filter(|row| row.first().is_some_and(|cell| cell.line_above));
        self.rows.len() + lines_above.count()
    }

    /// Characters of a line.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, |row| row.iter().map(|cell| if cell.line_before { 4 } else { 2 }).sum())
    }
}

/// Boards beside each other, as many as fit, each under its headline.
pub fn side_by_side(boards: &[(String, Board)], paint: Paint, columns: usize) -> String {
    const GAP: usize = 3;
    let width =
        boards.iter().map(|(title, board)| board.width().max(title.chars().count())).max().unwrap_or(0) + GAP;
    let mut text = String::new();
    for boards in boards.chunks((columns / width.max(1)).max(1)) {
        let drawn: Vec<Vec<String>> = boards.iter().map(|(_, board)| board.lines(paint)).collect();
        let pad = |used: usize| " ".repeat(width.saturating_sub(used));
        let mut line = String::new();
        for (title, _) in boards {
            line.push_str(&format!("{}{}", paint.faint(title), pad(title.chars().count())));
        }
        text.push_str(line.trim_end());
        text.push('\n');
        for row in 0..drawn.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for ((_, board), drawn) in boards.iter().zip(&drawn) {
                let used = if drawn.get(row).is_some() { board.width() } else { 0 };
                line.push_str(drawn.get(row).map_or("", String::as_str));
                line.push_str(&pad(used));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}
