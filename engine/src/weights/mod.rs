//! Safetensors files to named, shape-checked tensors.
//!
//! A quantised matrix is `NAME` in I8 (q8) or U8 (q4, two numbers a byte) and `NAME_scale` in F16, as compressed-tensors
//! calls it.

mod expected;
mod file;
mod on_disk;
mod types;

use std::collections::BTreeMap;
use std::ops::Range;

use safetensors::tensor::Dtype;

use crate::config::{Config, HrmConfig};
use crate::error::{Error, Result};
use crate::files::Bytes;

pub(crate) use self::expected::block_names;
pub use self::expected::{expected_tensors, hrm_tensors};
use self::file::Source;
pub use self::file::{ReadAt, WeightFile};
pub use self::types::{BLOCK, DoesNotFit, WeightType, WeightTypes};

/// The two names of the tied embedding and output head.
const TIED: [&str; 2] = ["wte.weight", "lm_head.weight"];

/// One tensor.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// The checkpoint's name for it.
    pub name: String,
    /// Its dimensions; row-major, the last one is contiguous.
    pub shape: Vec<usize>,
    /// How the file has its numbers.
    pub dtype: WeightType,
    /// How a device is to have them.
    pub stored: WeightType,
    file: String,
    data: Place,
    /// Behind an empty range where its type has none.
    scales: Place,
}

/// Bytes of a file.
#[derive(Debug, Clone)]
struct Place {
    source: Source,
    range: Range<u64>,
}

impl Place {
    fn n_bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.source.read(self.range.start + range.start..self.range.start + range.end).await
    }
}

/// A run of numbers as they are stored. Not aligned.
#[derive(Debug)]
pub struct Stored {
    /// Floats or integers.
    pub data: Bytes,
    /// Empty where the type has none.
    pub scales: Bytes,
}

impl Tensor {
    /// How many numbers.
    pub fn n(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// The size of its numbers in the file, scales included.
    pub fn n_bytes(&self) -> u64 {
        self.data.n_bytes() + self.scales.n_bytes()
    }

    /// A range of its numbers as the file has them; of a quantised tensor whole blocks.
    ///
    /// # Errors
    /// Those of [`ReadAt::read`].
    pub async fn read(&self, numbers: Range<u64>) -> Result<Stored> {
        let Range { start, end } = numbers;
        let data = self.data.read(self.dtype.data_bytes(start)..self.dtype.data_bytes(end)).await?;
        let scales = self.dtype.scale_bytes(start)..self.dtype.scale_bytes(end);
        let scales = if scales.is_empty() { Bytes::from(vec![]) } else { self.scales.read(scales).await? };
        Ok(Stored { data, scales })
    }

    /// A range of its numbers as a device is to have them: rounded to [`Tensor::stored`], and then in a type that may
    /// be wider.
    ///
    /// # Errors
    /// Those of [`Tensor::read`]; [`Error::NumberDoesNotFit`].
    pub async fn read_as(&self, wide: WeightType, numbers: Range<u64>) -> Result<Stored> {
        let found = self.read(numbers).await?;
        let found = self.turned(found, self.dtype, self.stored)?;
        self.turned(found, self.stored, wide)
    }

    fn turned(&self, found: Stored, from: WeightType, to: WeightType) -> Result<Stored> {
        if from == to {
            return Ok(found);
        }
        let numbers = from.to_f32(&found.data, &found.scales);
        let (mut data, mut scales) = (vec![], vec![]);
        to.from_f32(&numbers, &mut data, &mut scales).map_err(|DoesNotFit(number)| {
            let (file, name) = (self.file.clone(), self.name.clone());
            Error::NumberDoesNotFit { file, name, number, stored: to.name() }
        })?;
        Ok(Stored { data: data.into(), scales: scales.into() })
    }
}

/// All tensors of one model, out of one or several files.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    files: Vec<String>,
    tensors: BTreeMap<String, Entry>,
    types: WeightTypes,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Which of `Weights::files` it is in.
    file: usize,
    shape: Vec<usize>,
    dtype: Dtype,
    place: Place,
}

impl Weights {
    /// Reads the headers of one or several files; the numbers stay where they are.
    ///
    /// # Errors
    /// [`Error::WeightsTruncated`], [`Error::WeightsHeader`]; [`Error::TensorTwice`] where two files hold a
    /// tensor of one name.
    pub fn from_files(files: &[WeightFile]) -> Result<Weights> {
        let mut weights = Weights::default();
        for file in files {
            let (header, data_start) = file.parse()?;
            for (name, info) in header.tensors() {
                // parse() has checked that the last tensor ends where the data ends.
                let (start, end) = info.data_offsets;
                let entry = Entry {
                    file: weights.files.len(),
                    shape: info.shape.clone(),
                    dtype: info.dtype,
                    place: Place {
                        source: file.source(),
                        range: data_start + start as u64..data_start + end as u64,
                    },
                };
                if let Some(earlier) = weights.tensors.insert(name.clone(), entry) {
                    let (first, second) = (weights.files[earlier.file].clone(), file.name().to_owned());
                    return Err(Error::TensorTwice { name, first, second });
                }
            }
            weights.files.push(file.name().to_owned());
        }
        Ok(weights)
    }

    /// Has a device store tensors in other types than the file does.
    ///
    /// # Errors
    /// [`Error::NoTensorNamed`]: a slip.
    pub fn with_types(self, types: &WeightTypes) -> Result<Weights> {
        if let Some(text) = types.slip(self.tensors.keys().map(String::as_str).chain(TIED)) {
            return Err(Error::NoTensorNamed { text: text.to_owned() });
        }
        Ok(Weights { types: types.clone(), ..self })
    }

    /// The tensor of that name, which must have that shape. A quantised one has its scales beside it.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorType`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let file = self.files[entry.file].clone();
        let wrong_type = |why: &str| {
            let (file, name, found) = (file.clone(), name.to_owned(), format!("{:?}{why}", entry.dtype));
            Error::TensorType { file, name, found }
        };
        let dtype = WeightType::of(entry.dtype).ok_or_else(|| wrong_type(""))?;
        if !dtype.fits(shape) {
            return Err(wrong_type(", and it is no matrix with rows of whole blocks of 32"));
        }
        expect_shape(&file, name, &in_file(dtype, shape), &entry.shape)?;
        let scales = if !dtype.is_quantized() {
            Place { source: entry.place.source.clone(), range: 0..0 }
        } else if let [n_out, n_in] = shape {
            let scale = scale_name(name);
            let scales = self.entry(&scale)?;
            let file = self.files[scales.file].clone();
            expect_shape(&file, &scale, &[*n_out, n_in / BLOCK], &scales.shape)?;
            if scales.dtype != Dtype::F16 {
                return Err(Error::ScaleType { file, name: scale, found: format!("{:?}", scales.dtype) });
            }
            scales.place.clone()
        } else {
            return Err(wrong_type(""));
        };
        let stored = self.types.of(name, shape, dtype);
        let (name, shape, data) = (name.to_owned(), shape.to_vec(), entry.place.clone());
        Ok(Tensor { name, shape, dtype, stored, file, data, scales })
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.tensors.get(name).ok_or_else(|| Error::TensorMissing {
            name: name.to_owned(),
            files: if self.files.is_empty() { "no file".to_owned() } else { self.files.join(", ") },
        })
    }

    /// The embedding `[V, C]`, which is the output head too. A file may call it `wte.weight` or
    /// `lm_head.weight`, or hold it under both names; then the two must be equal to the byte.
    ///
    /// # Errors
    /// [`Error::TiedTensorsDiffer`] and those of [`Weights::tensor`].
    pub async fn resolve_tied(&self, config: &Config) -> Result<Tensor> {
        let [wte, lm_head] = TIED;
        let first = self.embedding(config)?;
        match (self.tensors.contains_key(wte), self.tensors.contains_key(lm_head)) {
            (true, true) => {
                let second = self.tensor(lm_head, &first.shape)?;
                let mut are_equal = first.dtype == second.dtype;
                for piece in pieces(first.n()) {
                    if are_equal {
                        let (first, second) = (first.read(piece.clone()).await?, second.read(piece).await?);
                        are_equal = *first.data == *second.data && *first.scales == *second.scales;
                    }
                }
                if !are_equal {
                    return Err(Error::TiedTensorsDiffer { first: wte, second: lm_head });
                }
                Ok(first)
            }
            _ => Ok(first),
        }
    }

    /// The embedding under the name that it has, the first of two.
    pub(crate) fn embedding(&self, config: &Config) -> Result<Tensor> {
        let is_there = |name: &&str| self.tensors.contains_key(*name);
        let name = TIED.into_iter().find(is_there).unwrap_or(TIED[0]);
        self.tensor(name, &[config.vocab_size, config.n_embd])
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
        self.check_no_other(|name| expected.contains_key(name) || TIED.contains(&name))
    }

    /// The same for a model that ties nothing: exactly the tensors of [`hrm_tensors`].
    ///
    /// # Errors
    /// Those of [`Weights::tensor`], and [`Error::TensorUnexpected`].
    pub fn check_hrm(&self, config: &HrmConfig) -> Result<()> {
        let expected: BTreeMap<String, Vec<usize>> = hrm_tensors(config).into_iter().collect();
        for (name, shape) in &expected {
            self.tensor(name, shape)?;
        }
        self.check_no_other(|name| expected.contains_key(name))
    }

    fn check_no_other(&self, has_place: impl Fn(&str) -> bool) -> Result<()> {
        let is_scale = |name: &str| {
            let of = name.strip_suffix(SCALE).filter(|of| has_place(of)).and_then(|of| self.tensors.get(of));
            of.and_then(|of| WeightType::of(of.dtype)).is_some_and(WeightType::is_quantized)
        };
        for (name, entry) in &self.tensors {
            if !has_place(name) && !is_scale(name) {
                let file = self.files[entry.file].clone();
                return Err(Error::TensorUnexpected { file, name: name.clone() });
            }
        }
        Ok(())
    }

    /// The type that most numbers of the matrices have in the file.
    pub fn weight_type(&self) -> WeightType {
        let mut n_bytes: BTreeMap<WeightType, u64> = BTreeMap::new();
        for entry in self.tensors.values().filter(|entry| entry.shape.len() > 1) {
            if let Some(stored) = WeightType::of(entry.dtype) {
                *n_bytes.entry(stored).or_default() += entry.place.n_bytes() * 8 / stored.data_bytes(8);
            }
        }
        n_bytes.into_iter().max_by_key(|&(_, n)| n).map_or(WeightType::F32, |(stored, _)| stored)
    }

    /// What the tensors of a model take in the files, a tied one once.
    pub fn n_bytes(&self) -> u64 {
        let [wte, lm_head] = TIED;
        let is_second = |name: &str| name.starts_with(lm_head) && self.tensors.contains_key(wte);
        let once = self.tensors.iter().filter(|(name, _)| !is_second(name));
        once.map(|(_, entry)| entry.place.n_bytes()).sum()
    }

    /// The file that holds a tensor, by the name that it was given.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|entry| self.files[entry.file].as_str())
    }
}

/// The ranges in which so many numbers are read, each but the last as long as the others.
pub(crate) fn pieces(n: u64) -> impl Iterator<Item = Range<u64>> {
    /// Whole blocks. It bounds what is in memory at a time.
    const PIECE: u64 = 2 << 20;
    (0..n.div_ceil(PIECE)).map(move |i| i * PIECE..((i + 1) * PIECE).min(n))
}

/// What the name of a quantised tensor's scales ends in, behind its own.
const SCALE: &str = "_scale";

/// The tensor of a quantised tensor's scales, f16 `[out, in / 32]`.
pub fn scale_name(name: &str) -> String {
    format!("{name}{SCALE}")
}

/// The shape that the file gives to a tensor of this type: two numbers of q4 are one of its bytes.
pub fn in_file(stored: WeightType, shape: &[usize]) -> Vec<usize> {
    match (stored, shape) {
        (WeightType::Q4, [n_out, n_in]) => vec![*n_out, n_in / 2],
        _ => shape.to_vec(),
    }
}

fn expect_shape(file: &str, name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (file, name) = (file.to_owned(), name.to_owned());
    Err(Error::TensorShape { file, name, expected: expected.to_vec(), found: found.to_vec() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
