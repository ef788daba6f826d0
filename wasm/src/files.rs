//! A model's files on their way in.

use std::rc::Rc;

use fathom_engine::{
    KvType, ModelFiles, Progress, ShardIndex, WeightFile, WeightTypes, Weights, load_checked,
    load_checked_hrm,
};
use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::blob::BlobFile;
use crate::convert::js_error;
use crate::model::LoadedModel;
use crate::puzzles::LoadedPuzzles;
use crate::{device_request, kv_type, weight_type};

/// A model's files.
#[wasm_bindgen]
pub struct Files {
    files: ModelFiles,
    index: Option<ShardIndex>,
}

#[wasm_bindgen]
impl Files {
    /// A model's name, `config.json`, and the texts of those files that it may lack.
    #[wasm_bindgen(constructor)]
    pub fn new(
        name: String,
        config: String,
        tokenizer: Option<Vec<u8>>,
        gpt2: Option<Vec<u8>>,
        index: Option<String>,
    ) -> Result<Files, JsValue> {
        let index = index.map(|json| ShardIndex::from_json(&json, "model.safetensors.index.json"));
        let index = index.transpose().map_err(js_error)?;
        Ok(Files {
            files: ModelFiles {
                config,
                weights: vec![],
                types: WeightTypes::default(),
                kv_type: KvType::default(),
                tokenizer,
                gpt2,
                name,
            },
            index,
        })
    }

    /// Adds a file of weights.
    #[wasm_bindgen(js_name = addWeights)]
    pub async fn add_weights(&mut self, name: String, blob: Blob) -> Result<(), JsValue> {
        let blob = Rc::new(BlobFile { name: name.clone(), blob });
        self.files.weights.push(WeightFile::open(name, blob).await.map_err(js_error)?);
        Ok(())
    }

    /// Loads a language model onto `auto`, `webgpu` or `cpu`, its matrices in the type `weights` (`keep`: their own), with
    /// keys and values in the type `kv`;
    /// `on_progress` is told (bytes done, bytes all).
    pub async fn load(
        &self,
        device: &str,
        weights: &str,
        kv: &str,
        on_progress: &Function,
    ) -> Result<LoadedModel, JsValue> {
        let request = device_request(device)?;
        let files = ModelFiles { kv_type: kv_type(kv)?, ..self.checked(weights)? };
        let loaded = load_checked(&request, &files, &mut told(on_progress)).await;
        Ok(LoadedModel::of(loaded.map_err(js_error)?))
    }

    /// Loads a model of puzzles likewise.
    #[wasm_bindgen(js_name = loadPuzzles)]
    pub async fn load_puzzles(
        &self,
        device: &str,
        weights: &str,
        on_progress: &Function,
    ) -> Result<LoadedPuzzles, JsValue> {
        let request = device_request(device)?;
        let files = self.checked(weights)?;
        let loaded = load_checked_hrm(&request, &files, &mut told(on_progress)).await;
        Ok(LoadedPuzzles::of(loaded.map_err(js_error)?))
    }

    /// The files, if they hold what their index says, with their matrices to be stored in the type `weights`.
    fn checked(&self, weights: &str) -> Result<ModelFiles, JsValue> {
        let types = WeightTypes::all(weight_type(weights)?);
        if let Some(index) = &self.index {
            let found = Weights::from_files(&self.files.weights).map_err(js_error)?;
            index.check(&found).map_err(js_error)?;
        }
        Ok(ModelFiles { types, ..self.files.clone() })
    }
}

/// Tells a callback; its own error is no concern of the loading.
fn told(on_progress: &Function) -> impl FnMut(Progress) {
    |progress| {
        let _ = on_progress.call2(
            &JsValue::UNDEFINED,
            &(progress.bytes_done as f64).into(),
            &(progress.bytes_total as f64).into(),
        );
    }
}
