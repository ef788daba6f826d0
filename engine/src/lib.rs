//! Fathom: runs models that decide for themselves how long to think.
//!
//! The house, from the street to the cellar (ARCHITECTURE.md tells it in full):
//!
//! | module | what |
//! |---|---|
//! | [`generate`](Generator), [`batch`](Batch), `answer` | a prompt to a stream of text, one or several at a time |
//! | `forward`, `score`, `text` | a look at a whole text; how likely a text is |
//! | [`solver`](Solver) | puzzles on an HRM, segment by segment, one or many at a time |
//! | `session`, `cache` | contexts, what is cached of them, which submissions bring them to their next token |
//! | `self_check` | which device a model gets: one that has room for it and computes rightly |
//! | [`diagnosis`] | what is wrong with a device: a known answer for each kernel, and how fast it is |
//! | [`puzzle`] | Sudoku, mazes and ARC without models: rules, generator, the tokens of HRM's models |
//! | `halting`, `sampler`, `trace` | how long to think, which token to choose, what can be seen |
//! | `model` | CosmicFish-HRM and HRM in their papers' symbols; they record kernel calls |
//! | [`kernels`] | one file a shader: parameters, checks, grid, CPU twin |
//! | [`recording`] | the list of kernel calls |
//! | [`device`] | runs a recording, on a GPU through wgpu or on the CPU with the twins |
//! | `config`, `weights`, `files`, `tokenizer` | what a model's folder holds, checked |
//!
//! ```no_run
//! # use fathom_engine::*;
//! # async fn example() -> Result<()> {
//! let files = ModelFiles::read_folder("models/beads".as_ref())?;
//! let device = Device::open(&DeviceRequest::Auto).await?;
//! let model = Model::load(&files, device, &mut |_| ()).await?;
//! let found = forward(&model, &[9, 12, 7, 15], &DepthControl::default(), Positions::Last).await?;
//! println!("thought {} steps", found.depth);
//! # Ok(())
//! # }
//! ```

mod answer;
mod batch;
mod cache;
mod config;
#[doc(hidden)]
pub mod device;
pub mod diagnosis;
mod error;
mod files;
mod forward;
mod generate;
mod halting;
#[doc(hidden)]
pub mod kernels;
mod model;
mod pace;
pub mod puzzle;
#[doc(hidden)]
pub mod recording;
mod sampler;
mod score;
mod self_check;
mod session;
mod solver;
mod text;
mod tokenizer;
mod trace;
mod weights;

pub use batch::Batch;
pub use config::{Config, DEFAULT_HALT_BIAS, HRM_TYPE, HrmConfig, HrmPositions, KvType, MODEL_TYPE};
pub use device::{AdapterInfo, Counts, Detail, Device, DeviceRequest, KernelTime, Profile, adapters};
pub use error::{Error, Result};
pub use files::{Bytes, ModelFiles, Progress, ShardIndex};
pub use forward::{Forward, Positions, Prefixes, forward, prefixes};
pub use generate::{Done, GenerateOptions, Generator, Overflow, TokenEvent};
pub use halting::{DepthControl, HaltedBy};
pub use model::{CacheBytes, Hrm, Model, WorkBytes, weights_bytes};
pub use sampler::Sampling;
pub use score::{ScoreReading, ScoredToken, Scorer};
pub use self_check::{
    largest_buffer_bytes, largest_hrm_buffer_bytes, load_checked, load_checked_hrm, open_checked, self_check,
};
pub use session::{Computed, MOST_TOKENS, Prefix, Read, ReadAhead, Reading, Session};
pub use solver::{Halting, Noise, Puzzle, Segment, Solver, Watched, most_confident, probabilities};
pub use tokenizer::{Decoder, Tokenizer};
pub use trace::{CycleTrace, Level, StepTrace, TopToken, likeliest};
pub use weights::{
    BLOCK, DoesNotFit, ReadAt, Tensor, WeightFile, WeightType, WeightTypes, Weights, expected_tensors,
    hrm_tensors, in_file, scale_name,
};
