// The halting test of one step, one invocation a sequence. With feed.wgsl the only kernel that writes the mask.
//
//   halted when  forced depth:  step == forced
//                else:          step >= floor and q_halt + bias > q_continue   (strict), or step == cap
//
// A test passed below the floor is ignored, not remembered. A sequence that needs a step beyond its reach is over: the
// host has to send what is missing.
// Source: CosmicFish-HRM model.py, HRMCore.forward.

struct Params {
    step: u32,
    n_sequences: u32,
    capacity: u32,
    n_slots: u32,
    n_planes: u32, // columns of out_from
    first_halted: u32, // the row of halted that is sequence 0's
}

struct Control {
    n_tokens: u32, // 0: the sequence takes no part
    floor: u32,
    cap: u32,
    forced: u32, // 0: not forced
    bias: f32,
    reach: u32, // the last step that can be taken here
    most_tokens: u32,
    end: u32,
}

const OVER = 0xffffffffu;
const BY_TEST = 1u;
const BY_CAP = 2u;
const BY_FORCED = 3u;

@group(0) @binding(0) var<storage, read> controls: array<Control>;      // [sequence]
@group(0) @binding(1) var<storage, read> q: array<vec2<f32>>;           // [slab, slot]
@group(0) @binding(2) var<storage, read> out_from: array<u32>;          // [sequence, plane]: first position that the output stage computes
@group(0) @binding(3) var<storage, read_write> mask: array<vec2<u32>>;  // [sequence]
@group(0) @binding(4) var<storage, read_write> halted: array<vec4<u32>>; // [first_halted + sequence]: depth, halted by, q_halt, q_continue
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = group.x * 64u + lane;
    if (s >= p.n_sequences) {
        return;
    }
    let c = controls[s];
    if (c.n_tokens == 0u || mask[s].x != 0u) {
        return;
    }
    let values = q[(p.step - 1u) * p.n_slots + s * p.capacity + c.n_tokens - 1u];
    var by = 0u;
    if (c.forced != 0u) {
        if (p.step == c.forced) {
            by = BY_FORCED;
        }
    } else if (p.step >= c.floor && values.x + c.bias > values.y) {
        by = BY_TEST;
    } else if (p.step == c.cap) {
        by = BY_CAP;
    }
    if (by == 0u) {
        if (p.step == c.reach) {
            mask[s] = vec2<u32>(OVER, OVER);
        }
        return;
    }
    mask[s] = vec2<u32>(p.step, out_from[s * p.n_planes + p.step - 1u]);
    halted[p.first_halted + s] = vec4<u32>(p.step, by, bitcast<u32>(values.x), bitcast<u32>(values.y));
}
