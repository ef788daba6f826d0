//! Mazes: a way from S to G around walls, marked with `o`.
//!
//! HRM's models read a square of tokens, row by row: 0 is padding, and `#`, free, `S`, `G`, `o` are 1 to 5. A
//! smaller maze lies in the square's upper left corner.

mod check;

use std::fmt;
use std::str::FromStr;

pub use check::{MazeReading, MazeViolation};

use super::PuzzleError;

/// What a cell is; the number is its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile {
    /// No cell of a maze. Only models answer so.
    Nothing = 0,
    /// `#`
    Wall = 1,
    /// A space; `.` is read as one too.
    Free = 2,
    /// `S`
    Start = 3,
    /// `G`
    Goal = 4,
    /// `o`: free, and part of the way.
    Path = 5,
}

impl Tile {
    const ALL: [Tile; 6] = [Tile::Nothing, Tile::Wall, Tile::Free, Tile::Start, Tile::Goal, Tile::Path];

    fn of_character(character: char) -> Option<Tile> {
        match character {
            '#' => Some(Tile::Wall),
            ' ' | '.' => Some(Tile::Free),
            'S' => Some(Tile::Start),
            'G' => Some(Tile::Goal),
            'o' => Some(Tile::Path),
            _ => None,
        }
    }

    fn character(self) -> char {
        ['?', '#', ' ', 'S', 'G', 'o'][self as usize]
    }

    fn of_token(token: u32) -> Tile {
        Tile::ALL.get(token as usize).copied().unwrap_or(Tile::Nothing)
    }

    /// What it is where nothing is marked.
    fn unmarked(self) -> Tile {
        if self == Tile::Path { Tile::Free } else { self }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tile::Nothing => "nothing",
            Tile::Wall => "a wall",
            Tile::Free => "free",
            Tile::Start => "the start",
            Tile::Goal => "the goal",
            Tile::Path => "marked",
        })
    }
}

/// A maze, or a model's answer to one. One that was read from text has one start and one goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maze {
    width: usize,
    height: usize,
    tiles: Vec<Tile>,
}

impl FromStr for Maze {
    type Err = PuzzleError;

    /// Lines of `#`, space or `.`, `S`, `G` and `o`, all of one length. Empty lines before and after are passed
    /// over.
    fn from_str(text: &str) -> Result<Maze, PuzzleError> {
        let mut maze = Maze { width: 0, height: 0, tiles: vec![] };
        let text = text.trim_end_matches(['\n', '\r']);
        for (line, characters) in text.lines().enumerate().skip_while(|(_, line)| line.is_empty()) {
            let before = maze.tiles.len();
            for (column, found) in characters.chars().enumerate() {
                let (line, column) = (line + 1, column + 1);
                let tile = Tile::of_character(found);
                maze.tiles.push(tile.ok_or(PuzzleError::MazeCharacter { found, line, column })?);
            }
            let found = maze.tiles.len() - before;
            if maze.height == 0 {
                maze.width = found;
            } else if found != maze.width {
                return Err(PuzzleError::MazeLine { line: line + 1, expected: maze.width, found });
            }
            maze.height += 1;
        }
        if maze.height == 0 {
            return Err(PuzzleError::MazeEmpty);
        }
        for (mark, end) in [('S', Tile::Start), ('G', Tile::Goal)] {
            let found = maze.tiles.iter().filter(|&&tile| tile == end).count();
            if found != 1 {
                return Err(PuzzleError::MazeEnds { mark, found });
            }
        }
        Ok(maze)
    }
}

impl fmt::Display for Maze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.tiles.chunks(self.width) {
            writeln!(f, "{}", row.iter().map(|tile| tile.character()).collect::<String>())?;
        }
        Ok(())
    }
}

impl Maze {
    /// Cells of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Row by row.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The same maze with nothing marked, as a model is asked.
    pub fn unmarked(mut self) -> Maze {
        for tile in &mut self.tiles {
            *tile = tile.unmarked();
        }
        self
    }

    /// `side * side` tokens.
    ///
    /// # Errors
    /// [`PuzzleError::MazeTooLarge`].
    pub fn tokens(&self, side: usize) -> Result<Vec<u32>, PuzzleError> {
        self.fits(side)?;
        let mut tokens = vec![0; side * side];
        for (to, from) in tokens.chunks_mut(side).zip(self.tiles.chunks(self.width)) {
            for (token, &tile) in to.iter_mut().zip(from) {
                *token = tile as u32;
            }
        }
        Ok(tokens)
    }

    /// What these tokens say of this maze's cells. It need not be a maze.
    ///
    /// # Errors
    /// [`PuzzleError::MazeTooLarge`]; [`PuzzleError::AnswerLength`] for other than `side * side` tokens.
    pub fn answer(&self, tokens: &[u32], side: usize) -> Result<Maze, PuzzleError> {
        self.fits(side)?;
        if tokens.len() != side * side {
            return Err(PuzzleError::AnswerLength { expected: side * side, found: tokens.len() });
        }
        let rows = tokens.chunks(side).take(self.height);
        let tiles = rows.flat_map(|row| &row[..self.width]).map(|&token| Tile::of_token(token)).collect();
        Ok(Maze { tiles, ..*self })
    }

    fn fits(&self, side: usize) -> Result<(), PuzzleError> {
        let Maze { width, height, .. } = *self;
        if width.max(height) > side { Err(PuzzleError::MazeTooLarge { width, height, side }) } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn maze(text: &str) -> Maze {
        text.parse().expect(text)
    }

    #[test]
    fn tokens_and_back() {
        let small = maze("S#\nGo");
        assert_eq!(small.tokens(3), Ok(vec![3, 1, 0, 4, 5, 0, 0, 0, 0]));
        assert_eq!(small.answer(&[3, 1, 0, 4, 5, 0, 0, 0, 0], 3), Ok(small.clone()));
        let strange = small.answer(&[3, 0, 9, 77, 5, 0, 0, 0, 0], 3).expect("tiles");
        assert_eq!(strange.to_string(), "S?\n?o\n");
        assert_eq!(small.check(&strange).violations.len(), 2);
        assert_eq!(small.clone().unmarked().to_string(), "S#\nG \n");
        let too_large = PuzzleError::MazeTooLarge { width: 2, height: 2, side: 1 };
        assert_eq!(small.tokens(1), Err(too_large));
        assert_eq!(small.answer(&[1], 3), Err(PuzzleError::AnswerLength { expected: 9, found: 1 }));
    }

    #[test]
    fn text_that_is_no_maze() {
        for (text, expected) in [
            ("", "the maze is empty"),
            ("\n\n", "the maze is empty"),
            ("S.\nG", "line 2 of the maze has 1 characters, the first one 2"),
            ("\nS.\n\nG.", "line 3 of the maze has 0 characters"),
            ("S.\nGx", "line 2, column 2: 'x'"),
            ("..", "one S, found 0"),
            ("SSG", "one S, found 2"),
            ("S.", "one G, found 0"),
        ] {
            let error = text.parse::<Maze>().expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(maze("\r\nS \r\n G\r\n").width(), 2);
    }
}
