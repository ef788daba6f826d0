//! The calls: each kernel in every variant.

use fathom_engine::device::Buffer;
use fathom_engine::kernels::attention::{Attention, Sees};
use fathom_engine::kernels::embed::Embed;
use fathom_engine::kernels::halt::{Control, Halt};
use fathom_engine::kernels::inject::{Inject, Next};
use fathom_engine::kernels::linear::{Affine, Epilogue, Linear, NONE, Norm, Qkv};
use fathom_engine::kernels::load_rows::LoadRows;
use fathom_engine::kernels::movement::Movement;
use fathom_engine::kernels::prefix_sum::PrefixSum;
use fathom_engine::kernels::q_head::QHead;
use fathom_engine::kernels::store_rows::StoreRows;
use fathom_engine::kernels::{OUTPUT, Span};
use fathom_engine::recording::Recording;
use fathom_engine::{KvType, WeightType};
use half::f16;

use super::random::Random;
use super::{Devices, Near, STEPS, Scene, floats, poison, run};

pub const WEIGHT_TYPES: [WeightType; 5] = WeightType::ALL;
const MAGNITUDES: [f32; 3] = [1.0, 1e-3, 1e3];
/// Odd numbers of vectors, fewer and more than there are lanes.
const WIDTHS: [usize; 4] = [8, 24, 72, 448];

/// Appends a matrix of so many numbers, as it is stored, to a buffer.
pub fn matrix(random: &mut Random, w: &mut Vec<u32>, n: usize, stored: WeightType) -> Affine {
    let numbers: Vec<f32> = (0..n).map(|_| random.unit()).collect();
    let (mut data, mut scale_data) = (vec![], vec![]);
    stored.from_f32(&numbers, &mut data, &mut scale_data).expect("small numbers");
    let words = |bytes: Vec<u8>| {
        let whole = bytes.len().next_multiple_of(4);
        let bytes = bytes.into_iter().chain([0; 4]).take(whole).collect::<Vec<u8>>();
        bytemuck::pod_collect_to_vec::<u8, u32>(&bytes)
    };
    let weight = whole_vec4(w);
    w.extend(words(data));
    let scales = whole_vec4(w);
    w.extend(words(scale_data));
    Affine { weight_type: stored, weight, scales, bias: NONE }
}

/// Keys and values, as they are stored.
fn cached(random: &mut Random, n: usize, magnitude: f32, kv_type: KvType) -> Vec<u32> {
    let numbers = floats(random, n, magnitude);
    let half = |word: &u32| f16::from_f32(f32::from_bits(*word)).to_bits();
    match kv_type {
        KvType::F32 => numbers,
        KvType::F16 => bytemuck::pod_collect_to_vec(&numbers.iter().map(half).collect::<Vec<u16>>()),
    }
}

fn whole_vec4(words: &mut Vec<u32>) -> u32 {
    words.resize(words.len().next_multiple_of(4), 0);
    (words.len() / 4) as u32
}

pub async fn linear(on: &Devices) {
    let scene = Scene::small();
    let mut random = Random(2);
    let epilogues =
        [Epilogue::Store, Epilogue::Add, Epilogue::AddNormed(0), Epilogue::Gelu, Epilogue::SwiGlu];
    for (i, (n_in, n_out)) in
        [(8usize, 1usize), (24, 7), (72, 50), (96, 50), (448, 9)].into_iter().enumerate()
    {
        for stored in WEIGHT_TYPES.into_iter().filter(|stored| stored.fits(&[n_out, n_in])) {
            for (j, epilogue) in epilogues.into_iter().enumerate() {
                let step = STEPS[random.below(3)];
                // Up to sums beyond 100, where gelu and silu are flat.
                let magnitude = [0.3, 3.0, 30.0, 1e3][(i + j) % 4];
                let (swiglu, adds) = (matches!(epilogue, Epilogue::SwiGlu), (1..3).contains(&j));
                let n_w = if swiglu { 2 * n_out } else { n_out };
                let mut w = floats(&mut random, n_out.next_multiple_of(4).max(8), 2.0);
                let matrix = matrix(&mut random, &mut w, n_w * n_in, stored);
                let bias = if random.below(2) == 0 { NONE } else { whole_vec4(&mut w) };
                let layer = Affine { bias, ..matrix };
                w.extend(floats(&mut random, n_w, magnitude));
                // The residual is normed with the factors of an earlier norm, which must stay as they are.
                let norm =
                    (!adds && random.below(2) == 0).then(|| Norm { weight: whole_vec4(&mut w), eps: 1e-5 });
                w.extend(floats(&mut random, n_in, 2.0));
                let mut words = scene.tables();
                words.push(w);
                words.push(floats(&mut random, scene.n_rows() * n_in, magnitude));
                let mut y = poison((scene.n_rows() + 3) * n_out);
                if adds {
                    y = floats(&mut random, y.len(), 1.0);
                }
                words.push(y);
                words.push(if adds {
                    floats(&mut random, scene.n_rows(), 1.0)
                } else {
                    poison(scene.n_rows())
                });
                words.push(poison(4));
                let what = format!("{n_in} to {n_out}, {stored:?}, {epilogue:?}, {norm:?}, step {step}");
                on.compare(&what, &words, Near::Share(3e-6), &|r, b| {
                    let linear = Linear {
                        span: scene.span(b, step),
                        w: &b[2],
                        layer,
                        norm,
                        x: &b[3],
                        y: &b[4],
                        s: &b[5],
                        unused: &b[6],
                        out_row: 2,
                        n_in: n_in as u32,
                        n_out: n_out as u32,
                        epilogue,
                    };
                    linear.record(r);
                })
                .await;
            }
        }
    }
}

pub async fn q_k_and_v(on: &Devices) {
    let mut random = Random(5);
    for (n_head, n_kv_head, head_dim) in [(1, 1, 8), (4, 2, 18), (8, 4, 9), (8, 4, 56)] {
        let variants = [(true, KvType::F32), (true, KvType::F16), (false, KvType::F32), (false, KvType::F16)];
        for ((rotary, kv_type), step) in variants.into_iter().flat_map(|v| STEPS.map(|step| (v, step))) {
            let scene = Scene::small();
            let (n_embd, kv_dim) = (n_head * head_dim, n_kv_head * head_dim);
            if (rotary || kv_type == KvType::F16) && head_dim % 2 == 1 {
                continue;
            }
            let plane = if step == OUTPUT { OUTPUT } else { 1 };
            let mut w = vec![];
            let layer = matrix(&mut random, &mut w, (n_embd + 2 * kv_dim) * n_embd, WeightType::F32);
            let norm = (random.below(2) == 0).then(|| Norm { weight: whole_vec4(&mut w), eps: 1e-5 });
            w.extend(floats(&mut random, n_embd, 2.0));
            let mut words = scene.tables();
            words.push(w);
            words.push(floats(&mut random, scene.n_rows() * n_embd, 3.0));
            words.push(poison((scene.n_rows() + 1) * n_embd));
            words.push(poison(scene.n_rows()));
            words.push(floats(&mut random, scene.capacity * head_dim, 1.0));
            words.push(poison(3 * scene.n_slots() * 2 * n_kv_head * head_dim.next_multiple_of(4)));
            let what =
                format!("{n_head} {n_kv_head} {head_dim}, {rotary}, {kv_type:?}, {norm:?}, step {step}");
            let near = match kv_type {
                KvType::F32 => Near::Share(3e-6),
                KvType::F16 => Near::ShareAndHalves(3e-6, 7),
            };
            on.compare(&what, &words, near, &|r, b| {
                let qkv = Qkv {
                    trig: rotary.then_some(&b[6]),
                    kv: &b[7],
                    kv_type,
                    plane,
                    capacity: scene.capacity as u32,
                    n_slots: scene.n_slots() as u32,
                    head_dim: head_dim as u32,
                };
                Linear {
                    span: scene.span(b, step),
                    w: &b[2],
                    layer,
                    norm,
                    x: &b[3],
                    y: &b[4],
                    s: &b[5],
                    unused: &b[7],
                    out_row: 0,
                    n_in: n_embd as u32,
                    n_out: (n_embd + 2 * kv_dim) as u32,
                    epilogue: Epilogue::Qkv(qkv),
                }
                .record(r);
            })
            .await;
        }
    }
}

/// The same row alone and in a call of 2 to 8, with 1 to 4 rows a workgroup: the same bits, on each device.
pub async fn a_row_does_not_depend_on_its_company(on: &Devices) {
    let scene = Scene::small();
    let mut random = Random(3);
    let (n_in, n_out) = (96, 50);
    for stored in WEIGHT_TYPES {
        let mut words = scene.tables();
        let mut w = vec![];
        let layer = matrix(&mut random, &mut w, 2 * n_out * n_in, stored);
        let norm = Norm { weight: whole_vec4(&mut w), eps: 1e-5 };
        w.extend(floats(&mut random, n_in, 2.0));
        words.push(w);
        words.push(floats(&mut random, scene.n_rows() * n_in, 1.0));
        words.push(poison(scene.n_rows() * n_out));
        words.push(poison(scene.n_rows()));
        words.push(poison(4));
        for device in [&on.gpu, &on.cpu] {
            let rows_of = async |n: u32| {
                let found = run(device, &words, &|r: &mut Recording, b: &[Buffer]| {
                    Linear {
                        span: Span { n, ..scene.span(b, 1) },
                        w: &b[2],
                        layer,
                        norm: Some(norm),
                        x: &b[3],
                        y: &b[4],
                        s: &b[5],
                        unused: &b[6],
                        out_row: 0,
                        n_in: n_in as u32,
                        n_out: n_out as u32,
                        epilogue: Epilogue::SwiGlu,
                    }
                    .record(r);
                })
                .await;
                found[4][..n as usize * n_out].to_vec()
            };
            let all = rows_of(scene.n_rows() as u32).await;
            for n in 1..scene.n_rows() {
                assert_eq!(rows_of(n as u32).await, all[..n * n_out], "{stored:?}, {n} rows on {device:?}");
            }
        }
    }
}

pub async fn attention(on: &Devices) {
    let mut random = Random(4);
    // Short contexts, and ones of more than two tiles of 128 keys.
    let scenes = [Scene::small(), Scene::new(270, [126..130, 0..2, 267..270])];
    for (n_head, n_kv_head, head_dim) in
        [(1, 1, 8usize), (4, 2, 18), (8, 4, 9), (8, 2, 56), (6, 2, 56), (1, 1, 256)]
    {
        for scene in &scenes {
            let variants = [KvType::F32, KvType::F16].into_iter();
            let variants =
                variants.flat_map(|t| [(1.0, 1), (0.01, 3), (6.0, OUTPUT)].map(|(m, s)| (m, s, t)));
            for (magnitude, step, kv_type) in variants {
                let width = n_head * head_dim;
                let kv_width = 2 * n_kv_head * head_dim.next_multiple_of(4);
                let plane = if step == OUTPUT { OUTPUT } else { 1 };
                let mut words = scene.tables();
                words.push(floats(&mut random, scene.n_rows() * width, magnitude));
                words.push(cached(&mut random, 3 * scene.n_slots() * kv_width, magnitude, kv_type));
                words.push(poison((scene.n_rows() + 1) * width));
                // A whole sequence where others are masked; else what is before a row.
                let sees = if step == 3 { Sees::First(scene.capacity as u32) } else { Sees::Before };
                let what = format!("{n_head} {n_kv_head} {head_dim}, {magnitude}, {kv_type:?}, step {step}");
                on.compare(&what, &words, Near::Share(2e-5), &|r, b| {
                    Attention {
                        span: scene.span(b, step),
                        q: &b[2],
                        kv: &b[3],
                        kv_type,
                        y: &b[4],
                        plane,
                        capacity: scene.capacity as u32,
                        n_slots: scene.n_slots() as u32,
                        n_head: n_head as u32,
                        n_kv_head: n_kv_head as u32,
                        head_dim: head_dim as u32,
                        scale: 1.0 / (head_dim as f32).sqrt(),
                        sees,
                    }
                    .record(r);
                })
                .await;
            }
        }
    }
}

pub async fn embed(on: &Devices) {
    let scene = Scene::small();
    let mut random = Random(6);
    let vocab_size = 13;
    for stored in WEIGHT_TYPES {
        for n in WIDTHS.into_iter().filter(|&n| stored.fits(&[vocab_size, n])) {
            for learned in [false, true] {
                let mut w = vec![];
                let Affine { scales, .. } = matrix(&mut random, &mut w, vocab_size * n, stored);
                let wpe = whole_vec4(&mut w);
                w.extend(floats(&mut random, scene.capacity * n, 1.0));
                let mut words = scene.tables();
                words.push((0..scene.n_slots()).map(|_| random.below(vocab_size) as u32).collect());
                words.push(w);
                words.push(poison((scene.n_rows() + 1) * n));
                on.compare(&format!("{stored:?}, C {n}, {learned}"), &words, Near::Equal, &|r, b| {
                    Embed {
                        span: scene.span(b, 1),
                        tokens: &b[2],
                        w: &b[3],
                        weight_type: stored,
                        scales,
                        wpe: learned.then_some(wpe),
                        x: &b[4],
                        n_embd: n as u32,
                        capacity: scene.capacity as u32,
                    }
                    .record(r);
                })
                .await;
            }
        }
    }
}

pub async fn rows_to_and_from_the_cache(on: &Devices) {
    let scene = Scene::small();
    let mut random = Random(7);
    let (capacity, n_slots) = (scene.capacity as u32, scene.n_slots() as u32);
    for n in WIDTHS {
        for step in STEPS {
            for plane in [None, Some(0), Some(1), Some(OUTPUT)] {
                // Only a halted sequence has a depth of its own.
                if (plane == Some(OUTPUT)) != (step == OUTPUT) {
                    continue;
                }
                let mut words = scene.tables();
                words.push(floats(&mut random, 3 * scene.n_slots() * n, 1e4));
                words.push(poison((scene.n_rows() + 1) * n));
                on.compare(&format!("load C {n}, step {step}, {plane:?}"), &words, Near::Equal, &|r, b| {
                    let (span, n) = (scene.span(b, step), n as u32);
                    LoadRows { span, x: &b[2], y: &b[3], n, plane, capacity, n_slots }.record(r);
                })
                .await;
            }
            let mut words = scene.tables();
            words.push(floats(&mut random, scene.n_rows() * n, 1e4));
            words.push(poison(3 * scene.n_slots() * n));
            on.compare(&format!("store C {n}, step {step}"), &words, Near::Equal, &|r, b| {
                let (span, n) = (scene.span(b, step), n as u32);
                StoreRows { span, x: &b[2], y: &b[3], n, plane: 1, capacity, n_slots }.record(r);
            })
            .await;
        }
    }
}

pub async fn inject(on: &Devices) {
    let scene = Scene::small();
    let mut random = Random(1);
    let capacity = scene.capacity as u32;
    for n in WIDTHS {
        for (magnitude, step) in MAGNITUDES.into_iter().zip(STEPS) {
            for next in [Next::Nothing, Next::LAfterL, Next::HAfterL, Next::LAfterH] {
                for norm in [None, Some(Norm { weight: 1, eps: 1e-5 })] {
                    if next == Next::Nothing && norm.is_none() {
                        continue;
                    }
                    let mut words = scene.tables();
                    words.push([poison(4), floats(&mut random, n, 2.0)].concat());
                    for _ in 0..3 {
                        words.push(floats(&mut random, scene.n_rows() * n, magnitude));
                    }
                    words.push(floats(&mut random, scene.n_slots() * n, 1.0));
                    let what = format!("C {n}, {magnitude}, step {step}, {next:?}, {norm:?}");
                    on.compare(&what, &words, Near::Share(1e-6), &|r, b| {
                        let (span, n) = (scene.span(b, step), n as u32);
                        let (w, x, z, other, input) = (&b[2], &b[3], &b[4], &b[5], &b[6]);
                        Inject { span, w, norm, x, z, other, input, n, capacity, next }.record(r);
                    })
                    .await;
                }
            }
        }
    }
}

pub async fn sums_and_halting_values(on: &Devices) {
    let mut random = Random(8);
    for scene in [Scene::small(), Scene::new(150, [0..70, 3..4, 149..150])] {
        let (capacity, n_slots) = (scene.capacity as u32, scene.n_slots() as u32);
        for n in WIDTHS {
            for step in [1, 3] {
                let mut words = scene.tables();
                words.push(floats(&mut random, scene.n_rows() * n, 10.0));
                words.push(poison(2 * scene.n_slots() * n));
                words.push(floats(&mut random, scene.n_slots() * n, 100.0));
                on.compare(&format!("prefix_sum C {n}, step {step}"), &words, Near::Equal, &|r, b| {
                    let (span, n) = (scene.span(b, step), n as u32);
                    PrefixSum { span, z: &b[2], z_h: &b[3], sum: &b[4], n, plane: 1, capacity, n_slots }
                        .record(r);
                })
                .await;

                let mut words = scene.tables();
                words.push(floats(&mut random, scene.n_slots() * n, 100.0));
                words.push(floats(&mut random, 2 * n + 2, 1.0));
                words.push(poison(2 * 3 * scene.n_slots()));
                on.compare(&format!("q_head C {n}, step {step}"), &words, Near::Share(3e-6), &|r, b| {
                    let (span, n) = (scene.span(b, step), n as u32);
                    QHead { span, sum: &b[2], w: &b[3], q: &b[4], n, plane: 2, capacity, n_slots }.record(r);
                })
                .await;
            }
        }
    }
}

pub async fn movement(on: &Devices) {
    let scene = Scene::small();
    let mut random = Random(9);
    for n in WIDTHS {
        for path_at in [None, Some(n as u32)] {
            for step in [1, 3] {
                let mut words = scene.tables();
                words.push(floats(&mut random, scene.n_rows() * n, 1e3));
                words.push(floats(&mut random, scene.n_rows() * n, 1e3));
                words.push(poison(3 * scene.n_rows()));
                words.push(poison(3 * n));
                let (moved_at, n_rows) = (scene.n_rows() as u32, scene.n_rows());
                // The path is one sequence's, so the last row of one alone.
                let only_first = |b: &[Buffer]| -> u32 { if path_at.is_some() { 3 } else { b.len() as u32 } };
                on.compare(
                    &format!("C {n}, {path_at:?}, step {step}"),
                    &words,
                    Near::Share(1e-6),
                    &|r, b| {
                        let mut span = scene.span(b, step);
                        span.n = only_first(b).min(n_rows as u32);
                        let n = n as u32;
                        let (z, before, moved, path) = (&b[2], &b[3], &b[4], &b[5]);
                        Movement { span, z, before, moved, path, n, moved_at, path_at }.record(r);
                    },
                )
                .await;
            }
        }
    }
}

pub async fn halt(on: &Devices) {
    let mut random = Random(10);
    let (n_sequences, capacity, n_planes) = (70, 5, 4);
    let n_slots = n_sequences * capacity;
    for step in 1..=4u32 {
        let mut controls: Vec<Control> = (0..n_sequences)
            .map(|_| Control {
                n_tokens: random.below(capacity + 1) as u32,
                floor: 1 + random.below(4) as u32,
                cap: 4 - random.below(2) as u32,
                forced: random.below(8).saturating_sub(3) as u32,
                bias: random.unit(),
                reach: 1 + random.below(5) as u32,
                most_tokens: 0,
                end: 0,
            })
            .collect();
        let mut q = floats(&mut random, 2 * 4 * n_slots, 1.0);
        // Exactly at the threshold is not above it.
        controls[0] = Control { n_tokens: 1, floor: 1, cap: 5, forced: 0, bias: 0.25, ..controls[0] };
        let at = 2 * ((step as usize - 1) * n_slots);
        (q[at], q[at + 1]) = (0.5f32.to_bits(), (0.5f32 + controls[0].bias).to_bits());
        let mask = (0..n_sequences).flat_map(|s| if s % 9 == 8 { [1, 7] } else { [0, 0] }).collect();
        let words = vec![
            bytemuck::cast_slice(&controls).to_vec(),
            q,
            (0..n_sequences * n_planes).map(|i| i as u32).collect(),
            mask,
            poison(4 * n_sequences),
        ];
        on.compare(&format!("step {step}"), &words, Near::Equal, &|r, b| {
            Halt {
                controls: &b[0],
                q: &b[1],
                out_from: &b[2],
                mask: &b[3],
                halted: &b[4],
                step,
                n_sequences: n_sequences as u32,
                capacity: capacity as u32,
                n_slots: n_slots as u32,
                n_planes: n_planes as u32,
                first_halted: 0,
            }
            .record(r);
        })
        .await;
    }
}
