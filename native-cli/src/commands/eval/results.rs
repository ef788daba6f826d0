//! `--out`: what was asked, then a line for each item, as JSON. A run goes on behind the last whole line.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use fathom_engine::{Config, DepthControl, KvType, ModelFiles, WeightTypes};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::exam::{Exam, FileIdentity, Task, hex};
use super::record::Record;

/// The first line: all that decides the numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The program that wrote it.
    pub fathom: String,
    pub model: ModelIdentity,
    pub file: FileIdentity,
    pub task: Task,
    pub depth: DepthSettings,
    /// Only the first so many items.
    pub limit: Option<usize>,
    pub shard: Shard,
    /// Items of the whole file, or as many as the limit left.
    pub n_items: usize,
    /// What it was computed on.
    pub device: String,
}

/// Which model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    pub name: String,
    /// Of config.json, tokenizer.json and the weights, in this order.
    pub sha256: String,
    /// How a device stored the matrices: `--weights` and `--tensor-type`.
    #[serde(default = "as_stored")]
    pub weights: String,
}

/// How long it may think.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthSettings {
    pub cap: Option<u32>,
    pub floor: Option<u32>,
    pub forced: Option<u32>,
    /// The model's own, where no other was given.
    pub halt_bias: f32,
}

/// Every n-th item, from the i-th on; i counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub i: usize,
    pub n: usize,
}

impl Shard {
    /// All of them.
    pub const WHOLE: Shard = Shard { i: 1, n: 1 };

    /// For clap.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((i, n)) if (1..=n).contains(&i) => Ok(Shard { i, n }),
            _ => Err("expected i/n, such as 1/4 for the first of four parts".to_owned()),
        }
    }

    /// How many items it has.
    pub fn n_items(self, n_items: usize) -> usize {
        n_items.saturating_sub(self.i - 1).div_ceil(self.n)
    }

    /// Its items.
    pub fn items(self, n_items: usize) -> impl Iterator<Item = usize> {
        (self.i - 1..n_items).step_by(self.n)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.i, self.n)
    }
}

/// What files say that were written before there was a choice.
fn as_stored() -> String {
    WeightTypes::default().to_string()
}

impl ModelIdentity {
    /// Reads all of the model's bytes.
    pub fn of(files: &ModelFiles) -> anyhow::Result<ModelIdentity> {
        const PIECE_BYTES: u64 = 16 << 20;
        let mut hash = Sha256::new();
        hash.update(&files.config);
        hash.update(files.tokenizer.as_deref().unwrap_or_default());
        for file in &files.weights {
            let mut at = 0;
            while at < file.n_bytes() {
                let end = (at + PIECE_BYTES).min(file.n_bytes());
                hash.update(&*pollster::block_on(file.read(at..end))?);
                at = end;
            }
        }
        // What is rounded changes numbers.
        let kv = if files.kv_type == KvType::F16 { ", f16 keys and values" } else { "" };
        let (name, weights) = (files.name.clone(), format!("{}{kv}", files.types));
        Ok(ModelIdentity { name, sha256: hex(&hash.finalize()), weights })
    }
}

impl DepthSettings {
    pub fn new(depth: &DepthControl, config: &Config) -> DepthSettings {
        let DepthControl { cap, floor, forced, halt_bias } = *depth;
        DepthSettings { cap, floor, forced, halt_bias: halt_bias.unwrap_or(config.halt_bias) }
    }
}

impl Exam {
    /// What a file of results begins with.
    pub fn header(
        &self,
        model: ModelIdentity,
        depth: &DepthControl,
        limit: Option<usize>,
        shard: Shard,
    ) -> Header {
        Header {
            fathom: env!("CARGO_PKG_VERSION").to_owned(),
            model,
            file: self.file.clone(),
            task: self.task.clone(),
            depth: DepthSettings::new(depth, self.model.config()),
            limit,
            shard,
            n_items: self.n_items().min(limit.unwrap_or(usize::MAX)),
            device: self.model.device().name(),
        }
    }
}

impl Header {
    /// What decides the numbers and is not the same in another; names and devices may differ.
    pub fn difference(&self, other: &Header) -> anyhow::Result<Option<String>> {
        let plain = |header: &Header| {
            let mut header = header.clone();
            header.fathom.clear();
            header.model.name.clear();
            header.file.name.clear();
            header.device.clear();
            serde_json::to_value(header)
        };
        Ok(difference("", &plain(self)?, &plain(other)?))
    }
}

fn difference(name: &str, here: &Value, there: &Value) -> Option<String> {
    if let (Value::Object(a), Value::Object(b)) = (here, there) {
        let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
        return names.into_iter().find_map(|inner| {
            let full = if name.is_empty() { inner.clone() } else { format!("{name} {inner}") };
            difference(&full, a.get(inner).unwrap_or(&Value::Null), b.get(inner).unwrap_or(&Value::Null))
        });
    }
    (here != there).then(|| format!("{name} is {there} there and {here} here"))
}

/// Reads a file of results: what was asked, the whole lines, and how many bytes they are.
fn parse(path: &Path, text: &[u8]) -> anyhow::Result<Option<(Header, Vec<Record>, usize)>> {
    let n_whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut lines = text[..n_whole].split_inclusive(|&byte| byte == b'\n');
    let Some(first) = lines.next() else { return Ok(None) };
    let header: Header = serde_json::from_slice(first)
        .with_context(|| format!("{}: expected results of fathom eval in line 1", path.display()))?;
    let Shard { i, n } = header.shard;
    ensure!((1..=n).contains(&i), "{}: expected a shard i/n in line 1, found {i}/{n}", path.display());
    let mut records: Vec<Record> = Vec::new();
    let mut there = HashSet::new();
    for (number, line) in (2..).zip(lines) {
        let place = || format!("{}, line {number}", path.display());
        let record: Record = serde_json::from_slice(line)
            .with_context(|| format!("{}: expected the result of an item", place()))?;
        let item = record.item;
        ensure!(
            item < header.n_items && item % header.shard.n == header.shard.i - 1,
            "{}: item {item} is none of shard {} of {} items",
            place(),
            header.shard,
            header.n_items
        );
        ensure!(there.insert(item), "{}: item {item} is there twice", place());
        records.push(record);
    }
    Ok(Some((header, records, n_whole)))
}

/// A file of results that is read and not changed. What was torn off its end is left out.
pub fn read(path: &Path) -> anyhow::Result<(Header, Vec<Record>)> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    match parse(path, &text)? {
        Some((header, records, _)) => Ok((header, records)),
        None => bail!(
            "{}: expected results of fathom eval, found {}",
            path.display(),
            if text.is_empty() { "an empty file" } else { "no whole line" }
        ),
    }
}

/// A file of results that grows.
pub struct Results {
    path: PathBuf,
    file: File,
}

impl Results {
    /// Opens or begins a file, and hands back what is there already. It belongs to this run until it ends.
    pub fn open(path: &Path, header: &Header) -> anyhow::Result<(Results, Vec<Record>)> {
        let shown = || format!("--out {}", path.display());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.with_context(shown)?;
        ensure!(file.metadata().with_context(shown)?.is_file(), "{}: expected a file", shown());
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{}: another run is writing to it", shown()),
            // Some network file systems lock nothing.
            Err(TryLockError::Error(_)) => {}
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(shown)?;
        let first_line = line(header)?;
        let (records, n_whole) = match parse(path, &text)? {
            Some((there, records, n_whole)) => {
                if let Some(what) = header.difference(&there)? {
                    bail!("{}: results of something else: {what}", shown());
                }
                (records, n_whole)
            }
            None if first_line.starts_with(&text) => (vec![], 0),
            None => bail!("{}: expected results of fathom eval or a new file, found something else", shown()),
        };
        file.set_len(n_whole as u64).with_context(shown)?;
        file.seek(SeekFrom::End(0)).with_context(shown)?;
        let mut results = Results { path: path.to_owned(), file };
        if n_whole == 0 {
            results.append(&first_line)?;
        }
        Ok((results, records))
    }

    /// Lines that are in the file when this returns.
    pub fn write(&mut self, records: &[Record]) -> anyhow::Result<()> {
        let lines = records.iter().map(line).collect::<anyhow::Result<Vec<_>>>()?;
        self.append(&lines.concat())
    }

    fn append(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| format!("--out {}", self.path.display()))
    }
}

fn line(object: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(object)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards() {
        assert_eq!(Shard::parse("2/3"), Ok(Shard { i: 2, n: 3 }));
        for wrong in ["0/3", "4/3", "1", "1/", "a/b", "-1/2", "1/0"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
        let all: Vec<usize> = (1..=3).flat_map(|i| Shard { i, n: 3 }.items(7)).collect();
        assert_eq!(all, [0, 3, 6, 1, 4, 2, 5]);
        assert_eq!(Shard { i: 5, n: 9 }.items(3).count(), 0);
        for (i, n, n_items) in [(1, 1, 0), (1, 3, 7), (2, 3, 7), (3, 3, 7), (5, 9, 3), (9, 9, 9)] {
            assert_eq!(Shard { i, n }.n_items(n_items), Shard { i, n }.items(n_items).count());
        }
    }

    #[test]
    fn the_first_difference_has_its_whole_name() {
        let value = |text| serde_json::from_str(text).unwrap_or(Value::Null);
        let (here, there) =
            (value(r#"{"a": 1, "b": {"c": 2}}"#), value(r#"{"a": 1, "b": {"c": 3, "d": 4}}"#));
        assert_eq!(difference("", &here, &there).as_deref(), Some("b c is 3 there and 2 here"));
        assert_eq!(difference("", &here, &here), None);
    }
}
