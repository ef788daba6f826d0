//! From what the command line names to a model on a device, with a bar for what takes long.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use fathom_engine::puzzle::sudoku::Shape;
use fathom_engine::{
    Device, DeviceRequest, Hrm, KvType, Model, ModelFiles, Progress, WeightFile, WeightTypes,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::PuzzleModelArgs;
use crate::beads;
use crate::cli::Common;
use crate::failure::usage;
use crate::hub::cache::Cache;
use crate::hub::names::Called;
use crate::output;
use crate::sudokus;

/// Which model, and how it is stored on a device.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it comes from.
    pub origin: Origin,
    /// The types of its matrices, where not those of its files.
    pub types: WeightTypes,
    /// How keys and values are cached.
    pub kv_type: KvType,
}

/// Where a model comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The one inside this program.
    BuiltIn,
    /// A folder with config.json and model.safetensors.
    Folder(PathBuf),
    /// One that was pulled.
    Pulled {
        /// `owner/repo`, with the revision if one was given.
        name: String,
        /// Its folder in the cache.
        folder: PathBuf,
    },
}

impl Source {
    /// `-m MODEL`, or the built-in model without it. A folder that is there comes before a pulled model.
    ///
    /// # Errors
    /// One sentence that names both, and what else may have been meant.
    pub fn resolve(model: Option<PathBuf>, common: &Common) -> anyhow::Result<Source> {
        let Some(path) = model else { return Ok(Source::built_in()) };
        if path.is_dir() {
            return Ok(Source::from(Origin::Folder(path)));
        }
        let shown = path.display().to_string();
        let expected = "expected a folder with config.json and model.safetensors, or a pulled model";
        if path.exists() {
            anyhow::bail!("--model {shown}: {expected}; found a file");
        }
        let Ok(called) = Called::parse(&shown) else {
            anyhow::bail!("--model {shown}: {expected} (owner/repo); found nothing there");
        };
        let cache = Cache::open(common.cache.as_deref())?;
        let found = cache.find(&called).and_then(|held| Ok((held.choose(called.revision.as_deref())?, held)));
        let (model, held) = found.with_context(|| {
            format!("--model {shown}: {expected}; found nothing there, and in {}", cache.folder().display())
        })?;
        let name = match &called.revision {
            Some(revision) => format!("{}@{revision}", held.repo),
            None => held.repo.to_string(),
        };
        Ok(Source::from(Origin::Pulled { name, folder: model.folder }))
    }

    /// The one inside this program, as it is.
    pub fn built_in() -> Source {
        Source::from(Origin::BuiltIn)
    }

    /// Where its files lie; None for the one inside this program.
    pub fn folder(&self) -> Option<&Path> {
        match &self.origin {
            Origin::BuiltIn => None,
            Origin::Folder(folder) | Origin::Pulled { folder, .. } => Some(folder),
        }
    }

    /// Its files, for loading them on one or several devices.
    pub fn files(&self) -> anyhow::Result<ModelFiles> {
        let (types, kv_type) = (self.types.clone(), self.kv_type);
        match &self.origin {
            Origin::BuiltIn => Ok(ModelFiles {
                types,
                kv_type,
                config: beads::CONFIG.to_owned(),
                weights: vec![WeightFile::in_memory("built-in model.safetensors", beads::WEIGHTS)],
                tokenizer: Some(beads::TOKENIZER.to_vec()),
                gpt2: None,
                name: "beads (built in)".to_owned(),
            }),
            Origin::Folder(folder) => Ok(ModelFiles { types, kv_type, ..ModelFiles::read_folder(folder)? }),
            Origin::Pulled { name, folder } => {
                Ok(ModelFiles { types, kv_type, name: name.clone(), ..ModelFiles::read_folder(folder)? })
            }
        }
    }
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Source {
        Source { origin, types: WeightTypes::default(), kv_type: KvType::default() }
    }
}

/// `--device` as the engine understands it.
pub fn device_request(text: &str) -> anyhow::Result<DeviceRequest> {
    text.parse().map_err(|error| usage(format!("--device {text}: {error}")))
}

/// The device that `--device` asks for; says so when `auto` found no GPU.
pub fn open_device(common: &Common) -> anyhow::Result<Device> {
    open_requested(&device_request(&common.device)?, common.quiet)
}

/// The same for one of several devices.
pub fn open_requested(request: &DeviceRequest, quiet: bool) -> anyhow::Result<Device> {
    let device = pollster::block_on(Device::open(request))?;
    if let Some(why) = device.why().filter(|_| !quiet) {
        output::note(&why);
    }
    Ok(device)
}

/// The model on the device that the command line asks for.
pub fn open_model(source: &Source, common: &Common) -> anyhow::Result<Arc<Model>> {
    let mut bar = LoadBar::new(common.quiet);
    let files = source.files()?;
    let device = open_device(common)?;
    load(&files, device, &mut bar)
}

/// A model of puzzles on the device that the command line asks for: the one that is named, or the built-in one for
/// Sudokus of this shape.
///
/// # Errors
/// There is no such model; those of reading it, and of the device.
pub fn open_puzzle_model(args: &PuzzleModelArgs, shape: Shape, common: &Common) -> anyhow::Result<Arc<Hrm>> {
    let types = WeightTypes { matrices: args.weights.0, named: args.tensor_type.clone() };
    let files = match &args.model {
        Some(_) => Source { types, ..Source::resolve(args.model.clone(), common)? }.files()?,
        None => {
            let Some(built_in) = sudokus::find(shape) else {
                let known: Vec<String> = sudokus::ALL.iter().map(|(shape, _)| shape.to_string()).collect();
                return Err(usage(format!(
                    "no model for this size is built in (there is {}); name one with --model",
                    known.join(", ")
                )));
            };
            ModelFiles { types, ..built_in.files() }
        }
    };
    let mut bar = LoadBar::new(common.quiet);
    let device = open_device(common)?;
    let model = pollster::block_on(Hrm::load(&files, device, &mut |progress| bar.show(progress)));
    bar.clear();
    Ok(model?)
}

/// Puts a model's weights on a device.
pub fn load(files: &ModelFiles, device: Device, bar: &mut LoadBar) -> anyhow::Result<Arc<Model>> {
    let model = pollster::block_on(Model::load(files, device, &mut |progress| bar.show(progress)));
    bar.clear();
    Ok(model?)
}

/// The ids of a text, in the words of a model that has some.
pub fn encode(model: &Model, text: &str) -> anyhow::Result<Vec<u32>> {
    let Some(tokenizer) = model.tokenizer() else {
        return Err(usage(format!(
            "{}: no tokenizer.json beside the weights, and a vocabulary of {} is not GPT-2's: give token ids with --tokens",
            model.name(),
            model.config().vocab_size
        )));
    };
    tokenizer.encode(text).context("the prompt")
}

/// A bar on standard error, for terminals, from the moment that loading proves slow.
pub struct LoadBar {
    began: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
}

/// Shorter loads are over before a bar can be read.
const PATIENCE: Duration = Duration::from_millis(300);

impl LoadBar {
    /// Nothing to be seen yet.
    pub fn new(quiet: bool) -> LoadBar {
        LoadBar { began: Instant::now(), wanted: !quiet && output::stderr_is_terminal(), bar: None }
    }

    /// How far it has come.
    pub fn show(&mut self, progress: Progress) {
        if !self.wanted || self.began.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg:<20} {bar:32} {bytes:>10} of {total_bytes}");
            ProgressBar::new(progress.bytes_total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
        bar.set_message(progress.phase);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for LoadBar {
    fn drop(&mut self) {
        self.clear();
    }
}
