// Draws the next token from the logits of a row. One workgroup a row.
//
//   1 temperature   v = logit / temperature                     (0: greedy, v = logit)
//   2 repetition    v > 0: v / penalty, else v * penalty        (once per distinct token seen)
//   3 top-k         the k largest, ties kept
//   4 top-p         the smallest set of largest whose mass reaches p, ties kept
//   5 min-p         at least min_p of the largest probability
//   6 draw          in order of token id, u from pcg3d(seed, counter)
//
// Tokens without a text are never drawn. A logit that is not finite raises the second word of drawn.
// Sums run over contiguous segments, sequentially, segments left to right.
// Source of 1 to 3: CosmicFish-HRM chat.py. pcg3d: Jarzynski and Olano, JCGT 9(3), 2020.

override GREEDY: u32 = 0u; // 1: every sampler is greedy; what draws is then not even compiled

struct Params {
    first_row: u32,
    n_rows: u32,
    step: u32,
    n_vocab: u32,
    out_row: u32,   // the row of logits that row 0 reads
    drawn_row: u32, // and the one of drawn that it writes
}

struct Sampler {
    temperature: f32,
    penalty: f32,
    top_k: u32,     // 0: all
    top_p: f32,     // 1: all
    ln_min_p: f32,  // -3.4e38: all
    seed_low: u32,
    seed_high: u32,
    counter: u32,
}

const OUTPUT = 0xffffffffu;
const OVER = 0xffffffffu;
const LOWEST = -3.4e38;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;        // [out_row + n_rows, V]
@group(0) @binding(3) var<storage, read> has_text: array<u32>;      // a bit a token
@group(0) @binding(4) var<storage, read> seen: array<u32>;          // [sequence], a bit a token
@group(0) @binding(5) var<storage, read> samplers: array<Sampler>;  // [sequence]
@group(0) @binding(6) var<storage, read_write> drawn: array<vec2<u32>>; // [drawn_row + n_rows]: token, whether a logit is not finite
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> partial: array<f32, 256>;
var<workgroup> partial_id: array<u32, 256>;
var<workgroup> count: atomic<u32>;
var<workgroup> shared_sum: f32;

// A step is live until its sequence has halted below it; the output stage once it has halted.
fn live(i: u32) -> bool {
    let row = rows[p.first_row + i];
    let m = mask[row.x];
    if (p.step == OUTPUT) {
        return m.x != 0u && row.y >= m.y;
    }
    return m.x == 0u || (m.x >= p.step && m.x != OVER);
}

// The value of a token after temperature and repetition penalty.
fn value(s: Sampler, sequence: u32, at: u32, token: u32) -> f32 {
    var v = logits[at + token];
    if (s.temperature > 0.0) {
        v /= s.temperature;
    }
    let word = sequence * ((p.n_vocab + 31u) / 32u) + token / 32u;
    if (((seen[word] >> (token % 32u)) & 1u) == 1u) {
        v = select(v * s.penalty, v / s.penalty, v > 0.0);
    }
    return v;
}

fn drawable(token: u32) -> bool {
    return token < p.n_vocab && ((has_text[token / 32u] >> (token % 32u)) & 1u) == 1u;
}

// Unsigned numbers in the order of the floats.
fn key(v: f32) -> u32 {
    // -0 is 0; of the bits, because a compiler may take v + 0 for v.
    let stored = bitcast<u32>(v);
    let bits = select(stored, 0u, stored == 0x80000000u);
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// How many were counted, the same for all invocations.
fn workgroup_count() -> u32 {
    workgroupBarrier();
    let n = atomicLoad(&count);
    return n;
}

// The sum of the segments' masses, the same for all invocations.
fn total(lane: u32) -> f32 {
    workgroupBarrier();
    if (lane == 0u) {
        var sum = 0.0;
        for (var t = 0u; t < 256u; t++) {
            sum += partial[t];
        }
        shared_sum = sum;
    }
    return workgroupUniformLoad(&shared_sum);
}

fn uniform01(s: Sampler) -> f32 {
    var v = vec3<u32>(s.seed_low, s.seed_high, s.counter) * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3<u32>(16u);
    v.x += v.y * v.z;
    return f32(v.x >> 8u) * 0x1p-24;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x;
    if (!live(i)) {
        return;
    }
    let sequence = rows[p.first_row + i].x;
    let at = (p.out_row + i) * p.n_vocab;
    let s = samplers[sequence];
    let segment = (p.n_vocab + 255u) / 256u;
    let first = lane * segment;
    let end = min(first + segment, p.n_vocab);

    if (lane == 0u) {
        atomicStore(&count, 0u);
    }
    workgroupBarrier();

    // The largest value, the lowest id on a tie; and whether all logits are finite.
    var best = LOWEST;
    var best_id = 0xffffffffu;
    var bad = 0u;
    for (var t = first; t < end; t++) {
        if ((bitcast<u32>(logits[at + t]) & 0x7f800000u) == 0x7f800000u) {
            bad = 1u;
        }
        if (drawable(t)) {
            let v = value(s, sequence, at, t);
            if (v > best || best_id == 0xffffffffu) {
                best = v;
                best_id = t;
            }
        }
    }
    partial[lane] = best;
    partial_id[lane] = best_id;
    if (bad == 1u) {
        atomicAdd(&count, 1u);
    }
    workgroupBarrier();
    for (var t = 0u; t < 256u; t++) {
        // Segments ascend, so a strict comparison keeps the lowest id.
        if (partial_id[t] != 0xffffffffu && (partial[t] > best || (partial[t] == best && partial_id[t] < best_id))) {
            best = partial[t];
            best_id = partial_id[t];
        }
    }
    if (lane == 0u) {
        drawn[p.drawn_row + i] = vec2<u32>(best_id, min(atomicLoad(&count), 1u));
    }
    if (GREEDY == 1u || s.temperature == 0.0) {
        return;
    }

    // top-k: the largest key that at least k tokens reach, bit by bit.
    var least = 0u;
    if (s.top_k > 0u && s.top_k < p.n_vocab) {
        for (var bit = 32u; bit > 0u; bit--) {
            let candidate = least | (1u << (bit - 1u));
            workgroupBarrier();
            if (lane == 0u) {
                atomicStore(&count, 0u);
            }
            workgroupBarrier();
            var n = 0u;
            for (var t = first; t < end; t++) {
                if (drawable(t) && key(value(s, sequence, at, t)) >= candidate) {
                    n++;
                }
            }
            atomicAdd(&count, n);
            if (workgroup_count() >= s.top_k) {
                least = candidate;
            }
        }
    }

    // top-p: the largest key above which at least the mass p lies; tokens above it are kept.
    var above = 0u;
    if (s.top_p < 1.0) {
        workgroupBarrier();
        var mass = 0.0;
        for (var t = first; t < end; t++) {
            let v = value(s, sequence, at, t);
            if (drawable(t) && key(v) >= least) {
                mass += exp(max(v - best, -87.0));
            }
        }
        partial[lane] = mass;
        let wanted = s.top_p * total(lane);
        for (var bit = 32u; bit > 0u; bit--) {
            let candidate = above | (1u << (bit - 1u));
            mass = 0.0;
            for (var t = first; t < end; t++) {
                let v = value(s, sequence, at, t);
                if (drawable(t) && key(v) >= least && key(v) > candidate) {
                    mass += exp(max(v - best, -87.0));
                }
            }
            workgroupBarrier();
            partial[lane] = mass;
            if (total(lane) >= wanted) {
                above = candidate;
            }
        }
    }

    // Draw in order of token id.
    var mass = 0.0;
    for (var t = first; t < end; t++) {
        let v = value(s, sequence, at, t);
        if (drawable(t) && key(v) >= least && key(v) > above && v >= best + s.ln_min_p) {
            mass += exp(max(v - best, -87.0));
        }
    }
    workgroupBarrier();
    partial[lane] = mass;
    let target_mass = uniform01(s) * total(lane);
    if (lane != 0u) {
        return;
    }
    var chosen = best_id;
    var before = 0.0;
    var part = 0u;
    while (part < 255u && before + partial[part] <= target_mass) {
        before += partial[part];
        part++;
    }
    for (var t = part * segment; t < p.n_vocab; t++) {
        let v = value(s, sequence, at, t);
        if (drawable(t) && key(v) >= least && key(v) > above && v >= best + s.ln_min_p) {
            before += exp(max(v - best, -87.0));
            chosen = t;
            if (before > target_mass) {
                break;
            }
        }
    }
    drawn[p.drawn_row + i].x = chosen;
}
