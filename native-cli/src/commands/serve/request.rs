//! What clients ask, and what it means for this model.

use std::fmt::Display;

use fathom_engine::{Config, DepthControl, GenerateOptions, Overflow, Sampling, Tokenizer};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::error::ApiError;
use crate::args::SamplingArgs;
use crate::template::{ChatTemplate, Message, Role};

/// The body of both kinds of request: OpenAI's fields, llama.cpp's for sampling, and Fathom's for depth. Others
/// are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    pub model: Option<String>,
    pub prompt: Option<Prompt>,
    pub messages: Option<Vec<Said>>,
    pub max_tokens: Option<u32>,
    pub max_completion_tokens: Option<u32>,
    pub n: Option<u32>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub stop: Option<Stop>,
    pub echo: Option<bool>,
    pub ignore_eos: Option<bool>,
    pub seed: Option<Number>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<u32>,
    pub min_p: Option<f32>,
    #[serde(alias = "repetition_penalty")]
    pub repeat_penalty: Option<f32>,
    pub depth: Option<u32>,
    pub max_depth: Option<u32>,
    pub min_depth: Option<u32>,
    pub halt_bias: Option<f32>,
    // What would change the answer, and is not there.
    frequency_penalty: Value,
    presence_penalty: Value,
    logit_bias: Value,
    logprobs: Value,
    top_logprobs: Value,
    best_of: Value,
    suffix: Value,
    tools: Value,
    functions: Value,
    response_format: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string, a list of strings, token ids, or a list of lists of them")]
pub enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    Lists(Vec<Vec<u32>>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub enum Stop {
    One(String),
    Several(Vec<String>),
}

/// A message of a conversation.
#[derive(Debug, Deserialize)]
pub struct Said {
    pub role: String,
    #[serde(default)]
    pub content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of parts")]
pub enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
pub struct Part {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub text: Option<String>,
}

/// Stop texts that one request may have.
const MOST_STOPS: usize = 16;

/// The model as requests see it, and what holds where they do not say.
#[derive(Debug)]
pub struct Served {
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    pub device: String,
    pub config: Config,
    pub tokenizer: Option<Tokenizer>,
    pub template: ChatTemplate,
    pub sampling: SamplingArgs,
    pub depth: DepthControl,
}

impl Request {
    /// What this server would have to ignore although it changes the answer is refused.
    pub fn refuse_unsupported(&self) -> Result<(), ApiError> {
        let is_zero = |value: &Value| value.is_null() || value.as_f64() == Some(0.0);
        let is_off = |value: &Value| value.is_null() || value == &Value::Bool(false);
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        let is_n = self.best_of.is_null() || self.best_of.as_u64() == Some(self.n.unwrap_or(1).into());
        let is_text = self.response_format.is_null() || self.response_format["type"] == "text";
        for (param, is_good, instead) in [
            ("frequency_penalty", is_zero(&self.frequency_penalty), "leave it at 0, and see repeat_penalty"),
            ("presence_penalty", is_zero(&self.presence_penalty), "leave it at 0, and see repeat_penalty"),
            ("logit_bias", is_empty(&self.logit_bias), "leave it out"),
            ("logprobs", is_off(&self.logprobs), "leave it out"),
            ("top_logprobs", self.top_logprobs.is_null(), "leave it out"),
            ("best_of", is_n, "leave it out, or make it the same as n"),
            ("suffix", is_empty(&self.suffix), "leave it out"),
            ("tools", is_empty(&self.tools), "leave it out"),
            ("functions", is_empty(&self.functions), "leave it out"),
            ("response_format", is_text, "leave it out"),
        ] {
            if !is_good {
                let message = format!("{param} is not supported by this server; {instead}");
                return Err(ApiError::unsupported(param, message));
            }
        }
        Ok(())
    }

    /// Texts before which the answer ends.
    fn stops(&self) -> Result<Vec<String>, ApiError> {
        let stops = match &self.stop {
            None => vec![],
            Some(Stop::One(text)) => vec![text.clone()],
            Some(Stop::Several(texts)) => texts.clone(),
        };
        if stops.len() > MOST_STOPS || stops.iter().any(String::is_empty) {
            return Err(ApiError::bad(
                "stop",
                format!("expected at most {MOST_STOPS} texts, none of them empty"),
            ));
        }
        Ok(stops)
    }

    fn depth(&self, otherwise: DepthControl) -> Result<DepthControl, ApiError> {
        let Request { depth: forced, max_depth: cap, min_depth: floor, halt_bias, .. } = *self;
        let is_bounded = cap.is_some() || floor.is_some() || halt_bias.is_some();
        match forced {
            Some(_) if is_bounded => Err(ApiError::bad(
                "depth",
                "depth is exact: it cannot go with max_depth, min_depth or halt_bias",
            )),
            Some(_) => Ok(DepthControl { forced, ..DepthControl::default() }),
            None if is_bounded => Ok(DepthControl {
                cap: cap.or(otherwise.cap),
                floor: floor.or(otherwise.floor),
                forced: None,
                halt_bias: halt_bias.or(otherwise.halt_bias),
            }),
            None => Ok(otherwise),
        }
    }
}

impl Served {
    /// Whether the flags fit the model.
    pub fn check_defaults(&self) -> Result<(), fathom_engine::Error> {
        self.depth.check(&self.config)?;
        self.sampling.resolve(Sampling::default()).check()
    }

    /// The options of a request; `is_chat` says which defaults hold.
    pub fn options(&self, request: &Request, is_chat: bool) -> Result<GenerateOptions, ApiError> {
        let otherwise = match is_chat {
            true => self.template.sampling(),
            false => Sampling { temperature: 1.0, ..Sampling::default() },
        };
        let otherwise = self.sampling.resolve(otherwise);
        let seed = match &request.seed {
            None => otherwise.seed,
            // OpenAI's seeds may be negative.
            Some(seed) => seed
                .as_u64()
                .or(seed.as_i64().map(|seed| seed as u64))
                .ok_or_else(|| ApiError::bad("seed", format!("expected a whole number, found {seed}")))?,
        };
        let mut stop = request.stops()?;
        if is_chat {
            stop.extend(self.template.stops());
        }
        let n_tokens = request.max_completion_tokens.filter(|_| is_chat).or(request.max_tokens);
        let window = self.config.block_size;
        Ok(GenerateOptions {
            n_tokens: n_tokens.map_or(window, |n| window.min(n as usize)),
            sampling: Sampling {
                temperature: request.temperature.unwrap_or(otherwise.temperature),
                repeat_penalty: request.repeat_penalty.unwrap_or(otherwise.repeat_penalty),
                top_k: request.top_k.unwrap_or(otherwise.top_k),
                top_p: request.top_p.unwrap_or(otherwise.top_p),
                min_p: request.min_p.unwrap_or(otherwise.min_p),
                seed,
            },
            depth: request.depth(self.depth)?,
            overflow: Overflow::Stop,
            stop,
            ignore_eos: request.ignore_eos.unwrap_or(false),
            trace: false,
        })
    }

    /// The prompts of a completion, each with its text.
    pub fn prompts(&self, prompt: &Prompt) -> Result<Vec<(Vec<u32>, String)>, ApiError> {
        let text = |text: &String| Ok((self.encode("prompt", text)?, text.clone()));
        let ids = |ids: &Vec<u32>| {
            let text = self.tokenizer.as_ref().map(|tokenizer| tokenizer.decode(ids));
            (ids.clone(), text.unwrap_or_default())
        };
        match prompt {
            Prompt::Text(one) => Ok(vec![text(one)?]),
            Prompt::Texts(several) => several.iter().map(text).collect(),
            Prompt::Tokens(one) => Ok(vec![ids(one)]),
            Prompt::Lists(several) => Ok(several.iter().map(ids).collect()),
        }
    }

    /// The prompt of a conversation.
    pub fn conversation(&self, said: &[Said]) -> Result<Vec<u32>, ApiError> {
        if said.is_empty() {
            return Err(ApiError::bad("messages", "expected at least one message"));
        }
        let messages = said.iter().enumerate().map(|(i, said)| message(i, said));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        let text =
            self.template.prompt(&messages).map_err(|e| ApiError::bad("messages", format!("{e:#}")))?;
        self.encode("messages", &text)
    }

    fn encode(&self, param: &str, text: &str) -> Result<Vec<u32>, ApiError> {
        let bad = |why: &dyn Display| ApiError::bad(param, why.to_string());
        match &self.tokenizer {
            Some(tokenizer) => tokenizer.encode(text).map_err(|error| bad(&error)),
            None => {
                Err(bad(&"this model has no tokenizer, so there are no words: give token ids as the prompt"))
            }
        }
    }
}

fn message(i: usize, said: &Said) -> Result<Message, ApiError> {
    let bad = |field: &str, why: String| Err(ApiError::bad(format!("messages[{i}].{field}"), why));
    let role = match said.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            return bad("role", format!("expected system, developer, user or assistant, found {other:?}"));
        }
    };
    let content = match &said.content {
        None => return bad("content", "expected a text".to_owned()),
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => {
            let mut whole = String::new();
            for part in parts {
                match (part.kind.as_str(), &part.text) {
                    ("text", Some(text)) => whole.push_str(text),
                    (kind, _) => {
                        return bad(
                            "content",
                            format!("expected parts of type text with a text, found {kind:?}"),
                        );
                    }
                }
            }
            whole
        }
    };
    Ok(Message { role, content })
}
