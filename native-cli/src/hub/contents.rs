//! Which files of a repository make a model, and whether a folder of them will load.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use fathom_engine::{Config, ShardIndex, Tokenizer, WeightFile, Weights};

use super::client::Listing;
use super::hash::Expected;

/// The dimensions of a model.
pub const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";
const OPTIONAL: [&str; 4] =
    [TOKENIZER, "tokenizer_config.json", "chat_template.jinja", "generation_config.json"];

/// What a file may have that is read in one piece.
const MOST_SMALL_BYTES: u64 = 64 << 20;

/// A file as a hub lists it.
#[derive(Debug)]
pub struct RemoteFile {
    /// Its path there. Whatever the hub says: no path for us.
    pub name: String,
    /// Its size, where the hub says it.
    pub bytes: Option<u64>,
    /// Its hash, where the hub says one.
    pub expected: Option<Expected>,
}

/// A file that a model needs. Its name is plain.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it is called, there and here.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its hash.
    pub expected: Expected,
}

/// The files of a model, as far as a listing tells them.
pub struct Contents {
    /// config.json, and the index where the weights are in several files: they say what else there is to be.
    pub first: Vec<Piece>,
    /// Everything else; without the files of an index.
    pub rest: Vec<Piece>,
}

impl Contents {
    /// Chooses from a listing. Names are compared with those that are known, so none leads anywhere else.
    ///
    /// # Errors
    /// It is no model of ours, or the hub leaves out what is needed to check it.
    pub fn choose(listing: &Listing) -> anyhow::Result<Contents> {
        let there = |name: &str| listing.files.iter().any(|file| file.name == name);
        if !there(CONFIG) {
            bail!("no {CONFIG}: expected {CONFIG} and {WEIGHTS}, found {}", names(listing));
        }
        let mut first = vec![piece(listing, CONFIG)?];
        let mut rest = Vec::new();
        if there(WEIGHTS) {
            rest.push(piece(listing, WEIGHTS)?);
        } else if there(INDEX) {
            first.push(piece(listing, INDEX)?);
        } else {
            let pickled = [".pt", ".pth", ".bin", ".ckpt"];
            let pickle = listing.files.iter().find(|file| pickled.iter().any(|end| file.name.ends_with(end)));
            match pickle {
                Some(file) => bail!(
                    "no {WEIGHTS}, only PyTorch's {:?}: download that file and run `fathom convert FILE FOLDER`",
                    file.name
                ),
                None => bail!("no {WEIGHTS} and no {INDEX}: found {}", names(listing)),
            }
        }
        for name in OPTIONAL.into_iter().filter(|name| there(name)) {
            rest.push(piece(listing, name)?);
        }
        Ok(Contents { first, rest })
    }
}

/// The weight files of the index in a folder; none where there is no index.
///
/// # Errors
/// The index is broken, leads out of the folder, or names what the hub does not have.
pub fn shards(listing: &Listing, folder: &Path) -> anyhow::Result<Vec<Piece>> {
    let path = folder.join(INDEX);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let index = ShardIndex::from_json(&read_text(&path)?, INDEX)?;
    let shards = index.files().into_iter().map(|shard| {
        if !shard.ends_with(".safetensors") {
            bail!("{INDEX} names the weight file {shard:?}: expected one that ends in .safetensors");
        }
        piece(listing, shard).with_context(|| format!("{INDEX} names {shard:?}"))
    });
    shards.collect()
}

fn piece(listing: &Listing, name: &str) -> anyhow::Result<Piece> {
    let Some(file) = listing.files.iter().find(|file| file.name == name) else {
        bail!("{name}: the hub has no such file");
    };
    let Some(bytes) = file.bytes else { bail!("{name}: the hub does not say its size") };
    let Some(expected) = file.expected.clone() else { bail!("{name}: the hub gives no hash to check it by") };
    if bytes > MOST_SMALL_BYTES && !name.ends_with(".safetensors") {
        bail!("{name}: {bytes} bytes, expected at most {MOST_SMALL_BYTES}");
    }
    Ok(Piece { name: name.to_owned(), bytes, expected })
}

fn names(listing: &Listing) -> String {
    const MOST: usize = 8;
    let mut names: Vec<String> =
        listing.files.iter().take(MOST).map(|file| format!("{:?}", file.name)).collect();
    match listing.files.len() {
        0 => return "no file".to_owned(),
        n if n > MOST => names.push(format!("{} more", n - MOST)),
        _ => {}
    }
    names.join(", ")
}

/// Checks a config.json before gigabytes are downloaded for it.
///
/// # Errors
/// Those of the engine.
pub fn check_config(folder: &Path) -> anyhow::Result<Config> {
    Ok(Config::from_json(&read_text(&folder.join(CONFIG))?, CONFIG)?)
}

/// Checks everything that loading the model will check, without reading all of its numbers.
///
/// # Errors
/// Those of the engine.
pub fn check_model(folder: &Path) -> anyhow::Result<()> {
    let config = check_config(folder)?;
    let index = folder.join(INDEX);
    let index = match index.exists() {
        true => Some(ShardIndex::from_json(&read_text(&index)?, INDEX)?),
        false => None,
    };
    let names = index.as_ref().map_or_else(|| vec![WEIGHTS], ShardIndex::files);
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        files.push(WeightFile::on_disk(&folder.join(name), name)?);
    }
    let weights = Weights::from_files(&files)?;
    pollster::block_on(weights.check(&config))?;
    if let Some(index) = index {
        index.check(&weights)?;
    }
    let tokenizer = folder.join(TOKENIZER);
    if tokenizer.exists() {
        let bytes = fs::read(&tokenizer).with_context(|| TOKENIZER.to_owned())?;
        config.check_vocabulary(Tokenizer::from_json(&bytes, TOKENIZER)?.n_vocab())?;
    }
    Ok(())
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Listing {
        let file = |name: &&str| RemoteFile {
            name: (*name).to_owned(),
            bytes: Some(7),
            expected: Some(Expected::GitBlob("0".repeat(40))),
        };
        Listing { commit: "0".repeat(40), files: names.iter().map(file).collect() }
    }

    fn chosen(names: &[&str]) -> Result<Vec<String>, String> {
        let contents = Contents::choose(&listing(names)).map_err(|error| format!("{error:#}"))?;
        Ok(contents.first.into_iter().chain(contents.rest).map(|piece| piece.name).collect())
    }

    #[test]
    fn only_what_a_model_needs() {
        let all = [
            "README.md",
            "config.json",
            "../config.json",
            "model.safetensors",
            "tokenizer.json",
            INDEX,
            "CF.pt",
        ];
        assert_eq!(chosen(&all).expect("a model"), ["config.json", "model.safetensors", "tokenizer.json"]);
        assert_eq!(
            chosen(&["config.json", INDEX, "a.safetensors"]).expect("a model"),
            ["config.json", INDEX]
        );
        assert!(chosen(&["config.json", "CF.pt"]).expect_err("a pickle").contains("fathom convert"));
        assert!(chosen(&["config.json", "a.txt"]).expect_err("no weights").contains("a.txt"));
        assert!(chosen(&["model.safetensors"]).expect_err("no config").contains("config.json"));
    }

    #[test]
    fn a_file_without_size_or_hash_is_refused() {
        let mut unsure = listing(&["config.json", "model.safetensors"]);
        unsure.files[1].expected = None;
        assert!(Contents::choose(&unsure).is_err());
        unsure.files[0].bytes = None;
        assert!(Contents::choose(&unsure).is_err());
        unsure.files[0].bytes = Some(1 << 40);
        assert!(Contents::choose(&unsure).is_err());
    }

    #[test]
    fn an_index_stays_in_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let listed = listing(&["a.safetensors", "../x.safetensors", "config.json"]);
        let shards_of = |map: &str| {
            fs::write(folder.path().join(INDEX), format!("{{\"weight_map\": {{{map}}}}}")).expect("a file");
            shards(&listed, folder.path()).map(|pieces| pieces.len())
        };
        assert_eq!(shards_of(r#""a": "a.safetensors", "b": "a.safetensors""#).expect("one"), 1);
        assert!(shards_of(r#""a": "../x.safetensors""#).is_err());
        assert!(shards_of(r#""a": "b.safetensors""#).is_err());
        assert!(shards_of(r#""a": "config.json""#).is_err());
    }
}
