//! Numbers from one type to another, a piece at a time.

use std::io::Write;

use anyhow::bail;
use clap::ValueEnum;
use fathom_engine::WeightType;
use half::{bf16, f16};

use crate::pytorch::tensor::ElementType;

/// `--dtype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DtypeChoice {
    /// 32-bit floats
    F32,
    /// IEEE half precision
    F16,
    /// The upper half of 32-bit floats
    Bf16,
    /// Each tensor as it is stored
    Keep,
}

impl DtypeChoice {
    /// The type that a tensor is written in.
    ///
    /// # Errors
    /// What the engine could not read.
    pub fn target(self, from: ElementType) -> anyhow::Result<WeightType> {
        Ok(match (self, from) {
            (_, ElementType::Int(_)) => bail!("it holds whole numbers, expected floats"),
            (DtypeChoice::F32, _) | (DtypeChoice::Keep, ElementType::F32) => WeightType::F32,
            (DtypeChoice::F16, _) | (DtypeChoice::Keep, ElementType::F16) => WeightType::F16,
            (DtypeChoice::Bf16, _) | (DtypeChoice::Keep, ElementType::Bf16) => WeightType::Bf16,
            (DtypeChoice::Keep, ElementType::F64) => {
                bail!("it holds 64-bit floats, which the engine does not read: give --dtype f32")
            }
        })
    }
}

/// The safetensors name of a type.
pub fn name(kind: WeightType) -> &'static str {
    match kind {
        WeightType::F32 => "F32",
        WeightType::F16 => "F16",
        WeightType::Bf16 => "BF16",
    }
}

/// In words, as the summary says it.
pub fn short_name(kind: WeightType) -> &'static str {
    match kind {
        WeightType::F32 => "f32",
        WeightType::F16 => "f16",
        WeightType::Bf16 => "bf16",
    }
}

/// PyTorch's name of a type.
pub fn torch_name(kind: WeightType) -> &'static str {
    match kind {
        WeightType::F32 => "float32",
        WeightType::F16 => "float16",
        WeightType::Bf16 => "bfloat16",
    }
}

/// Writes numbers in another type, rounded to the nearest.
///
/// # Errors
/// A finite number that becomes infinite; what `out` says.
pub fn write(bytes: &[u8], from: ElementType, to: WeightType, out: &mut impl Write) -> anyhow::Result<()> {
    /// Whole numbers of every type.
    const PIECE_BYTES: usize = 1 << 16;
    let same = matches!(
        (from, to),
        (ElementType::F32, WeightType::F32)
            | (ElementType::F16, WeightType::F16)
            | (ElementType::Bf16, WeightType::Bf16)
    );
    let mut written = Vec::with_capacity(2 * PIECE_BYTES);
    for piece in bytes.chunks(PIECE_BYTES) {
        if same {
            out.write_all(piece)?;
            continue;
        }
        written.clear();
        match from {
            ElementType::F64 => {
                let numbers = piece.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
                convert(numbers, to, &mut written)?;
            }
            ElementType::F32 => {
                let numbers = piece.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b).into());
                convert(numbers, to, &mut written)?;
            }
            ElementType::F16 => {
                let numbers = piece.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).into());
                convert(numbers, to, &mut written)?;
            }
            ElementType::Bf16 => {
                let numbers = piece.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).into());
                convert(numbers, to, &mut written)?;
            }
            ElementType::Int(_) => bail!("whole numbers are no weights"),
        }
        out.write_all(&written)?;
    }
    Ok(())
}

// Every type converts to f64 exactly.
fn convert(numbers: impl Iterator<Item = f64>, to: WeightType, out: &mut Vec<u8>) -> anyhow::Result<()> {
    for number in numbers {
        let still_finite = match to {
            WeightType::F32 => {
                let narrow = number as f32;
                out.extend_from_slice(&narrow.to_le_bytes());
                narrow.is_finite()
            }
            WeightType::F16 => {
                let narrow = f16::from_f64(number);
                out.extend_from_slice(&narrow.to_le_bytes());
                narrow.is_finite()
            }
            WeightType::Bf16 => {
                let narrow = bf16::from_f64(number);
                out.extend_from_slice(&narrow.to_le_bytes());
                narrow.is_finite()
            }
        };
        if number.is_finite() && !still_finite {
            bail!("the number {number} does not fit {}", torch_name(to));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn f32_to(number: f32, to: WeightType) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        write(&number.to_le_bytes(), ElementType::F32, to, &mut out)?;
        Ok(out)
    }

    #[test]
    fn rounded_to_the_nearest() {
        for number in [0.0, -0.0, 1.0, 0.1, 65504.0, 6e-8, 1e-10, f32::INFINITY, 2.0f32.powi(-24)] {
            assert_eq!(f32_to(number, WeightType::F16).unwrap(), f16::from_f32(number).to_le_bytes());
            assert_eq!(f32_to(number, WeightType::Bf16).unwrap(), bf16::from_f32(number).to_le_bytes());
        }
        // Halfway between two neighbours: to the even one.
        assert_eq!(f32_to(2049.0, WeightType::F16).unwrap(), f16::from_f32(2048.0).to_le_bytes());
        assert_eq!(f32_to(2051.0, WeightType::F16).unwrap(), f16::from_f32(2052.0).to_le_bytes());
        let nan = f32_to(f32::NAN, WeightType::F16).unwrap();
        assert!(f16::from_le_bytes([nan[0], nan[1]]).is_nan());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(f32_to(65519.0, WeightType::F16).is_ok());
        assert!(f32_to(65520.0, WeightType::F16).unwrap_err().to_string().contains("65520"));
        assert!(f32_to(f32::MAX, WeightType::Bf16).is_err());
        assert!(write(&1e39f64.to_le_bytes(), ElementType::F64, WeightType::F32, &mut Vec::new()).is_err());
    }

    #[test]
    fn the_engine_reads_floats_only() {
        assert!(DtypeChoice::Keep.target(ElementType::F64).is_err());
        assert!(DtypeChoice::F32.target(ElementType::Int(8)).is_err());
        assert_eq!(DtypeChoice::F32.target(ElementType::F64).unwrap(), WeightType::F32);
        assert_eq!(DtypeChoice::Keep.target(ElementType::F16).unwrap(), WeightType::F16);
    }
}
