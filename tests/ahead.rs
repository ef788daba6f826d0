//! Several tokens in one submission are, to the bit, those that come one at a time.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use fathom_engine::{
    Batch, DepthControl, DeviceRequest, Done, GenerateOptions, Generator, KvType, MOST_TOKENS, Model,
    ModelFiles, Overflow, Read, ReadAhead, Reading, Sampling, Session,
};
use fathom_tests::{DEVICES, Random, Switches, load_on, model_of, open, random_weights};
use pollster::block_on;
use proptest::prelude::{ProptestConfig, proptest};
use safetensors::SafeTensors;

const WINDOW: usize = 48;

/// On a device whose fresh memory is no number.
fn model(request: &DeviceRequest, switches: usize, seed: u64) -> Arc<Model> {
    let device = open(request);
    device.poison_new_buffers();
    load_on(&Switches::ALL[switches].model(seed), device)
}

/// What one sequence is asked for.
struct Asked {
    context: Vec<u32>,
    depth: DepthControl,
    sampling: Sampling,
    place: u32,
    ahead: ReadAhead,
    /// q_halt - q_continue of the last token.
    margin: f32,
}

impl Asked {
    fn any(random: &mut Random, max_steps: usize, n: usize) -> Asked {
        let context = (0..n).map(|_| random.below(40) as u32).collect();
        let mut asked = Asked {
            context,
            depth: DepthControl::default(),
            sampling: Sampling::default(),
            place: 0,
            ahead: ReadAhead { n_tokens: 1, end: None },
            margin: 0.0,
        };
        asked.change(random, max_steps);
        asked
    }

    /// Another control, other samplers, another number of tokens; the context stays.
    fn change(&mut self, random: &mut Random, max_steps: usize) {
        let some = |random: &mut Random| Some(1 + random.below(max_steps) as u32);
        self.depth = match random.below(6) {
            0 => DepthControl { forced: some(random), ..DepthControl::default() },
            1 => DepthControl { cap: some(random), ..DepthControl::default() },
            2 => DepthControl { floor: some(random), halt_bias: Some(3.0), ..DepthControl::default() },
            // Near the threshold, so that some tokens halt soon and some late.
            _ => {
                DepthControl { halt_bias: Some(0.3 * random.unit() - self.margin), ..DepthControl::default() }
            }
        };
        let seed = random.below(1000) as u64;
        self.sampling = match random.below(3) {
            0 => Sampling::default(),
            1 => Sampling { repeat_penalty: 1.3, ..Sampling::default() },
            _ => Sampling { temperature: 1.5, repeat_penalty: 1.2, top_p: 0.95, seed, ..Sampling::default() },
        };
        self.ahead = ReadAhead {
            n_tokens: 1 + random.below(MOST_TOKENS + 2),
            end: (random.below(3) == 0).then(|| random.below(40) as u32),
        };
    }

    fn read(&self, sequence: usize) -> Read<'_> {
        let Asked { context, depth, sampling, place, .. } = self;
        Read { sequence, tokens: context, depth: *depth, sampling: *sampling, place: *place }
    }

    /// One token.
    fn accept(&mut self, reading: &Reading) {
        self.context.push(reading.token);
        self.place += 1;
        self.margin = reading.q[0] - reading.q[1];
    }
}

/// Sequences under changing controls, read ahead together; each token is the one that a session without any
/// looking ahead comes to.
fn any_run(request: &DeviceRequest, switches: usize, seed: u64, history: u64) {
    let model = model(request, switches, seed);
    let mut random = Random(history);
    let max_steps = model.config().hrm_max_steps;
    let n_sequences = 1 + random.below(4);
    let mut session = Session::new(&model, n_sequences, WINDOW).expect("a session");
    let mut alone = Session::new(&model, n_sequences, WINDOW).expect("a session");
    let mut all: Vec<Asked> = (0..n_sequences)
        .map(|_| {
            let n = 1 + random.below(20);
            Asked::any(&mut random, max_steps, n)
        })
        .collect();
    let mut are_dropped = false;
    for _ in 0..8 {
        let mut chosen: Vec<usize> = (0..n_sequences).filter(|&i| all[i].context.len() <= WINDOW).collect();
        if random.below(2) == 0 {
            chosen.reverse();
        }
        let reads: Vec<_> = chosen.iter().map(|&i| (all[i].read(i), all[i].ahead)).collect();
        let found = block_on(session.read_ahead(&reads)).expect("readings");
        for (&i, found) in chosen.iter().zip(found) {
            let found = found.expect("readings");
            let asked = &mut all[i];
            assert!((1..=asked.ahead.n_tokens).contains(&found.len()));
            for (nth, reading) in found.iter().enumerate() {
                let expected = block_on(alone.read(&[asked.read(i)])).expect("a reading").remove(0);
                assert_eq!(*reading, expected, "{request:?} {switches} {seed} {history}: {i}, token {nth}");
                asked.accept(reading);
                let is_end = asked.ahead.end == Some(reading.token);
                assert!(!is_end || nth + 1 == found.len(), "nothing follows the end");
            }
            // Sometimes the last ones are not wanted after all.
            if random.below(4) == 0 {
                let n_kept = asked.context.len() - random.below(found.len());
                asked.place -= (asked.context.len() - n_kept) as u32;
                asked.context.truncate(n_kept);
                are_dropped = true;
            }
            if random.below(2) == 0 {
                asked.change(&mut random, max_steps);
            }
        }
        if !are_dropped {
            assert_eq!(session.computed(), alone.computed(), "each (position, depth) once");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_in_a_row_on_the_cpu(switches in 0usize..6, seed in 0u64..4, history: u64) {
        any_run(&DeviceRequest::Cpu, switches, seed, history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_in_a_row_on_the_gpu(switches in 0usize..6, seed in 0u64..4, history: u64) {
        any_run(&DeviceRequest::Gpu, switches, seed, history);
    }
}

/// What a submission of several tokens costs: itself and one readback, and no row more than they need.
#[test]
fn tokens_in_a_row_are_one_submission() {
    for request in &DEVICES {
        let model = model(request, 2, 1);
        let mut session = Session::new(&model, 1, WINDOW).expect("a session");
        let mut context = vec![1, 2, 3, 4, 5];
        let mut read = |context: &mut Vec<u32>, depth: u32, n_tokens: usize| {
            let before = (model.device().counts(), session.computed());
            let depth = DepthControl { forced: Some(depth), ..DepthControl::default() };
            let read = Read { sequence: 0, tokens: context, depth, sampling: Sampling::default(), place: 0 };
            let read = (read, ReadAhead { n_tokens, end: None });
            let readings =
                block_on(session.read_ahead(&[read])).expect("readings").remove(0).expect("readings");
            context.extend(readings.iter().map(|reading| reading.token));
            let (counts, computed) = (model.device().counts(), session.computed());
            (
                readings.len(),
                counts.submissions - before.0.submissions,
                counts.readbacks - before.0.readbacks,
                computed.step_rows - before.1.step_rows,
                computed.output_rows - before.1.output_rows,
            )
        };
        assert_eq!(read(&mut context, 3, 1), (1, 1, 1, 15, 5), "{request:?}: the prompt");
        assert_eq!(read(&mut context, 3, 8), (8, 1, 1, 24, 8), "{request:?}: eight tokens");
        // Deeper, where the planes and the output stage lack a short context: rows that a submission puts up with.
        assert_eq!(read(&mut context, 4, 4), (4, 1, 1, 12 + 17, 17), "{request:?}: deeper");
        // Shallower; the output stage lacks four tokens there, and five after the first.
        assert_eq!(read(&mut context, 3, 16), (16, 1, 1, 48, 4 + 16), "{request:?}: as many as possible");
        // The last token that the capacity allows is read; the next one has no place.
        assert_eq!(context.len(), 34);
        assert_eq!(read(&mut context, 3, 16), (15, 1, 1, 45, 15), "{request:?}: until the capacity is full");
    }
}

/// A position whose embedding is no number: the tokens before it come, and the next read tells.
#[test]
fn a_failure_does_not_take_what_came_before_it() {
    const BROKEN: usize = 12;
    let config = Switches::ALL[1].config();
    let mut weights = random_weights(&config, 5);
    let at = {
        let tensors = SafeTensors::deserialize(&weights).expect("weights");
        let wpe = tensors.tensor("wpe.weight").expect("learned positions").data().as_ptr() as usize;
        wpe - weights.as_ptr() as usize + BROKEN * 24 * 4
    };
    weights[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    for (request, kv_type) in DEVICES.iter().flat_map(|r| [(r, KvType::F32), (r, KvType::F16)]) {
        let files = ModelFiles { kv_type, ..model_of(&config, weights.clone()) };
        let model = load_on(&files, open(request));
        let mut session = Session::new(&model, 2, WINDOW).expect("a session");
        let mut contexts = [(0..BROKEN as u32 - 3).collect(), vec![1, 2]];
        let mut read = |contexts: &mut [Vec<u32>; 2]| {
            let (depth, sampling, ahead) =
                (DepthControl::default(), Sampling::default(), ReadAhead { n_tokens: 9, end: None });
            let read = |sequence: usize| {
                (Read { sequence, tokens: &contexts[sequence], depth, sampling, place: 0 }, ahead)
            };
            let found = block_on(session.read_ahead(&[read(0), read(1)])).expect("the device does not fail");
            for (context, found) in contexts.iter_mut().zip(&found) {
                context.extend(found.iter().flatten().map(|reading| reading.token));
            }
            found.into_iter().map(|found| found.map_err(|error| error.code())).collect::<Vec<_>>()
        };
        while contexts[0].len() <= BROKEN {
            assert!(read(&mut contexts).iter().all(Result::is_ok), "{request:?}");
        }
        assert_eq!(contexts[0].len(), BROKEN + 1, "{request:?}");
        let found = read(&mut contexts);
        assert_eq!(found[0], Err("non-finite-logits"), "{request:?}");
        assert!(found[1].is_ok(), "{request:?}: it is nobody else's");
        // Nor does the cache hide it from those that come later: a half that is no number stays none.
        contexts[0] = (0..BROKEN as u32 + 4).collect();
        assert_eq!(read(&mut contexts)[0], Err("non-finite-logits"), "{request:?}, {kv_type:?}");
    }
}

type Answer = (Vec<(u32, String, u32)>, Option<Done>, String);

/// An answer, of one token a submission or of as many as come.
fn answer(generator: &mut Generator) -> Answer {
    let mut events = vec![];
    while let Some(event) = block_on(generator.next(None)).expect("a token") {
        events.push((event.token, event.text, event.depth));
    }
    (events, generator.done(), generator.rest())
}

fn options(n_tokens: usize, overflow: Overflow, stop: &[&str]) -> GenerateOptions {
    GenerateOptions {
        n_tokens,
        sampling: Sampling { temperature: 0.3, seed: 5, ..Sampling::default() },
        depth: DepthControl::default(),
        overflow,
        stop: stop.iter().map(|&stop| stop.to_owned()).collect(),
        ignore_eos: false,
        trace: false,
    }
}

/// Ends, stop texts, full windows and further questions are those of an answer that comes token by token.
#[test]
fn answers_end_and_go_on_as_token_by_token() {
    let beads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/beads");
    let files = ModelFiles::read_folder(&beads).expect("the built-in model");
    for request in &DEVICES {
        let model = load_on(&files, open(request));
        let prompt = model.tokenizer().expect("a tokenizer").encode("3*4+5*6-7+1*2-9=").expect("tokens");
        let ask = |generator: &mut Generator| {
            [
                answer(generator),
                // The same beginning, a longer answer, and one that ends at a text.
                {
                    generator.ask(&prompt[..7], options(12, Overflow::Stop, &["9"])).expect("a question");
                    answer(generator)
                },
                {
                    let options = GenerateOptions { ignore_eos: true, ..options(150, Overflow::Slide, &[]) };
                    generator.ask(&prompt, options).expect("a question");
                    answer(generator)
                },
                {
                    let options = GenerateOptions { ignore_eos: true, ..options(150, Overflow::Stop, &[]) };
                    generator.ask(&prompt, options).expect("a question");
                    answer(generator)
                },
            ]
        };
        let new =
            || Generator::new(&model, &prompt, options(20, Overflow::Recompute, &[])).expect("a generator");
        let mut one_by_one = new();
        one_by_one.limit_tokens_at_once(1);
        let expected = ask(&mut one_by_one);
        // The processor would make one at a time, too; how many the software GPU makes depends on the time.
        let mut many = new();
        many.limit_tokens_at_once(MOST_TOKENS);
        let before = model.device().counts().readbacks;
        assert_eq!(ask(&mut many), expected, "{request:?}");
        let (n_readbacks, n_tokens) = (
            model.device().counts().readbacks - before,
            expected.iter().map(|(events, ..)| events.len() as u64).sum::<u64>(),
        );
        assert!(n_readbacks < n_tokens, "{request:?}: {n_readbacks} for {n_tokens} tokens");
        assert_eq!(expected[0].1, Some(Done::End));
        let mut batch = Batch::new(&model, vec![(prompt.clone(), options(20, Overflow::Recompute, &[]))])
            .expect("a batch");
        let mut together = vec![];
        while let Some((_, event)) = block_on(batch.next()).expect("tokens").pop() {
            let event = event.expect("a token");
            together.push((event.token, event.text, event.depth));
        }
        assert_eq!(together, expected[0].0, "{request:?}");
    }
}
