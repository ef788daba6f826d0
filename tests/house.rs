//! The house rules that can be checked by reading: who may call whom, and where the platform may show.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Rust files below a folder, with their text; comments are left out.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = vec![];
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a file");
                let code: Vec<&str> =
                    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((name.replace('\\', "/"), code.join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

#[test]
fn nobody_calls_upstairs() {
    // Below a folder (or in a file), none of these words.
    let rules: [(&str, &[&str]); 10] = [
        ("engine/src", &["fathom_cli", "fathom_wasm", "native_cli", "clap::", "anyhow", "wasm_bindgen"]),
        ("engine/src/kernels", &["crate::model", "crate::session", "crate::generate", "crate::cache"]),
        ("engine/src/model", &["crate::session", "crate::generate", "crate::cache", "crate::forward"]),
        ("engine/src/device", &["crate::model", "crate::session", "crate::generate", "crate::config"]),
        ("engine/src/session", &["crate::generate", "crate::forward", "crate::text"]),
        ("native-cli/src", &["wgpu::", "naga", "fathom_engine::kernels", "fathom_engine::device"]),
        (
            "wasm/src",
            &["wgpu", "naga", "fathom_engine::kernels", "fathom_engine::device", "fathom_engine::recording"],
        ),
        ("engine/src/recording.rs", &["crate::model", "crate::session"]),
        ("engine/src/cache.rs", &["crate::model", "crate::session", "crate::device"]),
        ("engine/src/config.rs", &["crate::model", "crate::device", "crate::kernels"]),
    ];
    for (place, words) in rules {
        let (folder, file) = match place.strip_suffix(".rs") {
            Some(_) => ("engine/src", Some(place)),
            None => (place, None),
        };
        for (name, code) in sources(folder) {
            if file.is_none_or(|file| file == name) {
                for word in words {
                    assert!(!code.contains(word), "{name} mentions {word}");
                }
            }
        }
    }
}

#[test]
fn the_platform_shows_only_under_device() {
    for (name, code) in sources("engine/src") {
        // Vector instructions are the machine's too.
        if !name.starts_with("engine/src/device/") && !name.starts_with("engine/src/kernels/dot/") {
            for word in ["wgpu", "cfg(target_arch", "cfg(not(target_arch", "pollster"] {
                assert!(!code.contains(word), "{name} mentions {word}");
            }
        }
    }
}

#[test]
fn files_stay_short() {
    let n_lines = |path: &Path| fs::read_to_string(path).expect("a file").lines().count();
    for folder in ["engine/src", "native-cli/src", "wasm/src", "wasm/build/src"] {
        for (name, _) in sources(folder) {
            let n = n_lines(&root().join(&name));
            assert!(n <= 450, "{name} has {n} lines");
        }
    }
    for entry in fs::read_dir(root().join("shaders")).expect("shaders/") {
        let path = entry.expect("an entry").path();
        assert!(n_lines(&path) <= 280, "{} is too long", path.display());
    }
}
