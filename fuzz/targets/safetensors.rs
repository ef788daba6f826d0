//! Safetensors: the header, the check against a configuration, and the numbers in every type.

#![no_main]

use std::sync::LazyLock;

use fathom_engine::{Config, WeightFile, WeightType, WeightTypes, Weights, expected_tensors};
use libfuzzer_sys::fuzz_target;

/// The smallest models, the second wide enough for whole blocks of 32.
static CONFIGS: LazyLock<[Config; 2]> = LazyLock::new(|| {
    let text = |n_embd: u32| {
        format!(
            r#"{{"model_type": "cosmicfish_hrm", "vocab_size": 2, "n_embd": {n_embd}, "block_size": 2,
            "n_input_layers": 1, "n_output_layers": 1, "n_head": 1, "n_kv_head": 1, "hrm_H_layers": 1,
            "hrm_L_layers": 1, "hrm_H_cycles": 1, "hrm_L_cycles": 1, "hrm_max_steps": 1, "bias": false,
            "use_rotary": true, "use_gqa": false, "use_swiglu": false}}"#
        )
    };
    [8, 32].map(|n_embd| Config::from_json(&text(n_embd), "config.json").expect("a configuration"))
});

fuzz_target!(|bytes: &[u8]| {
    let file = WeightFile::in_memory("model.safetensors", bytes.to_vec());
    let Ok(weights) = Weights::from_files(&[file]) else { return };
    weights.weight_type();
    for config in CONFIGS.iter() {
        let _is_another_model = pollster::block_on(weights.check(config));
        for stored in WeightType::ALL {
            let weights = weights.clone().with_types(&WeightTypes::all(Some(stored))).expect("no names");
            for (name, shape) in expected_tensors(config) {
                let Ok(tensor) = weights.tensor(&name, &shape) else { continue };
                // What does not fit is told.
                let read = tensor.read_as(tensor.stored, 0..tensor.n());
                if let Ok(read) = pollster::block_on(read) {
                    let numbers = tensor.stored.to_f32(&read.data, &read.scales);
                    assert_eq!(numbers.len() as u64, tensor.n());
                }
            }
        }
    }
});
