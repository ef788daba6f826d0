//! Memory that runs out, devices that are lost, and long use. The long runs are ignored by default:
//! `cargo test --release -p fathom-tests --test trouble -- --ignored --nocapture --test-threads 1`

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::sync::Arc;

use fathom_engine::{Batch, DepthControl, Error, GenerateOptions, Generator, Model, Overflow, Sampling};
use fathom_tests::{DEVICES, Switches, load, load_on, open, random_model};
use pollster::block_on;

const PROMPT: [u32; 5] = [7, 1, 30, 12, 5];

fn options(n_tokens: usize, overflow: Overflow) -> GenerateOptions {
    GenerateOptions {
        n_tokens,
        sampling: Sampling::default(),
        depth: DepthControl::default(),
        overflow,
        stop: vec![],
        ignore_eos: true,
        trace: false,
    }
}

fn deep() -> String {
    Switches::ALL[2].config()
}

/// Depths that go up and down, so that planes are made while the answer is.
fn control(place: usize) -> DepthControl {
    DepthControl { forced: Some([1, 3, 2, 9, 16][place.min(4)]), ..DepthControl::default() }
}

/// Six tokens, each thought about deeper than the one before. Memory that runs out is told, then there is enough.
fn answer(model: &Arc<Model>, told: &mut Vec<Error>) -> Vec<u32> {
    let mut context = PROMPT.to_vec();
    let mut generator = None;
    for place in 0..6 {
        let one = GenerateOptions { depth: control(place), ..options(1, Overflow::Stop) };
        let mut make = || -> Result<u32, Error> {
            if generator.is_none() {
                generator = Some(Generator::new(model, &context, one.clone())?);
            }
            let Some(generator) = &mut generator else { unreachable!() };
            generator.ask(&context, one.clone())?;
            Ok(block_on(generator.next(None))?.expect("a token").token)
        };
        let token = make().unwrap_or_else(|error| {
            told.push(error);
            model.device().limit_memory(u64::MAX);
            make().expect("there is memory now")
        });
        context.push(token);
    }
    context
}

#[test]
fn memory_that_runs_out_is_named_and_costs_no_token() {
    for request in &DEVICES {
        let model = load(&random_model(&deep(), 3), request);
        let empty = model.device().counts().held_bytes;
        let right = answer(&model, &mut vec![]);
        assert_eq!(model.device().counts().held_bytes, empty, "a generator frees all that it held");

        let mut n_told = 0;
        for limit in (0..60).map(|i| empty + i * 16 * 1024) {
            model.device().limit_memory(limit);
            let mut told = vec![];
            assert_eq!(answer(&model, &mut told), right, "{request:?}, room for {limit} bytes");
            for error in &told {
                let Error::GpuMemory { needed_bytes, held_bytes, limit_bytes, .. } = error else {
                    panic!("{error}")
                };
                assert_eq!(*limit_bytes, Some(limit));
                assert!(held_bytes + needed_bytes > limit, "{error}");
                assert!(error.to_string().contains(&format!("{needed_bytes} bytes are needed")), "{error}");
            }
            n_told += told.len();
            model.device().limit_memory(u64::MAX);
        }
        assert!(n_told > 10, "{request:?}: memory ran out {n_told} times");

        // A model that does not fit is named, and nothing of it stays.
        let device = Arc::new(open(request));
        device.limit_memory(empty / 2);
        let loaded = block_on(Model::load(&random_model(&deep(), 3), Arc::clone(&device), &mut |_| ()));
        assert!(matches!(loaded, Err(Error::GpuMemory { .. })));
        assert_eq!(device.counts().held_bytes, 0);
    }
}

#[test]
fn a_batch_goes_on_when_there_is_memory_again() {
    for request in &DEVICES {
        let model = load(&random_model(&deep(), 3), request);
        let ask = || {
            let prompts = [vec![1, 2, 3], vec![9], PROMPT.to_vec()];
            Batch::new(&model, prompts.map(|prompt| (prompt, options(8, Overflow::Stop))).into())
        };
        let finish = |mut batch: Batch, mut made: Vec<u32>| {
            loop {
                let events = block_on(batch.next()).expect("tokens");
                if events.is_empty() {
                    return made;
                }
                made.extend(events.into_iter().map(|(_, event)| event.expect("a token").token));
            }
        };
        let right = finish(ask().unwrap(), vec![]);
        model.device().limit_memory(0);
        assert!(matches!(ask(), Err(Error::GpuMemory { .. })));
        model.device().limit_memory(u64::MAX);
        let batch = ask().unwrap();
        assert_eq!(finish(batch, vec![]), right);
    }
}

#[test]
fn models_that_are_dropped_leave_nothing() {
    for request in &DEVICES {
        let (device, files) = (Arc::new(open(request)), random_model(&deep(), 5));
        for _ in 0..20 {
            let model = load_on(&files, Arc::clone(&device));
            answer(&model, &mut vec![]);
            drop(model);
            assert_eq!(device.counts().held_bytes, 0);
        }
    }
}

/// Resident memory of this process, in kB.
fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

#[test]
#[ignore = "long: 10,000 tokens on each device"]
fn soak_tokens() {
    for request in &DEVICES {
        let model = load(&random_model(&deep(), 7), request);
        let mut generator = Generator::new(&model, &PROMPT, options(10_000, Overflow::Slide)).unwrap();
        let mut seen = vec![];
        for n in 1..=10_000 {
            block_on(generator.next(None)).unwrap().expect("a token");
            if n % 1000 == 0 {
                seen.push((resident_kb(), model.device().counts().held_bytes));
            }
        }
        println!("{}: (resident kB, bytes on the device) per 1000 tokens: {seen:?}", model.device().name());
        does_not_grow(&seen);
    }
}

#[test]
#[ignore = "long: 1,000 loads on each device, each on a device of its own"]
fn soak_loads() {
    let files = random_model(&deep(), 7);
    for request in &DEVICES {
        let mut seen = vec![];
        for n in 1..=1000 {
            let model = load(&files, request);
            let mut generator = Generator::new(&model, &PROMPT, options(3, Overflow::Stop)).unwrap();
            while block_on(generator.next(None)).unwrap().is_some() {}
            let device = Arc::clone(model.device());
            drop((generator, model));
            assert_eq!(device.counts().held_bytes, 0);
            if n % 100 == 0 {
                seen.push((resident_kb(), 0));
            }
        }
        println!("{request:?}: resident kB per 100 loads: {seen:?}");
        does_not_grow(&seen);
    }
}

/// After the first fifth, at most 3 % and 4 MB more, and not a byte more on the device.
fn does_not_grow(seen: &[(u64, u64)]) {
    let (warm, last) = (seen[1], seen[seen.len() - 1]);
    assert!(last.0 <= warm.0 + (warm.0 * 3 / 100).max(4096), "{seen:?}");
    assert_eq!(warm.1, last.1, "{seen:?}");
}
