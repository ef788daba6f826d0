// What a segment of HRM answers, and whether it was the last one. One workgroup a sequence.
//
//   answer_j = the likeliest word of cell j, the first of equals
//   changed  = how many cells have another answer than in the segment before
//   halted when  forced: segment == forced
//                else:   test and (changed == 0 where the answer must settle), or segment == cap
//   test     q_halt > q_continue (strict), or q_halt >= threshold
//
// Answers of all segments of a submission are kept: slab 0 is the one before it, slab `step` is this segment's.
// Source: HRM hrm_act_v1.py, HierarchicalReasoningModel_ACTV1.forward; that the answer has to settle is our own.

struct Params {
    step: u32,        // of the submission, from 1
    n_sequences: u32,
    n_cells: u32,
    n_vocab: u32,
    capacity: u32,    // positions of a sequence: q's slots
}

struct Control {
    done: u32,         // segments before this submission
    cap: u32,
    forced: u32,       // 0: not forced
    by_threshold: u32, // 1: q_halt >= threshold
    threshold: f32,
    must_settle: u32,  // 1: the answer has to stay as it is for a segment
    first_row: u32,    // where its cells begin among the logits
}

struct Verdict {
    segment: u32,
    by: u32,      // what halted it; 0: nothing yet
    changed: u32,
    is_bad: u32,  // 1: a logit or a halting value is not finite
    q_halt: f32,
    q_continue: f32,
}

const BY_TEST = 1u;
const BY_CAP = 2u;
const BY_FORCED = 3u;

@group(0) @binding(0) var<storage, read> controls: array<Control>;       // [sequence]
@group(0) @binding(1) var<storage, read> q: array<vec2<f32>>;            // [slot]; the sequence's first position decides
@group(0) @binding(2) var<storage, read> logits: array<f32>;             // [row, n_vocab]
@group(0) @binding(3) var<storage, read_write> answers: array<u32>;      // [slab, sequence, cell]
@group(0) @binding(4) var<storage, read_write> mask: array<vec2<u32>>;   // [sequence] of (step it halted at; 0 before, 0)
@group(0) @binding(5) var<storage, read_write> verdicts: array<Verdict>; // [step - 1, sequence]
@group(1) @binding(0) var<uniform> p: Params;

var<workgroup> changed: atomic<u32>;
var<workgroup> bad: atomic<u32>;

// By its exponent: other tests may be optimised away.
fn is_finite(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = group.x;
    let c = controls[s];
    let is_live = mask[s].x == 0u;
    if (lane == 0u) {
        atomicStore(&changed, 0u);
        atomicStore(&bad, 0u);
    }
    workgroupBarrier();
    if (is_live) {
        let slab = p.n_sequences * p.n_cells;
        for (var j = lane; j < p.n_cells; j += 64u) {
            let at = (c.first_row + j) * p.n_vocab;
            var best = 0u;
            var is_bad = false;
            for (var v = 0u; v < p.n_vocab; v++) {
                let logit = logits[at + v];
                is_bad = is_bad || !is_finite(logit);
                if (logit > logits[at + best]) {
                    best = v;
                }
            }
            let cell = (p.step - 1u) * slab + s * p.n_cells + j;
            if (answers[cell] != best) {
                atomicAdd(&changed, 1u);
            }
            if (is_bad) {
                atomicStore(&bad, 1u);
            }
            answers[cell + slab] = best;
        }
    }
    workgroupBarrier();
    if (!is_live || lane != 0u) {
        return;
    }
    let segment = c.done + p.step;
    let n_changed = atomicLoad(&changed);
    let values = q[s * p.capacity];
    var test = values.x > values.y;
    if (c.by_threshold == 1u) {
        test = values.x >= c.threshold;
    }
    let is_bad = select(atomicLoad(&bad), 1u, !is_finite(values.x) || !is_finite(values.y));
    var by = 0u;
    if (c.forced != 0u) {
        if (segment == c.forced) {
            by = BY_FORCED;
        }
    } else if (test && (c.must_settle == 0u || n_changed == 0u)) {
        by = BY_TEST;
    } else if (segment == c.cap) {
        by = BY_CAP;
    }
    if (by != 0u) {
        mask[s] = vec2<u32>(p.step, 0u);
    }
    verdicts[(p.step - 1u) * p.n_sequences + s] = Verdict(segment, by, n_changed, is_bad, values.x, values.y);
}
