//! `fathom convert`: real checkpoints give the same model, in every type and form; what it says about it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use fathom_engine::{Config, expected_tensors};
use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Expected, Outcome, column, command, fathom, finish, golden, ids};
use crate::pytorch_file::{Pickle, cosmicfish, cosmicfish_pickle, cosmicfish_storages, pytorch, read};

const CASE: &str = "cosmicfish_hrm/gqa-rope-swiglu";

/// A folder with a file to convert in it.
struct Bench(TempDir);

impl Bench {
    fn new(name: &str, bytes: &[u8]) -> Bench {
        let bench = Bench(tempfile::tempdir().expect("a temporary folder"));
        bench.put(name, bytes);
        bench
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).expect(name);
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn convert(&self, from: &str, to: &str, more: &[&str]) -> Outcome {
        let (from, to) = (self.path(from), self.path(to));
        fathom(&[&["convert", &from, &to][..], more].concat())
    }

    fn json(&self, from: &str, to: &str, more: &[&str]) -> Value {
        self.convert(from, to, &[&["--json"], more].concat()).json_lines().remove(0)
    }

    /// The names in a folder, sorted.
    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.path().join(folder)).expect(folder);
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(file: &Path) -> Tensors {
    let bytes = fs::read(file).expect("weights");
    let read = SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensors = read.tensors().into_iter();
    tensors.map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect()
}

/// The golden tensors, the embedding under one name.
fn golden_tensors() -> Tensors {
    let mut tensors = tensors(&Path::new(&golden(CASE)).join("model.safetensors"));
    tensors.remove("lm_head.weight");
    tensors
}

/// What a forward of the golden tokens gives, without the names of model and device.
fn forward(folder: &str) -> Value {
    let tokens = ids(&Expected::of(CASE).ints("tokens"));
    let mut found = fathom(&["forward", "-m", folder, "--tokens", &tokens, "--json"]).json_lines().remove(0);
    found.as_object_mut().expect("an object").retain(|name, _| name != "model");
    found
}

#[test]
fn a_checkpoint_gives_the_same_tensors_and_the_same_numbers() {
    let bench = Bench::new("CF.pt", &cosmicfish());
    let found = bench.json("CF.pt", "out", &[]);
    assert_eq!(bench.files("out"), ["config.json", "model.safetensors"]);
    assert_eq!(tensors(&bench.0.path().join("out/model.safetensors")), golden_tensors());
    assert_eq!(forward(&bench.path("out")), forward(&golden(CASE)));

    let config: Value =
        serde_json::from_slice(&fs::read(bench.path("out/config.json")).expect("config")).expect("JSON");
    let expected: Value = serde_json::from_slice(&read(CASE, "config.json")).expect("JSON");
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&config[name], value, "{name}");
    }

    assert_eq!(found["read"]["format"], "PyTorch");
    assert_eq!((&found["read"]["tensors"], &found["read"]["dtypes"]), (&json!(79), &json!(["f32"])));
    assert_eq!(found["read"]["prefixes_stripped"], json!(["_orig_mod."]));
    assert_eq!(found["left_out"], json!(["iter_num", "best_val_loss", "lm_head.weight (it is wte.weight)"]));
    assert_eq!((&found["written"]["tensors"], &found["written"]["parameters"]), (&json!(78), &json!(499074)));
    let bytes: u64 = ["config.json", "model.safetensors"]
        .iter()
        .map(|name| fs::metadata(bench.path("out") + "/" + name).expect("a file").len())
        .sum();
    assert_eq!(found["written"]["bytes"], bytes);
}

#[test]
fn the_summary_is_for_people_and_its_last_line_can_be_typed() {
    let bench = Bench::new("CF.pt", &cosmicfish());
    let outcome = bench.convert("CF.pt", "out", &[]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{outcome:#?}");
    for words in [
        "PyTorch",
        "79 tensors",
        "_orig_mod.",
        "iter_num, best_val_loss",
        "499,074 parameters",
        "model.safetensors",
    ] {
        assert!(outcome.stderr.contains(words), "`{words}` is not in {outcome:#?}");
    }
    let last = outcome.stderr.lines().last().expect("a line");
    let words: Vec<&str> = last.split_whitespace().skip(2).collect();
    assert!(!fathom(&words).ok().is_empty(), "{last}");

    let quiet = bench.convert("CF.pt", "quiet", &["--quiet"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
}

#[test]
fn half_precision_and_several_files() {
    let bench = Bench::new("CF.pt", &cosmicfish());
    let found = bench.json("CF.pt", "half", &["--dtype", "f16", "--shard-size", "300KB"]);
    let index: Value =
        serde_json::from_slice(&fs::read(bench.path("half/model.safetensors.index.json")).expect("index"))
            .expect("JSON");
    let files: Vec<String> =
        bench.files("half").into_iter().filter(|name| name.ends_with(".safetensors")).collect();
    assert_eq!(
        files,
        [
            "model-00001-of-00004.safetensors",
            "model-00002-of-00004.safetensors",
            "model-00003-of-00004.safetensors",
            "model-00004-of-00004.safetensors"
        ]
    );
    let mut all = Tensors::new();
    for file in &files {
        let part = tensors(&bench.0.path().join("half").join(file));
        let n_bytes: usize = part.values().map(|(_, _, bytes)| bytes.len()).sum();
        assert!(n_bytes <= 300_000, "{file} holds {n_bytes} bytes");
        assert!(part.keys().all(|name| index["weight_map"][name] == *file));
        all.extend(part);
    }
    assert_eq!(index["metadata"]["total_size"], 2 * 499074);
    assert_eq!(found["written"]["dtypes"], json!(["f16"]));
    for (name, (_, shape, bytes)) in golden_tensors() {
        let rounded: Vec<u8> = bytes
            .chunks_exact(4)
            .flat_map(|b| f16::from_f32(f32::from_le_bytes(b.try_into().expect("four"))).to_le_bytes())
            .collect();
        assert_eq!(all[&name], (Dtype::F16, shape, rounded), "{name}");
    }
    // The same as the golden file that was stored in half precision by the authors' code.
    assert_eq!(forward(&bench.path("half")), forward(&golden("storage/f16")));

    // From there on to bf16, and to one file.
    bench.json("half", "back", &["--dtype", "bf16"]);
    assert_eq!(bench.files("back"), ["config.json", "model.safetensors"]);
    let config: Value =
        serde_json::from_slice(&fs::read(bench.path("back/config.json")).expect("config")).expect("JSON");
    assert_eq!(config["torch_dtype"], "bfloat16");
    assert!(tensors(&bench.0.path().join("back/model.safetensors")).values().all(|t| t.0 == Dtype::BF16));
    forward(&bench.path("back"));
}

/// What was quantised into a file, in one piece or several, is what is quantised when a model is loaded.
#[test]
fn blocks_of_integers() {
    let beads = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/beads");
    let bench = Bench::new("unused", b"");
    let convert = |to: &str, more: &[&str]| -> Value {
        let to = bench.path(to);
        fathom(&[&["convert", beads, &to, "--json"][..], more].concat()).json_lines().remove(0)
    };
    let forward = |model: &str, more: &[&str]| -> Value {
        let arguments = [&["forward", "-m", model, "--tokens", "4,9,7,3", "--json"][..], more].concat();
        let mut found = fathom(&arguments).json_lines().remove(0);
        found.as_object_mut().expect("an object").retain(|name, _| name != "model");
        found
    };
    let plain = forward(beads, &[]);
    for (folder, flags) in [
        ("q8", &["--weights", "q8"][..]),
        ("q4", &["--weights", "q4"]),
        ("mixed", &["--weights", "q8", "--tensor-type", "wte=f16", "--tensor-type", "mlp=q4"]),
    ] {
        let shards = if folder == "q4" { &["--shard-size", "100KB"][..] } else { &[] };
        let found = convert(folder, &[flags, shards].concat());
        assert!(
            found["written"]["dtypes"].to_string().contains(&folder[..1]) || folder == "mixed",
            "{found}"
        );
        let written = forward(&bench.path(folder), &[]);
        assert_eq!(written, forward(beads, flags), "{folder}");
        assert!(written != plain, "{folder}");
    }
    let halves = forward(beads, &["--kv", "f16"]);
    assert!(halves != plain && halves["depth"] == plain["depth"], "{halves}");
    let of = tensors(&bench.0.path().join("mixed/model.safetensors"));
    assert_eq!(of["wte.weight"].0, Dtype::F16);
    assert_eq!(
        (of["input_blocks.0.mlp.down.weight"].0, &of["input_blocks.0.mlp.down.weight"].1),
        (Dtype::U8, &vec![96, 192])
    );
    assert_eq!(of["input_blocks.0.attn.q_proj.weight_scale"].1, [96, 3]);
    assert_eq!(of["hrm_core.q_head.weight"].0, Dtype::F16, "how deep it thinks stays as it is");

    let again =
        |more: &[&str]| fathom(&[&["convert", &bench.path("q8"), &bench.path("again")][..], more].concat());
    again(&["--weights", "f32"]).fails(1, &["quantised already"]);
    bench.put("unused", b"");
    fathom(&["convert", beads, &bench.path("x"), "--tensor-type", "atn=q4"])
        .fails(2, &["--tensor-type", "atn"]);
    fathom(&["forward", "-m", beads, "--weights", "q5", "--tokens", "1"])
        .fails(2, &["--weights", "q8", "keep"]);
    fathom(&["forward", "-m", beads, "--tensor-type", "q4", "--tokens", "1"]).fails(2, &["TEXT=TYPE"]);
    fathom(&["forward", "-m", beads, "--tensor-type", "atn=q4", "--tokens", "1"])
        .fails(1, &["no tensor", "atn"]);
    fathom(&["forward", "-m", beads, "--kv", "q8", "--tokens", "1"]).fails(2, &["--kv", "f32 or f16"]);
}

#[test]
fn numbers_that_do_not_fit_are_named() {
    let mut storages = cosmicfish_storages();
    storages[78].1[..4].copy_from_slice(&1e6f32.to_le_bytes());
    storages[58].1[..4].copy_from_slice(&1e6f32.to_le_bytes());
    let bench = Bench::new("CF.pt", &pytorch(&cosmicfish_pickle(), &storages));
    bench.convert("CF.pt", "out", &["--dtype", "f16"]).fails(1, &["wte.weight", "1000000", "f16"]);
    assert_eq!(bench.files(""), ["CF.pt"]);
    bench.json("CF.pt", "out", &["--dtype", "bf16"]);
}

#[test]
fn a_tied_embedding_must_be_one() {
    let mut storages = cosmicfish_storages();
    storages[78].1[0] ^= 1;
    let bench = Bench::new("CF.pt", &pytorch(&cosmicfish_pickle(), &storages));
    bench.convert("CF.pt", "out", &[]).fails(1, &["wte.weight", "lm_head.weight", "differ"]);

    for case in ["storage/no-lm_head", CASE] {
        bench.put("model.safetensors", &read(case, "model.safetensors"));
        bench.put("config.json", &read(case, "config.json"));
        let out = case.replace('/', "-");
        bench.json("model.safetensors", &out, &[]);
        assert_eq!(tensors(&bench.0.path().join(out).join("model.safetensors")), golden_tensors());
    }
}

#[test]
fn the_configuration_may_come_from_elsewhere() {
    // A state dict alone, its names with two prefixes.
    let name = |name: &str| format!("module._orig_mod.{name}");
    let mut pickle = Pickle::new().raw(b"ccollections\nOrderedDict\n)R(");
    let mut storages = vec![];
    for (i, (tensor, (_, shape, bytes))) in golden_tensors().into_iter().enumerate() {
        let shape: Vec<i32> = shape.into_iter().map(|n| n as i32).collect();
        let strides: Vec<i32> = (0..shape.len()).map(|i| shape[i + 1..].iter().product()).collect();
        let key = i.to_string();
        pickle = pickle.text(&name(&tensor)).tensor(
            (&key, "FloatStorage", bytes.len() as i32 / 4),
            0,
            &shape,
            &strides,
        );
        storages.push((key, bytes));
    }
    // As Module.state_dict() is written, with its _metadata.
    let pickle = pickle.raw(b"u}").text("_metadata").raw(b"}sb.");
    let bench = Bench::new("weights.bin", &pytorch(&pickle.0, &storages));
    bench.convert("weights.bin", "out", &[]).fails(1, &["weights.bin", "no configuration", "--config"]);
    assert_eq!(bench.files(""), ["weights.bin"]);
    let config = format!("{}/config.json", golden(CASE));
    let found = bench.json("weights.bin", "out", &["--config", &config]);
    assert_eq!(found["read"]["prefixes_stripped"], json!(["module._orig_mod."]));
    assert_eq!(found["left_out"], json!([]));
    assert_eq!(tensors(&bench.0.path().join("out/model.safetensors")), golden_tensors());

    // Another model's configuration.
    for (case, words) in [
        ("cosmicfish_hrm/one-step", &["tensors too many"][..]),
        ("cosmicfish_hrm/learned-positions", &["missing", "wpe.weight"]),
        ("cosmicfish_hrm/mha-swiglu-bias", &["missing", ".bias"]),
    ] {
        let config = format!("{}/config.json", golden(case));
        bench.convert("weights.bin", "other", &["--config", &config]).fails(1, words);
    }
    let mut config: Value = serde_json::from_slice(&read(CASE, "config.json")).expect("JSON");
    config["vocab_size"] = json!(98);
    bench.put("wider.json", config.to_string().as_bytes());
    let wider = bench.path("wider.json");
    bench
        .convert("weights.bin", "other", &["--config", &wider])
        .fails(1, &["wte.weight", "[97, 64]", "asks for [98, 64]"]);
    assert!(!bench.0.path().join("other").exists());
}

#[test]
fn words_come_along() {
    let words = golden("").replace("/golden/", "").replace("/golden", "") + "/../models/beads/tokenizer.json";
    let bench = Bench::new("CF.pt", &cosmicfish());
    let found = bench.json("CF.pt", "given", &["--tokenizer", &words]);
    assert_eq!(bench.files("given"), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert!(found["run"].as_str().expect("a command").starts_with("fathom run -m "), "{found}");
    // From a folder, with what else belongs to the words.
    bench.put("given/tokenizer_config.json", b"{}");
    bench.put("given/notes.txt", b"mine");
    bench.json("given", "again", &[]);
    assert_eq!(
        bench.files("again"),
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    );

    bench.put("tokenizer.json", b"{}");
    bench.convert("CF.pt", "broken", &[]).fails(1, &["tokenizer.json"]);
    assert!(!bench.0.path().join("broken").exists());
}

#[test]
fn gpt_2s_words_are_written_out() {
    let config = json!({"model_type": "cosmicfish_hrm", "vocab_size": 50257, "n_embd": 8, "block_size": 32,
        "n_input_layers": 1, "n_output_layers": 1, "n_head": 1, "n_kv_head": 1, "hrm_H_layers": 1, "hrm_L_layers": 1,
        "hrm_H_cycles": 1, "hrm_L_cycles": 1, "hrm_max_steps": 1, "bias": false, "use_rotary": true,
        "use_gqa": false, "use_swiglu": false});
    let shapes =
        expected_tensors(&Config::from_json(&config.to_string(), "config").expect("a configuration"));
    let zeros: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| (name, shape.clone(), vec![0; 2 * shape.iter().product::<usize>()]))
        .collect();
    let views = zeros.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes).expect("a tensor"))
    });
    let weights = serialize(views, None::<HashMap<String, String>>).expect("safetensors");
    let bench = Bench::new("config.json", config.to_string().as_bytes());
    bench.put("model.safetensors", &weights);
    let found = bench.json("", "out", &[]);
    assert_eq!(bench.files("out"), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert!(found["written"]["tokenizer"].as_str().expect("words").contains("GPT-2"), "{found}");
    let text = "It's 12345 naïve  words, \u{1f600}\n\tisn't it?";
    let tokens = |folder: &str| {
        let folder = bench.path(folder);
        column(&fathom(&["run", "--prefixes", "--json", "-m", &folder, text]).json_lines(), "token")
    };
    assert_eq!(tokens("out"), tokens(""));
    assert_eq!(tokens("out")[..2], [1026, 338]);
}

#[test]
fn a_model_in_the_way_is_replaced_only_when_asked() {
    let bench = Bench::new("CF.pt", &cosmicfish());
    fs::create_dir(bench.path("out")).expect("an empty folder");
    bench.json("CF.pt", "out", &[]);
    bench.convert("CF.pt", "out", &[]).fails(2, &["not empty", "--force"]);
    bench.put("out/model-00001-of-00002.safetensors", b"stale");
    bench.json("CF.pt", "out", &["--force", "--dtype", "f16"]);
    assert_eq!(bench.files("out"), ["config.json", "model.safetensors"]);
    assert_eq!(bench.files(""), ["CF.pt", "out"]);

    bench.convert("out", "out", &["--force"]).fails(1, &["holds what is read"]);
    bench.convert("CF.pt", "CF.pt", &["--force"]).fails(2, &["no folder"]);
    bench.convert("CF.pt", "", &["--force"]).fails(1, &["holds what is read"]);
    fs::create_dir_all(bench.path("mine/photos")).expect("a folder");
    bench.convert("CF.pt", "mine", &["--force"]).fails(1, &["photos", "not replaced"]);
    bench.put("notes.txt", b"mine");
    fs::create_dir(bench.path("texts")).expect("a folder");
    bench.put("texts/notes.txt", b"mine");
    bench.convert("CF.pt", "texts", &["--force"]).fails(1, &["notes.txt", "not replaced"]);
    // A config.json alone makes no model's folder.
    bench.put("texts/config.json", b"{}");
    bench.convert("CF.pt", "texts", &["--force"]).fails(1, &["notes.txt", "not replaced"]);
    assert_eq!(bench.files("out"), ["config.json", "model.safetensors"]);
}

#[test]
fn killed_at_any_moment_it_leaves_a_whole_folder_or_none() {
    let bench = Bench::new("CF.pt", &cosmicfish());
    let (from, to) = (bench.path("CF.pt"), bench.path("out"));
    for after_ms in (0..24).map(|i| i * 4) {
        let mut convert = command();
        convert.args(["convert", "-q", "--shard-size", "200KB", &from, &to]);
        let mut child = convert.spawn().expect("the program starts");
        std::thread::sleep(std::time::Duration::from_millis(after_ms));
        let _ended_by_itself = child.kill();
        child.wait().expect("it ended");
        if fs::exists(&to).expect("a look") {
            forward(&to);
            fs::remove_dir_all(&to).expect("removed");
        }
    }
    // What the killed ones left is swept by the next one.
    bench.json("CF.pt", "out", &[]);
    assert_eq!(bench.files(""), ["CF.pt", "out"]);
}

#[test]
fn hrm_checkpoints() {
    // The numbers of the golden case, in the order of their names; the authors' two initial states are bf16.
    let golden = tensors(&fathom_tests::forms::golden().join("hrm/sudoku-shape/model.safetensors"));
    let storages: Vec<(String, Vec<u8>)> = golden
        .iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .enumerate()
        .map(|(i, (name, (_, _, bytes)))| {
            let upper = |word: &[u8; 4]| [word[2], word[3]];
            let bytes = match name.ends_with("_init") {
                true => bytes.as_chunks::<4>().0.iter().flat_map(upper).collect(),
                false => bytes.clone(),
            };
            (i.to_string(), bytes)
        })
        .collect();
    let bench = Bench::new("checkpoint", &pytorch(&read("checkpoints/hrm", "data.pkl"), &storages));
    bench.convert("checkpoint", "out", &["--seq-len", "81"]).fails(1, &["all_config.yaml", "--config"]);
    bench.put("all_config.yaml", &read("checkpoints/hrm", "all_config.yaml"));
    let found = bench.json("", "out/hrm", &[]);
    assert_eq!(found["read"]["prefixes_stripped"], json!(["_orig_mod.model."]));
    assert!(found["notes"][0].as_str().expect("a note").contains("81 cells, as 11 words are"), "{found}");
    assert_eq!(found["run"], format!("fathom solve -m {} PUZZLE", bench.path("out/hrm")));
    let config: Value =
        serde_json::from_slice(&fs::read(bench.path("out/hrm/config.json")).expect("config")).expect("JSON");
    assert_eq!(
        config,
        json!({"model_type": "hrm_act_v1", "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "seq_len": 81,
            "vocab_size": 11, "hidden_size": 64, "num_heads": 4, "expansion": 4.0, "H_layers": 2, "L_layers": 2,
            "H_cycles": 2, "L_cycles": 2, "pos_encodings": "rope", "puzzle_emb_ndim": 64,
            "num_puzzle_identifiers": 1, "halt_max_steps": 8})
    );
    let written = tensors(&bench.0.path().join("out/hrm/model.safetensors"));
    assert_eq!(written.len(), 23);
    assert_eq!(written["inner.H_init"], (Dtype::BF16, vec![64], storages[0].1.clone()));
    for (name, tensor) in golden.iter().filter(|(name, _)| !name.ends_with("_init")) {
        assert_eq!(&written[name], tensor, "{name}");
    }
    let quantised = bench.json("out/hrm", "out/q8", &["--weights", "q8"]);
    assert_eq!(
        quantised["written"]["dtypes"],
        json!(["bf16", "f32", "q8"]),
        "q_head and the first states stay"
    );

    for (yaml, words) in [
        ("arch: {hidden_size: 64}", "num_heads"),
        (
            "arch: {hidden_size: 64, num_heads: 4, expansion: 1e9, H_layers: 2, L_layers: 2, H_cycles: 2, L_cycles: 2, halt_max_steps: 8}",
            "expansion",
        ),
        ("arch: [", "all_config.yaml"),
        ("a: &a [x, x]\nb: &b [*a, *a]", "all_config.yaml"),
    ] {
        bench.put("all_config.yaml", yaml.as_bytes());
        bench.convert("checkpoint", "bad", &["--seq-len", "81"]).fails(1, &[words]);
    }
    let yaml = String::from_utf8(read("checkpoints/hrm", "all_config.yaml")).expect("UTF-8");
    bench.put("all_config.yaml", yaml.replace("expansion: 4.0", "expansion: 8.0").as_bytes());
    bench.convert("checkpoint", "bad", &["--seq-len", "81"]).fails(1, &["mlp", "shape"]);
}

#[test]
fn bad_flags_are_usage() {
    let bench = Bench::new("CF.pt", &cosmicfish());
    for (more, words) in [
        (&["--dtype", "int8"][..], &["int8", "f16", "keep"][..]),
        (&["--shard-size", "0"], &["--shard-size", "500MB"]),
        (&["--shard-size", "big"], &["--shard-size", "big"]),
        (&["--seq-len", "81"], &["--seq-len", "HRM"]),
        (&["--seq-len", "0"], &["--seq-len"]),
    ] {
        bench.convert("CF.pt", "out", more).fails(2, words);
    }
    fathom(&["convert", &bench.path("CF.pt")]).fails(2, &["OUT"]);
    bench.convert("none.pt", "out", &[]).fails(1, &["none.pt"]);
    bench.convert("CF.pt", "out", &["--config", "/none.json"]).fails(1, &["none.json"]);
    bench.convert("CF.pt", "out", &["--tokenizer", "/none.json"]).fails(1, &["none.json"]);
    bench.convert("CF.pt", "CF.pt/out", &[]).fails(1, &["CF.pt/out"]);
    let mut convert = command();
    convert
        .args(["convert", &bench.path("CF.pt"), &bench.path("out"), "--json"])
        .env("FATHOM_WEIGHTS", "f16");
    let found = finish(convert, "").json_lines().remove(0);
    assert_eq!(found["written"]["dtypes"], json!(["f16"]));
}
