//! What `--json` prints.

use std::collections::BTreeMap;
use std::time::Duration;

use fathom_engine::Hrm;
use serde::Serialize;

use crate::output::thousandths;

use super::many::Tally;
use super::question::{Answer, Question};
use super::thought::{Solved, Step};

/// One puzzle, a line each.
#[derive(Serialize)]
pub struct PuzzleObject {
    /// Its place in what was given, from 1.
    puzzle: usize,
    kind: &'static str,
    question: String,
    answer: Option<String>,
    /// None where there is no rule to hold it against.
    obeys_rules: Option<bool>,
    violations: Vec<String>,
    segments: u32,
    halted_by: Option<String>,
    confidence: f32,
    rollout: usize,
    rollouts_agree: usize,
    history: Vec<SegmentObject>,
}

#[derive(Serialize)]
struct SegmentObject {
    segment: u32,
    answer: Option<String>,
    /// Cells with another answer than in the segment before.
    changed: u32,
    q_halt: f32,
    q_continue: f32,
    confidence: f32,
}

impl PuzzleObject {
    pub fn of(puzzle: usize, question: &Question, solved: &Solved) -> PuzzleObject {
        let last = solved.last().map(|step| &step.segment);
        let history = |Step { answer, segment }: &Step| SegmentObject {
            segment: segment.segment,
            answer: text(answer),
            changed: segment.changed,
            q_halt: segment.q[0],
            q_continue: segment.q[1],
            confidence: segment.confidence(),
        };
        PuzzleObject {
            puzzle,
            kind: question.kind(),
            question: match question {
                Question::Sudoku { puzzle, .. } => puzzle.line(),
                Question::Maze(maze) => maze.to_string(),
                Question::Arc { name, .. } => name.clone(),
            },
            answer: solved.last().and_then(|step| text(&step.answer)),
            obeys_rules: solved.verdict.is_right,
            violations: solved.verdict.sentences.clone(),
            segments: last.map_or(0, |segment| segment.segment),
            halted_by: last.and_then(|segment| segment.halted_by).map(|by| by.to_string()),
            confidence: last.map_or(0.0, |segment| segment.confidence()),
            rollout: solved.copy,
            rollouts_agree: solved.agree,
            history: solved.steps.iter().map(history).collect(),
        }
    }
}

/// An answer as text; a grid as the JSON of its rows.
fn text(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Sudoku(board) => Some(board.line()),
        Answer::Maze(maze) => Some(maze.to_string()),
        Answer::Grid(grid) => serde_json::to_string(&grid.rows().collect::<Vec<_>>()).ok(),
        Answer::Unreadable(_) => None,
    }
}

/// All puzzles of a list, on the last line.
#[derive(Serialize)]
pub struct SummaryObject {
    summary: TallyObject,
    grades: BTreeMap<String, TallyObject>,
    seconds: f64,
    puzzles_per_s: f64,
    model: String,
    device: String,
}

/// Counts of some puzzles.
#[derive(Serialize)]
pub struct TallyObject {
    puzzles: u64,
    solved: u64,
    mean_segments: f64,
    /// How often the model was right about its own answer.
    judged_right: u64,
}

impl TallyObject {
    pub fn of(tally: &Tally) -> TallyObject {
        TallyObject {
            puzzles: tally.puzzles,
            solved: tally.solved,
            mean_segments: thousandths(tally.mean_segments()),
            judged_right: tally.judged,
        }
    }
}

impl SummaryObject {
    pub fn of(
        model: &Hrm,
        all: &Tally,
        grades: BTreeMap<String, TallyObject>,
        took: Duration,
    ) -> SummaryObject {
        let seconds = took.as_secs_f64();
        SummaryObject {
            summary: TallyObject::of(all),
            grades,
            seconds: thousandths(seconds),
            puzzles_per_s: thousandths(all.puzzles as f64 / seconds.max(1e-9)),
            model: model.name().to_owned(),
            device: model.device().name(),
        }
    }
}
