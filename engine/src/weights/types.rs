//! How a tensor's numbers are stored, and the way to f32 and back.
//!
//! ```text
//! q8   w = scale * q          q a signed byte,     scale = max |w| / 127
//! q4   w = scale * (q - 8)    q in 0..=15,         scale = the w of the largest magnitude / -8
//! ```
//!
//! A quantised tensor is a matrix whose rows are blocks of 32 numbers, each with a scale of its own in f16. Its integers
//! lie as the numbers would, those of q4 two a byte, the first in the lower half; its scales are a tensor beside it. The
//! product of an integer and a scale is exact in f32, so that a quantised model computes, to the bit, what the model
//! of its numbers in f32 does. The rules are those of llama.cpp's Q8_0 and Q4_0.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use safetensors::tensor::Dtype;

use super::TIED;

/// Numbers of a block, which share a scale.
pub const BLOCK: usize = 32;

/// How a tensor's numbers are stored; all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WeightType {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
    /// Bytes in blocks with a scale.
    Q8,
    /// Half bytes in blocks with a scale.
    Q4,
}

/// A number that a type has no room for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DoesNotFit(pub f32);

impl WeightType {
    /// Every one, the widest first.
    pub const ALL: [WeightType; 5] =
        [WeightType::F32, WeightType::F16, WeightType::Bf16, WeightType::Q8, WeightType::Q4];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            WeightType::F32 => "f32",
            WeightType::F16 => "f16",
            WeightType::Bf16 => "bf16",
            WeightType::Q8 => "q8",
            WeightType::Q4 => "q4",
        }
    }

    /// What safetensors calls the elements.
    pub fn dtype(self) -> Dtype {
        match self {
            WeightType::F32 => Dtype::F32,
            WeightType::F16 => Dtype::F16,
            WeightType::Bf16 => Dtype::BF16,
            WeightType::Q8 => Dtype::I8,
            WeightType::Q4 => Dtype::U8,
        }
    }

    /// The type of a tensor's elements; None: no weights are stored so.
    pub fn of(dtype: Dtype) -> Option<WeightType> {
        WeightType::ALL.into_iter().find(|stored| stored.dtype() == dtype)
    }

    /// Whether numbers share scales.
    pub fn is_quantized(self) -> bool {
        matches!(self, WeightType::Q8 | WeightType::Q4)
    }

    /// Whether a tensor of this shape can be stored so: blocks are parts of a matrix's rows.
    pub fn fits(self, shape: &[usize]) -> bool {
        !self.is_quantized() || matches!(shape, [_, n_in] if n_in.is_multiple_of(BLOCK))
    }

    /// Bytes of so many numbers, whole blocks of them, without scales.
    pub fn data_bytes(self, n: u64) -> u64 {
        match self {
            WeightType::F32 => 4 * n,
            WeightType::F16 | WeightType::Bf16 => 2 * n,
            WeightType::Q8 => n,
            WeightType::Q4 => n / 2,
        }
    }

    /// Bytes of their scales.
    pub fn scale_bytes(self, n: u64) -> u64 {
        if self.is_quantized() { n / BLOCK as u64 * 2 } else { 0 }
    }

    /// Bytes of so many numbers and their scales.
    pub fn bytes(self, n: u64) -> u64 {
        self.data_bytes(n) + self.scale_bytes(n)
    }

    /// Numbers as f32, which every stored type converts to exactly.
    pub fn to_f32(self, data: &[u8], scales: &[u8]) -> Vec<f32> {
        let pairs = || data.as_chunks::<2>().0.iter().copied();
        let scales = scales.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32());
        match self {
            WeightType::F32 => data.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect(),
            WeightType::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            WeightType::Bf16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            WeightType::Q8 => {
                let blocks = data.chunks_exact(BLOCK).zip(scales);
                blocks.flat_map(|(q, s)| q.iter().map(move |&q| s * f32::from(q as i8))).collect()
            }
            WeightType::Q4 => {
                let blocks = data.chunks_exact(BLOCK / 2).zip(scales);
                let halves = |&two: &u8| [two & 15, two >> 4];
                let number = |s: f32| move |q: u8| s * (f32::from(q) - 8.0);
                blocks.flat_map(|(q, s)| q.iter().flat_map(halves).map(number(s))).collect()
            }
        }
    }

    /// Numbers as they are stored, each rounded to the nearest; appended to `data` and `scales`. A quantised type
    /// takes whole blocks.
    ///
    /// # Errors
    /// The first number that has no place in the type: a finite one that would become infinite, for a quantised type
    /// any that is not finite.
    pub fn from_f32(
        self,
        numbers: &[f32],
        data: &mut Vec<u8>,
        scales: &mut Vec<u8>,
    ) -> Result<(), DoesNotFit> {
        match self {
            WeightType::F32 => data.extend(numbers.iter().flat_map(|w| w.to_le_bytes())),
            WeightType::F16 => {
                for &w in numbers {
                    let narrow = f16::from_f32(w);
                    fits(w, narrow.is_finite())?;
                    data.extend(narrow.to_le_bytes());
                }
            }
            WeightType::Bf16 => {
                for &w in numbers {
                    let narrow = bf16::from_f32(w);
                    fits(w, narrow.is_finite())?;
                    data.extend(narrow.to_le_bytes());
                }
            }
            WeightType::Q8 => {
                for block in numbers.chunks_exact(BLOCK) {
                    let (scale, inverse) = scale(block, |largest| largest.abs() / 127.0)?;
                    scales.extend(scale.to_le_bytes());
                    data.extend(block.iter().map(|w| (w * inverse).round().clamp(-127.0, 127.0) as i8 as u8));
                }
            }
            WeightType::Q4 => {
                for block in numbers.chunks_exact(BLOCK) {
                    let (scale, inverse) = scale(block, |largest| largest / -8.0)?;
                    scales.extend(scale.to_le_bytes());
                    let q = |w: f32| ((w * inverse).round() + 8.0).clamp(0.0, 15.0) as u8;
                    data.extend(block.as_chunks::<2>().0.iter().map(|&[a, b]| q(a) | q(b) << 4));
                }
            }
        }
        Ok(())
    }
}

fn fits(number: f32, still_finite: bool) -> Result<(), DoesNotFit> {
    if number.is_finite() && !still_finite { Err(DoesNotFit(number)) } else { Ok(()) }
}

/// A block's scale, as it follows from the number of the largest magnitude, and what its numbers are multiplied by.
fn scale(block: &[f32], of_largest: impl Fn(f32) -> f32) -> Result<(f16, f32), DoesNotFit> {
    if let Some(&number) = block.iter().find(|w| !w.is_finite()) {
        return Err(DoesNotFit(number));
    }
    let largest = block.iter().fold(0.0f32, |largest, &w| if w.abs() > largest.abs() { w } else { largest });
    let scale = f16::from_f32(of_largest(largest));
    fits(largest, scale.is_finite())?;
    // Numbers too small for any scale are zero.
    let inverse = 1.0 / scale.to_f32();
    Ok((scale, if inverse.is_finite() { inverse } else { 0.0 }))
}

impl fmt::Display for WeightType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for WeightType {
    type Err = String;

    fn from_str(text: &str) -> Result<WeightType, String> {
        let found = WeightType::ALL.into_iter().find(|stored| stored.name() == text);
        found.ok_or_else(|| {
            format!("expected {}, found {text}", WeightType::ALL.map(WeightType::name).join(", "))
        })
    }
}

/// Which type each tensor of a model gets, where it is not the one that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightTypes {
    /// For every matrix but q_head, whose weights decide how long a model thinks.
    pub matrices: Option<WeightType>,
    /// For those whose names contain a text, before the general one; the first text that a name contains counts. The
    /// embedding has two names.
    pub named: Vec<(String, WeightType)>,
}

impl WeightTypes {
    /// That type for all matrices; None: each has its own.
    pub fn all(matrices: Option<WeightType>) -> WeightTypes {
        WeightTypes { matrices, named: vec![] }
    }

    /// The type that was asked for by name.
    pub fn named(&self, name: &str) -> Option<WeightType> {
        let names = if TIED.contains(&name) { TIED } else { [name, name] };
        let is = |text: &str| names.iter().any(|name| name.contains(text));
        self.named.iter().find(|(text, _)| is(text)).map(|&(_, stored)| stored)
    }

    /// A text that no tensor has in its name: a slip.
    pub fn slip<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Option<&str> {
        let mut texts = self.named.iter().map(|(text, _)| text.as_str());
        texts.find(|text| !names.clone().any(|name| name.contains(text)))
    }

    /// The type of one tensor: what was asked for, if its shape allows it, else the one that it has.
    pub fn of(&self, name: &str, shape: &[usize], found: WeightType) -> WeightType {
        let named = self.named(name);
        let general = self.matrices.filter(|_| shape.len() > 1 && !name.contains("q_head"));
        named.or(general).filter(|stored| stored.fits(shape)).unwrap_or(found)
    }
}

impl fmt::Display for WeightTypes {
    /// As a command line says it: `q8`, `q8 wte=f16`; `keep` where nothing was asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.matrices.map_or("keep", WeightType::name))?;
        self.named.iter().try_for_each(|(text, stored)| write!(f, " {text}={stored}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn there_and_back(stored: WeightType, numbers: &[f32]) -> Vec<f32> {
        let (mut data, mut scales) = (vec![], vec![]);
        stored.from_f32(numbers, &mut data, &mut scales).unwrap();
        let n = numbers.len() as u64;
        assert_eq!((data.len() as u64, scales.len() as u64), (stored.data_bytes(n), stored.scale_bytes(n)));
        stored.to_f32(&data, &scales)
    }

    /// Two blocks of numbers between -1 and 1, the second a thousand times smaller.
    fn numbers() -> Vec<f32> {
        let unit = |i: usize| ((i * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0;
        (0..BLOCK).map(unit).chain((0..BLOCK).map(|i| unit(i + 77) / 1000.0)).collect()
    }

    #[test]
    fn rounding_is_to_the_nearest() {
        for (stored, steps) in [(WeightType::Q8, 127.0), (WeightType::Q4, 8.0)] {
            let numbers = numbers();
            let found = there_and_back(stored, &numbers);
            for (found, numbers) in found.chunks(BLOCK).zip(numbers.chunks(BLOCK)) {
                let largest = numbers.iter().fold(0.0f32, |m, w| m.max(w.abs()));
                for (found, w) in found.iter().zip(numbers) {
                    // Half a step; the end that q4 lacks may miss a whole one. The scale is rounded to f16.
                    let most = if stored == WeightType::Q8 { 0.502 } else { 1.002 } * largest / steps;
                    assert!((found - w).abs() <= most, "{stored}: {w} became {found}");
                }
                // The largest is there nearly as it was.
                let best = found.iter().fold(0.0f32, |m, w| m.max(w.abs()));
                assert!((best - largest).abs() <= largest / 1000.0);
            }
        }
    }

    #[test]
    fn what_is_stored_stays() {
        for stored in WeightType::ALL {
            let once = there_and_back(stored, &numbers());
            assert_eq!(there_and_back(stored, &once), once, "{stored}");
        }
        assert_eq!(there_and_back(WeightType::Q4, &[0.0; 32]), [0.0; 32]);
        assert_eq!(there_and_back(WeightType::Q8, &[1e-12; 32]), [0.0; 32], "too small for a scale");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |stored: WeightType, number: f32| {
            let mut numbers = [0.5; BLOCK];
            numbers[7] = number;
            stored.from_f32(&numbers, &mut vec![], &mut vec![]).err().map(|DoesNotFit(found)| found)
        };
        assert_eq!(refused(WeightType::F16, 65504.0), None);
        assert_eq!(refused(WeightType::F16, 65520.0), Some(65520.0));
        assert_eq!(refused(WeightType::F16, f32::INFINITY), None, "it stays what it is");
        assert_eq!(refused(WeightType::Bf16, f32::MAX), Some(f32::MAX));
        assert_eq!(refused(WeightType::Q8, f32::NEG_INFINITY), Some(f32::NEG_INFINITY));
        assert_eq!(refused(WeightType::Q4, -1e9), Some(-1e9));
        assert!(refused(WeightType::Q4, f32::NAN).unwrap().is_nan());
    }

    #[test]
    fn the_first_name_that_fits_counts() {
        let named = vec![("wte".to_owned(), WeightType::F16), ("w".to_owned(), WeightType::Q4)];
        let types = WeightTypes { matrices: Some(WeightType::Q8), named };
        let of = |name: &str, shape: &[usize]| types.of(name, shape, WeightType::F32);
        assert_eq!(of("wte.weight", &[10, 64]), WeightType::F16);
        assert_eq!(of("input_blocks.0.attn.q_proj.weight", &[64, 64]), WeightType::Q4);
        assert_eq!(of("x", &[64, 64]), WeightType::Q8);
        assert_eq!(of("x", &[64, 40]), WeightType::F32, "no whole blocks");
        assert_eq!(of("ln", &[64]), WeightType::F32);
        assert_eq!(
            WeightTypes::all(Some(WeightType::Q8)).of("q_head", &[2, 64], WeightType::Bf16),
            WeightType::Bf16
        );
        assert_eq!(types.to_string(), "q8 wte=f16 w=q4");
        assert_eq!(WeightTypes::default().to_string(), "keep");
        assert_eq!("q8".parse(), Ok(WeightType::Q8));
        assert!("q5".parse::<WeightType>().is_err());
    }
}
