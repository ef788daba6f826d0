//! Weight files that stay on the disk: opened once, and read in the ranges that are asked for.
//!
//! They are not mapped into memory. That would need `unsafe`, and a file that somebody cuts off meanwhile would end
//! the process with a signal; here it is an error that names the file.

use std::fs::{self, File};
use std::future::{Future, ready};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{ReadAt, WeightFile};
use crate::error::{Error, Result};
use crate::files::Bytes;

#[derive(Debug)]
struct OnDisk {
    name: String,
    file: File,
    /// When it was opened.
    n_bytes: u64,
}

impl WeightFile {
    /// A file on the disk, of which only the header is read now. `name` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::WeightsTruncated`], now and when it is read, where it has become shorter meanwhile.
    pub fn on_disk(path: &Path, name: impl Into<String>) -> Result<WeightFile> {
        let name = name.into();
        let file = OnDisk::open(path, &name).map_err(|reason| Error::Io { file: name.clone(), reason })?;
        // Nothing below waits for anybody: the operating system reads within the call.
        let opened = pin!(WeightFile::open(name, Rc::new(file)));
        match opened.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(opened) => opened,
            Poll::Pending => Err(Error::Internal("a file on the disk kept waiting".to_owned())),
        }
    }
}

impl OnDisk {
    fn open(path: &Path, name: &str) -> io::Result<OnDisk> {
        // A pipe or a device might never end, and opening one might wait forever.
        let about = fs::metadata(path)?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let file = File::open(path)?;
        Ok(OnDisk { name: name.to_owned(), n_bytes: file.metadata()?.len(), file })
    }

    fn read_range(&self, range: &Range<u64>) -> Result<Bytes> {
        let cannot_read = |reason| Error::Io { file: self.name.clone(), reason };
        let read = || {
            let no_room = |_| io::Error::from(io::ErrorKind::OutOfMemory);
            let n_bytes = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::OutOfMemory)?;
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(n_bytes).map_err(no_room)?;
            // One thread: a `ReadAt` is not shared between several, so nobody moves the position in between.
            let mut file = &self.file;
            file.seek(SeekFrom::Start(range.start))?;
            file.take(n_bytes as u64).read_to_end(&mut bytes)?;
            Ok((bytes, n_bytes))
        };
        let (bytes, n_bytes) = read().map_err(cannot_read)?;
        if bytes.len() < n_bytes {
            let found_bytes = self.file.metadata().map_err(cannot_read)?.len();
            let (file, expected_bytes) = (self.name.clone(), self.n_bytes);
            return Err(Error::WeightsTruncated { file, expected_bytes, found_bytes });
        }
        Ok(bytes.into())
    }
}

impl ReadAt for OnDisk {
    fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = Result<Bytes>> + '_>> {
        Box::pin(ready(self.read_range(&range)))
    }
}
