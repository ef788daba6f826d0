//! The numbers of `fathom info`, as JSON has them.

use fathom_engine::{Config, PartSizes, WeightType};
use serde::Serialize;

/// What people have in their machines.
const MEMORY: [u64; 6] = [1, 2, 4, 8, 24, 80];

/// Everything there is to say of a model.
#[derive(Serialize)]
pub struct Report {
    /// Its folder's name, or the file's.
    pub name: String,
    /// How its weights are stored.
    pub dtype: &'static str,
    /// The model's window, in tokens.
    pub window: u64,
    /// The deepest that it can think.
    pub max_steps: u32,
    /// Numbers in all.
    pub n_parameters: u64,
    /// Numbers by part.
    pub parts: Vec<Part>,
    /// The reasoning core's share of the numbers, from 0 to 1.
    pub core_share: f64,
    /// Bytes of all weights.
    pub weight_bytes: u64,
    /// The context that costs are told for, in tokens.
    pub context: u32,
    /// Blocks without the core: input and output blocks.
    pub n_outer_blocks: u64,
    /// Block applications of one step.
    pub blocks_per_step: u64,
    /// By depth.
    pub token_costs: Vec<Cost>,
    /// Of the cache.
    pub cache: Cache,
    /// What fits.
    pub fits: Vec<Fit>,
}

/// One part of a model.
#[derive(Serialize)]
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// Numbers in it.
    pub n_parameters: u64,
    /// Of all, from 0 to 1.
    pub share: f64,
    /// It belongs to the reasoning core.
    pub is_core: bool,
}

/// One more token at a depth.
#[derive(Serialize)]
pub struct Cost {
    /// Steps.
    pub depth: u32,
    /// Blocks that are applied.
    pub n_blocks: u64,
    /// Floating-point operations.
    pub flops: f64,
    /// The core's share of them, from 0 to 1.
    pub core_share: f64,
    /// Weights that are read, in bytes.
    pub weight_bytes: f64,
    /// Keys and values that are read, in bytes.
    pub cache_bytes: f64,
    /// Operations over those of the same model without its core: input and output blocks alone.
    pub over_no_core: f64,
    /// Operations over those of a plain transformer with as many parameters, which applies every block once.
    pub over_plain: f64,
}

/// What is kept for each position of a context, in bytes.
#[derive(Serialize)]
pub struct Cache {
    /// Whatever the depth.
    pub input_bytes: u64,
    /// For each plane.
    pub plane_bytes: u64,
    /// For each depth that there is room for, of which there is a power of two.
    pub slab_bytes: u64,
    /// In all, for a position that came to depth 1.
    pub at_depth_1_bytes: u64,
    /// In all, for a position that came to the greatest depth.
    pub at_max_depth_bytes: u64,
    /// A whole window at the greatest depth.
    pub window_bytes: u64,
    /// Scratch memory beside that, however many positions there are.
    pub scratch_bytes: u64,
}

/// How many positions fit into some memory beside the weights; none: not even the weights do.
#[derive(Serialize)]
pub struct Fit {
    /// The memory in bytes.
    pub memory_bytes: u64,
    /// Positions, of all sequences together, where none is deeper than 1.
    pub positions_at_depth_1: Option<u64>,
    /// Positions at the greatest depth.
    pub positions_at_max_depth: Option<u64>,
}

impl Report {
    /// Of a configuration; `memory` in bytes, empty for the usual sizes.
    pub fn of(name: String, config: &Config, weights: WeightType, context: u32, memory: &[u64]) -> Report {
        let sizes = config.part_sizes();
        let max_steps = config.hrm_max_steps as u32;
        let weight_bytes = sizes.total() * weights.size_bytes() as u64;
        let usual = MEMORY.map(|gb| gb * 1_000_000_000);
        let memory = if memory.is_empty() { &usual[..] } else { memory };
        Report {
            dtype: match weights {
                WeightType::F32 => "f32",
                WeightType::F16 => "f16",
                WeightType::Bf16 => "bf16",
            },
            window: config.block_size as u64,
            max_steps,
            n_parameters: sizes.total(),
            parts: parts(&sizes),
            core_share: sizes.core() as f64 / sizes.total() as f64,
            weight_bytes,
            context,
            n_outer_blocks: (config.n_input_layers + config.n_output_layers) as u64,
            blocks_per_step: config.blocks_per_step(),
            token_costs: depths(max_steps).map(|depth| cost(config, weights, context, depth)).collect(),
            cache: cache(config),
            fits: memory.iter().map(|&bytes| fit(config, weight_bytes, bytes)).collect(),
            name,
        }
    }
}

/// Powers of two, and the greatest.
fn depths(max_steps: u32) -> impl Iterator<Item = u32> {
    (0..32).map(|power| 1 << power).take_while(move |&depth| depth < max_steps).chain([max_steps])
}

fn parts(sizes: &PartSizes) -> Vec<Part> {
    let share = |n: u64| n as f64 / sizes.total() as f64;
    [
        ("embedding, and output head", sizes.embedding, false),
        ("learned positions", sizes.positions, false),
        ("input blocks", sizes.input_blocks, false),
        ("H level", sizes.h_level, true),
        ("L level", sizes.l_level, true),
        ("initial states, halting head", sizes.halting, true),
        ("output blocks", sizes.output_blocks, false),
        ("final norm", sizes.final_norm, false),
    ]
    .into_iter()
    .filter(|(_, n, _)| *n > 0)
    .map(|(name, n, is_core)| Part { name, n_parameters: n, share: share(n), is_core })
    .collect()
}

fn cost(config: &Config, weights: WeightType, context: u32, depth: u32) -> Cost {
    let cost = config.token_cost(depth, context.into(), weights);
    let no_core = cost.flops - cost.core_flops;
    let one_block =
        2.0 * config.linear_weights_per_block() as f64 + 4.0 * f64::from(context) * config.n_embd as f64;
    let core_once = (config.hrm_h_layers + config.hrm_l_layers) as f64 * one_block;
    Cost {
        depth,
        n_blocks: cost.n_blocks,
        flops: cost.flops,
        core_share: cost.core_flops / cost.flops,
        weight_bytes: cost.weight_bytes,
        cache_bytes: cost.cache_bytes,
        over_no_core: cost.flops / no_core,
        over_plain: cost.flops / (no_core + core_once),
    }
}

fn cache(config: &Config) -> Cache {
    let bytes = config.position_bytes();
    let at_max_depth_bytes = bytes.at_depth(config.hrm_max_steps as u32, config.hrm_max_steps);
    Cache {
        input_bytes: bytes.input,
        plane_bytes: bytes.plane,
        slab_bytes: bytes.slab,
        at_depth_1_bytes: bytes.at_depth(1, config.hrm_max_steps),
        at_max_depth_bytes,
        window_bytes: at_max_depth_bytes * config.block_size as u64,
        scratch_bytes: config.scratch_bytes(),
    }
}

fn fit(config: &Config, weight_bytes: u64, memory_bytes: u64) -> Fit {
    let Cache { at_depth_1_bytes, at_max_depth_bytes, scratch_bytes, .. } = cache(config);
    let left = memory_bytes.checked_sub(weight_bytes).and_then(|left| left.checked_sub(scratch_bytes));
    Fit {
        memory_bytes,
        positions_at_depth_1: left.map(|left| left / at_depth_1_bytes),
        positions_at_max_depth: left.map(|left| left / at_max_depth_bytes),
    }
}
