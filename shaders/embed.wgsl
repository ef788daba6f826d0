// Token embedding, plus the learned position where the model has one.
//
//   x[i, c] = wte[token, c] (+ wpe[position, c])          i < n_rows, c < C
//
// Source: CosmicFish-HRM model.py, forward.

override WEIGHTS: u32 = 0u; // of wte: 0 f32, 1 f16, 2 bf16, 3 q8, 4 q4
override LEARNED_POSITIONS: u32 = 0u;

struct Params {
    first_row: u32,
    n_rows: u32,
    n_embd: u32,
    capacity: u32, // positions a sequence may have: slot = sequence * capacity + position
    wpe: u32,      // where wpe begins, f32, in vec4<u32>
    scales: u32,   // where wte's scales begin, f16 [V, C / 32], in vec4<u32>
}

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;        // [slot]
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // wte [V, C]; its scales, wpe [block_size, C]
@group(0) @binding(3) var<storage, read_write> x: array<f32>;       // [n_rows, C]
@group(1) @binding(0) var<uniform> p: Params;

// Number k of f32 ones that begin at vec4 `at`.
fn float(at: u32, k: u32) -> f32 {
    return bitcast<f32>(w[at + k / 4u][k % 4u]);
}

// Number k of wte.
fn weight(k: u32) -> f32 {
    if (WEIGHTS == 0u) {
        return float(0u, k);
    }
    if (WEIGHTS <= 2u) {
        let pair = w[k / 8u][k / 2u % 4u];
        if (WEIGHTS == 1u) {
            return unpack2x16float(pair)[k % 2u];
        }
        return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, k % 2u == 1u));
    }
    let block = k / 32u;
    let scale = unpack2x16float(w[p.scales + block / 8u][block / 2u % 4u])[block % 2u];
    if (WEIGHTS == 3u) {
        return scale * f32(bitcast<i32>(w[k / 16u][k / 4u % 4u] << (24u - 8u * (k % 4u))) >> 24u);
    }
    return scale * (f32((w[k / 32u][k / 8u % 4u] >> (4u * (k % 8u))) & 15u) - 8.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.y;
    let c = group.x * 64u + lane;
    if (c >= p.n_embd) {
        return;
    }
    let row = rows[p.first_row + i];
    let token = tokens[row.x * p.capacity + row.y];
    var value = weight(token * p.n_embd + c);
    if (LEARNED_POSITIONS == 1u) {
        value += float(p.wpe, row.y * p.n_embd + c);
    }
    x[i * p.n_embd + c] = value;
}
