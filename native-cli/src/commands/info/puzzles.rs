//! The same for an HRM: what it solves, how large it is, what a segment costs.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use fathom_engine::puzzle::Task;
use fathom_engine::{HrmConfig, HrmPositions, WeightFile, Weights, hrm_tensors};
use serde::Serialize;

use crate::paint::Paint;

use super::table::{bytes_of, count, grouped};
use super::{MOST_CONFIG_BYTES, Stored};

/// Everything that is told of a model of puzzles.
#[derive(Serialize)]
pub struct PuzzleInfo {
    model: String,
    task: Option<String>,
    config: Dimensions,
    parameters: Parameters,
    stored: Option<Stored>,
    /// Multiplications and additions of one segment of one puzzle.
    segment_flops: u128,
    /// What is kept for one puzzle between segments.
    carry_bytes: u64,
}

#[derive(Serialize)]
struct Dimensions {
    seq_len: usize,
    vocab_size: usize,
    hidden_size: usize,
    num_heads: usize,
    h_layers: usize,
    l_layers: usize,
    h_cycles: usize,
    l_cycles: usize,
    pos_encodings: &'static str,
    num_puzzle_identifiers: usize,
    halt_max_steps: usize,
}

#[derive(Serialize)]
struct Parameters {
    n: u64,
    h_level: u64,
    l_level: u64,
    puzzle_table: u64,
}

impl PuzzleInfo {
    /// What a folder or a config.json describes, where it is such a model.
    ///
    /// # Errors
    /// It is one, and something is wrong with it.
    pub fn read(path: &Path) -> anyhow::Result<Option<PuzzleInfo>> {
        let file = if path.is_file() { path.to_owned() } else { path.join("config.json") };
        // Whatever else is wrong with it is found by those who read it next.
        let is_small = fs::metadata(&file).is_ok_and(|about| about.len() <= MOST_CONFIG_BYTES);
        let Some(json) = is_small.then(|| fs::read_to_string(&file).ok()).flatten() else { return Ok(None) };
        let fields: Option<serde_json::Value> = serde_json::from_str(&json).ok();
        if fields.is_none_or(|fields| fields["model_type"] != fathom_engine::HRM_TYPE) {
            return Ok(None);
        }
        let config = HrmConfig::from_json(&json, &file.display().to_string())?;
        let weights = path.join("model.safetensors");
        let stored = if weights.is_file() { Some(stored(&weights, &config)?) } else { None };
        Ok(Some(PuzzleInfo::of(path.display().to_string(), &config, stored)))
    }

    fn of(model: String, config: &HrmConfig, stored: Option<Stored>) -> PuzzleInfo {
        let n_of = |part: &str| -> u64 {
            let tensors = hrm_tensors(config).into_iter().filter(|(name, _)| name.contains(part));
            tensors.map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>()).sum()
        };
        let (n, c) = (config.n_positions() as u128, config.hidden_size as u128);
        let block = 4 * c * c + 3 * c * config.hidden() as u128;
        // Two for each weight and row; scores and values of all pairs of positions.
        let application = 2 * n * block + 4 * n * n * c;
        let head = 2 * config.seq_len as u128 * config.vocab_size as u128 * c;
        PuzzleInfo {
            model,
            task: Task::of(config).map(|task| match task {
                Task::Sudoku(shape) => format!("Sudokus of {shape}"),
                Task::Maze(side) => format!("mazes of at most {side}x{side}"),
                Task::Arc => "ARC grids".to_owned(),
            }),
            parameters: Parameters {
                n: config.n_parameters(),
                h_level: n_of("H_level"),
                l_level: n_of("L_level"),
                puzzle_table: n_of("puzzle_emb"),
            },
            stored,
            segment_flops: config.segment_applications() as u128 * application + head,
            carry_bytes: 4 * 3 * config.n_positions() as u64 * config.hidden_size as u64,
            config: Dimensions {
                seq_len: config.seq_len,
                vocab_size: config.vocab_size,
                hidden_size: config.hidden_size,
                num_heads: config.num_heads,
                h_layers: config.h_layers,
                l_layers: config.l_layers,
                h_cycles: config.h_cycles,
                l_cycles: config.l_cycles,
                pos_encodings: match config.positions {
                    HrmPositions::Rope => "rope",
                    HrmPositions::Learned => "learned",
                },
                num_puzzle_identifiers: config.num_puzzle_identifiers,
                halt_max_steps: config.halt_max_steps,
            },
        }
    }

    /// For people.
    pub fn print(&self, out: &mut impl Write, paint: Paint) -> io::Result<()> {
        let (c, n) = (&self.config, &self.parameters);
        let task = self.task.as_deref().unwrap_or("puzzles of a kind that is not known here");
        writeln!(out, "{}", paint.strong(&self.model))?;
        writeln!(
            out,
            "an HRM that solves {task}: {} cells of {} words",
            grouped(c.seq_len as u128),
            c.vocab_size
        )?;
        writeln!(out, "{} wide, {} heads, {} positions", c.hidden_size, c.num_heads, c.pos_encodings)?;
        writeln!(
            out,
            "a segment is {} of {} of L and {} of H; up to {}",
            count(c.h_cycles, "H cycle"),
            count(c.l_cycles * c.l_layers, "block"),
            count(c.h_layers, "block"),
            count(c.halt_max_steps, "segment"),
        )?;
        writeln!(out, "\n{}", paint.strong("Parameters"))?;
        for (name, n) in
            [("H level", n.h_level), ("L level", n.l_level), ("table of puzzles", n.puzzle_table)]
        {
            writeln!(out, "  {name:<24}{:>16}", grouped(n.into()))?;
        }
        writeln!(out, "  {:<24}{:>16}", "all", grouped(n.n.into()))?;
        if let Some(Stored { weight_type, bytes, n_files }) = &self.stored {
            writeln!(
                out,
                "  stored as {weight_type}, {} in {}",
                bytes_of((*bytes).into()),
                count(*n_files, "file")
            )?;
        }
        writeln!(out, "\n{}", paint.strong("A segment of a puzzle"))?;
        writeln!(out, "  {:<24}{:>16}", "operations", grouped(self.segment_flops))?;
        writeln!(out, "  {:<24}{:>16}", "kept between segments", bytes_of(self.carry_bytes.into()))?;
        out.flush()
    }
}

fn stored(file: &Path, config: &HrmConfig) -> anyhow::Result<Stored> {
    let file = WeightFile::on_disk(file, file.display().to_string())?;
    let weights = Weights::from_files(std::slice::from_ref(&file))?;
    weights.check_hrm(config)?;
    Ok(Stored { weight_type: weights.weight_type().name(), bytes: file.n_bytes(), n_files: 1 })
}
