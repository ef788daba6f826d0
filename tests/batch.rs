//! Answers in a batch are, to the bit, those that come alone, whoever comes, goes or fails beside them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::Arc;

use fathom_engine::{
    Batch, DepthControl, DeviceRequest, Done, Error, GenerateOptions, Generator, Model, Overflow, Sampling,
    TokenEvent,
};
use fathom_tests::{DEVICES, Random, Switches, load, model_of, random_model, random_weights};
use pollster::block_on;
use safetensors::SafeTensors;

type Essence = (u32, u32, u32, u32);

fn model(request: &DeviceRequest, switches: usize, seed: u64) -> Arc<Model> {
    load(&Switches::ALL[switches].model(seed), request)
}

fn tokens(random: &mut Random, n: usize) -> Vec<u32> {
    (0..n).map(|_| random.below(40) as u32).collect()
}

fn options(n_tokens: usize, overflow: Overflow, seed: u64) -> GenerateOptions {
    let sampling = Sampling { temperature: 0.9, top_k: 12, repeat_penalty: 1.1, seed, ..Sampling::default() };
    GenerateOptions {
        n_tokens,
        sampling,
        depth: DepthControl::default(),
        overflow,
        stop: vec![],
        ignore_eos: true,
        trace: false,
    }
}

fn essence(event: &TokenEvent) -> Essence {
    (event.token, event.depth, event.q_halt.to_bits(), event.q_continue.to_bits())
}

/// All of an answer, made alone.
fn alone(model: &Arc<Model>, prompt: &[u32], options: &GenerateOptions) -> Vec<Essence> {
    let mut generator = Generator::new(model, prompt, options.clone()).expect("a generator");
    std::iter::from_fn(|| block_on(generator.next(None)).expect("a token"))
        .map(|event| essence(&event))
        .collect()
}

/// Sampled answers, past the window in each way, and ones that end before others.
#[test]
fn answers_in_a_batch_are_those_that_come_alone() {
    for request in &DEVICES {
        let model = model(request, 0, 2);
        let mut random = Random(5);
        let prompts: Vec<(Vec<u32>, GenerateOptions)> = [
            (40, 14, Overflow::Recompute),
            (3, 9, Overflow::Stop),
            (44, 20, Overflow::Slide),
            (47, 20, Overflow::Stop),
        ]
        .into_iter()
        .map(|(n, n_tokens, overflow)| (tokens(&mut random, n), options(n_tokens, overflow, n as u64)))
        .collect();
        let alone: Vec<Vec<_>> = prompts
            .iter()
            .map(|(prompt, options)| {
                let mut generator = Generator::new(&model, prompt, options.clone()).expect("a generator");
                std::iter::from_fn(|| block_on(generator.next(None)).expect("a token"))
                    .map(|event| essence(&event))
                    .collect()
            })
            .collect();
        assert_eq!(alone.iter().map(Vec::len).collect::<Vec<_>>(), [14, 9, 20, 2], "{request:?}");
        let mut batch = Batch::new(&model, prompts).expect("a batch");
        let mut together: Vec<Vec<_>> = vec![vec![]; 4];
        loop {
            let events = block_on(batch.next()).expect("tokens");
            if events.is_empty() {
                break;
            }
            for (slot, event) in events {
                together[slot].push(essence(&event.expect("a token")));
            }
        }
        assert_eq!(together, alone, "{request:?}");
    }
}

/// Answers join and leave at random moments, some before they end; slots are used again, caches taken over, and
/// once the device is lost.
#[test]
fn who_comes_and_goes_changes_nothing() {
    for (request, switches) in [(DeviceRequest::Cpu, 2), (DeviceRequest::Gpu, 0)] {
        let mut model = model(&request, switches, 3);
        let mut random = Random(17 + switches as u64);
        let mut batch = Batch::with_slots(&model, 3, 48).expect("slots");
        let mut running: HashMap<usize, (Vec<u32>, GenerateOptions, Vec<Essence>)> = HashMap::new();
        let base = tokens(&mut random, 20);
        let (mut n_ended, mut n_left, mut n_refused) = (0, 0, 0);
        for round in 0..60 {
            if random.below(3) == 0 {
                // Many begin alike, as the turns of a conversation do.
                let n_shared = random.below(20);
                let n_own = 1 + random.below(25);
                let prompt = [&base[..n_shared], &tokens(&mut random, n_own)].concat();
                let overflow = [Overflow::Stop, Overflow::Recompute, Overflow::Slide][round % 3];
                let options = options(1 + random.below(12), overflow, round as u64);
                match batch.join(&prompt, options.clone()).expect("a prompt") {
                    Some(slot) => assert!(running.insert(slot, (prompt, options, vec![])).is_none()),
                    None => n_refused += 1,
                }
            }
            if random.below(12) == 0
                && let Some(&slot) = running.keys().min()
            {
                let (prompt, options, made) = running.remove(&slot).expect("it runs");
                batch.leave(slot);
                assert_eq!(made, alone(&model, &prompt, &options)[..made.len()], "{request:?}");
                n_left += 1;
            }
            if round == 30 {
                model.device().lose();
                if request == DeviceRequest::Gpu {
                    let lost = block_on(batch.next());
                    assert!(matches!(lost, Err(Error::DeviceLost(_))), "{lost:?}");
                    // What is begun on it is told the same when it is run.
                    let mut begun = Batch::with_slots(&model, 1, 48).expect("slots");
                    begun.join(&[1, 2], options(1, Overflow::Stop, 1)).expect("a prompt");
                    let lost = block_on(begun.next());
                    assert!(matches!(lost, Err(Error::DeviceLost(_))), "{lost:?}");
                }
                model = self::model(&request, switches, 3);
                batch.move_to(&model).expect("room");
            }
            for (slot, event) in block_on(batch.next()).expect("tokens") {
                running.get_mut(&slot).expect("it runs").2.push(essence(&event.expect("a token")));
                if batch.done(slot).is_some() {
                    let (prompt, options, made) = running.remove(&slot).expect("it runs");
                    batch.leave(slot);
                    assert_eq!(made, alone(&model, &prompt, &options), "{request:?}");
                    n_ended += 1;
                }
            }
            assert_eq!(batch.n_taken(), running.len());
        }
        assert!(n_ended > 8 && n_left > 0 && n_refused > 0, "{n_ended} {n_left} {n_refused}");
    }
}

/// What is cached of a conversation is not computed again for its next turn.
#[test]
fn a_slot_is_chosen_by_what_it_has() {
    let model = model(&DeviceRequest::Cpu, 0, 3);
    let mut batch = Batch::with_slots(&model, 3, 48).expect("slots");
    let all = |batch: &mut Batch, prompt: &[u32]| {
        let slot = batch.join(prompt, options(4, Overflow::Stop, 1)).expect("a prompt").expect("a slot");
        while !block_on(batch.next()).expect("tokens").is_empty() {}
        assert_eq!(batch.done(slot), Some(Done::Length));
        batch.leave(slot);
        slot
    };
    let (one, other) = (tokens(&mut Random(1), 20), tokens(&mut Random(2), 20));
    let slots = [all(&mut batch, &one), all(&mut batch, &other)];
    assert_ne!(slots[0], slots[1], "an empty slot loses nothing");
    let rows = batch.session().computed().input_rows;
    let next: Vec<u32> = one.iter().copied().chain([3, 9]).collect();
    assert_eq!(all(&mut batch, &next), slots[0]);
    let computed = batch.session().computed().input_rows - rows;
    assert!(computed <= 2 + 4, "{computed} rows");
    assert!(batch.join(&[1; 49], options(1, Overflow::Stop, 1)).is_err());
    assert!(batch.join(&[40], options(1, Overflow::Stop, 1)).is_err());
    assert_eq!(batch.n_taken(), 0);
}

/// One sequence comes to a position whose embedding is no number; its neighbours never notice.
#[test]
fn a_failure_is_nobody_elses() {
    let config = Switches::ALL[1].config();
    let mut weights = random_weights(&config, 5);
    let at = {
        let tensors = SafeTensors::deserialize(&weights).expect("weights");
        let wpe = tensors.tensor("wpe.weight").expect("learned positions").data().as_ptr() as usize;
        wpe - weights.as_ptr() as usize + 12 * 24 * 4
    };
    weights[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let (broken, whole) = (model_of(&config, weights), random_model(&config, 5));
    for request in &DEVICES {
        let (broken, whole) = (load(&broken, request), load(&whole, request));
        let mut batch = Batch::with_slots(&broken, 2, 48).expect("slots");
        let (short, long) = (vec![1, 2, 3], tokens(&mut Random(4), 9));
        let slot = batch.join(&short, options(9, Overflow::Stop, 1)).expect("a prompt").expect("a slot");
        let bad = batch.join(&long, options(9, Overflow::Stop, 1)).expect("a prompt").expect("a slot");
        let (mut made, mut failed) = (vec![], 0);
        loop {
            let events = block_on(batch.next()).expect("the device does not fail");
            if events.is_empty() {
                break;
            }
            for (at, event) in events {
                match event {
                    Ok(event) if at == slot => made.push(essence(&event)),
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!((at, error.code()), (bad, "non-finite-logits"), "{request:?}");
                        failed += 1;
                    }
                }
            }
        }
        assert_eq!(failed, 1, "{request:?}");
        assert_eq!(made, alone(&whole, &short, &options(9, Overflow::Stop, 1)), "{request:?}");
        // Its slot is free, and good for another.
        batch.leave(slot);
        assert_eq!(batch.n_taken(), 0);
        let again = batch.join(&[5, 6], options(3, Overflow::Stop, 1)).expect("a prompt");
        assert!(again.is_some());
        assert!(block_on(batch.next()).expect("tokens").iter().all(|(_, event)| event.is_ok()));
    }
}

/// Conversations that open alike do not drive each other out.
#[test]
fn a_conversation_finds_the_slot_that_knows_it() {
    let model = model(&DeviceRequest::Cpu, 0, 2);
    let mut batch = Batch::with_slots(&model, 3, 48).expect("slots");
    let finish = |batch: &mut Batch, talk: &mut Vec<u32>, n_tokens: usize, n_cached: usize| {
        let options = options(n_tokens, Overflow::Stop, 1);
        let slot = batch.join(talk, options).expect("a prompt").expect("a slot");
        assert_eq!(batch.n_cached(slot), n_cached);
        while batch.done(slot).is_none() {
            let events = block_on(batch.next()).expect("tokens");
            talk.extend(events.into_iter().map(|(_, event)| event.expect("a token").token));
        }
        batch.leave(slot);
        slot
    };
    let turns = |first: u32| -> Vec<u32> { [vec![9; 4], (first..first + 16).collect()].concat() };
    let mut talks = [turns(1), turns(20)];
    let homes = talks.each_mut().map(|talk| finish(&mut batch, talk, 3, 0));
    assert_ne!(homes[0], homes[1]);
    for round in 0..2 {
        for (talk, &home) in talks.iter_mut().zip(&homes) {
            // Only the last token of an answer was not read yet.
            let n_read = talk.len() - 1;
            talk.extend([30 + round, 31]);
            let rows = batch.session().computed().input_rows;
            assert_eq!(finish(&mut batch, talk, 2, n_read), home);
            // It, the new ones, and all but the last of the answer.
            assert_eq!(batch.session().computed().input_rows - rows, 1 + 2 + 1);
        }
    }
    // A stranger takes the slot that nobody has used.
    let stranger = finish(&mut batch, &mut vec![5, 6], 1, 0);
    assert!(!homes.contains(&stranger));
}
