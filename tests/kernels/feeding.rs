//! Tokens that are fed back: the kernel against its twin, and both against what is written here.

use fathom_engine::device::Buffer;
use fathom_engine::kernels::feed::Feed;
use fathom_engine::kernels::halt::Control;
use fathom_engine::kernels::sample::NO_TOKEN;
use fathom_engine::kernels::{OUTPUT, OVER, Span};
use fathom_engine::recording::Recording;

use super::random::Random;
use super::{Devices, Near, poison, run};

pub async fn feed_as_its_twin(on: &Devices) {
    const N: usize = 150;
    let mut random = Random(11);
    let (n_vocab, capacity, n_planes, drawn_row) = (50, 7, 4, 3);
    // Every second sequence has a row, in descending order: more than one workgroup of them.
    let n_sequences = 2 * N;
    let length = |s: usize| 1 + s % (capacity - 1);
    let rows = (0..N).flat_map(|i| {
        let s = n_sequences - 1 - 2 * i;
        [s as u32, length(s) as u32 - 1, i as u32, 1]
    });
    let mask = (0..n_sequences).flat_map(|s| match random.below(8) {
        0 => [0, 0],
        1 => [OVER, OVER],
        2 => [2, u32::MAX],
        _ => [1 + random.below(n_planes) as u32, random.below(length(s)) as u32],
    });
    let mask = mask.collect();
    let drawn = (0..N + drawn_row).flat_map(|_| match random.below(8) {
        0 => [NO_TOKEN, 0],
        1 => [random.below(n_vocab) as u32, 1],
        _ => [random.below(n_vocab) as u32, 0],
    });
    let drawn = drawn.collect();
    let controls: Vec<Control> = (0..n_sequences)
        .map(|s| Control {
            n_tokens: length(s) as u32,
            floor: 1,
            cap: n_planes as u32,
            forced: 0,
            bias: 0.5,
            reach: 1 + random.below(n_planes) as u32,
            most_tokens: (length(s) + usize::from(random.below(6) > 0)) as u32,
            end: if random.below(2) == 0 { NO_TOKEN } else { random.below(8) as u32 },
        })
        .collect();
    let words_of_bits = n_vocab.div_ceil(32);
    let words = vec![
        [vec![u32::MAX; 4], rows.collect()].concat(),
        mask,
        drawn,
        bytemuck::cast_slice(&controls).to_vec(),
        poison(n_sequences * n_planes),
        poison(n_sequences * capacity),
        (0..n_sequences * words_of_bits).map(|i| (i as u32).wrapping_mul(0x9e37_79b9)).collect(),
        (0..8 * n_sequences as u32).collect(),
    ];
    on.compare("tokens that go on, and ones that do not", &words, Near::Equal, &|r, b| {
        Feed {
            span: Span { rows: &b[0], mask: &b[1], first: 1, n: N as u32, step: OUTPUT },
            drawn: &b[2],
            controls: &b[3],
            out_from: &b[4],
            tokens: &b[5],
            seen: &b[6],
            samplers: &b[7],
            n_vocab: n_vocab as u32,
            capacity: capacity as u32,
            n_planes: n_planes as u32,
            drawn_row: drawn_row as u32,
        }
        .record(r);
    })
    .await;
}

pub async fn a_token_is_fed_back_when_it_should(on: &Devices) {
    const END: u32 = 6;
    // Sequence 1 of 2 has 3 tokens of at most 4 and has reached depth 4; a vocabulary of 40.
    let control =
        Control { n_tokens: 3, floor: 1, cap: 4, forced: 0, bias: 0.5, reach: 4, most_tokens: 4, end: END };
    // The mask, what was drawn, the control; whether the token is fed back.
    let cases = [
        ([2, 2], [35, 0], control, true),
        ([4, 0], [0, 0], control, true),
        ([2, 2], [35, 0], Control { reach: 1, end: NO_TOKEN, ..control }, true),
        // It did not halt, is over, or its output stage is not here.
        ([0, 0], [35, 0], control, false),
        ([OVER, OVER], [35, 0], control, false),
        ([2, u32::MAX], [35, 0], control, false),
        // A logit is not finite; no token has a text; the end; enough.
        ([2, 2], [35, 1], control, false),
        ([2, 2], [NO_TOKEN, 0], control, false),
        ([2, 2], [END, 0], control, false),
        ([2, 2], [35, 0], Control { most_tokens: 3, ..control }, false),
    ];
    for (case, (mask, drawn, control, is_fed)) in cases.into_iter().enumerate() {
        let words = vec![
            vec![1, 2, 0, 1],
            vec![7, 7, mask[0], mask[1]],
            drawn.to_vec(),
            bytemuck::cast_slice(&[control; 2]).to_vec(),
            poison(2 * 4),
            poison(2 * 5),
            vec![0; 2 * 2],
            vec![9; 2 * 8],
        ];
        let mut expected = words.clone();
        if is_fed {
            let [token, _] = drawn;
            let [depth, _] = mask;
            expected[1][2..].fill(0);
            let fed = Control { n_tokens: 4, reach: control.reach.min(depth), ..control };
            expected[3][8..].copy_from_slice(bytemuck::cast_slice(&[fed]));
            expected[4][4 + depth as usize - 1] = 3;
            expected[5][5 + 3] = token;
            expected[6][2 + token as usize / 32] = 1 << (token % 32);
            expected[7][8 + 7] = 10;
        } else {
            expected[1][2..].fill(OVER);
        }
        for device in [&on.gpu, &on.cpu] {
            let record = |r: &mut Recording, b: &[Buffer]| {
                Feed {
                    span: Span { rows: &b[0], mask: &b[1], first: 0, n: 1, step: OUTPUT },
                    drawn: &b[2],
                    controls: &b[3],
                    out_from: &b[4],
                    tokens: &b[5],
                    seen: &b[6],
                    samplers: &b[7],
                    n_vocab: 40,
                    capacity: 5,
                    n_planes: 4,
                    drawn_row: 0,
                }
                .record(r);
            };
            assert_eq!(run(device, &words, &record).await, expected, "case {case} on {device:?}");
        }
    }
}
