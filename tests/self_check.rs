//! What a shell relies on when it loads a model that it does not know: the check of the device, the room that
//! is asked for, another device in place of a lost one, prefixes while somebody types.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use fathom_engine::{
    DepthControl, DeviceRequest, GenerateOptions, Generator, Overflow, Positions, Prefixes, Sampling,
    forward, largest_buffer_bytes, open_checked, prefixes, self_check,
};
use fathom_tests::{DEVICES, Random, Switches, forms, golden, load, load_on, open, random_model};
use pollster::block_on;

fn options(n_tokens: usize, temperature: f32, trace: bool) -> GenerateOptions {
    GenerateOptions {
        n_tokens,
        sampling: Sampling { temperature, ..Sampling::default() },
        depth: DepthControl::default(),
        overflow: Overflow::Recompute,
        stop: vec![],
        ignore_eos: true,
        trace,
    }
}

fn tokens_of(generator: &mut Generator) -> Vec<u32> {
    std::iter::from_fn(|| block_on(generator.next(None)).expect("a token")).map(|event| event.token).collect()
}

/// Every variant passes on the GPU, and afterwards a model needs no shader that the check has not seen, until
/// tokens are drawn.
#[test]
fn the_check_runs_the_models_own_pipelines() {
    let random = Switches::ALL.iter().map(|switches| switches.model(3));
    for files in forms::CASES.iter().map(|case| golden(case)).chain(random) {
        let device = Arc::new(open(&DeviceRequest::Gpu));
        let config = files.read_config().unwrap();
        let weights = files.open_weights().unwrap();
        block_on(self_check(&device, &config, &weights)).expect(&files.name);
        let checked = device.counts().pipelines;
        let model = load_on(&files, Arc::clone(&device));
        for trace in [false, true] {
            tokens_of(&mut Generator::new(&model, &[1, 2, 3, 4, 5, 6], options(3, 0.0, trace)).unwrap());
        }
        block_on(prefixes(&model, &[1, 2, 3], &DepthControl::default())).unwrap();
        assert_eq!(device.counts().pipelines, checked, "{}", files.name);
    }
}

#[test]
fn a_device_that_passes_is_taken() {
    let files = golden("cosmicfish_hrm/head-dim-56");
    let device = block_on(open_checked(&DeviceRequest::Gpu, &files)).unwrap();
    assert!(!device.is_cpu());
    assert!(block_on(open_checked(&DeviceRequest::Cpu, &files)).unwrap().is_cpu());
}

/// The largest buffer is foretold from the configuration and the size of the file, closely and never too small.
#[test]
fn the_largest_buffer_is_foretold() {
    let wide = r#"{"model_type": "cosmicfish_hrm", "vocab_size": 4000, "n_embd": 64, "block_size": 16,
        "n_input_layers": 1, "n_output_layers": 1, "n_head": 4, "n_kv_head": 2, "hrm_H_layers": 1,
        "hrm_L_layers": 1, "hrm_H_cycles": 1, "hrm_L_cycles": 1, "hrm_max_steps": 3, "bias": false,
        "use_rotary": false, "use_gqa": true, "use_swiglu": true}"#;
    let random = Switches::ALL.iter().map(|switches| switches.model(3));
    let golden = ["cosmicfish_hrm/learned-positions", "storage/f16", "storage/bf16"].map(golden);
    for files in random.chain([random_model(wide, 1)]).chain(golden) {
        let model = load(&files, &DeviceRequest::Cpu);
        let config = model.config();
        let in_files = files.weights.iter().map(fathom_engine::WeightFile::n_bytes).sum();
        let narrow = files.types.matrices.map(|stored| stored.bytes(config.n_parameters() as u64));
        let foretold = largest_buffer_bytes(config, narrow.unwrap_or(in_files));
        let mut random = Random(1);
        let context: Vec<u32> =
            (0..config.block_size).map(|_| random.below(config.vocab_size) as u32).collect();
        let all = DepthControl { forced: Some(config.hrm_max_steps as u32), ..DepthControl::default() };
        block_on(forward(&model, &context, &all, Positions::All)).unwrap();
        let found = model.device().counts().largest_buffer_bytes;
        // Blocks are taken for halves.
        let most = if narrow.is_some() { 4 * found } else { found * 5 / 4 } + 4096;
        assert!(found <= foretold && foretold <= most, "{found}, foretold {foretold}");
    }
}

#[test]
fn a_limit_that_the_adapter_lacks_is_told() {
    let found = block_on(fathom_engine::Device::open_for(&DeviceRequest::Gpu, 1 << 60));
    assert_eq!(found.unwrap_err().code(), "gpu-memory");
    assert!(block_on(fathom_engine::Device::open_for(&DeviceRequest::Auto, 1 << 60)).unwrap().is_cpu());
}

/// An answer that goes on on another device has the tokens that it would have had.
#[test]
fn another_device_takes_over() {
    let files = Switches::ALL[0].model(7);
    for request in &DEVICES {
        let expected = tokens_of(
            &mut Generator::new(&load(&files, request), &[5, 6, 7], options(12, 1.0, false)).unwrap(),
        );
        let mut generator =
            Generator::new(&load(&files, request), &[5, 6, 7], options(12, 1.0, false)).unwrap();
        let mut found = vec![];
        for _ in 0..3 {
            for _ in 0..4 {
                found.push(block_on(generator.next(None)).unwrap().unwrap().token);
            }
            generator.move_to(&load(&files, request)).unwrap();
        }
        assert_eq!(found, expected);
    }
}

/// While somebody types, only what is new is computed, and it is what the whole text gives.
#[test]
fn prefixes_of_a_growing_text() {
    let model = load(&Switches::ALL[0].model(5), &DeviceRequest::Cpu);
    let default = DepthControl::default();
    let forced = DepthControl { forced: Some(2), ..default };
    let mut typed = Prefixes::new(&model).unwrap();
    let texts: [(&[u32], DepthControl); 8] = [
        (&[1, 2, 3], default),
        (&[1, 2, 3, 4], default),
        (&[1, 2, 3, 4], default),
        (&[1, 2], default),
        (&[], default),
        (&[1, 2, 9, 9, 9], default),
        (&[1, 2, 9, 9, 9], forced),
        (&[1, 2, 9, 9, 9], default),
    ];
    for (text, depth) in texts {
        let found = block_on(typed.read(text, &depth)).unwrap().to_vec();
        let whole = if text.is_empty() { vec![] } else { block_on(prefixes(&model, text, &depth)).unwrap() };
        assert_eq!(found, whole, "{text:?}");
    }
    let before = typed.session().computed();
    block_on(typed.read(&[1, 2, 9, 9, 9, 8], &default)).unwrap();
    let after = typed.session().computed();
    assert_eq!(after.input_rows - before.input_rows, 1);
    let wrong = block_on(typed.read(&[1, 99], &default)).unwrap_err();
    assert_eq!(wrong.code(), "token-out-of-range");
    assert_eq!(block_on(typed.read(&[1, 2], &default)).unwrap().len(), 2);
}
