//! A loaded model, its answers and the prefixes of what somebody types.

use std::sync::Arc;

use fathom_engine::{Error, Generator, Model, Positions, Prefixes, Tokenizer, forward};
use js_sys::{Array, Float32Array, Function, Reflect};
use wasm_bindgen::prelude::*;

use crate::convert::{error, from_js, js_error, to_js};
use crate::views::{
    ConfigView, DepthOptionsView, DeviceView, ForwardOptionsView, ForwardView, GenerateOptionsView,
    PieceView, PrefixView, StepView, TokenView,
};

/// A model on a device.
#[wasm_bindgen]
pub struct LoadedModel {
    model: Arc<Model>,
}

impl LoadedModel {
    /// What the engine loaded.
    pub(crate) fn of(model: Arc<Model>) -> LoadedModel {
        LoadedModel { model }
    }
}

#[wasm_bindgen]
impl LoadedModel {
    /// `ModelConfig`.
    pub fn config(&self) -> Result<JsValue, JsValue> {
        to_js(&ConfigView::of(self.model.config()))
    }

    /// `DeviceInfo`.
    pub fn device(&self) -> Result<JsValue, JsValue> {
        to_js(&DeviceView::of(self.model.device()))
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, JsValue> {
        self.tokenizer()?.encode(text).map_err(js_error)
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, JsValue> {
        Ok(self.tokenizer()?.decode(tokens))
    }

    /// Each token as people read it, `TokenPiece[]`.
    pub fn pieces(&self, tokens: &[u32]) -> Result<JsValue, JsValue> {
        to_js(&tokens.iter().map(|&token| PieceView::of(&self.model, token)).collect::<Vec<_>>())
    }

    /// `ForwardResult`.
    pub async fn forward(&self, prompt: Vec<u32>, options: JsValue) -> Result<JsValue, JsValue> {
        let options: ForwardOptionsView = from_js(options)?;
        let positions = if options.all_positions { Positions::All } else { Positions::Last };
        if prompt.is_empty() {
            return Err(js_error(Error::EmptyPrompt));
        }
        let found = forward(&self.model, &prompt, &options.depth.control(), positions).await;
        let found = found.map_err(js_error)?;
        let result = to_js(&ForwardView::of(&found))?;
        let logits: Array = found.logits.iter().map(|row| Float32Array::from(row.as_slice())).collect();
        Reflect::set(&result, &"logits".into(), &logits)?;
        Ok(result)
    }

    /// Starts an answer; nothing is computed yet.
    pub fn generate(&self, prompt: &[u32], options: JsValue) -> Result<Answer, JsValue> {
        let options: GenerateOptionsView = from_js(options)?;
        let generator = Generator::new(&self.model, prompt, options.options()).map_err(js_error)?;
        Ok(Answer { model: Arc::clone(&self.model), generator, n_made: 0 })
    }

    /// For the prefixes of what somebody types.
    pub fn typed(&self) -> Result<Typed, JsValue> {
        let prefixes = Prefixes::new(&self.model).map_err(js_error)?;
        Ok(Typed { model: Arc::clone(&self.model), prefixes })
    }

    fn tokenizer(&self) -> Result<&Tokenizer, JsValue> {
        self.model.tokenizer().ok_or_else(|| {
            error(
                "no-tokenizer",
                "the model has no tokenizer.json and its vocabulary is not GPT-2's: give token ids",
            )
        })
    }
}

/// One answer in the making.
#[wasm_bindgen]
pub struct Answer {
    model: Arc<Model>,
    generator: Generator,
    n_made: usize,
}

#[wasm_bindgen]
impl Answer {
    /// The next `TokenEvent`, or undefined at the end; `on_step` is told of each `StepTrace` where steps are
    /// traced.
    pub async fn next(&mut self, on_step: &Function) -> Result<JsValue, JsValue> {
        let model = Arc::clone(&self.model);
        let mut tell = |step: &fathom_engine::StepTrace| {
            if let Ok(step) = to_js(&StepView::of(&model, step)) {
                let _ = on_step.call1(&JsValue::UNDEFINED, &step);
            }
        };
        let Some(event) = self.generator.next(Some(&mut tell)).await.map_err(js_error)? else {
            return Ok(JsValue::UNDEFINED);
        };
        let (place, done) = (self.n_made, self.generator.done());
        self.n_made += 1;
        let rest = done.map(|_| self.generator.rest()).unwrap_or_default();
        to_js(&TokenView::of(&model, place, &event, &rest, done))
    }

    /// One sentence, once, when the window has become full.
    pub fn overflowed(&mut self) -> Option<String> {
        self.generator.overflowed().map(str::to_owned)
    }

    /// Goes on with another copy of the model, when the device of this one was lost.
    #[wasm_bindgen(js_name = moveTo)]
    pub fn move_to(&mut self, copy: &LoadedModel) -> Result<(), JsValue> {
        self.generator.move_to(&copy.model).map_err(js_error)?;
        self.model = Arc::clone(&copy.model);
        Ok(())
    }
}

/// A text that somebody is typing.
#[wasm_bindgen]
pub struct Typed {
    model: Arc<Model>,
    prefixes: Prefixes,
}

#[wasm_bindgen]
impl Typed {
    /// `PrefixInfo[]` of the text as it is now.
    pub async fn read(&mut self, tokens: Vec<u32>, options: JsValue) -> Result<JsValue, JsValue> {
        let depth = from_js::<DepthOptionsView>(options)?.control();
        let found = self.prefixes.read(&tokens, &depth).await.map_err(js_error)?;
        to_js(&found.iter().map(|prefix| PrefixView::of(&self.model, prefix)).collect::<Vec<_>>())
    }
}
