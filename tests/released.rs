//! A model of the released size (82.8 M parameters, random weights): 500 tokens come out the same cached and
//! uncached, each at its own depth.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use fathom_engine::{
    DepthControl, DeviceRequest, GenerateOptions, Generator, Overflow, Positions, Sampling, TokenEvent,
    forward, prefixes,
};
use fathom_tests::{load, random_model};
use pollster::block_on;

const CONFIG: &str = r#"{
  "model_type": "cosmicfish_hrm",
  "vocab_size": 50304, "n_embd": 448, "block_size": 512,
  "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4,
  "hrm_H_layers": 4, "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16,
  "bias": false, "use_rotary": true, "use_gqa": true, "use_swiglu": true, "eps": 1e-05
}"#;

/// Prefixes between two that are also read by a forward of their own.
const STRIDE: usize = 25;

#[test]
fn five_hundred_tokens_cached_and_uncached() {
    let model = load(&random_model(CONFIG, 11), &DeviceRequest::Cpu);
    assert_eq!(model.config().n_parameters(), 82_767_554);
    let depth = DepthControl { halt_bias: Some(0.0), ..DepthControl::default() };
    let options = GenerateOptions {
        n_tokens: 500,
        sampling: Sampling::default(),
        depth,
        overflow: Overflow::Stop,
        stop: vec![],
        ignore_eos: true,
        trace: false,
    };
    let prompt = [464, 3290, 373];
    let mut generator = Generator::new(&model, &prompt, options).expect("a generator");
    let events: Vec<_> = std::iter::from_fn(|| block_on(generator.next(None)).expect("a token")).collect();
    assert_eq!(events.len(), 500);
    let context: Vec<u32> = prompt.iter().copied().chain(events.iter().map(|event| event.token)).collect();
    let read = &context[..context.len() - 1];

    let batched = block_on(prefixes(&model, read, &depth)).expect("prefixes");
    let (batched, cached) = (&batched[prompt.len() - 1..], &events);
    for (i, (batched, cached)) in batched.iter().zip(cached).enumerate() {
        assert_eq!((batched.token, batched.depth), (cached.token, cached.depth), "token {i}");
        assert_eq!(batched.q, [cached.q_halt, cached.q_continue], "token {i}");
    }
    for i in (0..500).step_by(STRIDE) {
        let found =
            block_on(forward(&model, &read[..prompt.len() + i], &depth, Positions::Last)).expect("a forward");
        let logits = &found.logits[0];
        let drawable = 0..50257;
        let best =
            drawable.max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a))).expect("a token");
        assert_eq!((best as u32, found.depth), (events[i].token, events[i].depth), "token {i}");
    }
    // It is a run worth comparing: several depths, several tokens.
    let distinct = |of: fn(&TokenEvent) -> u32| events.iter().map(of).collect::<BTreeSet<u32>>().len();
    let (n_depths, n_tokens) = (distinct(|event| event.depth), distinct(|event| event.token));
    println!("{n_depths} distinct depths, {n_tokens} distinct tokens");
    assert!(n_depths > 1 && n_tokens > 1);
}
