//! A browser's file, of which the engine reads ranges; it never lies in wasm's memory as a whole.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;

use fathom_engine::{Bytes, Error, ReadAt, Result};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

/// A blob and what errors call it.
#[derive(Debug)]
pub struct BlobFile {
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub blob: Blob,
}

impl BlobFile {
    async fn bytes(&self, range: Range<u64>) -> std::result::Result<Bytes, JsValue> {
        let part = self.blob.slice_with_f64_and_f64(range.start as f64, range.end as f64)?;
        let buffer = JsFuture::from(part.array_buffer()).await?;
        Ok(Bytes::from(Uint8Array::new(&buffer).to_vec()))
    }
}

impl ReadAt for BlobFile {
    fn n_bytes(&self) -> u64 {
        self.blob.size() as u64
    }

    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = Result<Bytes>> + '_>> {
        Box::pin(async move {
            // A file that its owner changed or deleted meanwhile can no longer be read.
            self.bytes(range).await.map_err(|reason| Error::Io {
                file: self.name.clone(),
                reason: io::Error::other(String::from(js_sys::Error::from(reason).message())),
            })
        })
    }
}
