//! config.json: what was read can be computed with.

#![no_main]

use fathom_engine::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::from_json(text, "config.json") else { return };
    assert!(config.n_parameters() < usize::MAX / 4);
    assert_eq!(config.n_embd, config.n_head * config.head_dim());
    assert!(config.n_head.is_multiple_of(config.n_kv_head) && config.kv_dim() <= config.n_embd);
});
