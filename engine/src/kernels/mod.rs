//! One file for each shader, under its name: the equation, the parameters, the checks, the grid, and the CPU
//! twin, which computes the same in plain loops and in the kernel's own order.
//!
//! Shapes: `C` n_embd, `hd` head size, `V` vocabulary, `n_rows` rows of one call. A *slot* is a place for one
//! position of one sequence: `slot = sequence * capacity + position`. A *slab* is one `[n_slots, …]` piece of a
//! buffer that holds several depths.
//!
//! **The one summation order.** A dot product with weights runs in 32 interleaved accumulators (number k goes to
//! k mod 32); each run of 4 is folded in halves, then the 8 results; so does a norm's sum of squares. The sums of q_head
//! and of a movement run in 64, folded in halves: 32, 16, 8, 4, 2, 1. It is `dot.rs` and `fold64` here, `fold` in the
//! shaders. So a row's result depends on nothing but the row.

pub mod attention;
pub mod decide;
mod dot;
pub mod embed;
pub mod feed;
pub mod halt;
pub mod inject;
pub mod linear;
pub mod load_rows;
pub mod movement;
pub mod prefix_sum;
pub mod q_head;
pub mod sample;
mod shader;
pub mod store_rows;

pub use shader::{Access, Shader};

use bytemuck::Pod;

use crate::config::KvType;
use crate::device::Buffer;
use crate::recording::Call;
use crate::weights::WeightType;

/// In place of a step: the call belongs to the output stage. In place of a plane: the one of the sequence's
/// own depth, which only the mask knows.
pub const OUTPUT: u32 = u32::MAX;

/// In the mask, in place of both of its words: the sequence takes no part in what follows.
pub const OVER: u32 = u32::MAX;

/// A shader, the layout of its parameters in Rust, and its CPU twin.
#[derive(Debug)]
pub struct Kernel {
    /// The WGSL and what was reflected from it.
    pub shader: &'static Shader,
    /// Names and offsets of the Rust parameter struct; a test holds them to the shader's.
    pub fields: &'static [(&'static str, usize)],
    /// The twin: the same numbers on the CPU.
    pub twin: fn(&Call, Bindings<'_>),
}

/// Every kernel, by name.
pub static ALL: &[&Kernel] = &[
    &attention::KERNEL,
    &decide::KERNEL,
    &embed::KERNEL,
    &feed::KERNEL,
    &halt::KERNEL,
    &inject::KERNEL,
    &linear::KERNEL,
    &load_rows::KERNEL,
    &movement::KERNEL,
    &prefix_sum::KERNEL,
    &q_head::KERNEL,
    &sample::KERNEL,
    &store_rows::KERNEL,
];

/// The rows that a call works on: `rows[first .. first + n]`, for one step or for the output stage.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// `[row]` of (sequence, position, source row, 1 for the last row of its sequence), u32.
    pub rows: &'a Buffer,
    /// `[sequence]` of (depth it halted at or 0, first position of its output stage), or [`OVER`] twice, u32.
    pub mask: &'a Buffer,
    /// The first row.
    pub first: u32,
    /// How many.
    pub n: u32,
    /// The step, from 1, or [`OUTPUT`].
    pub step: u32,
}

/// A row as the twins read it.
pub(crate) type Row = [u32; 4];

/// Whether a row is computed at all: a step until its sequence has halted below it, the output stage once it
/// has halted; nothing of one that is over. The shaders' `live`.
pub(crate) fn live(row: Row, mask: &[[u32; 2]], step: u32) -> bool {
    let [depth, out_from] = mask[row[0] as usize];
    if step == OUTPUT {
        depth != 0 && row[1] >= out_from
    } else {
        depth == 0 || (depth >= step && depth != OVER)
    }
}

/// The slab that a plane parameter means for a row.
pub(crate) fn slab_of(plane: u32, row: Row, mask: &[[u32; 2]]) -> usize {
    (if plane == OUTPUT { mask[row[0] as usize][0] - 1 } else { plane }) as usize
}

/// The fewest slabs of a buffer in which a call names this plane.
pub(crate) fn n_slabs(plane: u32) -> usize {
    if plane == OUTPUT { 1 } else { plane as usize + 1 }
}

/// The shaders' `WEIGHTS`.
fn weights_constant(weight_type: WeightType) -> u32 {
    match weight_type {
        WeightType::F32 => 0,
        WeightType::F16 => 1,
        WeightType::Bf16 => 2,
        WeightType::Q8 => 3,
        WeightType::Q4 => 4,
    }
}

/// The shaders' `KV`.
fn kv_constant(kv_type: KvType) -> u32 {
    match kv_type {
        KvType::F32 => 0,
        KvType::F16 => 1,
    }
}

/// The type behind the shaders' `WEIGHTS`.
fn stored_as(constant: u32) -> WeightType {
    let is = |stored: &WeightType| weights_constant(*stored) == constant;
    WeightType::ALL.into_iter().find(is).unwrap_or(WeightType::F32)
}

/// The 64 accumulators, folded in halves.
pub(crate) fn fold64(mut acc: [f32; 64]) -> f32 {
    let mut half = 32;
    while half > 0 {
        for i in 0..half {
            acc[i] += acc[i + half];
        }
        half /= 2;
    }
    acc[0]
}

/// A call's buffers as a twin sees them, in binding order. Each is taken once.
pub struct Bindings<'a> {
    words: Vec<Words<'a>>,
}

/// One buffer of a twin.
pub enum Words<'a> {
    /// It is read.
    Read(&'a [u32]),
    /// It is read and written.
    Write(&'a mut [u32]),
}

impl<'a> Bindings<'a> {
    /// The buffers, in binding order.
    pub fn new(words: Vec<Words<'a>>) -> Bindings<'a> {
        Bindings { words }
    }

    /// The numbers of a buffer that is only read.
    pub(crate) fn read<T: Pod>(&self, binding: usize) -> &'a [T] {
        match self.words.get(binding) {
            Some(&Words::Read(words)) => bytemuck::cast_slice(whole::<T>(words)),
            _ => &[],
        }
    }

    /// The numbers of a buffer that is written.
    pub(crate) fn write<T: Pod>(&mut self, binding: usize) -> &'a mut [T] {
        match self.words.get_mut(binding) {
            Some(Words::Write(words)) => {
                let words = std::mem::take(words);
                let n = whole::<T>(words).len();
                bytemuck::cast_slice_mut(&mut words[..n])
            }
            _ => &mut [],
        }
    }
}

/// As many words as make whole elements.
fn whole<T>(words: &[u32]) -> &[u32] {
    let per_element = (size_of::<T>() / 4).max(1);
    &words[..words.len() / per_element * per_element]
}

/// Defines a kernel's parameter struct, as WGSL lays out numbers of four bytes one after the other.
macro_rules! params {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        #[repr(C)]
        #[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        struct Params {
            $($(#[$doc])* $name: $type,)*
        }
        const FIELDS: &[(&str, usize)] = &[$((stringify!($name), std::mem::offset_of!(Params, $name)),)*];
    };
}
pub(crate) use params;
