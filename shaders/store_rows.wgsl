// Scatters the working rows of a step into a cached state: the inverse of load_rows.
//
//   y[plane, slot of row i] = x[i]

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32, // C
    plane: u32,    // slab of y to write
    capacity: u32,
    n_slots: u32,  // rows in a slab
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;             // [n_rows, C]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;       // [slab, slot, C]
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
    let i = group.y;
    let c = group.x * 64u + lane;
    if (!live(i) || c >= p.n) {
        return;
    }
    let row = rows[p.first_row + i];
    y[(p.plane * p.n_slots + row.x * p.capacity + row.y) * p.n + c] = x[i * p.n + c];
}
