//! Which tensors a model has. Source of names and shapes: MistyozAI/CosmicFish-HRM `model.py` and `convert.py`;
//! sapientinc/HRM `models/hrm/hrm_act_v1.py` and `models/layers.py`. A linear layer's weight is `[out, in]`.

use crate::config::{Config, HrmConfig, HrmPositions};

/// Every tensor of a configuration, by name, with its shape. The tied embedding is listed once, as
/// `wte.weight`, and so the sizes add up to the number of parameters.
pub fn expected_tensors(config: &Config) -> Vec<(String, Vec<usize>)> {
    let c = config.n_embd;
    let mut tensors = vec![("wte.weight".to_owned(), vec![config.vocab_size, c])];
    if !config.use_rotary {
        tensors.push(("wpe.weight".to_owned(), vec![config.block_size, c]));
    }
    for block in block_names(config) {
        push_block(&mut tensors, &block, config);
    }
    for (name, shape) in [
        ("hrm_core.H_init", vec![c]),
        ("hrm_core.L_init", vec![c]),
        ("hrm_core.q_head.weight", vec![2, c]),
        ("hrm_core.q_head.bias", vec![2]),
        ("ln_f.weight", vec![c]),
    ] {
        tensors.push((name.to_owned(), shape));
    }
    tensors
}

/// Every tensor of an HRM, by name, with its shape.
pub fn hrm_tensors(config: &HrmConfig) -> Vec<(String, Vec<usize>)> {
    let (v, c, hidden) = (config.vocab_size, config.hidden_size, config.hidden());
    let mut tensors = vec![
        ("inner.embed_tokens.embedding_weight".to_owned(), vec![v, c]),
        ("inner.H_init".to_owned(), vec![c]),
        ("inner.L_init".to_owned(), vec![c]),
        ("inner.lm_head.weight".to_owned(), vec![v, c]),
        ("inner.q_head.weight".to_owned(), vec![2, c]),
        ("inner.q_head.bias".to_owned(), vec![2]),
    ];
    if config.puzzle_emb_ndim > 0 {
        let shape = vec![config.num_puzzle_identifiers, config.puzzle_emb_ndim];
        tensors.push(("inner.puzzle_emb.weights".to_owned(), shape));
    }
    if config.positions == HrmPositions::Learned {
        tensors.push(("inner.embed_pos.embedding_weight".to_owned(), vec![config.n_positions(), c]));
    }
    for (level, n_layers) in [("H_level", config.h_layers), ("L_level", config.l_layers)] {
        for i in 0..n_layers {
            for (linear, n_out, n_in) in [
                ("self_attn.qkv_proj", 3 * c, c),
                ("self_attn.o_proj", c, c),
                ("mlp.gate_up_proj", 2 * hidden, c),
                ("mlp.down_proj", c, hidden),
            ] {
                tensors.push((format!("inner.{level}.layers.{i}.{linear}.weight"), vec![n_out, n_in]));
            }
        }
    }
    tensors
}

/// Every transformer block.
pub(crate) fn block_names(config: &Config) -> impl Iterator<Item = String> {
    let stacks = [
        ("input_blocks", config.n_input_layers),
        ("hrm_core.H_level.layers", config.hrm_h_layers),
        ("hrm_core.L_level.layers", config.hrm_l_layers),
        ("output_blocks", config.n_output_layers),
    ];
    stacks.into_iter().flat_map(|(stack, n)| (0..n).map(move |i| format!("{stack}.{i}")))
}

fn push_block(tensors: &mut Vec<(String, Vec<usize>)>, block: &str, config: &Config) {
    let (c, kv, hidden) = (config.n_embd, config.kv_dim(), 4 * config.n_embd);
    for norm in ["ln_1", "ln_2"] {
        tensors.push((format!("{block}.{norm}.weight"), vec![c]));
    }
    let attention =
        [("attn.q_proj", c, c), ("attn.k_proj", kv, c), ("attn.v_proj", kv, c), ("attn.c_proj", c, c)];
    let mlp: &[(&str, usize, usize)] = if config.use_swiglu {
        &[("mlp.gate", hidden, c), ("mlp.up", hidden, c), ("mlp.down", c, hidden)]
    } else {
        &[("mlp.c_fc", hidden, c), ("mlp.c_proj", c, hidden)]
    };
    for &(linear, n_out, n_in) in attention.iter().chain(mlp) {
        tensors.push((format!("{block}.{linear}.weight"), vec![n_out, n_in]));
        if config.bias {
            tensors.push((format!("{block}.{linear}.bias"), vec![n_out]));
        }
    }
}
