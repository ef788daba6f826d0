//! The fields of a `config.json`, read by name.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

// Ceilings far above any model that exists. They keep a hostile file from asking for endless lists and keep
// every product of dimensions within 64 bits; a model's whole size is checked separately.
/// As many outputs as the workgroups of one call can make.
pub const MOST_VOCAB: usize = 8 * 65535;
pub const MOST_EMBD: usize = 1 << 16;
/// What the attention kernel keeps of a query in workgroup memory.
pub const MOST_HEAD_DIM: usize = 256;
pub const MOST_POSITIONS: usize = 1 << 20;
pub const MOST_LAYERS: usize = 1 << 10;
pub const MOST_CYCLES: usize = 1 << 10;
pub const MOST_STEPS: usize = 1 << 16;

/// The fields of one file, read by name so that an error can say which field of which file is wrong.
pub struct Fields<'a> {
    pub file: &'a str,
    fields: Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Reads the JSON. `file` is what errors call it.
    pub fn parse(json: &str, file: &'a str) -> Result<Fields<'a>> {
        let fields = serde_json::from_str(json)
            .map_err(|e| Error::Json { file: file.to_owned(), reason: e.to_string() })?;
        Ok(Fields { file, fields })
    }

    pub fn check_model_type(&self, expected: &'static str) -> Result<()> {
        match self.required("model_type", "the type of a model, a string")? {
            Value::String(found) if found == expected => Ok(()),
            Value::String(found) => {
                let (file, found) = (self.file.to_owned(), shortened(found));
                Err(Error::ModelType { file, expected, found })
            }
            other => Err(self.mistyped("model_type", "a string", other)),
        }
    }

    /// A count or width, from 1 to `most`.
    pub fn size(&self, field: &'static str, most: usize) -> Result<usize> {
        const EXPECTED: &str = "a positive integer";
        let value = self.required(field, EXPECTED)?;
        let Value::Number(number) = value else {
            return Err(self.mistyped(field, EXPECTED, value));
        };
        if number.is_f64() {
            return Err(self.mistyped(field, EXPECTED, value));
        }
        match number.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) if (1..=most).contains(&n) => Ok(n),
            _ => Err(Error::ConfigValue {
                file: self.file.to_owned(),
                field,
                expected: format!("an integer from 1 to {most}"),
                found: number.to_string(),
            }),
        }
    }

    /// The same where 0, like a missing field, means that there is none.
    pub fn size_or_none(&self, field: &'static str, most: usize) -> Result<usize> {
        match self.optional(field) {
            None => Ok(0),
            Some(value) if value.as_u64() == Some(0) => Ok(0),
            Some(_) => self.size(field, most),
        }
    }

    pub fn boolean(&self, field: &'static str) -> Result<bool> {
        const EXPECTED: &str = "true or false";
        let value = self.required(field, EXPECTED)?;
        value.as_bool().ok_or_else(|| self.mistyped(field, EXPECTED, value))
    }

    /// A finite number that fits an f32, or None where the field is missing.
    pub fn number(&self, field: &'static str) -> Result<Option<f32>> {
        let Some(value) = self.optional(field) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| self.mistyped(field, "a number", value))?;
        let narrowed = number as f32;
        if !narrowed.is_finite() {
            return Err(Error::ConfigValue {
                file: self.file.to_owned(),
                field,
                expected: "within the range of a 32-bit float".to_owned(),
                found: number.to_string(),
            });
        }
        Ok(Some(narrowed))
    }

    pub fn token(&self, field: &'static str) -> Result<Option<u32>> {
        let Some(value) = self.optional(field) else { return Ok(None) };
        match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(token) => Ok(Some(token)),
            None => Err(self.mistyped(field, "a token's number", value)),
        }
    }

    pub fn required(&self, field: &'static str, expected: &'static str) -> Result<&Value> {
        self.fields.get(field).ok_or_else(|| Error::ConfigMissing {
            file: self.file.to_owned(),
            field,
            expected,
        })
    }

    /// A null is how Python's writers spell a missing field.
    pub fn optional(&self, field: &'static str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    pub fn mistyped(&self, field: &'static str, expected: &'static str, found: &Value) -> Error {
        Error::ConfigType {
            file: self.file.to_owned(),
            field,
            expected,
            found: shortened(&found.to_string()),
        }
    }
}

/// The beginning of a text that may be of any length, for an error message.
fn shortened(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
