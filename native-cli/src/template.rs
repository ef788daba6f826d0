//! How a conversation becomes one text for the model to continue.
//!
//! A model's own `chat_template` (Jinja, in tokenizer_config.json or chat_template.jinja as on the Hugging Face
//! hub), else the authors' of CosmicFish (MistyozAI/CosmicFish-HRM `chat.py`). A model whose vocabulary cannot
//! even spell the latter, such as the built-in one, was not made for conversations: it gets the last message
//! as it stands.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use fathom_engine::{Model, Sampling};
use minijinja::{Environment, ErrorKind, context};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::loading::Source;

/// The authors' opening, where nobody gives a system message.
const OPENING: &str = "Below is a conversation between a helpful AI assistant and a human. The assistant is \
                       knowledgeable, friendly, and provides detailed and accurate responses.";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Says what the conversation is about.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One turn's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: Role, content: impl Into<String>) -> Message {
        Message { role, content: content.into() }
    }
}

/// The template of one model.
#[derive(Debug)]
pub enum ChatTemplate {
    /// The authors' of CosmicFish.
    Authors,
    /// The model's own.
    Jinja(Box<Jinja>),
    /// The last message and nothing around it.
    Plain,
}

/// A template in Jinja with what it may name.
#[derive(Debug)]
pub struct Jinja {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// The template of a model that was loaded from `source`.
    ///
    /// # Errors
    /// Where tokenizer_config.json or the template in it cannot be read.
    pub fn of(source: &Source, model: &Model) -> anyhow::Result<ChatTemplate> {
        if let Some(folder) = source.folder()
            && let Some(jinja) = Jinja::read(folder)?
        {
            return Ok(ChatTemplate::Jinja(Box::new(jinja)));
        }
        let spells = model.tokenizer().is_some_and(|tokenizer| tokenizer.encode(OPENING).is_ok());
        Ok(if spells { ChatTemplate::Authors } else { ChatTemplate::Plain })
    }

    /// The text that the model continues as the assistant.
    ///
    /// # Errors
    /// Where the model's own template refuses the messages.
    pub fn prompt(&self, messages: &[Message]) -> anyhow::Result<String> {
        match self {
            ChatTemplate::Authors => Ok(authors(messages)),
            ChatTemplate::Jinja(jinja) => jinja.prompt(messages),
            ChatTemplate::Plain => Ok(messages.last().map(|m| m.content.clone()).unwrap_or_default()),
        }
    }

    /// Texts at which the next speaker begins, so that the answer is over.
    pub fn stops(&self) -> Vec<String> {
        match self {
            ChatTemplate::Authors => vec!["Human:".to_owned(), "\nAssistant:".to_owned()],
            ChatTemplate::Jinja(jinja) if jinja.eos_token.is_empty() => vec![],
            ChatTemplate::Jinja(jinja) => vec![jinja.eos_token.clone()],
            ChatTemplate::Plain => vec![],
        }
    }

    /// Whether the model sees what was said before the last message.
    pub fn remembers(&self) -> bool {
        !matches!(self, ChatTemplate::Plain)
    }

    /// How the authors choose tokens in a conversation; for other models the likeliest.
    pub fn sampling(&self) -> Sampling {
        match self {
            ChatTemplate::Authors => {
                Sampling { temperature: 0.5, top_k: 40, repeat_penalty: 1.2, ..Sampling::default() }
            }
            _ => Sampling::default(),
        }
    }
}

fn authors(messages: &[Message]) -> String {
    let system: Vec<&str> =
        messages.iter().filter(|m| m.role == Role::System).map(|m| m.content.as_str()).collect();
    let opening = if system.is_empty() { OPENING.to_owned() } else { system.join("\n\n") };
    let mut text = format!("{opening}\n\n");
    for Message { role, content } in messages {
        match role {
            Role::System => {}
            Role::User => text.push_str(&format!("Human: {content}\n\n")),
            Role::Assistant => text.push_str(&format!("Assistant: {content}\n\n")),
        }
    }
    text.push_str("Assistant: ");
    text
}

impl Jinja {
    /// The template in a model's folder; None where it has none.
    fn read(folder: &Path) -> anyhow::Result<Option<Jinja>> {
        let path = folder.join("tokenizer_config.json");
        let config: Value = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string())?,
            Err(_) if !path.exists() => Value::Null,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let beside = folder.join("chat_template.jinja");
        let (template, path) = if beside.exists() {
            (Some(fs::read_to_string(&beside).with_context(|| beside.display().to_string())?), beside)
        } else {
            (template_in(&config["chat_template"]), path)
        };
        let Some(template) = template else { return Ok(None) };
        let jinja = Jinja::new(template, special(&config["bos_token"]), special(&config["eos_token"]));
        jinja.map(Some).with_context(|| format!("{}: the chat template", path.display()))
    }

    fn new(template: String, bos_token: String, eos_token: String) -> anyhow::Result<Jinja> {
        let mut environment = Environment::new();
        // As transformers does.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_fuel(Some(1_000_000));
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", template)?;
        Ok(Jinja { environment, bos_token, eos_token })
    }

    fn prompt(&self, messages: &[Message]) -> anyhow::Result<String> {
        let template = self.environment.get_template("chat")?;
        let (bos_token, eos_token) = (&self.bos_token, &self.eos_token);
        template
            .render(context! { messages, bos_token, eos_token, add_generation_prompt => true })
            .map_err(|error| anyhow!("the model's chat template: {error}"))
    }
}

/// A template, or the one called "default" in a list of them.
fn template_in(value: &Value) -> Option<String> {
    match value {
        Value::String(template) => Some(template.clone()),
        Value::Array(list) => {
            let named = list.iter().find(|entry| entry["name"] == "default").or(list.first())?;
            Some(named["template"].as_str()?.to_owned())
        }
        _ => None,
    }
}

/// A special token, which is a text or an object around one.
fn special(value: &Value) -> String {
    value.as_str().or(value["content"].as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn talk() -> Vec<Message> {
        vec![
            Message::new(Role::User, "Hello"),
            Message::new(Role::Assistant, "Hi."),
            Message::new(Role::User, "Who?"),
        ]
    }

    #[test]
    fn the_authors_way() {
        let text = ChatTemplate::Authors.prompt(&talk()).unwrap();
        assert_eq!(
            text,
            format!("{OPENING}\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman: Who?\n\nAssistant: ")
        );
        let with_system = [vec![Message::new(Role::System, "Be brief.")], talk()].concat();
        assert!(ChatTemplate::Authors.prompt(&with_system).unwrap().starts_with("Be brief.\n\nHuman: Hello"));
        assert_eq!(ChatTemplate::Plain.prompt(&talk()).unwrap(), "Who?");
    }

    #[test]
    fn a_models_own_template() {
        let template = "{% for m in messages %}\n<{{ m.role }}>{{ m['content'].strip() }}{{ eos_token }}\n\
                        {% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
        let jinja = Jinja::new(template.to_owned(), String::new(), "</s>".to_owned()).unwrap();
        assert_eq!(
            jinja.prompt(&talk()).unwrap(),
            "<user>Hello</s>\n<assistant>Hi.</s>\n<user>Who?</s>\n<assistant>"
        );
        let refuses = "{{ raise_exception('no system message') }}".to_owned();
        let error = Jinja::new(refuses, String::new(), String::new()).unwrap().prompt(&talk()).unwrap_err();
        assert!(error.to_string().contains("no system message"), "{error}");
        assert!(Jinja::new("{% if".to_owned(), String::new(), String::new()).is_err());
        let endless = "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}";
        assert!(Jinja::new(endless.to_owned(), String::new(), String::new()).unwrap().prompt(&[]).is_err());
    }

    #[test]
    fn where_files_keep_it() {
        assert_eq!(template_in(&json!("a")), Some("a".to_owned()));
        let list = json!([{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]);
        assert_eq!(template_in(&list), Some("d".to_owned()));
        assert_eq!(template_in(&Value::Null), None);
        assert_eq!(special(&json!({"content": "</s>"})), "</s>");
    }
}
