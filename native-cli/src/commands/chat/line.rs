//! What is typed: lines with editing, a history that is kept, and pastes of several lines.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy;
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::command::HELP;
use crate::output;

const PROMPT: &str = "> ";
const MOST_LINES: usize = 1000;

/// One message or command, or none.
pub enum Typed {
    /// It is not empty.
    Text(String),
    /// An empty line, or one that Ctrl-C took back.
    Nothing,
    /// Ctrl-D, or the end of a file.
    End,
}

/// The lines of one conversation.
pub struct Lines {
    history: Option<PathBuf>,
    /// What was typed, where no file keeps it.
    typed: Vec<String>,
    is_terminal: bool,
}

impl Lines {
    /// With the history of earlier conversations. One that cannot be read or made is told of and left alone.
    pub fn open(history: Option<PathBuf>, no_history: bool) -> Lines {
        let is_terminal = output::stdin_is_terminal();
        let history = if no_history || !is_terminal { None } else { history.or_else(usual_history) };
        let mut lines = Lines { history, typed: vec![], is_terminal };
        if let Some(history) = &lines.history
            && let Err(error) = prepare(history).and_then(|()| lines.editor().map(drop))
        {
            lines.do_without(&error);
        }
        lines
    }

    /// The next one.
    ///
    /// # Errors
    /// Where the input cannot be read.
    pub fn read(&mut self) -> anyhow::Result<Typed> {
        let mut editor = self.editor()?;
        let prompt = if self.is_terminal { PROMPT } else { "" };
        let text = match editor.readline(prompt) {
            Ok(text) => text.replace("\\\n", "\n"),
            Err(ReadlineError::Interrupted) => {
                output::note("Ctrl-D or /exit leaves");
                return Ok(Typed::Nothing);
            }
            Err(ReadlineError::Eof) => return Ok(Typed::End),
            Err(error) => return Err(error).context("the input"),
        };
        if text.trim().is_empty() {
            return Ok(Typed::Nothing);
        }
        self.keep(&mut editor, &text);
        Ok(Typed::Text(text))
    }

    /// Another one for each line: it handles Ctrl-C as long as it lives, and must not while an answer is made.
    fn editor(&self) -> anyhow::Result<Editor<Slashes, FileHistory>> {
        let config = Config::builder().auto_add_history(false).history_ignore_space(true).build();
        let mut editor = Editor::with_config(config).context("the terminal")?;
        editor.set_max_history_size(MOST_LINES).context("the history")?;
        editor.set_helper(Some(Slashes));
        match &self.history {
            // Lines of a conversation beside this one come along.
            Some(history) => editor.load_history(history).context("reading it")?,
            None => {
                for line in &self.typed {
                    editor.add_history_entry(line)?;
                }
            }
        }
        Ok(editor)
    }

    fn keep(&mut self, editor: &mut Editor<Slashes, FileHistory>, text: &str) {
        if !self.is_terminal || text.starts_with(' ') {
            return;
        }
        let Some(history) = &self.history else { return self.typed.push(text.to_owned()) };
        let kept = editor.add_history_entry(text).and_then(|_| editor.append_history(history));
        if let Err(error) = kept {
            self.typed.push(text.to_owned());
            self.do_without(&error.into());
        }
    }

    fn do_without(&mut self, why: &anyhow::Error) {
        if let Some(history) = self.history.take() {
            output::note(&format!("the history {} is not kept: {why:#}", history.display()));
        }
    }
}

fn usual_history() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join("fathom").join("history"))
}

fn prepare(history: &Path) -> anyhow::Result<()> {
    if let Some(folder) = history.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    if !history.exists() {
        fs::write(history, "")?;
    }
    Ok(())
}

/// Completes commands, and lets a line that ends in a backslash go on.
struct Slashes;

impl Helper for Slashes {}
impl Highlighter for Slashes {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Borrowed(hint)
    }
}
impl Hinter for Slashes {
    type Hint = String;
}

impl Completer for Slashes {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..at).unwrap_or_default();
        let names = HELP.iter().map(|(name, ..)| *name);
        let fitting = names.filter(|name| typed.starts_with('/') && name.starts_with(typed));
        Ok((0, fitting.map(str::to_owned).collect()))
    }
}

impl Validator for Slashes {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = context.input().ends_with('\\');
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}
