//! What one decoded token costs by its depth, and what it would cost without the reasoning core.
//!
//! Everything before the token is cached, so it is one row through every block application:
//!
//! ```text
//! applications = n_input + n_output + depth · step_applications
//! FLOPs        = 2 · (parameters of the linear layers) · applications      a product and a sum each
//!              + 4 · context · n_embd · applications                       attention: q · k, and weights · v
//!              + 2 · vocab_size · n_embd + depth · 2 · 2 · n_embd          head; q_head
//! weight bytes = every block application reads its weights again
//! K/V bytes    = applications · context · 2 · kv_dim · 4
//! ```
//!
//! Norms, RoPE, activations and softmax are left out of the FLOPs: well below one in a hundred.

use fathom_engine::{BLOCK, Config, WeightType, expected_tensors};
use serde::Serialize;

use super::ByType;

/// The cost of a token that is thought about for so many steps. In 128 bits, because a configuration may ask for
/// more than any machine has.
#[derive(Debug, Serialize)]
pub struct DepthCosts {
    /// Steps.
    pub depth: u64,
    /// Blocks that one row passes through.
    pub applications: u64,
    /// As above.
    pub flops: u128,
    /// The reasoning core's share of them.
    pub core_share: f64,
    /// Weights that are read, by their type.
    pub weight_bytes: ByType<u128>,
    /// Keys and values that are read.
    pub keys_values_bytes: u128,
    /// How many times as much as the same model without its core.
    pub without_core: Times,
    /// How many times as much as a plain transformer with these blocks, each applied once: the same parameters
    /// but for q_head and the initial states.
    pub same_parameters: Times,
    /// The parameters of a plain transformer with as many blocks as are applied here, so of equal cost.
    pub same_cost_parameters: u128,
}

/// Ratios.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// Of FLOPs.
    pub flops: f64,
    /// Of bytes read, weights, keys and values.
    pub bytes: f64,
}

/// At depths 1, 2, 4 and so on, and at the deepest.
pub fn by_depth(config: &Config, context: u64, compared_in: WeightType) -> Vec<DepthCosts> {
    let deepest = config.hrm_max_steps as u64;
    let powers = (0..).map(|i| 1_u64 << i).take_while(|&depth| depth < deepest);
    let costs = Costs::new(config, context);
    powers.chain([deepest]).map(|depth| costs.at(depth, compared_in)).collect()
}

/// What a row costs in one block and beside the blocks.
struct Costs {
    /// Applications that every depth has, and those of one step.
    n_fixed: u64,
    n_step: u64,
    /// Blocks, each counted once.
    n_distinct: u64,
    block: Piece,
    /// The embedding's row, the final norm and the head.
    ends: Piece,
    q_head: Piece,
    attention_flops: u128,
    keys_values_bytes: u128,
    block_parameters: u128,
    ends_parameters: u128,
}

/// Parameters that a row is multiplied with, and the others, which are few.
#[derive(Clone, Copy)]
struct Piece {
    n_linear: u128,
    /// Those of them whose rows are whole blocks, so that they can be quantised.
    n_in_blocks: u128,
    n_other: u128,
}

impl Piece {
    fn flops(self) -> u128 {
        2 * self.n_linear
    }

    /// On a device, norms and biases are f32 whatever the type of the matrices.
    fn bytes(self, weight_type: WeightType) -> u128 {
        let narrow = if weight_type.is_quantized() { self.n_in_blocks } else { self.n_linear };
        let bytes_of_block = u128::from(weight_type.bytes(BLOCK as u64));
        bytes_of_block * narrow / BLOCK as u128 + 4 * (self.n_linear - narrow + self.n_other)
    }
}

impl Costs {
    fn new(config: &Config, context: u64) -> Costs {
        let (c, v) = (config.n_embd as u128, config.vocab_size as u128);
        let in_blocks = |n: u128, shape: &[usize]| if WeightType::Q8.fits(shape) { n } else { 0 };
        let mut block = Piece { n_linear: 0, n_in_blocks: 0, n_other: 0 };
        for (_, shape) in
            expected_tensors(config).iter().filter(|(name, _)| name.starts_with("input_blocks.0."))
        {
            let n = shape.iter().product::<usize>() as u128;
            if shape.len() > 1 {
                block.n_linear += n;
                block.n_in_blocks += in_blocks(n, shape);
            } else {
                block.n_other += n;
            }
        }
        let positions = if config.use_rotary { 0 } else { config.block_size as u128 * c };
        Costs {
            n_fixed: (config.n_input_layers + config.n_output_layers) as u64,
            n_step: config.step_applications() as u64,
            n_distinct: (config.n_input_layers
                + config.n_output_layers
                + config.hrm_h_layers
                + config.hrm_l_layers) as u64,
            block,
            ends: Piece {
                n_linear: v * c,
                n_in_blocks: in_blocks(v * c, &[config.vocab_size, config.n_embd]),
                n_other: c,
            },
            q_head: Piece { n_linear: 2 * c, n_in_blocks: 0, n_other: 2 },
            attention_flops: 4 * u128::from(context) * c,
            keys_values_bytes: u128::from(context) * 2 * 4 * config.kv_dim() as u128,
            block_parameters: block.n_linear + block.n_other,
            ends_parameters: v * c + positions + c,
        }
    }

    fn at(&self, depth: u64, compared_in: WeightType) -> DepthCosts {
        let applications = self.n_fixed + depth * self.n_step;
        let flops = self.flops(applications, depth);
        let bytes = self.bytes(applications, depth, compared_in);
        let times = |n: u64| Times {
            flops: flops as f64 / self.flops(n, 0) as f64,
            bytes: bytes as f64 / self.bytes(n, 0, compared_in) as f64,
        };
        DepthCosts {
            depth,
            applications,
            flops,
            core_share: 1.0 - self.flops(self.n_fixed, 0) as f64 / flops as f64,
            weight_bytes: ByType::each(|stored| self.weight_bytes(applications, depth, stored)),
            keys_values_bytes: u128::from(applications) * self.keys_values_bytes,
            without_core: times(self.n_fixed),
            same_parameters: times(self.n_distinct),
            same_cost_parameters: u128::from(applications) * self.block_parameters + self.ends_parameters,
        }
    }

    fn flops(&self, applications: u64, depth: u64) -> u128 {
        u128::from(applications) * (self.block.flops() + self.attention_flops)
            + self.ends.flops()
            + u128::from(depth) * self.q_head.flops()
    }

    fn weight_bytes(&self, applications: u64, depth: u64, weight_type: WeightType) -> u128 {
        u128::from(applications) * self.block.bytes(weight_type)
            + self.ends.bytes(weight_type)
            + u128::from(depth) * self.q_head.bytes(WeightType::F32)
    }

    fn bytes(&self, applications: u64, depth: u64, weight_type: WeightType) -> u128 {
        self.weight_bytes(applications, depth, weight_type)
            + u128::from(applications) * self.keys_values_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::tests::released;
    use super::*;

    /// The figures of the design: blocks applied, and weights read at depth 1.
    #[test]
    fn the_released_size() {
        let costs = by_depth(&released(), 512, WeightType::F32);
        let depths: Vec<(u64, u64)> = costs.iter().map(|cost| (cost.depth, cost.applications)).collect();
        assert_eq!(depths, [(1, 36), (2, 60), (4, 108), (8, 204), (16, 396)]);
        let mb = |bytes: u128| (bytes as f64 / 1e6).round();
        assert_eq!((mb(costs[0].weight_bytes.f32), mb(costs[0].weight_bytes.f16)), (524.0, 262.0));
        // 36 blocks of 3,010,560 weights, with 512 keys and values of 448 each; the head; q_head.
        let flops = 36 * (2 * 3_010_560 + 4 * 512 * 448) + 2 * 50304 * 448 + 2 * 2 * 448;
        assert_eq!(costs[0].flops, flops);
        // Twenty blocks as many parameters, but for q_head and the initial states.
        assert_eq!(costs[0].same_parameters.flops, flops as f64 / (flops - 16 * 6_938_624 - 1792) as f64);
        assert_eq!(costs[0].same_cost_parameters, 36 * (3_010_560 + 896) + 50304 * 448 + 448);
    }

    #[test]
    fn one_step_is_one_row() {
        let config = Config { hrm_max_steps: 1, ..released() };
        assert_eq!(by_depth(&config, 1, WeightType::F32).len(), 1);
        let config = Config { hrm_max_steps: 5, ..released() };
        let depths: Vec<u64> = by_depth(&config, 1, WeightType::F32).iter().map(|cost| cost.depth).collect();
        assert_eq!(depths, [1, 2, 4, 5]);
    }
}
