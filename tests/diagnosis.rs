//! The diagnosis of a device: every kernel has a known answer, a right device passes, and one that computes
//! wrong is found out, at the kernel that is wrong. And the sizes that are foretold are those that are allocated.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use fathom_engine::device::Answered;
use fathom_engine::diagnosis::{KernelCheck, check_kernels, known_answers, measure_speed};
use fathom_engine::kernels::{ALL, Kernel, Shader};
use fathom_engine::{
    CacheBytes, DepthControl, DeviceRequest, Read, Sampling, Session, WeightType, WorkBytes, weights_bytes,
};
use fathom_tests::{DEVICES, Switches, golden, load, open};
use pollster::block_on;

fn wrong(checks: &[KernelCheck]) -> Vec<&'static str> {
    checks.iter().filter(|check| !check.is_right()).map(|check| check.kernel).collect()
}

#[test]
fn every_kernel_has_a_known_answer_and_both_devices_give_it() {
    let answers = block_on(known_answers()).unwrap();
    for request in &DEVICES {
        let checks = block_on(check_kernels(&open(request), &answers));
        let names: Vec<&str> = checks.kernels.iter().map(|check| check.kernel).collect();
        assert_eq!(names, ALL.iter().map(|kernel| kernel.shader.name).collect::<Vec<_>>());
        assert!(checks.kernels.iter().all(|check| check.n_calls > 0), "{checks:#?}");
        assert!(checks.are_right(), "{request:?}: {checks:#?}");
        assert_eq!(checks.n_pipelines > 0, *request == DeviceRequest::Gpu);
    }
}

/// The kernel with its shader changed, as a driver's compiler might get it wrong.
fn miscompiled(kernel: &'static Kernel, from: &str, to: &str) -> &'static Kernel {
    let source = kernel.shader.source.replacen(from, to, 1);
    assert_ne!(source, kernel.shader.source, "{}: `{from}` is not in it", kernel.shader.name);
    let shader: &Shader = Box::leak(Box::new(Shader { source: source.leak(), ..kernel.shader.clone() }));
    Box::leak(Box::new(Kernel { shader, fields: kernel.fields, twin: kernel.twin }))
}

#[test]
fn a_gpu_that_computes_wrong_is_found_out_at_the_kernel() {
    let mut answers = block_on(known_answers()).unwrap();
    for answer in answers.iter_mut().filter(|answer| name(answer) == "inject") {
        answer.call.kernel = miscompiled(answer.call.kernel, "1.0 / sqrt(", "1.01 / sqrt(");
    }
    let checks = block_on(check_kernels(&open(&DeviceRequest::Gpu), &answers));
    assert_eq!(wrong(&checks.kernels), ["inject"]);
    let error = checks.kernels.iter().find(|check| check.kernel == "inject").unwrap().largest_error;
    assert!((error - 1e-2).abs() < 5e-4, "{error}");
}

fn name(answer: &Answered) -> &'static str {
    answer.call.kernel.shader.name
}

/// Changes sign and exponent of the first number that a kernel wrote anew.
fn spoil(answers: &mut [Answered], kernel: &str) {
    let written = answers.iter_mut().filter(|answer| name(answer) == kernel).find_map(|answer| {
        let Answered { before, after, .. } = answer;
        let has_numbers = |bytes: &[u8]| bytes.iter().any(|&byte| byte != 0);
        let after = after.iter_mut().find(|after| !before.contains(after) && has_numbers(after))?;
        // Neither a zero nor what stands for no word at all.
        let at = (0..after.len())
            .step_by(4)
            .find(|&at| after[at..at + 4] != [0; 4] && after[at..at + 4] != [255; 4])?;
        Some(&mut after[at + 3])
    });
    *written.expect(kernel) ^= 0xc0;
}

/// One number in an answer: found on the GPU and on the processor, in every kernel, and nowhere else.
#[test]
fn one_wrong_number_is_found() {
    let answers = block_on(known_answers()).unwrap();
    let names: Vec<&str> = ALL.iter().map(|kernel| kernel.shader.name).collect();
    for request in &DEVICES {
        let device = open(request);
        for spoiled in [&names[..], &["attention"], &["sample"]] {
            let mut answers = answers.clone();
            for kernel in spoiled {
                spoil(&mut answers, kernel);
            }
            assert_eq!(wrong(&block_on(check_kernels(&device, &answers)).kernels), spoiled, "{request:?}");
        }
    }
}

/// The kernel at which a driver crashes is named, and those that come after it are not blamed.
#[test]
fn a_lost_device_is_told() {
    let answers = block_on(known_answers()).unwrap();
    let device = open(&DeviceRequest::Gpu);
    device.lose();
    let checks = block_on(check_kernels(&device, &answers));
    assert_eq!(wrong(&checks.kernels), ["attention"]);
    assert!(checks.kernels[0].failure.is_some() && !checks.are_right(), "{checks:?}");
    assert!(block_on(measure_speed(&device)).is_err());
}

#[test]
fn speed_is_a_number() {
    for request in &DEVICES {
        let speed = block_on(measure_speed(&open(request))).unwrap();
        assert!(speed.bytes_per_s > 1e6 && speed.bytes_per_s.is_finite(), "{speed:?}");
        assert!(speed.us_per_dispatch.is_finite() && speed.round_trip_ms > 0.0, "{speed:?}");
        assert!(speed.bytes_read >= 128 << 20, "{speed:?}");
    }
}

/// What is foretold of a session is what the device holds, to the byte but for the small buffers of its inputs.
#[test]
fn the_size_of_a_session_is_foretold() {
    for request in &DEVICES {
        for switches in Switches::ALL {
            let model = load(&switches.model(3), request);
            let config = model.config();
            let held = || model.device().counts().held_bytes;
            let empty = held();
            let (n_sequences, capacity, n) = (3, 21, 7);
            let mut session = Session::new(&model, n_sequences, capacity).unwrap();
            let (cache, work) = (CacheBytes::of(config), WorkBytes::of(config));
            let n_slots = (n_sequences * capacity) as u64;
            let foretold = |depth, n_rows, n_logits| {
                (cache.allocated(n_slots, depth) + work.allocated(n_rows, n_logits)) as u64
            };
            // The inputs: the table of rows, and what each sequence has of its own.
            let inputs = held() - empty - foretold(0, 1, 1);
            assert!(inputs < 4096 + 1024 + 64 * n_slots, "{inputs}");
            for depth in 1..=config.hrm_max_steps as u64 {
                let control = DepthControl { forced: Some(depth as u32), ..DepthControl::default() };
                let read = Read {
                    sequence: 1,
                    tokens: &[1, 2, 3, 4, 5, 6, 7],
                    depth: control,
                    sampling: Sampling::default(),
                    place: 0,
                };
                block_on(session.read(&[read])).unwrap();
                assert_eq!(held() - empty - inputs, foretold(depth, n, 1), "{request:?}, depth {depth}");
                assert!(cache.at_most(n_slots, depth) >= cache.allocated(n_slots, depth));
            }
            drop(session);
            assert_eq!(held(), empty, "nothing stays");
        }
    }
}

#[test]
fn the_size_of_the_weights_is_foretold() {
    for (case, stored) in [
        ("cosmicfish_hrm/gqa-rope-swiglu", WeightType::F32),
        ("cosmicfish_hrm/learned-positions", WeightType::F32),
        ("cosmicfish_hrm/mha-gelu-bias", WeightType::F32),
        ("storage/f16", WeightType::F16),
        ("storage/bf16", WeightType::Bf16),
    ] {
        let device = Arc::new(open(&DeviceRequest::Cpu));
        let model = fathom_tests::load_on(&golden(case), Arc::clone(&device));
        let foretold = weights_bytes(model.config(), stored);
        let held = device.counts().held_bytes;
        let gaps = 16 * fathom_engine::expected_tensors(model.config()).len() as u64;
        assert!(foretold <= held && held <= foretold + gaps, "{case}: {held}, foretold {foretold}");
    }
}

/// The numbers of ARCHITECTURE.md for the released size at 512 tokens, which are in MiB.
#[test]
fn the_released_size() {
    let config = r#"{"model_type": "cosmicfish_hrm", "vocab_size": 50304, "n_embd": 448, "block_size": 512,
        "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4, "hrm_H_layers": 4,
        "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16, "bias": false,
        "use_rotary": true, "use_gqa": true, "use_swiglu": true}"#;
    let config = fathom_engine::Config::from_json(config, "config.json").unwrap();
    let cache = CacheBytes::of(&config);
    let mib = |bytes: u128| (bytes as f64 / f64::from(1 << 20)).round();
    assert_eq!(mib(512 * u128::from(cache.plane())), 24.0);
    assert_eq!(mib(512 * u128::from(cache.plane() + cache.output())), 29.0);
    assert_eq!(mib(cache.allocated(512, 16)), 468.0);
}
