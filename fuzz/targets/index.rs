//! model.safetensors.index.json: no name leads out of the folder.

#![no_main]

use fathom_engine::{ShardIndex, Weights};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(index) = ShardIndex::from_json(text, "index.json") else { return };
    for file in index.files() {
        assert!(!file.contains(['/', '\\', ':', '\0']) && !matches!(file, "" | "." | ".."));
    }
    let nothing = Weights::from_files(&[]).expect("no files");
    assert_eq!(index.check(&nothing).is_ok(), index.files().is_empty());
});
