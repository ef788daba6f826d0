//! HRM's checkpoints: the file `checkpoint` with `all_config.yaml` beside it (sapientinc/HRM `pretrain.py`,
//! `models/hrm/hrm_act_v1.py`). What the settings leave to the data is told by the tensors: the vocabulary, the table of
//! puzzles, and the length of a puzzle where positions are learned; else the vocabulary tells which of the authors' tasks
//! it is.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use fathom_engine::{HRM_TYPE, HrmConfig, hrm_tensors};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::usage;

use super::form::{Form, file_beside};
use super::source::{Input, read_text};

const YAML: &str = "all_config.yaml";
const JSON: &str = "config.json";
/// Larger than any model of this kind; it keeps sizes far from overflow.
const MOST: usize = 1 << 20;
/// Words of a cell and cells of the authors' tasks: Sudoku, mazes, ARC.
const TASKS: [(usize, usize); 3] = [(11, 81), (6, 900), (12, 900)];

/// The part of all_config.yaml that makes the model, under its own names.
#[derive(Deserialize)]
struct AllConfig {
    arch: Arch,
}

// The names are the authors' own.
#[allow(non_snake_case)]
#[derive(Deserialize)]
struct Arch {
    hidden_size: usize,
    num_heads: usize,
    expansion: f64,
    H_layers: usize,
    L_layers: usize,
    H_cycles: usize,
    L_cycles: usize,
    halt_max_steps: usize,
    #[serde(default)]
    puzzle_emb_ndim: usize,
    #[serde(default)]
    pos_encodings: Positions,
    #[serde(default = "rms_norm_eps")]
    rms_norm_eps: f64,
    #[serde(default = "rope_theta")]
    rope_theta: f64,
    /// Only in a config.json.
    seq_len: Option<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Positions {
    #[default]
    Rope,
    Learned,
}

fn rms_norm_eps() -> f64 {
    1e-5
}

fn rope_theta() -> f64 {
    10_000.0
}

/// The form of an HRM; what its file of settings lacks is told by the shapes of its tensors or by `--seq-len`.
///
/// # Errors
/// Settings that are missing or cannot be.
pub fn resolve(input: &Input, given: Option<&Path>, seq_len: Option<u32>) -> anyhow::Result<Form> {
    let file = given.map(Path::to_owned).or_else(|| file_beside(input, YAML));
    let Some(file) = file.or_else(|| file_beside(input, JSON)) else {
        bail!("{}: an HRM without {YAML} beside it: give it with --config", input.path.display());
    };
    let named = file.display().to_string();
    let arch = read(&file).with_context(|| named.clone())?;
    arch.check().with_context(|| named.clone())?;

    let rows = |name: &str| -> anyhow::Result<usize> {
        let tensor = input.tensors.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.with_context(|| format!("{}: tensor {name} is missing", input.path.display()))?;
        let rows = tensor.shape.first().copied().unwrap_or(0);
        ensure!(rows > 0, "{}: tensor {name} has no rows", input.path.display());
        Ok(rows)
    };
    let vocab_size = rows("inner.embed_tokens.embedding_weight")?;
    let n_puzzles = if arch.puzzle_emb_ndim > 0 { rows("inner.puzzle_emb.weights")? } else { 1 };
    let mut note = None;
    let seq_len = match (arch.pos_encodings, seq_len) {
        (_, Some(given)) => given as usize,
        (Positions::Learned, None) => {
            let positions = rows("inner.embed_pos.embedding_weight")?;
            positions.checked_sub(arch.puzzle_positions()).filter(|&n| n > 0).with_context(|| {
                format!("{}: {positions} learned positions are too few", input.path.display())
            })?
        }
        (Positions::Rope, None) => {
            let of_task = TASKS.iter().find(|(words, _)| *words == vocab_size).map(|&(_, cells)| cells);
            if let (None, Some(n)) = (arch.seq_len, of_task) {
                note = Some(format!(
                    "a puzzle has {n} cells, as {vocab_size} words are that task's; --seq-len says otherwise"
                ));
            }
            arch.seq_len.or(of_task).ok_or_else(|| {
                usage(format!(
                    "{}: neither {named} nor a tensor tells the length of a puzzle, and {vocab_size} words are none of the authors' tasks: give it with --seq-len",
                    input.path.display()
                ))
            })?
        }
    };
    let fields = arch.config(vocab_size, n_puzzles, seq_len);
    let config = HrmConfig::from_json(&Value::Object(fields.clone()).to_string(), &named)?;
    Ok(Form { config: fields, config_from: named, expected: hrm_tensors(&config), cosmicfish: None, note })
}

fn read(file: &Path) -> anyhow::Result<Arch> {
    let text = read_text(file)?;
    if file.extension().is_some_and(|extension| extension == "json") {
        return Ok(serde_json::from_str(&text)?);
    }
    // A parser's message may draw the place over several lines; its first one says what is wrong.
    let read = serde_saphyr::from_str::<AllConfig>(&text);
    let AllConfig { arch } = read.map_err(|error| {
        let error = error.to_string();
        anyhow::anyhow!("{}", error.lines().next().unwrap_or("not the YAML that was expected"))
    })?;
    Ok(arch)
}

impl Arch {
    /// What is computed with before the engine checks all of it.
    fn check(&self) -> anyhow::Result<()> {
        for (name, value) in [
            ("hidden_size", self.hidden_size),
            ("puzzle_emb_ndim + 1", self.puzzle_emb_ndim.saturating_add(1)),
        ] {
            ensure!((1..=MOST).contains(&value), "{name} must be from 1 to {MOST}, found {value}");
        }
        Ok(())
    }

    /// How many positions the puzzle's embedding takes.
    fn puzzle_positions(&self) -> usize {
        self.puzzle_emb_ndim.div_ceil(self.hidden_size)
    }

    fn config(&self, vocab_size: usize, n_puzzles: usize, seq_len: usize) -> Map<String, Value> {
        let fields = json!({
            "model_type": HRM_TYPE,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "seq_len": seq_len,
            "vocab_size": vocab_size,
            "hidden_size": self.hidden_size,
            "num_heads": self.num_heads,
            "expansion": self.expansion,
            "H_layers": self.H_layers,
            "L_layers": self.L_layers,
            "H_cycles": self.H_cycles,
            "L_cycles": self.L_cycles,
            "pos_encodings": if self.pos_encodings == Positions::Learned { "learned" } else { "rope" },
            "puzzle_emb_ndim": self.puzzle_emb_ndim,
            "num_puzzle_identifiers": n_puzzles,
            "halt_max_steps": self.halt_max_steps,
        });
        fields.as_object().cloned().unwrap_or_default()
    }
}
