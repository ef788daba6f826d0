//! Kernels on two devices: how a call is run on both and compared, and what the calls have in common.
//!
//! Natively `tests/kernels.rs` runs all of it, in a browser `tests/browser/kernels`; so nothing here blocks.
//!
//! Outputs are filled with a NaN of our own beforehand: where one device leaves it, the other has to leave it too,
//! so that a row which is masked, or lies beside the call's, is known to be untouched.

pub mod cases;
pub mod expected;
pub mod feeding;
mod order;
pub mod puzzles;
#[path = "../random.rs"]
mod random;
pub mod sampling;

use std::sync::{Mutex, PoisonError};

use fathom_engine::device::{Buffer, Region};
use fathom_engine::kernels::{Kernel, OUTPUT, Span};
use fathom_engine::recording::{Op, Recording};
use fathom_engine::{Device, DeviceRequest};

use order::{Order, Reordered};
use random::Random;

/// Calls a macro with the path of every test. Each is a function of the [`Devices`].
macro_rules! for_each_test {
    ($of:ident) => {
        $of! {
            cases::linear,
            cases::q_k_and_v,
            cases::a_row_does_not_depend_on_its_company,
            cases::attention,
            cases::inject,
            cases::embed,
            cases::rows_to_and_from_the_cache,
            cases::sums_and_halting_values,
            cases::movement,
            cases::halt,
            puzzles::decide,
            expected::a_call_writes_its_live_rows_and_nothing_else,
            expected::a_sequence_halts_when_it_should,
            puzzles::a_puzzle_halts_when_it_should,
            expected::activations_are_those_of_f64,
            expected::attention_is_that_of_f64_and_looks_at_nothing_else,
            expected::a_row_is_the_same_in_every_window,
            expected::equal_logits_show_the_random_words,
            feeding::feed_as_its_twin,
            feeding::a_token_is_fed_back_when_it_should,
            sampling::greedy_is_equal_and_faulty_logits_are_told,
            sampling::draws_follow_the_reference,
            sampling::the_random_stream_is_the_same_everywhere,
            sampling::segments_of_a_large_vocabulary,
        }
    };
}
pub(crate) use for_each_test;

/// A NaN that nobody computes.
const POISON: u32 = 0x7fc0_dead;

/// How near two devices have to be.
#[derive(Clone, Copy)]
enum Near {
    /// The same bits.
    Equal,
    /// Within this share of the buffer's largest magnitude.
    Share(f32),
    /// The same, but for one buffer: pairs of halves, which may be rounded to neighbours.
    ShareAndHalves(f32, usize),
}

/// The two devices that a test compares, and what it compared.
pub struct Devices {
    pub gpu: Device,
    pub cpu: Device,
    reordered: Reordered,
    /// The kernel of each comparison.
    compared: Mutex<Vec<&'static str>>,
}

impl Devices {
    /// The processor, and what stands for the GPU.
    pub async fn open(gpu: &DeviceRequest) -> Result<Devices, fathom_engine::Error> {
        let gpu = Device::open(gpu).await?;
        let cpu = Device::open(&DeviceRequest::Cpu).await?;
        Ok(Devices { gpu, cpu, reordered: Reordered::default(), compared: Mutex::default() })
    }

    /// The kernel of each comparison so far.
    pub fn compared(&self) -> Vec<&'static str> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// GPU against CPU, and the GPU against itself in other orders, with junk in workgroup memory.
    async fn compare(
        &self,
        what: &str,
        words: &[Vec<u32>],
        near: Near,
        record: &dyn Fn(&mut Recording, &[Buffer]),
    ) {
        let gpu = run(&self.gpu, words, record).await;
        let cpu = run_changed(&self.cpu, words, record, &|kernel| {
            self.compared.lock().unwrap_or_else(PoisonError::into_inner).push(kernel.shader.name);
            kernel
        })
        .await;
        assert_ne!(cpu, words, "{what}: nothing was computed");
        for (i, (gpu, cpu)) in gpu.iter().zip(&cpu).enumerate() {
            let what = format!("{what}, buffer {i}");
            match near {
                Near::ShareAndHalves(_, halves) if halves == i => neighbours(&what, gpu, cpu),
                _ => near.check(&what, gpu, cpu),
            }
        }
        for order in [Order::Backwards, Order::Scattered] {
            let again =
                run_changed(&self.gpu, words, record, &|kernel| self.reordered.get(kernel, order)).await;
            assert_eq!(again, gpu, "{what}: the order of workgroups shows");
        }
    }
}

impl Near {
    /// What two devices computed into one buffer.
    fn check(self, what: &str, gpu: &[u32], cpu: &[u32]) {
        if gpu == cpu {
            return;
        }
        let (Near::Share(share) | Near::ShareAndHalves(share, _)) = self else {
            panic!("{what}: {}", first_difference(gpu, cpu))
        };
        let computed = |w: &&u32| **w != POISON;
        let largest = cpu.iter().filter(computed).fold(0.0f32, |m, &w| m.max(f32::from_bits(w).abs()));
        for (at, (&g, &c)) in gpu.iter().zip(cpu).enumerate() {
            assert_eq!(g == POISON, c == POISON, "{what}, {at}: only one device wrote here");
            let apart = (f32::from_bits(g) - f32::from_bits(c)).abs();
            assert!(
                g == c || apart <= share * largest,
                "{what}, {at}: GPU {}, CPU {}, largest {largest}",
                f32::from_bits(g),
                f32::from_bits(c)
            );
        }
    }
}

/// Halves that two devices computed: the same, or the next ones.
fn neighbours(what: &str, gpu: &[u32], cpu: &[u32]) {
    let halves =
        |word: u32| [word as u16, (word >> 16) as u16].map(|half| half::f16::from_bits(half).to_f32());
    for (at, (&g, &c)) in gpu.iter().zip(cpu).enumerate() {
        assert_eq!(g == POISON, c == POISON, "{what}, {at}: only one device wrote here");
        // What nobody wrote is no number.
        for (g, c) in halves(g).into_iter().zip(halves(c)) {
            assert!(
                g.to_bits() == c.to_bits() || (g - c).abs() <= c.abs() / 1000.0 + 1e-4,
                "{what}, {at}: GPU {g}, CPU {c}"
            );
        }
    }
}

/// Runs one call on a device, with buffers of these words, and reads all of them.
async fn run(
    device: &Device,
    words: &[Vec<u32>],
    record: &dyn Fn(&mut Recording, &[Buffer]),
) -> Vec<Vec<u32>> {
    run_changed(device, words, record, &|kernel| kernel).await
}

/// The same, with another kernel in the place of each.
async fn run_changed(
    device: &Device,
    words: &[Vec<u32>],
    record: &dyn Fn(&mut Recording, &[Buffer]),
    change: &dyn Fn(&'static Kernel) -> &'static Kernel,
) -> Vec<Vec<u32>> {
    let buffers: Vec<Buffer> = words
        .iter()
        .enumerate()
        .map(|(i, words)| {
            device.buffer_of(&format!("buffer {i}"), bytemuck::cast_slice(words)).expect("a buffer")
        })
        .collect();
    let mut recording = Recording::new();
    record(&mut recording, &buffers);
    let mut changed = Recording::new();
    for op in recording.into_ops().expect("a sound recording") {
        let Op::Call(mut call) = op else { panic!("only calls are recorded") };
        call.kernel = change(call.kernel);
        changed.call(call);
    }
    let regions: Vec<Region<'_>> = buffers
        .iter()
        .zip(words)
        .map(|(buffer, words)| Region { buffer, at: 0, bytes: 4 * words.len() as u64 })
        .collect();
    let read = device.run(changed, &regions).await.expect("a run");
    read.iter().map(|bytes| bytemuck::pod_collect_to_vec(bytes)).collect()
}

fn first_difference(a: &[u32], b: &[u32]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b).expect("they differ");
    format!("GPU {:#010x}, CPU {:#010x} at {at}", a[at], b[at])
}

/// Numbers up to a magnitude, of either sign.
fn floats(random: &mut Random, n: usize, magnitude: f32) -> Vec<u32> {
    (0..n).map(|_| (magnitude * random.unit()).to_bits()).collect()
}

fn poison(n: usize) -> Vec<u32> {
    vec![POISON; n]
}

/// Rows of three sequences, of which the second halted at depth 2 and the third at 3.
struct Scene {
    capacity: usize,
    /// (sequence, position), ascending.
    places: Vec<(usize, usize)>,
}

/// Rows that stand in the table before those of the call.
const ROWS_BEFORE: usize = 2;

impl Scene {
    fn new(capacity: usize, positions: [std::ops::Range<usize>; 3]) -> Scene {
        let places = (0..3).zip(positions).flat_map(|(s, range)| range.map(move |position| (s, position)));
        Scene { capacity, places: places.collect() }
    }

    fn small() -> Scene {
        Scene::new(11, [4..7, 0..3, 9..11])
    }

    fn n_rows(&self) -> usize {
        self.places.len()
    }

    fn n_slots(&self) -> usize {
        3 * self.capacity
    }

    /// The table and the mask, the first two buffers of most kernels.
    fn tables(&self) -> Vec<Vec<u32>> {
        let mut rows = vec![u32::MAX; 4 * ROWS_BEFORE];
        for (i, &(s, position)) in self.places.iter().enumerate() {
            let is_last = self.places.get(i + 1).is_none_or(|&(next, _)| next != s);
            rows.extend([s as u32, position as u32, i as u32, u32::from(is_last)]);
        }
        let out_from = [0, 1, self.capacity as u32 - 1];
        vec![rows, vec![0, out_from[0], 2, out_from[1], 3, out_from[2]]]
    }

    fn span<'a>(&self, buffers: &'a [Buffer], step: u32) -> Span<'a> {
        let n = self.n_rows() as u32;
        Span { rows: &buffers[0], mask: &buffers[1], first: ROWS_BEFORE as u32, n, step }
    }
}

/// All rows live; the second sequence masked; those of the output stage.
const STEPS: [u32; 3] = [1, 3, OUTPUT];
