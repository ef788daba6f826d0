//! What is read: a PyTorch file, a safetensors file, or a model's folder. Only the headers are read at once; a
//! tensor's numbers are read when they are asked for.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use fathom_engine::ShardIndex;
use safetensors::tensor::{Dtype, Metadata};
use serde_json::{Map, Value};

use crate::pytorch::archive::{Archive, MAGIC};
use crate::pytorch::tensor::{ElementType, TensorView};

use super::{check, state_dict};

/// The longest text file that is read whole: a configuration, an index, a tokenizer.
const MOST_TEXT_BYTES: u64 = 64 << 20;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// What the released HRM checkpoints are called.
const CHECKPOINT: &str = "checkpoint";

/// A tensor in the file or files that are read.
pub struct Stored {
    /// Its name there; later without the prefixes.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub element: ElementType,
    place: Place,
}

#[derive(PartialEq)]
enum Place {
    View(TensorView),
    Range { file: usize, range: Range<u64> },
}

/// The input, open.
pub struct Input {
    /// The file or folder as the command line names it.
    pub path: PathBuf,
    /// The folder in which configuration and tokenizer would lie.
    pub folder: PathBuf,
    /// A model's folder was named, so that its small files belong to it.
    pub is_folder: bool,
    /// `PyTorch` or `safetensors`.
    pub format: &'static str,
    /// Its size, of all files with tensors.
    pub n_bytes: u64,
    /// All tensors of the model.
    pub tensors: Vec<Stored>,
    /// The configuration, where it is in the same file.
    pub config: Option<Map<String, Value>>,
    /// What the file holds beside the model.
    pub left_out: Vec<String>,
    reader: Reader,
}

enum Reader {
    PyTorch(Box<Archive>),
    Safetensors(Vec<File>),
}

impl Input {
    /// Opens a file or folder.
    ///
    /// # Errors
    /// Name the file and what is wrong with it.
    pub fn open(path: &Path) -> anyhow::Result<Input> {
        let about = fs::metadata(path).with_context(|| path.display().to_string())?;
        let is_folder = about.is_dir();
        let files = if is_folder { files_of(path)? } else { vec![path.to_owned()] };
        let folder = if is_folder { path } else { path.parent().unwrap_or(Path::new("")) };
        let folder = folder.to_owned();
        let named = |error: anyhow::Error| error.context(path_of(&files, path));

        let mut input = match begins_like_a_zip(&files[0]).map_err(named)? {
            true => Input::pytorch(&files[0]).map_err(named)?,
            false => Input::safetensors(&files)?,
        };
        (input.path, input.folder, input.is_folder) = (path.to_owned(), folder, is_folder);
        ensure!(!input.tensors.is_empty(), "{}: it holds no tensors", path.display());
        Ok(input)
    }

    fn pytorch(path: &Path) -> anyhow::Result<Input> {
        let (mut archive, pickle) = Archive::open(path)?;
        let found = state_dict::find(&pickle)?;
        let mut tensors = Vec::new();
        for (name, view) in found.tensors {
            archive.check(&view.storage).with_context(|| name.clone())?;
            let shape = view.shape.iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>()?;
            tensors.push(Stored { name, shape, element: view.storage.element, place: Place::View(view) });
        }
        Ok(Input {
            format: "PyTorch",
            n_bytes: archive.n_bytes(),
            tensors,
            config: found.config,
            left_out: found.left_out,
            reader: Reader::PyTorch(Box::new(archive)),
            path: PathBuf::new(),
            folder: PathBuf::new(),
            is_folder: false,
        })
    }

    fn safetensors(paths: &[PathBuf]) -> anyhow::Result<Input> {
        // The engine checks the headers; then they can be relied on.
        check::headers(paths)?;
        let (mut files, mut tensors, mut n_bytes) = (Vec::new(), Vec::new(), 0);
        for path in paths {
            let mut file = File::open(path).with_context(|| path.display().to_string())?;
            n_bytes += file.metadata()?.len();
            let (header, data) = header(&mut file).with_context(|| path.display().to_string())?;
            for (name, info) in header.tensors() {
                let element = element(info.dtype).ok_or_else(|| {
                    anyhow!("{}: tensor {name} is stored as {:?}", path.display(), info.dtype)
                })?;
                let (start, end) = info.data_offsets;
                let place = Place::Range { file: files.len(), range: data + start as u64..data + end as u64 };
                tensors.push(Stored { name, shape: info.shape.clone(), element, place });
            }
            files.push(file);
        }
        Ok(Input {
            format: "safetensors",
            n_bytes,
            tensors,
            config: None,
            left_out: Vec::new(),
            reader: Reader::Safetensors(files),
            path: PathBuf::new(),
            folder: PathBuf::new(),
            is_folder: false,
        })
    }

    /// A tensor's bytes, row by row, little-endian.
    ///
    /// # Errors
    /// Name the tensor.
    pub fn read(&mut self, i: usize) -> anyhow::Result<Cow<'_, [u8]>> {
        let tensor = self.tensors.get(i).context("a tensor that is not there")?;
        let bytes = match (&tensor.place, &mut self.reader) {
            (Place::View(view), Reader::PyTorch(archive)) => archive.read(view),
            (Place::Range { file, range }, Reader::Safetensors(files)) => {
                read_range(&mut files[*file], range).map(Cow::Owned)
            }
            _ => Err(anyhow!("a tensor of another file")),
        };
        bytes.with_context(|| format!("{}: tensor {}", self.path.display(), tensor.name))
    }

    /// Whether two tensors hold the same numbers, to the byte.
    ///
    /// # Errors
    /// Those of [`Input::read`].
    pub fn are_equal(&mut self, first: usize, second: usize) -> anyhow::Result<bool> {
        let (a, b) = (&self.tensors[first], &self.tensors[second]);
        if a.shape != b.shape || a.element != b.element {
            return Ok(false);
        }
        if a.place == b.place {
            return Ok(true);
        }
        let a = self.read(first)?.into_owned();
        Ok(*a == *self.read(second)?)
    }
}

/// The files with tensors of a model's folder.
fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    for name in [WEIGHTS, CHECKPOINT] {
        if folder.join(name).is_file() {
            return Ok(vec![folder.join(name)]);
        }
    }
    let index = folder.join(INDEX);
    if index.is_file() {
        let shards = ShardIndex::from_json(&read_text(&index)?, &index.display().to_string())?;
        let files: Vec<PathBuf> = shards.files().into_iter().map(|name| folder.join(name)).collect();
        ensure!(!files.is_empty(), "{}: it lists no tensors", index.display());
        return Ok(files);
    }
    bail!("{}: a folder without {WEIGHTS}, {INDEX} or {CHECKPOINT}", folder.display())
}

fn path_of(files: &[PathBuf], path: &Path) -> String {
    files.first().map_or(path, PathBuf::as_path).display().to_string()
}

fn begins_like_a_zip(path: &Path) -> anyhow::Result<bool> {
    ensure!(fs::metadata(path)?.is_file(), "it is not a regular file");
    let mut beginning = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut beginning)?;
    if beginning.starts_with(b"\x80\x02\x8a\x0al\xfc\x9cF") {
        bail!("the form that PyTorch wrote before 1.6; save it again with a newer one");
    }
    Ok(beginning.starts_with(MAGIC))
}

/// The header of a file that the engine has found to be whole, and where its data begins.
fn header(file: &mut File) -> anyhow::Result<(Metadata, u64)> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let n = u64::from_le_bytes(length);
    let mut json = Vec::new();
    file.take(n).read_to_end(&mut json)?;
    Ok((serde_json::from_slice(&json)?, 8 + n))
}

fn read_range(file: &mut File, range: &Range<u64>) -> anyhow::Result<Vec<u8>> {
    let n = usize::try_from(range.end - range.start)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(n)?;
    bytes.resize(n, 0);
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn element(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::F64 => ElementType::F64,
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::I64 | Dtype::U64 => ElementType::Int(8),
        Dtype::I32 | Dtype::U32 => ElementType::Int(4),
        Dtype::I16 | Dtype::U16 => ElementType::Int(2),
        Dtype::I8 | Dtype::U8 | Dtype::BOOL => ElementType::Int(1),
        _ => return None,
    })
}

/// A small file as a whole.
///
/// # Errors
/// Names the file.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let read = || -> anyhow::Result<String> {
        let mut text = String::new();
        let n = File::open(path)?.take(MOST_TEXT_BYTES + 1).read_to_string(&mut text)?;
        ensure!(n as u64 <= MOST_TEXT_BYTES, "it is longer than {MOST_TEXT_BYTES} bytes");
        Ok(text)
    };
    read().with_context(|| path.display().to_string())
}
