//! What is to be answered: a text or token ids, from the command line, a file or standard input.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use fathom_engine::Model;

use crate::args::TokenList;
use crate::failure::usage;
use crate::loading;

/// Where the prompt comes from.
#[derive(Debug, Args)]
pub struct PromptArgs {
    /// The prompt; without it, -f or --tokens, standard input is read
    pub prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "prompt")]
    pub file: Option<PathBuf>,
    /// The prompt as token ids: 1,2,3
    #[arg(long, value_name = "IDS", value_parser = TokenList::parse, conflicts_with_all = ["prompt", "file"])]
    pub tokens: Option<TokenList>,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// In words.
    Text(String),
    /// In token ids.
    Tokens(Vec<u32>),
}

impl PromptArgs {
    /// Reads it.
    ///
    /// # Errors
    /// Usage, with an example for this command, where there is none; what is wrong with the file.
    pub fn resolve(self, command: &str) -> anyhow::Result<Prompt> {
        self.resolve_or_ask()?.ok_or_else(|| {
            usage(format!(
                "no prompt: give one, as in fathom {command} \"7+5-3*4=\", or -f FILE, or pipe one in"
            ))
        })
    }

    /// The same, but None where only somebody at the terminal could give one.
    ///
    /// # Errors
    /// Usage where it is empty; what is wrong with the file.
    pub fn resolve_or_ask(self) -> anyhow::Result<Option<Prompt>> {
        if let Some(ids) = self.tokens {
            return Ok(Some(Prompt::Tokens(ids.0)));
        }
        let text = match (self.prompt, self.file) {
            (Some(text), _) => text,
            (None, Some(file)) => {
                let bytes = fs::read(&file).with_context(|| format!("--file {}", file.display()))?;
                prompt_text(bytes).with_context(|| format!("--file {}", file.display()))?
            }
            (None, None) if io::stdin().is_terminal() => return Ok(None),
            (None, None) => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
                prompt_text(bytes).context("standard input")?
            }
        };
        if text.is_empty() { Err(usage("the prompt is empty")) } else { Ok(Some(Prompt::Text(text))) }
    }
}

impl Prompt {
    /// In a model's tokens.
    ///
    /// # Errors
    /// Those of [`loading::encode`].
    pub fn tokens(&self, model: &Model) -> anyhow::Result<Vec<u32>> {
        match self {
            Prompt::Text(text) => loading::encode(model, text),
            Prompt::Tokens(ids) => Ok(ids.clone()),
        }
    }
}

/// The line break that ends a text file is not part of the prompt.
fn prompt_text(bytes: Vec<u8>) -> anyhow::Result<String> {
    let mut text = String::from_utf8(bytes).context("expected a text in UTF-8")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_of_a_file_goes() {
        for (bytes, text) in [("1+2=\n", "1+2="), ("1+2=\r\n", "1+2="), ("a\n\n", "a\n"), ("a", "a")] {
            assert_eq!(prompt_text(bytes.into()).ok().as_deref(), Some(text));
        }
        assert!(prompt_text(vec![0xff]).is_err());
    }
}
