//! From a prompt to a stream of text.

use std::collections::VecDeque;
use std::sync::Arc;

use web_time::Instant;

use crate::answer::{Answer, capacity};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::halting::{DepthControl, HaltedBy};
use crate::model::Model;
use crate::pace::{Brought, Pace};
use crate::sampler::Sampling;
use crate::session::{Reading, Session};
use crate::trace::StepTrace;

/// What to do when the context outgrows the model's window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Drop the oldest token each time, as the authors do. Every position moves, so that each further token
    /// costs a whole window.
    #[default]
    Recompute,
    /// Drop the older half once and go on from there.
    Slide,
    /// End.
    Stop,
}

/// How an answer is made.
#[derive(Debug, Clone)]
pub struct GenerateOptions {
    /// The most tokens of the answer, the end token included.
    pub n_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How long the model may think about each.
    pub depth: DepthControl,
    /// What to do when the window is full.
    pub overflow: Overflow,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
    /// Go on behind the end token.
    pub ignore_eos: bool,
    /// Keep every step of every token. It costs a submission a step and the output stage at each.
    pub trace: bool,
}

impl GenerateOptions {
    /// Checks them, and a prompt, against a model and a window of at most the model's.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::TokenOutOfRange`], those of [`DepthControl::check`] and
    /// [`Sampling::check`]; [`Error::ContextFull`] where the prompt is longer than the window and
    /// [`Overflow::Stop`] was asked for.
    pub fn check(&self, config: &Config, window: usize, prompt: &[u32]) -> Result<()> {
        self.depth.check(config)?;
        self.sampling.check()?;
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let vocab_size = config.vocab_size;
        if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocab_size) {
            return Err(Error::TokenOutOfRange { token, vocab_size });
        }
        if self.overflow == Overflow::Stop && prompt.len() > window {
            return Err(Error::ContextFull { n_tokens: prompt.len(), block_size: window });
        }
        Ok(())
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The end token came.
    End,
    /// There are as many tokens as were asked for.
    Length,
    /// A stop text came.
    Stop,
    /// The window is full.
    Context,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Done::End => "end",
            Done::Length => "length",
            Done::Stop => "stop",
            Done::Context => "context",
        })
    }
}

/// One token of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEvent {
    /// The token.
    pub token: u32,
    /// The text that is certain now: whole characters, nothing that may begin a stop text. Empty for the end
    /// token.
    pub text: String,
    /// Steps that were thought.
    pub depth: u32,
    /// The authors' count of them.
    pub steps_taken: u32,
    /// What ended them.
    pub halted_by: HaltedBy,
    /// The halting values of the last step, before the bias.
    pub q_halt: f32,
    /// The halting values of the last step, before the bias.
    pub q_continue: f32,
    /// The time that the token took, in milliseconds: its share of that of the tokens that came with it.
    pub ms: f64,
    /// Every step, where it was asked for.
    pub trace: Option<Vec<StepTrace>>,
}

/// Makes one answer, token by token. To cancel it, stop asking for tokens.
#[derive(Debug)]
pub struct Generator {
    session: Session,
    answer: Answer,
    /// What was read ahead, with the time that each took in ms.
    read: VecDeque<(Reading, f64)>,
    pace: Pace,
}

impl Generator {
    /// Nothing is computed yet.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::TokenOutOfRange`], those of [`DepthControl::check`] and
    /// [`Sampling::check`], [`Error::GpuMemory`]; [`Error::ContextFull`] where the prompt is longer than the window
    /// and [`Overflow::Stop`] was asked for.
    pub fn new(model: &Arc<Model>, prompt: &[u32], options: GenerateOptions) -> Result<Generator> {
        let answer = Answer::new(model, model.config().block_size, prompt, options)?;
        let session = Session::new(model, 1, capacity(model, [&answer]))?;
        Ok(Generator { session, answer, read: VecDeque::new(), pace: Pace::new(model.device()) })
    }

    /// The next token, or None when the answer has ended. With [`GenerateOptions::trace`], `on_step` is told of
    /// each step as it happens.
    ///
    /// # Errors
    /// Those of [`Session::read`].
    pub async fn next(&mut self, on_step: Option<&mut dyn FnMut(&StepTrace)>) -> Result<Option<TokenEvent>> {
        if self.answer.done().is_some() {
            return Ok(None);
        }
        let mut trace = None;
        if self.answer.is_traced() {
            trace = Some(self.read_traced(on_step).await?);
        } else if self.read.is_empty() {
            self.read_ahead().await?;
        }
        let Some((reading, ms)) = self.read.pop_front() else {
            return Err(Error::Internal("a read without a token".to_owned()));
        };
        let event = self.answer.accept(&reading);
        if self.answer.done().is_some() {
            self.read.clear();
        }
        Ok(Some(TokenEvent { ms, trace, ..event }))
    }

    async fn read_ahead(&mut self) -> Result<()> {
        let began = Instant::now();
        let ahead = self.answer.ahead(self.pace.n_tokens());
        let readings = self.session.read_ahead(&[(self.answer.read(0), ahead)]).await?.remove(0)?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        let n_tokens = readings.len();
        self.pace.learn(Brought { n_sequences: 1, n_recorded: ahead.n_tokens, n_tokens, ms });
        self.read.extend(readings.into_iter().map(|reading| (reading, ms / n_tokens as f64)));
        Ok(())
    }

    /// One token, and each of its steps.
    async fn read_traced(&mut self, on_step: Option<&mut dyn FnMut(&StepTrace)>) -> Result<Vec<StepTrace>> {
        let began = Instant::now();
        let mut steps = Vec::new();
        let mut ignore = |_: &StepTrace| ();
        let on_step = on_step.unwrap_or(&mut ignore);
        let mut keep = |step: StepTrace| {
            on_step(&step);
            steps.push(step);
        };
        let reading = self.session.read_traced(&self.answer.read(0), &mut keep).await?;
        self.read.push_back((reading, began.elapsed().as_secs_f64() * 1000.0));
        Ok(steps)
    }

    /// From now on at most so many tokens are computed in one go, for whoever measures. Otherwise it is as many as
    /// come within some tens of ms.
    pub fn limit_tokens_at_once(&mut self, n_tokens: usize) {
        self.pace.limit(n_tokens);
    }

    /// Makes another answer, in place of the one before. What its prompt shares with the context of that one is
    /// not computed again.
    ///
    /// # Errors
    /// Those of [`Generator::new`]; the answer before is then left as it was.
    pub fn ask(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<()> {
        let model = Arc::clone(self.session.model());
        let answer = Answer::new(&model, model.config().block_size, prompt, options)?;
        if capacity(&model, [&answer]) > self.session.capacity() {
            // Whoever asks again may well do so until the window is full.
            self.session = Session::new(&model, 1, model.config().block_size)?;
        }
        self.answer = answer;
        self.read.clear();
        self.pace.restart();
        Ok(())
    }

    /// Goes on with another copy of the same model, when the device of this one was lost. The context is read
    /// anew, and the tokens that follow are those that would have followed.
    ///
    /// # Errors
    /// [`Error::GpuMemory`].
    pub fn move_to(&mut self, model: &Arc<Model>) -> Result<()> {
        self.session = Session::new(model, 1, self.session.capacity())?;
        Ok(())
    }

    /// Why the answer ended; None while it has not.
    pub fn done(&self) -> Option<Done> {
        self.answer.done()
    }

    /// When the answer is over: the text that was held back because it might have begun a stop text.
    pub fn rest(&mut self) -> String {
        self.answer.rest()
    }

    /// One sentence, once, when the window has become full.
    pub fn overflowed(&mut self) -> Option<&'static str> {
        self.answer.overflowed()
    }

    /// What was computed.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
