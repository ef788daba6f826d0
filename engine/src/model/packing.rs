//! Tensors on their way to a device: several in one buffer, each found by where it begins.

use std::collections::BTreeMap;

use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::files::Progress;
use crate::kernels::linear::{Affine, NONE};
use crate::weights::{Tensor, WeightType, pieces};

/// Tensors on their way into one buffer.
#[derive(Default)]
pub struct Packing {
    pieces: Vec<Piece>,
    n_bytes: u64,
}

struct Piece {
    content: Content,
    stored: WeightType,
    /// Where its numbers begin, in bytes.
    at: u64,
    /// Where the scales of its matrix do.
    scales: u64,
}

enum Content {
    Tensor(Tensor),
    /// A matrix whose rows go to the device in this order.
    Rows(Tensor, Vec<u64>),
    Floats(Vec<f32>),
}

impl Content {
    fn n(&self) -> u64 {
        match self {
            Content::Tensor(tensor) | Content::Rows(tensor, _) => tensor.n(),
            Content::Floats(numbers) => numbers.len() as u64,
        }
    }
}

impl Packing {
    /// Puts tensors one right after the other, from the next 16 bytes on; returns where, in units of 16 bytes.
    pub fn push(&mut self, tensors: Vec<Tensor>, stored: WeightType) -> u32 {
        let start = self.begin();
        for tensor in tensors {
            self.append(Content::Tensor(tensor), stored);
        }
        start
    }

    /// Puts numbers that are no file's, from the next 16 bytes on.
    pub fn push_floats(&mut self, numbers: Vec<f32>) -> u32 {
        let start = self.begin();
        self.append(Content::Floats(numbers), WeightType::F32);
        start
    }

    /// Puts the parts of a matrix one right after the other, and behind them, from the next 16 bytes on, their scales.
    pub fn push_matrix(&mut self, tensors: Vec<Tensor>) -> Affine {
        let stored = shared_type(&tensors);
        self.push_contents(tensors.into_iter().map(Content::Tensor).collect(), stored)
    }

    /// Puts a matrix whose rows go to the device in another order than the file's.
    pub fn push_rows(&mut self, tensor: Tensor, rows: Vec<u64>) -> Affine {
        let stored = tensor.stored;
        self.push_contents(vec![Content::Rows(tensor, rows)], stored)
    }

    fn push_contents(&mut self, contents: Vec<Content>, stored: WeightType) -> Affine {
        let first = self.pieces.len();
        let weight = self.begin();
        for content in contents {
            self.append(content, stored);
        }
        let scales = self.begin();
        let at = self.n_bytes;
        for piece in &mut self.pieces[first..] {
            piece.scales = at;
            self.n_bytes += stored.scale_bytes(piece.content.n());
        }
        self.n_bytes = self.n_bytes.next_multiple_of(4);
        Affine { weight_type: stored, weight, scales, bias: NONE }
    }

    fn begin(&mut self) -> u32 {
        self.n_bytes = self.n_bytes.next_multiple_of(16);
        (self.n_bytes / 16) as u32
    }

    fn append(&mut self, content: Content, stored: WeightType) {
        let (at, n) = (self.n_bytes, content.n());
        self.pieces.push(Piece { content, stored, at, scales: 0 });
        self.n_bytes += stored.data_bytes(n);
    }
}

/// The type of matrices that are one on the device: theirs, or f32 where they differ.
pub fn shared_type(tensors: &[Tensor]) -> WeightType {
    match tensors {
        [first, others @ ..] if others.iter().all(|other| other.stored == first.stored) => first.stored,
        _ => WeightType::F32,
    }
}

/// Brings packings to a device, and tells how far it has come.
pub struct Uploader<'a> {
    device: &'a Device,
    progress: &'a mut dyn FnMut(Progress),
    bytes_done: u64,
    bytes_total: u64,
}

impl<'a> Uploader<'a> {
    /// `bytes_total` is what all packings are in the files.
    pub fn new(device: &'a Device, bytes_total: u64, progress: &'a mut dyn FnMut(Progress)) -> Uploader<'a> {
        Uploader { device, progress, bytes_done: 0, bytes_total }
    }

    /// A buffer with all that a packing holds.
    pub async fn upload(&mut self, label: &str, packing: Packing) -> Result<Buffer> {
        let buffer = self.device.buffer(label, packing.n_bytes)?;
        // A matrix's are few, and two bytes each, where a device takes four.
        let mut all_scales: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for piece in &packing.pieces {
            let Piece { content, stored, at, scales } = piece;
            let scales = all_scales.entry(*scales).or_default();
            match content {
                Content::Floats(numbers) => {
                    self.device.write(&buffer, *at, bytemuck::cast_slice(numbers))?;
                }
                Content::Tensor(tensor) => {
                    for numbers in pieces(tensor.n()) {
                        let to = at + stored.data_bytes(numbers.start);
                        let bytes_read = tensor.dtype.bytes(numbers.end - numbers.start);
                        let found = tensor.read_as(*stored, numbers).await?;
                        self.device.write(&buffer, to, &found.data)?;
                        scales.extend_from_slice(&found.scales);
                        self.tell(bytes_read);
                    }
                }
                Content::Rows(tensor, rows) => {
                    // Of a small model: it is read whole and put in order here.
                    let found = tensor.read_as(*stored, 0..tensor.n()).await?;
                    let in_order = |bytes: &[u8]| {
                        let row_bytes = bytes.len() / rows.len().max(1);
                        let row = |&row: &u64| &bytes[row as usize * row_bytes..][..row_bytes];
                        rows.iter().flat_map(row).copied().collect::<Vec<u8>>()
                    };
                    self.device.write(&buffer, *at, &in_order(&found.data))?;
                    scales.extend(in_order(&found.scales));
                    self.tell(tensor.n_bytes());
                }
            }
        }
        for (at, mut scales) in all_scales.into_iter().filter(|(_, scales)| !scales.is_empty()) {
            scales.resize(scales.len().next_multiple_of(4), 0);
            self.device.write(&buffer, at, &scales)?;
        }
        Ok(buffer)
    }

    fn tell(&mut self, bytes: u64) {
        self.bytes_done = (self.bytes_done + bytes).min(self.bytes_total);
        let (bytes_done, bytes_total) = (self.bytes_done, self.bytes_total);
        (self.progress)(Progress { phase: "loading weights", bytes_done, bytes_total });
    }
}
