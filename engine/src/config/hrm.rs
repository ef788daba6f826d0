//! The configuration of an HRM (`model_type: hrm_act_v1`). Source of the fields: sapientinc/HRM
//! `models/hrm/hrm_act_v1.py`, `HierarchicalReasoningModel_ACTV1Config`, and what its checkpoints leave to their data:
//! seq_len, vocab_size, num_puzzle_identifiers.

use super::fields::{
    Fields, MOST_CYCLES, MOST_EMBD, MOST_HEAD_DIM, MOST_LAYERS, MOST_POSITIONS, MOST_STEPS, MOST_VOCAB,
};
use crate::error::{Error, Result};
use crate::weights::hrm_tensors;

/// The `model_type` of an HRM.
pub const HRM_TYPE: &str = "hrm_act_v1";

/// The authors' expansion is 4; the hidden width stays within what a kernel's grid can make.
const MOST_EXPANSION: f32 = 64.0;

/// Of one buffer.
const MOST_NUMBERS: u64 = 1 << 28;

/// Rows that one dimension of a kernel's grid can hold.
const MOST_ROWS: usize = 65535;

/// Block applications of a segment, which is recorded as a whole: over a hundred times the released size's.
const MOST_APPLICATIONS: u128 = 4096;

/// The dimensions of an HRM.
///
/// Shapes elsewhere are written with `V` = vocab_size, `C` = hidden_size, `P` = [`n_puzzle_positions`], `T` =
/// [`n_positions`].
///
/// [`n_puzzle_positions`]: HrmConfig::n_puzzle_positions
/// [`n_positions`]: HrmConfig::n_positions
#[derive(Debug, Clone, PartialEq)]
pub struct HrmConfig {
    /// Cells of a puzzle.
    pub seq_len: usize,
    /// Words of a cell, V.
    pub vocab_size: usize,
    /// Width of the states, C.
    pub hidden_size: usize,
    /// Heads, of keys and values too.
    pub num_heads: usize,
    /// The MLP's hidden width is two thirds of this times C, up to whole blocks of 256.
    pub expansion: f32,
    /// Blocks of the H level.
    pub h_layers: usize,
    /// Blocks of the L level.
    pub l_layers: usize,
    /// H cycles of a segment.
    pub h_cycles: usize,
    /// L cycles of an H cycle.
    pub l_cycles: usize,
    /// RoPE in every block, or learned positions.
    pub positions: Positions,
    /// Numbers of a puzzle's own embedding; 0: there is none.
    pub puzzle_emb_ndim: usize,
    /// Rows of the table of those.
    pub num_puzzle_identifiers: usize,
    /// The most segments.
    pub halt_max_steps: usize,
    /// RMSNorm's epsilon.
    pub eps: f32,
    /// The base of RoPE's frequencies.
    pub rope_theta: f32,
}

/// How a cell knows its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Queries and keys are turned.
    Rope,
    /// A vector is added to each cell's embedding.
    Learned,
}

impl HrmConfig {
    /// Reads and checks a `config.json`; unknown fields are ignored. `file` is what errors call it.
    ///
    /// # Errors
    /// Those of [`Config::from_json`](crate::Config::from_json).
    pub fn from_json(json: &str, file: &str) -> Result<HrmConfig> {
        let fields = Fields::parse(json, file)?;
        fields.check_model_type(HRM_TYPE)?;
        let positions = match fields.required("pos_encodings", "\"rope\" or \"learned\"")?.as_str() {
            Some("rope") => Positions::Rope,
            Some("learned") => Positions::Learned,
            _ => {
                let found = fields.required("pos_encodings", "")?.to_string();
                let expected = "\"rope\" or \"learned\"".to_owned();
                return Err(Error::ConfigValue {
                    file: file.to_owned(),
                    field: "pos_encodings",
                    expected,
                    found,
                });
            }
        };
        let puzzle_emb_ndim = fields.size_or_none("puzzle_emb_ndim", MOST_EMBD)?;
        let config = HrmConfig {
            seq_len: fields.size("seq_len", MOST_POSITIONS)?,
            vocab_size: fields.size("vocab_size", MOST_VOCAB)?,
            hidden_size: fields.size("hidden_size", MOST_EMBD)?,
            num_heads: fields.size("num_heads", MOST_EMBD)?,
            expansion: fields.number("expansion")?.unwrap_or(4.0),
            h_layers: fields.size("H_layers", MOST_LAYERS)?,
            l_layers: fields.size("L_layers", MOST_LAYERS)?,
            h_cycles: fields.size("H_cycles", MOST_CYCLES)?,
            l_cycles: fields.size("L_cycles", MOST_CYCLES)?,
            positions,
            puzzle_emb_ndim,
            num_puzzle_identifiers: if puzzle_emb_ndim > 0 {
                fields.size("num_puzzle_identifiers", u32::MAX as usize)?
            } else {
                1
            },
            halt_max_steps: fields.size("halt_max_steps", MOST_STEPS)?,
            eps: fields.number("rms_norm_eps")?.unwrap_or(1e-5),
            rope_theta: fields.number("rope_theta")?.unwrap_or(10_000.0),
        };
        config.check(file)?;
        Ok(config)
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Width of the MLP's hidden numbers.
    pub fn hidden(&self) -> usize {
        // In 64 bits and ties to even, as the authors' Python rounds it.
        let width = f64::from(self.expansion) * self.hidden_size as f64 * 2.0 / 3.0;
        (width.round_ties_even() as usize).max(1).next_multiple_of(256)
    }

    /// Positions before the cells that the puzzle's own embedding takes, P.
    pub fn n_puzzle_positions(&self) -> usize {
        self.puzzle_emb_ndim.div_ceil(self.hidden_size)
    }

    /// All positions, T.
    pub fn n_positions(&self) -> usize {
        self.n_puzzle_positions() + self.seq_len
    }

    /// Block applications of one segment. 24 in the released size.
    pub fn segment_applications(&self) -> usize {
        self.h_cycles * (self.l_cycles * self.l_layers + self.h_layers)
    }

    /// Numbers in the model.
    pub fn n_parameters(&self) -> u64 {
        let n = |(_, shape): &(String, Vec<usize>)| shape.iter().map(|&n| n as u64).product::<u64>();
        hrm_tensors(self).iter().map(n).sum()
    }

    fn check(&self, file: &str) -> Result<()> {
        let wrong = |field, expected: String, found: String| {
            Err(Error::ConfigValue { file: file.to_owned(), field, expected, found })
        };
        let (width, heads) = (self.hidden_size, self.num_heads);
        if !width.is_multiple_of(8) {
            return wrong("hidden_size", "a multiple of 8".into(), width.to_string());
        }
        if !width.is_multiple_of(heads) || width / heads > MOST_HEAD_DIM {
            let expected = format!(
                "a divisor of hidden_size ({width}) that makes heads of at most {MOST_HEAD_DIM} numbers"
            );
            return wrong("num_heads", expected, heads.to_string());
        }
        if self.positions == Positions::Rope && !(width / heads).is_multiple_of(2) {
            let expected = format!("such that hidden_size / num_heads is even (hidden_size is {width})");
            return wrong("num_heads", expected, heads.to_string());
        }
        for (field, value, least) in [("rms_norm_eps", self.eps, 0.0), ("rope_theta", self.rope_theta, 1.0)] {
            if value <= least {
                return wrong(field, format!("above {least}"), value.to_string());
            }
        }
        if self.expansion <= 0.0 || self.expansion > MOST_EXPANSION {
            let expected = format!("above 0, at most {MOST_EXPANSION}");
            return wrong("expansion", expected, self.expansion.to_string());
        }
        if self.n_positions() > MOST_ROWS {
            let expected = format!("such that a puzzle has at most {MOST_ROWS} positions");
            return wrong("seq_len", expected, self.seq_len.to_string());
        }
        let of_h_cycle = (self.l_cycles as u128) * (self.l_layers as u128) + self.h_layers as u128;
        let n_applications = self.h_cycles as u128 * of_h_cycle;
        if n_applications > MOST_APPLICATIONS {
            let expected = format!("such that a segment is at most {MOST_APPLICATIONS} blocks");
            return wrong("H_cycles", expected, format!("{} ({n_applications} blocks)", self.h_cycles));
        }
        // What one puzzle needs, and one block: counts of numbers that fit 32 bits as bytes. The table of puzzles may be
        // of any size, because nobody keeps it.
        let (width, hidden) = (width as u64, self.hidden() as u64);
        let row = hidden.max(2 * width).max(self.vocab_size as u64);
        let largest = [self.n_positions() as u64 * row, 4 * width * width + 3 * width * hidden];
        if largest.into_iter().any(|n| n > MOST_NUMBERS) {
            return Err(Error::ConfigTooLarge { file: file.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sudoku() -> Value {
        json!({
            "model_type": "hrm_act_v1", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "seq_len": 81,
            "vocab_size": 11, "hidden_size": 512, "num_heads": 8, "expansion": 4.0, "H_layers": 4,
            "L_layers": 4, "H_cycles": 2, "L_cycles": 2, "pos_encodings": "rope", "puzzle_emb_ndim": 512,
            "num_puzzle_identifiers": 1, "halt_max_steps": 16,
        })
    }

    #[test]
    fn the_released_size() {
        let config = HrmConfig::from_json(&sudoku().to_string(), "c").unwrap();
        assert_eq!((config.hidden(), config.n_positions(), config.head_dim()), (1536, 82, 64));
        // The authors count the puzzle's embedding apart.
        assert_eq!(config.n_parameters(), 27_276_290 + 512);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (field, value, code) in [
            ("model_type", json!("cosmicfish_hrm"), "model-type"),
            ("pos_encodings", json!("alibi"), "config-value"),
            ("pos_encodings", json!(null), "config-value"),
            ("num_heads", json!(7), "config-value"),
            ("num_heads", json!(512), "config-value"),
            ("num_heads", json!(1), "config-value"),
            ("hidden_size", json!(20), "config-value"),
            ("expansion", json!(0), "config-value"),
            ("expansion", json!(1e9), "config-value"),
            ("rms_norm_eps", json!(0), "config-value"),
            ("rope_theta", json!(-1), "config-value"),
            ("seq_len", json!(0), "config-value"),
            ("puzzle_emb_ndim", json!(-1), "config-value"),
            ("H_layers", json!("4"), "config-type"),
            ("hidden_size", json!(65536), "config-value"),
            ("seq_len", json!(1 << 20), "config-value"),
            ("H_cycles", json!(1024), "config-value"),
        ] {
            let mut config = sudoku();
            config[field] = value.clone();
            let error = HrmConfig::from_json(&config.to_string(), "c").unwrap_err();
            assert_eq!(error.code(), code, "{field} {value}: {error}");
        }
        let mut wide = sudoku();
        (wide["hidden_size"], wide["num_heads"]) = (json!(16384), json!(64));
        assert_eq!(HrmConfig::from_json(&wide.to_string(), "c").unwrap_err().code(), "config-too-large");
    }
}
