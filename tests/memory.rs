//! What loading takes of the machine's memory: the weights once, and little beside them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use fathom_engine::{Config, DeviceRequest, ModelFiles, expected_tensors};
use fathom_tests::{Switches, load};
use serde_json::{Map, Value, json};

/// The most that this process ever had in memory, in bytes.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A model whose embedding is that large; all of its numbers are zero, a hole in the file.
fn write_model(folder: &Path, vocab_size: usize) -> u64 {
    let wide = Switches { head_dim: 16, ..Switches::ALL[0] };
    let mut config: Value = serde_json::from_str(&wide.config()).unwrap();
    config["vocab_size"] = vocab_size.into();
    let config = config.to_string();
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in expected_tensors(&Config::from_json(&config, "config.json").unwrap()) {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}));
    }
    let header = Value::Object(header).to_string();
    let mut file = File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    fs::write(folder.join("config.json"), config).unwrap();
    end as u64
}

#[test]
fn weights_are_in_memory_once() {
    let folder = tempfile::tempdir().unwrap();
    let weights = write_model(folder.path(), 500_000);
    assert!(weights > 100 << 20, "{weights} bytes are too few to be told from the rest");
    let before = peak_bytes();
    let files = ModelFiles::read_folder(folder.path()).unwrap();
    // This device's own memory is the machine's.
    let model = load(&files, &DeviceRequest::Cpu);
    let rise = peak_bytes() - before;
    assert!(rise < weights + (48 << 20), "loading {weights} bytes of weights took {rise}");
    drop(model);

    // On a GPU, writes on their way are held too, a few at a time.
    let model = load(&files, &DeviceRequest::Gpu);
    let counts = model.device().counts();
    assert!(counts.held_bytes > weights - 4096, "{counts:?}");
    assert!(counts.peak_bytes < counts.held_bytes + (32 << 20), "{counts:?}");
}
