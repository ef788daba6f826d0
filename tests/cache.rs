//! Cached equals uncached, and a batch equals its parts: the same depths, the same tokens, the same bits.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, OnceLock};

use fathom_engine::{
    DepthControl, DeviceRequest, Model, Positions, Prefix, Read, Reading, Sampling, Session, forward,
    prefixes,
};
use fathom_tests::{DEVICES, Random, Switches, load, random_model};
use pollster::block_on;
use proptest::prelude::*;

/// A model for each device, switches and seed, loaded once.
fn model(request: &DeviceRequest, switches: usize, seed: u64) -> Arc<Model> {
    static MODELS: [[[OnceLock<Arc<Model>>; 3]; 6]; 2] =
        [const { [const { [const { OnceLock::new() }; 3] }; 6] }; 2];
    let device = usize::from(*request == DeviceRequest::Cpu);
    let cell = &MODELS[device][switches][seed as usize];
    Arc::clone(cell.get_or_init(|| load(&Switches::ALL[switches].model(seed), request)))
}

/// Some control that a model of so many steps can obey.
fn depth_control(random: &mut Random, max_steps: usize) -> DepthControl {
    let depth = |random: &mut Random| Some(1 + random.below(max_steps) as u32);
    match random.below(6) {
        0 => DepthControl::default(),
        1 => DepthControl { forced: depth(random), ..DepthControl::default() },
        2 => DepthControl { cap: depth(random), ..DepthControl::default() },
        3 => DepthControl { floor: depth(random), halt_bias: Some(3.0), ..DepthControl::default() },
        _ => DepthControl { halt_bias: Some(2.0 * random.unit()), ..DepthControl::default() },
    }
}

fn tokens(random: &mut Random, n: usize) -> Vec<u32> {
    (0..n).map(|_| random.below(40) as u32).collect()
}

fn read<'a>(sequence: usize, tokens: &'a [u32], depth: &DepthControl) -> Read<'a> {
    Read { sequence, tokens, depth: *depth, sampling: Sampling::default(), place: 0 }
}

fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
}

/// A context as a new session reads it: the reading, the last logits, the halting values of all steps.
fn alone(
    model: &Arc<Model>,
    tokens: &[u32],
    depth: &DepthControl,
) -> (Reading, Vec<Vec<u32>>, Vec<[u32; 2]>) {
    let mut session = Session::new(model, 1, tokens.len()).expect("a session");
    seen(&mut session, 0, tokens, depth)
}

fn seen(
    session: &mut Session,
    sequence: usize,
    tokens: &[u32],
    depth: &DepthControl,
) -> (Reading, Vec<Vec<u32>>, Vec<[u32; 2]>) {
    let reading = block_on(session.read(&[read(sequence, tokens, depth)])).expect("a reading").remove(0);
    let last = tokens.len() - 1;
    let logits = block_on(session.logits(sequence, reading.depth, last..last + 1)).expect("logits");
    let q = block_on(session.halting_values(sequence, reading.depth)).expect("halting values");
    (reading, bits(&logits), q.iter().map(|q| q.map(f32::to_bits)).collect())
}

/// A context grows in random pieces, is cut back, goes on differently, under changing controls: at each point it
/// is what a new session makes of it.
fn any_history(request: &DeviceRequest, switches: usize, seed: u64, history: u64) {
    let model = model(request, switches, seed);
    let mut random = Random(history);
    let max_steps = model.config().hrm_max_steps;
    let mut session = Session::new(&model, 1, 48).expect("a session");
    let mut context = vec![];
    for _ in 0..6 {
        if random.below(4) == 0 {
            context.truncate(random.below(context.len() + 1));
        }
        let more = 1 + if random.below(3) == 0 { random.below(12) } else { 0 };
        let more = tokens(&mut random, more);
        context.extend(more);
        context.truncate(48);
        let depth = depth_control(&mut random, max_steps);
        let cached = seen(&mut session, 0, &context, &depth);
        let uncached = alone(&model, &context, &depth);
        assert_eq!(
            cached,
            uncached,
            "{request:?} {switches} {seed} {history}: {} tokens, {depth:?}",
            context.len()
        );
        let found = block_on(forward(&model, &context, &depth, Positions::All)).expect("a forward");
        assert_eq!(found.depth, cached.0.depth);
        assert_eq!(bits(&found.logits[context.len() - 1..]), cached.1);
    }
}

/// Contexts of several lengths and controls at once, two rounds of them.
fn any_batch(request: &DeviceRequest, switches: usize, seed: u64, history: u64) {
    let model = model(request, switches, seed);
    let mut random = Random(history);
    let n_sequences = 2 + random.below(4);
    let mut session = Session::new(&model, n_sequences, 48).expect("a session");
    let mut contexts: Vec<Vec<u32>> = (0..n_sequences).map(|_| vec![]).collect();
    for _ in 0..3 {
        let depths: Vec<_> =
            (0..n_sequences).map(|_| depth_control(&mut random, model.config().hrm_max_steps)).collect();
        // Not always all of them, and not in order.
        let mut chosen: Vec<usize> = (0..n_sequences).filter(|_| random.below(4) > 0).collect();
        if random.below(2) == 0 {
            chosen.reverse();
        }
        for &i in &chosen {
            let n = 1 + random.below(9);
            contexts[i].extend(tokens(&mut random, n));
        }
        let reads: Vec<_> = chosen.iter().map(|&i| read(i, &contexts[i], &depths[i])).collect();
        let readings = block_on(session.read(&reads)).expect("readings");
        for (&i, reading) in chosen.iter().zip(readings) {
            let (alone, logits, q) = alone(&model, &contexts[i], &depths[i]);
            assert_eq!(
                reading, alone,
                "{request:?} {switches} {seed} {history}: sequence {i} of {n_sequences}"
            );
            let last = contexts[i].len() - 1;
            let found = block_on(session.logits(i, reading.depth, last..last + 1)).expect("logits");
            assert_eq!(bits(&found), logits);
            let found = block_on(session.halting_values(i, reading.depth)).expect("halting values");
            assert_eq!(found.iter().map(|q| q.map(f32::to_bits)).collect::<Vec<_>>(), q);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cached_equals_uncached_on_the_cpu(switches in 0usize..6, seed in 0u64..3, history: u64) {
        any_history(&DeviceRequest::Cpu, switches, seed, history);
    }

    #[test]
    fn a_batch_equals_its_parts_on_the_cpu(switches in 0usize..6, seed in 0u64..3, history: u64) {
        any_batch(&DeviceRequest::Cpu, switches, seed, history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cached_equals_uncached_on_the_gpu(switches in 0usize..6, seed in 0u64..3, history: u64) {
        any_history(&DeviceRequest::Gpu, switches, seed, history);
    }

    #[test]
    fn a_batch_equals_its_parts_on_the_gpu(switches in 0usize..6, seed in 0u64..3, history: u64) {
        any_batch(&DeviceRequest::Gpu, switches, seed, history);
    }
}

#[test]
fn every_prefix_at_once_is_each_one_alone() {
    for request in &DEVICES {
        for switches in 0..6 {
            let model = model(request, switches, 1);
            let mut random = Random(switches as u64);
            let context = tokens(&mut random, 21);
            for bias in [-1.0, 0.0, 0.35, 1.0] {
                let depth = DepthControl { halt_bias: Some(bias), ..DepthControl::default() };
                let together = block_on(prefixes(&model, &context, &depth)).expect("prefixes");
                // The same when the context was there in part.
                let mut session = Session::new(&model, 1, 21).expect("a session");
                block_on(session.prefixes(0, &context[..13], &depth, 0)).expect("prefixes");
                let later = block_on(session.prefixes(0, &context, &depth, 13)).expect("prefixes");
                assert_eq!(later, together[13..]);
                for (i, prefix) in together.iter().enumerate() {
                    let (reading, ..) = alone(&model, &context[..=i], &depth);
                    let Reading { depth, halted_by, q, token } = reading;
                    let steps_taken = halted_by.steps_taken(depth);
                    assert_eq!(
                        *prefix,
                        Prefix { depth, halted_by, steps_taken, q, token },
                        "{request:?} {i}"
                    );
                }
            }
        }
    }
}

/// A context longer than one call holds rows, in one go and in pieces; and a trace of it.
#[test]
fn a_context_of_several_pieces() {
    let config = Switches::ALL[0].config().replace("\"block_size\":48", "\"block_size\":1100");
    let model = load(&random_model(&config, 3), &DeviceRequest::Cpu);
    let context = tokens(&mut Random(8), 1100);
    let depth = DepthControl { floor: Some(2), ..DepthControl::default() };
    let at_once = alone(&model, &context, &depth);
    let mut session = Session::new(&model, 1, 1100).expect("a session");
    for n in [1, 700, 701, 1099] {
        seen(&mut session, 0, &context[..n], &depth);
    }
    assert_eq!(seen(&mut session, 0, &context, &depth), at_once);

    let mut session = Session::new(&model, 1, 1100).expect("a session");
    let mut steps = vec![];
    let read = read(0, &context, &depth);
    let traced = block_on(session.read_traced(&read, &mut |step| steps.push(step))).expect("a reading");
    assert_eq!(traced, at_once.0);
    assert_eq!(steps.len(), traced.depth as usize);
    for step in &steps {
        assert!(step.cycles.iter().all(|cycle| cycle.moved.len() == 1100));
        // Every position moves, in whichever piece it lies.
        assert!(step.cycles[0].moved.iter().all(|moved| moved.is_finite() && *moved > 0.0));
    }
    let every = block_on(prefixes(&model, &context, &depth)).expect("prefixes");
    assert_eq!(every.len(), 1100);
    let last = every[1099];
    assert_eq!((last.depth, last.token, last.q), (traced.depth, traced.token, traced.q));
}

/// More rows than one call holds, of many sequences; their last rows lie in several pieces.
#[test]
fn a_batch_of_several_pieces() {
    for request in &DEVICES {
        let model = model(request, 0, 1);
        let mut random = Random(9);
        let contexts: Vec<Vec<u32>> = (0..32)
            .map(|_| {
                let n = 30 + random.below(18);
                tokens(&mut random, n)
            })
            .collect();
        let depths: Vec<DepthControl> = contexts.iter().map(|_| depth_control(&mut random, 6)).collect();
        let reads: Vec<_> = (0..32).map(|i| read(i, &contexts[i], &depths[i])).collect();
        let mut session = Session::new(&model, 32, 48).expect("a session");
        let readings = block_on(session.read(&reads)).expect("readings");
        for i in (0..32).step_by(if *request == DeviceRequest::Gpu { 5 } else { 1 }) {
            assert_eq!(readings[i], alone(&model, &contexts[i], &depths[i]).0, "{request:?}: sequence {i}");
        }
    }
}
