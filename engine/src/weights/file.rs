//! One safetensors file: `[n: u64 little-endian][n bytes of JSON][data]`; the JSON gives each tensor's type, shape and
//! byte range within the data. Parsing and checking the JSON is the safetensors crate's; the lengths around it are
//! checked here, because the crate adds numbers out of a hostile header without a check.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;

use safetensors::tensor::Metadata;

use crate::error::{Error, Result};
use crate::files::Bytes;

/// The longest header that is read, in bytes; the reference implementation's own limit.
const MOST_HEADER_BYTES: u64 = 100_000_000;

/// The number of bytes that say how long the header is.
const LENGTH_BYTES: u64 = 8;

/// Bytes that lie elsewhere and come in pieces: a file of a browser's, which is never in memory as a whole.
pub trait ReadAt: std::fmt::Debug {
    /// How many there are.
    fn n_bytes(&self) -> u64;

    /// Those of a range, which lies within them.
    ///
    /// # Errors
    /// [`Error::Io`] and whatever else the place has to say.
    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = Result<Bytes>> + '_>>;
}

/// One safetensors file.
#[derive(Debug, Clone)]
pub struct WeightFile {
    /// What errors call it.
    name: String,
    /// The beginning, at least to the end of the header.
    head: Bytes,
    n_bytes: u64,
    source: Source,
}

/// Where bytes lie.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Memory(Bytes),
    Elsewhere(Rc<dyn ReadAt>),
}

impl WeightFile {
    /// A file that is in memory. `name` is what errors call it.
    pub fn in_memory(name: impl Into<String>, bytes: impl Into<Bytes>) -> WeightFile {
        let bytes = bytes.into();
        let (head, n_bytes) = (bytes.clone(), bytes.len() as u64);
        WeightFile { name: name.into(), head, n_bytes, source: Source::Memory(bytes) }
    }

    /// The size of the whole file.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn source(&self) -> Source {
        self.source.clone()
    }

    /// A range of its bytes.
    ///
    /// # Errors
    /// Those of [`ReadAt::read`]; [`Error::Internal`] where the range does not lie within the file.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.source.read(range).await
    }

    /// A file that lies elsewhere; only its header is read now.
    ///
    /// # Errors
    /// Those of [`ReadAt::read`].
    pub async fn open(name: impl Into<String>, file: Rc<dyn ReadAt>) -> Result<WeightFile> {
        let n_bytes = file.n_bytes();
        let mut head = file.read(0..LENGTH_BYTES.min(n_bytes)).await?;
        // What the length promises is checked when the header is parsed.
        if let Some(header_bytes) = header_bytes(&head).filter(|&n| n <= MOST_HEADER_BYTES) {
            head = file.read(0..(LENGTH_BYTES + header_bytes).min(n_bytes)).await?;
        }
        Ok(WeightFile { name: name.into(), head, n_bytes, source: Source::Elsewhere(file) })
    }
}

impl Source {
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let outside = || Error::Internal(format!("the bytes {range:?} lie outside of a file of weights"));
        match self {
            Source::Memory(bytes) => {
                bytes.slice(range.start as usize..range.end as usize).ok_or_else(outside)
            }
            Source::Elsewhere(file) if range.end > file.n_bytes() => Err(outside()),
            Source::Elsewhere(file) => file.read(range).await,
        }
    }
}

/// The length that a file gives for its header.
fn header_bytes(head: &[u8]) -> Option<u64> {
    head.first_chunk().map(|b| u64::from_le_bytes(*b))
}

impl WeightFile {
    /// A file's header, and where its data begins; the one describes the other.
    pub(super) fn parse(&self) -> Result<(Metadata, u64)> {
        let invalid = |reason: String| Error::WeightsHeader { file: self.name.clone(), reason };
        let found_bytes = self.n_bytes;
        let truncated =
            |expected_bytes| Error::WeightsTruncated { file: self.name.clone(), expected_bytes, found_bytes };

        let header_bytes = header_bytes(&self.head).ok_or(truncated(LENGTH_BYTES))?;
        if header_bytes > MOST_HEADER_BYTES {
            return Err(invalid(format!(
                "its header claims {header_bytes} bytes, above {MOST_HEADER_BYTES}"
            )));
        }
        let data_start = LENGTH_BYTES + header_bytes;
        let header =
            self.head.get(LENGTH_BYTES as usize..data_start as usize).ok_or(truncated(data_start))?;
        // Reading Metadata also checks that the tensors follow each other without overlap or gap, and that each
        // one's length is that of its shape and type.
        let header: Metadata = serde_json::from_slice(header).map_err(|e| invalid(e.to_string()))?;
        let (promised, found) = (header.data_len() as u64, found_bytes - data_start);
        if promised > found {
            return Err(truncated(data_start.saturating_add(promised)));
        }
        if promised < found {
            return Err(invalid(format!("{} bytes after the last tensor belong to none", found - promised)));
        }
        Ok((header, data_start))
    }
}
