//! The engine's one error type: each variant names the file, tensor, field or control that is wrong, what was
//! expected of it and what was found.

mod code;

/// What an engine function returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in the engine.
///
/// `Display` gives one whole sentence fit for a user; [`Error::code`] gives a name that programs can rely on.
/// Fields named `file`, `index` and `folder` are what the caller called the file, usually its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- files ----
    /// The operating system refused to read a file.
    #[error("cannot read {file}: {reason}")]
    Io {
        /// The file's path.
        file: String,
        /// What the operating system said. It is part of the sentence, so it is not a `source` as well.
        reason: std::io::Error,
    },
    /// A model's folder lacks a file that no model can do without.
    #[error("{folder} is not a model's folder: it holds no {expected}")]
    FileMissing {
        /// The folder that was to be read.
        folder: String,
        /// The file or files that would have done.
        expected: &'static str,
    },
    /// A text file is not UTF-8.
    #[error("{file} is not UTF-8 text: the byte at offset {offset} does not belong there")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Where the text stops being UTF-8, in bytes.
        offset: usize,
    },
    /// A file is not JSON, or not the JSON that was expected at its top level.
    #[error("{file} is not the JSON that was expected: {reason}")]
    Json {
        /// The file.
        file: String,
        /// What the parser said, with line and column.
        reason: String,
    },

    // ---- configuration ----
    /// A field that the model cannot be computed without is not in the configuration.
    #[error("{file} has no field \"{field}\"; expected {expected}")]
    ConfigMissing {
        /// The configuration file.
        file: String,
        /// The missing field.
        field: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// A field of the configuration has the wrong JSON type.
    #[error("{file}: the field \"{field}\" must be {expected}, found {found}")]
    ConfigType {
        /// The configuration file.
        file: String,
        /// The field.
        field: &'static str,
        /// The type that it should have.
        expected: &'static str,
        /// The JSON that is there, shortened.
        found: String,
    },
    /// A field of the configuration has the right type and a value that no model can have.
    #[error("{file}: the field \"{field}\" must be {expected}, found {found}")]
    ConfigValue {
        /// The configuration file.
        file: String,
        /// The field.
        field: &'static str,
        /// What would have been accepted.
        expected: String,
        /// The value that is there.
        found: String,
    },
    /// The folder holds another kind of model.
    #[error("{file} describes a model of type \"{found}\"; expected here is one of type \"{expected}\"")]
    ModelType {
        /// The configuration file.
        file: String,
        /// The type that was asked to run.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// The dimensions are each acceptable, but together they describe more weights than can be addressed.
    #[error("{file} describes a model of more parameters than this machine can address")]
    ConfigTooLarge {
        /// The configuration file.
        file: String,
    },
    /// The tokenizer knows tokens for which the model has no embedding.
    #[error("the model's vocabulary ({vocab_size}) is smaller than the tokenizer's ({n_tokenizer})")]
    VocabularyTooSmall {
        /// Rows of the model's embedding.
        vocab_size: usize,
        /// The tokenizer's highest id plus one.
        n_tokenizer: usize,
    },

    // ---- weights ----
    /// A weight file ends before its header says it does.
    #[error("{file} is truncated: expected {expected_bytes} bytes, found {found_bytes}")]
    WeightsTruncated {
        /// The weight file.
        file: String,
        /// What the file's own header promises, in bytes.
        expected_bytes: u64,
        /// The file's length in bytes.
        found_bytes: u64,
    },
    /// A weight file's header is not a safetensors header, or contradicts itself or the file.
    #[error("{file} is not a valid safetensors file: {reason}")]
    WeightsHeader {
        /// The weight file.
        file: String,
        /// What is wrong with the header.
        reason: String,
    },
    /// A tensor that the configuration calls for is in none of the weight files.
    #[error("the tensor {name} is missing; looked in {files}")]
    TensorMissing {
        /// The tensor.
        name: String,
        /// The files that were searched.
        files: String,
    },
    /// A tensor has another shape than the configuration calls for.
    #[error("{file}: the tensor {name} must have the shape {expected:?}, found {found:?}")]
    TensorShape {
        /// The weight file.
        file: String,
        /// The tensor.
        name: String,
        /// The shape that follows from the configuration, `[out, in]` for a linear layer.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor's elements are of a type that the engine does not read.
    #[error(
        "{file}: the tensor {name} must be F32, F16 or BF16, a matrix may be I8 (q8) or U8 (q4), found {found}"
    )]
    TensorType {
        /// The weight file.
        file: String,
        /// The tensor.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// The scales of a quantised tensor are of another type than f16.
    #[error("{file}: the tensor {name} must be F16, as scales are, found {found}")]
    ScaleType {
        /// The weight file.
        file: String,
        /// The scales.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// A number of a tensor has no place in the type that the tensor is to be stored in.
    #[error("{file}: the tensor {name} holds the number {number}, which does not fit {stored}")]
    NumberDoesNotFit {
        /// The weight file.
        file: String,
        /// The tensor.
        name: String,
        /// The number.
        number: f32,
        /// The type.
        stored: &'static str,
    },
    /// Tensors of that name were to be stored in another type, and there is none.
    #[error("no tensor has a name that contains {text}")]
    NoTensorNamed {
        /// The part of a name.
        text: String,
    },
    /// A tensor has no place in the model that the configuration describes.
    #[error("{file}: the tensor {name} has no place in the model that the configuration describes")]
    TensorUnexpected {
        /// The weight file.
        file: String,
        /// The tensor.
        name: String,
    },
    /// Two weight files hold a tensor of one name.
    #[error("the tensor {name} is in {first} and again in {second}")]
    TensorTwice {
        /// The tensor.
        name: String,
        /// One of the files.
        first: String,
        /// The other file.
        second: String,
    },
    /// The file holds both names of a tied tensor, and they are two different tensors.
    #[error("{first} and {second} must be one tensor (they are tied), but they differ")]
    TiedTensorsDiffer {
        /// One name.
        first: &'static str,
        /// The other name.
        second: &'static str,
    },
    /// A shard index names a file outside of the model's folder.
    #[error("{index} names the weight file {shard:?}; expected a plain file name in the same folder")]
    ShardName {
        /// The index file.
        index: String,
        /// The name in it.
        shard: String,
    },
    /// A shard index names a file that is not there.
    #[error("{index} names the weight file {shard}, which is not there")]
    ShardMissing {
        /// The index file.
        index: String,
        /// The missing file.
        shard: String,
    },
    /// A shard index says that a tensor is in a file which does not hold it.
    #[error("{index} says that the tensor {name} is in {shard}, which does not hold it")]
    ShardTensorMissing {
        /// The index file.
        index: String,
        /// The tensor.
        name: String,
        /// The file that should hold it.
        shard: String,
    },

    // ---- text ----
    /// A tokenizer file cannot be used.
    #[error("{file} is not a tokenizer that can be used: {reason}")]
    TokenizerFile {
        /// The tokenizer file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// GPT-2's vocabulary was left out of this build.
    #[error("this build holds no GPT-2 vocabulary (cargo feature \"gpt2\"); give a tokenizer.json")]
    Gpt2NotBuiltIn,
    /// The text holds something for which the tokenizer has no token.
    #[error("the tokenizer has no token for {text:?}, {offset} bytes into the text")]
    UnknownText {
        /// The character, or the word where the tokenizer works on words.
        text: String,
        /// Where it begins, in bytes from the start of the text.
        offset: usize,
    },
    /// There is nothing to start from.
    #[error("the prompt is empty; expected at least one token")]
    EmptyPrompt,
    /// A token that the model has no embedding for.
    #[error("the token {token} is not in the vocabulary; expected a number below {vocab_size}")]
    TokenOutOfRange {
        /// The token.
        token: u32,
        /// Rows of the model's embedding.
        vocab_size: usize,
    },
    /// The context does not fit into the model's window, and dropping tokens was not allowed.
    #[error("the context is full: {n_tokens} tokens, where the model reads at most {block_size}")]
    ContextFull {
        /// Tokens in the context.
        n_tokens: usize,
        /// The model's window in tokens.
        block_size: usize,
    },

    // ---- controls ----
    /// A depth control asks for no step at all.
    #[error("the {what} must be at least 1 step, found 0")]
    DepthZero {
        /// Which control.
        what: &'static str,
    },
    /// A depth control asks for more steps than can be computed.
    #[error("the {what} must be at most {most} steps, found {found}")]
    DepthTooLarge {
        /// Which control.
        what: &'static str,
        /// The depth that was asked for.
        found: u32,
        /// The largest depth that is possible.
        most: u32,
    },
    /// The least depth is above the greatest.
    #[error("the depth floor ({floor}) must not be above the depth cap ({cap})")]
    DepthFloorAboveCap {
        /// The least depth that was asked for.
        floor: u32,
        /// The greatest depth that was asked for.
        cap: u32,
    },
    /// A sampling control is out of its range.
    #[error("{what} must be {expected}, found {found}")]
    Sampling {
        /// Which control.
        what: &'static str,
        /// The range that is accepted.
        expected: &'static str,
        /// The value that was asked for.
        found: f32,
    },
    /// A puzzle, or how it is to be solved, is not what the model or the solver can take.
    #[error("{what} must be {expected}, found {found}")]
    Puzzle {
        /// What of it.
        what: &'static str,
        /// What is accepted.
        expected: String,
        /// What was asked for.
        found: String,
    },
    // ---- device ----
    /// No adapter answers to what was asked for.
    #[error("no device matches \"{asked}\"; {}", found_devices(.found))]
    NoAdapter {
        /// What was asked for.
        asked: String,
        /// The devices that are there.
        found: Vec<String>,
    },
    /// There is no GPU, at most software that plays one.
    #[error("no GPU was found{}", only_software(.software))]
    NoGpu {
        /// The name of such software.
        software: Option<String>,
    },
    /// The device has not enough memory, or does not allow a buffer of that size.
    #[error(
        "the device has no room for {what}: {needed_bytes} bytes are needed{}{}",
        beside(.held_bytes), limit(.limit_bytes)
    )]
    GpuMemory {
        /// What was to be stored.
        what: String,
        /// Its size in bytes.
        needed_bytes: u64,
        /// What the device holds already, in bytes.
        held_bytes: u64,
        /// The limit that it runs into, in bytes, where the device tells.
        limit_bytes: Option<u64>,
    },
    /// The graphics driver reported an error.
    #[error("the graphics driver reported an error: {0}")]
    Gpu(String),
    /// The driver took the device away: it crashed, was reset or unplugged. Another has to be opened.
    #[error("the GPU was lost{}", because(.0))]
    DeviceLost(
        /// What the driver said; may be empty.
        String,
    ),
    /// The GPU does not compute what the processor computes.
    #[error("the GPU computes wrong numbers: {0}")]
    WrongGpu(
        /// What differs.
        String,
    ),
    /// A caller asks for something that was not computed, or does not exist.
    #[error("there is no such thing to read: {0}")]
    NotThere(String),
    /// A kernel was called with arguments that do not fit it.
    #[error("a mistake in the engine, please report it: {0}")]
    Internal(String),
    /// The model gave a logit that is infinite or not a number.
    #[error("the logits at position {position} are not finite; the weights or the device are faulty")]
    NonFiniteLogits {
        /// The position, from 0 at the left edge of the window.
        position: usize,
    },
}

fn found_devices(found: &[String]) -> String {
    if found.is_empty() { "found none".to_owned() } else { format!("found {}", found.join(", ")) }
}

fn because(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn only_software(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(", only software ({name})")).unwrap_or_default()
}

fn beside(held_bytes: &u64) -> String {
    if *held_bytes == 0 { String::new() } else { format!(" beside the {held_bytes} that it holds") }
}

fn limit(bytes: &Option<u64>) -> String {
    bytes.map(|bytes| format!(", at most {bytes} are allowed")).unwrap_or_default()
}
