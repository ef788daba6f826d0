//! Numbers from one type to another, a piece at a time.

use std::io::Write;

use anyhow::{anyhow, bail};
use fathom_engine::{DoesNotFit, WeightType, WeightTypes};
use half::{bf16, f16};

use crate::pytorch::tensor::ElementType;

/// The type that a tensor is written in: what `--tensor-type` says of it; else that of `--weights`, floats for every
/// tensor, blocks for matrices but q_head; else its own.
///
/// # Errors
/// What the engine could not read.
pub fn target(
    types: &WeightTypes,
    name: &str,
    shape: &[usize],
    from: ElementType,
) -> anyhow::Result<WeightType> {
    let floats = types.matrices.filter(|stored| !stored.is_quantized());
    let own = match from {
        ElementType::Int(_) => bail!("it holds whole numbers, expected floats"),
        ElementType::F32 => WeightType::F32,
        ElementType::F16 => WeightType::F16,
        ElementType::Bf16 => WeightType::Bf16,
        ElementType::F64 if types.matrices.is_some() || types.named(name).is_some() => WeightType::F32,
        ElementType::F64 => {
            bail!("it holds 64-bit floats, which the engine does not read: give --weights f32")
        }
    };
    Ok(types.of(name, shape, floats.unwrap_or(own)))
}

/// PyTorch's name of a type, where it has one.
pub fn torch_name(kind: WeightType) -> Option<&'static str> {
    match kind {
        WeightType::F32 => Some("float32"),
        WeightType::F16 => Some("float16"),
        WeightType::Bf16 => Some("bfloat16"),
        WeightType::Q8 | WeightType::Q4 => None,
    }
}

/// Writes numbers in another type, rounded to the nearest; what a quantised type has beside them goes behind.
///
/// # Errors
/// A number that the type has no room for; what `out` says.
pub fn write(bytes: &[u8], from: ElementType, to: WeightType, out: &mut impl Write) -> anyhow::Result<()> {
    /// Whole numbers of every type, and whole blocks.
    const PIECE_BYTES: usize = 1 << 16;
    let same = matches!(
        (from, to),
        (ElementType::F32, WeightType::F32)
            | (ElementType::F16, WeightType::F16)
            | (ElementType::Bf16, WeightType::Bf16)
    );
    let mut written = Vec::with_capacity(2 * PIECE_BYTES);
    let mut scales = Vec::new();
    for piece in bytes.chunks(PIECE_BYTES) {
        if same {
            out.write_all(piece)?;
            continue;
        }
        written.clear();
        match from {
            ElementType::F64 => {
                let numbers = piece.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
                convert(numbers, to, &mut written, &mut scales)?;
            }
            ElementType::F32 => {
                let numbers = piece.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b).into());
                convert(numbers, to, &mut written, &mut scales)?;
            }
            ElementType::F16 => {
                let numbers = piece.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).into());
                convert(numbers, to, &mut written, &mut scales)?;
            }
            ElementType::Bf16 => {
                let numbers = piece.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).into());
                convert(numbers, to, &mut written, &mut scales)?;
            }
            ElementType::Int(_) => bail!("whole numbers are no weights"),
        }
        out.write_all(&written)?;
    }
    out.write_all(&scales)?;
    Ok(())
}

// Every type converts to f64 exactly.
fn convert(
    numbers: impl Iterator<Item = f64>,
    to: WeightType,
    out: &mut Vec<u8>,
    scales: &mut Vec<u8>,
) -> anyhow::Result<()> {
    if to.is_quantized() {
        let numbers: Vec<f32> = numbers.map(|number| number as f32).collect();
        return to
            .from_f32(&numbers, out, scales)
            .map_err(|DoesNotFit(number)| anyhow!("the number {number} does not fit {to}"));
    }
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
            _ => {
                let narrow = bf16::from_f64(number);
                out.extend_from_slice(&narrow.to_le_bytes());
                narrow.is_finite()
            }
        };
        if number.is_finite() && !still_finite {
            bail!("the number {number} does not fit {to}");
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
        let target = |matrices, from| target(&WeightTypes::all(matrices), "a", &[64, 64], from);
        assert!(target(None, ElementType::F64).is_err());
        assert!(target(Some(WeightType::F32), ElementType::Int(8)).is_err());
        assert_eq!(target(Some(WeightType::F32), ElementType::F64).unwrap(), WeightType::F32);
        assert_eq!(target(None, ElementType::F16).unwrap(), WeightType::F16);
    }

    #[test]
    fn floats_are_for_all_tensors_and_blocks_for_matrices() {
        let target = |stored, shape: &[usize]| {
            target(&WeightTypes::all(Some(stored)), "a", shape, ElementType::F32).unwrap()
        };
        assert_eq!(target(WeightType::F16, &[64]), WeightType::F16);
        assert_eq!(target(WeightType::Q8, &[64]), WeightType::F32);
        assert_eq!(target(WeightType::Q8, &[3, 64]), WeightType::Q8);
        assert_eq!(target(WeightType::Q4, &[3, 40]), WeightType::F32);
    }

    #[test]
    fn scales_go_behind_the_integers() {
        let numbers: Vec<f32> = (0..64).map(|i| i as f32 - 30.0).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|w| w.to_le_bytes()).collect();
        let (mut found, mut data, mut scales) = (vec![], vec![], vec![]);
        write(&bytes, ElementType::F32, WeightType::Q8, &mut found).unwrap();
        WeightType::Q8.from_f32(&numbers, &mut data, &mut scales).unwrap();
        assert_eq!(found, [data, scales].concat());
    }
}
