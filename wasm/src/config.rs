//! A `config.json`, before the rest of a model is there: of a language model or of one of puzzles.

use fathom_engine::{Config, Error, HRM_TYPE, HrmConfig, Result};
use wasm_bindgen::prelude::*;

use crate::convert::{js_error, to_js};
use crate::views::{ConfigView, PuzzleConfigView};
use crate::{kv_type, weight_type};

enum AnyConfig {
    Language(Config),
    Puzzles(HrmConfig),
}

fn read(json: &str) -> Result<AnyConfig> {
    const FILE: &str = "config.json";
    match Config::from_json(json, FILE) {
        Err(Error::ModelType { found, .. }) if found == HRM_TYPE => {
            HrmConfig::from_json(json, FILE).map(AnyConfig::Puzzles)
        }
        config => config.map(AnyConfig::Language),
    }
}

/// A `config.json` as `ModelConfig` or `PuzzleConfig`, checked; its `modelType` tells which.
#[wasm_bindgen(js_name = readConfig)]
pub fn read_config(json: &str) -> Result<JsValue, JsValue> {
    match read(json).map_err(js_error)? {
        AnyConfig::Language(config) => to_js(&ConfigView::of(&config)),
        AnyConfig::Puzzles(config) => to_js(&PuzzleConfigView::of(&config)),
    }
}

/// Whether a model without a tokenizer of its own speaks GPT-2's.
#[wasm_bindgen(js_name = needsGpt2)]
pub fn needs_gpt2(json: &str) -> Result<bool, JsValue> {
    match read(json).map_err(js_error)? {
        AnyConfig::Language(config) => Ok(config.has_gpt2_vocabulary()),
        AnyConfig::Puzzles(_) => Ok(false),
    }
}

/// The largest buffer that a model needs, from its `config.json`, the size of its weights, and how they and the keys and
/// values are to be stored.
#[wasm_bindgen(js_name = largestBufferBytes)]
pub fn largest_buffer_bytes(json: &str, files_bytes: f64, weights: &str, kv: &str) -> Result<f64, JsValue> {
    let n_bytes = match read(json).map_err(js_error)? {
        AnyConfig::Language(config) => {
            let config = config.with_kv_type(kv_type(kv)?);
            let in_type = weight_type(weights)?.map(|stored| stored.bytes(config.n_parameters() as u64));
            fathom_engine::largest_buffer_bytes(&config, in_type.unwrap_or(files_bytes as u64))
        }
        AnyConfig::Puzzles(config) => fathom_engine::largest_hrm_buffer_bytes(&config),
    };
    Ok(n_bytes as f64)
}
