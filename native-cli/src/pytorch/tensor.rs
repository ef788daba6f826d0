//! Tensors as a pickle describes them: a view of a storage, checked against it.

use std::borrow::Cow;
use std::rc::Rc;

use anyhow::{anyhow, ensure};

/// How one number of a storage is stored; all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 64-bit floats
    F64,
    /// 32-bit floats
    F32,
    /// IEEE half precision
    F16,
    /// The upper half of a 32-bit float
    Bf16,
    /// Whole numbers and booleans, of so many bytes
    Int(u8),
}

impl ElementType {
    /// By what stands before `Storage` in PyTorch's name.
    pub fn of_storage(name: &str) -> Option<ElementType> {
        Some(match name {
            "Double" => ElementType::F64,
            "Float" => ElementType::F32,
            "Half" => ElementType::F16,
            "BFloat16" => ElementType::Bf16,
            "Long" => ElementType::Int(8),
            "Int" => ElementType::Int(4),
            "Short" => ElementType::Int(2),
            "Char" | "Byte" | "Bool" => ElementType::Int(1),
            _ => return None,
        })
    }

    /// Whether this is PyTorch's name of a type of numbers.
    pub fn is_dtype(name: &str) -> bool {
        matches!(name, "float16" | "bfloat16" | "float32" | "float64" | "bool" | "uint8" | "int8")
            || matches!(name, "int16" | "int32" | "int64")
    }

    /// Bytes per number.
    pub fn size_bytes(self) -> u64 {
        match self {
            ElementType::F64 => 8,
            ElementType::F32 => 4,
            ElementType::F16 | ElementType::Bf16 => 2,
            ElementType::Int(n) => n.into(),
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::F64 => "f64",
            ElementType::F32 => "f32",
            ElementType::F16 => "f16",
            ElementType::Bf16 => "bf16",
            ElementType::Int(_) => "whole numbers",
        }
    }
}

/// Numbers in a file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name, below `data/`.
    pub key: Rc<str>,
    /// What it holds.
    pub element: ElementType,
    /// How many.
    pub n: u64,
}

/// Part of a storage as a tensor. What [`TensorView::new`] made lies within its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorView {
    /// Where its numbers are.
    pub storage: Storage,
    /// The first one, counted in numbers.
    pub offset: u64,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// By how many numbers a step along each dimension goes on.
    pub strides: Vec<u64>,
}

impl TensorView {
    /// Checked against the storage.
    ///
    /// # Errors
    /// A view that reaches outside of its storage, or that repeats it: it would be larger than what is there.
    pub fn new(
        storage: Storage,
        offset: u64,
        shape: Vec<u64>,
        strides: Vec<u64>,
    ) -> anyhow::Result<TensorView> {
        let key = super::globals::shortened(&storage.key);
        let (n_dimensions, n_strides) = (shape.len(), strides.len());
        ensure!(
            n_dimensions == n_strides,
            "a tensor of storage {key} has {n_dimensions} dimensions and {n_strides} strides"
        );
        let outside = || {
            anyhow!(
                "a tensor of storage {key} reaches outside of its {} numbers: offset {offset}, shape {shape:?}, strides {strides:?}",
                storage.n
            )
        };
        let n = shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size)).ok_or_else(outside)?;
        if n > 0 {
            let last = shape
                .iter()
                .zip(&strides)
                .try_fold(offset, |at, (size, stride)| at.checked_add((size - 1).checked_mul(*stride)?));
            last.filter(|&last| last < storage.n).ok_or_else(outside)?;
        }
        ensure!(
            n <= storage.n,
            "a tensor of storage {key} repeats its {} numbers: shape {shape:?}",
            storage.n
        );
        Ok(TensorView { storage, offset, shape, strides })
    }

    /// How many numbers.
    pub fn n(&self) -> u64 {
        self.shape.iter().product()
    }

    /// The tensor's own bytes, row by row, out of those of the storage.
    ///
    /// # Errors
    /// None for a storage of the length that was promised.
    pub fn bytes<'s>(&self, storage: &'s [u8]) -> anyhow::Result<Cow<'s, [u8]>> {
        let cut = || anyhow!("storage {} is too short", super::globals::shortened(&self.storage.key));
        let width = usize::try_from(self.storage.element.size_bytes())?;
        let n = usize::try_from(self.n())?;
        let at = |number: u64| -> Option<usize> { usize::try_from(number).ok()?.checked_mul(width) };
        if self.is_contiguous() {
            let start = at(self.offset).ok_or_else(cut)?;
            let end = n.checked_mul(width).and_then(|n| start.checked_add(n)).ok_or_else(cut)?;
            return Ok(storage.get(start..end).ok_or_else(cut)?.into());
        }
        let mut bytes = Vec::with_capacity(n * width);
        let mut index = vec![0_u64; self.shape.len()];
        for _ in 0..n {
            let number = index.iter().zip(&self.strides).fold(self.offset, |at, (i, stride)| at + i * stride);
            let start = at(number).ok_or_else(cut)?;
            bytes.extend_from_slice(storage.get(start..start + width).ok_or_else(cut)?);
            // The next index, the last dimension fastest.
            for (i, &size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
        }
        Ok(bytes.into())
    }

    /// Its numbers follow each other in the storage. A dimension of one step may have any stride.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.n() == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size;
                fits
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn view(offset: u64, shape: &[u64], strides: &[u64]) -> anyhow::Result<TensorView> {
        let storage = Storage { key: "0".into(), element: ElementType::Int(1), n: 6 };
        TensorView::new(storage, offset, shape.to_vec(), strides.to_vec())
    }

    #[test]
    fn views_are_copied_row_by_row() {
        let read = |offset, shape: &[u64], strides: &[u64]| {
            view(offset, shape, strides).unwrap().bytes(&[0, 1, 2, 3, 4, 5]).unwrap().into_owned()
        };
        assert_eq!(read(0, &[2, 3], &[3, 1]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(read(0, &[3, 2], &[1, 3]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(read(1, &[2, 2], &[3, 1]), [1, 2, 4, 5]);
        assert_eq!(read(4, &[1, 2], &[99, 1]), [4, 5]);
        assert_eq!(read(5, &[], &[]), [5]);
        assert_eq!(read(0, &[0, 3], &[3, 1]), [0; 0]);
        assert_eq!(read(0, &[2, 1, 3], &[3, 3, 1]), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn nothing_reaches_outside() {
        for (offset, shape, strides) in [
            (1, &[2, 3][..], &[3, 1][..]),
            (6, &[], &[]),
            (0, &[7], &[1]),
            (0, &[2], &[6]),
            (0, &[2], &[u64::MAX]),
            (u64::MAX, &[2], &[1]),
            (0, &[u64::MAX, u64::MAX], &[0, 0]),
            (0, &[7], &[0]),
            (0, &[2], &[1, 1]),
        ] {
            assert!(view(offset, shape, strides).is_err(), "{offset} {shape:?} {strides:?}");
        }
    }
}
