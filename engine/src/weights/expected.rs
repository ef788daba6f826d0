//! Which tensors a model has. Source of names and shapes: MistyozAI/CosmicFish-HRM `model.py` and `convert.py`.
//! A linear layer's weight is `[out, in]`.

use crate::config::Config;

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
