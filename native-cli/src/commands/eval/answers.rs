//! Exact match: the likeliest answer, token by token, compared with the expected ones.

use std::sync::Arc;

use anyhow::{Context, ensure};
use fathom_engine::{Batch, DepthControl, GenerateOptions, Model, Overflow, Sampling, Tokenizer};

use super::record::{Depths, Found};
use crate::tasks::{Asked, Question, normalized};

/// Tokens that the authors allow for an answer to a question.
const OF_A_QUESTION: usize = 20;

/// One question in tokens.
pub struct Item {
    prompt: Vec<u32>,
    answers: Vec<String>,
    n_tokens: usize,
    stop: Vec<String>,
    n_cut: usize,
}

impl Item {
    /// Where nothing else was said, an answer may have as many tokens as the longest expected one, and those that
    /// end it.
    pub fn new(
        model: &Model,
        words: &Tokenizer,
        question: Question,
        n_predict: Option<usize>,
        stop: &[String],
    ) -> anyhow::Result<Item> {
        let Question { line, prompt, answers, asked } = question;
        // A text that the vocabulary cannot write never comes.
        let count = |text: &String| words.encode(text).map_or(0, |tokens| tokens.len());
        let trimmed: Vec<String> = answers.iter().map(|answer| answer.trim().to_owned()).collect();
        let longest = |texts: &[String]| texts.iter().map(count).max().unwrap_or(0);
        let prompt = words.encode(&prompt).with_context(|| format!("line {line}"))?;
        ensure!(!prompt.is_empty(), "line {line}: the prompt has no tokens");
        let mut stop = stop.to_vec();
        let n_tokens = match (n_predict, asked) {
            (Some(n), _) => n,
            (None, Asked::Question) => OF_A_QUESTION,
            (None, Asked::Prompt) => {
                let n_end = longest(&stop).max(usize::from(model.eos().is_some()));
                (longest(&trimmed) + n_end).max(1)
            }
        };
        if asked == Asked::Question {
            stop.push("\n".to_owned());
        }
        let n_cut = prompt.len().saturating_sub(model.config().block_size);
        Ok(Item { prompt, answers, n_tokens, stop, n_cut })
    }

    fn options(&self, depth: DepthControl) -> GenerateOptions {
        GenerateOptions {
            n_tokens: self.n_tokens,
            sampling: Sampling::default(),
            depth,
            overflow: Overflow::Recompute,
            stop: self.stop.clone(),
            ignore_eos: false,
            trace: false,
        }
    }
}

/// Answers some questions at once, each as it would be answered alone. A depth is counted for each token.
pub fn examine(
    model: &Arc<Model>,
    items: &[&Item],
    depth: &DepthControl,
    normalize: bool,
) -> anyhow::Result<Vec<Found>> {
    let prompts = items.iter().map(|item| (item.prompt.clone(), item.options(*depth))).collect();
    let mut batch = Batch::new(model, prompts)?;
    let mut texts = vec![String::new(); items.len()];
    let mut depths = vec![Depths::default(); items.len()];
    loop {
        let events = pollster::block_on(batch.next())?;
        if events.is_empty() {
            break;
        }
        for (i, event) in events {
            let event = event?;
            texts[i].push_str(&event.text);
            depths[i].count(event.depth, event.halted_by);
        }
    }
    let found = items.iter().zip(texts).zip(depths).enumerate().map(|(i, ((item, mut answer), depths))| {
        answer.push_str(&batch.rest(i));
        let right = item.answers.iter().any(|expected| is_same(&answer, expected, normalize));
        Found::Exact { right, answer, n_cut: item.n_cut, depths }
    });
    Ok(found.collect())
}

fn is_same(found: &str, expected: &str, normalize: bool) -> bool {
    // Of an answer such as "The" nothing would be left.
    if normalize && !normalized(expected).is_empty() {
        normalized(found) == normalized(expected)
    } else {
        found.trim() == expected.trim()
    }
}
