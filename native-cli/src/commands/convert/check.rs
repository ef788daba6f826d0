//! The engine's own look at safetensors files: their headers, and whether they are the model of a configuration.

use std::fs;
use std::path::{Path, PathBuf};

use fathom_engine::{Config, WeightFile, Weights};

/// Reads and checks the headers of one or several files.
///
/// # Errors
/// What the engine says of them.
pub fn headers(paths: &[PathBuf]) -> anyhow::Result<Weights> {
    let open = |path: &PathBuf| WeightFile::on_disk(path, path.display().to_string());
    let files = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    Ok(Weights::from_files(&files)?)
}

/// What was written, as the engine will find it.
///
/// # Errors
/// What the engine would say of it.
pub fn written(folder: &Path, weights: &[String]) -> anyhow::Result<()> {
    let name = folder.join("config.json");
    let config = Config::from_json(&fs::read_to_string(&name)?, &name.display().to_string())?;
    let paths: Vec<PathBuf> = weights.iter().map(|name| folder.join(name)).collect();
    Ok(pollster::block_on(headers(&paths)?.check(&config))?)
}
