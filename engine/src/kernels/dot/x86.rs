//! For AVX2: the 32 accumulators are four registers, and three rows of x share what is read of W.

use std::arch::x86_64::*;

use half::f16;

use super::{LANES, fold, plain};
use crate::weights::BLOCK;

/// Rows of x that are done together: their accumulators fill twelve of the sixteen registers.
const ROWS: usize = 3;

/// One row of W times several rows of x.
#[target_feature(enable = "avx2,f16c")]
pub(super) fn dots(w: &[f32], xs: &[&[f32]], v: &mut [f32]) {
    let (tiles, rest) = xs.as_chunks::<ROWS>();
    let (of_tiles, of_rest) = v.split_at_mut(ROWS * tiles.len());
    for (xs, v) in tiles.iter().zip(of_tiles.as_chunks_mut::<ROWS>().0) {
        *v = tile(w, *xs);
    }
    for (&x, v) in rest.iter().zip(of_rest) {
        [*v] = tile(w, [x]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn tile<const R: usize>(w: &[f32], xs: [&[f32]; R]) -> [f32; R] {
    let mut acc = [[_mm256_setzero_ps(); LANES / 8]; R];
    let (whole, rest) = w.as_chunks::<LANES>();
    let all = xs.map(|x| &x.as_chunks::<LANES>().0[..whole.len()]);
    for (c, w) in whole.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(all) {
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc = _mm256_add_ps(*acc, _mm256_mul_ps(load(w, j), load(&x[c], j)));
            }
        }
    }
    for (j, w) in rest.as_chunks::<8>().0.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(xs) {
            let x = &x.as_chunks::<8>().0[LANES / 8 * whole.len() + j];
            let product = _mm256_mul_ps(bytemuck::must_cast(*w), bytemuck::must_cast(*x));
            acc[j] = _mm256_add_ps(acc[j], product);
        }
    }
    acc.map(|acc| fold(&bytemuck::must_cast(acc)))
}

/// Eight of 32 numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn load(numbers: &[f32; LANES], j: usize) -> __m256 {
    bytemuck::must_cast(numbers.as_chunks::<8>().0[j])
}

#[target_feature(enable = "avx2,f16c")]
pub(super) fn widen_f16(halves: &[u16], row: &mut [f32]) {
    let ((eights, rest), (rows, rest_of_row)) = (halves.as_chunks::<8>(), row.as_chunks_mut::<8>());
    for (halves, row) in eights.iter().zip(rows) {
        *row = bytemuck::must_cast(_mm256_cvtph_ps(bytemuck::must_cast(*halves)));
    }
    plain::widen_f16(rest, rest_of_row);
}

/// Integers times the scale of their block.
#[target_feature(enable = "avx2,f16c")]
pub(super) fn widen_q8(q: &[i8], scales: &[f16], row: &mut [f32]) {
    let blocks = q.as_chunks::<BLOCK>().0.iter().zip(row.as_chunks_mut::<BLOCK>().0);
    for ((q, row), &scale) in blocks.zip(scales) {
        widen_block(bytemuck::must_cast(*q), scale, row);
    }
}

/// Two a byte, the first in the lower half.
#[target_feature(enable = "avx2,f16c")]
pub(super) fn widen_q4(q: &[u8], scales: &[f16], row: &mut [f32]) {
    let blocks = q.as_chunks::<{ BLOCK / 2 }>().0.iter().zip(row.as_chunks_mut::<BLOCK>().0);
    for ((q, row), &scale) in blocks.zip(scales) {
        let (both, mask, eight) = (bytemuck::must_cast(*q), _mm_set1_epi8(15), _mm_set1_epi8(8));
        let first = _mm_sub_epi8(_mm_and_si128(both, mask), eight);
        let second = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16::<4>(both), mask), eight);
        widen_block([_mm_unpacklo_epi8(first, second), _mm_unpackhi_epi8(first, second)], scale, row);
    }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn widen_block(q: [__m128i; 2], scale: f16, row: &mut [f32; BLOCK]) {
    let scale = _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(scale.to_bits().into())));
    let eights = [q[0], _mm_srli_si128::<8>(q[0]), q[1], _mm_srli_si128::<8>(q[1])];
    for (eight, row) in eights.into_iter().zip(row.as_chunks_mut::<8>().0) {
        *row = bytemuck::must_cast(_mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight))));
    }
}
