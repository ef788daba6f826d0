//! Scored texts against the authors' code: log-probabilities out of golden logits, in both readings, on both
//! devices; and a shared beginning, which is computed once and changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use fathom_engine::{DepthControl, DeviceRequest, Error, ScoreReading, ScoredToken, Scorer};
use fathom_tests::{DEVICES, forms, golden, load};
use pollster::block_on;
use safetensors::SafeTensors;

fn words(file: &[u8], name: &str) -> Option<(Vec<usize>, Vec<[u8; 4]>)> {
    let tensors = SafeTensors::deserialize(file).expect("safetensors");
    let tensor = tensors.tensor(name).ok()?;
    let words = tensor.data().chunks_exact(4).map(|word| word.try_into().expect("four bytes"));
    Some((tensor.shape().to_vec(), words.collect()))
}

fn ints(file: &[u8], name: &str) -> Vec<u32> {
    words(file, name).expect(name).1.into_iter().map(u32::from_le_bytes).collect()
}

fn rows(file: &[u8], name: &str) -> Option<Vec<Vec<f32>>> {
    let (shape, words) = words(file, name)?;
    let numbers: Vec<f32> = words.into_iter().map(f32::from_le_bytes).collect();
    Some(numbers.chunks(shape[1]).map(<[f32]>::to_vec).collect())
}

/// Against the log-softmax of the authors' logits; those may be 1e-4 of their largest magnitude apart.
#[track_caller]
fn close(found: &ScoredToken, logits: &[f32], token: u32, what: &str) {
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    let expected = f64::from(logits[token as usize]) - sum.ln();
    let scale = logits.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
    let apart = (found.log_prob - expected).abs();
    assert!(apart <= 2e-4 * f64::from(scale), "{what}: {} and {expected}", found.log_prob);
    let likeliest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("logits");
    assert_eq!(found.is_greedy, likeliest == token as usize, "{what}");
}

/// What follows each token: its neighbour, and behind the last one some token.
fn following(tokens: &[u32]) -> Vec<u32> {
    tokens[1..].iter().copied().chain([tokens[0]]).collect()
}

fn all_cases(request: &DeviceRequest) {
    let depth = DepthControl::default();
    for case in forms::CASES {
        let model = load(&golden(case), request);
        let file = fs::read(forms::golden().join(case).join("expected.safetensors")).expect(case);
        let tokens = ints(&file, "tokens");
        let next = following(&tokens);
        let steps_taken = ints(&file, "prefix_steps_taken");
        let mut scorer = Scorer::new(&model).expect(case);

        let logits = rows(&file, "prefix_last_logits").expect("logits");
        let found = block_on(scorer.score(&tokens, 0, &next, &depth, ScoreReading::Prefixes)).expect(case);
        let found_steps: Vec<u32> = found.iter().map(|token| token.steps_taken).collect();
        assert_eq!(found_steps, steps_taken, "{case}");
        for (i, (found, logits)) in found.iter().zip(&logits).enumerate() {
            close(found, logits, next[i], &format!("{case}, prefix of {}", i + 1));
        }

        let found = block_on(scorer.score(&tokens, 0, &next, &depth, ScoreReading::Whole)).expect(case);
        assert!(found.iter().all(|token| Some(&token.steps_taken) == steps_taken.last()), "{case}");
        for (i, logits) in rows(&file, "full_logits").iter().flatten().enumerate() {
            close(&found[i], logits, next[i], &format!("{case}, position {i}"));
        }
        // A part of it, by itself, is the same to the bit.
        let mut fresh = Scorer::new(&model).expect(case);
        let first = tokens.len() / 2;
        let part = block_on(fresh.score(&tokens, first, &next[first..], &depth, ScoreReading::Whole));
        assert_eq!(part.expect(case), found[first..], "{case}");
    }
}

#[test]
fn golden_texts_on_the_gpu() {
    all_cases(&DeviceRequest::Gpu);
}

#[test]
fn golden_texts_on_the_cpu() {
    all_cases(&DeviceRequest::Cpu);
}

#[test]
fn a_shared_beginning_is_computed_once() {
    let case = "cosmicfish_hrm/gqa-rope-swiglu";
    let file = fs::read(forms::golden().join(case).join("expected.safetensors")).expect(case);
    let tokens = ints(&file, "tokens");
    let context = tokens.len() - 3;
    let depth = DepthControl { forced: Some(2), ..DepthControl::default() };
    for request in &DEVICES {
        let model = load(&golden(case), request);
        let mut shared = Scorer::new(&model).expect(case);
        for reading in [ScoreReading::Whole, ScoreReading::Prefixes] {
            for ending in [[1, 2, 3], [4, 5, 6]] {
                let text = [&tokens[..context], &ending].concat();
                let found = block_on(shared.score(&text, context - 1, &ending, &depth, reading)).expect(case);
                let mut alone = Scorer::new(&model).expect(case);
                let expected =
                    block_on(alone.score(&text, context - 1, &ending, &depth, reading)).expect(case);
                assert_eq!(found, expected, "{reading:?}");
            }
        }
        let computed = shared.session().computed();
        // By prefixes, an ending's last token has nothing to say.
        assert_eq!(computed.input_rows, (context + 2 * 3 + 2 * 2) as u64);
        assert_eq!(computed.step_rows, 2 * computed.input_rows);
    }
}

#[test]
fn what_cannot_be_scored_is_an_error_and_changes_nothing() {
    let model = load(&golden("cosmicfish_hrm/one-step"), &DeviceRequest::Cpu);
    let depth = DepthControl::default();
    let mut scorer = Scorer::new(&model).expect("room");
    let mut score = |tokens: &[u32], first, next: &[u32]| {
        block_on(scorer.score(tokens, first, next, &depth, ScoreReading::Whole))
    };
    assert!(matches!(score(&[1, 2], 1, &[2, 3]), Err(Error::NotThere(_))));
    assert!(matches!(score(&[1, 2], usize::MAX, &[2, 3]), Err(Error::NotThere(_))));
    assert!(matches!(score(&[1, 2], 1, &[u32::MAX]), Err(Error::TokenOutOfRange { .. })));
    assert_eq!(score(&[1, 2], 1, &[]).expect("nothing"), []);
    assert_eq!(score(&[1, 2], 1, &[0]).expect("one").len(), 1);
}
