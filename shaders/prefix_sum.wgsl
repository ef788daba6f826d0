// Stores z_H of a step and the running sum of z_H over positions, which the halting test reads.
//
//   z_h[plane, t] = z[t]
//   sum[t] = sum[t - 1] + z[t]      strictly left to right, 0 before position 0
//
// One invocation owns one channel and walks all rows in order; rows of a sequence are contiguous
// and ascending, so a shorter context is just an earlier row. Each step has a sum of its own.

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32, // C
    plane: u32,    // slab of z_h to write
    capacity: u32,
    n_slots: u32,  // rows in a slab
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> z: array<f32>;             // [n_rows, C]
@group(0) @binding(3) var<storage, read_write> z_h: array<f32>;     // [slab, slot, C]
@group(0) @binding(4) var<storage, read_write> sum: array<f32>;     // [slot, C]
@group(1) @binding(0) var<uniform> p: Params;

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
    let c = group.x * 64u + lane;
    if (c >= p.n) {
        return;
    }
    for (var i = 0u; i < p.n_rows; i++) {
        if (!live(i)) {
            continue;
        }
        let row = rows[p.first_row + i];
        let slot = row.x * p.capacity + row.y;
        let at = slot * p.n + c;
        var before = 0.0;
        if (row.y > 0u) {
            before = sum[at - p.n];
        }
        let value = z[i * p.n + c];
        z_h[(p.plane * p.n_slots + slot) * p.n + c] = value;
        sum[at] = before + value;
    }
}
