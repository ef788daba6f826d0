//! The engine's own look at safetensors files: their headers, and whether they are the model of a configuration.

use std::fs;
use std::path::{Path, PathBuf};

use fathom_engine::{Config, HrmConfig, WeightFile, Weights};

/// Reads and checks the headers of one or several files.
///
/// # Errors
/// What the engine says of them.
pub fn headers(paths: &[PathBuf]) -> anyhow::Result<Weights> {
    let open = |path: &PathBuf| WeightFile::on_disk(path, path.display().to_string());
    let files = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    Ok(Weights::from_files(&files)?)
}

/// Of which family a model is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    CosmicFish,
    Hrm,
}

/// What was written, as the engine will find it.
///
/// # Errors
/// What the engine would say of it.
pub fn written(kind: Kind, folder: &Path, weights: &[String]) -> anyhow::Result<()> {
    let name = folder.join("config.json");
    let (json, shown) = (fs::read_to_string(&name)?, name.display().to_string());
    let paths: Vec<PathBuf> = weights.iter().map(|name| folder.join(name)).collect();
    let weights = headers(&paths)?;
    match kind {
        Kind::CosmicFish => pollster::block_on(weights.check(&Config::from_json(&json, &shown)?))?,
        Kind::Hrm => weights.check_hrm(&HrmConfig::from_json(&json, &shown)?)?,
    }
    Ok(())
}
