//! PyTorch's files, read without Python and without running anything that is in them.
//!
//! Such a file is a zip: `<name>/data.pkl` is a pickle, and `<name>/data/<key>` are the numbers that it speaks of.
//! A pickle is a program for a small stack machine, and Python's machine calls whatever the program names. Ours
//! builds plain data and tensors, knows a fixed list of names, and refuses every other one by its name.

pub mod archive;
pub mod globals;
mod opcodes;
pub mod pickle;
pub mod tensor;
pub mod value;
