//! Where a model's parameters are.

use fathom_engine::{Config, expected_tensors};
use serde::Serialize;

/// All parameters, part by part; the tied head counts once.
#[derive(Debug, Serialize)]
pub struct Parameters {
    /// In the order of a forward.
    pub parts: Vec<Part>,
    /// All of them.
    pub n: u64,
    /// Those of the reasoning core: both levels, q_head and the initial states.
    pub n_core: u64,
    /// The core's share of all.
    pub core_share: f64,
    /// Those of one block; all blocks are alike.
    pub n_block: u64,
}

/// One part.
#[derive(Debug, Serialize)]
pub struct Part {
    /// What it is.
    pub part: &'static str,
    /// How many parameters it has; 0 where the model has no such part.
    pub n: u64,
}

/// Names of parts, and how the checkpoint's names of what belongs to them begin.
const PARTS: [(&str, &[&str]); 8] = [
    ("embedding", &["wte."]),
    ("positions", &["wpe."]),
    ("input_blocks", &["input_blocks."]),
    ("h_level", &["hrm_core.H_level."]),
    ("l_level", &["hrm_core.L_level."]),
    ("q_head_and_init", &["hrm_core.q_head.", "hrm_core.H_init", "hrm_core.L_init"]),
    ("output_blocks", &["output_blocks."]),
    ("final_norm", &["ln_f."]),
];

impl Parameters {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Parameters {
        let tensors = expected_tensors(config);
        let count = |beginnings: &[&str]| -> u64 {
            let named = tensors.iter().filter(|(name, _)| beginnings.iter().any(|b| name.starts_with(b)));
            named.map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
        };
        let n = config.n_parameters() as u64;
        let n_core = count(&["hrm_core."]);
        Parameters {
            parts: PARTS.map(|(part, beginnings)| Part { part, n: count(beginnings) }).into(),
            n,
            n_core,
            core_share: n_core as f64 / n as f64,
            n_block: count(&["input_blocks.0."]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test says what went wrong by panicking
pub mod tests {
    use super::*;

    /// The released CosmicFish-HRM.
    pub const RELEASED: &str = r#"{
        "model_type": "cosmicfish_hrm", "vocab_size": 50304, "n_embd": 448, "block_size": 512,
        "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4, "hrm_H_layers": 4,
        "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16,
        "bias": false, "use_rotary": true, "use_gqa": true, "use_swiglu": true
    }"#;

    pub fn released() -> Config {
        Config::from_json(RELEASED, "config.json").expect("a configuration")
    }

    #[test]
    fn the_parts_are_the_whole() {
        let parameters = Parameters::of(&released());
        assert_eq!(parameters.n, 82_767_554);
        assert_eq!(parameters.parts.iter().map(|part| part.n).sum::<u64>(), parameters.n);
        assert_eq!(parameters.parts[0].n, 50304 * 448);
        assert_eq!(parameters.parts[5].n, 2 * 448 + 2 + 2 * 448);
        assert_eq!(parameters.n_core, 8 * parameters.n_block + parameters.parts[5].n);
    }
}
