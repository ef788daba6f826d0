//! Small models of odd sizes that between them call every kernel, most in several variants: each type of weights,
//! each epilogue, one row and several, heads that share keys and heads that do not.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::config::{Config, DEFAULT_HALT_BIAS, HrmConfig, HrmPositions, KvType};
use crate::device::{Answered, Device};
use crate::error::Result;
use crate::halting::DepthControl;
use crate::model::{Hrm, Model};
use crate::sampler::Sampling;
use crate::self_check::known_weights;
use crate::session::{Read, ReadAhead, Session};
use crate::solver::{Halting, Puzzle, Solver};
use crate::weights::{WeightType, expected_tensors, hrm_tensors};

/// Two sequences of several rows, then one row more for each.
const CONTEXTS: [[u32; 10]; 2] =
    [[3, 71, 20, 9, 300, 11, 5, 5, 42, 8], [250, 1, 0, 330, 77, 64, 2, 19, 6, 100]];

/// Every call that reading the miniatures takes, with the twins' answers. Some hundred calls, a few MB.
///
/// # Errors
/// Only where the engine itself is at fault.
pub async fn known_answers() -> Result<Vec<Answered>> {
    let mut answers = vec![];
    for (config, weight_type) in miniatures() {
        let weights = known_weights(expected_tensors(&config), weight_type)?;
        #[allow(clippy::arc_with_non_send_sync)] // in a browser nothing leaves its thread
        let device = Arc::new(Device::cpu(None));
        let model =
            Model::of("the miniature", config, &weights, None, Arc::clone(&device), &mut |_| ()).await?;
        device.keep_transcript();
        read(&model).await?;
        answers.extend(device.take_transcript());
    }
    let config = puzzle_miniature();
    let weights = known_weights(hrm_tensors(&config), WeightType::F32)?;
    #[allow(clippy::arc_with_non_send_sync)]
    let device = Arc::new(Device::cpu(None));
    let model = Hrm::of("the miniature", config, &weights, Arc::clone(&device), &mut |_| ()).await?;
    device.keep_transcript();
    solve(&model).await?;
    answers.extend(device.take_transcript());
    Ok(answers)
}

/// Three puzzles in two slots, of which one is watched.
async fn solve(model: &Arc<Hrm>) -> Result<()> {
    let tokens = |first: u32| (0..model.config().seq_len as u32).map(|j| (first + 3 * j) % 11).collect();
    let puzzle = |first: u32| Puzzle { tokens: tokens(first), identifier: first, noise: None };
    let mut solver = Solver::new(model, 2)?;
    let mut go_on = |_, _| ControlFlow::Continue(());
    solver.solve(&mut (0..3).map(puzzle), Halting::Settled, &mut go_on).await?;
    solver.begin(1, &puzzle(2), Halting::Segments(1)).await?;
    solver.watch().await?;
    Ok(())
}

fn puzzle_miniature() -> HrmConfig {
    HrmConfig {
        seq_len: 13,
        vocab_size: 11,
        hidden_size: 40,
        num_heads: 4,
        expansion: 4.0,
        h_layers: 1,
        l_layers: 2,
        h_cycles: 2,
        l_cycles: 1,
        positions: HrmPositions::Rope,
        puzzle_emb_ndim: 56,
        num_puzzle_identifiers: 3,
        halt_max_steps: 3,
        eps: 1e-5,
        rope_theta: 10_000.0,
    }
}

/// Everything that generation does: a batch, drawn tokens, a further token, one that is fed back, a trace.
async fn read(model: &Arc<Model>) -> Result<()> {
    let mut session = Session::new(model, CONTEXTS.len(), model.config().block_size)?;
    let depth = |forced: Option<u32>| DepthControl { forced, ..DepthControl::default() };
    let drawn =
        Sampling { temperature: 0.8, repeat_penalty: 1.2, top_k: 50, top_p: 0.9, min_p: 0.01, seed: 7 };
    let of = |sequence: usize, n: usize, forced, sampling, place| Read {
        sequence,
        tokens: &CONTEXTS[sequence][..n],
        depth: depth(forced),
        sampling,
        place,
    };
    session
        .read(&[of(0, 8, Some(2), Sampling::default(), 0), of(1, 5, None, Sampling::default(), 0)])
        .await?;
    session.read(&[of(0, 9, Some(2), drawn, 1), of(1, 6, Some(1), drawn, 1)]).await?;
    session.read(&[of(1, 7, Some(1), Sampling::default(), 2)]).await?;
    let ahead = ReadAhead { n_tokens: 2, end: None };
    session.read_ahead(&[(of(1, 8, Some(1), drawn, 3), ahead)]).await?;
    session.read_traced(&of(0, 10, Some(2), Sampling::default(), 2), &mut |_| ()).await?;
    Ok(())
}

fn miniatures() -> [(Config, WeightType); 5] {
    let base = Config {
        vocab_size: 331,
        n_embd: 72,
        block_size: 11,
        n_input_layers: 1,
        n_output_layers: 1,
        n_head: 4,
        n_kv_head: 2,
        hrm_h_layers: 1,
        hrm_l_layers: 2,
        hrm_h_cycles: 2,
        hrm_l_cycles: 2,
        hrm_max_steps: 3,
        bias: false,
        use_rotary: true,
        use_gqa: true,
        use_swiglu: true,
        eps: 1e-5,
        halt_bias: DEFAULT_HALT_BIAS,
        kv_type: KvType::F32,
        eos_token_id: None,
    };
    let learned = Config {
        n_embd: 40,
        n_kv_head: 4,
        bias: true,
        use_rotary: false,
        use_gqa: false,
        use_swiglu: false,
        ..base.clone()
    };
    let wide_heads = Config { n_embd: 88, n_head: 2, n_kv_head: 1, bias: true, ..base.clone() };
    let blocks = |of: &Config| Config { n_embd: 96, hrm_max_steps: 2, ..of.clone() };
    let (q8, q4) = (blocks(&base), blocks(&learned));
    [
        (base, WeightType::F32),
        (learned, WeightType::F16),
        (wide_heads, WeightType::Bf16),
        (q8, WeightType::Q8),
        (q4, WeightType::Q4),
    ]
}
