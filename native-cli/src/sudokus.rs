//! The models that ship inside the program and solve Sudokus.

use fathom_engine::puzzle::sudoku::Shape;
use fathom_engine::{KvType, ModelFiles, WeightFile, WeightTypes};

/// One of them.
pub struct BuiltIn {
    name: &'static str,
    config: &'static str,
    weights: &'static [u8],
}

/// All, by the boards that they solve.
pub static ALL: [(Shape, BuiltIn); 2] = [
    (
        Shape::SIX,
        BuiltIn {
            name: "sudoku-6x6 (built in)",
            config: include_str!("../../models/sudoku-6x6/config.json"),
            weights: include_bytes!("../../models/sudoku-6x6/model.safetensors"),
        },
    ),
    (
        Shape::NINE,
        BuiltIn {
            name: "sudoku-9x9 (built in)",
            config: include_str!("../../models/sudoku-9x9/config.json"),
            weights: include_bytes!("../../models/sudoku-9x9/model.safetensors"),
        },
    ),
];

/// The one for boards of a shape.
pub fn find(shape: Shape) -> Option<&'static BuiltIn> {
    ALL.iter().find(|(of, _)| *of == shape).map(|(_, model)| model)
}

impl BuiltIn {
    /// Its files.
    pub fn files(&self) -> ModelFiles {
        ModelFiles {
            config: self.config.to_owned(),
            weights: vec![WeightFile::in_memory("built-in model.safetensors", self.weights)],
            types: WeightTypes::default(),
            kv_type: KvType::default(),
            tokenizer: None,
            gpt2: None,
            name: self.name.to_owned(),
        }
    }
}
