// Attention of one row over the cached keys and values, without stored scores.
//
//   s_j = scale * q . k_j        j <= position, or j < n_keys where it is not causal
//   y   = sum over j of softmax(s)_j * v_j
//
// A workgroup serves GROUP query heads that share a key head. Key j belongs to part j mod 8; each
// part has a softmax of its own, kept up to date over tiles of 128 keys from the left, and the parts
// are put together at the end, from the left. So nothing but the row's own sequence matters.
// Query head h reads key head h / (n_head / n_kv_head).
// Source: CosmicFish-HRM model.py, GroupedQueryAttention; HRM layers.py, Attention; Milakov and Gimelshein,
// arXiv 1805.02867.

override GROUP: u32 = 1u;    // 1, 2 or 4
override HEAD_DIM: u32 = 8u; // GROUP times as many blocks of 64 at most 4
override KV: u32 = 0u;       // how kv is stored: 0 f32, 1 f16

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    plane: u32,    // slab of kv; OUTPUT: the one of the sequence's depth
    capacity: u32,
    n_slots: u32,  // rows in a slab
    n_head: u32,
    n_kv_head: u32,
    scale: f32,
    n_keys: u32,   // 0: as many as the row's position says
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;
const LOWEST = -3.4e38;
const TILE = 128u;
const PARTS = 8u;
const LANES = 16u; // of a part, each with a vec4 of a head at a time

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> q: array<f32>;        // [n_rows, n_head, hd]
@group(0) @binding(3) var<storage, read> kv: array<vec4<u32>>; // [slab, slot, k then v, n_kv_head, hd up to whole vec4]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [n_rows, n_head, hd]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> score: array<f32, GROUP * 128u>;  // [head, key of the tile]
var<workgroup> weight: array<f32, GROUP * 128u>; // [head, key of the tile]
var<workgroup> largest: array<f32, GROUP * 8u>;  // [head, part]
var<workgroup> sums: array<f32, GROUP * 8u>;     // [head, part]
var<workgroup> values: array<vec4<f32>, GROUP * ((HEAD_DIM + 63u) / 64u) * 128u>; // [block, head, part, lane]

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || (m.x >= p.step && m.x != OVER);
}

// Four numbers of the cache.
fn cached(at: u32) -> vec4<f32> {
    if (KV == 0u) {
        return bitcast<vec4<f32>>(kv[at]);
    }
    let word = 2u * (at % 2u);
    return vec4<f32>(unpack2x16float(kv[at / 2u][word]), unpack2x16float(kv[at / 2u][word + 1u]));
}

// What lies behind a head's end, in its last vec4, is not read.
fn within_head(v: vec4<f32>, c: u32) -> vec4<f32> {
    if (HEAD_DIM % 4u == 0u) {
        return v;
    }
    return select(vec4<f32>(), v, 4u * c + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(HEAD_DIM));
}

// Four numbers of a query head.
fn query(head: u32, c: u32) -> vec4<f32> {
    let at = head * HEAD_DIM + 4u * c;
    return within_head(vec4<f32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]), c);
}

fn shrunk(before: f32, now: f32) -> f32 {
    return exp(max(before - now, -87.0));
}

// Arrays are only indexed in loops of a constant length: everywhere else they would leave the registers.
@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let i = group.y;
    if (!live(i)) {
        return;
    }
    let width = (HEAD_DIM + 3u) / 4u;    // vec4 of a head
    let blocks = (HEAD_DIM + 63u) / 64u; // vec4 of a lane
    let row = rows[p.first_row + i];
    let n_keys = select(p.n_keys, row.y + 1u, p.n_keys == 0u);
    var slab = p.plane;
    if (slab == OUTPUT) {
        slab = mask[row.x].x - 1u;
    }
    let first_head = group.x * GROUP;
    let own_head = i * p.n_head + first_head;
    let stride = 2u * p.n_kv_head * width; // vec4 of a slot
    let k = (slab * p.n_slots + row.x * p.capacity) * stride + first_head / (p.n_head / p.n_kv_head) * width;
    let v = k + p.n_kv_head * width;

    let part = index / LANES;
    let lane = index % LANES;
    var highest = array<f32, 4>(LOWEST, LOWEST, LOWEST, LOWEST);
    var sum: array<f32, 4>;
    var value: array<vec4<f32>, 4>; // [block, head]
    for (var first = 0u; first < n_keys; first += TILE) {
        let n_tile = min(TILE, n_keys - first);
        // q . k in 8 interleaved accumulators, folded in halves. Zeros are named: in Chromium on SwiftShader those that a
        // declaration in a loop implies were missing from the second round on.
        var even = array<vec4<f32>, 4>();
        var odd = array<vec4<f32>, 4>();
        if (index < n_tile) {
            let key = k + (first + index) * stride;
            for (var c = 0u; c < width; c += 2u) {
                let numbers = within_head(cached(key + c), c);
                for (var h = 0u; h < GROUP; h++) {
                    even[h] += query(own_head + h, c) * numbers;
                }
                if (c + 1u < width) {
                    let others = within_head(cached(key + c + 1u), c + 1u);
                    for (var h = 0u; h < GROUP; h++) {
                        odd[h] += query(own_head + h, c + 1u) * others;
                    }
                }
            }
        }
        for (var h = 0u; h < GROUP; h++) {
            let four = even[h] + odd[h];
            score[h * TILE + index] = select(LOWEST, ((four.x + four.z) + (four.y + four.w)) * p.scale, index < n_tile);
        }
        workgroupBarrier();
        var next = highest;
        for (var j = part; j < n_tile; j += PARTS) {
            for (var h = 0u; h < GROUP; h++) {
                next[h] = max(next[h], score[h * TILE + j]);
            }
        }
        // Lane t of a part looks after its t-th key.
        let own_key = part + PARTS * lane;
        for (var h = 0u; h < GROUP; h++) {
            weight[h * TILE + own_key] = shrunk(score[h * TILE + own_key], next[h]);
            let shrink = shrunk(highest[h], next[h]);
            sum[h] *= shrink;
            for (var b = 0u; b < blocks; b++) {
                value[b * GROUP + h] *= shrink;
            }
        }
        highest = next;
        workgroupBarrier();
        for (var j = part; j < n_tile; j += PARTS) {
            let from_v = v + (first + j) * stride + lane;
            var own = array<f32, 4>();
            for (var h = 0u; h < GROUP; h++) {
                own[h] = weight[h * TILE + j];
                sum[h] += own[h];
            }
            for (var b = 0u; b < blocks; b++) {
                let numbers = cached(from_v + LANES * b);
                for (var h = 0u; h < GROUP; h++) {
                    value[b * GROUP + h] += own[h] * numbers;
                }
            }
        }
    }

    for (var h = 0u; h < GROUP; h++) {
        largest[h * PARTS + part] = highest[h];
        sums[h * PARTS + part] = sum[h];
        for (var b = 0u; b < blocks; b++) {
            values[(b * GROUP + h) * TILE + index] = value[b * GROUP + h];
        }
    }
    workgroupBarrier();
    if (index >= GROUP * width) {
        return;
    }
    // A lane puts the parts of one vec4 of a head together.
    let h = index / width;
    let c = index % width;
    var all = LOWEST;
    for (var j = 0u; j < PARTS; j++) {
        all = max(all, largest[h * PARTS + j]);
    }
    var total: vec4<f32>;
    var total_sum = 0.0;
    for (var j = 0u; j < PARTS; j++) {
        let share = shrunk(largest[h * PARTS + j], all);
        total_sum += sums[h * PARTS + j] * share;
        total += values[(c / LANES * GROUP + h) * TILE + j * LANES + c % LANES] * share;
    }
    total /= total_sum;
    for (var e = 0u; e < 4u; e++) {
        if (4u * c + e < HEAD_DIM) {
            y[(own_head + h) * HEAD_DIM + 4u * c + e] = total[e];
        }
    }
}
