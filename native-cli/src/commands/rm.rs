//! `fathom rm`: models out of the cache. Each disappears in one step and is deleted after that.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::HumanBytes;

use crate::cli::Common;
use crate::hub::cache::{Cache, Held};
use crate::hub::names::{Called, Repo};

/// `fathom rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// owner/repo or repo: all of its revisions; with @revision: only that one
    #[arg(value_name = "NAME", value_parser = Called::parse, required_unless_present = "partial")]
    pub names: Vec<Called>,
    /// Remove what unfinished pulls have left, of all models
    #[arg(long, conflicts_with = "names")]
    pub partial: bool,
}

/// Carries out `fathom rm`.
pub fn rm(common: &Common, args: RmArgs) -> anyhow::Result<ExitCode> {
    let cache = Cache::open(common.cache.as_deref())?;
    let mut out = io::stdout().lock();
    if args.partial {
        remove_partial(&cache, &mut out)?;
    } else {
        // All are there before the first is gone.
        for called in &args.names {
            find(&cache, called)?;
        }
        for called in &args.names {
            remove(&cache, called, &mut out)?;
        }
        cache.sweep()?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn find(cache: &Cache, called: &Called) -> anyhow::Result<Held> {
    let held = cache.find(called).with_context(|| format!("{called}: in {}", cache.folder().display()))?;
    if called.revision.is_some() {
        held.choose(called.revision.as_deref())?;
    }
    Ok(held)
}

fn remove(cache: &Cache, called: &Called, out: &mut impl Write) -> anyhow::Result<()> {
    let repo = find(cache, called)?.repo;
    let shelf = cache.shelf(&repo);
    let Some(_lock) = shelf.try_lock()? else { return Err(busy(&repo)) };
    // Once more: nobody else changes it from here on.
    let held = find(cache, called)?;
    let (name, bytes) = match &called.revision {
        None => (held.repo.to_string(), shelf.drop_all()?),
        Some(revision) => {
            let model = held.choose(Some(revision))?;
            (format!("{}@{revision}", held.repo), shelf.drop_model(&model)?)
        }
    };
    writeln!(out, "removed {name}, {} freed", HumanBytes(bytes))?;
    Ok(())
}

fn remove_partial(cache: &Cache, out: &mut impl Write) -> anyhow::Result<()> {
    let mut bytes = cache.sweep()?;
    let mut busy_one = None;
    for held in cache.held()? {
        let shelf = cache.shelf(&held.repo);
        if !shelf.partial().exists() {
            continue;
        }
        match shelf.try_lock()? {
            Some(_lock) => bytes += shelf.drop_partial()?,
            None => busy_one = Some(held.repo),
        }
    }
    writeln!(out, "removed what unfinished pulls have left, {} freed", HumanBytes(bytes))?;
    match busy_one {
        Some(repo) => Err(busy(&repo)),
        None => Ok(()),
    }
}

fn busy(repo: &Repo) -> anyhow::Error {
    anyhow!("{repo}: another fathom is pulling or removing it just now")
}
