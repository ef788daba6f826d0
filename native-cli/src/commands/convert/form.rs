//! Which model the tensors are: its config.json, and the tensors that it must have.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fathom_engine::{Config, MODEL_TYPE, WeightType, expected_tensors};
use serde_json::{Map, Value};

use super::hrm;
use super::names::are_hrm;
use super::numbers::torch_name;
use super::source::{Input, read_text};

const CONFIG: &str = "config.json";

/// The model, as far as it can be told before a number was read.
pub struct Form {
    /// The fields of config.json.
    pub config: Map<String, Value>,
    /// Where they come from, in words.
    pub config_from: String,
    /// All tensors, by name and shape.
    pub expected: Vec<(String, Vec<usize>)>,
    /// The engine's view of it; none for an HRM.
    pub cosmicfish: Option<Config>,
    /// What was concluded, not read.
    pub note: Option<String>,
}

/// The configuration that a file holds or that lies beside it.
///
/// # Errors
/// Name the file and the field that is wrong.
pub fn resolve(input: &Input, given: Option<&Path>, seq_len: Option<u32>) -> anyhow::Result<Form> {
    if are_hrm(&input.tensors) {
        return hrm::resolve(input, given, seq_len);
    }
    if seq_len.is_some() {
        return Err(crate::failure::usage("--seq-len is for HRM checkpoints only"));
    }
    let (mut config, config_from) = match (given, &input.config) {
        (Some(file), _) => read(file)?,
        (None, Some(fields)) => (fields.clone(), "the same file".to_owned()),
        (None, None) => beside(input)?,
    };
    config.entry("model_type").or_insert_with(|| MODEL_TYPE.into());
    config.entry("architectures").or_insert_with(|| vec!["HRMCosmicFish"].into());
    let named = match given {
        None if input.config.is_some() => format!("the config in {}", input.path.display()),
        _ => config_from.clone(),
    };
    let cosmicfish = Config::from_json(&Value::Object(config.clone()).to_string(), &named)?;
    let expected = expected_tensors(&cosmicfish);
    Ok(Form { config, config_from, expected, cosmicfish: Some(cosmicfish), note: None })
}

fn beside(input: &Input) -> anyhow::Result<(Map<String, Value>, String)> {
    let file = input.folder.join(CONFIG);
    if !file.is_file() {
        bail!(
            "{}: it holds no configuration, and no {CONFIG} is beside it: give one with --config",
            input.path.display()
        );
    }
    read(&file)
}

fn read(file: &Path) -> anyhow::Result<(Map<String, Value>, String)> {
    let named = file.display().to_string();
    let fields = serde_json::from_str(&read_text(file)?)
        .with_context(|| format!("{named} is not the JSON that was expected"))?;
    Ok((fields, named))
}

impl Form {
    /// Notes the type that the weights are written in, under the names that Hugging Face gives it.
    pub fn set_type(&mut self, kind: WeightType) {
        // It has none for blocks; the other tensors are what they were.
        let Some(name) = torch_name(kind) else { return };
        self.config.insert("torch_dtype".to_owned(), name.into());
        if self.config.contains_key("dtype") {
            self.config.insert("dtype".to_owned(), name.into());
        }
    }

    /// The file config.json.
    ///
    /// # Errors
    /// None that is known.
    pub fn config_text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.config)? + "\n")
    }
}

/// A file beside the input, where there is one.
pub fn file_beside(input: &Input, name: &str) -> Option<PathBuf> {
    Some(input.folder.join(name)).filter(|path| path.is_file())
}
