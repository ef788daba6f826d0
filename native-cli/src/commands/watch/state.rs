//! What is watched: tokens, their steps, and where somebody looks. Plain data that events change.

use fathom_engine::{HaltedBy, Level, StepTrace};

/// How far a state moved in one cycle, at the last position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycle {
    /// Which state.
    pub level: Level,
    /// The root mean square of the change.
    pub moved: f32,
}

/// A token that could be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// The token.
    pub token: u32,
    /// As people read it.
    pub name: String,
    /// From 0 to 1.
    pub probability: f32,
}

/// One step of thinking.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From 1.
    pub number: u32,
    /// The wish to stop, before the bias.
    pub q_halt: f32,
    /// The wish to go on.
    pub q_continue: f32,
    /// `q_halt + bias - q_continue`: above 0 it would stop.
    pub margin: f32,
    /// The time that it took.
    pub ms: f64,
    /// In their order; none where everything was cached.
    pub cycles: Vec<Cycle>,
    /// What it would say if it stopped here, the likeliest first.
    pub would_say: Vec<Guess>,
}

impl Step {
    /// Of a trace, with a model's names.
    pub fn of(trace: &StepTrace, name: impl Fn(u32) -> String) -> Step {
        let cycles = trace.cycles.iter();
        let guesses = trace.top.iter();
        Step {
            number: trace.step,
            q_halt: trace.q_halt,
            q_continue: trace.q_continue,
            margin: trace.margin,
            ms: trace.ms,
            cycles: cycles
                .filter_map(|cycle| Some(Cycle { level: cycle.level, moved: *cycle.moved.last()? }))
                .collect(),
            would_say: guesses
                .map(|top| Guess { token: top.token, name: name(top.token), probability: top.probability })
                .collect(),
        }
    }

    /// What was added to the wish to stop.
    pub fn bias(&self) -> f32 {
        self.margin - self.q_halt + self.q_continue
    }
}

/// A token that was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The token.
    pub token: u32,
    /// As people read it.
    pub name: String,
    /// Steps that were thought.
    pub depth: u32,
    /// What ended them.
    pub halted_by: HaltedBy,
}

/// The thinking about one token, over when something was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought {
    /// As far as they are known.
    pub steps: Vec<Step>,
    /// What came of it.
    pub said: Option<Said>,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// It begins now.
    Begun,
    /// A step more of the token in the making.
    Step(Step),
    /// The token is there.
    Said(Said),
    /// One sentence about what just happened.
    Note(String),
    /// The answer is over, and why.
    Done(String),
    /// Nothing more comes.
    Failed(anyhow::Error),
}

/// The largest and smallest of what charts show, the same for all tokens, so that they can be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The largest distance below the threshold, from 0 on.
    pub below: f32,
    /// The largest distance above it, from 0 on.
    pub above: f32,
    /// The decimal logarithm of the least movement.
    pub still: f32,
    /// The decimal logarithm of the greatest movement.
    pub stirred: f32,
}

/// Where logarithms of movements begin; less is no movement.
const LEAST_MOVEMENT: f32 = 1e-7;

impl Range {
    fn include(&mut self, step: &Step) {
        if step.margin.is_finite() {
            self.below = self.below.max(-step.margin);
            self.above = self.above.max(step.margin);
        }
        for moved in step.cycles.iter().map(|cycle| log(cycle.moved)) {
            self.still = self.still.min(moved.floor());
            self.stirred = self.stirred.max(moved.ceil());
        }
    }

    /// A movement from 0 (least) to 1, on the scale of logarithms.
    pub fn stir(&self, moved: f32) -> f32 {
        ((log(moved) - self.still) / (self.stirred - self.still)).clamp(0.0, 1.0)
    }
}

fn log(moved: f32) -> f32 {
    if moved.is_finite() { moved.max(LEAST_MOVEMENT).log10() } else { 0.0 }
}

/// An answer in the making, and the place that is looked at.
#[derive(Debug)]
pub struct Watched {
    /// What was asked.
    pub prompt: String,
    /// One for each token; the last may still be thought about.
    pub thoughts: Vec<Thought>,
    /// Why it is over.
    pub ended: Option<String>,
    /// What went wrong, where something did.
    pub failure: Option<anyhow::Error>,
    /// The last sentence that came, until a key is pressed.
    pub note: Option<String>,
    /// For charts.
    pub range: Range,
    /// The most cycles that a step had.
    pub n_cycles: usize,
    /// The newest is looked at, whatever it is.
    pub follows: bool,
    token: usize,
    step: usize,
    /// Cycles of the newest step that are still to be shown, one by one.
    hidden: usize,
    ms: f64,
}

impl Watched {
    /// Nothing thought so far.
    pub fn new(prompt: String) -> Watched {
        Watched {
            prompt,
            thoughts: Vec::new(),
            ended: None,
            failure: None,
            note: None,
            range: Range { below: 0.0, above: 0.0, still: -1.0, stirred: 0.0 },
            n_cycles: 0,
            follows: true,
            token: 0,
            step: 0,
            hidden: 0,
            ms: 0.0,
        }
    }

    /// Something happened. A step is seen cycle by cycle where that is wanted: [`Watched::unveil`].
    pub fn accept(&mut self, event: Event, cycle_by_cycle: bool) {
        self.hidden = 0;
        match event {
            Event::Begun => {}
            Event::Step(step) => {
                self.range.include(&step);
                self.n_cycles = self.n_cycles.max(step.cycles.len());
                self.ms += step.ms;
                self.hidden = if cycle_by_cycle { step.cycles.len() } else { 0 };
                if self.thoughts.last().is_none_or(|thought| thought.said.is_some()) {
                    self.thoughts.push(Thought::default());
                }
                if let Some(thought) = self.thoughts.last_mut() {
                    thought.steps.push(step);
                }
            }
            Event::Said(said) => {
                if let Some(thought) = self.thoughts.last_mut() {
                    thought.said = Some(said);
                }
            }
            Event::Note(note) => self.note = Some(note),
            Event::Done(why) => self.ended = Some(why),
            Event::Failed(error) => {
                self.ended = Some(format!("failed: {error:#}"));
                self.failure = Some(error);
            }
        }
        self.catch_up();
    }

    /// Shows one cycle more of the newest step; false where all are seen.
    pub fn unveil(&mut self) -> bool {
        let had = self.hidden > 0;
        self.hidden = self.hidden.saturating_sub(1);
        had
    }

    /// Cycles of a step that are still to be shown.
    pub fn hidden(&self, token: usize, step: usize) -> usize {
        let is_newest = token + 1 == self.thoughts.len()
            && self.thoughts.last().is_some_and(|thought| step + 1 == thought.steps.len());
        if is_newest { self.hidden } else { 0 }
    }

    /// The token that is looked at; 0 where there is none yet.
    pub fn token(&self) -> usize {
        self.token
    }

    /// The step of it that is looked at, from 0.
    pub fn step(&self) -> usize {
        self.step
    }

    /// What is looked at.
    pub fn thought(&self) -> Option<&Thought> {
        self.thoughts.get(self.token)
    }

    /// Looks at another token, at its last step.
    pub fn look_at(&mut self, token: usize) {
        self.follows = false;
        self.token = token.min(self.thoughts.len().saturating_sub(1));
        self.step = self.last_step();
    }

    /// Looks some steps deeper, or back.
    pub fn look_deeper(&mut self, by: isize) {
        self.follows = false;
        self.step = self.step.saturating_add_signed(by).min(self.last_step());
    }

    /// Looks at the newest from here on.
    pub fn follow(&mut self) {
        self.follows = true;
        self.catch_up();
    }

    /// Tokens that were said.
    pub fn n_said(&self) -> usize {
        let n_open = usize::from(self.thoughts.last().is_some_and(|thought| thought.said.is_none()));
        self.thoughts.len() - n_open
    }

    /// The mean depth of what was said.
    pub fn mean_depth(&self) -> Option<f64> {
        let depths = self.thoughts.iter().filter_map(|thought| Some(f64::from(thought.said.as_ref()?.depth)));
        let n = self.n_said();
        (n > 0).then(|| depths.sum::<f64>() / n as f64)
    }

    /// Of the steps alone: time spent showing them does not count.
    pub fn tokens_per_s(&self) -> Option<f64> {
        (self.n_said() > 0 && self.ms > 0.0).then(|| self.n_said() as f64 * 1000.0 / self.ms)
    }

    fn catch_up(&mut self) {
        if self.follows {
            self.token = self.thoughts.len().saturating_sub(1);
            self.step = self.last_step();
        }
    }

    fn last_step(&self) -> usize {
        self.thought().map_or(0, |thought| thought.steps.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u32, margin: f32, moved: &[f32]) -> Event {
        let cycles = moved.iter().map(|&moved| Cycle { level: Level::L, moved }).collect();
        let (q_halt, q_continue) = (0.0, 0.0);
        Event::Step(Step { number, q_halt, q_continue, margin, ms: 10.0, cycles, would_say: Vec::new() })
    }

    fn said(depth: u32) -> Event {
        Event::Said(Said { token: 7, name: "x".to_owned(), depth, halted_by: HaltedBy::Cap })
    }

    fn place(watched: &Watched) -> (usize, usize) {
        (watched.token(), watched.step())
    }

    fn two_tokens() -> Watched {
        let mut watched = Watched::new("x".to_owned());
        for event in [step(1, -2.0, &[0.5]), step(2, 1.0, &[0.01]), said(2), step(1, -1.0, &[])] {
            watched.accept(event, false);
        }
        watched
    }

    #[test]
    fn the_newest_is_followed_until_somebody_looks_elsewhere() {
        let mut watched = two_tokens();
        assert_eq!(place(&watched), (1, 0));
        watched.accept(step(2, 0.5, &[]), false);
        assert_eq!(place(&watched), (1, 1));
        watched.look_at(0);
        watched.look_deeper(-1);
        watched.accept(said(2), false);
        watched.accept(step(1, 0.5, &[]), false);
        assert_eq!((place(&watched), watched.follows), ((0, 0), false));
        watched.follow();
        assert_eq!((place(&watched), watched.follows), ((2, 0), true));
    }

    #[test]
    fn nobody_looks_outside() {
        let mut watched = two_tokens();
        watched.look_at(usize::MAX);
        watched.look_deeper(isize::MAX);
        assert_eq!(place(&watched), (1, 0));
        watched.look_at(0);
        assert_eq!(place(&watched), (0, 1));
        watched.look_deeper(isize::MIN);
        assert_eq!(place(&watched), (0, 0));
        let mut empty = Watched::new(String::new());
        empty.look_at(3);
        empty.look_deeper(1);
        assert_eq!((place(&empty), empty.thought()), ((0, 0), None));
        empty.accept(said(1), false);
        assert_eq!(empty.n_said(), 0);
    }

    #[test]
    fn sums_count_what_was_said_and_the_time_of_steps() {
        let watched = two_tokens();
        assert_eq!((watched.n_said(), watched.mean_depth()), (1, Some(2.0)));
        assert_eq!(watched.tokens_per_s().map(f64::round), Some(33.0));
        assert_eq!(Watched::new(String::new()).tokens_per_s(), None);
    }

    #[test]
    fn charts_reach_over_all_tokens() {
        let mut watched = two_tokens();
        let Range { below, above, still, stirred } = watched.range;
        assert_eq!((below, above, still, stirred), (2.0, 1.0, -2.0, 0.0));
        watched.accept(step(2, f32::NAN, &[0.0, f32::NAN, 20.0]), false);
        let Range { below, above, still, stirred } = watched.range;
        assert_eq!((below, above, still, stirred), (2.0, 1.0, -7.0, 2.0));
        assert_eq!((watched.range.stir(0.0), watched.range.stir(1e9)), (0.0, 1.0));
    }

    #[test]
    fn cycles_are_unveiled_one_by_one_and_only_of_the_newest_step() {
        let mut watched = two_tokens();
        watched.accept(step(2, 0.5, &[0.1, 0.2]), true);
        assert_eq!((watched.hidden(1, 1), watched.hidden(1, 0), watched.hidden(0, 1)), (2, 0, 0));
        assert!(watched.unveil() && watched.unveil() && !watched.unveil());
        assert_eq!(watched.hidden(1, 1), 0);
    }
}
