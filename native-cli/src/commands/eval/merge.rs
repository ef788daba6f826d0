//! `fathom eval merge`: the parts that several machines made, as if one had made them all.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::record::Record;
use super::results::{self, Header, Shard};

/// All records of all parts, and what was asked. The parts must be of one examination, none twice, none missing.
pub fn merge(paths: &[PathBuf]) -> anyhow::Result<(Header, Vec<Record>)> {
    let mut parts = Vec::new();
    for path in paths {
        let (header, records) = results::read(path)?;
        parts.push((path, header, records));
    }
    let Some((first_path, first, _)) = parts.first() else { anyhow::bail!("no files to merge") };
    let (first_path, first) = (*first_path, first.clone());
    let n = first.shard.n;
    let mut found: Vec<Option<&Path>> = vec![None; n.min(parts.len() + 1)];
    for (path, header, records) in &parts {
        let path: &Path = path;
        let alike = Header { shard: Shard { i: first.shard.i, ..header.shard }, ..header.clone() };
        if let Some(what) = alike.difference(&first)? {
            anyhow::bail!(
                "{}: not of the same examination as {}: {what}",
                path.display(),
                first_path.display()
            );
        }
        let expected = header.shard.n_items(header.n_items);
        ensure!(
            records.len() == expected,
            "{}: {} of {expected} items are there: run it again to its end",
            path.display(),
            records.len()
        );
        if let Some(place) = found.get_mut(header.shard.i - 1) {
            if let Some(earlier) = place {
                anyhow::bail!(
                    "{} and {}: both are shard {}",
                    earlier.display(),
                    path.display(),
                    header.shard
                );
            }
            *place = Some(path);
        }
    }
    let missing = found.iter().position(Option::is_none);
    ensure!(missing.is_none(), "shard {}/{n} is missing", missing.unwrap_or(0) + 1);
    let header = Header { shard: Shard::WHOLE, device: devices(parts.iter().map(|part| &part.1)), ..first };
    Ok((header, parts.into_iter().flat_map(|(_, _, records)| records).collect()))
}

fn devices<'a>(headers: impl Iterator<Item = &'a Header>) -> String {
    let mut devices: Vec<&str> = headers.map(|header| header.device.as_str()).collect();
    devices.sort_unstable();
    devices.dedup();
    devices.join(" and ")
}
