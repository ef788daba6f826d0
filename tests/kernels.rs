//! Every kernel against its twin, at odd sizes and large magnitudes; in another order of workgroups with junk in
//! their memory; a row against the same row in other company; and what both could get wrong together.
//!
//! Outputs are filled with a NaN of our own beforehand: where one device leaves it, the other has to leave it too,
//! so that a row which is masked, or lies beside the call's, is known to be untouched.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "kernels/cases.rs"]
mod cases;
#[path = "kernels/expected.rs"]
mod expected;
#[path = "kernels/sampling.rs"]
mod sampling;

use std::sync::LazyLock;

use fathom_engine::device::{Buffer, Region};
use fathom_engine::kernels::{Kernel, OUTPUT, Shader, Span};
use fathom_engine::recording::{Op, Recording};
use fathom_engine::{Device, DeviceRequest};
use fathom_tests::{Random, open};
use pollster::block_on;

static GPU: LazyLock<Device> = LazyLock::new(|| open(&DeviceRequest::Gpu));
static CPU: LazyLock<Device> = LazyLock::new(|| open(&DeviceRequest::Cpu));

/// A NaN that nobody computes.
const POISON: u32 = 0x7fc0_dead;

/// How near two devices have to be.
#[derive(Clone, Copy)]
enum Near {
    /// The same bits.
    Equal,
    /// Within this share of the buffer's largest magnitude.
    Share(f32),
}

/// Runs one call on a device, with buffers of these words, and reads all of them.
fn run(
    device: &Device,
    words: &[Vec<u32>],
    record: &dyn Fn(&mut Recording, &[Buffer]),
    order: Order,
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
    let mut reordered = Recording::new();
    for op in recording.into_ops().expect("a sound recording") {
        let Op::Call(mut call) = op else { panic!("only calls are recorded") };
        call.kernel = order.of(call.kernel);
        reordered.call(call);
    }
    let regions: Vec<Region<'_>> = buffers
        .iter()
        .zip(words)
        .map(|(buffer, words)| Region { buffer, at: 0, bytes: 4 * words.len() as u64 })
        .collect();
    let read = block_on(device.run(reordered, &regions)).expect("a run");
    read.iter().map(|bytes| bytemuck::pod_collect_to_vec(bytes)).collect()
}

/// In which order workgroups do their work.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    AsTheyCome,
    Backwards,
    Scattered,
}

impl Order {
    /// The kernel with its workgroup numbers changed.
    fn of(self, kernel: &'static Kernel) -> &'static Kernel {
        let number = match self {
            Order::AsTheyCome => return kernel,
            Order::Backwards => "n_groups - 1u - group_in",
            // 7 has no divisor in common with most grids; where it has, backwards again.
            Order::Scattered => {
                "select(n_groups - 1u - group_in, (group_in * 7u + 3u) % n_groups, n_groups % 7u != vec3<u32>(0u))"
            }
        };
        let shader = kernel.shader;
        let source = shader.source.replacen(
            "@builtin(workgroup_id) group: vec3<u32>",
            "@builtin(workgroup_id) group_in: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>",
            1,
        );
        let main = source.find("fn main(").expect("an entry point");
        let body = main + source[main..].find(") {").expect("its body") + ") {".len();
        let poison = poison_workgroup(&source);
        let source = format!("{}\n    let group = {number};{poison}{}", &source[..body], &source[body..]);
        let shader: &Shader = Box::leak(Box::new(Shader { source: source.leak(), ..shader.clone() }));
        Box::leak(Box::new(Kernel { shader, fields: kernel.fields, twin: kernel.twin }))
    }
}

/// WGSL that fills the arrays of workgroup memory, so that a read before the first write shows.
fn poison_workgroup(source: &str) -> String {
    let mut filling = String::new();
    for line in source.lines().filter_map(|line| line.strip_prefix("var<workgroup> ")) {
        let Some((name, rest)) = line.split_once(": array<") else { continue };
        let (of, n) = rest.split_once(">;").and_then(|(rest, _)| rest.rsplit_once(", ")).expect("a length");
        let junk = match of {
            "u32" => "77u".to_owned(),
            "mat2x4<f32>" => "mat2x4<f32>(vec4<f32>(1e30), vec4<f32>(1e30))".to_owned(),
            _ => format!("{of}(1e30)"),
        };
        filling += &format!("for (var at = 0u; at < u32({n}); at++) {{ {name}[at] = {junk}; }}\n");
    }
    format!("\n{filling}workgroupBarrier();\n")
}

/// GPU against CPU, and the GPU against itself in other orders, with junk in workgroup memory.
#[track_caller]
fn compare(what: &str, words: &[Vec<u32>], near: Near, record: &dyn Fn(&mut Recording, &[Buffer])) {
    let gpu = run(&GPU, words, record, Order::AsTheyCome);
    let cpu = run(&CPU, words, record, Order::AsTheyCome);
    assert_ne!(cpu, words, "{what}: nothing was computed");
    for (i, (gpu, cpu)) in gpu.iter().zip(&cpu).enumerate() {
        if gpu == cpu {
            continue;
        }
        let Near::Share(share) = near else { panic!("{what}, buffer {i}: {}", first_difference(gpu, cpu)) };
        let computed = |w: &&u32| **w != POISON;
        let largest = cpu.iter().filter(computed).fold(0.0f32, |m, &w| m.max(f32::from_bits(w).abs()));
        for (at, (&g, &c)) in gpu.iter().zip(cpu).enumerate() {
            assert_eq!(g == POISON, c == POISON, "{what}, buffer {i}, {at}: only one device wrote here");
            let apart = (f32::from_bits(g) - f32::from_bits(c)).abs();
            assert!(
                g == c || apart <= share * largest,
                "{what}, buffer {i}, {at}: GPU {}, CPU {}, largest {largest}",
                f32::from_bits(g),
                f32::from_bits(c)
            );
        }
    }
    for order in [Order::Backwards, Order::Scattered] {
        assert_eq!(run(&GPU, words, record, order), gpu, "{what}: the order of workgroups shows");
    }
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
