// How far a state moved since it was last looked at, for the trace.
//
//   moved[record, i] = sqrt(mean over c of (z[i, c] - before[i, c])^2);   before = z
//
// With PATH, z of a sequence's last row is kept too: the path that the page draws.

override PATH: u32 = 0u;

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n: u32,           // C
    moved_at: u32,    // where this record's row values go
    path_at: u32,     // where this record's z goes
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> z: array<f32>;             // [n_rows, C]
@group(0) @binding(3) var<storage, read_write> before: array<f32>;  // [n_rows, C]
@group(0) @binding(4) var<storage, read_write> moved: array<f32>;   // [record, row]
@group(0) @binding(5) var<storage, read_write> path: array<f32>;    // [record, C]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> acc: array<f32, 64>;

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
    var sum = 0.0;
    for (var c = lane; c < p.n; c += 64u) {
        let value = z[i * p.n + c];
        let change = value - before[i * p.n + c];
        sum += change * change;
        before[i * p.n + c] = value;
        if (PATH == 1u && rows[p.first_row + i].w == 1u) {
            path[p.path_at + c] = value;
        }
    }
    acc[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            acc[lane] += acc[lane + half];
        }
    }
    if (lane == 0u) {
        moved[p.moved_at + i] = sqrt(acc[0] / f32(p.n));
    }
}
