//! Models of a given form with random weights, made in memory: for timing, where only the shapes matter.

use std::collections::HashMap;

use anyhow::Context;
use fathom_engine::puzzle::Random;
use fathom_engine::{Config, KvType, ModelFiles, WeightFile, WeightTypes};
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::Form;

/// The released CosmicFish-HRM.
const COSMICFISH_HRM: &str = r#"{
  "model_type": "cosmicfish_hrm",
  "vocab_size": 50304, "n_embd": 448, "block_size": 512,
  "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4,
  "hrm_H_layers": 4, "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16,
  "bias": false, "use_rotary": true, "use_gqa": true, "use_swiglu": true, "eps": 1e-05
}"#;

/// The deviation that the authors' code initialises with.
const DEVIATION: f32 = 0.02;

/// The files of a model of this form: weights drawn from a seed, norms at one; all of it f32.
pub fn model(form: Form, seed: u64) -> anyhow::Result<ModelFiles> {
    let (name, config_text) = match form {
        Form::CosmicfishHrm => ("cosmicfish-hrm (random weights)", COSMICFISH_HRM),
    };
    let config = Config::from_json(config_text, "the built-in configuration")?;
    let mut random = Random::new(seed);
    let drawn: Vec<(String, Vec<usize>, Vec<u8>)> = fathom_engine::expected_tensors(&config)
        .into_iter()
        .map(|(name, shape)| {
            let bytes = values(&name, shape.iter().product(), &mut random);
            (name, shape, bytes)
        })
        .collect();
    let views = drawn.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().context("random weights")?;
    let file = serialize(views, None::<HashMap<String, String>>).context("random weights")?;
    Ok(ModelFiles {
        config: config_text.to_owned(),
        weights: vec![WeightFile::in_memory("random weights", file)],
        types: WeightTypes::default(),
        kv_type: KvType::default(),
        tokenizer: None,
        gpt2: None,
        name: name.to_owned(),
    })
}

fn values(name: &str, n: usize, random: &mut Random) -> Vec<u8> {
    let is_norm =
        name.ends_with("ln_1.weight") || name.ends_with("ln_2.weight") || name.ends_with("ln_f.weight");
    let mut bytes = Vec::with_capacity(4 * n);
    for _ in 0..n {
        let value = if is_norm { 1.0 } else { DEVIATION * normal(random) };
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// About normal, deviation one: the sum of four uniform numbers, which is all that timing needs and quick for 83
/// million weights.
fn normal(random: &mut Random) -> f32 {
    let bits = random.bits();
    let sum: u32 = (0..4).map(|i| (bits >> (16 * i)) as u32 & 0xffff).sum();
    // Four uniform numbers on 0..65535: mean 131070, deviation 65536 / sqrt(3).
    (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_0_and_deviation_1() {
        let mut random = Random::new(1);
        let n = 100_000;
        let drawn: Vec<f64> = (0..n).map(|_| f64::from(normal(&mut random))).collect();
        let mean = drawn.iter().sum::<f64>() / n as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
