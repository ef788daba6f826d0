//! Where pulled models lie, and the rules that keep a half one from ever looking whole.
//!
//! ```text
//! owner--repo/COMMIT/            a model, complete: it appears by one rename, with all of its files synced
//! owner--repo/refs/main          the commit that this revision had when it was last pulled
//! owner--repo/.partial/HASH      a file that is arriving
//! owner--repo/.partial/COMMIT/   the files that have arrived and were checked
//! .locks/owner--repo             held while one process changes the above
//! .removed                       what is being deleted
//! ```
//!
//! Readers take no lock: what they see is complete by construction.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use etcetera::BaseStrategy;
use indicatif::HumanBytes;

use super::names::{Called, MAIN, Repo};
use super::shelf::Shelf;

const LOCKS: &str = ".locks";
const REMOVED: &str = ".removed";

/// How alike two names must be (Jaro-Winkler) for one to be meant by the other.
const ALIKE: f64 = 0.8;

/// The folder of pulled models.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// What there is of one repository.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub repo: Repo,
    /// Complete models, the newest first.
    pub models: Vec<Pulled>,
    /// Bytes of files that are not whole or not all there.
    pub partial_bytes: u64,
}

/// A complete model.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Its state: 40 hexadecimal digits.
    pub commit: String,
    /// The revisions that had this commit when they were pulled.
    pub refs: Vec<String>,
    /// Where it lies.
    pub folder: PathBuf,
    /// When it was complete.
    pub at: Option<SystemTime>,
}

/// The right to change what there is of one repository; it ends with this value, and with the process.
pub struct Lock {
    _file: File,
}

impl Cache {
    /// `--cache`, or the place for such things on this system. Nothing is made yet.
    ///
    /// # Errors
    /// There is no such place.
    pub fn open(choice: Option<&Path>) -> anyhow::Result<Cache> {
        if let Some(folder) = choice {
            return Ok(Cache { folder: folder.to_owned() });
        }
        let strategy = etcetera::choose_base_strategy();
        let strategy = strategy.context("no home folder, so no cache folder: name one with --cache DIR")?;
        Ok(Cache { folder: strategy.cache_dir().join("fathom").join("models") })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All there is, by name; what does not belong here is passed over.
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    pub fn held(&self) -> anyhow::Result<Vec<Held>> {
        let unreadable = || format!("the cache {} cannot be read", self.folder.display());
        let mut held = Vec::new();
        for entry in entries(&self.folder).with_context(unreadable)? {
            let repo = entry.to_str().and_then(Repo::from_folder);
            if let Some(repo) = repo.filter(|_| self.folder.join(&entry).is_dir()) {
                held.push(self.shelf(&repo).held().with_context(unreadable)?);
            }
        }
        held.sort_by(|a, b| a.repo.cmp(&b.repo));
        Ok(held)
    }

    /// The place of one repository.
    pub fn shelf(&self, repo: &Repo) -> Shelf<'_> {
        Shelf::new(self, repo)
    }

    /// What there is under this name. Where complete models are called so, unfinished ones do not count.
    ///
    /// # Errors
    /// A sentence: there is none, or there are several.
    pub fn find(&self, called: &Called) -> anyhow::Result<Held> {
        let mut held = self.held()?;
        held.retain(|held| called.fits(&held.repo));
        if held.iter().any(|held| !held.models.is_empty()) {
            held.retain(|held| !held.models.is_empty());
        }
        let names: Vec<String> = held.iter().map(|held| held.repo.to_string()).collect();
        match (held.pop(), held.is_empty()) {
            (None, _) => Err(anyhow!("no such model was pulled{}", self.close_to(&called.name)?)),
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(anyhow!("several models are called so: {}", names.join(", "))),
        }
    }

    /// Names that may have been meant.
    fn close_to(&self, name: &str) -> anyhow::Result<String> {
        let held = self.held()?.into_iter().filter(|held| !held.models.is_empty());
        let like = |held: &Held| strsim::jaro_winkler(&held.repo.name.to_lowercase(), &name.to_lowercase());
        let mut close: Vec<(f64, String)> = held.map(|held| (like(&held), held.repo.to_string())).collect();
        close.retain(|(like, _)| *like > ALIKE);
        close.sort_by(|a, b| b.0.total_cmp(&a.0));
        let names: Vec<String> = close.into_iter().take(3).map(|(_, name)| name).collect();
        Ok(if names.is_empty() { String::new() } else { format!(" (a similar name: {})", names.join(", ")) })
    }

    /// Makes a folder of the cache disappear in one step, which is on the disk before the first file is deleted.
    pub(super) fn discard(&self, path: &Path) -> anyhow::Result<()> {
        let _lock = self.lock(REMOVED, &mut || ())?;
        let grave = self.folder.join(REMOVED);
        let remove = || -> io::Result<()> {
            remove_all(&grave)?;
            fs::rename(path, &grave)?;
            sync_folder(path.parent().unwrap_or(&self.folder))?;
            sync_folder(&self.folder)?;
            remove_all(&grave)
        };
        remove().map_err(|error| cannot_write(path, &error, 0))
    }

    /// Deletes what a process that was killed has left of what it was deleting.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn sweep(&self) -> anyhow::Result<u64> {
        let grave = self.folder.join(REMOVED);
        if !grave.exists() {
            return Ok(0);
        }
        let _lock = self.lock(REMOVED, &mut || ())?;
        let bytes = size(&grave);
        remove_all(&grave).map_err(|error| cannot_write(&grave, &error, 0))?;
        Ok(bytes)
    }

    fn lock_file(&self, name: &str) -> anyhow::Result<(File, PathBuf)> {
        let folder = self.folder.join(LOCKS);
        fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error, 0))?;
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        Ok((file.map_err(|error| cannot_write(&path, &error, 0))?, path))
    }

    /// None where another process has it.
    pub(super) fn try_lock(&self, name: &str) -> anyhow::Result<Option<Lock>> {
        let (file, path) = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot_write(&path, &error, 0)),
        }
    }

    /// `waits` is called before waiting for another process.
    pub(super) fn lock(&self, name: &str, waits: &mut dyn FnMut()) -> anyhow::Result<Lock> {
        if let Some(lock) = self.try_lock(name)? {
            return Ok(lock);
        }
        waits();
        let (file, path) = self.lock_file(name)?;
        file.lock().map_err(|error| cannot_write(&path, &error, 0))?;
        Ok(Lock { _file: file })
    }
}

impl Held {
    /// The model of a revision: a branch or tag as it was pulled, or the beginning of a commit. None: main, or
    /// the only one there is.
    ///
    /// # Errors
    /// A sentence that names what there is.
    pub fn choose(&self, revision: Option<&str>) -> anyhow::Result<Pulled> {
        const LEAST_DIGITS: usize = 4;
        let named =
            |name: &str| self.models.iter().find(|model| model.refs.iter().any(|known| known == name));
        let found = match revision {
            Some(text) => named(text).or_else(|| {
                let mut fits = self.models.iter().filter(|model| model.commit.starts_with(text));
                fits.next().filter(|_| text.len() >= LEAST_DIGITS && fits.next().is_none())
            }),
            None => named(MAIN).or_else(|| self.models.first().filter(|_| self.models.len() == 1)),
        };
        found.cloned().with_context(|| {
            if self.models.is_empty() {
                return format!("the pull of {} was not finished: fathom pull goes on with it", self.repo);
            }
            let known: Vec<String> = self.models.iter().map(Pulled::revision).collect();
            format!("{} was pulled at {}, not at {}", self.repo, known.join(", "), revision.unwrap_or(MAIN))
        })
    }
}

impl Pulled {
    /// As people name it: its revisions and the beginning of its commit.
    pub fn revision(&self) -> String {
        let short = &self.commit[..7];
        if self.refs.is_empty() { short.to_owned() } else { format!("{} {short}", self.refs.join(" ")) }
    }

    /// The size of its files.
    pub fn bytes(&self) -> u64 {
        size(&self.folder)
    }
}

/// Why something in the cache cannot be written; `missing` bytes were still to come.
pub fn cannot_write(path: &Path, error: &io::Error, missing: u64) -> anyhow::Error {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            let needed = match missing {
                0 => String::new(),
                _ => format!(": {} more are needed", HumanBytes(missing)),
            };
            anyhow!(
                "{path}: the disk is full ({error}){needed}; what has arrived is kept, pull again to go on"
            )
        }
        _ => anyhow!("{path}: the cache cannot be written: {error}; --cache DIR names another folder"),
    }
}

/// The names in a folder; none where it is not there.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Of all files below; what vanishes meanwhile counts nothing.
pub(super) fn size(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else { return 0 };
    if !about.is_dir() {
        return about.len();
    }
    entries(path).unwrap_or_default().iter().map(|name| size(&path.join(name))).sum()
}

/// After this a rename in the folder survives a loss of power. Where folders cannot be opened (Windows) the file
/// system sees to that itself.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(_) if cfg!(windows) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
#[path = "cache_tests.rs"]
mod tests;
