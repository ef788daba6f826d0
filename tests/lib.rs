//! What the tests share: golden cases, devices, small random models.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "golden/forms.rs"]
pub mod forms;
mod random;

use std::collections::HashMap;
use std::sync::Arc;

use fathom_engine::{
    Config, Device, DeviceRequest, HRM_TYPE, HrmConfig, KvType, Model, ModelFiles, WeightFile, WeightType,
    WeightTypes, expected_tensors, hrm_tensors,
};
use pollster::block_on;
pub use random::Random;
use safetensors::tensor::{Dtype, TensorView};

/// The two devices that every test of numbers runs on. A machine without an adapter fails.
pub const DEVICES: [DeviceRequest; 2] = [DeviceRequest::Gpu, DeviceRequest::Cpu];

/// Opens a device; there must be one.
pub fn open(request: &DeviceRequest) -> Device {
    match block_on(Device::open(request)) {
        Ok(device) => device,
        Err(error) => panic!("{error}; on Debian: apt-get install mesa-vulkan-drivers"),
    }
}

/// Puts a model on a device.
pub fn load(files: &ModelFiles, request: &DeviceRequest) -> Arc<Model> {
    load_on(files, open(request))
}

/// The same, for a device that is open.
pub fn load_on(files: &ModelFiles, device: impl Into<Arc<Device>>) -> Arc<Model> {
    block_on(Model::load(files, device, &mut |_| ())).expect("a model that loads")
}

/// Reads the folder of a golden case; what has to be written is written into a temporary folder.
pub fn golden(case: &str) -> ModelFiles {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = forms::model_folder(case, scratch.path()).expect("a golden case");
    ModelFiles::read_folder(&folder).expect("a model's folder")
}

/// The switches of a small random model.
#[derive(Debug, Clone, Copy)]
pub struct Switches {
    /// `n_kv_head` below `n_head`.
    pub use_gqa: bool,
    /// RoPE or learned positions.
    pub use_rotary: bool,
    /// SwiGLU or GELU.
    pub use_swiglu: bool,
    /// Biases.
    pub bias: bool,
    /// Heads of that size.
    pub head_dim: usize,
    /// (layers, cycles) of H and of L.
    pub levels: [(usize, usize); 2],
    /// The most steps.
    pub max_steps: usize,
    /// How matrices are stored; None: as they are drawn, f32.
    pub weights: Option<WeightType>,
    /// How keys and values are cached.
    pub kv_type: KvType,
}

impl Switches {
    const FIRST: Switches = Switches {
        use_gqa: true,
        use_rotary: true,
        use_swiglu: true,
        bias: false,
        head_dim: 8,
        levels: [(1, 2), (1, 2)],
        max_steps: 6,
        weights: None,
        kv_type: KvType::F32,
    };

    /// Several, so that every switch is seen in both positions.
    pub const ALL: [Switches; 6] = [
        Switches::FIRST,
        Switches {
            use_gqa: false,
            use_rotary: false,
            use_swiglu: true,
            bias: true,
            head_dim: 6,
            levels: [(2, 1), (1, 1)],
            max_steps: 4,
            weights: None,
            kv_type: KvType::F32,
        },
        Switches {
            use_gqa: true,
            use_rotary: true,
            use_swiglu: false,
            bias: true,
            head_dim: 14,
            levels: [(1, 1), (2, 1)],
            max_steps: 16,
            weights: None,
            kv_type: KvType::F32,
        },
        Switches {
            use_gqa: false,
            use_rotary: true,
            use_swiglu: false,
            bias: false,
            head_dim: 24,
            levels: [(1, 1), (1, 3)],
            max_steps: 1,
            weights: None,
            kv_type: KvType::F32,
        },
        Switches { weights: Some(WeightType::Q8), kv_type: KvType::F16, ..Switches::FIRST },
        Switches { use_rotary: false, bias: true, weights: Some(WeightType::Q4), ..Switches::FIRST },
    ];

    /// A model with random weights.
    pub fn model(&self, seed: u64) -> ModelFiles {
        let types = WeightTypes::all(self.weights);
        ModelFiles { types, kv_type: self.kv_type, ..random_model(&self.config(), seed) }
    }

    /// The `config.json`: 4 heads, a vocabulary of 40, a window of 48.
    pub fn config(&self) -> String {
        let [(h_layers, h_cycles), (l_layers, l_cycles)] = self.levels;
        serde_json::json!({
            "model_type": "cosmicfish_hrm", "vocab_size": 40, "n_embd": 4 * self.head_dim, "block_size": 48,
            "n_input_layers": 1, "n_output_layers": 2, "n_head": 4,
            "n_kv_head": if self.use_gqa { 2 } else { 4 },
            "hrm_H_layers": h_layers, "hrm_L_layers": l_layers,
            "hrm_H_cycles": h_cycles, "hrm_L_cycles": l_cycles, "hrm_max_steps": self.max_steps,
            "bias": self.bias, "use_rotary": self.use_rotary, "use_gqa": self.use_gqa,
            "use_swiglu": self.use_swiglu, "eps": 1e-5,
        })
        .to_string()
    }
}

/// A model of that configuration with random weights.
pub fn random_model(config: &str, seed: u64) -> ModelFiles {
    model_of(config, random_weights(config, seed))
}

/// The model of a configuration and a safetensors file.
pub fn model_of(config: &str, file: Vec<u8>) -> ModelFiles {
    ModelFiles {
        config: config.to_owned(),
        weights: vec![WeightFile::in_memory("random.safetensors", file)],
        types: WeightTypes::default(),
        kv_type: KvType::default(),
        tokenizer: None,
        gpt2: None,
        name: "random".to_owned(),
    }
}

/// A safetensors file of random weights for that configuration.
pub fn random_weights(config: &str, seed: u64) -> Vec<u8> {
    let tensors = match config.contains(HRM_TYPE) {
        true => hrm_tensors(&HrmConfig::from_json(config, "config.json").expect("a configuration")),
        false => expected_tensors(&Config::from_json(config, "config.json").expect("a configuration")),
    };
    let mut random = Random(seed);
    let drawn: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, shape)| {
            // Large enough for attention, gates and halting to differ from place to place.
            let scale = if shape.len() == 1 { 0.5 } else { 1.5 / (shape[1] as f32).sqrt() };
            let centre = if name.contains("ln_") { 1.0 } else { 0.0 };
            let n = shape.iter().product::<usize>();
            let bytes = (0..n).flat_map(|_| (centre + scale * random.unit()).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = drawn.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
    });
    safetensors::serialize(views, None::<HashMap<String, String>>).expect("weights")
}

/// The folder of a small HRM with random weights, for puzzles of so many cells and words.
pub fn puzzle_model(seq_len: usize, vocab_size: usize, n_puzzles: usize) -> tempfile::TempDir {
    let config = serde_json::json!({
        "model_type": HRM_TYPE, "seq_len": seq_len, "vocab_size": vocab_size, "hidden_size": 32, "num_heads": 2,
        "expansion": 1, "H_layers": 1, "L_layers": 1, "H_cycles": 1, "L_cycles": 1, "pos_encodings": "rope",
        "puzzle_emb_ndim": 32, "num_puzzle_identifiers": n_puzzles, "halt_max_steps": 4,
    })
    .to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect(name);
    write("config.json", config.as_bytes());
    write("model.safetensors", &random_weights(&config, 3));
    folder
}

/// The folder of a small model with random weights, GPT-2's vocabulary and a window of so many tokens.
pub fn gpt2_model(block_size: usize) -> tempfile::TempDir {
    let mut config: serde_json::Value = serde_json::from_str(&Switches::ALL[0].config()).expect("JSON");
    config["vocab_size"] = 50304.into();
    config["block_size"] = block_size.into();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect(name);
    write("config.json", config.to_string().as_bytes());
    write("model.safetensors", &random_weights(&config.to_string(), 11));
    folder
}
