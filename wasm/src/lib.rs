//! The engine for JavaScript: classes that the npm package's worker calls (`package/src/worker.ts`). No logic of
//! its own: what comes in is turned into the engine's types, what goes out into plain objects.
#![cfg(target_arch = "wasm32")]

mod blob;
mod config;
mod convert;
mod files;
mod model;
mod puzzles;
mod sudoku;
mod views;

use fathom_engine::{DeviceRequest, KvType, WeightType};
use wasm_bindgen::prelude::*;

/// A panic is a mistake of ours; its message goes where people look for one.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| web_sys::console::error_1(&panic.to_string().into())));
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
