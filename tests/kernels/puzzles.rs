//! What a segment of HRM answers, and when a puzzle halts.

use fathom_engine::device::Buffer;
use fathom_engine::kernels::decide::{Control, Decide, Verdict};
use fathom_engine::kernels::halt::{BY_CAP, BY_FORCED, BY_TEST};
use fathom_engine::recording::Recording;

use super::random::Random;
use super::{Devices, Near, POISON, floats, poison, run};

pub async fn decide(on: &Devices) {
    let mut random = Random(30);
    // More cells than lanes, and fewer; more words than a puzzle has.
    for (n_sequences, n_cells, n_vocab) in [(5, 81, 11), (1, 150, 6), (9, 7, 70)] {
        let capacity = n_cells + 2;
        for step in 1..=3u32 {
            let control = |s: usize, random: &mut Random| Control {
                done: random.below(3) as u32,
                cap: 1 + random.below(6) as u32,
                forced: random.below(8).saturating_sub(3) as u32,
                by_threshold: random.below(2) as u32,
                threshold: random.unit(),
                must_settle: random.below(2) as u32,
                first_row: ((n_sequences - 1 - s) * n_cells) as u32,
            };
            let controls: Vec<Control> = (0..n_sequences).map(|s| control(s, &mut random)).collect();
            let mut logits = floats(&mut random, n_sequences * n_cells * n_vocab, 3.0);
            // Equal ones: the first counts.
            logits[n_vocab - 1] = 9.0f32.to_bits();
            logits[n_vocab - 3] = 9.0f32.to_bits();
            let before = (0..step as usize * n_sequences * n_cells).map(|_| random.below(n_vocab) as u32);
            let mut answers: Vec<u32> = before.collect();
            answers.resize((step as usize + 1) * n_sequences * n_cells, POISON);
            let words = vec![
                bytemuck::cast_slice(&controls).to_vec(),
                floats(&mut random, 2 * n_sequences * capacity, 1.0),
                logits,
                answers,
                (0..n_sequences).flat_map(|s| if s % 4 == 3 { [1, 0] } else { [0, 0] }).collect(),
                poison(step as usize * n_sequences * size_of::<Verdict>() / 4),
            ];
            let record = |r: &mut Recording, b: &[Buffer]| {
                record(r, b, step, [n_sequences, n_cells, n_vocab, capacity]);
            };
            on.compare(&format!("{n_cells} cells, step {step}"), &words, Near::Equal, &record).await;
        }
    }
}

fn record(r: &mut Recording, b: &[Buffer], step: u32, sizes: [usize; 4]) {
    let [n_sequences, n_cells, n_vocab, capacity] = sizes.map(|n| n as u32);
    Decide {
        controls: &b[0],
        q: &b[1],
        logits: &b[2],
        answers: &b[3],
        mask: &b[4],
        verdicts: &b[5],
        step,
        n_sequences,
        n_cells,
        n_vocab,
        capacity,
    }
    .record(r);
}

pub async fn a_puzzle_halts_when_it_should(on: &Devices) {
    let control =
        Control { done: 2, cap: 9, forced: 0, by_threshold: 0, threshold: 0.0, must_settle: 0, first_row: 0 };
    let settled = Control { must_settle: 1, ..control };
    let sure = Control { by_threshold: 1, threshold: 1.5, ..control };
    // What the two cells were answered before; they are answered 1 and 0 now. Then q, and what halts it.
    let expected = [
        (control, [1, 0], [0.5, 0.25], 0, BY_TEST),
        (control, [1, 1], [0.5, 0.25], 1, BY_TEST),
        // Exactly as much is not more.
        (control, [1, 0], [0.5, 0.5], 0, 0),
        (settled, [1, 0], [0.5, 0.25], 0, BY_TEST),
        (settled, [u32::MAX, u32::MAX], [0.5, 0.25], 2, 0),
        (settled, [1, 1], [0.5, 0.25], 1, 0),
        (settled, [1, 0], [0.25, 0.5], 0, 0),
        // A threshold that is reached exactly is reached, whatever q_continue says.
        (sure, [1, 1], [1.5, 9.0], 1, BY_TEST),
        (sure, [1, 0], [1.25, -9.0], 0, 0),
        // Segment 3 of at most 3, and of exactly 3 or 4.
        (Control { cap: 3, ..control }, [1, 0], [-9.0, 9.0], 0, BY_CAP),
        (Control { cap: 3, ..settled }, [1, 0], [9.0, -9.0], 0, BY_TEST),
        (Control { forced: 3, ..control }, [1, 0], [-9.0, 9.0], 0, BY_FORCED),
        (Control { forced: 4, cap: 3, ..control }, [1, 0], [9.0, -9.0], 0, 0),
    ];
    for (case, (control, before, q, changed, by)) in expected.into_iter().enumerate() {
        for (device, logit) in [(&on.gpu, 0.5), (&on.cpu, 0.5), (&on.gpu, f32::NAN), (&on.cpu, f32::INFINITY)]
        {
            // Sequence 1 of 2; sequence 0 halted before. Three words; capacity 3.
            let logits = [0.25, 1.0, -2.0, 0.75, logit, 0.75f32.next_down()].map(f32::to_bits);
            let mut all_q = [9.0f32, -9.0].repeat(6);
            all_q[6..8].copy_from_slice(&q);
            let words = vec![
                bytemuck::cast_slice(&[settled, control]).to_vec(),
                all_q.iter().map(|q| q.to_bits()).collect(),
                logits.to_vec(),
                [&[7, 7], &before[..], &[POISON; 4]].concat(),
                vec![1, 0, 0, 0],
                poison(2 * size_of::<Verdict>() / 4),
            ];
            let found = run(device, &words, &|r, b| record(r, b, 1, [2, 2, 3, 3])).await;
            let what = format!("case {case} on {device:?}");
            let verdict: &[u32] = &found[5][6..12];
            assert_eq!(found[5][..6], words[5][..6], "{what}: the other sequence");
            if !logit.is_finite() {
                assert_eq!(verdict[3], 1, "{what}: a logit that is no number");
                continue;
            }
            let q = q.map(f32::to_bits);
            assert_eq!(verdict, [3, by, changed, 0, q[0], q[1]], "{what}");
            assert_eq!(found[3], [&words[3][..6], &[1, 0]].concat(), "{what}: answers");
            assert_eq!(found[4], [1, 0, u32::from(by != 0), 0], "{what}: the mask");
        }
    }
}
