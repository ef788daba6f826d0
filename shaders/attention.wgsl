// Causal attention of one row and head over the cached keys and values, without stored scores.
//
//   s_j = scale * q . k_j        j <= position
//   y   = sum over j of softmax(s)_j * v_j
//
// Online softmax over tiles of 64 keys from the left, so the result depends on nothing but
// the row's own position. Query head h reads key head h / (n_head / n_kv_head).
// Source: CosmicFish-HRM model.py, GroupedQueryAttention; Milakov and Gimelshein, arXiv 1805.02867.

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    plane: u32,
    capacity: u32,
    n_slots: u32,
    n_head: u32,
    n_kv_head: u32,
    head_dim: u32, // at most 256
    scale: f32,
}

const OUTPUT = 0xffffffffu;
const LOWEST = -3.4e38;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, or 0; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> q: array<f32>;             // [n_rows, n_head, hd]
@group(0) @binding(3) var<storage, read> k: array<f32>;             // [slab, slot, n_kv_head, hd]
@group(0) @binding(4) var<storage, read> v: array<f32>;             // [slab, slot, n_kv_head, hd]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;       // [n_rows, n_head, hd]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> query: array<f32, 256>;
var<workgroup> score: array<f32, 64>;
var<workgroup> weight: array<f32, 64>;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || m.x >= p.step;
}

// q . k in 8 interleaved accumulators, folded in halves.
fn dot8(at: u32) -> f32 {
    var acc: array<f32, 8>;
    for (var e = 0u; e < p.head_dim; e += 8u) {
        for (var l = 0u; l < 8u; l++) {
            if (e + l < p.head_dim) {
                acc[l] += query[e + l] * k[at + e + l];
            }
        }
    }
    return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x;
    let i = group.y;
    if (!live(i)) {
        return;
    }
    let row = rows[p.first_row + i];
    let n_keys = row.y + 1u;
    var slab = p.plane;
    if (slab == OUTPUT) {
        slab = mask[row.x].x - 1u;
    }
    let kv_dim = p.n_kv_head * p.head_dim;
    let kv = (slab * p.n_slots + row.x * p.capacity) * kv_dim + head / (p.n_head / p.n_kv_head) * p.head_dim;
    let own = (i * p.n_head + head) * p.head_dim;
    for (var e = lane; e < p.head_dim; e += 64u) {
        query[e] = q[own + e];
    }
    workgroupBarrier();

    var largest = LOWEST;
    var sum = 0.0;
    var value: array<f32, 4>;
    for (var first = 0u; first < n_keys; first += 64u) {
        let n_tile = min(64u, n_keys - first);
        score[lane] = LOWEST;
        if (lane < n_tile) {
            score[lane] = dot8(kv + (first + lane) * kv_dim) * p.scale;
        }
        workgroupBarrier();
        var next = largest;
        for (var j = 0u; j < n_tile; j++) {
            next = max(next, score[j]);
        }
        weight[lane] = exp(max(score[lane] - next, -87.0));
        workgroupBarrier();
        let shrink = exp(max(largest - next, -87.0));
        largest = next;
        sum *= shrink;
        for (var j = 0u; j < n_tile; j++) {
            sum += weight[j];
        }
        for (var e = lane; e < p.head_dim; e += 64u) {
            var total = value[e / 64u] * shrink;
            for (var j = 0u; j < n_tile; j++) {
                total += weight[j] * v[kv + (first + j) * kv_dim + e];
            }
            value[e / 64u] = total;
        }
        workgroupBarrier();
    }
    for (var e = lane; e < p.head_dim; e += 64u) {
        y[own + e] = value[e / 64u] / sum;
    }
}
