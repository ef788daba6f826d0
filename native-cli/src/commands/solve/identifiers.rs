//! Which row of a model's table a task has: HRM's data sets list the names of all rows in identifiers.json.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use fathom_engine::Hrm;

use crate::failure::usage;

use super::question::Question;

/// What parts a task's name from the symmetry that a row of the table was trained under.
const SEPARATOR: &str = "|||";

/// The row of the first question's task. Other puzzles than ARC's share row 0.
///
/// # Errors
/// The model has no row for this task, or nobody says which it is.
pub fn find(
    model: &Hrm,
    question: &Question,
    given: Option<u32>,
    file: Option<&Path>,
) -> anyhow::Result<u32> {
    if let Some(given) = given {
        return Ok(given);
    }
    let Question::Arc { name, .. } = question else { return Ok(0) };
    let n = model.config().num_puzzle_identifiers;
    let Some(file) = file else {
        return Err(usage(format!(
            "{name}: an ARC model knows a task by its row in a table of {n}; give --identifiers FILE (the data set's identifiers.json) or --puzzle-id N"
        )));
    };
    let shown = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| shown.clone())?;
    let names: Vec<String> = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is not the list of names that was expected"))?;
    // The plain name is the task as it is; others are under a symmetry.
    let is_plain = |row: &String| row == name;
    let is_task = |row: &String| row.split(SEPARATOR).next() == Some(name);
    let row = names.iter().position(is_plain).or_else(|| names.iter().position(is_task));
    let row = row.ok_or_else(|| {
        anyhow!(
            "{name}: the task has no row among the {} of {shown}, so the model was never shown it",
            names.len()
        )
    })?;
    Ok(row as u32)
}
