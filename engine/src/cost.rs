//! What a model costs: parameters by part, and what one more token takes by depth. Nothing here computes a model;
//! it works for a configuration that nobody has trained yet.
//!
//! Operations count a multiplication and an addition as two. Those of the linear layers, of attention's two
//! products and of the output head are counted; norms, RoPE, activations and softmax, which are a few per
//! thousand, are not.

use crate::config::Config;
use crate::model::state::{MOST_LOGITS, MOST_ROWS};
use crate::weights::{WeightType, expected_tensors};

/// Numbers in each part of a model. Together they are [`Config::n_parameters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartSizes {
    /// `wte`, which is the output head too.
    pub embedding: u64,
    /// `wpe`.
    pub positions: u64,
    /// The blocks before the core.
    pub input_blocks: u64,
    /// The core's H level.
    pub h_level: u64,
    /// The core's L level.
    pub l_level: u64,
    /// The core's initial states and halting head.
    pub halting: u64,
    /// The blocks behind the core.
    pub output_blocks: u64,
    /// `ln_f`.
    pub final_norm: u64,
}

impl PartSizes {
    /// Of all parts.
    pub fn total(&self) -> u64 {
        let Self { embedding, positions, input_blocks, output_blocks, final_norm, .. } = *self;
        embedding + positions + input_blocks + self.core() + output_blocks + final_norm
    }

    /// Of the reasoning core.
    pub fn core(&self) -> u64 {
        self.h_level + self.l_level + self.halting
    }
}

/// What it takes to decode one more token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenCost {
    /// Blocks that are applied, those of the core once for each time.
    pub n_blocks: u64,
    /// Floating-point operations.
    pub flops: f64,
    /// Those of them in the core.
    pub core_flops: f64,
    /// Weights that are read, in bytes; a block that is applied again is read again.
    pub weight_bytes: f64,
    /// Keys and values that are read, in bytes.
    pub cache_bytes: f64,
}

/// Bytes that a session keeps for each position of each sequence, f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionBytes {
    /// Whatever the depth: the token, the input stage and its keys and values.
    pub input: u64,
    /// For each plane: z_L, the sum of z_H, keys and values of the step's block applications.
    pub plane: u64,
    /// For each depth that there is room for (a power of two of them): z_H, the halting values, the keys and
    /// values of the output blocks.
    pub slab: u64,
}

impl Config {
    /// Numbers in each part.
    pub fn part_sizes(&self) -> PartSizes {
        let mut parts = PartSizes::default();
        for (name, shape) in expected_tensors(self) {
            let n = shape.iter().product::<usize>() as u64;
            *match name.split('.').next() {
                Some("wte") => &mut parts.embedding,
                Some("wpe") => &mut parts.positions,
                Some("input_blocks") => &mut parts.input_blocks,
                Some("output_blocks") => &mut parts.output_blocks,
                Some("ln_f") => &mut parts.final_norm,
                _ if name.starts_with("hrm_core.H_level") => &mut parts.h_level,
                _ if name.starts_with("hrm_core.L_level") => &mut parts.l_level,
                _ => &mut parts.halting,
            } += n;
        }
        parts
    }

    /// Block applications of one step.
    pub fn blocks_per_step(&self) -> u64 {
        let [h_layers, l_layers, h_cycles, l_cycles] =
            [self.hrm_h_layers, self.hrm_l_layers, self.hrm_h_cycles, self.hrm_l_cycles].map(|n| n as u64);
        h_cycles * (l_cycles * l_layers + h_layers)
    }

    /// Numbers in the linear layers of one block, without biases.
    pub fn linear_weights_per_block(&self) -> u64 {
        let (c, kv) = (self.n_embd as u64, self.kv_dim() as u64);
        let mlp = if self.use_swiglu { 12 * c * c } else { 8 * c * c };
        2 * c * c + 2 * kv * c + mlp
    }

    /// One more token in a context of `n_context`, thought about `depth` steps; weights of type `weights`.
    pub fn token_cost(&self, depth: u32, n_context: u64, weights: WeightType) -> TokenCost {
        let (c, v, kv) = (self.n_embd as f64, self.vocab_size as f64, self.kv_dim() as f64);
        let core_blocks = f64::from(depth) * self.blocks_per_step() as f64;
        let n_blocks = (self.n_input_layers + self.n_output_layers) as f64 + core_blocks;
        let linear = self.linear_weights_per_block() as f64;
        let block_flops = 2.0 * linear + 4.0 * n_context as f64 * c;
        let core_flops = core_blocks * block_flops + 4.0 * c * f64::from(depth);
        TokenCost {
            n_blocks: n_blocks as u64,
            flops: (n_blocks - core_blocks) * block_flops + core_flops + 2.0 * v * c,
            core_flops,
            weight_bytes: (n_blocks * linear + v * c) * weights.size_bytes() as f64,
            cache_bytes: n_blocks * 2.0 * kv * 4.0 * n_context as f64,
        }
    }

    /// What a session keeps for each position of each sequence.
    pub fn position_bytes(&self) -> PositionBytes {
        let (c, kv) = (self.n_embd as u64, self.kv_dim() as u64);
        PositionBytes {
            input: 4 * (1 + c + 2 * kv * self.n_input_layers as u64),
            plane: 4 * (2 * c + 2 * kv * self.blocks_per_step()),
            slab: 4 * (c + 2 + 2 * kv * self.n_output_layers as u64),
        }
    }

    /// The most bytes of scratch memory beside that, however many positions there are.
    pub fn scratch_bytes(&self) -> u64 {
        let (c, kv, v) = (self.n_embd as u64, self.kv_dim() as u64, self.vocab_size as u64);
        4 * MOST_ROWS as u64 * (11 * c + 2 * kv) + 4 * MOST_LOGITS as u64 * (v + 2)
    }
}

impl PositionBytes {
    /// Of a session that came to that depth.
    pub fn at_depth(&self, depth: u32, max_steps: usize) -> u64 {
        let n_slabs = u64::from(depth).next_power_of_two().min(max_steps as u64);
        self.input + u64::from(depth) * self.plane + n_slabs * self.slab
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The size that CosmicFish-HRM is released in.
    fn released() -> Config {
        let config = serde_json::json!({
            "model_type": "cosmicfish_hrm", "vocab_size": 50304, "n_embd": 448, "block_size": 512,
            "n_input_layers": 6, "n_output_layers": 6, "n_head": 8, "n_kv_head": 4, "hrm_H_layers": 4,
            "hrm_L_layers": 4, "hrm_H_cycles": 2, "hrm_L_cycles": 2, "hrm_max_steps": 16, "bias": false,
            "use_rotary": true, "use_gqa": true, "use_swiglu": true,
        });
        Config::from_json(&config.to_string(), "config.json").unwrap()
    }

    #[test]
    fn the_released_size() {
        let config = released();
        let parts = config.part_sizes();
        assert_eq!(parts.total(), 82_767_554);
        assert_eq!(parts.total(), config.n_parameters() as u64);
        assert_eq!(parts.embedding, 50304 * 448);
        assert_eq!(parts.halting, 4 * 448 + 2);
        assert_eq!((config.blocks_per_step(), config.token_cost(16, 1, WeightType::F32).n_blocks), (24, 396));

        // DESIGN: 524 MB of f32 weights a token at depth 1, half of it in f16.
        let mb = |weights| (config.token_cost(1, 512, weights).weight_bytes / 1e6).round();
        assert_eq!((mb(WeightType::F32), mb(WeightType::F16)), (524.0, 262.0));
        // A token's multiplications are those of the weights that it reads, and attention's.
        let cost = config.token_cost(3, 0, WeightType::F32);
        assert_eq!(cost.flops, cost.weight_bytes / 2.0 + 3.0 * 4.0 * 448.0);

        // And of the cache, at 512 tokens: 24 MB a plane with its states, 29 MB with its share of the output stage.
        let bytes = config.position_bytes();
        let mb = |bytes: u64| (bytes * 512) as f64 / 1e6;
        assert_eq!(mb(bytes.plane + 4 * 448).round(), 25.0);
        assert_eq!(mb(bytes.plane + bytes.slab).round(), 30.0);
        assert!((470.0..500.0).contains(&mb(bytes.at_depth(16, 16))), "{}", mb(bytes.at_depth(16, 16)));
    }
}
