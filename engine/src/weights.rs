//! Safetensors bytes to named, shape-checked tensors.
//!
//! A safetensors file is `[n: u64 little-endian][n bytes of JSON][data]`; the JSON gives each tensor's type,
//! shape and byte range within the data. Parsing and checking the JSON is the safetensors crate's; the lengths
//! around it are checked here, because the crate adds numbers out of a hostile header without a check.
//!
//! Tensor names and shapes: MistyozAI/CosmicFish-HRM `model.py` and `convert.py`. A linear layer's weight is
//! `[out, in]`.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::Bytes;

/// The two names of the tied embedding and output head.
const TIED: [&str; 2] = ["wte.weight", "lm_head.weight"];

/// The longest header that is read, in bytes; the reference implementation's own limit.
const MOST_HEADER_BYTES: u64 = 100_000_000;

/// The number of bytes that say how long the header is.
const LENGTH_BYTES: u64 = 8;

/// Bytes that lie elsewhere and come in pieces: a file of a browser's, which is never in memory as a whole.
pub trait ReadAt: std::fmt::Debug {
    /// How many there are.
    fn n_bytes(&self) -> u64;

    /// Those of a range, which lies within them.
    ///
    /// # Errors
    /// [`Error::Io`] and whatever else the place has to say.
    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = Result<Bytes>> + '_>>;
}

/// One safetensors file.
#[derive(Debug, Clone)]
pub struct WeightFile {
    /// What errors call it.
    name: String,
    /// The beginning, at least to the end of the header.
    head: Bytes,
    n_bytes: u64,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    Elsewhere(Rc<dyn ReadAt>),
}

impl WeightFile {
    /// A file that is in memory. `name` is what errors call it.
    pub fn in_memory(name: impl Into<String>, bytes: impl Into<Bytes>) -> WeightFile {
        let bytes = bytes.into();
        let (head, n_bytes) = (bytes.clone(), bytes.len() as u64);
        WeightFile { name: name.into(), head, n_bytes, source: Source::Memory(bytes) }
    }

    /// The size of the whole file.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// A range of its bytes.
    ///
    /// # Errors
    /// Those of [`ReadAt::read`]; [`Error::Internal`] where the range does not lie within the file.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.source.read(range).await
    }

    /// A file that lies elsewhere; only its header is read now.
    ///
    /// # Errors
    /// Those of [`ReadAt::read`].
    pub async fn open(name: impl Into<String>, file: Rc<dyn ReadAt>) -> Result<WeightFile> {
        let n_bytes = file.n_bytes();
        let mut head = file.read(0..LENGTH_BYTES.min(n_bytes)).await?;
        // What the length promises is checked when the header is parsed.
        if let Some(header_bytes) = header_bytes(&head).filter(|&n| n <= MOST_HEADER_BYTES) {
            head = file.read(0..(LENGTH_BYTES + header_bytes).min(n_bytes)).await?;
        }
        Ok(WeightFile { name: name.into(), head, n_bytes, source: Source::Elsewhere(file) })
    }
}

impl Source {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let outside = || Error::Internal(format!("the bytes {range:?} lie outside of a file of weights"));
        match self {
            Source::Memory(bytes) => {
                bytes.slice(range.start as usize..range.end as usize).ok_or_else(outside)
            }
            Source::Elsewhere(file) if range.end > file.n_bytes() => Err(outside()),
            Source::Elsewhere(file) => file.read(range).await,
        }
    }
}

/// How a tensor's numbers are stored; all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightType {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
}

impl WeightType {
    /// Bytes per number.
    pub fn size_bytes(self) -> usize {
        match self {
            WeightType::F32 => 4,
            WeightType::F16 | WeightType::Bf16 => 2,
        }
    }
}

/// One tensor, as the file has it.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// The checkpoint's name for it.
    pub name: String,
    /// Its dimensions; row-major, the last one is contiguous.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub dtype: WeightType,
    source: Source,
    /// Where in its file.
    range: Range<u64>,
}

impl Tensor {
    /// The size of its numbers as they are stored: the product of the shape times the type's size.
    pub fn n_bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// A range of its bytes. Not aligned.
    ///
    /// # Errors
    /// Those of [`ReadAt::read`].
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.source.read(self.range.start + range.start..self.range.start + range.end).await
    }
}

impl WeightType {
    /// Numbers as f32, which every stored type converts to exactly.
    pub fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        let pairs = || bytes.as_chunks::<2>().0.iter().copied();
        match self {
            WeightType::F32 => bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect(),
            WeightType::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            WeightType::Bf16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        }
    }
}

/// All tensors of one model, out of one or several files.
#[derive(Debug, Clone)]
pub struct Weights {
    files: Vec<String>,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Which of `Weights::files` it is in.
    file: usize,
    shape: Vec<usize>,
    dtype: Dtype,
    source: Source,
    range: Range<u64>,
}

impl Weights {
    /// Reads the headers of one or several files; the numbers stay where they are.
    ///
    /// # Errors
    /// [`Error::WeightsTruncated`], [`Error::WeightsHeader`]; [`Error::TensorTwice`] where two files hold a
    /// tensor of one name.
    pub fn from_files(files: &[WeightFile]) -> Result<Weights> {
        let mut weights = Weights { files: Vec::with_capacity(files.len()), tensors: BTreeMap::new() };
        for file in files {
            let (header, data_start) = parse(file)?;
            for (name, info) in header.tensors() {
                // parse() has checked that the last tensor ends where the data ends.
                let (start, end) = info.data_offsets;
                let entry = Entry {
                    file: weights.files.len(),
                    shape: info.shape.clone(),
                    dtype: info.dtype,
                    source: file.source.clone(),
                    range: data_start + start as u64..data_start + end as u64,
                };
                if let Some(earlier) = weights.tensors.insert(name.clone(), entry) {
                    let (first, second) = (weights.files[earlier.file].clone(), file.name.clone());
                    return Err(Error::TensorTwice { name, first, second });
                }
            }
            weights.files.push(file.name.clone());
        }
        Ok(weights)
    }

    /// The tensor of that name, which must have that shape.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorType`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let entry = self.tensors.get(name).ok_or_else(|| Error::TensorMissing {
            name: name.to_owned(),
            files: if self.files.is_empty() { "no file".to_owned() } else { self.files.join(", ") },
        })?;
        let file = || self.files[entry.file].clone();
        if entry.shape != shape {
            return Err(Error::TensorShape {
                file: file(),
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: entry.shape.clone(),
            });
        }
        let dtype = weight_type(entry.dtype).ok_or_else(|| Error::TensorType {
            file: file(),
            name: name.to_owned(),
            found: format!("{:?}", entry.dtype),
        })?;
        let (source, range) = (entry.source.clone(), entry.range.clone());
        Ok(Tensor { name: name.to_owned(), shape: entry.shape.clone(), dtype, source, range })
    }

    /// The embedding `[V, C]`, which is the output head too. A file may call it `wte.weight` or
    /// `lm_head.weight`, or hold it under both names; then the two must be equal to the byte.
    ///
    /// # Errors
    /// [`Error::TiedTensorsDiffer`] and those of [`Weights::tensor`].
    pub async fn resolve_tied(&self, config: &Config) -> Result<Tensor> {
        let [wte, lm_head] = TIED;
        let shape = [config.vocab_size, config.n_embd];
        match (self.tensors.contains_key(wte), self.tensors.contains_key(lm_head)) {
            (false, true) => self.tensor(lm_head, &shape),
            (true, true) => {
                let (first, second) = (self.tensor(wte, &shape)?, self.tensor(lm_head, &shape)?);
                let mut are_equal = first.dtype == second.dtype;
                for piece in pieces(first.n_bytes()) {
                    are_equal = are_equal && *first.read(piece.clone()).await? == *second.read(piece).await?;
                }
                if !are_equal {
                    return Err(Error::TiedTensorsDiffer { first: wte, second: lm_head });
                }
                Ok(first)
            }
            _ => self.tensor(wte, &shape),
        }
    }

    /// Checks the whole file against a configuration: every tensor of [`expected_tensors`] is there with its
    /// shape and a type that can be read, and there is no other. (A tensor too many means that the
    /// configuration belongs to another model; leaving it out would give plausible, wrong numbers.)
    ///
    /// # Errors
    /// Those of [`Weights::resolve_tied`], and [`Error::TensorUnexpected`].
    pub async fn check(&self, config: &Config) -> Result<()> {
        let expected: BTreeMap<String, Vec<usize>> = expected_tensors(config).into_iter().collect();
        for (name, shape) in &expected {
            if TIED.contains(&name.as_str()) {
                self.resolve_tied(config).await?;
            } else {
                self.tensor(name, shape)?;
            }
        }
        for (name, entry) in &self.tensors {
            if !expected.contains_key(name) && !TIED.contains(&name.as_str()) {
                let file = self.files[entry.file].clone();
                return Err(Error::TensorUnexpected { file, name: name.clone() });
            }
        }
        Ok(())
    }

    /// The type that the matrices share, or F32 where they differ. (Norms and biases may be stored wider.)
    pub fn weight_type(&self) -> WeightType {
        let mut matrices = self.tensors.values().filter(|entry| entry.shape.len() >= 2);
        let Some(first) = matrices.next().map(|entry| entry.dtype) else { return WeightType::F32 };
        if matrices.all(|entry| entry.dtype == first) {
            weight_type(first).unwrap_or(WeightType::F32)
        } else {
            WeightType::F32
        }
    }

    /// The file that holds a tensor, by the name that it was given.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|entry| self.files[entry.file].as_str())
    }
}

/// Every tensor of a configuration, by name, with its shape. The tied embedding is listed once, as
/// `wte.weight`, and so the sizes add up to the number of parameters.
pub fn expected_tensors(config: &Config) -> Vec<(String, Vec<usize>)> {
    let c = config.n_embd;
    let mut tensors = vec![("wte.weight".to_owned(), vec![config.vocab_size, c])];
    if !config.use_rotary {
        tensors.push(("wpe.weight".to_owned(), vec![config.block_size, c]));
    }
    for (stack, n_blocks) in [
        ("input_blocks", config.n_input_layers),
        ("hrm_core.H_level.layers", config.hrm_h_layers),
        ("hrm_core.L_level.layers", config.hrm_l_layers),
        ("output_blocks", config.n_output_layers),
    ] {
        for i in 0..n_blocks {
            push_block(&mut tensors, &format!("{stack}.{i}"), config);
        }
    }
    for (name, shape) in [
        ("hrm_core.H_init", vec![c]),
        ("hrm_core.L_init", vec![c]),
        ("hrm_core.q_head.weight", vec![2, c]),
        ("hrm_core.q_head.bias", vec![2]),
        ("ln_f.weight", vec![c]),
    ] {
        tensors.push((name.to_owned(), shape));
    }
    tensors
}

fn push_block(tensors: &mut Vec<(String, Vec<usize>)>, block: &str, config: &Config) {
    let (c, kv, hidden) = (config.n_embd, config.kv_dim(), 4 * config.n_embd);
    for norm in ["ln_1", "ln_2"] {
        tensors.push((format!("{block}.{norm}.weight"), vec![c]));
    }
    let attention =
        [("attn.q_proj", c, c), ("attn.k_proj", kv, c), ("attn.v_proj", kv, c), ("attn.c_proj", c, c)];
    let mlp: &[(&str, usize, usize)] = if config.use_swiglu {
        &[("mlp.gate", hidden, c), ("mlp.up", hidden, c), ("mlp.down", c, hidden)]
    } else {
        &[("mlp.c_fc", hidden, c), ("mlp.c_proj", c, hidden)]
    };
    for &(linear, n_out, n_in) in attention.iter().chain(mlp) {
        tensors.push((format!("{block}.{linear}.weight"), vec![n_out, n_in]));
        if config.bias {
            tensors.push((format!("{block}.{linear}.bias"), vec![n_out]));
        }
    }
}

/// The ranges in which so many bytes are read, each but the last as long as the others.
pub(crate) fn pieces(n_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    /// Whole numbers of every type. It bounds what is in memory at a time.
    const PIECE_BYTES: u64 = 8 << 20;
    (0..n_bytes.div_ceil(PIECE_BYTES)).map(move |i| i * PIECE_BYTES..((i + 1) * PIECE_BYTES).min(n_bytes))
}

/// The length that a file gives for its header.
fn header_bytes(head: &[u8]) -> Option<u64> {
    head.first_chunk().map(|b| u64::from_le_bytes(*b))
}

/// A file's header, and where its data begins; the one describes the other.
fn parse(file: &WeightFile) -> Result<(Metadata, u64)> {
    let invalid = |reason: String| Error::WeightsHeader { file: file.name.clone(), reason };
    let found_bytes = file.n_bytes;
    let truncated =
        |expected_bytes| Error::WeightsTruncated { file: file.name.clone(), expected_bytes, found_bytes };

    let header_bytes = header_bytes(&file.head).ok_or(truncated(LENGTH_BYTES))?;
    if header_bytes > MOST_HEADER_BYTES {
        return Err(invalid(format!("its header claims {header_bytes} bytes, above {MOST_HEADER_BYTES}")));
    }
    let data_start = LENGTH_BYTES + header_bytes;
    let header = file.head.get(LENGTH_BYTES as usize..data_start as usize).ok_or(truncated(data_start))?;
    // Reading Metadata also checks that the tensors follow each other without overlap or gap, and that each
    // one's length is that of its shape and type.
    let header: Metadata = serde_json::from_slice(header).map_err(|e| invalid(e.to_string()))?;
    let (promised, found) = (header.data_len() as u64, found_bytes - data_start);
    if promised > found {
        return Err(truncated(data_start.saturating_add(promised)));
    }
    if promised < found {
        return Err(invalid(format!("{} bytes after the last tensor belong to none", found - promised)));
    }
    Ok((header, data_start))
}

fn weight_type(dtype: Dtype) -> Option<WeightType> {
    match dtype {
        Dtype::F32 => Some(WeightType::F32),
        Dtype::F16 => Some(WeightType::F16),
        Dtype::BF16 => Some(WeightType::Bf16),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "weights_tests.rs"]
pub(crate) mod tests;
