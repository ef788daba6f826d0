//! What a shader and its twin could get wrong together: which places a call writes, when a sequence halts,
//! activations and softmax against f64, and a row in other company.

use fathom_engine::device::Buffer;
use fathom_engine::kernels::attention::{Attention, Sees};
use fathom_engine::kernels::halt::{BY_CAP, BY_FORCED, BY_TEST, Control, Halt};
use fathom_engine::kernels::inject::{Inject, Next};
use fathom_engine::kernels::linear::{Affine, Epilogue, Linear, NONE, Norm, Qkv};
use fathom_engine::kernels::load_rows::LoadRows;
use fathom_engine::kernels::movement::Movement;
use fathom_engine::kernels::prefix_sum::PrefixSum;
use fathom_engine::kernels::q_head::QHead;
use fathom_engine::kernels::sample::{NO_TOKEN, Sample, SamplerWords, pcg3d};
use fathom_engine::kernels::store_rows::StoreRows;
use fathom_engine::kernels::{OUTPUT, OVER, Span};
use fathom_engine::recording::Recording;
use fathom_engine::{KvType, WeightType};

use super::cases::{WEIGHT_TYPES, matrix};
use super::random::Random;
use super::{Devices, ROWS_BEFORE, STEPS, Scene, floats, poison, run};

const EPILOGUES: [Epilogue<'_>; 4] = [Epilogue::Store, Epilogue::Add, Epilogue::Gelu, Epilogue::SwiGlu];

fn bits(numbers: impl IntoIterator<Item = f32>) -> Vec<u32> {
    numbers.into_iter().map(f32::to_bits).collect()
}

fn numbers(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&w| f32::from_bits(w)).collect()
}

/// A linear layer of f32 weights that begin w, without bias and norm.
fn linear<'a>(
    span: Span<'a>,
    [w, x, y, s, unused]: [&'a Buffer; 5],
    [n_in, n_out]: [u32; 2],
    epilogue: Epilogue<'a>,
) -> Linear<'a> {
    let layer = Affine { weight_type: WeightType::F32, weight: 0, scales: 0, bias: NONE };
    let (norm, out_row) = (None, 0);
    Linear { span, w, layer, norm, x, y, s, unused, out_row, n_in, n_out, epilogue }
}

/// Which of a scene's rows a step computes, spelled out: the first sequence still thinks, the second halted at 2
/// and has output from position 1 on, the third halted at 3 and has it from position 10 on.
const LIVE: [[bool; 8]; 3] = [
    [true; 8],
    [true, true, true, false, false, false, true, true],
    [false, false, false, false, true, true, false, true],
];

pub async fn a_call_writes_its_live_rows_and_nothing_else(on: &Devices) {
    /// Output buffer, numbers a row, and the slab where rows go to slots.
    type Outputs = &'static [(usize, usize, Option<u32>)];
    /// C, kv_dim and hd.
    const N: u32 = 8;
    let scene = Scene::small();
    let (capacity, n_slots) = (scene.capacity as u32, scene.n_slots() as u32);
    let mut random = Random(30);
    let mut words = scene.tables();
    words.extend([24 * 8, 8 * 24, 33 * 24, 3 * 33 * 16].map(|n| floats(&mut random, n, 1.0)));
    // What is written: working rows, and two caches of three slabs; factors, one a row, and nothing.
    words.extend([9 * 8, 3 * 33 * 16, 3 * 33 * 8].map(|n| bits(vec![3.0; n])));
    words.push(floats(&mut random, 11 * 8, 1.0));
    words.extend([8, 4].map(|n| bits(vec![3.0; n])));

    // The same with the third sequence over: it has no rows.
    let mut without = words.clone();
    without[1][4..].fill(OVER);
    let live_without = LIVE.map(|live| std::array::from_fn(|i| live[i] && scene.places[i].0 != 2));
    let all = STEPS.into_iter().zip(LIVE).map(|step| (step, &words));
    let all = all.chain(STEPS.into_iter().zip(live_without).map(|step| (step, &without)));
    for (((step, live), words), name) in all.flat_map(|step| {
        ["linear", "norm", "qkv", "load", "attention", "inject", "movement", "store", "sum", "q"]
            .map(|name| (step, name))
    }) {
        let plane = if step == OUTPUT { OUTPUT } else { 1 };
        let record = |r: &mut Recording, b: &[Buffer]| {
            let span = scene.span(b, step);
            let (w, work, kept, kv, y, cache, also_cache, trig) =
                (&b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8], &b[9]);
            let layer = |n_out, epilogue| linear(span, [w, work, y, &b[10], &b[11]], [N, n_out], epilogue);
            let norm = Some(Norm { weight: 0, eps: 1e-5 });
            match name {
                "linear" => layer(N, Epilogue::Store).record(r),
                "norm" => Linear { norm, ..layer(N, Epilogue::Store) }.record(r),
                "qkv" => {
                    let (trig, kv, head_dim) = (Some(trig), cache, N);
                    let qkv = Qkv { trig, kv, kv_type: KvType::F32, plane, capacity, n_slots, head_dim };
                    layer(3 * N, Epilogue::Qkv(qkv)).record(r);
                }
                "load" => {
                    LoadRows { span, x: kept, y, n: N, plane: Some(plane), capacity, n_slots }.record(r);
                }
                "attention" => Attention {
                    span,
                    q: work,
                    kv,
                    kv_type: KvType::F32,
                    y,
                    plane,
                    capacity,
                    n_slots,
                    n_head: 1,
                    n_kv_head: 1,
                    head_dim: N,
                    scale: 0.3,
                    sees: Sees::Before,
                }
                .record(r),
                "inject" => {
                    let (x, z, other, input, next) = (y, cache, work, kept, Next::LAfterL);
                    Inject { span, w, norm, x, z, other, input, n: N, capacity, next }.record(r);
                }
                "movement" => {
                    let (moved, path) = (cache, also_cache);
                    Movement { span, z: work, before: y, moved, path, n: N, moved_at: 0, path_at: None }
                        .record(r);
                }
                "store" => {
                    StoreRows { span, x: work, y: cache, n: N, plane: 1, capacity, n_slots }.record(r);
                }
                "sum" => {
                    let (z_h, sum) = (cache, also_cache);
                    PrefixSum { span, z: work, z_h, sum, n: N, plane: 1, capacity, n_slots }.record(r);
                }
                _ => QHead { span, sum: kept, w, q: cache, n: N, plane: 1, capacity, n_slots }.record(r),
            }
        };
        let outputs: Outputs = match name {
            "norm" => &[(6, 8, None), (10, 1, None)],
            "qkv" if plane == OUTPUT => &[(6, 8, None), (7, 16, Some(OUTPUT))],
            "qkv" => &[(6, 8, None), (7, 16, Some(1))],
            "inject" => &[(6, 8, None), (7, 8, None)],
            "movement" => &[(6, 8, None), (7, 1, None)],
            "store" => &[(7, 8, Some(1))],
            "sum" => &[(7, 8, Some(1)), (8, 8, Some(0))],
            "q" => &[(7, 2, Some(1))],
            _ => &[(6, 8, None)],
        };
        for device in [&on.gpu, &on.cpu] {
            let found = run(device, words, &record).await;
            for (buffer, (found, before)) in found.iter().zip(words).enumerate() {
                let mut expected = vec![false; before.len()];
                let places = outputs.iter().filter(|(output, ..)| *output == buffer);
                for (&(_, width, slab), (i, &(s, position))) in
                    places.flat_map(|output| scene.places.iter().enumerate().map(move |row| (output, row)))
                {
                    let row = match slab {
                        None => i,
                        // The second sequence halted at depth 2, the third at 3: slabs 1 and 2.
                        Some(slab) => {
                            let slab = if slab == OUTPUT { s } else { slab as usize };
                            slab * scene.n_slots() + s * scene.capacity + position
                        }
                    };
                    expected[row * width..][..width].fill(live[i]);
                }
                let changed: Vec<bool> = found.iter().zip(before).map(|(a, b)| a != b).collect();
                assert_eq!(changed, expected, "{name}, step {step}, buffer {buffer}, {device:?}");
            }
        }
    }
}

pub async fn a_sequence_halts_when_it_should(on: &Devices) {
    let (reach, most_tokens, end) = (5, 2, NO_TOKEN);
    let control = Control { n_tokens: 2, floor: 1, cap: 4, forced: 0, bias: 0.5, reach, most_tokens, end };
    // Step, the depth it had halted at before, q_halt and q_continue, and what halts it.
    let expected = [
        (control, 1, 0, [0.5, 0.75], Some(BY_TEST)),
        (control, 3, 0, [-0.5, -0.25], Some(BY_TEST)),
        // Exactly at the threshold is not above it.
        (control, 1, 0, [0.5, 1.0], None),
        (control, 1, 0, [-9.0, 1.0], None),
        (control, 4, 0, [-9.0, 1.0], Some(BY_CAP)),
        (control, 4, 0, [9.0, 1.0], Some(BY_TEST)),
        // It has halted already, or takes no part.
        (control, 3, 2, [9.0, 1.0], None),
        (Control { n_tokens: 0, ..control }, 4, 0, [9.0, 1.0], None),
        // Below the floor the test does not count; the cap does.
        (Control { floor: 3, ..control }, 2, 0, [9.0, 1.0], None),
        (Control { floor: 3, ..control }, 3, 0, [9.0, 1.0], Some(BY_TEST)),
        (Control { floor: 5, ..control }, 4, 0, [9.0, 1.0], Some(BY_CAP)),
        (Control { forced: 3, ..control }, 2, 0, [9.0, 1.0], None),
        (Control { forced: 3, ..control }, 3, 0, [-9.0, 1.0], Some(BY_FORCED)),
        (Control { forced: 3, cap: 2, ..control }, 2, 0, [9.0, 1.0], None),
        // Its reach ends here: it halts here or is over.
        (Control { reach: 2, ..control }, 1, 0, [-9.0, 1.0], None),
        (Control { reach: 2, ..control }, 2, 0, [-9.0, 1.0], Some(OVER)),
        (Control { reach: 2, ..control }, 2, 0, [9.0, 1.0], Some(BY_TEST)),
    ];
    for (case, (control, step, depth, q, by)) in expected.into_iter().enumerate() {
        // Sequence 1 of 2, capacity 3, 5 planes; its last token is at slot 4. All other values would halt it.
        let mut all_q = [9.0, -9.0].repeat(5 * 6);
        all_q[2 * ((step as usize - 1) * 6 + 4)..][..2].copy_from_slice(&q);
        let idle = Control { n_tokens: 0, ..control };
        let words = vec![
            bytemuck::cast_slice(&[idle, control]).to_vec(),
            bits(all_q),
            (0..10).collect(),
            vec![0, 7, depth, 8],
            poison(4 * (3 + 2)),
        ];
        for device in [&on.gpu, &on.cpu] {
            let record = |r: &mut Recording, b: &[Buffer]| {
                Halt {
                    controls: &b[0],
                    q: &b[1],
                    out_from: &b[2],
                    mask: &b[3],
                    halted: &b[4],
                    step,
                    n_sequences: 2,
                    capacity: 3,
                    n_slots: 6,
                    n_planes: 5,
                    first_halted: 3,
                }
                .record(r);
            };
            let found = run(device, &words, &record).await;
            let mut expected = words.clone();
            match by {
                Some(OVER) => expected[3][2..].fill(OVER),
                Some(by) => {
                    expected[3][2..].copy_from_slice(&[step, 5 + step - 1]);
                    expected[4][16..].copy_from_slice(&[step, by, q[0].to_bits(), q[1].to_bits()]);
                }
                None => {}
            }
            assert_eq!(found, expected, "case {case} on {device:?}");
        }
    }
}

/// The error function, by Simpson's rule.
fn erf(x: f64) -> f64 {
    let (x, n) = (x.clamp(-7.0, 7.0), 4000);
    let f = |i: usize| (-(x * i as f64 / f64::from(n)).powi(2)).exp();
    let inner: f64 = (1..n as usize).map(|i| f(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (f(0) + inner + f(n as usize)) * x / f64::from(n) / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
}

/// Silu and gelu from far below zero to far above, where their exponentials end.
pub async fn activations_are_those_of_f64(on: &Devices) {
    let values: Vec<f32> = [1e-3, 0.1, 0.5, 1.0, 2.0, 3.5, 5.0, 8.0, 12.0, 30.0, 88.0, 100.0, 1e4]
        .iter()
        .flat_map(|&v| [v, -v])
        .collect();
    let scene = Scene { capacity: values.len(), places: (0..values.len()).map(|i| (0, i)).collect() };
    for epilogue in [Epilogue::Gelu, Epilogue::SwiGlu] {
        let mut words = scene.tables();
        // One output: the first input; its gate: twice that.
        words.push(bits([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
        words.push(bits(values.iter().flat_map(|&v| [v, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0])));
        words.extend([values.len(), values.len(), 4].map(poison));
        for device in [&on.gpu, &on.cpu] {
            let record = |r: &mut Recording, b: &[Buffer]| {
                let buffers = [&b[2], &b[3], &b[4], &b[5], &b[6]];
                linear(scene.span(b, 1), buffers, [8, 1], epilogue).record(r);
            };
            let found = numbers(&run(device, &words, &record).await[4]);
            for (&v, found) in values.iter().zip(found) {
                let v = f64::from(v);
                let (expected, scale) = match epilogue {
                    Epilogue::Gelu => (0.5 * v * (1.0 + erf(v * std::f64::consts::FRAC_1_SQRT_2)), v.abs()),
                    _ => (v / (1.0 + (-v).exp()) * 2.0 * v, 2.0 * v * v),
                };
                let apart = (f64::from(found) - expected).abs();
                assert!(apart <= 5e-7 * scale, "{epilogue:?}({v}): {found}, not {expected}, on {device:?}");
            }
        }
    }
}

/// Softmax against f64, at the edges of the tiles of 128 keys; scores that are near each other and far apart. What
/// lies beyond the row's position, and in other slabs and sequences, is a NaN: it must not be read.
pub async fn attention_is_that_of_f64_and_looks_at_nothing_else(on: &Devices) {
    const HD: usize = 12;
    const KV: usize = 2 * HD;
    let mut random = Random(31);
    for (position, scale) in
        [0, 1, 7, 8, 126, 127, 128, 255, 256, 258].into_iter().flat_map(|p| [(p, 0.5), (p, 1e4)])
    {
        let scene = Scene { capacity: 270, places: vec![(1, position)] };
        let is_far = scale > 1.0;
        // Far apart: one query number and whole keys, so that every score is exact.
        let numbers_of = |random: &mut Random, n: usize| -> Vec<f32> {
            match is_far {
                true => {
                    (0..n).map(|i| if i % HD == 0 { random.below(5) as f32 - 2.0 } else { 0.0 }).collect()
                }
                false => (0..n).map(|_| 3.0 * random.unit()).collect(),
            }
        };
        let n_keys = position + 1;
        let q: Vec<f32> = if is_far {
            [[1.0].as_slice(), &[0.0; HD - 1]].concat().repeat(4)
        } else {
            numbers_of(&mut random, 4 * HD)
        };
        let (k, v) = (numbers_of(&mut random, n_keys * KV), floats(&mut random, n_keys * KV, 100.0));
        let mut kv = poison(3 * scene.n_slots() * 2 * KV);
        let slots = kv[(scene.n_slots() + scene.capacity) * 2 * KV..].chunks_exact_mut(2 * KV);
        for (slot, (k, v)) in slots.zip(bits(k.clone()).chunks_exact(KV).zip(v.chunks_exact(KV))) {
            slot[..KV].copy_from_slice(k);
            slot[KV..].copy_from_slice(v);
        }
        let mut words = scene.tables();
        words.extend([bits(q.clone()), kv, poison(4 * HD)]);
        let v = numbers(&v);
        for device in [&on.gpu, &on.cpu] {
            let record = |r: &mut Recording, b: &[Buffer]| {
                let (capacity, n_slots) = (scene.capacity as u32, scene.n_slots() as u32);
                let (span, q, kv, y, plane) = (scene.span(b, 1), &b[2], &b[3], &b[4], 1);
                let (n_head, n_kv_head, head_dim) = (4, 2, HD as u32);
                Attention {
                    span,
                    q,
                    kv,
                    kv_type: KvType::F32,
                    y,
                    plane,
                    capacity,
                    n_slots,
                    n_head,
                    n_kv_head,
                    head_dim,
                    scale,
                    sees: Sees::Before,
                }
                .record(r);
            };
            let found = numbers(&run(device, &words, &record).await[4]);
            for head in 0..4 {
                let key = |j: usize, e: usize| j * KV + head / 2 * HD + e;
                let score = |j: usize| -> f64 {
                    let terms = (0..HD).map(|e| f64::from(q[head * HD + e]) * f64::from(k[key(j, e)]));
                    terms.sum::<f64>() * f64::from(scale)
                };
                let scores: Vec<f64> = (0..n_keys).map(score).collect();
                let largest = scores.iter().copied().fold(f64::MIN, f64::max);
                let masses: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let sum: f64 = masses.iter().sum();
                for e in 0..HD {
                    let expected: f64 = (0..n_keys).map(|j| masses[j] / sum * f64::from(v[key(j, e)])).sum();
                    let found = f64::from(found[head * HD + e]);
                    assert!(
                        (found - expected).abs() <= 1e-5 * 100.0,
                        "position {position}, scale {scale}, head {head}: {found}, not {expected}, on {device:?}"
                    );
                }
            }
        }
    }
}

/// Every window of the rows gives those rows the same bits, in each variant: 1 to 4 rows a workgroup.
pub async fn a_row_is_the_same_in_every_window(on: &Devices) {
    const N: usize = 96;
    let scene = Scene::new(150, [62..66, 0..2, 147..150]);
    let mut random = Random(32);
    let n_rows = scene.n_rows();
    let windows: Vec<(usize, usize)> = (0..n_rows)
        .flat_map(|first| (1..=4.min(n_rows - first)).map(move |n| (first, n)))
        .chain([(0, n_rows)])
        .collect();
    let x = floats(&mut random, n_rows * N, 1.0);
    let y = floats(&mut random, n_rows * N, 1.0);
    let matrices = WEIGHT_TYPES.map(|stored| {
        let mut w = vec![];
        (matrix(&mut random, &mut w, 2 * N * N, stored), w)
    });
    let kv = floats(&mut random, scene.n_slots() * 4 * (N / 4), 1.0);
    let kinds = EPILOGUES.into_iter().flat_map(|e| matrices.iter().map(move |m| Some((e, m)))).chain([None]);
    for kind in kinds {
        for device in [&on.gpu, &on.cpu] {
            let rows_of = async |(first, n): (usize, usize)| -> Vec<u32> {
                let mut words = scene.tables();
                // A linear layer finds its rows by their sources.
                words.push(if kind.is_some() { x.clone() } else { x[first * N..].to_vec() });
                words.push(y[first * N..].to_vec());
                words.push(kind.map_or(&kv, |(_, (_, w))| w).clone());
                words.extend([poison(n_rows), poison(4)]);
                let record = |r: &mut Recording, b: &[Buffer]| {
                    let (first, n) = ((ROWS_BEFORE + first) as u32, n as u32);
                    let span = Span { first, n, ..scene.span(b, 1) };
                    let n = N as u32;
                    match kind {
                        Some((epilogue, (layer, _))) => Linear {
                            layer: *layer,
                            ..linear(span, [&b[4], &b[2], &b[3], &b[5], &b[6]], [n, n], epilogue)
                        }
                        .record(r),
                        None => Attention {
                            span,
                            q: &b[2],
                            kv: &b[4],
                            kv_type: KvType::F32,
                            y: &b[3],
                            plane: 0,
                            capacity: scene.capacity as u32,
                            n_slots: scene.n_slots() as u32,
                            n_head: 4,
                            n_kv_head: 2,
                            head_dim: N as u32 / 4,
                            scale: 0.3,
                            sees: Sees::Before,
                        }
                        .record(r),
                    }
                };
                run(device, &words, &record).await[3][..n * N].to_vec()
            };
            let all = rows_of((0, n_rows)).await;
            for &(first, n) in &windows {
                let expected = &all[first * N..][..n * N];
                assert_eq!(
                    rows_of((first, n)).await,
                    expected,
                    "{:?}, rows {first}.. {n}, {device:?}",
                    kind.map(|(e, (layer, _))| (e, layer))
                );
            }
        }
    }
}

/// Of 4096 equal logits the draw takes token u * 4096, and all of it is whole numbers: the same bits everywhere.
pub async fn equal_logits_show_the_random_words(on: &Devices) {
    const N: u32 = 60;
    let samplers: Vec<SamplerWords> = (0..N)
        .map(|i| SamplerWords {
            temperature: 0.5 + i as f32,
            penalty: 1.0,
            top_k: 0,
            top_p: 1.0,
            ln_min_p: -3.4e38,
            seed_low: i.wrapping_mul(0x9e37_79b9),
            seed_high: 7 * i,
            counter: i / 3,
        })
        .collect();
    let words = vec![
        (0..N).flat_map(|i| [i, 0, 0, 1]).collect(),
        vec![0; 2 * N as usize],
        bits(vec![-2.0; 4096 * N as usize]),
        vec![u32::MAX; 128],
        vec![0; 128 * N as usize],
        bytemuck::cast_slice(&samplers).to_vec(),
        poison(2 * N as usize),
    ];
    let expected: Vec<u32> =
        samplers.iter().flat_map(|s| [pcg3d([s.seed_low, s.seed_high, s.counter])[0] >> 20, 0]).collect();
    for device in [&on.gpu, &on.cpu] {
        let record = |r: &mut Recording, b: &[Buffer]| {
            let span = Span { rows: &b[0], mask: &b[1], first: 0, n: N, step: 1 };
            let (logits, has_text, seen, samplers, drawn) = (&b[2], &b[3], &b[4], &b[5], &b[6]);
            Sample { span, logits, has_text, seen, samplers, drawn, n_vocab: 4096, out_row: 0, drawn_row: 0 }
                .record(r);
        };
        assert_eq!(run(device, &words, &record).await[6], expected, "{device:?}");
    }
}
