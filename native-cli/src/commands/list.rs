//! `fathom list`: what is in the cache.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use indicatif::{HumanBytes, HumanDuration};
use serde::Serialize;

use crate::cli::Common;
use crate::hub::cache::{Cache, Held, Pulled};
use crate::hub::contents;
use crate::output;
use crate::paint::Paint;

/// `fathom list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Listed {
    cache: String,
    models: Vec<ModelRow>,
    partial: Vec<PartialRow>,
}

#[derive(Serialize)]
struct ModelRow {
    name: String,
    revisions: Vec<String>,
    commit: String,
    bytes: u64,
    /// None: its configuration cannot be read any more.
    parameters: Option<usize>,
    /// Seconds since 1970.
    pulled_at: Option<u64>,
    path: String,
    #[serde(skip)]
    revision: String,
    #[serde(skip)]
    age: String,
}

#[derive(Serialize)]
struct PartialRow {
    name: String,
    bytes: u64,
}

/// Carries out `fathom list`.
pub fn list(common: &Common, args: ListArgs) -> anyhow::Result<ExitCode> {
    let cache = Cache::open(common.cache.as_deref())?;
    let held = cache.held()?;
    let listed = Listed {
        cache: cache.folder().display().to_string(),
        models: held.iter().flat_map(rows).collect(),
        partial: held.iter().filter_map(partial).collect(),
    };
    let mut out = io::stdout().lock();
    if args.json {
        output::json_line(&mut out, &listed)?;
    } else {
        table(&mut out, &listed, Paint::resolve(common.color, output::stdout_is_terminal()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(held: &Held) -> impl Iterator<Item = ModelRow> {
    held.models.iter().map(|model| row(&held.repo.to_string(), model))
}

fn row(name: &str, model: &Pulled) -> ModelRow {
    let since_1970 = model.at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    ModelRow {
        name: name.to_owned(),
        revisions: model.refs.clone(),
        commit: model.commit.clone(),
        bytes: model.bytes(),
        parameters: contents::check_config(&model.folder).ok().map(|config| config.n_parameters()),
        pulled_at: since_1970.map(|time| time.as_secs()),
        path: model.folder.display().to_string(),
        revision: model.revision(),
        age: age(model.at.and_then(|at| at.elapsed().ok())),
    }
}

fn partial(held: &Held) -> Option<PartialRow> {
    let row = PartialRow { name: held.repo.to_string(), bytes: held.partial_bytes };
    Some(row).filter(|row| row.bytes > 0)
}

fn age(age: Option<Duration>) -> String {
    match age {
        Some(age) if age >= Duration::from_secs(1) => format!("{} ago", HumanDuration(age)),
        _ => "just now".to_owned(),
    }
}

fn table(out: &mut impl Write, listed: &Listed, paint: Paint) -> io::Result<()> {
    if listed.models.is_empty() {
        writeln!(out, "no models in {}; fathom pull owner/repo fetches one", listed.cache)?;
    } else {
        let width = |of: fn(&ModelRow) -> &str, least: usize| {
            listed.models.iter().map(|row| of(row).len()).fold(least, usize::max)
        };
        let (name, revision) = (width(|row| &row.name, 4), width(|row| &row.revision, 8));
        let header = format!(
            "{:<name$}  {:<revision$}  {:>10}  {:>10}  pulled",
            "name", "revision", "size", "parameters"
        );
        writeln!(out, "{}", paint.faint(header))?;
        for row in &listed.models {
            let (size, parameters) =
                (HumanBytes(row.bytes).to_string(), row.parameters.map_or("?".to_owned(), millions));
            write!(out, "{}{:pad$}  ", paint.strong(&row.name), "", pad = name - row.name.len())?;
            writeln!(out, "{:<revision$}  {size:>10}  {parameters:>10}  {}", row.revision, row.age)?;
            writeln!(out, "  {}", paint.faint(&row.path))?;
        }
    }
    for row in &listed.partial {
        let size = HumanBytes(row.bytes);
        writeln!(out, "{}: {size} of an unfinished pull; rm --partial drops it", row.name)?;
    }
    out.flush()
}

fn millions(n: usize) -> String {
    match n {
        0..1_000_000 => format!("{:.1} k", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", n as f64 / 1e6),
        _ => format!("{:.2} G", n as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(millions(65_800), "65.8 k");
        assert_eq!(millions(82_800_000), "82.8 M");
        assert_eq!(millions(1_234_000_000), "1.23 G");
        assert_eq!(age(None), "just now");
        assert_eq!(age(Some(Duration::from_secs(7200))), "2 hours ago");
    }
}
