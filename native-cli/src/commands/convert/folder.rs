//! The folder that is written: built beside the place where it will be and renamed, so that it is there whole or
//! not at all, whenever the program or the power goes away. What a program that was killed left beside it is removed
//! by the next one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::COMPANIONS;
use crate::failure::usage;

const PREFIX: &str = ".fathom-convert-";
const NEW: &str = "new";
const OLD: &str = "old";
/// Locked as long as somebody works there; the lock goes away with the program, however it ends.
const LOCK: &str = "lock";

/// A folder that does not exist yet under its name. Dropped before [`NewFolder::finish`] it leaves nothing.
pub struct NewFolder {
    // Before the folder around it: some systems remove no file that is open.
    _lock: File,
    scratch: TempDir,
    out: PathBuf,
    replaces: bool,
}

impl NewFolder {
    /// Checks that `out` may be written, and makes an empty folder beside it. `input` is what is read.
    ///
    /// # Errors
    /// A place that is taken, or cannot be written.
    pub fn begin(out: &Path, input: &Path, force: bool) -> anyhow::Result<NewFolder> {
        let replaces = check(out, input, force)?;
        // An existing folder may be reached through a link; it is the folder that is replaced.
        let out = if out.exists() { fs::canonicalize(out)? } else { out.to_owned() };
        let parent = match out.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let make = || -> std::io::Result<(File, TempDir)> {
            fs::create_dir_all(&parent)?;
            sweep(&parent);
            let scratch = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent)?;
            let lock = File::create_new(scratch.path().join(LOCK))?;
            lock.lock()?;
            fs::create_dir(scratch.path().join(NEW))?;
            Ok((lock, scratch))
        };
        // Another program that sweeps may take the folder away before it is locked.
        let is_swept =
            |made: &std::io::Result<_>| made.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let made = (0..10).map(|_| make()).find(|made| !is_swept(made)).unwrap_or_else(make);
        let (lock, scratch) = made.with_context(|| format!("{} cannot be written", out.display()))?;
        Ok(NewFolder { _lock: lock, scratch, out, replaces })
    }

    /// Where the files are written.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join(NEW)
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// What the operating system says; then the place is as it was.
    pub fn finish(self) -> anyhow::Result<()> {
        let (new, old) = (self.path(), self.scratch.path().join(OLD));
        let shown = self.out.display().to_string();
        let rename = || -> io::Result<()> {
            sync(&new);
            if self.replaces {
                fs::rename(&self.out, &old)?;
            } else if self.out.is_dir() {
                // Only an empty folder lets itself be removed.
                fs::remove_dir(&self.out)?;
            }
            if let Err(error) = fs::rename(&new, &self.out) {
                if self.replaces && fs::rename(&old, &self.out).is_err() {
                    // Nothing may remove it from there.
                    let kept = self.scratch.keep().join(OLD);
                    return Err(io::Error::new(
                        error.kind(),
                        format!("{error}; what was there is {}", kept.display()),
                    ));
                }
                return Err(error);
            }
            sync(self.out.parent().unwrap_or(Path::new(".")));
            Ok(())
        };
        rename().with_context(|| format!("{shown} cannot be written"))
    }
}

/// Removes what programs that were killed have left here. Where one was killed between its two renames, both the old
/// and the new folder are there, and are left to a person.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Killed before it had a lock it left an empty folder; no other lets itself be removed this way.
        let _it_is_not_empty = fs::remove_dir(&path);
        let holds_a_model = path.join(OLD).exists() && path.join(NEW).exists();
        // The lock comes before the new folder: without it somebody was killed who had begun to sweep.
        let is_left = match File::open(path.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => path.join(NEW).exists(),
        };
        if !holds_a_model && is_left {
            let _another_time = fs::remove_dir_all(path);
        }
    }
}

/// A folder's entries reach the disk. Not every system can; then it does it in its own time.
fn sync(folder: &Path) {
    let _some_systems_open_no_folders = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Whether a file of that name is one that this program writes into a model's folder.
fn belongs(name: &str) -> bool {
    let is_shard = name.starts_with("model-") && name.ends_with(".safetensors");
    let own = ["config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.json"];
    is_shard || own.contains(&name) || COMPANIONS.contains(&name)
}

/// Whether there is a folder to be replaced.
fn check(out: &Path, input: &Path, force: bool) -> anyhow::Result<bool> {
    let shown = out.display();
    if out.symlink_metadata().is_err() {
        return Ok(false);
    }
    if !out.is_dir() {
        return Err(usage(format!("{shown} is there and is no folder")));
    }
    let entries = fs::read_dir(out).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.with_context(|| shown.to_string())?;
    if entries.is_empty() {
        return Ok(false);
    }
    if !force {
        return Err(usage(format!("{shown} is not empty: --force replaces a model's folder")));
    }
    let (out, input) = (fs::canonicalize(out)?, fs::canonicalize(input)?);
    if input.starts_with(&out) {
        bail!("{shown} holds what is read, {}: write elsewhere", input.display());
    }
    // --force must never cost somebody a folder that is something else.
    let odd = entries.iter().find(|entry| !entry.file_type().is_ok_and(|kind| kind.is_file()));
    let odd = odd.or_else(|| entries.iter().find(|entry| !belongs(&entry.file_name().to_string_lossy())));
    match odd {
        Some(odd) => {
            bail!("{shown} is not a model's folder, it holds {}: it is not replaced", odd.path().display())
        }
        None if !out.join("config.json").is_file() => {
            bail!("{shown} is not a model's folder, it holds no config.json: it is not replaced")
        }
        None => Ok(true),
    }
}
