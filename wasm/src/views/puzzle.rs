//! Of models of puzzles, and of puzzles.

use fathom_engine::puzzle::sudoku::{Conflict, Grade, Made, Sudoku, Violation};
use fathom_engine::puzzle::{Place, Task};
use fathom_engine::{HRM_TYPE, Halting, HrmConfig, HrmPositions, Noise, Segment};
use serde::{Deserialize, Serialize};

/// `PuzzleConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PuzzleConfigView {
    model_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<usize>,
    seq_len: usize,
    vocab_size: usize,
    hidden_size: usize,
    n_head: usize,
    h_layers: usize,
    l_layers: usize,
    h_cycles: usize,
    l_cycles: usize,
    positions: &'static str,
    max_segments: usize,
    n_puzzles: usize,
    n_parameters: u64,
}

impl PuzzleConfigView {
    /// Of what the engine read.
    pub fn of(config: &HrmConfig) -> PuzzleConfigView {
        let task = Task::of(config);
        PuzzleConfigView {
            model_type: HRM_TYPE,
            task: task.map(Task::name),
            side: task.map(|_| config.seq_len.isqrt()),
            seq_len: config.seq_len,
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            n_head: config.num_heads,
            h_layers: config.h_layers,
            l_layers: config.l_layers,
            h_cycles: config.h_cycles,
            l_cycles: config.l_cycles,
            positions: match config.positions {
                HrmPositions::Rope => "rope",
                HrmPositions::Learned => "learned",
            },
            max_segments: config.halt_max_steps,
            n_puzzles: config.num_puzzle_identifiers,
            n_parameters: config.n_parameters(),
        }
    }
}

/// `SolveOptions`.
#[derive(Deserialize)]
pub struct SolveOptionsView {
    halting: Option<HaltingView>,
    /// The row of the model's table.
    pub puzzle: Option<u32>,
    noise: Option<NoiseView>,
    /// Probabilities after each H cycle.
    #[serde(default)]
    pub watch: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum HaltingView {
    Settled,
    Q,
    Confidence(f32),
    Segments(u32),
}

#[derive(Deserialize)]
struct NoiseView {
    sigma: f32,
    #[serde(default)]
    seed: u64,
}

impl SolveOptionsView {
    /// As the engine takes it.
    pub fn halting(&self) -> Halting {
        match self.halting {
            None | Some(HaltingView::Settled) => Halting::Settled,
            Some(HaltingView::Q) => Halting::Q,
            Some(HaltingView::Confidence(p)) => Halting::Confidence(p),
            Some(HaltingView::Segments(n)) => Halting::Segments(n),
        }
    }

    /// As the engine takes it.
    pub fn noise(&self) -> Option<Noise> {
        self.noise.as_ref().map(|noise| Noise { sigma: noise.sigma, seed: noise.seed })
    }
}

/// `SegmentEvent` without its cycles, which go as typed arrays.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentView<'a> {
    segment: u32,
    answer: &'a [u32],
    text: String,
    changed: Vec<usize>,
    q_halt: f32,
    q_continue: f32,
    confidence: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    halted_by: Option<String>,
    would_halt: bool,
}

impl<'a> SegmentView<'a> {
    /// Of a segment, its answer as a text, and the answer of the segment before, which is empty before the first one.
    pub fn of(segment: &'a Segment, text: String, before: &[u32]) -> SegmentView<'a> {
        let [q_halt, q_continue] = segment.q;
        let is_changed = |&cell: &usize| before.get(cell) != Some(&segment.answer[cell]);
        SegmentView {
            segment: segment.segment,
            answer: &segment.answer,
            text,
            changed: (0..segment.answer.len()).filter(is_changed).collect(),
            q_halt,
            q_continue,
            confidence: segment.confidence(),
            halted_by: segment.halted_by.map(|by| by.to_string()),
            would_halt: q_halt > q_continue && segment.changed == 0,
        }
    }
}

/// `Fault`.
#[derive(Serialize)]
pub struct FaultView {
    message: String,
    cells: Vec<usize>,
}

impl FaultView {
    /// A sentence and the places that it is about, in a board of this width.
    pub fn of(message: &impl ToString, places: &[Place], width: usize) -> FaultView {
        let cells = places.iter().map(|place| place.row * width + place.column).collect();
        FaultView { message: message.to_string(), cells }
    }

    /// Of a digit that is there more than once.
    pub fn of_conflict(conflict: &Conflict, width: usize) -> FaultView {
        FaultView::of(conflict, &conflict.places, width)
    }

    /// Of what is wrong with an answer.
    pub fn of_violation(violation: &Violation, width: usize) -> FaultView {
        match violation {
            Violation::Conflict(conflict) => FaultView::of_conflict(conflict, width),
            Violation::Blank(place) | Violation::GivenChanged { place, .. } => {
                FaultView::of(violation, &[*place], width)
            }
            Violation::Shape { .. } => FaultView::of(violation, &[], width),
        }
    }
}

/// `Judgement`.
#[derive(Serialize)]
pub struct JudgementView {
    /// Whether the answer is right.
    pub right: bool,
    /// What is wrong with it.
    pub faults: Vec<FaultView>,
}

/// `SudokuCheck`.
#[derive(Serialize)]
pub struct SudokuCheckView {
    line: String,
    side: usize,
    givens: usize,
    full: bool,
    conflicts: Vec<FaultView>,
    solutions: &'static str,
}

impl SudokuCheckView {
    /// Of a board.
    pub fn of(board: &Sudoku) -> SudokuCheckView {
        let side = board.shape().n();
        let found = board.solutions(2);
        SudokuCheckView {
            line: board.line(),
            side,
            givens: board.givens(),
            full: board.is_full(),
            conflicts: board.conflicts().iter().map(|each| FaultView::of_conflict(each, side)).collect(),
            solutions: match found.n {
                2.. => "several",
                _ if found.gave_up => "unknown",
                1 => "one",
                _ => "none",
            },
        }
    }
}

/// `GenerateSudokuOptions`, with the side of the board.
#[derive(Deserialize)]
pub struct GenerateSudokuView {
    /// Cells of a row.
    pub side: usize,
    /// `easy`, `medium`, `hard` or `extreme`; none: any.
    pub grade: Option<String>,
    /// The fewest and the most digits.
    pub givens: Option<[usize; 2]>,
    /// Of the draws.
    pub seed: u64,
}

/// `MadeSudoku`.
#[derive(Serialize)]
pub struct MadeView {
    puzzle: String,
    solution: String,
    grade: String,
    givens: usize,
}

impl MadeView {
    /// Of a puzzle.
    pub fn of(Made { puzzle, solution, grade }: &Made) -> MadeView {
        let grade: &Grade = grade;
        MadeView {
            puzzle: puzzle.line(),
            solution: solution.line(),
            grade: grade.to_string(),
            givens: puzzle.givens(),
        }
    }
}
