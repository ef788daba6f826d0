//! A loaded model of puzzles, and its answers.

mod question;

use std::collections::VecDeque;
use std::sync::Arc;

use fathom_engine::puzzle::Task;
use fathom_engine::{Halting, Hrm, Puzzle, Segment, Solver, probabilities};
use js_sys::{Array, Float32Array, Reflect};
use wasm_bindgen::prelude::*;

use self::question::Question;
use crate::convert::{error, from_js, js_error, to_js};
use crate::views::{DeviceView, PuzzleConfigView, SegmentView, SolveOptionsView};

/// A model of puzzles on a device.
#[wasm_bindgen]
pub struct LoadedPuzzles {
    model: Arc<Hrm>,
    task: Option<Task>,
}

impl LoadedPuzzles {
    /// What the engine loaded.
    pub(crate) fn of(model: Arc<Hrm>) -> LoadedPuzzles {
        LoadedPuzzles { task: Task::of(model.config()), model }
    }
}

#[wasm_bindgen]
impl LoadedPuzzles {
    /// `PuzzleConfig`.
    pub fn config(&self) -> Result<JsValue, JsValue> {
        to_js(&PuzzleConfigView::of(self.model.config()))
    }

    /// `DeviceInfo`.
    pub fn device(&self) -> Result<JsValue, JsValue> {
        to_js(&DeviceView::of(self.model.device()))
    }

    /// The tokens of a puzzle's text, a token a cell.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, JsValue> {
        Ok(Question::of_text(self.task, text)?.tokens)
    }

    /// Holds an answer against the rules: a `Judgement`, or undefined where nobody knows.
    pub fn judge(&self, text: &str, answer: &[u32]) -> Result<JsValue, JsValue> {
        to_js(&Question::of_text(self.task, text)?.judge(answer)?)
    }

    /// Starts an answer to a text; nothing is computed yet.
    #[wasm_bindgen(js_name = solveText)]
    pub fn solve_text(&self, text: &str, options: JsValue) -> Result<PuzzleAnswer, JsValue> {
        self.solve(Question::of_text(self.task, text)?, options)
    }

    /// Starts an answer to tokens.
    #[wasm_bindgen(js_name = solveTokens)]
    pub fn solve_tokens(&self, tokens: Vec<u32>, options: JsValue) -> Result<PuzzleAnswer, JsValue> {
        self.solve(Question::of_tokens(self.task, tokens), options)
    }

    fn solve(&self, question: Question, options: JsValue) -> Result<PuzzleAnswer, JsValue> {
        let options: SolveOptionsView = from_js(options)?;
        let identifier = match options.puzzle {
            None if self.task == Some(Task::Arc) => {
                return Err(error(
                    "puzzle",
                    "an ARC task needs the number of its row in the model's table of puzzles",
                ));
            }
            given => given.unwrap_or(0),
        };
        let puzzle = Puzzle { tokens: question.tokens.clone(), identifier, noise: options.noise() };
        Ok(PuzzleAnswer {
            question,
            puzzle,
            halting: options.halting(),
            watch: options.watch,
            solver: Solver::new(&self.model, 1).map_err(js_error)?,
            begun: false,
            ready: VecDeque::new(),
            told: 0,
            last: vec![],
        })
    }
}

/// One puzzle's answer in the making.
#[wasm_bindgen]
pub struct PuzzleAnswer {
    question: Question,
    puzzle: Puzzle,
    halting: Halting,
    watch: bool,
    solver: Solver,
    /// The solver has the puzzle.
    begun: bool,
    /// Segments with the logits of their cycles, that nobody has asked for yet.
    ready: VecDeque<(Segment, Vec<Vec<f32>>)>,
    /// Segments that were told of.
    told: u32,
    /// The answer of the last of them.
    last: Vec<u32>,
}

#[wasm_bindgen]
impl PuzzleAnswer {
    /// The next `SegmentEvent`, or undefined at the end.
    pub async fn next(&mut self) -> Result<JsValue, JsValue> {
        loop {
            match self.ready.pop_front() {
                // After a lost device it begins anew; what was told is not told again.
                Some((segment, _)) if segment.segment <= self.told => {}
                Some((segment, cycles)) => return self.tell(&segment, &cycles),
                None if self.begun && self.solver.is_idle() => return Ok(JsValue::UNDEFINED),
                None => self.think().await.map_err(js_error)?,
            }
        }
    }

    /// Goes on with another copy of the model, when the device of this one was lost.
    #[wasm_bindgen(js_name = moveTo)]
    pub fn move_to(&mut self, copy: &LoadedPuzzles) -> Result<(), JsValue> {
        self.solver = Solver::new(&copy.model, 1).map_err(js_error)?;
        self.begun = false;
        self.ready.clear();
        Ok(())
    }
}

impl PuzzleAnswer {
    async fn think(&mut self) -> fathom_engine::Result<()> {
        if !self.begun {
            self.solver.begin(0, &self.puzzle, self.halting).await?;
            self.begun = true;
        }
        if self.watch {
            let watched = self.solver.watch().await?;
            self.ready.extend(watched.into_iter().map(|watched| (watched.segment, watched.cycles)));
        } else {
            for (_, segments) in self.solver.advance().await? {
                self.ready.extend(segments?.into_iter().map(|segment| (segment, vec![])));
            }
        }
        Ok(())
    }

    fn tell(&mut self, segment: &Segment, cycles: &[Vec<f32>]) -> Result<JsValue, JsValue> {
        let text = self.question.text_of(&segment.answer);
        let event = to_js(&SegmentView::of(segment, text, &self.last))?;
        if self.watch {
            let n_vocab = self.solver.model().config().vocab_size;
            let shares = |logits: &Vec<f32>| Float32Array::from(probabilities(logits, n_vocab).as_slice());
            Reflect::set(&event, &"cycles".into(), &cycles.iter().map(shares).collect::<Array>())?;
        }
        self.told = segment.segment;
        self.last.clone_from(&segment.answer);
        Ok(event)
    }
}
