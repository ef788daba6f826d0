//! The golden cases as folders that a model can be read from.
//!
//! Two storage forms hold the weights of another case and are written anew (see `pack.py`); all other cases are
//! used where they lie.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// All cases of the reference.
pub const CASES: [&str; 11] = [
    "cosmicfish_hrm/gqa-rope-swiglu",
    "cosmicfish_hrm/head-dim-56",
    "cosmicfish_hrm/learned-positions",
    "cosmicfish_hrm/mha-gelu-bias",
    "cosmicfish_hrm/mha-swiglu-bias",
    "cosmicfish_hrm/one-step",
    "storage/bf16",
    "storage/f16",
    "storage/no-lm_head",
    "storage/no-wte",
    "storage/sharded",
];

/// The cases of HRM.
pub const HRM_CASES: [&str; 3] =
    ["hrm/learned-positions-no-puzzle", "hrm/sudoku-shape", "hrm/wide-puzzle-embedding"];

/// The folder of golden numbers, in the source tree.
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A folder with the `config.json` and the weights of one of [`CASES`]; files that have to be written are
/// written into `scratch`. The expected numbers are `golden()/case/expected.safetensors` in every case.
pub fn model_folder(case: &str, scratch: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    const INDEX: &str = "model.safetensors.index.json";
    let folder = golden().join(case);
    let weight_map: BTreeMap<String, String> = match case {
        "storage/no-wte" => BTreeMap::new(),
        "storage/sharded" => {
            let index: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(INDEX))?)?;
            serde_json::from_value(index["weight_map"].clone())?
        }
        _ => return Ok(folder),
    };
    let whole = fs::read(golden().join("cosmicfish_hrm/gqa-rope-swiglu/model.safetensors"))?;
    let whole = SafeTensors::deserialize(&whole)?;
    let mut files: BTreeMap<&str, Vec<(String, TensorView<'_>)>> = BTreeMap::new();
    for (name, tensor) in whole.tensors() {
        let file = match case {
            "storage/no-wte" => Some("model.safetensors").filter(|_| name != "wte.weight"),
            _ => weight_map.get(&name).map(String::as_str),
        };
        if let Some(file) = file {
            files.entry(file).or_default().push((name, tensor));
        }
    }

    let out = scratch.join(case);
    fs::create_dir_all(&out)?;
    for (file, tensors) in files {
        fs::write(out.join(file), safetensors::serialize(tensors, None)?)?;
    }
    for name in ["config.json", INDEX] {
        if folder.join(name).exists() {
            fs::copy(folder.join(name), out.join(name))?;
        }
    }
    Ok(out)
}
