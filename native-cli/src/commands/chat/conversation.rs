//! The turns of a conversation, and how they fit into the model's window.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use fathom_engine::Tokenizer;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::template::{ChatTemplate, Message, Role};

/// What was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    messages: Vec<Message>,
    /// Turns that the model does not see any more.
    n_forgotten: usize,
}

/// A conversation in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    messages: Vec<Message>,
}

impl Conversation {
    /// What it is about, in place of what was there.
    pub fn set_system(&mut self, text: String) {
        self.messages.retain(|message| message.role != Role::System);
        self.messages.insert(0, Message::new(Role::System, text));
    }

    /// All turns go; what it is about stays.
    pub fn clear(&mut self) {
        self.messages.retain(|message| message.role == Role::System);
        self.n_forgotten = 0;
    }

    /// One more message.
    pub fn say(&mut self, role: Role, content: impl Into<String>) {
        self.messages.push(Message::new(role, content));
    }

    /// Takes the last question back, and what was answered. Whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some(last) = self.messages.iter().rposition(|message| message.role == Role::User) else {
            return false;
        };
        self.messages.truncate(last);
        true
    }

    /// What was said, the forgotten turns too.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Turns that did not fit into the window any more.
    pub fn n_forgotten(&self) -> usize {
        self.n_forgotten
    }

    /// The prompt's tokens, with `extra` tokens of an answer that has begun behind them and room for `n_room`
    /// more. The oldest turns are left out, whole, until that fits; the last question always stays.
    ///
    /// # Errors
    /// Where not even the last question fits; where the vocabulary has no words for it.
    pub fn fit(
        &mut self,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        block_size: usize,
        extra: &[u32],
        n_room: usize,
    ) -> anyhow::Result<Vec<u32>> {
        self.n_forgotten = self.n_forgotten.min(self.n_turns().saturating_sub(1));
        loop {
            let text = template.prompt(&self.seen())?;
            let mut tokens = tokenizer.encode(&text)?;
            let n_prompt = tokens.len();
            tokens.extend_from_slice(extra);
            if tokens.len() + n_room <= block_size {
                return Ok(tokens);
            }
            if self.n_forgotten + 1 >= self.n_turns() {
                if tokens.len() < block_size {
                    return Ok(tokens);
                }
                bail!("the message makes a prompt of {n_prompt} tokens, the model's window is {block_size}");
            }
            self.n_forgotten += 1;
        }
    }

    /// A turn begins with a question.
    fn n_turns(&self) -> usize {
        self.messages.iter().filter(|message| message.role == Role::User).count()
    }

    fn seen(&self) -> Vec<Message> {
        let mut turn = 0;
        let is_seen = |message: &&Message| {
            turn += usize::from(message.role == Role::User);
            message.role == Role::System || turn > self.n_forgotten
        };
        self.messages.iter().filter(is_seen).cloned().collect()
    }

    /// Writes it to a file, which is whole or as it was.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            serde_json::to_writer_pretty(&mut file, &Saved { messages: self.messages.clone() })?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| path.display().to_string())
    }

    /// Reads what [`Conversation::save`] wrote.
    ///
    /// # Errors
    /// Those of the file system; where it is no conversation.
    pub fn load(path: &Path) -> anyhow::Result<Conversation> {
        let read = || -> anyhow::Result<Conversation> {
            let Saved { messages } = serde_json::from_str(&fs::read_to_string(path)?)?;
            Ok(Conversation { messages, n_forgotten: 0 })
        };
        read().with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn talk(n_turns: usize) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.set_system("Be brief.".to_owned());
        for turn in 1..=n_turns {
            conversation.say(Role::User, format!("Question {turn}?"));
            if turn < n_turns {
                conversation.say(Role::Assistant, format!("Answer {turn}."));
            }
        }
        conversation
    }

    #[test]
    fn the_oldest_turns_go_whole_and_the_template_stays() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let mut conversation = talk(4);
        let all = conversation.fit(&ChatTemplate::Authors, &tokenizer, 512, &[], 10).unwrap();
        assert_eq!(conversation.n_forgotten(), 0);
        let fewer = conversation.fit(&ChatTemplate::Authors, &tokenizer, all.len() + 9, &[], 10).unwrap();
        assert_eq!(conversation.n_forgotten(), 1);
        let text = tokenizer.decode(&fewer);
        assert!(text.starts_with("Be brief.\n\nHuman: Question 2?\n\nAssistant: Answer 2."), "{text}");
        assert!(text.ends_with("Human: Question 4?\n\nAssistant: "), "{text}");
        assert_eq!(conversation.messages().len(), 8, "they are forgotten, not deleted");

        let least = conversation.fit(&ChatTemplate::Authors, &tokenizer, 20, &[], 10).unwrap();
        assert_eq!(tokenizer.decode(&least), "Be brief.\n\nHuman: Question 4?\n\nAssistant: ");
        let begun = tokenizer.encode("It is").unwrap();
        let with_answer = conversation.fit(&ChatTemplate::Authors, &tokenizer, 40, &begun, 10).unwrap();
        assert!(with_answer.ends_with(&begun));
        let error = conversation.fit(&ChatTemplate::Authors, &tokenizer, 8, &[], 1).unwrap_err();
        assert!(error.to_string().contains("the model's window is 8"), "{error}");
    }

    #[test]
    fn questions_are_taken_back_with_their_answers() {
        let mut conversation = talk(2);
        assert!(conversation.undo());
        assert_eq!(conversation.messages().len(), 3);
        conversation.clear();
        assert!(!conversation.undo());
        assert_eq!(conversation.messages(), [Message::new(Role::System, "Be brief.")]);
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.json");
        talk(3).save(&path).unwrap();
        assert_eq!(Conversation::load(&path).unwrap(), talk(3));
        fs::write(&path, "{\"messages\": [{\"role\": \"cat\", \"content\": \"\"}]}").unwrap();
        let error = format!("{:#}", Conversation::load(&path).unwrap_err());
        assert!(error.contains("talk.json") && error.contains("cat"), "{error}");
        assert!(talk(1).save(&folder.path().join("no/where.json")).is_err());
    }
}
