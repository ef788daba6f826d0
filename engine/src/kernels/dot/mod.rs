//! The one summation order, as the twins keep it, and rows of weights as they are stored.
//!
//! Number k of a dot product goes to accumulator k mod 32; each run of 4 is folded in halves, then the 8 results. It is
//! written twice: `plain.rs` for every machine, with the vectors that a program is compiled for (WebAssembly's, NEON, SSE2),
//! and `x86.rs` for AVX2, which is found when it runs. Both give the same bits.

mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use half::f16;
use half::slice::HalfBitsSliceExt;
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::weights::{BLOCK, WeightType};

/// Accumulators of a dot product.
const LANES: usize = 32;

/// W as it is stored.
pub(crate) struct Matrix<'a> {
    pub w: &'a [u32],
    /// How.
    pub stored: WeightType,
    /// Where it begins, in words.
    pub first: usize,
    /// Where its scales begin, in words.
    pub scales: usize,
    /// Numbers of a row, a multiple of 8.
    pub n_in: usize,
}

impl Matrix<'_> {
    /// One row, as f32; in `made`, where it is not stored so.
    pub(crate) fn row<'b>(&'b self, o: usize, made: &'b mut Vec<f32>) -> &'b [f32] {
        let n = self.n_in;
        let bytes: &[u8] = bytemuck::cast_slice(&self.w[self.first..]);
        let n_bytes = self.stored.data_bytes(n as u64) as usize;
        let data = &bytes[o * n_bytes..][..n_bytes];
        if self.stored == WeightType::F32 {
            return bytemuck::cast_slice(data);
        }
        made.resize(n, 0.0);
        match self.stored {
            WeightType::F32 => {}
            WeightType::F16 => widen_f16(bytemuck::cast_slice(data), made),
            WeightType::Bf16 => widen_bf16(bytemuck::cast_slice(data), made),
            WeightType::Q8 => widen_q8(bytemuck::cast_slice(data), self.scales_of(o), made),
            WeightType::Q4 => widen_q4(data, self.scales_of(o), made),
        }
        made
    }

    fn scales_of(&self, o: usize) -> &[f16] {
        let scales: &[u16] = bytemuck::cast_slice(&self.w[self.scales..]);
        scales[o * (self.n_in / BLOCK)..][..self.n_in / BLOCK].reinterpret_cast()
    }
}

/// One row of W times several rows of x.
#[multiversion(targets("x86_64+avx2+f16c"))]
pub(crate) fn dots(w: &[f32], xs: &[&[f32]], v: &mut [f32]) {
    match_target! {
        "x86_64+avx2+f16c" => x86::dots(w, xs, v),
        _ => plain::dots(w, xs, v),
    }
}

/// In the one summation order.
pub(crate) fn dot(w: &[f32], x: &[f32]) -> f32 {
    let mut v = [0.0];
    dots(w, &[x], &mut v);
    v[0]
}

/// Half precision, exactly.
#[multiversion(targets("x86_64+avx2+f16c"))]
pub(crate) fn widen_f16(halves: &[u16], row: &mut [f32]) {
    match_target! {
        "x86_64+avx2+f16c" => x86::widen_f16(halves, row),
        _ => plain::widen_f16(halves, row),
    }
}

/// The upper halves of f32.
#[multiversion(targets("x86_64+avx2"))]
fn widen_bf16(halves: &[u16], row: &mut [f32]) {
    for (&half, x) in halves.iter().zip(row) {
        *x = f32::from_bits(u32::from(half) << 16);
    }
}

#[multiversion(targets("x86_64+avx2+f16c"))]
fn widen_q8(q: &[i8], scales: &[f16], row: &mut [f32]) {
    match_target! {
        "x86_64+avx2+f16c" => x86::widen_q8(q, scales, row),
        _ => plain::widen_q8(q, scales, row),
    }
}

#[multiversion(targets("x86_64+avx2+f16c"))]
fn widen_q4(q: &[u8], scales: &[f16], row: &mut [f32]) {
    match_target! {
        "x86_64+avx2+f16c" => x86::widen_q4(q, scales, row),
        _ => plain::widen_q4(q, scales, row),
    }
}

/// The accumulators, folded.
#[inline(always)]
fn fold(acc: &[f32; LANES]) -> f32 {
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
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn both_ways_give_the_same_bits() {
        for n in (8..=160).step_by(8) {
            let (w, rows) = (numbers(n, 1), [2, 3, 4, 5, 6, 7, 8].map(|seed| numbers(n, seed)));
            for n_rows in 1..=rows.len() {
                let xs: Vec<&[f32]> = rows[..n_rows].iter().map(Vec::as_slice).collect();
                let (mut found, mut expected) = (vec![0.0; n_rows], vec![0.0; n_rows]);
                dots(&w, &xs, &mut found);
                plain::dots(&w, &xs, &mut expected);
                assert_eq!(found, expected, "{n_rows} rows of {n}");
            }
            // And that of the definition.
            let mut acc = [0.0; LANES];
            w.iter().zip(&rows[0]).enumerate().for_each(|(k, (w, x))| acc[k % LANES] += w * x);
            assert_eq!(dot(&w, &rows[0]), fold(&acc));
        }
    }

    #[test]
    fn every_f16_widens_exactly() {
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        for widen in [widen_f16, plain::widen_f16] {
            let mut row = vec![0.0; halves.len()];
            widen(&halves, &mut row);
            for (&bits, found) in halves.iter().zip(row) {
                let expected = f16::from_bits(bits).to_f32();
                assert!(found == expected || found.is_nan() && expected.is_nan(), "{bits:#06x}");
                assert_eq!(found.is_sign_negative(), expected.is_sign_negative(), "{bits:#06x}");
            }
        }
    }

    #[test]
    fn every_block_widens_as_it_is_defined() {
        let scales: Vec<f16> =
            [0.5, -0.031, 6e-8, 60000.0].map(f16::from_f32).into_iter().cycle().take(16).collect();
        let bytes: Vec<u8> = (0..512).map(|i| (i * 37 % 256) as u8).collect();
        let scale_bytes: Vec<u8> = scales.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut row = vec![0.0; 512];
        let expected = WeightType::Q8.to_f32(&bytes, &scale_bytes);
        for widen in [widen_q8, plain::widen_q8] {
            widen(bytemuck::cast_slice(&bytes), &scales, &mut row);
            assert_eq!(row, expected);
        }
        let expected = WeightType::Q4.to_f32(&bytes[..256], &scale_bytes);
        for widen in [widen_q4, plain::widen_q4] {
            widen(&bytes[..256], &scales, &mut row);
            assert_eq!(row, expected);
        }
    }
}
