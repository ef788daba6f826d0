//! One repository's place in the cache: what may be read at any time, and what is changed under its lock.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use super::cache::{Cache, Held, Lock, Pulled, cannot_write, entries, remove_all, size, sync_folder};
use super::names::{Repo, is_commit};

const PARTIAL: &str = ".partial";
const REFS: &str = "refs";
/// A revision that is being noted.
const NEW_REF: &str = "ref";

/// The place of one repository in the cache.
pub struct Shelf<'a> {
    cache: &'a Cache,
    repo: Repo,
    folder: PathBuf,
}

impl<'a> Shelf<'a> {
    /// Nothing is made yet.
    pub fn new(cache: &'a Cache, repo: &Repo) -> Shelf<'a> {
        Shelf { cache, repo: repo.clone(), folder: cache.folder().join(repo.folder()) }
    }
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
        self.cache.try_lock(&self.repo.folder())
    }

    /// What there is of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn held(&self) -> io::Result<Held> {
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
            fs::create_dir_all(self.partial())?;
            let beside = self.partial().join(NEW_REF);
            let mut file = File::create(&beside)?;
            writeln!(file, "{commit}")?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
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
            sync_folder(self.cache.folder())
        };
        publish().map_err(|error| cannot_write(&folder, &error, 0))?;
        Ok(folder)
    }

    /// Leaves no empty folder behind; an unfinished pull of another commit stays. Needs the lock.
    pub fn tidy(&self) {
        let _it_holds_something = fs::remove_dir(self.partial());
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

/// A revision may hold slashes, a file's name may not; no revision holds a percent sign.
fn ref_file(revision: &str) -> String {
    revision.replace('/', "%2F")
}
