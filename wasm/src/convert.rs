//! Values and errors, to and from JavaScript.

use fathom_engine::Error;
use fathom_engine::puzzle::PuzzleError;
use js_sys::{Object, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;

/// A plain object; `None` becomes undefined.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    value.serialize(&serializer).map_err(|e| error("internal", &e.to_string()))
}

/// What an options object says; fields that it does not have are as if undefined.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|e| error("option", &e.to_string()))
}

/// `{ code, message }`; the package makes a `FathomError` of it.
pub fn error(code: &str, message: &str) -> JsValue {
    let object = Object::new();
    for (key, value) in [("code", code), ("message", message)] {
        // A new object takes every property.
        let _ = Reflect::set(&object, &key.into(), &value.into());
    }
    object.into()
}

/// The engine's error as `{ code, message }`.
#[allow(clippy::needless_pass_by_value)] // as map_err wants it
pub fn js_error(e: Error) -> JsValue {
    error(e.code(), &e.to_string())
}

/// What is wrong with a puzzle that somebody gave.
pub fn puzzle_error(e: &PuzzleError) -> JsValue {
    error("puzzle", &e.to_string())
}
