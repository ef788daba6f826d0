//! Of language models.

use fathom_engine::{
    Config, DepthControl, Done, Forward, GenerateOptions, Level, MODEL_TYPE, Model, Overflow, Prefix,
    Sampling, StepTrace, TokenEvent,
};
use serde::{Deserialize, Serialize};

/// `ModelConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigView {
    model_type: &'static str,
    vocab_size: usize,
    n_embd: usize,
    block_size: usize,
    n_head: usize,
    n_kv_head: usize,
    h_cycles: usize,
    l_cycles: usize,
    max_steps: usize,
    halt_bias: f32,
    n_parameters: usize,
}

impl ConfigView {
    /// Of what the engine read.
    pub fn of(config: &Config) -> ConfigView {
        ConfigView {
            model_type: MODEL_TYPE,
            vocab_size: config.vocab_size,
            n_embd: config.n_embd,
            block_size: config.block_size,
            n_head: config.n_head,
            n_kv_head: config.n_kv_head,
            h_cycles: config.hrm_h_cycles,
            l_cycles: config.hrm_l_cycles,
            max_steps: config.hrm_max_steps,
            halt_bias: config.halt_bias,
            n_parameters: config.n_parameters(),
        }
    }
}

/// `DepthOptions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DepthOptionsView {
    max_depth: Option<u32>,
    min_depth: Option<u32>,
    depth: Option<u32>,
    halt_bias: Option<f32>,
}

impl DepthOptionsView {
    /// As the engine takes it.
    pub fn control(&self) -> DepthControl {
        let DepthOptionsView { max_depth: cap, min_depth: floor, depth: forced, halt_bias } = *self;
        DepthControl { cap, floor, forced, halt_bias }
    }
}

/// `ForwardOptions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardOptionsView {
    /// The depth controls.
    #[serde(flatten)]
    pub depth: DepthOptionsView,
    /// Logits of all positions.
    #[serde(default)]
    pub all_positions: bool,
}

/// `GenerateOptions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateOptionsView {
    #[serde(flatten)]
    depth: DepthOptionsView,
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repeat_penalty: Option<f32>,
    seed: Option<u64>,
    #[serde(default)]
    stop: Vec<String>,
    #[serde(default)]
    ignore_eos: bool,
    overflow: Option<OverflowView>,
    #[serde(default)]
    trace: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum OverflowView {
    Recompute,
    Slide,
    Stop,
}

impl GenerateOptionsView {
    /// As the engine takes it.
    pub fn options(self) -> GenerateOptions {
        /// An answer that nobody limits ends some time.
        const MAX_TOKENS: usize = 128;
        let greedy = Sampling::default();
        GenerateOptions {
            n_tokens: self.max_tokens.unwrap_or(MAX_TOKENS),
            sampling: Sampling {
                temperature: self.temperature.unwrap_or(greedy.temperature),
                repeat_penalty: self.repeat_penalty.unwrap_or(greedy.repeat_penalty),
                top_k: self.top_k.unwrap_or(greedy.top_k),
                top_p: self.top_p.unwrap_or(greedy.top_p),
                min_p: self.min_p.unwrap_or(greedy.min_p),
                seed: self.seed.unwrap_or(greedy.seed),
            },
            depth: self.depth.control(),
            overflow: match self.overflow {
                None | Some(OverflowView::Recompute) => Overflow::Recompute,
                Some(OverflowView::Slide) => Overflow::Slide,
                Some(OverflowView::Stop) => Overflow::Stop,
            },
            stop: self.stop,
            ignore_eos: self.ignore_eos,
            trace: self.trace,
        }
    }
}

/// `TokenEvent`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenView<'a> {
    place: usize,
    token: u32,
    text: String,
    depth: u32,
    steps_taken: u32,
    halted_by: String,
    q_halt: f32,
    q_continue: f32,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<StepView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<String>,
}

impl<'a> TokenView<'a> {
    /// Of a token, the text that was held back until the answer's end, and why it ended.
    pub fn of(
        model: &'a Model,
        place: usize,
        event: &'a TokenEvent,
        rest: &str,
        done: Option<Done>,
    ) -> TokenView<'a> {
        let steps = event.trace.as_ref();
        TokenView {
            place,
            token: event.token,
            text: format!("{}{rest}", event.text),
            depth: event.depth,
            steps_taken: event.steps_taken,
            halted_by: event.halted_by.to_string(),
            q_halt: event.q_halt,
            q_continue: event.q_continue,
            ms: event.ms,
            trace: steps.map(|steps| steps.iter().map(|step| StepView::of(model, step)).collect()),
            done: done.map(|done| done.to_string()),
        }
    }
}

/// `StepTrace`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView<'a> {
    step: u32,
    q_halt: f32,
    q_continue: f32,
    margin: f32,
    ms: f64,
    first_position: usize,
    cycles: Vec<CycleView<'a>>,
    z_h: &'a [Vec<f32>],
    top: Vec<TopView>,
}

#[derive(Serialize)]
struct CycleView<'a> {
    level: &'static str,
    moved: &'a [f32],
}

#[derive(Serialize)]
struct TopView {
    token: u32,
    text: String,
    probability: f32,
}

impl<'a> StepView<'a> {
    /// Of a step.
    pub fn of(model: &Model, step: &'a StepTrace) -> StepView<'a> {
        let name = |level| if level == Level::H { "H" } else { "L" };
        let cycles = step.cycles.iter().map(|c| CycleView { level: name(c.level), moved: &c.moved });
        let top = step.top.iter().map(|top| TopView {
            token: top.token,
            text: model.token_name(top.token),
            probability: top.probability,
        });
        StepView {
            step: step.step,
            q_halt: step.q_halt,
            q_continue: step.q_continue,
            margin: step.margin,
            ms: step.ms,
            first_position: step.first_position,
            cycles: cycles.collect(),
            z_h: &step.z_h,
            top: top.collect(),
        }
    }
}

/// `PrefixInfo`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrefixView {
    depth: u32,
    steps_taken: u32,
    halted_by: String,
    q_halt: f32,
    q_continue: f32,
    next: u32,
    next_text: String,
}

impl PrefixView {
    /// Of a prefix.
    pub fn of(model: &Model, prefix: &Prefix) -> PrefixView {
        let Prefix { depth, steps_taken, halted_by, q: [q_halt, q_continue], token } = *prefix;
        let (halted_by, next_text) = (halted_by.to_string(), model.token_name(token));
        PrefixView { depth, steps_taken, halted_by, q_halt, q_continue, next: token, next_text }
    }
}

/// `ForwardResult` without its logits, which go as typed arrays.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardView {
    depth: u32,
    steps_taken: u32,
    halted_by: String,
    q_halt: Vec<f32>,
    q_continue: Vec<f32>,
}

impl ForwardView {
    /// Of a forward.
    pub fn of(found: &Forward) -> ForwardView {
        ForwardView {
            depth: found.depth,
            steps_taken: found.steps_taken,
            halted_by: found.halted_by.to_string(),
            q_halt: found.q.iter().map(|q| q[0]).collect(),
            q_continue: found.q.iter().map(|q| q[1]).collect(),
        }
    }
}

/// `TokenPiece`.
#[derive(Serialize)]
pub struct PieceView {
    token: u32,
    text: String,
}

impl PieceView {
    /// Of a token.
    pub fn of(model: &Model, token: u32) -> PieceView {
        PieceView { token, text: model.token_name(token) }
    }
}
