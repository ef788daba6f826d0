//! Blocks of integers are another way of writing numbers: a quantised model computes, to the bit, what the model of
//! its numbers in f32 does; and it is good enough to be used.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;

use fathom_engine::{
    DepthControl, ModelFiles, Positions, Prefixes, WeightFile, WeightType, WeightTypes, Weights,
    expected_tensors, forward,
};
use fathom_tests::{DEVICES, Random, Switches, load, model_of, random_model};
use pollster::block_on;
use safetensors::tensor::{Dtype, TensorView};

/// The numbers that a device will have, as a file of f32.
fn written_out(files: &ModelFiles) -> ModelFiles {
    let config = fathom_engine::Config::from_json(&files.config, "config.json").unwrap();
    let weights = files.open_weights().unwrap();
    let tensors = expected_tensors(&config).into_iter().map(|(name, shape)| {
        let tensor = weights.tensor(&name, &shape).unwrap();
        let found = block_on(tensor.read_as(tensor.stored, 0..tensor.n())).unwrap();
        let numbers = tensor.stored.to_f32(&found.data, &found.scales);
        (name, shape, bytemuck::pod_collect_to_vec::<f32, u8>(&numbers))
    });
    let tensors: Vec<_> = tensors.collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    model_of(&files.config, safetensors::serialize(views, None::<HashMap<String, String>>).unwrap())
}

#[test]
fn a_quantised_model_is_the_model_of_its_numbers() {
    let mut random = Random(5);
    let tokens: Vec<u32> = (0..13).map(|_| random.below(40) as u32).collect();
    let named = |text: &str, stored| vec![(text.to_owned(), stored)];
    let recipes = [
        WeightTypes::all(Some(WeightType::Q8)),
        WeightTypes::all(Some(WeightType::Q4)),
        // A type for each tensor: q, k and v differ, so that they are f32 on the device.
        WeightTypes { matrices: Some(WeightType::Q8), named: named("v_proj", WeightType::Q4) },
        WeightTypes { matrices: Some(WeightType::Q4), named: named("wte", WeightType::F16) },
    ];
    for switches in [Switches::ALL[0], Switches::ALL[3], Switches::ALL[5]] {
        for types in &recipes {
            let plain = random_model(&switches.config(), 9);
            let quantised = ModelFiles { types: types.clone(), ..plain.clone() };
            let expected = written_out(&quantised);
            for request in &DEVICES {
                let see = |files: &ModelFiles| {
                    let model = load(files, request);
                    let depth = DepthControl::default();
                    let found = block_on(forward(&model, &tokens, &depth, Positions::All)).unwrap();
                    let bits = |row: &Vec<f32>| row.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
                    (found.depth, found.logits.iter().map(bits).collect::<Vec<_>>())
                };
                let found = see(&quantised);
                assert!(found == see(&expected), "{types:?} on {request:?}");
                assert!(found != see(&plain), "{types:?} on {request:?}: it was not quantised");
            }
        }
    }
}

/// The device holds what the type promises, and no more.
#[test]
fn a_quantised_model_is_small() {
    let device = |stored: Option<WeightType>| {
        let files = random_model(&Switches::ALL[0].config(), 9);
        let model = load(&ModelFiles { types: WeightTypes::all(stored), ..files }, &DEVICES[1]);
        let foretold = fathom_engine::weights_bytes(model.config(), stored.unwrap_or(WeightType::F32));
        let held = model.device().counts().held_bytes;
        let gaps = 32 * expected_tensors(model.config()).len() as u64;
        assert!(foretold <= held && held <= foretold + gaps, "{stored:?}: {held}, foretold {foretold}");
        held
    };
    assert!(device(Some(WeightType::Q8)) * 5 < device(None) * 2);
    assert!(device(Some(WeightType::Q4)) * 4 < device(None));
}

#[test]
fn what_cannot_be_narrowed_is_named() {
    let files = random_model(&Switches::ALL[0].config(), 9);
    let weights = Weights::from_files(&files.weights).unwrap();
    let name = "output_blocks.1.mlp.down.weight";
    let tensor = weights.tensor(name, &[32, 128]).unwrap();
    let numbers = WeightType::F32.to_f32(&block_on(tensor.read(0..tensor.n())).unwrap().data, &[]);
    // One number becomes infinite, wherever it lies.
    let mut file = block_on(files.weights[0].read(0..files.weights[0].n_bytes())).unwrap().to_vec();
    let bytes = bytemuck::pod_collect_to_vec::<f32, u8>(&numbers[..8]);
    let at = file.windows(bytes.len()).position(|window| window == bytes).unwrap();
    file[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let files = ModelFiles {
        weights: vec![WeightFile::in_memory("m", file)],
        types: WeightTypes::all(Some(WeightType::Q8)),
        ..files
    };
    let request = fathom_engine::DeviceRequest::Cpu;
    let device = block_on(fathom_engine::Device::open(&request)).unwrap();
    let error = block_on(fathom_engine::Model::load(&files, device, &mut |_| ())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("m: the tensor {name} holds the number inf, which does not fit q8")
    );
}

/// What the shipped model says about its held-out problems, with the right answers before it: the depth and the
/// likeliest token at each place of an answer, and whether all of an answer was right.
fn held_out(stored: Option<WeightType>, every: usize) -> (Vec<(u32, u32)>, f64) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/beads");
    let files = ModelFiles::read_folder(folder.as_ref()).unwrap();
    let model = load(&ModelFiles { types: WeightTypes::all(stored), ..files }, &DEVICES[1]);
    let (tokenizer, end) = (model.tokenizer().unwrap(), model.eos().unwrap());
    let problems = std::fs::read_to_string(format!("{folder}/held_out.jsonl")).unwrap();
    let (mut seen, mut n_right, mut n) = (vec![], 0, 0);
    let mut prefixes = Prefixes::new(&model).unwrap();
    for line in problems.lines().step_by(every) {
        let problem: serde_json::Value = serde_json::from_str(line).unwrap();
        let ids = |field: &str| tokenizer.encode(problem[field].as_str().unwrap()).unwrap();
        let (prompt, answer) = (ids("prompt"), ids("answer"));
        let text = [prompt.as_slice(), &answer].concat();
        let found = block_on(prefixes.read(&text, &DepthControl::default())).unwrap();
        let places = &found[prompt.len() - 1..];
        seen.extend(places.iter().map(|place| (place.depth, place.token)));
        n_right += usize::from(places.iter().map(|place| place.token).eq(answer.into_iter().chain([end])));
        n += 1;
    }
    (seen, 100.0 * f64::from(u32::try_from(n_right).unwrap()) / f64::from(u32::try_from(n).unwrap()))
}

/// Every fifteenth problem; all 4500 of them are `FATHOM_EVERY=1 cargo test --release … -- --nocapture held_out`.
#[test]
fn held_out_problems_are_solved_as_before() {
    let every = std::env::var("FATHOM_EVERY").map_or(15, |every| every.parse().unwrap());
    let (expected, right) = held_out(None, every);
    for stored in [WeightType::Q8, WeightType::Q4] {
        let (found, found_right) = held_out(Some(stored), every);
        assert_eq!(found.len(), expected.len());
        let both = || found.iter().zip(&expected);
        let share = |n: usize| 100.0 * n as f64 / found.len() as f64;
        let depths = share(both().filter(|(found, expected)| found.0 == expected.0).count());
        let tokens = share(both().filter(|(found, expected)| found.1 == expected.1).count());
        eprintln!(
            "{stored}, {} places: {depths:.2} % of depths and {tokens:.2} % of tokens as f32's, {found_right:.2} % of \
             answers right, f32 {right:.2} %",
            found.len()
        );
        assert!(tokens >= 99.5 && depths >= 80.0, "{stored}: {depths} % of depths, {tokens} % of tokens");
        if stored == WeightType::Q8 {
            assert!(tokens >= 99.5 && depths >= 99.0, "{depths} % of depths, {tokens} % of tokens");
            assert!((found_right - right).abs() <= 0.3, "{found_right} % of answers, {right} %");
        }
    }
}
