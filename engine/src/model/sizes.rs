//! How large a model's and a session's buffers are, in bytes. `state.rs` allocates by these numbers, and whoever
//! plans a machine reads the same ones.

use crate::config::{Config, HrmConfig};
use crate::kernels::linear::kv_stride;
use crate::weights::{WeightType, expected_tensors};

/// What a session keeps on its device of one position of one sequence, in bytes. Everything is f32, keys and
/// values if they are not f16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBytes {
    /// The token.
    pub token: u64,
    /// What the input blocks make of it.
    pub x: u64,
    /// z_H after one depth.
    pub z_h: u64,
    /// z_L after one depth.
    pub z_l: u64,
    /// The sum of z_H over the positions up to this one, after one depth.
    pub sum: u64,
    /// q_halt and q_continue after one depth.
    pub q: u64,
    /// The keys and values of one block application.
    pub keys_values: u64,
    /// Input blocks.
    pub n_input: u64,
    /// Block applications of one step.
    pub n_step: u64,
    /// Output blocks; they are kept for each depth.
    pub n_output: u64,
    /// The deepest that the model thinks.
    pub most_depths: u64,
}

impl CacheBytes {
    /// Those of a model.
    pub fn of(config: &Config) -> CacheBytes {
        let numbers = |n: usize| size_of::<f32>() as u64 * n as u64;
        CacheBytes {
            token: numbers(1),
            x: numbers(config.n_embd),
            z_h: numbers(config.n_embd),
            z_l: numbers(config.n_embd),
            sum: numbers(config.n_embd),
            q: numbers(2),
            keys_values: (config.kv_type.size_bytes()
                * 2
                * config.n_kv_head
                * kv_stride(config.head_dim() as u32)) as u64,
            n_input: config.n_input_layers as u64,
            n_step: config.step_applications() as u64,
            n_output: config.n_output_layers as u64,
            most_depths: config.hrm_max_steps as u64,
        }
    }

    /// What every context has, however deep: the token, x, and the input blocks' keys and values.
    pub fn input(&self) -> u64 {
        self.token + self.x + self.n_input * self.keys_values
    }

    /// A plane with its states: z_H, z_L, the sum, the halting values, and the keys and values of its block
    /// applications.
    pub fn plane(&self) -> u64 {
        self.z_h + self.z_l + self.sum + self.q + self.n_step * self.keys_values
    }

    /// A depth's share of the output blocks' keys and values.
    pub fn output(&self) -> u64 {
        self.n_output * self.keys_values
    }

    /// Depths for which the buffers of all depths have room once one is reached: they grow by doubling.
    pub fn n_slabs(&self, depth: u64) -> u64 {
        depth.max(1).next_power_of_two().min(self.most_depths)
    }

    /// Everything, of so many slots (sequences times the positions of each) that were read to a depth: what is
    /// allocated, to the byte. In 128 bits, because a configuration may ask for more than any machine has.
    pub fn allocated(&self, n_slots: u64, depth: u64) -> u128 {
        let bytes = |of_slot: u64, n: u64, n_slabs: u64| {
            u128::from(n) * whole_vectors(u128::from(of_slot) * u128::from(n_slots) * u128::from(n_slabs))
        };
        let input = bytes(self.token, 1, 1) + bytes(self.x, 1, 1) + bytes(self.keys_values, self.n_input, 1);
        let plane = bytes(self.z_l, 1, 1) + bytes(self.sum, 1, 1) + bytes(self.keys_values, self.n_step, 1);
        input + u128::from(depth) * plane + self.slabs(n_slots, self.n_slabs(depth))
    }

    /// The most that is held on the way to a depth: while the buffers of all depths grow, the old ones are still
    /// there.
    pub fn at_most(&self, n_slots: u64, depth: u64) -> u128 {
        let n_slabs = self.n_slabs(depth);
        let before = if n_slabs == 1 { 0 } else { self.slabs(n_slots, n_slabs.next_power_of_two() / 2) };
        self.allocated(n_slots, depth) + before
    }

    /// The buffers of all depths.
    fn slabs(&self, n_slots: u64, n_slabs: u64) -> u128 {
        let bytes =
            |of_slot: u64| whole_vectors(u128::from(of_slot) * u128::from(n_slots) * u128::from(n_slabs));
        bytes(self.z_h) + bytes(self.q) + u128::from(self.n_output) * bytes(self.keys_values)
    }
}

/// The scratch memory of a submission, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkBytes {
    /// A row of the residual stream, of a state, of q, or of what attention or a norm makes.
    pub embd: u64,
    /// A row's factor of a norm.
    pub factor: u64,
    /// A row of the MLP's hidden numbers.
    pub hidden: u64,
    /// A row of logits.
    pub logits: u64,
    /// A drawn token.
    pub drawn: u64,
}

impl WorkBytes {
    /// The most rows that are worked on at a time; what is longer is worked off in pieces.
    pub const MOST_ROWS: u64 = super::state::MOST_ROWS as u64;

    /// What is bound where a kernel writes nothing.
    pub(super) const UNUSED: u64 = 16;

    /// Those of a model.
    pub fn of(config: &Config) -> WorkBytes {
        let numbers = |n: usize| size_of::<f32>() as u64 * n as u64;
        WorkBytes {
            embd: numbers(config.n_embd),
            factor: numbers(1),
            hidden: numbers(4 * config.n_embd),
            logits: numbers(config.vocab_size),
            drawn: numbers(2),
        }
    }

    /// Those of an HRM, whose cells all get logits.
    pub(super) fn of_hrm(config: &HrmConfig) -> WorkBytes {
        let numbers = |n: usize| size_of::<f32>() as u64 * n as u64;
        WorkBytes {
            embd: numbers(config.hidden_size),
            factor: numbers(1),
            hidden: numbers(config.hidden()),
            logits: numbers(config.vocab_size),
            drawn: 0,
        }
    }

    /// All of it, for so many rows of which so many get logits.
    pub fn allocated(&self, n_rows: u64, n_logits: u64) -> u128 {
        let bytes = |of_row: u64, n: u64| whole_vectors(u128::from(of_row) * u128::from(n));
        5 * bytes(self.embd, n_rows)
            + u128::from(WorkBytes::UNUSED)
            + bytes(self.factor, n_rows)
            + bytes(self.hidden, n_rows)
            + bytes(self.logits, n_logits)
            + bytes(self.drawn, n_logits)
    }
}

/// The weights on a device whose matrices are stored in this type, as far as their shapes allow it: norms, biases,
/// learned positions, the two initial states and q_head are f32 there; with the RoPE table and the list of tokens that may be drawn. Gaps of less than 16 bytes
/// between tensors are not counted.
pub fn weights_bytes(config: &Config, matrices: WeightType) -> u64 {
    let stored = |(name, shape): &(String, Vec<usize>)| {
        let is_matrix = shape.len() > 1 && !name.contains("q_head") && !name.contains("wpe");
        let stored =
            Some(matrices).filter(|stored| is_matrix && stored.fits(shape)).unwrap_or(WeightType::F32);
        stored.bytes(shape.iter().map(|&n| n as u64).product())
    };
    let weights: u64 = expected_tensors(config).iter().map(stored).sum();
    // A block of a level has the norm of the one before it too.
    let copied = 4 * config.n_embd * (config.hrm_h_layers + config.hrm_l_layers - 2);
    let table = if config.use_rotary { config.block_size * (config.head_dim() / 2) * 8 } else { 0 };
    weights + copied as u64 + table as u64 + 4 * config.vocab_size.div_ceil(32) as u64
}

/// As [`Device::buffer`](crate::Device::buffer) makes them.
fn whole_vectors(n_bytes: u128) -> u128 {
    n_bytes.max(1).next_multiple_of(16)
}
