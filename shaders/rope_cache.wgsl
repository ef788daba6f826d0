// Splits q | k | v, turns q and k by their position, and writes k and v to the cache.
//
//   pairs (2i, 2i+1) of a head turn by position * 10000^(-2i/hd); the tables come from the host
//
// Source: CosmicFish-HRM model.py, apply_rotary_emb; Su et al., arXiv 2104.09864.

override ROTARY: u32 = 1u;

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    plane: u32,    // slab of k and v to write; OUTPUT: the one of the sequence's depth
    capacity: u32,
    n_slots: u32,  // rows in a slab
    n_embd: u32,
    kv_dim: u32,   // n_kv_head * hd
    head_dim: u32,
}

const OUTPUT = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, or 0; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;           // [n_rows, C + 2 kv_dim]
@group(0) @binding(3) var<storage, read> trig: array<vec2<f32>>;    // [position, hd / 2] of (cos, sin)
@group(0) @binding(4) var<storage, read_write> q: array<f32>;       // [n_rows, C]
@group(0) @binding(5) var<storage, read_write> k: array<f32>;       // [slab, slot, kv_dim]
@group(0) @binding(6) var<storage, read_write> v: array<f32>;       // [slab, slot, kv_dim]
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
    let width = p.n_embd + 2u * p.kv_dim;
    let e = group.x * 64u + lane;
    if (!live(i) || e >= width) {
        return;
    }
    let row = rows[p.first_row + i];
    var value = qkv[i * width + e];
    if (ROTARY == 1u && e < p.n_embd + p.kv_dim) {
        let turn = trig[row.y * (p.head_dim / 2u) + (e % p.head_dim) / 2u];
        // n_embd and the head size are even, so e and its partner are the pair (2i, 2i + 1).
        if (e % 2u == 0u) {
            value = value * turn.x - qkv[i * width + e + 1u] * turn.y;
        } else {
            value = qkv[i * width + e - 1u] * turn.y + value * turn.x;
        }
    }
    if (e < p.n_embd) {
        q[i * p.n_embd + e] = value;
        return;
    }
    var slab = p.plane;
    if (slab == OUTPUT) {
        slab = mask[row.x].x - 1u;
    }
    let at = (slab * p.n_slots + row.x * p.capacity + row.y) * p.kv_dim;
    if (e < p.n_embd + p.kv_dim) {
        k[at + e - p.n_embd] = value;
    } else {
        v[at + e - p.n_embd - p.kv_dim] = value;
    }
}
