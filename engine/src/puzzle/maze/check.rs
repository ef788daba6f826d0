//! Whether marked cells are a way, and how long it is beside the shortest.

use std::collections::VecDeque;
use std::fmt;

use super::{Maze, Tile};
use crate::puzzle::Place;

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MazeReading {
    /// What is wrong with it; nothing: it is a way from the start to the goal.
    pub violations: Vec<MazeViolation>,
    /// Steps from the start to the goal over marked cells, by the shortest of the ways that they hold.
    pub steps: Option<usize>,
    /// Steps of the shortest way that the maze has; none where it has no way.
    pub shortest: Option<usize>,
    /// Marked cells, whether or not they are on the way.
    pub marked: usize,
}

/// A way in which an answer is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MazeViolation {
    /// The answer is of another size; nothing else was looked at.
    Size,
    /// A cell is not what it is in the maze.
    Changed {
        /// Where.
        place: Place,
        /// In the maze.
        expected: Tile,
        /// In the answer.
        found: Tile,
    },
    /// Marked cells do not connect start and goal.
    NoWay,
}

impl fmt::Display for MazeViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MazeViolation::Size => f.write_str("the answer is not of the maze's size"),
            MazeViolation::Changed { place, expected, found } => {
                write!(f, "{place} is {expected} in the maze and {found} in the answer")
            }
            MazeViolation::NoWay => f.write_str("the marked cells do not lead from S to G"),
        }
    }
}

impl Maze {
    /// Holds an answer against the maze.
    pub fn check(&self, answer: &Maze) -> MazeReading {
        let shortest = self.shortest();
        if (answer.width, answer.height) != (self.width, self.height) {
            return MazeReading { violations: vec![MazeViolation::Size], steps: None, shortest, marked: 0 };
        }
        let cells = self.tiles.iter().zip(&answer.tiles).enumerate();
        let changed = cells.filter(|(_, (expected, found))| expected.unmarked() != found.unmarked());
        let mut violations: Vec<MazeViolation> = changed
            .map(|(cell, (&expected, &found))| {
                let place = Place::of(cell, self.width);
                MazeViolation::Changed { place, expected: expected.unmarked(), found }
            })
            .collect();
        let is_marked = |cell: usize| answer.tiles[cell] == Tile::Path;
        let is_end = |cell: usize| matches!(self.tiles[cell], Tile::Start | Tile::Goal);
        // A way through a wall is none.
        let steps = self.steps(|cell| is_end(cell) || is_marked(cell) && self.tiles[cell] != Tile::Wall);
        if steps.is_none() {
            violations.push(MazeViolation::NoWay);
        }
        let marked = (0..answer.tiles.len()).filter(|&cell| is_marked(cell)).count();
        MazeReading { violations, steps, shortest, marked }
    }

    /// Steps of the shortest way; none where there is no way.
    pub fn shortest(&self) -> Option<usize> {
        self.steps(|cell| self.tiles[cell] != Tile::Wall)
    }

    /// Breadth first from the start to the goal, over cells that are open.
    fn steps(&self, is_open: impl Fn(usize) -> bool) -> Option<usize> {
        let place_of = |tile| self.tiles.iter().position(|&found| found == tile);
        let (start, goal) = (place_of(Tile::Start)?, place_of(Tile::Goal)?);
        let mut is_seen = vec![false; self.tiles.len()];
        is_seen[start] = true;
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((cell, steps)) = queue.pop_front() {
            if cell == goal {
                return Some(steps);
            }
            for next in self.neighbours(cell) {
                if !is_seen[next] && is_open(next) {
                    is_seen[next] = true;
                    queue.push_back((next, steps + 1));
                }
            }
        }
        None
    }

    fn neighbours(&self, cell: usize) -> impl Iterator<Item = usize> + use<> {
        let Place { row, column } = Place::of(cell, self.width);
        let width = self.width;
        let up = (row > 0).then(|| cell - width);
        let down = (row + 1 < self.height).then_some(cell + width);
        let left = (column > 0).then(|| cell - 1);
        let right = (column + 1 < width).then_some(cell + 1);
        [up, down, left, right].into_iter().flatten()
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    const MAZE: &str = "#####\n#S..#\n#.#.#\n#..G#\n#####\n";

    fn maze(text: &str) -> Maze {
        text.parse().expect(text)
    }

    fn words(answer: &str) -> Vec<String> {
        maze(MAZE).check(&maze(answer)).violations.iter().map(MazeViolation::to_string).collect()
    }

    #[test]
    fn ways_are_measured() {
        let reading = maze(MAZE).check(&maze("#####\n#Soo#\n# #o#\n#  G#\n#####"));
        let expected = MazeReading { violations: vec![], steps: Some(4), shortest: Some(4), marked: 3 };
        assert_eq!(reading, expected);
        // Open ground: a detour, and a mark beside the way.
        let open = maze("S..\n...\n..G");
        let detour = open.check(&maze("So \noo \nooG"));
        assert_eq!((detour.steps, detour.shortest, detour.marked), (Some(4), Some(4), 5));
        assert_eq!(maze("S#G").shortest(), None);
        assert_eq!(maze("SG").check(&maze("SG")).steps, Some(1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(words(MAZE), ["the marked cells do not lead from S to G"]);
        assert_eq!(
            words("#####\n#So #\n#ooo#\n#  G#\n#####"),
            [
                "r3c3 is a wall in the maze and marked in the answer",
                "the marked cells do not lead from S to G"
            ]
        );
        assert_eq!(
            words("#####\n#Goo#\n# #o#\n#  S#\n#####"),
            [
                "r2c2 is the start in the maze and the goal in the answer",
                "r4c4 is the goal in the maze and the start in the answer"
            ]
        );
        assert_eq!(words("SoG"), ["the answer is not of the maze's size"]);
    }
}
