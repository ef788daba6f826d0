//! Everything that can be wrong: one line that names it, exit code 2 for the command line, 1 for the rest.

use std::fs;

use safetensors::tensor::Dtype;
use serde_json::json;

use crate::harness::{Broken, fathom, fathom_as_given, golden, with_input};

#[test]
fn bad_flags_and_values_are_usage() {
    for (arguments, words) in [
        (&["run", "--bogus", "1+2="][..], &["--bogus"][..]),
        (&["run", "--dept", "3", "1+2="], &["--dept", "--depth"]),
        (&["bogus"], &["bogus"]),
        (&["run", "--depth", "0", "1+2="], &["--depth", "'0'", "from 1"]),
        (&["run", "--max-depth", "0", "1+2="], &["--max-depth", "'0'", "from 1"]),
        (&["run", "--min-depth", "0", "1+2="], &["--min-depth", "'0'", "from 1"]),
        (&["forward", "--depth", "0", "--tokens", "1"], &["--depth", "'0'"]),
        (&["forward", "--max-depth", "0", "--tokens", "1"], &["--max-depth", "'0'"]),
        (&["run", "--min-depth", "5", "--max-depth", "4", "1+2="], &["--min-depth 5", "--max-depth 4"]),
        (&["run", "--depth", "3", "--max-depth", "4", "1+2="], &["--depth", "--max-depth"]),
        (&["run", "--depth", "17", "1+2="], &["depth", "16", "17"]),
        (&["run", "--max-depth", "17", "1+2="], &["16", "17"]),
        (&["forward", "--depth", "17", "--tokens", "3"], &["16", "17"]),
        (&["run", "--temp", "-1", "1+2="], &["temperature", "-1"]),
        (&["run", "--temp", "warm", "1+2="], &["--temp", "warm"]),
        (&["run", "--top-p", "1.5", "1+2="], &["1.5"]),
        (&["run", "--min-p", "-0.5", "1+2="], &["-0.5"]),
        (&["run", "--top-k", "-1", "1+2="], &["--top-k", "-1"]),
        (&["run", "--repeat-penalty", "0", "1+2="], &["0"]),
        (&["run", "--halt-bias", "inf", "1+2="], &["--halt-bias", "inf"]),
        (&["run", "--seed", "x", "1+2="], &["--seed", "x"]),
        (&["run", "-n", "0", "1+2="], &["--n-predict", "'0'"]),
        (&["run", "--overflow", "explode", "1+2="], &["explode", "recompute", "slide", "stop"]),
        (&["run", "--stop", "", "1+2="], &["--stop"]),
        (&["run", "--color", "blue", "1+2="], &["blue", "auto", "always", "never"]),
        (&["run", "--tokens", "3,x"], &["--tokens", "`x`"]),
        (&["run", "--tokens", ""], &["--tokens"]),
        (&["run", "--tokens", "3", "1+2="], &["--tokens", "PROMPT"]),
        (&["run", "--tokens", "16"], &["16", "vocabulary"]),
        (&["run", "--prefixes", "--trace", "x", "1+2="], &["--prefixes", "--trace"]),
        (&["run", "7/5="], &["\"/\""]),
        (&["run"], &["prompt", "empty"]),
        (&["forward", "--json"], &["--tokens"]),
        (&["forward", "--tokens", "3", "--all"], &["--json"]),
        (&["forward", "--tokens", "3,16"], &["16", "vocabulary"]),
        (&["bench", "-p", "16", "-n", "16"], &["-p 16", "16 tokens"]),
        (&["bench", "--synth", "bogus"], &["bogus", "cosmicfish-hrm"]),
        (&["bench", "-o", "xml"], &["xml", "md", "csv", "json"]),
        (&["bench", "--depth", "0"], &["--depth", "'0'"]),
    ] {
        fathom(arguments).fails(2, words);
    }
    let folder = golden("cosmicfish_hrm/one-step");
    fathom(&["bench", "-q", "-m", &folder, "-p", "999", "-n", "2"]).fails(2, &["-p 999", "32"]);
    fathom(&["run", "-m", &folder, "some text"]).fails(2, &["tokenizer.json", "50", "--tokens"]);
}

#[test]
fn devices_that_are_not_there_are_answered_with_those_that_are() {
    for arguments in [&["run", "--device", "zork", "1+2="][..], &["devices", "--device", "zork"]] {
        fathom_as_given(arguments).fails(1, &["zork", "cpu"]);
    }
    fathom_as_given(&["run", "--device", "9999", "1+2="]).fails(1, &["9999", "cpu"]);
}

#[test]
fn files_that_are_not_there() {
    fathom(&["run", "-m", "no/such/folder", "1+2="]).fails(1, &["--model no/such/folder", "nothing there"]);
    fathom(&["run", "-f", "no/such/file"]).fails(1, &["--file no/such/file"]);
    fathom(&["run", "--trace", "no/such/folder/trace", "1+2="])
        .fails(1, &["--trace", "no/such/folder/trace"]);
    let file = format!("{}/config.json", golden("cosmicfish_hrm/one-step"));
    fathom(&["forward", "-m", &file, "--tokens", "1"]).fails(1, &["config.json", "folder", "a file"]);
    let empty = tempfile::tempdir().expect("a temporary folder").path().display().to_string();
    fathom(&["forward", "-m", &empty, "--tokens", "1"]).fails(1, &["nothing there"]);
    for file in ["config.json", "model.safetensors"] {
        let broken = Broken::new();
        fs::remove_file(broken.file(file)).expect("removed");
        broken.forward().fails(1, &[file]);
    }
}

#[test]
fn prompts_that_are_no_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("prompt").display().to_string();
    fs::write(&file, [0xff, 0xfe]).expect("a file");
    fathom(&["run", "-f", &file]).fails(1, &["--file", "UTF-8"]);
    with_input(&["run"], "\n").fails(2, &["prompt", "empty"]);
}

#[test]
fn tensors_that_are_missing_misshaped_or_untied() {
    let name = "output_blocks.0.mlp.down.weight";
    let missing = Broken::new().tensors(|tensors| drop(tensors.remove(name)));
    missing.forward().fails(1, &[name, "missing"]);

    let misshaped = Broken::new().tensors(|tensors| {
        if let Some((_, shape, _)) = tensors.get_mut(name) {
            shape.reverse();
        }
    });
    misshaped.forward().fails(1, &[name, "[32, 128]", "[128, 32]"]);

    let retyped = Broken::new().tensors(|tensors| {
        if let Some((dtype, _, _)) = tensors.get_mut(name) {
            *dtype = Dtype::I32;
        }
    });
    retyped.forward().fails(1, &[name, "F32", "I32"]);

    let untied = Broken::new().tensors(|tensors| {
        let Some(mut other) = tensors.get("wte.weight").or(tensors.get("lm_head.weight")).cloned() else {
            return;
        };
        tensors.insert("wte.weight".to_owned(), other.clone());
        other.2[0] ^= 1;
        tensors.insert("lm_head.weight".to_owned(), other);
    });
    untied.forward().fails(1, &["wte.weight", "lm_head.weight", "differ"]);
}

#[test]
fn a_tokenizer_with_more_words_than_the_model() {
    let vocab: serde_json::Map<String, serde_json::Value> =
        (0..60).map(|id| (format!("w{id}"), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "truncation": null, "padding": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    });
    let broken = Broken::new();
    fs::write(broken.file("tokenizer.json"), tokenizer.to_string()).expect("a tokenizer");
    broken.forward().fails(1, &["(50)", "(60)", "vocabulary"]);
    fs::write(broken.file("tokenizer.json"), "{}").expect("a tokenizer");
    broken.forward().fails(1, &["tokenizer.json"]);
}

#[test]
fn logits_that_are_no_numbers() {
    let faulty = Broken::new().tensors(|tensors| {
        if let Some((_, _, bytes)) = tensors.get_mut("ln_f.weight") {
            bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
    });
    faulty.forward().fails(1, &["logits", "not finite"]);
}

#[test]
fn weight_files_that_are_cut_or_no_weight_files() {
    let broken = Broken::new();
    let file = broken.file("model.safetensors");
    let whole = fs::read(&file).expect("weights");
    for kept in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..kept]).expect("weights");
        broken.forward().fails(1, &["model.safetensors"]);
    }
    fs::write(&file, "these are not weights, and they are longer than eight bytes").expect("weights");
    broken.forward().fails(1, &["model.safetensors"]);
}

#[test]
fn configurations_that_cannot_be() {
    for (field, value, words) in [
        ("model_type", json!("llama"), &["llama", "cosmicfish_hrm"][..]),
        ("n_head", json!(3), &["n_embd", "3"]),
        ("n_kv_head", json!(7), &["n_kv_head", "7"]),
        ("hrm_max_steps", json!(0), &["hrm_max_steps", "0"]),
        ("vocab_size", json!("many"), &["vocab_size", "many"]),
        ("n_input_layers", json!(2), &["input_blocks.1"]),
        ("n_output_layers", json!(0), &["n_output_layers", "0"]),
        ("hrm_L_cycles", json!(-1), &["hrm_L_cycles", "-1"]),
    ] {
        let broken = Broken::new().config(|config| config[field] = value);
        broken.forward().fails(1, words);
    }
    let broken = Broken::new();
    fs::write(broken.file("config.json"), "{\"vocab_size\": 50,").expect("config");
    broken.forward().fails(1, &["config.json", "line 1"]);
}
