//! Names of errors that programs can rely on.

use super::Error;

impl Error {
    /// A short name of the variant that stays the same when sentences are reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Io { .. } => "io",
            Error::FileMissing { .. } => "file-missing",
            Error::NotUtf8 { .. } => "not-utf8",
            Error::Json { .. } => "json",
            Error::ConfigMissing { .. } => "config-missing",
            Error::ConfigType { .. } => "config-type",
            Error::ConfigValue { .. } => "config-value",
            Error::ModelType { .. } => "model-type",
            Error::ConfigTooLarge { .. } => "config-too-large",
            Error::VocabularyTooSmall { .. } => "vocabulary-too-small",
            Error::WeightsTruncated { .. } => "weights-truncated",
            Error::WeightsHeader { .. } => "weights-header",
            Error::TensorMissing { .. } => "tensor-missing",
            Error::TensorShape { .. } => "tensor-shape",
            Error::TensorType { .. } => "tensor-type",
            Error::NoTensorNamed { .. } => "no-tensor-named",
            Error::ScaleType { .. } => "scale-type",
            Error::NumberDoesNotFit { .. } => "number-does-not-fit",
            Error::TensorUnexpected { .. } => "tensor-unexpected",
            Error::TensorTwice { .. } => "tensor-twice",
            Error::TiedTensorsDiffer { .. } => "tied-tensors-differ",
            Error::ShardName { .. } => "shard-name",
            Error::ShardMissing { .. } => "shard-missing",
            Error::ShardTensorMissing { .. } => "shard-tensor-missing",
            Error::TokenizerFile { .. } => "tokenizer-file",
            Error::Gpt2NotBuiltIn => "gpt2-not-built-in",
            Error::UnknownText { .. } => "unknown-text",
            Error::EmptyPrompt => "empty-prompt",
            Error::TokenOutOfRange { .. } => "token-out-of-range",
            Error::ContextFull { .. } => "context-full",
            Error::DepthZero { .. } => "depth-zero",
            Error::DepthTooLarge { .. } => "depth-too-large",
            Error::DepthFloorAboveCap { .. } => "depth-floor-above-cap",
            Error::Sampling { .. } => "sampling",
            Error::Puzzle { .. } => "puzzle",
            Error::NoAdapter { .. } => "no-adapter",
            Error::NoGpu { .. } => "no-gpu",
            Error::GpuMemory { .. } => "gpu-memory",
            Error::Gpu(_) => "gpu",
            Error::DeviceLost(_) => "device-lost",
            Error::WrongGpu(_) => "wrong-gpu",
            Error::NotThere(_) => "not-there",
            Error::Internal(_) => "internal",
            Error::NonFiniteLogits { .. } => "non-finite-logits",
        }
    }
}
