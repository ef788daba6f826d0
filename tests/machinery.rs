//! Honest machinery: what is submitted, read back and computed is what ARCHITECTURE.md promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use fathom_engine::{
    Computed, Counts, DepthControl, GenerateOptions, Generator, Level, Model, Overflow, Read, Sampling,
    Session,
};
use fathom_tests::{DEVICES, Random, Switches, load, model_of, random_weights};
use pollster::block_on;

/// The prompt: longer than the masked rows that a submission puts up with.
const N: usize = 20;

/// The biases that make a context of this model halt at 1, 16, 2 and 1 by its own test or at the cap, found from
/// its halting values; the engine is not told.
fn biases(model: &Arc<Model>, tokens: &[u32]) -> Option<[f32; 4]> {
    let all = DepthControl { forced: Some(16), ..DepthControl::default() };
    let mut session = Session::new(model, 1, tokens.len()).expect("a session");
    let read = Read { sequence: 0, tokens, depth: all, sampling: Sampling::default(), place: 0 };
    block_on(session.read(&[read])).expect("a reading");
    let q = block_on(session.halting_values(0, 2)).expect("halting values");
    let [first, second] = [q[0][0] - q[0][1], q[1][0] - q[1][1]];
    (second > first + 0.01).then_some([100.0, -100.0, -(first + second) / 2.0, 100.0])
}

#[test]
fn every_position_and_depth_is_computed_once() {
    for (request, looks_ahead) in DEVICES.iter().flat_map(|request| [(request, true), (request, false)]) {
        let (model, context, biases) = (0..20)
            .find_map(|seed| {
                let model = load(&Switches::ALL[2].model(seed), request);
                let mut random = Random(seed);
                let context: Vec<u32> = (0..N + 3).map(|_| random.below(40) as u32).collect();
                biases(&model, &context[..N + 2]).map(|biases| (model, context, biases))
            })
            .expect("a model whose second step is more certain than its first");
        model.device().look_ahead(looks_ahead);
        let mut session = Session::new(&model, 1, N + 3).expect("a session");
        let n = N as u64;
        // Tokens of the context, depth, submissions with and without looking ahead, rows of input, steps and output.
        let expected = [
            // The prompt: one step is enough.
            (N, 1, [1, 1], [n, n, n]),
            // Deeper: steps 2, 3 to 4, 5 to 8, 9 to 16, or one by one; planes 2 to 16 catch up.
            (N + 1, 16, [5, 16], [1, 1 + 15 * (n + 1), n + 1]),
            // 16 steps are looked ahead, 14 of them masked, and the output stage has nothing yet at this depth: it needs
            // a submission of its own. One by one, it is expected.
            (N + 2, 2, [2, 2], [1, 2, n + 2]),
            // Shallow again. The output stage of depth 1 catches up.
            (N + 3, 1, [1, 1], [1, 1, 3]),
        ];
        for ((n_tokens, depth, submissions, rows), bias) in expected.into_iter().zip(biases) {
            let (counts, computed) = (model.device().counts(), session.computed());
            let control = DepthControl { halt_bias: Some(bias), ..DepthControl::default() };
            let sampling = Sampling::default();
            let read = Read { sequence: 0, tokens: &context[..n_tokens], depth: control, sampling, place: 0 };
            let reading = block_on(session.read(&[read])).expect("a reading").remove(0);
            assert_eq!(reading.depth, depth, "{request:?}");
            let done = model.device().counts();
            let submissions = submissions[usize::from(!looks_ahead)];
            let what = format!("{request:?}, {looks_ahead}, depth {depth}");
            assert_eq!(done.submissions - counts.submissions, submissions, "{what}: submissions");
            assert_eq!(done.readbacks - counts.readbacks, submissions, "{what}: readbacks");
            let Computed { input_rows, step_rows, output_rows } = session.computed();
            let found = [
                input_rows - computed.input_rows,
                step_rows - computed.step_rows,
                output_rows - computed.output_rows,
            ];
            assert_eq!(found, rows, "{what}: rows of input, steps, output");
        }
        // Plane 1 holds all positions, the others those that were there when they were needed.
        let distinct = (n + 3) + (n + 2) + 14 * (n + 1);
        assert_eq!(session.computed().step_rows, distinct, "each (position, depth) once");
    }
}

fn options(trace: bool) -> GenerateOptions {
    GenerateOptions {
        n_tokens: 6,
        sampling: Sampling::default(),
        depth: DepthControl { halt_bias: Some(-0.4), ..DepthControl::default() },
        overflow: Overflow::Stop,
        stop: vec![],
        ignore_eos: true,
        trace,
    }
}

fn difference(after: Counts, before: Counts) -> [u64; 3] {
    [after.submissions - before.submissions, after.readbacks - before.readbacks, after.calls - before.calls]
}

/// The trace shows the run as it is, one submission a step; and what nobody watches pays nothing for it.
#[test]
fn a_trace_changes_nothing_and_costs_nothing_when_off() {
    for request in &DEVICES {
        let model = load(&Switches::ALL[0].model(4), request);
        let prompt = [3, 1, 4, 1, 5];
        let run = |trace: bool| {
            let before = model.device().counts();
            let mut generator = Generator::new(&model, &prompt, options(trace)).expect("a generator");
            // How many tokens a submission makes depends on the time that they take.
            generator.limit_tokens_at_once(1);
            let mut told = 0;
            let mut on_step = |_: &_| told += 1;
            let mut events = vec![];
            while let Some(event) = block_on(generator.next(Some(&mut on_step))).expect("a token") {
                events.push(event);
            }
            (events, told, difference(model.device().counts(), before))
        };
        let (plain, told_plain, cost_before) = run(false);
        let (traced, told, cost_traced) = run(true);
        let (_, _, cost_after) = run(false);
        assert_eq!(cost_before, cost_after, "{request:?}: submissions, readbacks, calls");
        assert_eq!(told_plain, 0);
        let n_steps: u64 = traced.iter().map(|event| u64::from(event.depth)).sum();
        assert_eq!(cost_traced[..2], [n_steps, n_steps], "{request:?}: a submission a step");
        assert_eq!(told, n_steps);

        assert_eq!(plain.len(), traced.len());
        for (plain, traced) in plain.iter().zip(&traced) {
            assert_eq!((plain.token, plain.depth, plain.q_halt), (traced.token, traced.depth, traced.q_halt));
            let steps = traced.trace.as_ref().expect("a trace");
            assert_eq!(steps.len(), traced.depth as usize);
            let last = steps.last().expect("a step");
            assert_eq!((last.q_halt, last.q_continue), (traced.q_halt, traced.q_continue));
            assert_eq!(last.top[0].token, traced.token, "greedy: the likeliest at the last depth");
            for (i, step) in steps.iter().enumerate() {
                assert_eq!(step.step as usize, i + 1);
                assert_eq!(
                    step.margin > 0.0,
                    step.step == traced.depth && traced.halted_by.to_string() == "test"
                );
                let levels: Vec<Level> = step.cycles.iter().map(|cycle| cycle.level).collect();
                assert_eq!(levels, [Level::L, Level::L, Level::H, Level::L, Level::L, Level::H]);
                assert!(
                    step.cycles.iter().all(|cycle| cycle.moved.iter().all(|m| m.is_finite() && *m > 0.0))
                );
                assert_eq!(step.z_h.len(), 2);
                let mass: f32 = step.top.iter().map(|top| top.probability).sum();
                assert!(mass > 0.0 && mass <= 1.0 + 1e-6);
            }
        }
        // The movements are those of z_H itself: from one cycle to the next as the path shows it.
        let last = traced.last().expect("a token").trace.as_ref().expect("a trace");
        let path: Vec<&Vec<f32>> = last.iter().flat_map(|step| &step.z_h).collect();
        let moved: Vec<f32> = last
            .iter()
            .flat_map(|step| step.cycles.iter().filter(|cycle| cycle.level == Level::H))
            .map(|cycle| *cycle.moved.last().expect("a position"))
            .collect();
        for (pair, moved) in path.windows(2).zip(&moved[1..]) {
            let squares: f32 = pair[0].iter().zip(pair[1]).map(|(a, b)| (a - b).powi(2)).sum();
            let expected = (squares / pair[0].len() as f32).sqrt();
            assert!((moved - expected).abs() <= 1e-4 * expected.max(1e-3), "{moved} {expected}");
        }
    }
}

/// A failed read leaves a session that can be used.
#[test]
fn what_is_refused_changes_nothing() {
    let model = load(&Switches::ALL[0].model(4), &DEVICES[1]);
    let mut session = Session::new(&model, 1, 8).expect("a session");
    let mut read = |tokens: &[u32], depth: DepthControl| {
        let read = Read { sequence: 0, tokens, depth, sampling: Sampling::default(), place: 0 };
        block_on(session.read(&[read])).map(|readings| readings[0]).map_err(|error| error.code())
    };
    let good = read(&[1, 2, 3], DepthControl::default());
    assert!(good.is_ok());
    let depth = |depth| DepthControl { forced: Some(depth), ..DepthControl::default() };
    assert_eq!(read(&[], DepthControl::default()), Err("empty-prompt"));
    assert_eq!(read(&[1, 40], DepthControl::default()), Err("token-out-of-range"));
    assert_eq!(read(&[1; 9], DepthControl::default()), Err("context-full"));
    assert_eq!(read(&[1], depth(0)), Err("depth-zero"));
    assert_eq!(read(&[1], depth(7)), Err("depth-too-large"));
    let inverted = DepthControl { floor: Some(3), cap: Some(2), ..DepthControl::default() };
    assert_eq!(read(&[1], inverted), Err("depth-floor-above-cap"));
    assert_eq!(read(&[1, 2, 3], DepthControl::default()), good);

    // What is not there is not looked at.
    let code =
        |found: Result<_, fathom_engine::Error>| found.map(|_: Vec<Vec<f32>>| ()).map_err(|e| e.code());
    let depth = good.expect("a reading").depth;
    for (sequence, depth, positions) in [(1, depth, 0..1), (0, depth, 0..4), (0, 0, 0..1), (0, 7, 0..1)] {
        assert_eq!(code(block_on(session.logits(sequence, depth, positions))), Err("not-there"));
    }
    assert!(block_on(session.halting_values(0, depth + 1)).is_err() || depth == 6);
    let twice = Read {
        sequence: 0,
        tokens: &[1],
        depth: DepthControl::default(),
        sampling: Sampling::default(),
        place: 0,
    };
    assert!(block_on(session.read(&[twice.clone(), twice])).is_err());
    let empty = block_on(fathom_engine::prefixes(&model, &[], &DepthControl::default()));
    assert_eq!(empty.map_err(|e| e.code()), Err("empty-prompt"));
}

/// What the device has no room for is refused by name, before anything is computed.
#[test]
fn too_little_memory_is_an_error() {
    let model = load(&Switches::ALL[0].model(4), &DEVICES[0]);
    let refused = Session::new(&model, 1 << 25, 48).expect_err("32 million sequences do not fit");
    assert_eq!(refused.code(), "gpu-memory");
    let words = refused.to_string();
    assert!(words.contains("bytes are needed") && words.contains(", at most"), "{words}");
}

/// Weights with a number that is none are reported, not answered with.
#[test]
fn logits_that_are_not_finite_are_an_error() {
    for request in &DEVICES {
        let config = Switches::ALL[0].config();
        let mut bytes = random_weights(&config, 4);
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        // The last tensors of the file are matrices of blocks; one infinite weight is enough.
        let n = bytes.len();
        assert!(n > header + 4);
        bytes[n - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let model = load(&model_of(&config, bytes), request);
        let found = block_on(fathom_engine::prefixes(&model, &[1, 2, 3], &DepthControl::default()));
        let mut session = Session::new(&model, 1, 4).expect("a session");
        let depth = DepthControl::default();
        let read = Read { sequence: 0, tokens: &[1, 2, 3], depth, sampling: Sampling::default(), place: 0 };
        let reading = block_on(session.read(&[read]));
        assert_eq!(found.map_err(|e| e.code()), Err("non-finite-logits"), "{request:?}");
        assert_eq!(reading.map_err(|e| e.code()), Err("non-finite-logits"), "{request:?}");
    }
}
