//! `fathom info`: what a model costs, from its files and from a config.json alone.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::harness::{Broken, fathom, golden};

fn released() -> Value {
    json!({
        "model_type": "cosmicfish_hrm", "vocab_size": 50304, "n_embd": 448, "block_size": 512,
        "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4, "hrm_H_layers": 4,
        "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16,
        "bias": false, "use_rotary": true, "use_gqa": true, "use_swiglu": true
    })
}

/// What is said of a config.json alone.
fn of_config(config: &Value, flags: &[&str]) -> crate::harness::Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("config.json");
    fs::write(&file, config.to_string()).expect("config");
    let file = file.display().to_string();
    fathom(&[&["info", &file], flags].concat())
}

fn object(config: &Value, flags: &[&str]) -> Value {
    of_config(config, &[flags, &["--json"]].concat()).json_lines().remove(0)
}

#[test]
fn the_released_size_from_a_config_alone() {
    let info = object(&released(), &[]);
    assert_eq!(info["parameters"]["n"], 82_767_554);
    assert_eq!(info["parameters"]["n_core"], 24_093_442);
    assert_eq!(info["stored"], Value::Null);
    assert_eq!(info["config"]["step_applications"], 24);
    let depths = info["token"]["depths"].as_array().expect("depths");
    let of = |name: &str| depths.iter().map(|d| d[name].as_u64().expect(name)).collect::<Vec<_>>();
    assert_eq!(of("depth"), [1, 2, 4, 8, 16]);
    assert_eq!(of("applications"), [36, 60, 108, 204, 396]);
    let mb = |n: &Value| (n.as_f64().expect("bytes") / 1e6).round();
    let read = &depths[0]["weight_bytes"];
    assert_eq!((mb(&read["f32"]), mb(&read["f16"])), (524.0, 262.0));
    let mib = |n: &Value| (n.as_f64().expect("bytes") / f64::from(1 << 20)).round();
    let window = &info["cache"]["window"];
    assert_eq!((mib(&window["plane_bytes"]), mib(&window["depth_bytes"])), (24.0, 29.0));
    assert_eq!(mib(&window["all_bytes"]), 468.0);
    // Never cheaper than without the core, and dearer with every step.
    for ratio in ["without_core", "same_parameters"] {
        let times: Vec<f64> = depths.iter().map(|d| d[ratio]["flops"].as_f64().expect("a ratio")).collect();
        assert!(times[0] > 1.0 && times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }
}

/// Every switch: the parameters are those that the file holds.
#[test]
fn parameters_are_those_of_the_file() {
    for case in [
        "cosmicfish_hrm/gqa-rope-swiglu",
        "cosmicfish_hrm/head-dim-56",
        "cosmicfish_hrm/learned-positions",
        "cosmicfish_hrm/mha-gelu-bias",
        "cosmicfish_hrm/mha-swiglu-bias",
        "cosmicfish_hrm/one-step",
    ] {
        let folder = golden(case);
        let bytes = fs::read(Path::new(&folder).join("model.safetensors")).expect("weights");
        let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
        let names = tensors.names();
        let is_twice = |name: &str| name == "lm_head.weight" && names.contains(&"wte.weight");
        let in_file: usize = tensors
            .iter()
            .filter(|(name, _)| !is_twice(name))
            .map(|(_, view)| view.shape().iter().product::<usize>())
            .sum();
        for path in [folder.clone(), Path::new(&folder).join("config.json").display().to_string()] {
            let info = fathom(&["info", &path, "--json"]).json_lines().remove(0);
            assert_eq!(info["parameters"]["n"], in_file, "{path}");
            let parts = info["parameters"]["parts"].as_array().expect("parts");
            assert_eq!(parts.iter().map(|part| part["n"].as_u64().expect("n")).sum::<u64>(), in_file as u64);
            assert_eq!(info["stored"].is_null(), path != folder);
        }
    }
}

#[test]
fn the_built_in_model_and_the_table() {
    let info = fathom(&["info", "--json"]).json_lines().remove(0);
    assert_eq!((&info["model"], &info["stored"]["type"]), (&json!("beads (built in)"), &json!("f16")));
    assert_eq!(info["token"]["compared_in"], "f16");
    let mut one_step = released();
    one_step["hrm_max_steps"] = json!(1);
    for table in [fathom(&["info"]).ok(), of_config(&released(), &[]).ok(), of_config(&one_step, &[]).ok()] {
        for line in table.lines() {
            assert!(line.chars().count() <= 80 || line.ends_with(".json"), "{line}");
        }
        for heading in ["Parameters", "One token", "What the core costs", "The cache", "What fits"] {
            assert!(table.contains(heading), "{table}");
        }
    }
    assert!(of_config(&released(), &[]).ok().contains("82,767,554"));
}

#[test]
fn contexts_and_memories() {
    let short = object(&released(), &["--context", "1"]);
    let long = object(&released(), &[]);
    let flops = |info: &Value| info["token"]["depths"][0]["flops"].as_u64().expect("FLOPs");
    assert_eq!(flops(&long) - flops(&short), 36 * 4 * 511 * 448);

    let fits = object(&released(), &["--memory", "100MB,8GiB"])["fits"].clone();
    assert_eq!(fits[0]["f32"]["depth_1"], Value::Null, "the weights alone are too large");
    assert_eq!(fits[1]["bytes"], 8_u64 << 30);
    assert_eq!(fits[1]["f32"]["full_depth"]["n_tokens"], 512);
    let n = |of: &str, depth: &str| fits[1][of][depth]["n_sequences"].as_u64().expect("sequences");
    assert!(n("f16", "depth_1") > n("f32", "depth_1") && n("f32", "depth_1") > n("f32", "full_depth"));

    of_config(&released(), &["--context", "513"]).fails(2, &["--context 513", "512"]);
    of_config(&released(), &["--context", "0"]).fails(2, &["--context"]);
    of_config(&released(), &["--memory", "8 bananas"]).fails(2, &["--memory", "8GB"]);
}

/// The largest configuration that is one: nothing overflows.
#[test]
fn a_model_larger_than_any_machine() {
    let mut config = released();
    for (field, value) in [
        ("n_embd", 65536),
        ("n_head", 256),
        ("n_kv_head", 256),
        ("block_size", 1 << 20),
        ("n_input_layers", 1024),
        ("n_output_layers", 1024),
        ("hrm_H_layers", 1024),
        ("hrm_L_layers", 1024),
        ("hrm_H_cycles", 1024),
        ("hrm_L_cycles", 1024),
        ("hrm_max_steps", 65536),
    ] {
        config[field] = json!(value);
    }
    let info = object(&config, &[]);
    let depths = info["token"]["depths"].as_array().expect("depths");
    assert!(depths[depths.len() - 1]["flops"].as_f64().expect("FLOPs") > 1e24);
    assert_eq!(info["fits"][0]["f16"]["depth_1"], Value::Null);
    of_config(&config, &[]).ok();
}

#[test]
fn what_is_no_model_is_named() {
    fathom(&["info", "no/such/thing"]).fails(1, &["no/such/thing", "found nothing"]);
    let weights = format!("{}/model.safetensors", golden("cosmicfish_hrm/one-step"));
    fathom(&["info", &weights]).fails(1, &["model.safetensors"]);
    let mut config = released();
    config["hrm_H_cycles"] = Value::Null;
    of_config(&config, &[]).fails(1, &["config.json", "hrm_H_cycles"]);
    config["hrm_H_cycles"] = json!(u64::MAX);
    of_config(&config, &[]).fails(1, &["config.json", "hrm_H_cycles", "from 1 to"]);
    of_config(&json!([1, 2]), &[]).fails(1, &["config.json"]);
    of_config(&json!({"model_type": "llama"}), &[]).fails(1, &["config.json", "llama"]);
    let planned = Broken::new();
    fs::remove_file(planned.file("model.safetensors")).expect("gone");
    fathom(&["info", &planned.path()])
        .fails(1, &["holds no model.safetensors", "name", "config.json itself"]);
    let broken = Broken::new().tensors(|tensors| {
        tensors.remove("ln_f.weight");
    });
    fathom(&["info", &broken.path()]).fails(1, &["ln_f.weight"]);
}

#[test]
fn a_model_of_puzzles() {
    let folder = golden("hrm/sudoku-shape");
    let text = fathom(&["info", &folder]).ok();
    for part in
        ["solves Sudokus of 9x9: 81 cells of 11 words", "263,874", "stored as f32", "up to 8 segments"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let found = fathom(&["info", "--json", &folder]).json_lines().remove(0);
    let levels = &found["parameters"];
    // 2 + 2 blocks of 64: qkv and o 4 * 64 * 64, SwiGLU 3 * 64 * 256.
    assert_eq!((levels["h_level"].as_u64(), levels["l_level"].as_u64()), (Some(131_072), Some(131_072)));
    let alone = fathom(&["info", "--json", &format!("{folder}/config.json")]).json_lines().remove(0);
    assert_eq!((&alone["parameters"], alone["stored"].is_null()), (levels, true));
}
