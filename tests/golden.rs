//! The engine against the authors' code: every golden case and storage form, on both devices.
//!
//! Numbers and how they were made: `golden/pack.py`. Step counts must be equal, logits and halting values within
//! 1e-4 of the largest magnitude, greedy continuations equal token for token, past the crop of the window.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use fathom_engine::{
    DepthControl, DeviceRequest, GenerateOptions, Generator, Overflow, Positions, Read, Sampling, Session,
    forward, prefixes,
};
use fathom_tests::{forms, golden, load_on, open};
use pollster::block_on;
use safetensors::SafeTensors;

/// The file of expected numbers.
struct Expected(Vec<u8>);

impl Expected {
    fn of(case: &str) -> Expected {
        Expected(fs::read(forms::golden().join(case).join("expected.safetensors")).expect(case))
    }

    fn numbers<T>(&self, name: &str, parse: fn([u8; 4]) -> T) -> Option<(Vec<usize>, Vec<T>)> {
        let tensors = SafeTensors::deserialize(&self.0).expect("safetensors");
        let tensor = tensors.tensor(name).ok()?;
        let words = tensor.data().chunks_exact(4).map(|word| parse(word.try_into().expect("four bytes")));
        Some((tensor.shape().to_vec(), words.collect()))
    }

    fn ints(&self, name: &str) -> Option<Vec<u32>> {
        Some(self.numbers(name, u32::from_le_bytes)?.1)
    }

    fn rows(&self, name: &str) -> Option<Vec<Vec<f32>>> {
        let (shape, numbers) = self.numbers(name, f32::from_le_bytes)?;
        Some(numbers.chunks(shape[1]).map(<[f32]>::to_vec).collect())
    }
}

/// Within 1e-4 of the largest magnitude; returns how much of that was used.
#[track_caller]
fn close(found: &[f32], expected: &[f32], what: &str) -> f32 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let apart = found.iter().zip(expected).fold(0.0f32, |m, (a, b)| {
        assert!(a.is_finite(), "{what}: {a}");
        m.max((a - b).abs())
    });
    assert!(apart <= 1e-4 * scale, "{what}: {apart} apart where the largest is {scale}");
    apart / scale
}

fn all_cases(request: &DeviceRequest, poison: bool) {
    let mut worst = 0.0f32;
    for case in forms::CASES {
        let device = open(request);
        if poison {
            device.poison_new_buffers();
        }
        let name = device.name();
        let model = load_on(&golden(case), device);
        let expected = Expected::of(case);
        let tokens = expected.ints("tokens").expect("tokens");
        let steps_taken = expected.ints("prefix_steps_taken").expect("steps");
        let last_logits = expected.rows("prefix_last_logits").expect("logits");
        let q = expected.rows("prefix_q_logits");
        let q_count = expected.ints("prefix_q_count");
        let depth = DepthControl::default();

        // Every prefix as generation reads it, one token more each time; and some by an uncached forward.
        let mut session = Session::new(&model, 1, tokens.len()).expect(case);
        let mut q_at = 0;
        for n in 1..=tokens.len() {
            let what = format!("{case} on {name}, prefix of {n}");
            let read =
                Read { sequence: 0, tokens: &tokens[..n], depth, sampling: Sampling::default(), place: 0 };
            let found = block_on(session.read(&[read])).expect(&what).remove(0);
            assert_eq!(found.halted_by.steps_taken(found.depth), steps_taken[n - 1], "{what}");
            let logits = block_on(session.logits(0, found.depth, n - 1..n)).expect(&what);
            worst = worst.max(close(&logits[0], &last_logits[n - 1], &what));
            if let (Some(q), Some(q_count)) = (&q, &q_count) {
                let q = &q[q_at..][..q_count[n - 1] as usize];
                q_at += q.len();
                let found = block_on(session.halting_values(0, found.depth)).expect(&what);
                assert_eq!(found.len(), q.len(), "{what}");
                close(found.as_flattened(), &q.concat(), &what);
            }
            if [1, tokens.len() / 2, tokens.len()].contains(&n) {
                let found = block_on(forward(&model, &tokens[..n], &depth, Positions::Last)).expect(&what);
                assert_eq!(found.steps_taken, steps_taken[n - 1], "{what}");
                close(&found.logits[0], &last_logits[n - 1], &what);
            }
        }
        let batched = block_on(prefixes(&model, &tokens, &depth)).expect(case);
        let batched: Vec<u32> = batched.iter().map(|prefix| prefix.steps_taken).collect();
        assert_eq!(batched, steps_taken, "{case} on {name}, all prefixes in one pass");

        // The storage forms have the prefixes only.
        let is_whole = case.starts_with("cosmicfish_hrm/");
        for name in ["full_logits", "prefix_q_logits", "greedy_generated"] {
            assert_eq!(expected.numbers(name, u32::from_le_bytes).is_some(), is_whole, "{case}: {name}");
        }
        assert!(q.is_none_or(|q| q.len() == q_at), "{case}: every halting value was compared");
        if let Some(full) = expected.rows("full_logits") {
            let found = block_on(forward(&model, &tokens, &depth, Positions::All)).expect(case);
            for (i, (found, expected)) in found.logits.iter().zip(&full).enumerate() {
                worst = worst.max(close(found, expected, &format!("{case} on {name}, position {i}")));
            }
        }
        if let Some(generated) = expected.ints("greedy_generated") {
            let prompt = expected.ints("greedy_prompt").expect("a prompt");
            let options = GenerateOptions {
                n_tokens: generated.len(),
                sampling: Sampling::default(),
                depth,
                overflow: Overflow::Recompute,
                stop: vec![],
                ignore_eos: true,
                trace: false,
            };
            assert!(prompt.len() + generated.len() > model.config().block_size, "{case} runs past the crop");
            let mut generator = Generator::new(&model, &prompt, options).expect(case);
            let events: Vec<_> = std::iter::from_fn(|| block_on(generator.next(None)).expect(case)).collect();
            let tokens: Vec<u32> = events.iter().map(|event| event.token).collect();
            let steps: Vec<u32> = events.iter().map(|event| event.steps_taken).collect();
            assert_eq!(tokens, generated, "{case} on {name}");
            assert_eq!(Some(steps), expected.ints("greedy_steps_taken"), "{case} on {name}");
        }
    }
    println!("largest difference of a logit: {worst:.2e} of the largest magnitude");
}

#[test]
fn on_the_gpu() {
    all_cases(&DeviceRequest::Gpu, false);
}

#[test]
fn on_the_cpu() {
    all_cases(&DeviceRequest::Cpu, false);
}

/// Nothing is read that was not written: memory that holds no numbers at first changes nothing.
#[test]
fn in_poisoned_memory() {
    all_cases(&DeviceRequest::Cpu, true);
    all_cases(&DeviceRequest::Gpu, true);
}
