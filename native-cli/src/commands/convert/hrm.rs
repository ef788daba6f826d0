//! HRM's checkpoints: the file `checkpoint` with `all_config.yaml` beside it (sapientinc/HRM `pretrain.py`,
//! `models/hrm/hrm_act_v1.py`). The engine does not run them yet; as safetensors with a config.json other
//! programs can read them.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::usage;

use super::form::{Form, file_beside};
use super::source::{Input, read_text};

const MODEL_TYPE: &str = "hrm_act_v1";
const YAML: &str = "all_config.yaml";
const JSON: &str = "config.json";
/// Larger than any model of this kind; it keeps sizes far from overflow.
const MOST: usize = 1 << 20;
const MOST_LAYERS: usize = 1 << 10;

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
        ensure!((1..=MOST).contains(&rows), "{}: tensor {name} has {rows} rows", input.path.display());
        Ok(rows)
    };
    let vocab_size = rows("inner.embed_tokens.embedding_weight")?;
    let n_puzzles = if arch.puzzle_emb_ndim > 0 { rows("inner.puzzle_emb.weights")? } else { 1 };
    let seq_len = match (arch.pos_encodings, seq_len) {
        (_, Some(given)) => given as usize,
        (Positions::Learned, None) => {
            let positions = rows("inner.embed_pos.embedding_weight")?;
            positions.checked_sub(arch.puzzle_positions()).filter(|&n| n > 0).with_context(|| {
                format!("{}: {positions} learned positions are too few", input.path.display())
            })?
        }
        (Positions::Rope, None) => arch.seq_len.ok_or_else(|| {
            usage(format!(
                "{}: neither {named} nor a tensor tells the length of a puzzle: give it with --seq-len (sudoku 81, mazes and ARC 900)",
                input.path.display()
            ))
        })?,
    };
    Ok(Form {
        config: arch.config(vocab_size, n_puzzles, seq_len),
        config_from: named,
        expected: arch.tensors(vocab_size, n_puzzles, seq_len),
        cosmicfish: None,
    })
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
    fn check(&self) -> anyhow::Result<()> {
        for (name, value, most) in [
            ("hidden_size", self.hidden_size, MOST),
            ("num_heads", self.num_heads, MOST),
            ("H_layers", self.H_layers, MOST_LAYERS),
            ("L_layers", self.L_layers, MOST_LAYERS),
            ("H_cycles", self.H_cycles, MOST),
            ("L_cycles", self.L_cycles, MOST),
            ("halt_max_steps", self.halt_max_steps, MOST),
        ] {
            ensure!((1..=most).contains(&value), "{name} must be from 1 to {most}, found {value}");
        }
        ensure!(self.puzzle_emb_ndim <= MOST, "puzzle_emb_ndim must be at most {MOST}");
        let (width, heads) = (self.hidden_size, self.num_heads);
        ensure!(width.is_multiple_of(heads), "num_heads {heads} does not divide hidden_size {width}");
        let expansion = self.expansion;
        ensure!(expansion > 0.0 && expansion <= 64.0, "expansion must be from 0 to 64, found {expansion}");
        Ok(())
    }

    /// How many positions the puzzle's embedding takes.
    fn puzzle_positions(&self) -> usize {
        self.puzzle_emb_ndim.div_ceil(self.hidden_size)
    }

    fn config(&self, vocab_size: usize, n_puzzles: usize, seq_len: usize) -> Map<String, Value> {
        let fields = json!({
            "model_type": MODEL_TYPE,
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

    fn tensors(&self, vocab_size: usize, n_puzzles: usize, seq_len: usize) -> Vec<(String, Vec<usize>)> {
        let c = self.hidden_size;
        // The width of the authors' SwiGLU: two thirds, rounded up to whole blocks of 256.
        let hidden = ((self.expansion * c as f64 * 2.0 / 3.0).round() as usize).next_multiple_of(256);
        let mut tensors = vec![
            ("inner.embed_tokens.embedding_weight".to_owned(), vec![vocab_size, c]),
            ("inner.H_init".to_owned(), vec![c]),
            ("inner.L_init".to_owned(), vec![c]),
            ("inner.lm_head.weight".to_owned(), vec![vocab_size, c]),
            ("inner.q_head.weight".to_owned(), vec![2, c]),
            ("inner.q_head.bias".to_owned(), vec![2]),
        ];
        if self.puzzle_emb_ndim > 0 {
            tensors.push(("inner.puzzle_emb.weights".to_owned(), vec![n_puzzles, self.puzzle_emb_ndim]));
        }
        if self.pos_encodings == Positions::Learned {
            let n = seq_len + self.puzzle_positions();
            tensors.push(("inner.embed_pos.embedding_weight".to_owned(), vec![n, c]));
        }
        for (level, n_layers) in [("H_level", self.H_layers), ("L_level", self.L_layers)] {
            for i in 0..n_layers {
                for (linear, n_out, n_in) in [
                    ("self_attn.qkv_proj", 3 * c, c),
                    ("self_attn.o_proj", c, c),
                    ("mlp.gate_up_proj", 2 * hidden, c),
                    ("mlp.down_proj", c, hidden),
                ] {
                    tensors.push((format!("inner.{level}.layers.{i}.{linear}.weight"), vec![n_out, n_in]));
                }
            }
        }
        tensors
    }
}
