//! `fathom info`: parts, costs, what fits.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::harness::{fathom, golden};

/// The size that CosmicFish-HRM is released in.
fn released() -> Value {
    json!({
        "model_type": "cosmicfish_hrm", "vocab_size": 50304, "n_embd": 448, "block_size": 512,
        "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4, "hrm_H_layers": 4,
        "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16, "bias": false,
        "use_rotary": true, "use_gqa": true, "use_swiglu": true,
    })
}

#[test]
fn a_configuration_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("planned.json");
    fs::write(&file, released().to_string()).unwrap();
    let name = file.display().to_string();
    let report =
        fathom(&["info", &name, "--json", "--memory", "1GB", "--memory", "100MB"]).json_lines().remove(0);
    assert_eq!(report["n_parameters"], 82_767_554);
    assert_eq!(report["weight_bytes"], 4 * 82_767_554u64);
    let parts = report["parts"].as_array().unwrap();
    let sum: u64 = parts.iter().map(|part| part["n_parameters"].as_u64().unwrap()).sum();
    assert_eq!(sum, 82_767_554);
    let core: f64 = parts.iter().filter(|p| p["is_core"] == true).map(|p| p["share"].as_f64().unwrap()).sum();
    assert!((core - report["core_share"].as_f64().unwrap()).abs() < 1e-12);
    let costs = report["token_costs"].as_array().unwrap();
    let depths: Vec<u64> = costs.iter().map(|cost| cost["depth"].as_u64().unwrap()).collect();
    assert_eq!(depths, [1, 2, 4, 8, 16]);
    assert_eq!(costs[0]["n_blocks"], 12 + 24);
    assert_eq!(costs[4]["n_blocks"], 12 + 24 * 16);
    // With 8 blocks in the core, a step applies each three times.
    let over_plain = costs[4]["over_plain"].as_f64().unwrap();
    assert!((12.0..20.0).contains(&over_plain), "{over_plain}");
    assert_eq!(report["fits"][1]["positions_at_depth_1"], Value::Null);
    assert!(report["fits"][0]["positions_at_max_depth"].as_u64().unwrap() > 512);

    let table = fathom(&["info", &name]).ok();
    for words in ["82,767,554 parameters, 331 MB in f32", "524 MB", "reasoning core", "80 GB", "at depth 16"]
    {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let half = fathom(&["info", &name, "--dtype", "f16"]).ok();
    assert!(half.contains("166 MB in f16") && half.contains("262 MB"), "{half}");
}

/// In a model's file, which has the tied embedding once.
fn n_numbers(folder: &str) -> usize {
    let file = fs::read(Path::new(folder).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let named = tensors.tensors().into_iter().filter(|(name, _)| name != "lm_head.weight");
    named.map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum()
}

#[test]
fn models_count_their_own_numbers() {
    for case in ["gqa-rope-swiglu", "mha-gelu-bias", "learned-positions", "one-step", "head-dim-56"] {
        let report =
            fathom(&["info", &golden(&format!("cosmicfish_hrm/{case}")), "--json"]).json_lines().remove(0);
        let n = n_numbers(&golden(&format!("cosmicfish_hrm/{case}")));
        assert_eq!(report["n_parameters"], n, "{case}");
    }
    let built_in = fathom(&["info"]).ok();
    assert!(built_in.contains("beads"), "{built_in}");
}

#[test]
fn what_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let name = file.display().to_string();
    let info = |text: &str| {
        fs::write(&file, text).unwrap();
        fathom(&["info", &name])
    };
    info("{").fails(1, &["config.json"]);
    info("{\"model_type\": \"llama\"}").fails(1, &["llama"]);
    let with = |field: &str, value: Value| {
        let mut config = released();
        config[field] = value;
        config.to_string()
    };
    info(&with("n_head", json!(7))).fails(1, &["n_head"]);
    info(&with("n_embd", Value::Null)).fails(1, &["n_embd"]);
    info(&with("hrm_H_layers", json!(1u64 << 40))).fails(1, &["hrm_H_layers"]);
    fathom(&["info", "/nowhere"]).fails(1, &["/nowhere"]);
    fs::write(folder.path().join("model.safetensors"), "").unwrap();
    fathom(&["info", &folder.path().join("model.safetensors").display().to_string()])
        .fails(1, &["config.json"]);
    fathom(&["info", "--context", "65"]).fails(2, &["--context 65", "64"]);
    fathom(&["info", "--memory", "much"]).fails(2, &["8GB"]);
}
