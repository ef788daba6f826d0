// The halting values of every prefix that ends at a computed row.
//
//   (q_halt, q_continue)[plane, t] = W . (sum[t] / (t + 1)) + b
//
// Summed in 64 interleaved accumulators, folded in halves: see ARCHITECTURE.md.
// Source: CosmicFish-HRM model.py, HRMCore.q_head on the mean of z_H.

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32, // C
    plane: u32,    // slab of q to write
    capacity: u32,
    n_slots: u32,  // rows in a slab
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> sum: array<f32>;           // [slot, C]
@group(0) @binding(3) var<storage, read> w: array<f32>;             // [2, C], then [2] biases
@group(0) @binding(4) var<storage, read_write> q: array<vec2<f32>>; // [slab, slot]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> acc: array<vec2<f32>, 64>;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || (m.x >= p.step && m.x != OVER);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x;
    if (!live(i)) {
        return;
    }
    let row = rows[p.first_row + i];
    let slot = row.x * p.capacity + row.y;
    let count = f32(row.y + 1u);
    var total = vec2<f32>(0.0, 0.0);
    for (var c = lane; c < p.n; c += 64u) {
        total += vec2<f32>(w[c], w[p.n + c]) * (sum[slot * p.n + c] / count);
    }
    acc[lane] = total;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            acc[lane] += acc[lane + half];
        }
    }
    if (lane == 0u) {
        q[p.plane * p.n_slots + slot] = acc[0] + vec2<f32>(w[2u * p.n], w[2u * p.n + 1u]);
    }
}
