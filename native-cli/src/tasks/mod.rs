//! Files of questions, in the forms that people have: one JSON object a line. Nothing here knows a model.

mod choice;
mod exact;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

pub use choice::{Choice, Form, Opt, Partial, read_choices};
pub use exact::{Asked, Question, normalized, read_questions};

/// The most of a line, or of a list of fields, that an error shows.
const MOST_SHOWN: usize = 80;

/// Each line that is not blank as its number, from 1 on, and its object.
fn objects(text: &str) -> impl Iterator<Item = anyhow::Result<(usize, Map<String, Value>)>> {
    let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines();
    (1..).zip(lines).filter(|(_, line)| !line.trim().is_empty()).map(|(number, line)| {
        let value: Value = serde_json::from_str(line).map_err(|error| {
            anyhow::anyhow!("line {number}: expected a JSON object: {}", without_place(&error))
        })?;
        match value {
            Value::Object(fields) => Ok((number, fields)),
            Value::Array(_) => bail!("line {number}: expected a JSON object, one a line, found an array"),
            other => bail!("line {number}: expected a JSON object, found {}", shortened(&other.to_string())),
        }
    })
}

/// What serde_json says, with the column; its line is always 1.
fn without_place(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// The text of a field.
fn text(fields: &Map<String, Value>, name: &str) -> anyhow::Result<String> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => bail!("`{name}`: expected a text, found {}", shortened(&other.to_string())),
        None => bail!("`{name}` is missing; found {}", names(fields)),
    }
}

/// The texts of a field that is a list of them.
fn texts(fields: &Map<String, Value>, name: &str) -> anyhow::Result<Vec<String>> {
    let Some(Value::Array(list)) = fields.get(name) else {
        let found = fields.get(name).map_or_else(|| names(fields), |other| shortened(&other.to_string()));
        bail!("`{name}`: expected a list of texts, found {found}");
    };
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => bail!("`{name}`: expected texts, found {}", shortened(&other.to_string())),
    };
    list.iter().map(text).collect()
}

/// A whole number, also where it is written as a text.
fn number(value: &Value, name: &str) -> anyhow::Result<usize> {
    let found = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    found.with_context(|| {
        let hint = if value.as_str() == Some("") { " (a test set without its labels?)" } else { "" };
        format!("`{name}`: expected a whole number, found {}{hint}", shortened(&value.to_string()))
    })
}

/// The names of an object's fields.
fn names(fields: &Map<String, Value>) -> String {
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    if names.is_empty() {
        "no fields".to_owned()
    } else {
        format!("the fields {}", shortened(&names.join(", ")))
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
