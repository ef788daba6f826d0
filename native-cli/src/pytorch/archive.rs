//! The zip around a pickle: found, checked, and read one file at a time.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use zip::ZipArchive;
use zip::result::ZipError;

use super::globals::shortened;
use super::pickle::{self, MOST_BYTES};
use super::tensor::{Storage, TensorView};
use super::value::Pickle;

/// How a zip begins, also an empty one.
pub const MAGIC: &[u8] = b"PK";

/// A PyTorch file, open. Its numbers are read when they are asked for.
pub struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// What stands before `data.pkl` and `data/` in every name.
    prefix: String,
    n_bytes: u64,
    /// The storage that was read last; tensors often share one.
    last: Option<(Storage, Vec<u8>)>,
}

impl Archive {
    /// Opens a file and reads its pickle.
    ///
    /// # Errors
    /// What is wrong with the zip or the pickle, without the file's name.
    pub fn open(path: &Path) -> anyhow::Result<(Archive, Pickle)> {
        let mut file = File::open(path)?;
        let n_bytes = file.metadata()?.len();
        let mut zip = ZipArchive::new(BufReader::new(file.try_clone()?)).map_err(unreadable)?;
        check_names(&mut file, zip.central_directory_start(), zip.len())?;
        ensure!(!zip.has_overlapping_files().map_err(unreadable)?, "files of the zip overlap");

        let is_pickle = |name: &&str| *name == "data.pkl" || name.ends_with("/data.pkl");
        let pickles: Vec<String> = zip.file_names().filter(is_pickle).map(str::to_owned).collect();
        let name = match &pickles[..] {
            [one] => one,
            [] => bail!("a zip without data.pkl: PyTorch did not write it"),
            [first, second, ..] => bail!("two pickles: {} and {}", shortened(first), shortened(second)),
        };
        let prefix = name.strip_suffix("data.pkl").unwrap_or_default().to_owned();
        let mut archive = Archive { zip, prefix, n_bytes, last: None };
        archive.check_byte_order()?;
        let bytes = archive.file("data.pkl", MOST_BYTES)?;
        let pickle = pickle::read(&bytes)?;
        Ok((archive, pickle))
    }

    /// The size of the whole file.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Checks that a storage is there and as long as the pickle says.
    ///
    /// # Errors
    /// Names the file of the zip.
    pub fn check(&mut self, storage: &Storage) -> anyhow::Result<()> {
        let (key, n_bytes) = (&storage.key, storage.n.checked_mul(storage.element.size_bytes()));
        let name = format!("{}data/{key}", self.prefix);
        let index = self.zip.index_for_name(&name);
        let index = index.with_context(|| format!("{} is not in the zip", shortened(&name)))?;
        let entry = self.zip.by_index_raw(index).map_err(unreadable)?;
        if Some(entry.size()) != n_bytes {
            let (n, kind) = (storage.n, storage.element.name());
            bail!("{} has {} bytes, expected {n} of {kind}", shortened(&name), entry.size());
        }
        Ok(())
    }

    /// A tensor's bytes, row by row.
    ///
    /// # Errors
    /// Those of [`Archive::check`], a file that cannot be read, a checksum that is wrong.
    pub fn read(&mut self, tensor: &TensorView) -> anyhow::Result<Cow<'_, [u8]>> {
        let storage = &tensor.storage;
        if self.last.as_ref().is_none_or(|(last, _)| last != storage) {
            self.last = None;
            self.check(storage)?;
            let bytes = self.file(&format!("data/{}", storage.key), u64::MAX)?;
            self.last = Some((storage.clone(), bytes));
        }
        match &self.last {
            Some((_, bytes)) => tensor.bytes(bytes),
            None => bail!("storage {} was not read", storage.key),
        }
    }

    fn check_byte_order(&mut self) -> anyhow::Result<()> {
        let name = format!("{}byteorder", self.prefix);
        if self.zip.index_for_name(&name).is_none() {
            // Before PyTorch 2.1 there was no such file.
            return Ok(());
        }
        let order = self.file("byteorder", 16)?;
        ensure!(order == b"little", "byteorder \"{}\", expected \"little\"", order.escape_ascii());
        Ok(())
    }
}

impl Archive {
    /// A whole file of the zip, its checksum checked.
    fn file(&mut self, name: &str, most_bytes: u64) -> anyhow::Result<Vec<u8>> {
        let name = format!("{}{name}", self.prefix);
        let named = || shortened(&name);
        let entry = self.zip.by_name(&name).map_err(|e| unreadable(e).context(named()))?;
        let n_bytes = entry.size();
        ensure!(n_bytes <= most_bytes, "{} has {n_bytes} bytes, above {most_bytes}", named());
        ensure!(n_bytes <= self.n_bytes, "{} claims {n_bytes} bytes, more than the whole file", named());
        let n_bytes = usize::try_from(n_bytes).with_context(named)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(n_bytes).with_context(named)?;
        // One byte more than there may be, so that the end is seen and the checksum with it.
        entry.take(n_bytes as u64 + 1).read_to_end(&mut bytes).with_context(named)?;
        ensure!(bytes.len() == n_bytes, "{} has {} bytes, expected {n_bytes}", named(), bytes.len());
        Ok(bytes)
    }
}

fn unreadable(error: ZipError) -> anyhow::Error {
    match error {
        ZipError::Io(error) => anyhow::Error::new(error).context("not a whole zip"),
        error => anyhow!("not a zip that PyTorch writes: {error}"),
    }
}

/// No name may be there twice, because readers differ in which of the two they take. The zip crate keeps the last
/// one, so the directory (which it has checked) is walked once more.
fn check_names(file: &mut File, directory: u64, n_kept: usize) -> anyhow::Result<()> {
    const SIGNATURE: [u8; 4] = *b"PK\x01\x02";
    const HEADER_BYTES: usize = 46;
    file.seek(SeekFrom::Start(directory))?;
    let mut reader = BufReader::new(file);
    let mut names = HashSet::new();
    loop {
        let mut header = [0; HEADER_BYTES];
        // The end record that follows the directory is shorter than a header.
        if reader.read_exact(&mut header).is_err() || !header.starts_with(&SIGNATURE) {
            break;
        }
        let length = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let mut name = vec![0; length(28).into()];
        reader.read_exact(&mut name)?;
        reader.seek_relative(i64::from(length(30)) + i64::from(length(32)))?;
        if let Some(name) = names.replace(name) {
            bail!("{} is in the zip twice", shortened(&String::from_utf8_lossy(&name)));
        }
    }
    ensure!(names.len() == n_kept, "the zip's directory is damaged: {} names, {n_kept} files", names.len());
    Ok(())
}
