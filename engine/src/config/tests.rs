//! Tests of `config.rs`: the released configuration, and every field that can be wrong.

use serde_json::{Value, json};

use super::*;

/// The released configuration, with some fields replaced (null: removed).
pub(crate) fn released(changes: Value) -> Result<Config> {
    let mut fields = json!({
        "model_type": "cosmicfish_hrm", "architectures": ["HRMCosmicFish"], "torch_dtype": "float32",
        "vocab_size": 50304, "n_embd": 448, "block_size": 512, "n_head": 8, "n_kv_head": 4,
        "n_input_layers": 6, "n_output_layers": 6, "hrm_H_layers": 4, "hrm_L_layers": 4,
        "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16, "hrm_exploration_prob": 0.05,
        "dropout": 0.1, "bias": false, "use_rotary": true, "use_gqa": true, "use_swiglu": true,
        "eps": 1e-05, "eos_token_id": 50256
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(fields.as_object_mut().unwrap().remove(name)),
            value => fields[name] = value.clone(),
        }
    }
    Config::from_json(&fields.to_string(), "config.json")
}

#[test]
fn released_size() {
    let config = released(json!({})).unwrap();
    assert_eq!(config.n_parameters(), 82_767_554);
    assert_eq!((config.head_dim(), config.kv_dim()), (56, 224));
    assert_eq!((config.halt_bias, config.eos_token_id), (0.35, Some(50256)));
    let fewer = released(json!({"eps": null, "eos_token_id": null, "halt_bias": -1})).unwrap();
    assert_eq!((fewer.eps, fewer.eos_token_id, fewer.halt_bias), (1e-5, None, -1.0));
}

#[test]
fn without_gqa_n_kv_head_is_n_head() {
    for n_kv_head in [json!(3), json!("three"), json!(null)] {
        let config = released(json!({"use_gqa": false, "n_kv_head": n_kv_head})).unwrap();
        assert_eq!(config.n_kv_head, 8);
    }
}

#[test]
fn every_wrong_field_is_named() {
    let sizes = [
        "vocab_size",
        "n_embd",
        "block_size",
        "n_head",
        "n_kv_head",
        "n_input_layers",
        "n_output_layers",
        "hrm_H_layers",
        "hrm_L_layers",
        "hrm_H_cycles",
        "hrm_L_cycles",
        "hrm_max_steps",
    ];
    for field in sizes {
        for (value, code) in [
            (json!(null), "config-missing"),
            (json!("8"), "config-type"),
            (json!(8.5), "config-type"),
            (json!([8]), "config-type"),
            (json!(0), "config-value"),
            (json!(-8), "config-value"),
            (json!(u64::MAX), "config-value"),
            (json!(1e300), "config-type"),
        ] {
            let error = released(json!({ field: value })).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(field), "{error}");
        }
    }
    for (field, value, code) in [
        ("model_type", json!("hrm_act_v1"), "model-type"),
        ("model_type", json!(null), "config-missing"),
        ("bias", json!(0), "config-type"),
        ("use_gqa", json!(null), "config-missing"),
        ("n_embd", json!(452), "config-value"),
        ("n_head", json!(9), "config-value"),
        ("n_head", json!(448), "config-value"),
        ("n_kv_head", json!(3), "config-value"),
        ("eps", json!(0.0), "config-value"),
        ("eps", json!(1e-60), "config-value"),
        ("eps", json!("1e-5"), "config-type"),
        ("halt_bias", json!(1e60), "config-value"),
        ("eos_token_id", json!(50304), "config-value"),
        ("eos_token_id", json!([50256]), "config-type"),
    ] {
        let error = released(json!({ field: value })).unwrap_err();
        assert_eq!(error.code(), code, "{field}: {error}");
    }
}

#[test]
fn not_a_configuration() {
    for text in ["", "{", "[]", "null", "{\"a\": 1e999}", &"[".repeat(100_000)] {
        assert_eq!(Config::from_json(text, "config.json").unwrap_err().code(), "json");
    }
}

#[test]
fn vocabulary() {
    let config = released(json!({})).unwrap();
    assert!(config.check_vocabulary(50257).is_ok());
    assert_eq!(config.check_vocabulary(50305).unwrap_err().code(), "vocabulary-too-small");
}
