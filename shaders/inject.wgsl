// Between two levels: the norm behind the last block, and what the next level begins with.
//
//   z   = rms(x; ln), where the last block's norm is still to do; else z is as it was
//   x   = z + (other + input)     next 1: L goes on with itself        z_L + (z_H + x)
//         z + other               next 2: H follows L                  z_H + z_L
//         other + (z + input)     next 3: L follows H                  z_L + (z_H + x)
//   x is left                     next 0: the step is over
//
// z is the state of the level that was last updated. The sum of squares is a dot product: see ARCHITECTURE.md.
// Source: CosmicFish-HRM model.py, HRMCore, RMSNorm; arXiv 2506.21734.

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,    // C, a multiple of 4
    capacity: u32,
    norm: u32, // where ln begins, in vec4<f32>; NONE: z is as it was
    eps: f32,
    next: u32,
}

const OUTPUT = 0xffffffffu;
const NONE = 0xffffffffu;
const OVER = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;        // ln [C] at norm
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;  // [n_rows, C]: the stream through the blocks
@group(0) @binding(4) var<storage, read_write> z: array<vec4<f32>>;  // [n_rows, C]
@group(0) @binding(5) var<storage, read> other: array<vec4<f32>>;    // [n_rows, C]
@group(0) @binding(6) var<storage, read> input: array<vec4<f32>>;    // [slot, C]: what the input stage made
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> squares: array<f32, 8>;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || (m.x >= p.step && m.x != OVER);
}

// Four numbers, folded in halves.
fn fold(v: vec4<f32>) -> f32 {
    return (v.x + v.z) + (v.y + v.w);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x;
    if (!live(i)) {
        return;
    }
    let row = rows[p.first_row + i];
    let n = p.n / 4u;
    let own = i * n;
    if (p.norm != NONE && lane < 8u) {
        var square: vec4<f32>;
        for (var c = lane; c < n; c += 8u) {
            square += x[own + c] * x[own + c];
        }
        squares[lane] = fold(square);
    }
    workgroupBarrier();
    let sum = fold(
        vec4<f32>(squares[0], squares[1], squares[2], squares[3])
            + vec4<f32>(squares[4], squares[5], squares[6], squares[7]),
    );
    let factor = 1.0 / sqrt(sum / f32(p.n) + p.eps);
    for (var c = lane; c < n; c += 64u) {
        var state: vec4<f32>;
        if (p.norm == NONE) {
            state = z[own + c];
        } else {
            state = w[p.norm + c] * (x[own + c] * factor);
            z[own + c] = state;
        }
        let slot = (row.x * p.capacity + row.y) * n;
        if (p.next == 1u) {
            x[own + c] = state + (other[own + c] + input[slot + c]);
        } else if (p.next == 2u) {
            x[own + c] = state + other[own + c];
        } else if (p.next == 3u) {
            x[own + c] = other[own + c] + (state + input[slot + c]);
        }
    }
}
