//! Which row of a model's table a task has: HRM's data sets list the names of all rows in identifiers.json.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use fathom_engine::Hrm;

use crate::failure::usage;

use super::question::Question;

/// The row of the first question's task. Other puzzles than ARC's share row 0, and so do all of a model without a table.
///
/// # Errors
/// The model has no row for this task, or nobody says which it is; a row of a table that is not there.
pub fn find(
    model: &Hrm,
    question: &Question,
    given: Option<u32>,
    file: Option<&Path>,
) -> anyhow::Result<u32> {
    let n = model.config().num_puzzle_identifiers;
    if model.config().puzzle_emb_ndim == 0 {
        return match given {
            Some(given) => Err(usage(format!("--puzzle-id {given}: the model has no table of puzzles"))),
            None => Ok(0),
        };
    }
    if let Some(given) = given {
        return Ok(given);
    }
    let Question::Arc { name, .. } = question else {
        return match file {
            Some(_) => Err(usage("--identifiers: only ARC tasks have names")),
            None => Ok(0),
        };
    };
    let Some(file) = file else {
        return Err(usage(format!(
            "{name}: an ARC model knows a task by its row in a table of {n}; give --identifiers FILE (the data set's identifiers.json) or --puzzle-id N"
        )));
    };
    let shown = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| shown.clone())?;
    let names: Vec<String> = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is not the list of names that was expected"))?;
    // A name with more behind it is the task under a symmetry, which this grid is not.
    let row = names.iter().position(|row| row == name);
    let row = row.ok_or_else(|| {
        anyhow!(
            "{name}: the task has no row among the {} of {shown}, so the model was never shown it",
            names.len()
        )
    })?;
    Ok(row as u32)
}
