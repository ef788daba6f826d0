//! What JavaScript sees of the engine's types: the same, in its spelling (`package/src/types.ts` and
//! `package/src/puzzle-types.ts` have the documentation).

mod language;
mod puzzle;

pub use language::{
    ConfigView, DepthOptionsView, ForwardOptionsView, ForwardView, GenerateOptionsView, PieceView,
    PrefixView, StepView, TokenView,
};
pub use puzzle::{
    FaultView, GenerateSudokuView, JudgementView, MadeView, PuzzleConfigView, SegmentView, SolveOptionsView,
    SudokuCheckView,
};

use fathom_engine::Device;
use serde::Serialize;

/// `DeviceInfo`.
#[derive(Serialize)]
pub struct DeviceView {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The code of what stood against a GPU.
    #[serde(rename = "whyCode", skip_serializing_if = "Option::is_none")]
    why_code: Option<&'static str>,
}

impl DeviceView {
    /// Of the device.
    pub fn of(device: &Device) -> DeviceView {
        let kind = if device.is_cpu() { "cpu" } else { "webgpu" };
        DeviceView {
            kind,
            name: device.name(),
            why: device.why(),
            why_code: device.fallback().map(fathom_engine::Error::code),
        }
    }
}
