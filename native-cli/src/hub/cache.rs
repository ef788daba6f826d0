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
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use etcetera::BaseStrategy;
use indicatif::HumanBytes;
use tempfile::NamedTempFile;

use super::names::{Called, MAIN, Repo, is_commit};

const PARTIAL: &str = ".partial";
const LOCKS: &str = ".locks";
const REMOVED: &str = ".removed";
const REFS: &str = "refs";

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
            if let Some(repo) = entry.to_str().and_then(Repo::from_folder) {
                held.push(self.shelf(&repo).held().with_context(unreadable)?);
            }
        }
        held.sort_by(|a, b| a.repo.cmp(&b.repo));
        Ok(held)
    }

    /// The place of one repository.
    pub fn shelf(&self, repo: &Repo) -> Shelf<'_> {
        Shelf { cache: self, repo: repo.clone(), folder: self.folder.join(repo.folder()) }
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

    /// Makes a folder or file of the cache disappear in one step, and then deletes it.
    fn discard(&self, path: &Path) -> anyhow::Result<()> {
        let _lock = self.lock(REMOVED, &mut || ())?;
        let grave = self.folder.join(REMOVED);
        let removed =
            remove_all(&grave).and_then(|()| fs::rename(path, &grave)).and_then(|()| remove_all(&grave));
        removed.map_err(|error| cannot_write(path, &error, 0))
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

    /// `waits` is called before waiting for another process.
    fn lock(&self, name: &str, waits: &mut dyn FnMut()) -> anyhow::Result<Lock> {
        let (file, path) = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => waits(),
            Err(TryLockError::Error(error)) => return Err(cannot_write(&path, &error, 0)),
        }
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

/// The place of one repository in the cache.
pub struct Shelf<'a> {
    cache: &'a Cache,
    repo: Repo,
    folder: PathBuf,
}

impl Shelf<'_> {
    /// Waits until nobody else changes this repository; `waits` is called if somebody does.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn lock(&self, waits: &mut dyn FnMut()) -> anyhow::Result<Lock> {
        self.cache.lock(&self.repo.folder(), waits)
    }

    /// None where somebody else changes this repository.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn try_lock(&self) -> anyhow::Result<Option<Lock>> {
        let (file, path) = self.cache.lock_file(&self.repo.folder())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot_write(&path, &error, 0)),
        }
    }

    fn held(&self) -> io::Result<Held> {
        let mut refs = Vec::new();
        for name in entries(&self.folder.join(REFS))? {
            let name = name.to_string_lossy().replace("%2F", "/");
            refs.extend(self.reference(&name).map(|commit| (name, commit)));
        }
        refs.sort();
        let mut models = Vec::new();
        for name in entries(&self.folder)? {
            let Some(commit) = name.to_str().filter(|name| is_commit(name)) else { continue };
            let folder = self.folder.join(commit);
            models.push(Pulled {
                refs: refs.iter().filter(|(_, of)| of == commit).map(|(name, _)| name.clone()).collect(),
                at: fs::metadata(&folder).and_then(|about| about.modified()).ok(),
                commit: commit.to_owned(),
                folder,
            });
        }
        models.sort_by_key(|model| std::cmp::Reverse(model.at));
        Ok(Held { repo: self.repo.clone(), models, partial_bytes: size(&self.partial()) })
    }

    /// The folder of a commit, if it is complete.
    pub fn complete(&self, commit: &str) -> Option<PathBuf> {
        Some(self.folder.join(commit)).filter(|folder| folder.is_dir())
    }

    /// The commit that a revision had.
    pub fn reference(&self, revision: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(REFS).join(ref_file(revision))).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes the commit of a revision. Needs the lock.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn refer(&self, revision: &str, commit: &str) -> anyhow::Result<()> {
        if revision == commit || self.reference(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join(REFS).join(ref_file(revision));
        let write = || -> io::Result<()> {
            fs::create_dir_all(self.folder.join(REFS))?;
            // Beside the refs, where a file that a killed process leaves is deleted with the other leftovers.
            fs::create_dir_all(self.partial())?;
            let mut file = NamedTempFile::new_in(self.partial())?;
            writeln!(file, "{commit}")?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            sync_folder(&self.folder.join(REFS))
        };
        write().map_err(|error| cannot_write(&path, &error, 0))
    }

    /// Where files arrive.
    pub fn partial(&self) -> PathBuf {
        self.folder.join(PARTIAL)
    }

    /// Where the files of a commit are gathered; made if it is not there. Needs the lock.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn stage(&self, commit: &str) -> anyhow::Result<PathBuf> {
        let folder = self.partial().join(commit);
        fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error, 0))?;
        Ok(folder)
    }

    /// Makes a commit appear whose files are all gathered and checked. Needs the lock.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn publish(&self, commit: &str) -> anyhow::Result<PathBuf> {
        let (staged, folder) = (self.partial().join(commit), self.folder.join(commit));
        let publish = || -> io::Result<()> {
            sync_folder(&staged)?;
            fs::rename(&staged, &folder)?;
            sync_folder(&self.folder)?;
            sync_folder(&self.cache.folder)
        };
        publish().map_err(|error| cannot_write(&folder, &error, 0))?;
        Ok(folder)
    }

    /// Deletes what is not whole; gives its size. Needs the lock.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn drop_partial(&self) -> anyhow::Result<u64> {
        let partial = self.partial();
        let bytes = size(&partial);
        remove_all(&partial).map_err(|error| cannot_write(&partial, &error, 0))?;
        if entries(&self.folder).is_ok_and(|rest| rest.iter().all(|name| name == REFS)) {
            remove_all(&self.folder).map_err(|error| cannot_write(&self.folder, &error, 0))?;
        }
        Ok(bytes)
    }

    /// Deletes one commit and the revisions that mean it; gives its size. Needs the lock.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn drop_model(&self, model: &Pulled) -> anyhow::Result<u64> {
        let bytes = model.bytes();
        self.cache.discard(&model.folder)?;
        for name in &model.refs {
            let path = self.folder.join(REFS).join(ref_file(name));
            fs::remove_file(&path).map_err(|error| cannot_write(&path, &error, 0))?;
        }
        Ok(bytes)
    }

    /// Deletes everything there is of the repository; gives its size. Needs the lock.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn drop_all(&self) -> anyhow::Result<u64> {
        let bytes = size(&self.folder);
        self.cache.discard(&self.folder)?;
        Ok(bytes)
    }
}

/// Why something in the cache cannot be written; `missing` bytes were still to come.
pub fn cannot_write(path: &Path, error: &io::Error, missing: u64) -> anyhow::Error {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => anyhow!(
            "{path}: the disk is full ({error}): {} more are needed; what has arrived is kept, pull again to go on",
            HumanBytes(missing)
        ),
        _ => anyhow!("{path}: the cache cannot be written: {error}; --cache DIR names another folder"),
    }
}

/// A revision may hold slashes, a file's name may not; no revision holds a percent sign.
fn ref_file(revision: &str) -> String {
    revision.replace('/', "%2F")
}

/// The names in a folder; none where it is not there.
fn entries(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        // A stray file among the folders.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory && folder.is_file() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Of all files below; what vanishes meanwhile counts nothing.
fn size(path: &Path) -> u64 {
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
