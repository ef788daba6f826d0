//! A model's files: from a folder, or put together by a caller that has them in memory (a browser, a program
//! that carries a model inside itself).
//!
//! Weights need not lie in memory: a [`WeightFile`] may be anything that hands out ranges of bytes.
//!
//! A folder holds `config.json`, the weights as `model.safetensors` or as several files listed by
//! `model.safetensors.index.json`, and optionally `tokenizer.json` (the Hugging Face layout).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::{Config, KvType};
use crate::error::{Error, Result};
use crate::weights::{WeightFile, WeightTypes, Weights};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";

/// Bytes that are shared, never copied: a whole file or a part of one.
#[derive(Clone)]
pub struct Bytes {
    whole: Whole,
    range: Range<usize>,
}

#[derive(Clone)]
enum Whole {
    // A Vec inside of the Arc, because turning a Vec into an Arc<[u8]> would copy it.
    Shared(Arc<Vec<u8>>),
    Static(&'static [u8]),
}

impl Bytes {
    /// A part of these bytes, or None where `range` does not lie within them. Nothing is copied.
    pub fn slice(&self, range: Range<usize>) -> Option<Bytes> {
        self.get(range.clone())?;
        let start = self.range.start;
        Some(Bytes { whole: self.whole.clone(), range: start + range.start..start + range.end })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole: &[u8] = match &self.whole {
            Whole::Shared(bytes) => bytes,
            Whole::Static(bytes) => bytes,
        };
        &whole[self.range.clone()]
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes { range: 0..bytes.len(), whole: Whole::Shared(Arc::new(bytes)) }
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Bytes {
        Bytes { range: 0..bytes.len(), whole: Whole::Static(bytes) }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({} bytes)", self.len())
    }
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: &'static str,
    /// Bytes that are done.
    pub bytes_done: u64,
    /// Bytes that there are to do.
    pub bytes_total: u64,
}

/// The files of one model, unparsed.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// The text of `config.json`.
    pub config: String,
    /// The safetensors files.
    pub weights: Vec<WeightFile>,
    /// How a device is to store them, where not as the files do.
    pub types: WeightTypes,
    /// How a device is to cache keys and values.
    pub kv_type: KvType,
    /// The bytes of `tokenizer.json`, where the model has one.
    pub tokenizer: Option<Vec<u8>>,
    /// GPT-2's vocabulary as [`Tokenizer::gpt2_from`](crate::Tokenizer::gpt2_from) reads it, for a build that
    /// does not hold it.
    pub gpt2: Option<Vec<u8>>,
    /// The model's name: its folder's.
    pub name: String,
}

impl ModelFiles {
    /// Reads a model's folder. Where both forms of weights are there, the single file is taken. Of the weights,
    /// which are nearly all of the bytes, only the headers are read: the files stay open, and their numbers are
    /// read when somebody wants them.
    ///
    /// # Errors
    /// [`Error::FileMissing`], [`Error::NotUtf8`] and those of [`WeightFile::on_disk`]; for weights in several
    /// files also [`Error::Json`], [`Error::ShardName`], [`Error::ShardMissing`], [`Error::ShardTensorMissing`] and
    /// what [`Weights::from_files`] says of them.
    pub fn read_folder(folder: &Path) -> Result<ModelFiles> {
        if !folder.join(CONFIG).exists() {
            return Err(missing(folder, CONFIG));
        }
        let config = read_text(&folder.join(CONFIG))?;
        let tokenizer = folder.join(TOKENIZER);
        let tokenizer = if tokenizer.exists() { Some(read(&tokenizer)?) } else { None };

        let weights = if folder.join(WEIGHTS).exists() {
            open_weights(folder, &[WEIGHTS])?
        } else if folder.join(INDEX).exists() {
            open_shards(folder)?
        } else {
            return Err(missing(folder, "model.safetensors or model.safetensors.index.json"));
        };

        // "." and ".." have no name of their own.
        let whole_path = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let name = whole_path.file_name().unwrap_or(whole_path.as_os_str()).to_string_lossy().into_owned();
        let (types, kv_type) = (WeightTypes::default(), KvType::default());
        Ok(ModelFiles { config, weights, types, kv_type, tokenizer, gpt2: None, name })
    }

    /// The configuration, and how keys and values are cached.
    ///
    /// # Errors
    /// Those of [`Config::from_json`].
    pub fn read_config(&self) -> Result<Config> {
        Ok(Config::from_json(&self.config, CONFIG)?.with_kv_type(self.kv_type))
    }

    /// The headers of the weight files, and how a device is to store what they hold.
    ///
    /// # Errors
    /// Those of [`Weights::from_files`] and [`Weights::with_types`].
    pub fn open_weights(&self) -> Result<Weights> {
        Weights::from_files(&self.weights)?.with_types(&self.types)
    }
}

/// `model.safetensors.index.json`: which of several weight files holds which tensor.
#[derive(Debug, Clone)]
pub struct ShardIndex {
    file: String,
    /// Tensor -> weight file.
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index. `file` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Json`]; [`Error::ShardName`] for anything but a plain file name, so that an index never leads
    /// out of its folder.
    pub fn from_json(json: &str, file: &str) -> Result<ShardIndex> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let Index { weight_map } = serde_json::from_str(json)
            .map_err(|e| Error::Json { file: file.to_owned(), reason: e.to_string() })?;
        for shard in weight_map.values() {
            // A colon would name a drive or a stream on Windows.
            let plain = !matches!(shard.as_str(), "" | "." | "..") && !shard.contains(['/', '\\', ':', '\0']);
            if !plain {
                return Err(Error::ShardName { index: file.to_owned(), shard: shard.clone() });
            }
        }
        Ok(ShardIndex { file: file.to_owned(), weight_map })
    }

    /// The weight files, each once, by name.
    pub fn files(&self) -> Vec<&str> {
        let distinct: BTreeSet<&str> = self.weight_map.values().map(String::as_str).collect();
        distinct.into_iter().collect()
    }

    /// Checks that every listed tensor is in the file that it is listed for. `weights` must have been read
    /// under names that end in those of [`files`](ShardIndex::files).
    ///
    /// # Errors
    /// [`Error::ShardTensorMissing`].
    pub fn check(&self, weights: &Weights) -> Result<()> {
        for (name, shard) in &self.weight_map {
            let file = weights.file_of(name).unwrap_or_default();
            if file.rsplit(['/', '\\']).next() != Some(shard) {
                return Err(Error::ShardTensorMissing {
                    index: self.file.clone(),
                    name: name.clone(),
                    shard: shard.clone(),
                });
            }
        }
        Ok(())
    }
}

fn open_shards(folder: &Path) -> Result<Vec<WeightFile>> {
    let index_path = folder.join(INDEX);
    let index = ShardIndex::from_json(&read_text(&index_path)?, &shown(&index_path))?;
    let shards = index.files();
    for shard in &shards {
        if !folder.join(shard).exists() {
            return Err(Error::ShardMissing { index: shown(&index_path), shard: (*shard).to_owned() });
        }
    }
    let files = open_weights(folder, &shards)?;
    index.check(&Weights::from_files(&files)?)?;
    Ok(files)
}

fn open_weights(folder: &Path, names: &[&str]) -> Result<Vec<WeightFile>> {
    let open = |name: &&str| {
        let path = folder.join(name);
        WeightFile::on_disk(&path, shown(&path))
    };
    names.iter().map(open).collect()
}

/// Reads a whole file, one that is small beside the weights.
fn read(path: &Path) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let about = fs::metadata(path)?;
        // A pipe or a device might never end.
        if !about.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let n_bytes = usize::try_from(about.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(n_bytes).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        File::open(path)?.take(about.len()).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|reason| Error::Io { file: shown(path), reason })
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|e| Error::NotUtf8 { file: shown(path), offset: e.utf8_error().valid_up_to() })
}

fn missing(folder: &Path, expected: &'static str) -> Error {
    Error::FileMissing { folder: shown(folder), expected }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::weights::tests::{now, safetensors_file};

    /// An empty folder of this test's own, removed when it goes out of scope.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("fathom-files-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
            fs::write(self.0.join(name), bytes).unwrap();
        }

        fn read(&self) -> Result<ModelFiles> {
            ModelFiles::read_folder(&self.0)
        }

        fn code(&self) -> &'static str {
            self.read().unwrap_err().code()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn bytes_share_and_never_reach_outside() {
        let bytes = Bytes::from(vec![0, 1, 2, 3, 4]);
        let part = bytes.slice(1..4).unwrap();
        assert_eq!(&*part, [1, 2, 3]);
        assert_eq!(&*part.slice(1..2).unwrap(), [2]);
        assert!(part.slice(2..4).is_none());
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = 3..2;
        assert!(part.slice(reversed).is_none());
    }

    #[test]
    fn one_file() {
        let folder = Folder::new("one");
        assert_eq!(folder.code(), "file-missing");
        folder.write(CONFIG, b"{\xff}");
        assert_eq!(folder.code(), "not-utf8");
        folder.write(CONFIG, "{}");
        assert_eq!(folder.code(), "file-missing");
        folder.write(WEIGHTS, safetensors_file(&[("a", &[2], 4)]));
        let files = folder.read().unwrap();
        assert_eq!((files.config.as_str(), files.tokenizer), ("{}", None));
        assert!(folder.0.ends_with(&files.name));
    }

    #[test]
    fn weights_on_the_disk() {
        let folder = Folder::new("disk");
        folder.write(CONFIG, "{}");
        fs::create_dir(folder.0.join(WEIGHTS)).unwrap();
        assert_eq!(folder.code(), "io");
        fs::remove_dir(folder.0.join(WEIGHTS)).unwrap();

        let whole = safetensors_file(&[("a", &[2], 4), ("b", &[2], 4)]);
        for n in 0..whole.len() {
            folder.write(WEIGHTS, &whole[..n]);
            let files = folder.read().unwrap();
            assert_eq!(Weights::from_files(&files.weights).unwrap_err().code(), "weights-truncated", "{n}");
        }
        folder.write(WEIGHTS, &whole);
        let files = folder.read().unwrap();
        let weights = Weights::from_files(&files.weights).unwrap();
        let b = weights.tensor("b", &[2]).unwrap();
        let read = || now(b.read(0..2));
        assert_eq!(*read().unwrap().data, whole[whole.len() - 8..]);

        // Somebody cuts it off while it is open.
        for n_left in [whole.len() - 1, 9] {
            folder.write(WEIGHTS, &whole[..n_left]);
            let error = read().unwrap_err();
            assert_eq!(error.code(), "weights-truncated");
            let sentence = format!("{WEIGHTS} is truncated: expected {} bytes, found {n_left}", whole.len());
            assert!(error.to_string().ends_with(&sentence), "{error}");
        }
    }

    #[test]
    fn several_files() {
        let folder = Folder::new("shards");
        folder.write(CONFIG, "{}");
        folder.write("1.safetensors", safetensors_file(&[("a", &[1], 4)]));
        let index = |map: &str| format!("{{\"metadata\": {{}}, \"weight_map\": {{{map}}}}}");
        for (map, code) in [
            (r#""a": 1"#, "json"),
            (r#""a": "../1.safetensors""#, "shard-name"),
            (r#""a": "/etc/passwd""#, "shard-name"),
            (r#""a": "..\\1.safetensors""#, "shard-name"),
            (r#""a": """#, "shard-name"),
            (r#""a": "1.safetensors", "b": "2.safetensors""#, "shard-missing"),
            (r#""a": "1.safetensors", "b": "1.safetensors""#, "shard-tensor-missing"),
        ] {
            folder.write(INDEX, index(map));
            assert_eq!(folder.code(), code, "{map}");
        }
        folder.write("2.safetensors", safetensors_file(&[("b", &[1], 4)]));
        folder.write(INDEX, index(r#""a": "1.safetensors", "b": "2.safetensors""#));
        assert_eq!(folder.read().unwrap().weights.len(), 2);
        folder.write(INDEX, index(r#""a": "2.safetensors", "b": "1.safetensors""#));
        assert_eq!(folder.code(), "shard-tensor-missing");
    }
}
