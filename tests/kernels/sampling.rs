//! The sampler: the GPU against its twin, and the twin against a plain reference that sorts.

use fathom_engine::device::Buffer;
use fathom_engine::kernels::sample::{Sample, SamplerWords, pcg3d};
use fathom_engine::kernels::{OUTPUT, Span};
use fathom_engine::recording::Recording;
use fathom_engine::{Device, Sampling};

use super::random::Random;
use super::{Devices, Near, floats, poison, run};

/// One sequence with one row, halted at depth 1.
struct Draw {
    logits: Vec<f32>,
    has_text: Vec<u32>,
    seen: Vec<u32>,
}

impl Draw {
    fn new(random: &mut Random, n_vocab: usize) -> Draw {
        let bits = |random: &mut Random, share: usize| {
            let mut bits = vec![0u32; n_vocab.div_ceil(32)];
            for i in 0..n_vocab {
                bits[i / 32] |= u32::from(random.below(8) < share) << (i % 32);
            }
            bits
        };
        let mut logits: Vec<f32> = (0..n_vocab).map(|_| 4.0 * random.unit()).collect();
        // Ties, which top-k and top-p keep.
        logits[n_vocab / 2] = logits[0];
        Draw { logits, has_text: bits(random, 7), seen: bits(random, 2) }
    }

    fn words(&self, samplers: &[SamplerWords]) -> Vec<Vec<u32>> {
        let n = samplers.len();
        let rows = (0..n as u32).flat_map(|i| [i, 0, i, 1]).collect();
        let mask = (0..n).flat_map(|_| [1, 0]).collect();
        let logits: Vec<u32> = self.logits.iter().map(|x| x.to_bits()).collect();
        vec![
            rows,
            mask,
            logits.repeat(n),
            self.has_text.clone(),
            self.seen.repeat(n),
            bytemuck::cast_slice(samplers).to_vec(),
            poison(2 * n),
        ]
    }

    fn record(&self, n: usize) -> impl Fn(&mut Recording, &[Buffer]) + use<> {
        let n_vocab = self.logits.len() as u32;
        move |r, b| {
            let span = Span { rows: &b[0], mask: &b[1], first: 0, n: n as u32, step: OUTPUT };
            let (logits, has_text, seen, samplers, drawn) = (&b[2], &b[3], &b[4], &b[5], &b[6]);
            Sample { span, logits, has_text, seen, samplers, drawn, n_vocab, out_row: 0, drawn_row: 0 }
                .record(r);
        }
    }

    /// The tokens of several samplers on a device.
    async fn tokens(&self, device: &Device, samplers: &[SamplerWords]) -> Vec<u32> {
        let read = run(device, &self.words(samplers), &self.record(samplers.len())).await;
        read[6].chunks(2).map(|drawn| drawn[0]).collect()
    }

    fn bit(bits: &[u32], i: usize) -> bool {
        bits[i / 32] >> (i % 32) & 1 == 1
    }

    /// (token, probability) of what may be drawn, by the text of `sampler.rs`, in order of the token.
    fn reference(&self, s: &SamplerWords) -> Vec<(u32, f64)> {
        let value = |i: usize| {
            let v = f64::from(self.logits[i]) / f64::from(s.temperature);
            let penalty = f64::from(s.penalty);
            match Draw::bit(&self.seen, i) {
                true if v > 0.0 => v / penalty,
                true => v * penalty,
                false => v,
            }
        };
        let drawable = (0..self.logits.len()).filter(|&i| Draw::bit(&self.has_text, i));
        let mut left: Vec<(u32, f64)> = drawable.map(|i| (i as u32, value(i))).collect();
        left.sort_by(|a, b| b.1.total_cmp(&a.1));
        let best = left[0].1;
        if s.top_k > 0 && (s.top_k as usize) < left.len() {
            let least = left[s.top_k as usize - 1].1;
            left.retain(|&(_, v)| v >= least);
        }
        for (_, v) in &mut left {
            *v = (*v - best).exp();
        }
        if s.top_p < 1.0 {
            let wanted = f64::from(s.top_p) * left.iter().map(|(_, p)| p).sum::<f64>();
            let mut mass = 0.0;
            let mut n = 0;
            while mass < wanted && n < left.len() {
                mass += left[n].1;
                n += 1;
            }
            let least = left[n - 1].1;
            left.retain(|&(_, p)| p >= least);
        }
        left.retain(|&(_, p)| p >= f64::from(s.ln_min_p).exp());
        let sum: f64 = left.iter().map(|(_, p)| p).sum();
        left.iter_mut().for_each(|(_, p)| *p /= sum);
        left.sort_by_key(|&(token, _)| token);
        left
    }
}

/// As `Sampling` hands it to the kernel, with a place in the answer.
fn words(sampling: Sampling, place: u32) -> SamplerWords {
    let ln_min_p = if sampling.min_p > 0.0 { sampling.min_p.ln() } else { -3.4e38 };
    SamplerWords {
        temperature: sampling.temperature,
        penalty: sampling.repeat_penalty,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        ln_min_p,
        seed_low: sampling.seed as u32,
        seed_high: (sampling.seed >> 32) as u32,
        counter: place,
    }
}

fn settings() -> Vec<Sampling> {
    let base = Sampling { temperature: 0.8, ..Sampling::default() };
    vec![
        base,
        Sampling { temperature: 5.0, ..base },
        Sampling { top_k: 5, ..base },
        Sampling { top_k: 1, ..base },
        Sampling { top_p: 0.7, ..base },
        Sampling { top_p: 0.01, ..base },
        Sampling { min_p: 0.2, ..base },
        Sampling { repeat_penalty: 1.7, ..base },
        Sampling { top_k: 20, top_p: 0.9, min_p: 0.05, repeat_penalty: 1.2, ..base },
    ]
}

pub async fn greedy_is_equal_and_faulty_logits_are_told(on: &Devices) {
    let mut random = Random(20);
    for n_vocab in [1, 16, 257, 1000] {
        let mut draw = Draw::new(&mut random, n_vocab);
        draw.has_text[0] |= 1;
        let greedy = Sampling { repeat_penalty: 1.3, ..Sampling::default() };
        let samplers = [words(Sampling::default(), 0), words(greedy, 0)];
        for faulty in [None, Some(f32::NAN), Some(f32::INFINITY), Some(f32::NEG_INFINITY)] {
            if let Some(faulty) = faulty {
                draw.logits[n_vocab - 1] = faulty;
            }
            let words = draw.words(&samplers);
            let cpu = run(&on.cpu, &words, &draw.record(2)).await;
            assert!(cpu[6].chunks(2).all(|drawn| (drawn[1] != 0) == faulty.is_some()), "{faulty:?}");
            if faulty.is_none() {
                on.compare(&format!("V {n_vocab}"), &words, Near::Equal, &draw.record(2)).await;
            } else {
                let gpu = run(&on.gpu, &words, &draw.record(2)).await;
                assert!(gpu[6].chunks(2).all(|drawn| drawn[1] != 0), "{faulty:?}");
            }
        }
    }
}

/// Over many seeds each token comes as often as the reference says, none comes that it excludes, and the GPU draws
/// what the CPU draws, but for the few draws that fall on a boundary.
pub async fn draws_follow_the_reference(on: &Devices) {
    const N: u32 = 2000;
    let mut random = Random(21);
    for n_vocab in [40, 300] {
        let draw = Draw::new(&mut random, n_vocab);
        for setting in settings() {
            let samplers: Vec<SamplerWords> =
                (0..N).map(|i| words(Sampling { seed: 77, ..setting }, i)).collect();
            let cpu = draw.tokens(&on.cpu, &samplers).await;
            let reference = draw.reference(&samplers[0]);
            let mut chi_square = 0.0;
            for &(token, p) in &reference {
                let found = cpu.iter().filter(|&&t| t == token).count() as f64;
                chi_square += (found - p * f64::from(N)).powi(2) / (p * f64::from(N));
            }
            let allowed = |token: &u32| reference.iter().any(|(t, _)| t == token);
            assert!(cpu.iter().all(allowed), "V {n_vocab}, {setting:?}");
            // Mean k, variance 2k for k degrees of freedom; rare tokens make its tail heavy.
            let k = reference.len() as f64 - 1.0;
            assert!(chi_square <= k + 8.0 * (2.0 * k).sqrt() + 1e-9, "{chi_square} of {k}, {setting:?}");

            let few = &samplers[..200];
            let gpu = draw.tokens(&on.gpu, few).await;
            let n_different = gpu.iter().zip(&cpu).filter(|(gpu, cpu)| gpu != cpu).count();
            assert!(n_different <= 1, "V {n_vocab}, {setting:?}: {n_different} of 200 differ");
        }
    }
}

/// A draw is the token at which the running sum passes u: known words, and u as the reference computes it.
pub async fn the_random_stream_is_the_same_everywhere(on: &Devices) {
    // From the paper's listing, evaluated in Python.
    assert_eq!(pcg3d([0, 0, 0]), [2611992518, 2833812075, 1058359340]);
    assert_eq!(pcg3d([1, 2, 3]), [4204755366, 1223881804, 1500469937]);
    let mut random = Random(22);
    let draw = Draw::new(&mut random, 40);
    for place in 0..300 {
        let sampler = words(Sampling { temperature: 1.0, seed: 5, ..Sampling::default() }, place);
        let u = f64::from(pcg3d([5, 0, place])[0] >> 8) / f64::from(1 << 24);
        let mut sum = 0.0;
        let reference = draw.reference(&sampler);
        let expected = reference.iter().find(|(_, p)| {
            sum += p;
            sum > u
        });
        let Some(&(expected, _)) = expected else { continue };
        if (sum - u).abs() > 1e-5 {
            assert_eq!(draw.tokens(&on.cpu, &[sampler]).await[0], expected, "place {place}");
        }
    }
}

/// A large vocabulary, where each of the 256 segments holds several tokens.
pub async fn segments_of_a_large_vocabulary(on: &Devices) {
    let mut random = Random(23);
    let mut draw = Draw::new(&mut random, 5003);
    let logits = floats(&mut random, 5003, 12.0);
    draw.logits = logits.into_iter().map(f32::from_bits).collect();
    let setting = Sampling { temperature: 1.0, top_k: 40, top_p: 0.95, ..Sampling::default() };
    let samplers: Vec<SamplerWords> = (0..100).map(|i| words(setting, i)).collect();
    let (gpu, cpu) = (draw.tokens(&on.gpu, &samplers).await, draw.tokens(&on.cpu, &samplers).await);
    assert!(gpu.iter().zip(&cpu).filter(|(gpu, cpu)| gpu != cpu).count() <= 1);
    let reference = draw.reference(&samplers[0]);
    assert!(cpu.iter().all(|token| reference.iter().any(|(t, _)| t == token)));
}
