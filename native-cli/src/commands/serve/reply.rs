//! Answers as OpenAI's clients read them, with what Fathom adds: `fathom` in each choice, `mean_depth` in the usage.

use fathom_engine::{Done, TokenEvent};
use serde_json::{Value, json};

use crate::output::thousandths;

/// What all parts of one response have in common.
#[derive(Debug)]
pub struct Form {
    pub is_chat: bool,
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    pub model: String,
    /// Texts that open the choices, where they are to be repeated.
    pub echoes: Vec<String>,
}

/// One answer as it grows.
#[derive(Debug, Default)]
pub struct Choice {
    text: String,
    tokens: Vec<Value>,
    sum_of_depths: u64,
    finish: Option<&'static str>,
}

/// What was read and made.
#[derive(Debug, Default)]
pub struct Usage {
    n_prompt: usize,
    pub n_cached: usize,
    n_made: usize,
    sum_of_depths: u64,
}

const FINGERPRINT: &str = concat!("fathom-", env!("CARGO_PKG_VERSION"));

impl Form {
    /// The whole response.
    pub fn whole(&self, choices: Vec<Choice>, usage: &Usage) -> Value {
        let choices = choices.into_iter().enumerate().map(|(index, choice)| {
            let fathom = json!({
                "mean_depth": mean(choice.sum_of_depths, choice.tokens.len()),
                "tokens": choice.tokens,
            });
            let finish = choice.finish;
            let text = format!("{}{}", self.echo(index), choice.text);
            if self.is_chat {
                let message = json!({ "role": "assistant", "content": text, "refusal": null });
                json!({ "index": index, "message": message, "logprobs": null, "finish_reason": finish, "fathom": fathom })
            } else {
                json!({ "index": index, "text": text, "logprobs": null, "finish_reason": finish, "fathom": fathom })
            }
        });
        let choices: Vec<Value> = choices.collect();
        let object = if self.is_chat { "chat.completion" } else { "text_completion" };
        self.object(object, json!(choices), Some(usage))
    }

    /// The first part of a streamed choice, where there is something to say before its first token.
    pub fn opening(&self, index: usize) -> Option<Value> {
        let echo = self.echo(index);
        if self.is_chat {
            let delta = json!({ "role": "assistant", "content": "" });
            Some(
                self.chunk(
                    json!([{ "index": index, "delta": delta, "logprobs": null, "finish_reason": null }]),
                ),
            )
        } else {
            (!echo.is_empty()).then(|| self.part(index, echo, None, None))
        }
    }

    /// The part of a streamed choice that one token is.
    pub fn token(&self, index: usize, event: &TokenEvent) -> Value {
        let TokenEvent { token, text, depth, steps_taken, q_halt, q_continue, .. } = event;
        let fathom = json!({
            "token": token,
            "depth": depth,
            "steps_taken": steps_taken,
            "q_halt": short(*q_halt),
            "q_continue": short(*q_continue),
        });
        self.part(index, text, Some(fathom), None)
    }

    /// The last part of a streamed choice, with the text that was held back.
    pub fn closing(&self, index: usize, done: Done, rest: &str) -> Value {
        self.part(index, rest, None, Some(finish_reason(done)))
    }

    /// What a streamed response may end with.
    pub fn usage(&self, usage: &Usage) -> Value {
        self.object(self.chunk_object(), json!([]), Some(usage))
    }

    fn part(&self, index: usize, text: &str, fathom: Option<Value>, finish: Option<&str>) -> Value {
        let mut choice = json!({ "index": index, "logprobs": null, "finish_reason": finish });
        match (self.is_chat, text) {
            (true, "") => choice["delta"] = json!({}),
            (true, text) => choice["delta"] = json!({ "content": text }),
            (false, text) => choice["text"] = json!(text),
        }
        if let Some(fathom) = fathom {
            choice["fathom"] = fathom;
        }
        self.chunk(json!([choice]))
    }

    fn chunk(&self, choices: Value) -> Value {
        self.object(self.chunk_object(), choices, None)
    }

    fn chunk_object(&self) -> &'static str {
        if self.is_chat { "chat.completion.chunk" } else { "text_completion" }
    }

    fn object(&self, object: &str, choices: Value, usage: Option<&Usage>) -> Value {
        let Form { id, created, model, .. } = self;
        let mut whole = json!({
            "id": id, "object": object, "created": created, "model": model,
            "system_fingerprint": FINGERPRINT, "choices": choices,
        });
        if let Some(usage) = usage {
            whole["usage"] = usage.json();
        }
        whole
    }

    fn echo(&self, index: usize) -> &str {
        self.echoes.get(index).map_or("", String::as_str)
    }
}

impl Choice {
    /// One more token.
    pub fn push(&mut self, event: &TokenEvent) {
        let TokenEvent { token, text, depth, steps_taken, .. } = event;
        self.text.push_str(text);
        self.sum_of_depths += u64::from(*depth);
        self.tokens.push(json!({ "token": token, "text": text, "depth": depth, "steps_taken": steps_taken }));
    }

    /// It is over; the text is what was held back.
    pub fn end(&mut self, done: Done, rest: &str) {
        self.text.push_str(rest);
        self.finish = Some(finish_reason(done));
    }
}

impl Usage {
    /// So many tokens of prompts, and nothing else yet.
    pub fn of_prompts(n_prompt: usize) -> Usage {
        Usage { n_prompt, ..Usage::default() }
    }

    /// One more token was made.
    pub fn count(&mut self, event: &TokenEvent) {
        self.n_made += 1;
        self.sum_of_depths += u64::from(event.depth);
    }

    fn json(&self) -> Value {
        json!({
            "prompt_tokens": self.n_prompt,
            "completion_tokens": self.n_made,
            "total_tokens": self.n_prompt + self.n_made,
            "prompt_tokens_details": { "cached_tokens": self.n_cached },
            "mean_depth": mean(self.sum_of_depths, self.n_made),
        })
    }
}

fn mean(sum: u64, n: usize) -> f64 {
    thousandths(sum as f64 / n.max(1) as f64)
}

fn finish_reason(done: Done) -> &'static str {
    match done {
        Done::End | Done::Stop => "stop",
        Done::Length | Done::Context => "length",
    }
}

/// The shortest decimal number that is this one in 32 bits; null where it is none.
fn short(value: f32) -> Option<f64> {
    value.to_string().parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_longer_than_they_must_be() {
        assert_eq!(json!(short(0.1)).to_string(), "0.1");
        assert_eq!(short(f32::NAN), None);
        assert_eq!(short(f32::INFINITY), None);
    }
}
