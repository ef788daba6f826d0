//! Model configurations (`config.json`), and the one place where dimensions are checked.
//!
//! Source of the fields: MistyozAI/CosmicFish-HRM `model.py`, `HRMCosmicFishConfig` (arXiv 2605.28919). The
//! papers' H and L are written `h` and `l` here. Every other file may rely on what [`Config::from_json`]
//! checked: nothing is zero, heads divide, and all sizes can be computed in `usize` without overflow.

mod fields;
mod hrm;

use self::fields::Fields;
pub use self::hrm::{HRM_TYPE, HrmConfig, Positions as HrmPositions};
use crate::error::{Error, Result};
use crate::weights::expected_tensors;

/// The `model_type` of a CosmicFish-HRM.
pub const MODEL_TYPE: &str = "cosmicfish_hrm";

/// What the authors' code adds to q_halt before it compares it with q_continue.
pub const DEFAULT_HALT_BIAS: f32 = 0.35;

/// The epsilon of the authors' RMSNorm, for files that leave it out.
const DEFAULT_EPS: f32 = 1e-5;

use self::fields::{
    MOST_CYCLES, MOST_EMBD, MOST_HEAD_DIM, MOST_LAYERS, MOST_POSITIONS, MOST_STEPS, MOST_VOCAB,
};

/// The dimensions of a CosmicFish-HRM model.
///
/// Shapes elsewhere are written with `V` = vocab_size, `C` = n_embd, `hd` = [`head_dim`](Config::head_dim),
/// `KV` = [`kv_dim`](Config::kv_dim).
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of the embedding, V. May be larger than the tokenizer's vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream, C.
    pub n_embd: usize,
    /// The window: the most positions that the model reads.
    pub block_size: usize,
    /// Pre-norm blocks before the reasoning core.
    pub n_input_layers: usize,
    /// Pre-norm blocks after the reasoning core.
    pub n_output_layers: usize,
    /// Query heads.
    pub n_head: usize,
    /// Key and value heads; n_head where the file says `use_gqa: false`, whatever its n_kv_head says.
    pub n_kv_head: usize,
    /// Post-norm blocks of the H level.
    pub hrm_h_layers: usize,
    /// Post-norm blocks of the L level.
    pub hrm_l_layers: usize,
    /// H cycles of one step.
    pub hrm_h_cycles: usize,
    /// L cycles of one H cycle.
    pub hrm_l_cycles: usize,
    /// The depth at which a sequence ends that never halts. With 1 there is no halting test at all.
    pub hrm_max_steps: usize,
    /// Whether the linear layers of attention and MLP have a bias.
    pub bias: bool,
    /// RoPE in every block; otherwise learned positions `wpe` added to the embedding.
    pub use_rotary: bool,
    /// Whether the file asks for grouped queries.
    pub use_gqa: bool,
    /// MLP `down(silu(up(x)) · gate(x))`; otherwise `c_proj(gelu(c_fc(x)))`.
    pub use_swiglu: bool,
    /// RMSNorm's epsilon.
    pub eps: f32,
    /// A sequence halts when `q_halt + halt_bias > q_continue`. A field of our own, 0.35 where it is missing.
    pub halt_bias: f32,
    /// The token that ends a text, where the file names one.
    pub eos_token_id: Option<u32>,
    /// How keys and values are cached. No file says it: f32 until somebody chooses.
    pub kv_type: KvType,
}

/// How cached keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvType {
    /// 32-bit floats.
    #[default]
    F32,
    /// Half precision: half the memory of a context, rounded, what is larger than 65504 to that. Where heads are of an
    /// odd size they stay f32.
    F16,
}

impl KvType {
    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
        }
    }

    /// Bytes of a number.
    pub fn size_bytes(self) -> usize {
        match self {
            KvType::F32 => 4,
            KvType::F16 => 2,
        }
    }
}

impl std::str::FromStr for KvType {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<KvType, String> {
        match text {
            "f32" => Ok(KvType::F32),
            "f16" => Ok(KvType::F16),
            _ => Err(format!("expected f32 or f16, found {text}")),
        }
    }
}

impl Config {
    /// The same with keys and values stored so, as far as its heads allow it.
    pub fn with_kv_type(self, kv_type: KvType) -> Config {
        let kv_type = if self.head_dim().is_multiple_of(2) { kv_type } else { KvType::F32 };
        Config { kv_type, ..self }
    }

    /// Reads and checks a `config.json`; unknown fields are ignored. `file` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::ModelType`], [`Error::ConfigMissing`], [`Error::ConfigType`],
    /// [`Error::ConfigValue`], [`Error::ConfigTooLarge`].
    pub fn from_json(json: &str, file: &str) -> Result<Config> {
        let fields = Fields::parse(json, file)?;
        fields.check_model_type(MODEL_TYPE)?;

        let use_gqa = fields.boolean("use_gqa")?;
        let n_head = fields.size("n_head", MOST_EMBD)?;
        let config = Config {
            vocab_size: fields.size("vocab_size", MOST_VOCAB)?,
            n_embd: fields.size("n_embd", MOST_EMBD)?,
            block_size: fields.size("block_size", MOST_POSITIONS)?,
            n_input_layers: fields.size("n_input_layers", MOST_LAYERS)?,
            n_output_layers: fields.size("n_output_layers", MOST_LAYERS)?,
            n_head,
            n_kv_head: if use_gqa { fields.size("n_kv_head", MOST_EMBD)? } else { n_head },
            hrm_h_layers: fields.size("hrm_H_layers", MOST_LAYERS)?,
            hrm_l_layers: fields.size("hrm_L_layers", MOST_LAYERS)?,
            hrm_h_cycles: fields.size("hrm_H_cycles", MOST_CYCLES)?,
            hrm_l_cycles: fields.size("hrm_L_cycles", MOST_CYCLES)?,
            hrm_max_steps: fields.size("hrm_max_steps", MOST_STEPS)?,
            bias: fields.boolean("bias")?,
            use_rotary: fields.boolean("use_rotary")?,
            use_gqa,
            use_swiglu: fields.boolean("use_swiglu")?,
            eps: fields.number("eps")?.unwrap_or(DEFAULT_EPS),
            halt_bias: fields.number("halt_bias")?.unwrap_or(DEFAULT_HALT_BIAS),
            kv_type: KvType::F32,
            eos_token_id: fields.token("eos_token_id")?,
        };
        config.check(file)?;
        Ok(config)
    }

    /// Whether the words are GPT-2's where the model has no tokenizer of its own: its vocabulary, or the padded
    /// size that the released models give it.
    pub fn has_gpt2_vocabulary(&self) -> bool {
        (50257..=50304).contains(&self.vocab_size)
    }

    /// Width of one attention head, `hd = C / n_head`.
    pub fn head_dim(&self) -> usize {
        self.n_embd / self.n_head
    }

    /// Width of the keys, and of the values, of one position: `KV = n_kv_head · hd`.
    pub fn kv_dim(&self) -> usize {
        self.n_kv_head * self.head_dim()
    }

    /// Block applications of one step: each H cycle runs the L level's blocks in every L cycle, then the H level's.
    /// 24 in the released size.
    pub fn step_applications(&self) -> usize {
        self.hrm_h_cycles * (self.hrm_l_cycles * self.hrm_l_layers + self.hrm_h_layers)
    }

    /// Numbers in the model; the tied embedding counts once. 82,767,554 in the released size.
    pub fn n_parameters(&self) -> usize {
        // from_json has checked that this does not overflow; a Config made by hand saturates.
        self.checked_n_parameters().unwrap_or(usize::MAX)
    }

    /// Checks that the model has an embedding for every token of a tokenizer whose highest id plus one is
    /// `n_tokenizer`. The model may have more rows: they are padding and never drawn.
    ///
    /// # Errors
    /// [`Error::VocabularyTooSmall`].
    pub fn check_vocabulary(&self, n_tokenizer: usize) -> Result<()> {
        if n_tokenizer > self.vocab_size {
            return Err(Error::VocabularyTooSmall { vocab_size: self.vocab_size, n_tokenizer });
        }
        Ok(())
    }

    /// What has to hold between several fields; each field's own range was checked when it was read.
    fn check(&self, file: &str) -> Result<()> {
        let wrong = |field, expected: String, found: String| {
            Err(Error::ConfigValue { file: file.to_owned(), field, expected, found })
        };
        // Kernels read rows as vec4 and, in half precision, eight numbers at a time.
        if !self.n_embd.is_multiple_of(8) {
            return wrong("n_embd", "a multiple of 8".into(), self.n_embd.to_string());
        }
        if !self.n_embd.is_multiple_of(self.n_head) {
            return wrong(
                "n_head",
                format!("a divisor of n_embd ({})", self.n_embd),
                self.n_head.to_string(),
            );
        }
        if self.head_dim() > MOST_HEAD_DIM {
            let least = self.n_embd.div_ceil(MOST_HEAD_DIM);
            let expected = format!("at least {least}, for heads of at most {MOST_HEAD_DIM} numbers");
            return wrong("n_head", expected, self.n_head.to_string());
        }
        if !self.n_head.is_multiple_of(self.n_kv_head) {
            let expected = format!("a divisor of n_head ({})", self.n_head);
            return wrong("n_kv_head", expected, self.n_kv_head.to_string());
        }
        if self.use_rotary && !self.head_dim().is_multiple_of(2) {
            let expected = format!(
                "such that n_embd / n_head is even, because RoPE turns pairs (n_embd is {})",
                self.n_embd
            );
            return wrong("n_head", expected, self.n_head.to_string());
        }
        if self.eps <= 0.0 {
            return wrong("eps", "above 0".into(), self.eps.to_string());
        }
        if let Some(eos) = self.eos_token_id
            && eos as usize >= self.vocab_size
        {
            let expected = format!("below vocab_size ({})", self.vocab_size);
            return wrong("eos_token_id", expected, eos.to_string());
        }
        // The bytes must be addressable too, not only the numbers.
        match self.checked_n_parameters().and_then(|n| n.checked_mul(size_of::<f32>())) {
            Some(_) => Ok(()),
            None => Err(Error::ConfigTooLarge { file: file.to_owned() }),
        }
    }

    fn checked_n_parameters(&self) -> Option<usize> {
        expected_tensors(self).iter().try_fold(0_usize, |sum, (_, shape)| {
            let n = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))?;
            sum.checked_add(n)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
