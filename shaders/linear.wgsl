// A linear layer, with the norm before it and what follows it.
//
//   h[i, k] = x[i, k], or with NORM  ln[k] * x[i, k] * s[i],  s[i] = 1 / sqrt(mean over k of x[i, k]^2 + eps)
//   v[i, o] = sum over k of W[o, k] * h[i, k]  (+ b[o])
//   EPILOGUE 0  y = v
//            1  y = y + v, or y = ln'[o] * (y * s[i]) + v: the residual, normed where the block norms behind itself
//            2  y = gelu(v)
//            3  y = silu(v) * (W[n_out + o] h + b): SwiGLU, silu on up, gate's rows follow up's
//            4  q, k and v: q and k turned by their position, q to y, k and v to the cache
//
// A workgroup makes 8 * OUTS outputs of ROWS rows, 8 lanes an output. Every dot product is summed in 32 interleaved
// accumulators (lane t holds those of k mod 32 = 4t..4t+3), the 4 of a lane are folded in halves, then the 8 lanes; so
// neither ROWS nor OUTS changes a row's result, and a lane hands on one number only: browsers clear workgroup memory
// each time. s is a factor of the whole sum, so that the squares are summed along with it.
// Source: CosmicFish-HRM model.py, RMSNorm, apply_rotary_emb, the projections of attention and MLP, lm_head.

override WEIGHTS: u32 = 0u; // 0 f32, 1 f16, 2 bf16, 3 q8, 4 q4
override EPILOGUE: u32 = 0u;
override NORM: u32 = 0u;
override KV: u32 = 0u;   // how kv is stored: 0 f32, 1 f16, for heads of an even size
override ROWS: u32 = 1u; // at most 4
override OUTS: u32 = 1u; // ROWS * OUTS at most 16

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n_in: u32,     // a multiple of 8, for q8 and q4 of 32
    n_out: u32,
    weight: u32,   // where W begins, in vec4<u32>
    bias: u32,     // where b begins, in vec4<u32>; NONE without
    out_row: u32,  // the row of y that row 0 goes to
    norm: u32,     // where ln begins, in vec4<u32>
    eps: f32,
    residual: u32, // where ln' begins, in vec4<u32>; NONE without
    plane: u32,    // slab of kv to write; OUTPUT: the one of the sequence's depth
    capacity: u32,
    n_slots: u32,  // rows in a slab
    head_dim: u32,
    rotary: u32,   // 1: q and k are turned
    scales: u32,   // where W's scales begin, f16 [n_out, n_in / 32], in vec4<u32>
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;
const NONE = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;        // W [n_out, n_in] at weight; b, ln, ln' f32
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;        // [source row, n_in]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;        // [out_row + n_rows, n_out]; q [n_rows, n_in]
@group(0) @binding(5) var<storage, read_write> s: array<f32>;        // [n_rows], written with NORM
@group(0) @binding(6) var<storage, read> trig: array<vec2<f32>>;     // [position, hd / 2] of (cos, sin)
@group(0) @binding(7) var<storage, read_write> kv: array<u32>;       // [slab, slot, k then v, head, hd up to whole vec4]
@group(1) @binding(0) var<uniform> p: Params;

// [row, output of a lane, invocation]; the gates' rows follow.
var<workgroup> partial: array<f32, 64u * ROWS * OUTS * (1u + u32(EPILOGUE == 3u))>;
var<workgroup> squares: array<f32, 8u * ROWS>; // [row, lane]

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || (m.x >= p.step && m.x != OVER);
}

// Four weights: vec4 `c` of row `o`.
fn weights(o: u32, c: u32) -> vec4<f32> {
    let at = o * (p.n_in / 4u) + c;
    if (WEIGHTS == 0u) {
        return bitcast<vec4<f32>>(w[p.weight + at]);
    }
    if (WEIGHTS <= 2u) {
        let word = 2u * (at % 2u);
        let v = vec2<u32>(w[p.weight + at / 2u][word], w[p.weight + at / 2u][word + 1u]);
        if (WEIGHTS == 1u) {
            return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
        }
        return bitcast<vec4<f32>>(vec4<u32>(v.x << 16u, v.x & 0xffff0000u, v.y << 16u, v.y & 0xffff0000u));
    }
    // Integers times the scale of their block of 32: exact in f32.
    let block = o * (p.n_in / 32u) + c / 8u;
    let scale = unpack2x16float(w[p.scales + block / 8u][block / 2u % 4u])[block % 2u];
    if (WEIGHTS == 3u) {
        let bytes = vec4<u32>(w[p.weight + at / 4u][at % 4u]) << vec4<u32>(24u, 16u, 8u, 0u);
        return scale * vec4<f32>(bitcast<vec4<i32>>(bytes) >> vec4<u32>(24u));
    }
    let halves = vec4<u32>(w[p.weight + at / 8u][at / 2u % 4u]) >> (vec4<u32>(0u, 4u, 8u, 12u) + 16u * (at % 2u));
    return scale * (vec4<f32>(halves & vec4<u32>(15u)) - 8.0);
}

// Number `k` of a vector that begins at `at`.
fn float(at: u32, k: u32) -> f32 {
    return bitcast<f32>(w[at + k / 4u][k % 4u]);
}

// Four numbers, folded in halves.
fn fold(v: vec4<f32>) -> f32 {
    return (v.x + v.z) + (v.y + v.w);
}

// Output `o` of the workgroup, without the norm's factor and the bias. Gates are rows ROWS and up.
fn dot(r: u32, o: u32) -> f32 {
    let at = 64u * (r * OUTS + o / 8u) + 8u * (o % 8u);
    return fold(
        vec4<f32>(partial[at], partial[at + 1u], partial[at + 2u], partial[at + 3u])
            + vec4<f32>(partial[at + 4u], partial[at + 5u], partial[at + 6u], partial[at + 7u]),
    );
}

// The norm's factor.
fn factor(r: u32) -> f32 {
    let at = 8u * r;
    let sum = fold(
        vec4<f32>(squares[at], squares[at + 1u], squares[at + 2u], squares[at + 3u])
            + vec4<f32>(squares[at + 4u], squares[at + 5u], squares[at + 6u], squares[at + 7u]),
    );
    return 1.0 / sqrt(sum / f32(p.n_in) + p.eps);
}

// v of output `o` of all, from the dot product of it.
fn affine(dot: f32, r: u32, o: u32) -> f32 {
    var v = dot;
    if (NORM == 1u) {
        v *= factor(r);
    }
    if (p.bias == NONE) {
        return v;
    }
    return v + float(p.bias, o);
}

fn silu(v: f32) -> f32 {
    return v / (1.0 + exp(clamp(-v, -87.0, 87.0)));
}

// erf by Abramowitz and Stegun 7.1.26, absolute error at most 1.5e-7.
fn gelu(v: f32) -> f32 {
    let z = min(abs(v) * 0.70710678, 9.0);
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    let erf = 1.0 - poly * exp(-z * z);
    return 0.5 * v * (1.0 + select(erf, -erf, v < 0.0));
}

// Turns element e of q or k, whose partner in the pair (2j, 2j + 1) is `other`.
fn turned(v: f32, other: f32, e: u32, position: u32) -> f32 {
    let turn = trig[position * (p.head_dim / 2u) + (e % p.head_dim) / 2u];
    if (e % 2u == 0u) {
        return v * turn.x - other * turn.y;
    }
    return other * turn.y + v * turn.x;
}

// Puts element e of (q, k, v) in its place. Of two halves in a word the first one's lane writes both.
fn keep(i: u32, e: u32, v: f32, other: f32) {
    if (e < p.n_in) {
        y[i * p.n_in + e] = v;
        return;
    }
    let row = rows[p.first_row + i];
    let slab = select(p.plane, mask[row.x].x - 1u, p.plane == OUTPUT);
    let head = (e - p.n_in) / p.head_dim; // k's heads, then v's
    let stride = (p.head_dim + 3u) / 4u * 4u;
    let n_heads = (p.n_out - p.n_in) / p.head_dim;
    let slot = slab * p.n_slots + row.x * p.capacity + row.y;
    let at = (slot * n_heads + head) * stride + (e - p.n_in) % p.head_dim;
    if (KV == 0u) {
        kv[at] = bitcast<u32>(v);
    } else if (e % 2u == 0u) {
        let both = vec2<f32>(v, other); // of these what is no finite number stays so
        kv[at / 2u] = pack2x16float(select(both, clamp(both, vec2(-65504.0), vec2(65504.0)), abs(both) <= vec2(3.4e38)));
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let first = group.y * ROWS;
    var any = false;
    var start: array<u32, 4>;
    for (var r = 0u; r < ROWS; r++) {
        let i = min(first + r, p.n_rows - 1u);
        any = any || live(i);
        start[r] = rows[p.first_row + i].z * (p.n_in / 4u);
    }
    if (!any) {
        return;
    }
    let lane = index % 8u;
    let first_o = group.x * 8u * OUTS;
    let lanes_o = index / 8u; // these 8 lanes make every 8th output from here: what is read together lies apart
    var acc: array<vec4<f32>, 16>;
    var gate: array<vec4<f32>, 16>;
    var square: array<vec4<f32>, 4>;
    for (var c = lane; c < p.n_in / 4u; c += 8u) {
        var h: array<vec4<f32>, 4>;
        for (var r = 0u; r < ROWS; r++) {
            h[r] = x[start[r] + c];
        }
        if (NORM == 1u) {
            let ln = bitcast<vec4<f32>>(w[p.norm + c]);
            for (var r = 0u; r < ROWS; r++) {
                square[r] += h[r] * h[r];
                h[r] *= ln;
            }
        }
        for (var u = 0u; u < OUTS; u++) {
            let o = min(first_o + lanes_o + 8u * u, p.n_out - 1u);
            let weight = weights(o, c);
            for (var r = 0u; r < ROWS; r++) {
                acc[r * OUTS + u] += weight * h[r];
            }
            if (EPILOGUE == 3u) {
                let weight_gate = weights(p.n_out + o, c);
                for (var r = 0u; r < ROWS; r++) {
                    gate[r * OUTS + u] += weight_gate * h[r];
                }
            }
        }
    }
    for (var j = 0u; j < ROWS * OUTS; j++) {
        partial[64u * j + index] = fold(acc[j]);
        if (EPILOGUE == 3u) {
            partial[64u * (ROWS * OUTS + j) + index] = fold(gate[j]);
        }
    }
    if (NORM == 1u && index < 8u) {
        for (var r = 0u; r < ROWS; r++) {
            squares[8u * r + index] = fold(square[r]);
        }
    }
    workgroupBarrier();
    if (NORM == 1u && group.x == 0u && index < ROWS && first + index < p.n_rows && live(first + index)) {
        s[first + index] = factor(index);
    }
    // The 8 lanes finish their outputs, one each at a time.
    for (var j = lane; j < ROWS * OUTS; j += 8u) {
        let r = j / OUTS;
        let i = first + r;
        let local = lanes_o + 8u * (j % OUTS);
        let o = first_o + local;
        if (i >= p.n_rows || o >= p.n_out || !live(i)) {
            continue;
        }
        var v = affine(dot(r, local), r, o);
        if (EPILOGUE == 4u) {
            var other = affine(dot(r, local ^ 1u), r, o ^ 1u);
            if (p.rotary == 1u && o < (p.n_in + p.n_out) / 2u) {
                let position = rows[p.first_row + i].y;
                let both = vec2<f32>(turned(v, other, o, position), turned(other, v, o ^ 1u, position));
                v = both.x;
                other = both.y;
            }
            keep(i, o, v, other);
            continue;
        }
        let at = (p.out_row + i) * p.n_out + o;
        if (EPILOGUE == 1u) {
            var residual = y[at];
            if (p.residual != NONE) {
                residual = float(p.residual, o) * (residual * s[i]);
            }
            v += residual;
        }
        if (EPILOGUE == 2u) {
            v = gelu(v);
        }
        if (EPILOGUE == 3u) {
            v = silu(v) * affine(dot(ROWS + r, local), r, p.n_out + o);
        }
        y[at] = v;
    }
}
