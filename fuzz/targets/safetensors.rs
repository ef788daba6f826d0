//! Safetensors: the header, and the check against a configuration.

#![no_main]

use std::sync::LazyLock;

use fathom_engine::{Config, WeightFile, Weights, expected_tensors};
use libfuzzer_sys::fuzz_target;

/// The smallest model.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = r#"{"model_type": "cosmicfish_hrm", "vocab_size": 2, "n_embd": 8, "block_size": 2, "n_input_layers": 1,
        "n_output_layers": 1, "n_head": 1, "n_kv_head": 1, "hrm_H_layers": 1, "hrm_L_layers": 1, "hrm_H_cycles": 1,
        "hrm_L_cycles": 1, "hrm_max_steps": 1, "bias": false, "use_rotary": true, "use_gqa": false, "use_swiglu": false}"#;
    Config::from_json(text, "config.json").expect("a configuration")
});

fuzz_target!(|bytes: &[u8]| {
    let file = WeightFile::in_memory("model.safetensors", bytes.to_vec());
    let Ok(weights) = Weights::from_files(&[file]) else { return };
    let _is_another_model = pollster::block_on(weights.check(&CONFIG));
    weights.weight_type();
    for (name, shape) in expected_tensors(&CONFIG) {
        if let Ok(tensor) = weights.tensor(&name, &shape) {
            let n_bytes = tensor.n_bytes();
            let read = pollster::block_on(tensor.read(0..n_bytes)).expect("a tensor lies within its file");
            tensor.dtype.to_f32(&read);
        }
    }
});
