//! The engine's own look at safetensors files: their headers, and whether they are the model of a configuration.

use std::fs::{self, File};
use std::future::{Future, ready};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;

use anyhow::Context;
use fathom_engine::{Bytes, Config, Error, ReadAt, WeightFile, Weights};

/// A file that is read in ranges, so that a model need not be in memory to be checked.
#[derive(Debug)]
struct OnDisk {
    file: File,
    name: String,
    n_bytes: u64,
}

impl ReadAt for OnDisk {
    fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = fathom_engine::Result<Bytes>> + '_>> {
        let read = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end - range.start).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        };
        Box::pin(ready(read().map_err(|reason| Error::Io { file: self.name.clone(), reason })))
    }
}

/// Reads and checks the headers of one or several files.
///
/// # Errors
/// What the engine says of them.
pub fn headers(paths: &[PathBuf]) -> anyhow::Result<Weights> {
    let open = |path: &PathBuf| -> anyhow::Result<WeightFile> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        let n_bytes = file.metadata()?.len();
        let file = Rc::new(OnDisk { file, name: name.clone(), n_bytes });
        Ok(pollster::block_on(WeightFile::open(name, file))?)
    };
    let files = paths.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Weights::from_files(&files)?)
}

/// What was written, as the engine will find it.
///
/// # Errors
/// What the engine would say of it.
pub fn written(folder: &Path, weights: &[String]) -> anyhow::Result<()> {
    let name = folder.join("config.json");
    let config = Config::from_json(&fs::read_to_string(&name)?, &name.display().to_string())?;
    let paths: Vec<PathBuf> = weights.iter().map(|name| folder.join(name)).collect();
    Ok(pollster::block_on(headers(&paths)?.check(&config))?)
}
