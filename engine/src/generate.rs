//! From a prompt to a stream of text.

use std::sync::Arc;

use web_time::Instant;

use crate::error::{Error, Result};
use crate::halting::{DepthControl, HaltedBy};
use crate::model::Model;
use crate::sampler::Sampling;
use crate::session::{Read, Reading, Session};
use crate::text::TextStream;
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
    /// The time that the token took, in milliseconds.
    pub ms: f64,
    /// Every step, where it was asked for.
    pub trace: Option<Vec<StepTrace>>,
}

/// One answer in the making.
#[derive(Debug, Clone)]
struct Answer {
    options: GenerateOptions,
    /// What the model reads: the end of the prompt and the answer.
    context: Vec<u32>,
    text: TextStream,
    n_made: usize,
    eos: Option<u32>,
    done: Option<Done>,
    /// The window was full; not told yet.
    overflowed: Option<&'static str>,
    has_overflowed: bool,
}

const RECOMPUTES: &str =
    "the window is full: each further token drops the oldest one and computes the whole window anew";
const SLIDES: &str = "the window is full: the older half of it was dropped";

impl Answer {
    fn new(model: &Model, prompt: &[u32], options: GenerateOptions) -> Result<Answer> {
        let config = model.config();
        options.depth.check(config)?;
        options.sampling.check()?;
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let vocab_size = config.vocab_size;
        if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocab_size) {
            return Err(Error::TokenOutOfRange { token, vocab_size });
        }
        if options.overflow == Overflow::Stop && prompt.len() > config.block_size {
            return Err(Error::ContextFull { n_tokens: prompt.len(), block_size: config.block_size });
        }
        let decoder = model.tokenizer().map(|tokenizer| tokenizer.decoder());
        let mut answer = Answer {
            text: TextStream::new(decoder, options.stop.clone()),
            context: prompt.to_vec(),
            n_made: 0,
            eos: model.eos().filter(|_| !options.ignore_eos),
            done: (options.n_tokens == 0).then_some(Done::Length),
            overflowed: None,
            has_overflowed: false,
            options,
        };
        answer.fit(config.block_size);
        Ok(answer)
    }

    /// Makes the context fit into the window.
    fn fit(&mut self, block_size: usize) {
        if self.context.len() <= block_size {
            return;
        }
        let (n_kept, sentence) = match self.options.overflow {
            Overflow::Recompute => (block_size, RECOMPUTES),
            Overflow::Slide => (block_size.div_ceil(2), SLIDES),
            Overflow::Stop => {
                self.done = Some(Done::Context);
                return;
            }
        };
        self.context.drain(..self.context.len() - n_kept);
        if !self.has_overflowed {
            self.has_overflowed = true;
            self.overflowed = Some(sentence);
        }
    }

    fn read(&self, sequence: usize) -> Read<'_> {
        let GenerateOptions { depth, sampling, .. } = self.options;
        Read { sequence, tokens: &self.context, depth, sampling, place: self.n_made as u32 }
    }

    fn accept(&mut self, reading: &Reading, block_size: usize) -> TokenEvent {
        let Reading { depth, halted_by, q: [q_halt, q_continue], token } = *reading;
        self.n_made += 1;
        let is_end = self.eos == Some(token);
        let text = if is_end { String::new() } else { self.text.push(token) };
        if is_end {
            self.done = Some(Done::End);
        } else if self.text.is_stopped() {
            self.done = Some(Done::Stop);
        } else if self.n_made >= self.options.n_tokens {
            self.done = Some(Done::Length);
        } else {
            self.context.push(token);
            self.fit(block_size);
        }
        let steps_taken = halted_by.steps_taken(depth);
        TokenEvent { token, text, depth, steps_taken, halted_by, q_halt, q_continue, ms: 0.0, trace: None }
    }
}

/// Makes one answer, token by token. To cancel it, stop asking for tokens.
#[derive(Debug)]
pub struct Generator {
    session: Session,
    answer: Answer,
}

impl Generator {
    /// Nothing is computed yet.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::TokenOutOfRange`], those of [`DepthControl::check`] and
    /// [`Sampling::check`], [`Error::GpuMemory`]; [`Error::ContextFull`] where the prompt is longer than the window
    /// and [`Overflow::Stop`] was asked for.
    pub fn new(model: &Arc<Model>, prompt: &[u32], options: GenerateOptions) -> Result<Generator> {
        let answer = Answer::new(model, prompt, options)?;
        let session = Session::new(model, 1, capacity(model, [&answer]))?;
        Ok(Generator { session, answer })
    }

    /// The next token, or None when the answer has ended. With [`GenerateOptions::trace`], `on_step` is told of
    /// each step as it happens.
    ///
    /// # Errors
    /// Those of [`Session::read`].
    pub async fn next(&mut self, on_step: Option<&mut dyn FnMut(&StepTrace)>) -> Result<Option<TokenEvent>> {
        if self.answer.done.is_some() {
            return Ok(None);
        }
        let began = Instant::now();
        let read = self.answer.read(0);
        let mut steps = Vec::new();
        let reading = if self.answer.options.trace {
            let mut ignore = |_: &StepTrace| ();
            let on_step = on_step.unwrap_or(&mut ignore);
            let mut keep = |step: StepTrace| {
                on_step(&step);
                steps.push(step);
            };
            self.session.read_traced(&read, &mut keep).await?
        } else {
            self.session.read(&[read]).await?.remove(0)
        };
        let trace = self.answer.options.trace.then_some(steps);
        let block_size = self.session.model().config().block_size;
        let event = self.answer.accept(&reading, block_size);
        Ok(Some(TokenEvent { ms: began.elapsed().as_secs_f64() * 1000.0, trace, ..event }))
    }

    /// Makes another answer, in place of the one before. What its prompt shares with the context of that one is
    /// not computed again.
    ///
    /// # Errors
    /// Those of [`Generator::new`]; the answer before is then left as it was.
    pub fn ask(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<()> {
        let model = Arc::clone(self.session.model());
        let answer = Answer::new(&model, prompt, options)?;
        if capacity(&model, [&answer]) > self.session.capacity() {
            // Whoever asks again may well do so until the window is full.
            self.session = Session::new(&model, 1, model.config().block_size)?;
        }
        self.answer = answer;
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
        self.answer.done
    }

    /// When the answer is over: the text that was held back because it might have begun a stop text.
    pub fn rest(&mut self) -> String {
        self.answer.text.rest()
    }

    /// One sentence, once, when the window has become full.
    pub fn overflowed(&mut self) -> Option<&'static str> {
        self.answer.overflowed.take()
    }

    /// What was computed.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// Makes several answers at once, each exactly as it would come alone.
#[derive(Debug)]
pub struct Batch {
    session: Session,
    answers: Vec<Answer>,
}

impl Batch {
    /// Nothing is computed yet. Traces are not kept.
    ///
    /// # Errors
    /// Those of [`Generator::new`].
    pub fn new(model: &Arc<Model>, prompts: Vec<(Vec<u32>, GenerateOptions)>) -> Result<Batch> {
        let answers = prompts.into_iter().map(|(prompt, options)| Answer::new(model, &prompt, options));
        let answers = answers.collect::<Result<Vec<_>>>()?;
        let session = Session::new(model, answers.len(), capacity(model, &answers))?;
        Ok(Batch { session, answers })
    }

    /// The next token of each answer; None for those that have ended. All None: all have.
    ///
    /// # Errors
    /// Those of [`Session::read`].
    pub async fn next(&mut self) -> Result<Vec<Option<TokenEvent>>> {
        let began = Instant::now();
        let open: Vec<usize> = (0..self.answers.len()).filter(|&i| self.answers[i].done.is_none()).collect();
        let reads: Vec<Read<'_>> = open.iter().map(|&i| self.answers[i].read(i)).collect();
        let mut events = vec![None; self.answers.len()];
        if reads.is_empty() {
            return Ok(events);
        }
        let readings = self.session.read(&reads).await?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        let block_size = self.session.model().config().block_size;
        for (i, reading) in open.into_iter().zip(readings) {
            events[i] = Some(TokenEvent { ms, ..self.answers[i].accept(&reading, block_size) });
        }
        Ok(events)
    }

    /// Why an answer ended; None while it has not.
    pub fn done(&self, i: usize) -> Option<Done> {
        self.answers[i].done
    }

    /// When an answer is over: the text that was held back because it might have begun a stop text.
    pub fn rest(&mut self, i: usize) -> String {
        self.answers[i].text.rest()
    }
}

/// Positions that the longest of the answers can come to.
fn capacity<'a>(model: &Model, answers: impl IntoIterator<Item = &'a Answer>) -> usize {
    let block_size = model.config().block_size;
    let longest = answers.into_iter().map(|a| a.context.len().saturating_add(a.options.n_tokens)).max();
    longest.unwrap_or(1).min(block_size)
}
