// Root mean square normalisation.
//
//   y[i, c] = w[c] * x[i, c] / sqrt(mean over c of x[i, c]^2 + eps)
//
// The sum runs in 64 interleaved accumulators, folded in halves: see ARCHITECTURE.md.
// Source: CosmicFish-HRM model.py, RMSNorm; Zhang and Sennrich, arXiv 1910.07467.

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,      // C, a multiple of 4
    weight: u32, // where w begins, in vec4<u32>
    eps: f32,
}

const OUTPUT = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, or 0; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [C] at weight
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;       // [source row, C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [n_rows, C]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> acc: array<vec4<f32>, 16>;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || m.x >= p.step;
}

// The 64 accumulators, folded in halves.
fn fold() -> f32 {
    var v: array<vec4<f32>, 8>;
    for (var j = 0u; j < 8u; j++) {
        v[j] = acc[j] + acc[j + 8u];
    }
    let m = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
    return (m.x + m.z) + (m.y + m.w);
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x;
    if (!live(i)) {
        return;
    }
    let n = p.n / 4u;
    let from_x = rows[p.first_row + i].z * n;
    var sum = vec4<f32>();
    for (var c = lane; c < n; c += 16u) {
        let value = x[from_x + c];
        sum += value * value;
    }
    acc[lane] = sum;
    workgroupBarrier();
    let scale = 1.0 / sqrt(fold() / f32(p.n) + p.eps);
    for (var c = lane; c < n; c += 16u) {
        y[i * n + c] = w[p.weight + c] * (x[from_x + c] * scale);
    }
}
