// Feeds drawn tokens back: each sequence that goes on gets its token as its next position, and begins to think about
// it. One invocation a row, each of another sequence. With halt.wgsl the only kernel that writes the mask.
//
//   over    the sequence did not halt, its output stage is not wholly here, a logit is not finite, the token is the
//           end, or the host wants no more; nothing is computed for it until the host has read what there is
//   else    tokens, seen, the sampler's counter and the length of the context advance by the token; the planes reach
//           as deep as all tokens since the host's last look went; the output stage at this depth has this position

struct Params {
    first_row: u32,
    n_rows: u32,
    n_vocab: u32,
    capacity: u32,
    n_planes: u32, // columns of out_from
    drawn_row: u32, // the row of drawn that is row 0's
}

struct Control {
    n_tokens: u32,
    floor: u32,
    cap: u32,
    forced: u32,
    bias: f32,
    reach: u32,       // the last step that can be taken
    most_tokens: u32, // so long may the context become
    end: u32,         // the token after which nothing is wanted
}

struct Sampler {
    temperature: f32,
    penalty: f32,
    top_k: u32,
    top_p: f32,
    ln_min_p: f32,
    seed_low: u32,
    seed_high: u32,
    counter: u32,
}

const OVER = 0xffffffffu;
const NO_TOKEN = 0xffffffffu;

// rows[i] = (sequence, position, source row, 1 for the last row of its sequence)
// mask[sequence] = (depth it halted at, 0 before, OVER in place of both; first position its output stage computes)
@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> mask: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> drawn: array<vec2<u32>>;           // [drawn_row + n_rows]: token, whether a logit is not finite
@group(0) @binding(3) var<storage, read_write> controls: array<Control>;    // [sequence]
@group(0) @binding(4) var<storage, read_write> out_from: array<u32>;        // [sequence, plane]
@group(0) @binding(5) var<storage, read_write> tokens: array<u32>;          // [slot]
@group(0) @binding(6) var<storage, read_write> seen: array<u32>;            // [sequence], a bit a token
@group(0) @binding(7) var<storage, read_write> samplers: array<Sampler>;    // [sequence]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * 64u + lane;
    if (i >= p.n_rows) {
        return;
    }
    let row = rows[p.first_row + i];
    let s = row.x;
    let m = mask[s];
    let n = controls[s].n_tokens;
    let token = drawn[p.drawn_row + i].x;
    let is_bad = drawn[p.drawn_row + i].y != 0u || token == NO_TOKEN;
    // What was not computed left an older token in drawn.
    let is_drawn = m.x != 0u && row.y >= m.y && !is_bad;
    if (!is_drawn || token == controls[s].end || n >= controls[s].most_tokens) {
        mask[s] = vec2<u32>(OVER, OVER);
        return;
    }
    tokens[s * p.capacity + n] = token;
    seen[s * ((p.n_vocab + 31u) / 32u) + token / 32u] |= 1u << (token % 32u);
    samplers[s].counter += 1u;
    controls[s].n_tokens = n + 1u;
    controls[s].reach = min(controls[s].reach, m.x);
    out_from[s * p.n_planes + m.x - 1u] = n;
    mask[s] = vec2<u32>(0u, 0u);
}
