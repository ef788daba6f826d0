//! For every machine: vectors of eight as `wide` makes them of what there is, and loops that compilers find vectors in.

use half::f16;
use wide::f32x8;

use super::{LANES, fold};
use crate::weights::BLOCK;

/// One row of W times several rows of x.
#[inline(always)]
pub(super) fn dots(w: &[f32], xs: &[&[f32]], v: &mut [f32]) {
    let (whole, rest) = w.as_chunks::<LANES>();
    for (x, v) in xs.iter().zip(v) {
        let (whole_x, rest_x) = x.as_chunks::<LANES>();
        let mut acc = [f32x8::ZERO; LANES / 8];
        for (w, x) in whole.iter().zip(whole_x) {
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc += f32x8::new(w.as_chunks().0[j]) * f32x8::new(x.as_chunks().0[j]);
            }
        }
        for ((w, x), acc) in rest.as_chunks().0.iter().zip(rest_x.as_chunks().0).zip(&mut acc) {
            *acc += f32x8::new(*w) * f32x8::new(*x);
        }
        *v = fold(&bytemuck::must_cast(acc));
    }
}

/// `f16::to_f32` without branches, so that loops of it vectorise.
#[inline(always)]
pub(super) fn widen_f16(halves: &[u16], row: &mut [f32]) {
    // The exponent is put right by a product, which gets subnormal numbers right too.
    const TWO_112: f32 = f32::from_bits((127 + 112) << 23);
    for (&half, x) in halves.iter().zip(row) {
        let magnitude = u32::from(half & 0x7fff) << 13;
        let finite = (f32::from_bits(magnitude) * TWO_112).to_bits();
        let bits = if half & 0x7c00 == 0x7c00 { magnitude | 0x7f80_0000 } else { finite };
        *x = f32::from_bits(bits | u32::from(half & 0x8000) << 16);
    }
}

/// Integers times the scale of their block.
#[inline(always)]
pub(super) fn widen_q8(q: &[i8], scales: &[f16], row: &mut [f32]) {
    let blocks = q.as_chunks::<BLOCK>().0.iter().zip(row.as_chunks_mut::<BLOCK>().0);
    for ((q, row), scale) in blocks.zip(scales) {
        let scale = scale.to_f32();
        for (x, &q) in row.iter_mut().zip(q) {
            *x = scale * f32::from(q);
        }
    }
}

/// Two a byte, the first in the lower half.
#[inline(always)]
pub(super) fn widen_q4(q: &[u8], scales: &[f16], row: &mut [f32]) {
    let blocks = q.as_chunks::<{ BLOCK / 2 }>().0.iter().zip(row.as_chunks_mut::<BLOCK>().0);
    for ((q, row), scale) in blocks.zip(scales) {
        let scale = scale.to_f32();
        for (two, &q) in row.as_chunks_mut::<2>().0.iter_mut().zip(q) {
            *two = [q & 15, q >> 4].map(|q| scale * (f32::from(q) - 8.0));
        }
    }
}
