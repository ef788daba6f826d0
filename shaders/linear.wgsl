// A linear layer, with what follows it.
//
//   v[i, o] = sum over k of W[o, k] * x[i, k]  (+ b[o])
//   y[i, o] = v                               EPILOGUE 0
//             y[i, o] + v                     EPILOGUE 1: the residual
//             gelu(v)                         EPILOGUE 2
//             silu(v) * (W[n_out + o] x + b)  EPILOGUE 3: SwiGLU, silu on up, gate's rows follow up's
//
// A workgroup makes 8 outputs of ROWS rows, 8 lanes an output. Every dot product is summed in
// 64 interleaved accumulators (lane t holds those of k mod 64 = 8t..8t+7), the 8 of a lane are
// folded in halves, then the 8 lanes; so a row's result does not depend on ROWS or on its
// neighbours, and a lane hands on one number only: browsers clear workgroup memory each time.
// Source: CosmicFish-HRM model.py, the projections of attention and MLP, and lm_head.

override WEIGHTS: u32 = 0u; // 0 f32, 1 f16, 2 bf16
override EPILOGUE: u32 = 0u;
override ROWS: u32 = 1u; // at most 4

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n_in: u32,    // a multiple of 8
    n_out: u32,
    weight: u32,  // where W begins, in vec4<u32>
    bias: u32,    // where b begins, in vec4<u32>; NONE without
    out_row: u32, // the row of y that row 0 goes to
}

const OUTPUT = 0xffffffffu;
const NONE = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, or 0; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // W [n_out, n_in] at weight, b [n_out] f32 at bias
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;       // [n_rows, n_in]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;       // [out_row + n_rows, n_out]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> partial: array<f32, 64u * ROWS>;      // [row, invocation]
var<workgroup> partial_gate: array<f32, 64u * ROWS>;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || m.x >= p.step;
}

// Eight weights: group `g` of row `o`.
fn weights(o: u32, g: u32) -> mat2x4<f32> {
    if (WEIGHTS == 0u) {
        let at = p.weight + o * (p.n_in / 4u) + 2u * g;
        return mat2x4<f32>(bitcast<vec4<f32>>(w[at]), bitcast<vec4<f32>>(w[at + 1u]));
    }
    let v = w[p.weight + o * (p.n_in / 8u) + g];
    if (WEIGHTS == 1u) {
        return mat2x4<f32>(
            vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)),
            vec4<f32>(unpack2x16float(v.z), unpack2x16float(v.w)),
        );
    }
    let even = bitcast<vec4<f32>>(v << vec4<u32>(16u));
    let odd = bitcast<vec4<f32>>(v & vec4<u32>(0xffff0000u));
    return mat2x4<f32>(
        vec4<f32>(even.x, odd.x, even.y, odd.y),
        vec4<f32>(even.z, odd.z, even.w, odd.w),
    );
}

// Eight numbers, folded in halves: 4, 2, 1.
fn fold(m: mat2x4<f32>) -> f32 {
    let v = m[0] + m[1];
    return (v.x + v.z) + (v.y + v.w);
}

fn fold_lanes(at: u32) -> f32 {
    return fold(mat2x4<f32>(
        partial[at], partial[at + 1u], partial[at + 2u], partial[at + 3u],
        partial[at + 4u], partial[at + 5u], partial[at + 6u], partial[at + 7u],
    ));
}

fn fold_lanes_gate(at: u32) -> f32 {
    return fold(mat2x4<f32>(
        partial_gate[at], partial_gate[at + 1u], partial_gate[at + 2u], partial_gate[at + 3u],
        partial_gate[at + 4u], partial_gate[at + 5u], partial_gate[at + 6u], partial_gate[at + 7u],
    ));
}

fn bias(o: u32) -> f32 {
    if (p.bias == NONE) {
        return 0.0;
    }
    return bitcast<f32>(w[p.bias + o / 4u][o % 4u]);
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let first = group.y * ROWS;
    var any = false;
    for (var r = 0u; r < ROWS; r++) {
        if (first + r < p.n_rows) {
            any = any || live(first + r);
        }
    }
    if (!any) {
        return;
    }
    let lane = index % 8u;
    let o = group.x * 8u + index / 8u;
    let o_read = min(o, p.n_out - 1u);
    var acc: array<mat2x4<f32>, 4>;
    var gate: array<mat2x4<f32>, 4>;
    for (var g = lane; g < p.n_in / 8u; g += 8u) {
        let weight = weights(o_read, g);
        var weight_gate: mat2x4<f32>;
        if (EPILOGUE == 3u) {
            weight_gate = weights(p.n_out + o_read, g);
        }
        for (var r = 0u; r < ROWS; r++) {
            let at = min(first + r, p.n_rows - 1u) * (p.n_in / 4u) + 2u * g;
            let x0 = x[at];
            let x1 = x[at + 1u];
            acc[r] += mat2x4<f32>(weight[0] * x0, weight[1] * x1);
            if (EPILOGUE == 3u) {
                gate[r] += mat2x4<f32>(weight_gate[0] * x0, weight_gate[1] * x1);
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        partial[64u * r + index] = fold(acc[r]);
        if (EPILOGUE == 3u) {
            partial_gate[64u * r + index] = fold(gate[r]);
        }
    }
    workgroupBarrier();
    // Of an output's 8 lanes, lane r finishes row r.
    let row = first + lane;
    if (lane >= ROWS || o >= p.n_out || row >= p.n_rows || !live(row)) {
        return;
    }
    let from_lanes = 64u * lane + index - lane;
    var v = fold_lanes(from_lanes) + bias(o);
    if (EPILOGUE == 2u) {
        v = gelu(v);
    }
    if (EPILOGUE == 3u) {
        v = silu(v) * (fold_lanes_gate(from_lanes) + bias(p.n_out + o));
    }
    let at = (p.out_row + row) * p.n_out + o;
    if (EPILOGUE == 1u) {
        v += y[at];
    }
    y[at] = v;
}
