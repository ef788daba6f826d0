//! The engine for JavaScript: classes that the npm package's worker calls (`package/src/worker.ts`). No logic of
//! its own: what comes in is turned into the engine's types, what goes out into plain objects.
#![cfg(target_arch = "wasm32")]

mod blob;
mod convert;
mod model;
mod views;

use fathom_engine::{Config, DeviceRequest, KvType, WeightType};
use wasm_bindgen::prelude::*;

use crate::convert::{js_error, to_js};
use crate::views::ConfigView;

/// A panic is a mistake of ours; its message goes where people look for one.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| web_sys::console::error_1(&panic.to_string().into())));
}

/// A `config.json` as `ModelConfig`, checked.
#[wasm_bindgen(js_name = readConfig)]
pub fn read_config(json: &str) -> Result<JsValue, JsValue> {
    to_js(&ConfigView::of(&Config::from_json(json, "config.json").map_err(js_error)?))
}

/// Whether a model without a tokenizer of its own speaks GPT-2's.
#[wasm_bindgen(js_name = needsGpt2)]
pub fn needs_gpt2(json: &str) -> Result<bool, JsValue> {
    Ok(Config::from_json(json, "config.json").map_err(js_error)?.has_gpt2_vocabulary())
}

/// The largest buffer that a model needs, from its `config.json`, the size of its weights, and how they and the keys and
/// values are to be stored.
#[wasm_bindgen(js_name = largestBufferBytes)]
pub fn largest_buffer_bytes(json: &str, files_bytes: f64, weights: &str, kv: &str) -> Result<f64, JsValue> {
    let config = Config::from_json(json, "config.json").map_err(js_error)?.with_kv_type(kv_type(kv)?);
    let in_type = weight_type(weights)?.map(|stored| stored.bytes(config.n_parameters() as u64));
    Ok(fathom_engine::largest_buffer_bytes(&config, in_type.unwrap_or(files_bytes as u64)) as f64)
}

/// `f32` or `f16`.
fn kv_type(choice: &str) -> Result<KvType, JsValue> {
    choice.parse().map_err(|why: String| convert::error("option", &format!("kv: {why}")))
}

/// A type's name, or `keep`.
fn weight_type(choice: &str) -> Result<Option<WeightType>, JsValue> {
    if choice == "keep" {
        return Ok(None);
    }
    choice
        .parse()
        .map(Some)
        .map_err(|why: String| convert::error("option", &format!("weights: {why}, or keep")))
}

/// `auto`, `webgpu` or `cpu`.
fn device_request(choice: &str) -> Result<DeviceRequest, JsValue> {
    match choice {
        "auto" => Ok(DeviceRequest::Auto),
        "webgpu" => Ok(DeviceRequest::Gpu),
        "cpu" => Ok(DeviceRequest::Cpu),
        other => {
            Err(convert::error("option", &format!("the device must be auto, webgpu or cpu, found {other}")))
        }
    }
}
