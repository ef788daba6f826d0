//! Safetensors bytes to named, shape-checked tensors.
//!
//! A safetensors file is `[n: u64 little-endian][n bytes of JSON][data]`; the JSON gives each tensor's type,
//! shape and byte range within the data. Parsing and checking the JSON is the safetensors crate's; the lengths
//! around it are checked here, because the crate adds numbers out of a hostile header without a check.
//!
//! Tensor names and shapes: MistyozAI/CosmicFish-HRM `model.py` and `convert.py`. A linear layer's weight is
//! `[out, in]`.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::Bytes;

/// The two names of the tied embedding and output head.
const TIED: [&str; 2] = ["wte.weight", "lm_head.weight"];

/// The longest header that is read, in bytes; the reference implementation's own limit.
const MOST_HEADER_BYTES: u64 = 100_000_000;

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
    bytes: Bytes,
}

impl Tensor {
    /// The numbers as they are stored: the product of the shape times the type's size. Not aligned.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The numbers as f32, which every stored type converts to exactly.
    pub fn to_f32(&self) -> Vec<f32> {
        let pairs = || self.bytes.as_chunks::<2>().0.iter().copied();
        match self.dtype {
            WeightType::F32 => {
                self.bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect()
            }
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
    bytes: Bytes,
}

impl Weights {
    /// Reads the headers of one or several safetensors files; the numbers stay where they are. The names are
    /// what errors call the files.
    ///
    /// # Errors
    /// [`Error::WeightsTruncated`], [`Error::WeightsHeader`]; [`Error::TensorTwice`] where two files hold a
    /// tensor of one name.
    pub fn from_files(files: Vec<(String, Bytes)>) -> Result<Weights> {
        let mut weights = Weights { files: Vec::with_capacity(files.len()), tensors: BTreeMap::new() };
        for (file, bytes) in files {
            let (header, data) = parse(&file, &bytes)?;
            for (name, info) in header.tensors() {
                let (start, end) = info.data_offsets;
                // parse() has checked that the last tensor ends where the data ends.
                let bytes = data.slice(start..end).ok_or_else(|| Error::WeightsHeader {
                    file: file.clone(),
                    reason: format!("the tensor {name} lies outside of the file"),
                })?;
                let entry =
                    Entry { file: weights.files.len(), shape: info.shape.clone(), dtype: info.dtype, bytes };
                if let Some(earlier) = weights.tensors.insert(name.clone(), entry) {
                    let first = weights.files[earlier.file].clone();
                    return Err(Error::TensorTwice { name, first, second: file });
                }
            }
            weights.files.push(file);
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
        Ok(Tensor { name: name.to_owned(), shape: entry.shape.clone(), dtype, bytes: entry.bytes.clone() })
    }

    /// The embedding `[V, C]`, which is the output head too. A file may call it `wte.weight` or
    /// `lm_head.weight`, or hold it under both names; then the two must be equal to the byte.
    ///
    /// # Errors
    /// [`Error::TiedTensorsDiffer`] and those of [`Weights::tensor`].
    pub fn resolve_tied(&self, config: &Config) -> Result<Tensor> {
        let [wte, lm_head] = TIED;
        let shape = [config.vocab_size, config.n_embd];
        match (self.tensors.contains_key(wte), self.tensors.contains_key(lm_head)) {
            (false, true) => self.tensor(lm_head, &shape),
            (true, true) => {
                let (first, second) = (self.tensor(wte, &shape)?, self.tensor(lm_head, &shape)?);
                if first.dtype != second.dtype || first.bytes() != second.bytes() {
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
    pub fn check(&self, config: &Config) -> Result<()> {
        let expected: BTreeMap<String, Vec<usize>> = expected_tensors(config).into_iter().collect();
        for (name, shape) in &expected {
            if TIED.contains(&name.as_str()) {
                self.resolve_tied(config)?;
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

/// Splits a file into its header and its data, and checks that the one describes the other.
fn parse(file: &str, bytes: &Bytes) -> Result<(Metadata, Bytes)> {
    const LENGTH_BYTES: u64 = 8;
    let invalid = |reason: String| Error::WeightsHeader { file: file.to_owned(), reason };
    let found_bytes = bytes.len() as u64;
    let truncated =
        |expected_bytes| Error::WeightsTruncated { file: file.to_owned(), expected_bytes, found_bytes };

    let header_bytes = bytes.first_chunk().map(|b| u64::from_le_bytes(*b)).ok_or(truncated(LENGTH_BYTES))?;
    if header_bytes > MOST_HEADER_BYTES {
        return Err(invalid(format!("its header claims {header_bytes} bytes, above {MOST_HEADER_BYTES}")));
    }
    let data_start = LENGTH_BYTES + header_bytes;
    let (Some(header), Some(data)) = (
        bytes.get(LENGTH_BYTES as usize..data_start as usize),
        bytes.slice(data_start as usize..bytes.len()),
    ) else {
        return Err(truncated(data_start));
    };
    // Reading Metadata also checks that the tensors follow each other without overlap or gap, and that each
    // one's length is that of its shape and type.
    let header: Metadata = serde_json::from_slice(header).map_err(|e| invalid(e.to_string()))?;
    let (promised, found) = (header.data_len(), data.len());
    if promised > found {
        return Err(truncated(data_start.saturating_add(promised as u64)));
    }
    if promised < found {
        return Err(invalid(format!("{} bytes after the last tensor belong to none", found - promised)));
    }
    Ok((header, data))
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
