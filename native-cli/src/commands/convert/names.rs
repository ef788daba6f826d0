//! Tensor names without what PyTorch's wrappers put before them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::source::Stored;

/// What DistributedDataParallel and torch.compile put before every name, in either order.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];
/// What the training wrapper of HRM puts there as well.
const HRM_WRAPPER: &str = "model.";
/// How all names of HRM begin.
const HRM: &str = "inner.";

/// Strips the prefixes of all names and gives those that were found.
///
/// # Errors
/// Two tensors that then have the same name.
pub fn strip(tensors: &mut [Stored]) -> anyhow::Result<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut originals: BTreeMap<String, String> = BTreeMap::new();
    for tensor in tensors {
        let (prefix, bare) = split(&tensor.name);
        if let Some(first) = originals.insert(bare.to_owned(), tensor.name.clone()) {
            bail!("two tensors are called {bare}: {first} and {}", tensor.name);
        }
        if !prefix.is_empty() {
            found.insert(prefix.to_owned());
        }
        tensor.name = bare.to_owned();
    }
    Ok(found.into_iter().collect())
}

fn split(name: &str) -> (&str, &str) {
    let mut bare = name;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| bare.strip_prefix(prefix)) {
        bare = rest;
    }
    if let Some(rest) = bare.strip_prefix(HRM_WRAPPER).filter(|rest| rest.starts_with(HRM)) {
        bare = rest;
    }
    name.split_at(name.len() - bare.len())
}

/// Whether these are the tensors of an HRM.
pub fn are_hrm(tensors: &[Stored]) -> bool {
    tensors.iter().all(|tensor| tensor.name.starts_with(HRM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_in_any_order() {
        for (name, expected) in [
            ("wte.weight", ("", "wte.weight")),
            ("module.wte.weight", ("module.", "wte.weight")),
            ("_orig_mod.module.wte.weight", ("_orig_mod.module.", "wte.weight")),
            ("module._orig_mod.wte.weight", ("module._orig_mod.", "wte.weight")),
            ("_orig_mod.model.inner.L_init", ("_orig_mod.model.", "inner.L_init")),
            ("model.wte.weight", ("", "model.wte.weight")),
            ("module.", ("module.", "")),
        ] {
            assert_eq!(split(name), expected);
        }
    }
}
