// A level's injection, added once before its first block.
//
//   z_L = z_L + (z_H + x)        WITH_X 1
//   z_H = z_H + z_L              WITH_X 0
//
// Source: CosmicFish-HRM model.py, HRMCore; arXiv 2506.21734.

override WITH_X: u32 = 0u;

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32, // C
    capacity: u32,
}

const OUTPUT = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, or 0; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> from_other: array<f32>;    // [n_rows, C]
@group(0) @binding(3) var<storage, read> x: array<f32>;             // [slot, C]
@group(0) @binding(4) var<storage, read_write> z: array<f32>;       // [n_rows, C]
@group(1) @binding(0) var<uniform> p: Params;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || m.x >= p.step;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.y;
    let c = group.x * 64u + lane;
    if (!live(i) || c >= p.n) {
        return;
    }
    var injected = from_other[i * p.n + c];
    if (WITH_X == 1u) {
        let row = rows[p.first_row + i];
        injected += x[(row.x * p.capacity + row.y) * p.n + c];
    }
    z[i * p.n + c] += injected;
}
