//! Which tensors are written, in which type, and whether they are all that the model needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use fathom_engine::{WeightType, WeightTypes};

use crate::failure::usage;
use crate::pytorch::globals::shortened;

use super::form::Form;
use super::numbers;
use super::source::Input;

/// The two names of CosmicFish-HRM's embedding.
const TIED: [&str; 2] = ["wte.weight", "lm_head.weight"];

/// One tensor that is to be written.
pub struct Planned {
    /// Which one of the input.
    pub from: usize,
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// The type that it is written in.
    pub to: WeightType,
    /// How many numbers.
    pub n: u64,
}

impl Planned {
    /// Its size as it will be.
    pub fn n_bytes(&self) -> u64 {
        self.to.bytes(self.n)
    }
}

/// All tensors to be written, by name, and whether a second copy of the embedding is left out.
///
/// # Errors
/// Tensors that are missing, too many, of another shape or of a type that no model has.
pub fn plan(input: &mut Input, form: &Form, types: &WeightTypes) -> anyhow::Result<(Vec<Planned>, bool)> {
    let shown = input.path.display().to_string();
    let position = |name: &str| input.tensors.iter().position(|tensor| tensor.name == name);
    let tied = form.cosmicfish.is_some().then(|| TIED.map(position));
    let twice = matches!(tied, Some([Some(_), Some(_)]));
    ensure!(
        input.tensors.iter().all(|tensor| !tensor.name.ends_with("weight_scale")),
        "{shown}: it is quantised already; convert the model that it was made from"
    );
    check_names(input, form).with_context(|| shown.clone())?;

    let mut expected: BTreeMap<&str, &[usize]> =
        form.expected.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    if let Some([_, Some(_)]) = tied
        && let Some(shape) = expected.get(TIED[0]).copied()
    {
        expected.insert(TIED[1], shape);
    }
    let mut planned = Vec::new();
    let mut n_stored = 0_u64;
    for (from, tensor) in input.tensors.iter().enumerate() {
        let (name, found) = (&tensor.name, &tensor.shape);
        let shape = expected.get(name.as_str()).copied().unwrap_or_default();
        ensure!(
            found == shape,
            "{shown}: tensor {name} has the shape {found:?}, the configuration asks for {shape:?}"
        );
        let to = numbers::target(types, name, shape, tensor.element);
        let to = to.with_context(|| format!("{shown}: tensor {name}"))?;
        if twice && name == TIED[1] {
            continue;
        }
        let n = found.iter().product::<usize>() as u64;
        n_stored = n_stored.saturating_add(n.saturating_mul(tensor.element.size_bytes()));
        planned.push(Planned { from, name: name.clone(), shape: found.clone(), to, n });
    }
    // Tensors may share a storage, but a model is never larger than the file that it is in.
    ensure!(
        n_stored <= input.n_bytes,
        "{shown}: its tensors share numbers: {n_stored} bytes out of {}",
        input.n_bytes
    );
    if let Some([Some(wte), Some(lm_head)]) = tied
        && !input.are_equal(wte, lm_head)?
    {
        bail!("{shown}: {} and {} differ, but they are one tensor", TIED[0], TIED[1]);
    }
    if let Some(text) = types.slip(input.tensors.iter().map(|tensor| tensor.name.as_str())) {
        return Err(usage(format!("--tensor-type {text}: no tensor of {shown} has a name that contains it")));
    }
    planned.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((planned, twice))
}

fn check_names(input: &Input, form: &Form) -> anyhow::Result<()> {
    let either = form.cosmicfish.is_some();
    let is_tied = |name: &str| either && TIED.contains(&name);
    let has = |name: &str| input.tensors.iter().any(|tensor| tensor.name == name);
    let names: BTreeSet<&str> = input.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let missing: Vec<&str> = form
        .expected
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|&name| if is_tied(name) { !TIED.into_iter().any(has) } else { !names.contains(name) })
        .collect();
    let expected: BTreeSet<&str> = form.expected.iter().map(|(name, _)| name.as_str()).collect();
    let unexpected: Vec<&str> =
        names.iter().copied().filter(|&name| !expected.contains(name) && !is_tied(name)).collect();
    let mut wrong = Vec::new();
    if !missing.is_empty() {
        wrong.push(format!("{} of its tensors missing: {}", missing.len(), some(&missing)));
    }
    if !unexpected.is_empty() {
        wrong.push(format!("{} tensors too many: {}", unexpected.len(), some(&unexpected)));
    }
    ensure!(wrong.is_empty(), "not the model of its configuration: {}", wrong.join("; "));
    Ok(())
}

/// The first few names of a list.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut shown = names.iter().take(SHOWN).map(|name| shortened(name)).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        shown.push_str(", …");
    }
    shown
}
