//! A model and the items that it is examined with, as tokens; and the examination of some of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use fathom_engine::{DepthControl, Model, Scorer, Tokenizer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::Record;
use super::{answers, choices, windows};
use crate::commands::eval::windows::Window;
use crate::failure::usage;
use crate::output::thousandths;
use crate::tasks::{self, Partial};

/// What is asked, with every default filled in. It decides the numbers, so results hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Task {
    /// How likely a text is.
    Perplexity {
        window: usize,
        stride: usize,
        reading: Reading,
        /// The file holds token ids.
        token_ids: bool,
    },
    /// Which of several endings is likeliest.
    Choice {
        reading: Reading,
        /// Of WinoGrande, what follows the blank.
        partial: bool,
    },
    /// Whether an answer is the expected one.
    Exact {
        normalize: bool,
        /// Tokens of an answer at the most, where it was said.
        n_predict: Option<usize>,
        stop: Vec<String>,
    },
}

/// At which depth tokens are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// One forward, all at the depth that the whole text comes to: the authors' way
    Whole,
    /// Each at its own prefix's depth, as generation would read it
    Prefix,
    /// Both, beside each other
    Both,
}

/// What is examined: a file and, for PIQA, its labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Without its folder.
    pub name: String,
    /// Of its bytes, and of the labels' behind them.
    pub sha256: String,
}

/// Items in tokens.
enum Items {
    Windows { tokens: Vec<u32>, windows: Vec<Window> },
    Choices(Vec<choices::Item>),
    Questions(Vec<answers::Item>),
}

/// A model, a task, a file.
pub struct Exam {
    pub model: Arc<Model>,
    pub task: Task,
    pub file: FileIdentity,
    items: Items,
    /// Questions that are answered at once.
    batch: usize,
}

impl Exam {
    /// Reads the file and turns all of it into tokens, so that what is wrong is known before the work begins.
    pub fn open(
        model: Arc<Model>,
        task: Task,
        path: &Path,
        labels: Option<&Path>,
        batch: usize,
    ) -> anyhow::Result<Exam> {
        let (text, mut hash) = (read(path)?, Sha256::new());
        hash.update(&text);
        let labels = labels.map(read).transpose()?;
        if let Some(labels) = &labels {
            hash.update(labels);
        }
        let shown = || path.display().to_string();
        let items = match &task {
            Task::Perplexity { window, stride, token_ids, .. } => {
                let tokens = if *token_ids {
                    windows::ids(&model, &text)
                } else {
                    words(&model)?.encode(&text).map_err(Into::into)
                };
                let tokens = tokens.with_context(shown)?;
                let windows = windows::windows(tokens.len(), *window, *stride);
                ensure!(
                    !windows.is_empty(),
                    "{}: expected at least two tokens, found {}",
                    shown(),
                    tokens.len()
                );
                Items::Windows { tokens, windows }
            }
            Task::Choice { partial, .. } => {
                let partial = if *partial { Partial::AfterOption } else { Partial::WithOption };
                let choices = tasks::read_choices(&text, labels.as_deref(), partial).with_context(shown)?;
                let words = words(&model)?;
                let item = |choice| choices::Item::new(&model, words, choice);
                Items::Choices(
                    choices.into_iter().map(item).collect::<anyhow::Result<_>>().with_context(shown)?,
                )
            }
            Task::Exact { n_predict, stop, .. } => {
                let questions = tasks::read_questions(&text).with_context(shown)?;
                let words = words(&model)?;
                let item = |question| answers::Item::new(&model, words, question, *n_predict, stop);
                Items::Questions(
                    questions.into_iter().map(item).collect::<anyhow::Result<_>>().with_context(shown)?,
                )
            }
        };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let file = FileIdentity { name, sha256: hex(&hash.finalize()) };
        let exam = Exam { model, task, file, items, batch };
        ensure!(exam.n_items() > 0, "{}: expected at least one question, found none", shown());
        Ok(exam)
    }

    /// Items of the whole file.
    pub fn n_items(&self) -> usize {
        match &self.items {
            Items::Windows { windows, .. } => windows.len(),
            Items::Choices(items) => items.len(),
            Items::Questions(items) => items.len(),
        }
    }

    /// Items that are best examined at once.
    pub fn at_once(&self) -> usize {
        if let Items::Questions(_) = self.items { self.batch } else { 1 }
    }

    /// An examiner who has computed nothing yet.
    pub fn sitting(&self, depth: DepthControl) -> anyhow::Result<Sitting<'_>> {
        depth.check(self.model.config())?;
        Ok(Sitting { exam: self, scorer: Scorer::new(&self.model)?, depth })
    }
}

/// Examines items, one group after the other, all under the same control of depth.
pub struct Sitting<'a> {
    exam: &'a Exam,
    scorer: Scorer,
    depth: DepthControl,
}

impl Sitting<'_> {
    /// What comes of some items, by their places in the file.
    pub fn examine(&mut self, places: &[usize]) -> anyhow::Result<Vec<Record>> {
        let began = Instant::now();
        let (exam, depth) = (self.exam, &self.depth);
        let found = match (&exam.items, &exam.task) {
            (Items::Windows { tokens, windows }, Task::Perplexity { reading, .. }) => {
                let scored = |&place: &usize| {
                    windows::examine(&exam.model, &mut self.scorer, tokens, &windows[place], depth, *reading)
                };
                places.iter().map(scored).collect::<anyhow::Result<Vec<_>>>()?
            }
            (Items::Choices(items), Task::Choice { reading, .. }) => {
                let scored = |&place: &usize| items[place].examine(&mut self.scorer, depth, *reading);
                places.iter().map(scored).collect::<anyhow::Result<Vec<_>>>()?
            }
            (Items::Questions(items), Task::Exact { normalize, .. }) => {
                let items: Vec<&answers::Item> = places.iter().map(|&place| &items[place]).collect();
                answers::examine(&exam.model, &items, depth, *normalize)?
            }
            _ => anyhow::bail!("a bug: the items are not the task's"),
        };
        let ms = thousandths(began.elapsed().as_secs_f64() * 1000.0 / places.len().max(1) as f64);
        Ok(places.iter().zip(found).map(|(&item, found)| Record { item, found, ms }).collect())
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{}: expected UTF-8, byte {place} is none", path.display())
    })
}

fn words(model: &Model) -> anyhow::Result<&Tokenizer> {
    model.tokenizer().ok_or_else(|| {
        usage(format!(
            "{}: no tokenizer.json beside the weights, and a vocabulary of {} is not GPT-2's: only eval perplexity \
             --token-ids can be asked",
            model.name(),
            model.config().vocab_size
        ))
    })
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
