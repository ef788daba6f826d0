//! One file, from a hub to the disk, until its hash says that it is whole.
//!
//! It grows under the name of its hash, so a pull that was ended in any way goes on where it was. The lengths that
//! a server tells are not believed: the hub's listing says how many bytes there are, and the hash decides.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ureq::http::{HeaderMap, StatusCode, header};
use url::Url;

use super::cache::cannot_write;
use super::client::{Client, shown};
use super::contents::Piece;
use super::hash::Hasher;
use super::transfer::{Progress, Tries, Trouble};

/// Read and written in one go.
const CHUNK_BYTES: usize = 256 << 10;
/// A try that brought this much was worth it: the failures before it are forgotten.
const WORTH_BYTES: u64 = 1 << 20;

/// Brings a file into a folder, under the name of its hash, and gives its path. What is there of it is kept.
///
/// # Errors
/// The connection failed too often in a row, the disk is full, or the bytes are wrong twice.
pub fn fetch(
    client: &Client,
    url: &Url,
    piece: &Piece,
    folder: &Path,
    progress: &mut Progress,
) -> anyhow::Result<PathBuf> {
    let mut found = String::new();
    for first in [true, false] {
        let mut arriving = Arriving::open(piece, folder, progress)?;
        let mut tries = Tries::new(client.patience.retries);
        while arriving.n_bytes < piece.bytes {
            let before = arriving.n_bytes;
            if let Err(trouble) = arriving.receive(client, url, progress) {
                if arriving.n_bytes >= before + WORTH_BYTES {
                    tries.renew();
                }
                tries.wait(&piece.name, trouble, progress)?;
            }
        }
        let path = arriving.path.clone();
        found = arriving.finish(progress)?;
        if found == piece.expected.digits() {
            return Ok(path);
        }
        fs::remove_file(&path).map_err(|error| cannot_write(&path, &error, 0))?;
        progress.lost(piece.bytes);
        if first {
            progress.note(&format!("{}: wrong bytes arrived (its hash differs); once more", piece.name));
        }
    }
    bail!(
        "{}: expected {} {}, found {found}, twice: {} has other bytes than its hub says",
        piece.name,
        piece.expected.kind(),
        piece.expected.digits(),
        shown(url)
    )
}

/// Copies a file that an older state of the model has, if it is the same, to where [`fetch`] will find and check it:
/// a model of which only the card was changed costs no gigabytes.
///
/// # Errors
/// The disk is full.
pub fn reuse(older: &Path, piece: &Piece, folder: &Path, progress: &Progress) -> anyhow::Result<()> {
    let path = folder.join(piece.expected.digits());
    let is_same = || -> io::Result<bool> {
        let mut file = File::open(older)?;
        Ok(file.metadata()?.len() == piece.bytes && hash(&mut file, piece)? == piece.expected.digits())
    };
    if !path.exists() && is_same().unwrap_or(false) {
        fs::copy(older, &path).map_err(|error| cannot_write(&path, &error, progress.missing()))?;
    }
    Ok(())
}

fn hash(file: &mut impl Read, piece: &Piece) -> io::Result<String> {
    let mut hasher = piece.expected.hasher(piece.bytes);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&chunk[..n]),
        }
    }
}

/// A file that is not whole yet.
struct Arriving<'a> {
    piece: &'a Piece,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    n_bytes: u64,
}

impl<'a> Arriving<'a> {
    fn open(piece: &'a Piece, folder: &Path, progress: &mut Progress) -> anyhow::Result<Arriving<'a>> {
        let path = folder.join(piece.expected.digits());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| cannot_write(&path, &error, progress.missing()))?;
        let hasher = piece.expected.hasher(piece.bytes);
        let mut arriving = Arriving { piece, path, file, hasher, n_bytes: 0 };
        arriving.read_what_is_there().with_context(|| arriving.path.display().to_string())?;
        progress.found(arriving.n_bytes);
        Ok(arriving)
    }

    fn read_what_is_there(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut rest = (&self.file).take(self.piece.bytes);
        loop {
            match rest.read(&mut chunk)? {
                0 => break,
                n => {
                    self.hasher.update(&chunk[..n]);
                    self.n_bytes += n as u64;
                }
            }
        }
        self.file.set_len(self.n_bytes)
    }

    fn start_over(&mut self, progress: &mut Progress) -> anyhow::Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| cannot_write(&self.path, &error, progress.missing()))?;
        progress.lost(self.n_bytes);
        self.n_bytes = 0;
        self.hasher = self.piece.expected.hasher(self.piece.bytes);
        Ok(())
    }

    /// One request, and what comes of it.
    fn receive(&mut self, client: &Client, url: &Url, progress: &mut Progress) -> Result<(), Trouble> {
        let (response, url) = client.get(url, Some(self.n_bytes).filter(|&n| n > 0), None)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let found = content_range(response.headers());
                if found.as_deref() != Some(&self.awaited_range()) || self.n_bytes == 0 {
                    let why = format!("asked for {}, was sent {found:?}", self.awaited_range());
                    self.start_over(progress)?;
                    return Err(Trouble::passing(why));
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let why = format!("asked for {}, which the server does not have", self.awaited_range());
                self.start_over(progress)?;
                return Err(Trouble::passing(why));
            }
            // The whole file, from its beginning.
            _ if self.n_bytes > 0 => self.start_over(progress)?,
            _ => {}
        }
        let mut body = response.into_body().into_reader().take(self.piece.bytes - self.n_bytes);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = body.read(&mut chunk).map_err(|error| client.broken_body(&url, error))?;
            if n == 0 {
                break;
            }
            let written = self.file.write_all(&chunk[..n]);
            written.map_err(|error| cannot_write(&self.path, &error, progress.missing()))?;
            self.hasher.update(&chunk[..n]);
            self.n_bytes += n as u64;
            progress.arrived(n as u64);
        }
        match self.piece.bytes - self.n_bytes {
            0 => Ok(()),
            _ => Err(Trouble::passing(format!("ended after {} of {} bytes", self.n_bytes, self.piece.bytes))),
        }
    }

    fn awaited_range(&self) -> String {
        format!("bytes {}-{}/{}", self.n_bytes, self.piece.bytes - 1, self.piece.bytes)
    }

    /// Its hash; the bytes are on the disk when this returns.
    fn finish(self, progress: &Progress) -> anyhow::Result<String> {
        self.file.sync_all().map_err(|error| cannot_write(&self.path, &error, progress.missing()))?;
        Ok(self.hasher.finish())
    }
}

fn content_range(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::CONTENT_RANGE)?.to_str().ok()?.trim().to_owned())
}
