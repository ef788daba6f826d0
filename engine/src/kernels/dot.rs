//! The one summation order, as the twins keep it, and rows of weights as they are stored.
//!
//! Number k of a dot product goes to accumulator k mod 32; each run of 4 is folded in halves, then the 8 results.

use std::borrow::Cow;
use std::hint::black_box;

use half::bf16;
use multiversion::multiversion;

/// W as it is stored.
pub(crate) struct Matrix<'a> {
    pub w: &'a [u32],
    /// The shaders' `WEIGHTS`.
    pub stored: u32,
    /// Where it begins, in words.
    pub first: usize,
    /// Numbers of a row.
    pub n_in: usize,
}

impl Matrix<'_> {
    /// One row, as f32.
    pub(crate) fn row(&self, o: usize) -> Cow<'_, [f32]> {
        let n = self.n_in;
        if self.stored == 0 {
            return Cow::Borrowed(bytemuck::cast_slice(&self.w[self.first + o * n..][..n]));
        }
        let pairs = &self.w[self.first + o * n / 2..][..n / 2];
        let mut row = vec![0.0; n];
        widen(pairs, self.stored == 1, &mut row);
        Cow::Owned(row)
    }
}

/// Pairs of 16-bit floats, the lower half first.
#[multiversion(targets("x86_64+avx2+f16c", "aarch64+neon"))]
fn widen(pairs: &[u32], is_f16: bool, row: &mut [f32]) {
    for (&pair, two) in pairs.iter().zip(row.as_chunks_mut::<2>().0) {
        let halves = [pair as u16, (pair >> 16) as u16];
        *two = if is_f16 { halves.map(widen_f16) } else { halves.map(|h| bf16::from_bits(h).to_f32()) };
    }
}

/// `f16::to_f32` without branches, so that loops of it vectorise. Exact for every number.
#[inline(always)]
fn widen_f16(half: u16) -> f32 {
    // The exponent is put right by a product, which gets subnormal numbers right too.
    const TWO_112: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * TWO_112).to_bits();
    let bits = if half & 0x7c00 == 0x7c00 { magnitude | 0x7f80_0000 } else { finite };
    f32::from_bits(bits | u32::from(half & 0x8000) << 16)
}

/// One row of W times several rows of x.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
pub(crate) fn dots(w: &[f32], xs: &[&[f32]], v: &mut [f32]) {
    for (x, v) in xs.iter().zip(v) {
        *v = dot(w, x);
    }
}

/// In the one summation order.
#[inline(always)]
pub(crate) fn dot(w: &[f32], x: &[f32]) -> f32 {
    let mut acc = [0.0f32; 32];
    // An array of known length would become 32 numbers of their own, none of them in a vector.
    let acc = &mut acc[..black_box(32)];
    for (w, x) in w.chunks(acc.len()).zip(x.chunks(acc.len())) {
        for (acc, (w, x)) in acc.iter_mut().zip(w.iter().zip(x)) {
            *acc += w * x;
        }
    }
    let lane = |t: usize| fold4([acc[4 * t], acc[4 * t + 1], acc[4 * t + 2], acc[4 * t + 3]]);
    fold4(std::array::from_fn(|i| lane(i) + lane(i + 4)))
}

/// Four numbers, folded in halves.
#[inline(always)]
fn fold4([x, y, z, w]: [f32; 4]) -> f32 {
    (x + z) + (y + w)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn every_f16_widens_exactly() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (widen_f16(bits), f16::from_bits(bits).to_f32());
            assert!(found == expected || found.is_nan() && expected.is_nan(), "{bits:#06x}");
            assert_eq!(found.is_sign_negative(), expected.is_sign_negative(), "{bits:#06x}");
        }
    }
}
