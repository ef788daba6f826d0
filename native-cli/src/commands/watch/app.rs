//! What keys and events do, and when it is drawn.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use anyhow::Context;
use fathom_engine::{GenerateOptions, Generator, Model};
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::editor::Editor;
use super::replay;
use super::screen::Screen;
use super::state::{Event, Watched};
use super::view::{self, Mode, Scene};
use super::worker::Worker;
use crate::args::TokenList;
use crate::paint::Paint;
use crate::prompt::Prompt;

/// Never more than 20 pictures a second: enough for eyes, little for a slow line.
const FRAME: Duration = Duration::from_millis(50);
/// How long a signal may wait.
const IDLE: Duration = Duration::from_millis(100);
/// What the keys choose from, in milliseconds a step.
const PACES: [u64; 7] = [0, 60, 125, 250, 500, 1000, 2000];
/// What `b` and `B` change the bias by.
const BIAS_STEP: f32 = 0.25;
/// The most events between two looks at the keys.
const AT_ONCE: usize = 64;

/// The program while it watches.
pub struct App {
    model: Arc<Model>,
    options: GenerateOptions,
    paint: Paint,
    worker: Option<Worker>,
    prompt: Option<Prompt>,
    watched: Watched,
    mode: Mode,
    pace: Duration,
    is_paused: bool,
    /// One token is to be made although it is paused.
    one_more: bool,
    shown: Instant,
    is_dirty: bool,
}

enum Next {
    GoOn,
    Quit,
}

impl App {
    /// Nothing to be seen yet.
    pub fn new(model: Arc<Model>, options: GenerateOptions, pace: Duration, paint: Paint) -> App {
        App {
            model,
            options,
            paint,
            worker: None,
            prompt: None,
            watched: Watched::new(String::new()),
            mode: Mode::Watching,
            pace,
            is_paused: false,
            one_more: false,
            shown: Instant::now(),
            is_dirty: true,
        }
    }

    /// Begins an answer; an earlier one ends.
    ///
    /// # Errors
    /// What the model finds wrong with the prompt or the options.
    pub fn ask(&mut self, prompt: &Prompt) -> anyhow::Result<()> {
        let tokens = prompt.tokens(&self.model)?;
        let generator = Generator::new(&self.model, &tokens, self.options.clone())?;
        let names = tokens.iter().map(|&token| self.model.token_name(token));
        let shown = match prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Tokens(_) if self.model.tokenizer().is_some() => names.collect(),
            Prompt::Tokens(_) => names.collect::<Vec<_>>().join(" "),
        };
        self.worker = Some(Worker::start(&self.model, generator, self.worker.take())?);
        self.prompt = Some(prompt.clone());
        self.begin(shown);
        Ok(())
    }

    /// Begins to tell of a file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn replay(&mut self, path: &Path) -> anyhow::Result<()> {
        self.worker = Some(replay::start(path, Arc::clone(&self.model))?);
        self.begin(format!("(replays {})", path.display()));
        Ok(())
    }

    /// Waits for somebody to type a prompt.
    pub fn edit(&mut self) {
        let text = match &self.prompt {
            Some(Prompt::Text(text)) => text.clone(),
            _ => String::new(),
        };
        self.mode = Mode::Asking(Editor::new(&text));
    }

    /// Until somebody ends it, or a signal does.
    ///
    /// # Errors
    /// The terminal is gone, or the answer failed.
    pub fn run(&mut self, screen: &mut Screen) -> anyhow::Result<()> {
        let mut drawn: Option<Instant> = None;
        while !screen.is_asked_to_end() {
            self.advance()?;
            let until_frame = drawn.map_or(Duration::ZERO, |drawn| FRAME.saturating_sub(drawn.elapsed()));
            if self.is_dirty && until_frame.is_zero() {
                screen.draw(|frame| view::draw(frame, &self.scene()))?;
                drawn = Some(Instant::now());
                self.is_dirty = false;
            }
            let patience = if self.is_dirty { until_frame } else { self.until_next() };
            if event::poll(patience).context("the keyboard")? && matches!(self.read()?, Next::Quit) {
                break;
            }
        }
        self.watched.failure.take().map_or(Ok(()), Err)
    }

    /// Ends what is still being made.
    pub fn stop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
    }

    fn begin(&mut self, prompt: String) {
        self.watched = Watched::new(prompt);
        self.mode = Mode::Watching;
        self.is_paused = false;
        self.one_more = false;
        self.is_dirty = true;
    }

    fn scene(&self) -> Scene<'_> {
        // A file tells neither where it was computed nor with which bias.
        let is_replay = self.worker.is_some() && self.prompt.is_none();
        Scene {
            watched: &self.watched,
            mode: &self.mode,
            model: self.model.name(),
            device: if is_replay { "a replay".to_owned() } else { self.model.device().name() },
            deepest: self.model.config().hrm_max_steps as u32,
            bias: (!is_replay).then(|| self.options.depth.halt_bias.unwrap_or(self.model.config().halt_bias)),
            seed: (self.options.sampling.temperature > 0.0).then_some(self.options.sampling.seed),
            is_paused: self.is_paused,
            pace: self.pace,
            paint: self.paint,
        }
    }

    fn is_running(&self) -> bool {
        self.worker.is_some() && self.watched.ended.is_none() && (!self.is_paused || self.one_more)
    }

    /// The time that one cycle, or the end of a step, is shown.
    fn moment(&self) -> Duration {
        self.pace / (self.watched.n_cycles as u32 + 1)
    }

    fn until_next(&self) -> Duration {
        if !self.is_running() {
            return IDLE;
        }
        // Where nothing has come yet it may come at any moment.
        self.moment().saturating_sub(self.shown.elapsed()).clamp(Duration::from_millis(5), IDLE)
    }

    /// Shows what is due.
    fn advance(&mut self) -> anyhow::Result<()> {
        for _ in 0..AT_ONCE {
            if !self.is_running() || self.shown.elapsed() < self.moment() {
                break;
            }
            if self.watched.unveil() {
                self.shown = Instant::now();
                self.is_dirty = true;
                continue;
            }
            let event = match self.worker.as_ref().map(Worker::next) {
                Some(Ok(event)) => event,
                Some(Err(TryRecvError::Disconnected)) => {
                    anyhow::bail!("the thread that makes the answer ended before the answer did")
                }
                Some(Err(TryRecvError::Empty)) | None => break,
            };
            self.take(event);
        }
        Ok(())
    }

    fn take(&mut self, event: Event) {
        self.is_dirty = true;
        match event {
            Event::Step(_) => self.shown = Instant::now(),
            Event::Said(_) => self.one_more = false,
            _ => {}
        }
        self.watched.accept(event, !self.pace.is_zero());
    }

    fn read(&mut self) -> anyhow::Result<Next> {
        while event::poll(Duration::ZERO).context("the keyboard")? {
            match event::read().context("the keyboard")? {
                event::Event::Key(key) if key.kind != KeyEventKind::Release => {
                    self.is_dirty = true;
                    self.watched.note = None;
                    if matches!(self.press(key), Next::Quit) {
                        return Ok(Next::Quit);
                    }
                }
                event::Event::Resize(..) => self.is_dirty = true,
                _ => {}
            }
        }
        Ok(Next::GoOn)
    }

    fn press(&mut self, key: KeyEvent) -> Next {
        let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if with_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Next::Quit;
        }
        match &mut self.mode {
            Mode::Asking(editor) => match key.code {
                KeyCode::Enter => return self.enter(),
                KeyCode::Esc if self.worker.is_none() => return Next::Quit,
                KeyCode::Esc => self.mode = Mode::Watching,
                KeyCode::Char('u') if with_control => editor.clear(),
                KeyCode::Char('a') if with_control => editor.home(),
                KeyCode::Char('e') if with_control => editor.end(),
                KeyCode::Char(c) if !with_control => editor.insert(c),
                KeyCode::Backspace => editor.backspace(),
                KeyCode::Delete => editor.delete(),
                KeyCode::Left => editor.left(),
                KeyCode::Right => editor.right(),
                KeyCode::Home => editor.home(),
                KeyCode::End => editor.end(),
                _ => {}
            },
            Mode::Help => self.mode = Mode::Watching,
            Mode::Watching if !with_control => return self.command(key.code),
            Mode::Watching => {}
        }
        Next::GoOn
    }

    fn command(&mut self, code: KeyCode) -> Next {
        let token = self.watched.token();
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Char(' ') => {
                self.is_paused = !self.is_paused;
                self.one_more = false;
            }
            KeyCode::Char('s') => (self.is_paused, self.one_more) = (true, true),
            KeyCode::Char('f') => self.watched.follow(),
            KeyCode::Left | KeyCode::Char('h') => self.watched.look_at(token.saturating_sub(1)),
            KeyCode::Right | KeyCode::Char('l') => self.watched.look_at(token + 1),
            KeyCode::Up | KeyCode::Char('k') => self.watched.look_deeper(-1),
            KeyCode::Down | KeyCode::Char('j') => self.watched.look_deeper(1),
            KeyCode::Home => self.watched.look_at(0),
            KeyCode::End => self.watched.look_at(usize::MAX),
            KeyCode::Char('+' | '=') => self.change_pace(false),
            KeyCode::Char('-') => self.change_pace(true),
            KeyCode::Char('b') => self.change_bias(-BIAS_STEP),
            KeyCode::Char('B') => self.change_bias(BIAS_STEP),
            KeyCode::Char('p') => self.edit(),
            KeyCode::Char('?') => self.mode = Mode::Help,
            _ => {}
        }
        Next::GoOn
    }

    fn enter(&mut self) -> Next {
        let Mode::Asking(editor) = &self.mode else { return Next::GoOn };
        let text = editor.text();
        let prompt = match self.model.tokenizer() {
            Some(_) if text.is_empty() => Err(anyhow::anyhow!("the prompt is empty")),
            Some(_) => Ok(Prompt::Text(text)),
            None => TokenList::parse(&text).map(|ids| Prompt::Tokens(ids.0)).map_err(anyhow::Error::msg),
        };
        let asked = prompt.and_then(|prompt| self.ask(&prompt));
        if let (Err(error), Mode::Asking(editor)) = (asked, &mut self.mode) {
            editor.complaint = Some(error.root_cause().to_string());
        }
        Next::GoOn
    }

    fn change_pace(&mut self, slower: bool) {
        let now = self.pace.as_millis() as u64;
        let next = if slower {
            PACES.iter().find(|&&pace| pace > now)
        } else {
            PACES.iter().rev().find(|&&pace| pace < now)
        };
        if let Some(&next) = next {
            self.pace = Duration::from_millis(next);
        }
    }

    /// Starts over with another bias; where a depth is forced there is no test that it could change.
    fn change_bias(&mut self, by: f32) {
        let Some(prompt) = self.prompt.clone() else { return };
        if self.options.depth.forced.is_some() {
            self.watched.note = Some("the depth is forced: no bias changes it".to_owned());
            return;
        }
        let bias = self.options.depth.halt_bias.unwrap_or(self.model.config().halt_bias) + by;
        self.options.depth.halt_bias = Some(bias);
        if let Err(error) = self.ask(&prompt) {
            self.watched.note = Some(format!("{error:#}"));
        }
    }
}
