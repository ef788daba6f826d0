//! `fathom pull`: a model from a Hugging Face style hub into the cache, whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::args::whole;
use crate::cli::Common;
use crate::hub::cache::{Cache, cannot_write, sync_folder};
use crate::hub::client::{Client, Listing, Patience};
use crate::hub::contents::{self, Contents, Piece};
use crate::hub::download;
use crate::hub::names::Wanted;
use crate::hub::shelf::Shelf;
use crate::hub::transfer::Progress;

const EXAMPLES: &str = "\
The hub is https://huggingface.co, or HF_ENDPOINT. Private and gated models need a token, in HF_TOKEN or in the \
file that Hugging Face's own programs keep. Every file is checked by its hash. A pull that was ended in any way \
goes on where it was. The model's folder goes to standard output.

Examples:
  fathom pull owner/repo              the model as it is now (again later: what has changed since)
  fathom pull owner/repo@v1.0         a branch, tag or commit
  fathom run -m owner/repo \"Once\"     then it has a name";

/// `fathom pull`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PullArgs {
    /// owner/repo, owner/repo@revision, or the address of the model's page
    #[arg(value_name = "NAME|URL", value_parser = Wanted::parse)]
    pub name: Wanted,
    /// Ask nobody: succeed if the model is in the cache
    #[arg(long)]
    pub offline: bool,
    /// Failures in a row to put up with before giving up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole, allow_negative_numbers = true)]
    pub retries: u32,
    /// A connection on which nothing came for so long is given up
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub stall_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "expected a number of seconds above 0".to_owned())
}

/// Carries out `fathom pull`.
pub fn pull(common: &Common, args: PullArgs) -> anyhow::Result<ExitCode> {
    let cache = Cache::open(common.cache.as_deref())?;
    let shelf = cache.shelf(&args.name.repo);
    let folder = if args.offline {
        offline(&cache, &args.name)?
    } else {
        let patience = Patience { retries: args.retries, stall: args.stall_timeout };
        let client = Client::open(args.name.endpoint.as_ref(), patience)?;
        let mut pull = Pull { wanted: &args.name, client, shelf, progress: Progress::new(common.quiet) };
        pull.run()?
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", folder.display())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn offline(cache: &Cache, wanted: &Wanted) -> anyhow::Result<PathBuf> {
    let held = cache.held()?.into_iter().find(|held| held.repo == wanted.repo && !held.models.is_empty());
    let held = held.with_context(|| {
        format!("--offline: {} is not in the cache {}", wanted.repo, cache.folder().display())
    })?;
    Ok(held.choose(Some(wanted.revision())).context("--offline")?.folder)
}

struct Pull<'a> {
    wanted: &'a Wanted,
    client: Client,
    shelf: Shelf<'a>,
    progress: Progress,
}

impl Pull<'_> {
    fn run(&mut self) -> anyhow::Result<PathBuf> {
        if self.client.withholds_token() {
            let line = "the token is not sent: HF_ENDPOINT is not https, so others could read it";
            self.progress.note(line);
        }
        let listing = self.client.listing(self.wanted, &self.progress)?;
        let (wanted, revision) = (self.wanted.to_string(), self.wanted.revision());
        let known = self.shelf.reference(revision).as_deref() == Some(&listing.commit);
        if let Some(folder) = self.shelf.complete(&listing.commit)
            && (known || revision == listing.commit)
        {
            self.progress.note(&format!("{wanted} is up to date ({})", &listing.commit[..7]));
            return Ok(folder);
        }
        let waits = format!("another fathom is pulling or removing {}: waiting for it", self.wanted.repo);
        let _lock = self.shelf.lock(&mut || self.progress.note(&waits))?;
        let there = self.shelf.complete(&listing.commit);
        let is_new = there.is_none();
        let folder = match there {
            Some(folder) => folder,
            None => self.fetch(&listing).with_context(|| wanted.clone())?,
        };
        self.shelf.refer(revision, &listing.commit)?;
        self.progress.end();
        let commit = &listing.commit[..7];
        if is_new {
            self.shelf.drop_partial()?;
            let summary = self.progress.summary();
            self.progress.note(&format!("{wanted} is there ({commit}): {summary}"));
        } else {
            self.shelf.tidy();
            self.progress.note(&format!("{wanted} is there already ({commit})"));
        }
        Ok(folder)
    }

    fn fetch(&mut self, listing: &Listing) -> anyhow::Result<PathBuf> {
        let contents = Contents::choose(listing)?;
        let mut total = bytes(&contents.first).saturating_add(bytes(&contents.rest));
        let staged = self.shelf.stage(&listing.commit)?;
        self.progress.expect(total);
        for piece in &contents.first {
            self.bring(piece, listing, &staged)?;
        }
        // Before gigabytes are fetched for it.
        self.checked(contents::check_config(&staged).map(drop))?;
        let shards = self.checked(contents::shards(listing, &staged))?;
        total = total.saturating_add(bytes(&shards));
        self.progress.expect(total);
        for piece in contents.rest.iter().chain(&shards) {
            self.bring(piece, listing, &staged)?;
        }
        self.checked(contents::check_model(&staged))?;
        self.shelf.publish(&listing.commit)
    }

    /// What the hub has is no model for us: there is nothing to go on with.
    fn checked<T>(&self, checked: anyhow::Result<T>) -> anyhow::Result<T> {
        if checked.is_err() {
            self.shelf.drop_partial()?;
        }
        checked
    }

    /// Gathers a file, unless it is there already: a file in this folder was checked.
    fn bring(&mut self, piece: &Piece, listing: &Listing, staged: &Path) -> anyhow::Result<()> {
        let path = staged.join(&piece.name);
        if fs::metadata(&path).is_ok_and(|about| about.len() == piece.bytes) {
            self.progress.found(piece.bytes);
            return Ok(());
        }
        let url = self.client.file(&self.wanted.repo, &listing.commit, &piece.name)?;
        let partial = self.shelf.partial();
        for older in self.shelf.held()?.models {
            download::reuse(&older.folder.join(&piece.name), piece, &partial, &self.progress)?;
        }
        let arrived = download::fetch(&self.client, &url, piece, &partial, &mut self.progress)?;
        let moved = fs::rename(&arrived, &path).and_then(|()| sync_folder(staged));
        moved.map_err(|error| cannot_write(&path, &error, self.progress.missing()))?;
        self.progress.file_is_done(&piece.name, piece.bytes);
        Ok(())
    }
}

fn bytes(pieces: &[Piece]) -> u64 {
    pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.bytes))
}
