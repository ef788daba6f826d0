//! The `fathom` program as people and scripts meet it: every flag, every error, every form of output.
//!
//! It runs the binary beside this test's own; `cargo build -p fathom-cli` in the same profile builds it.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/chat.rs"]
mod chat;
#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/convert_hostile.rs"]
mod convert_hostile;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/eval.rs"]
mod eval;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/info.rs"]
mod info;
#[path = "cli/inside.rs"]
mod inside;
#[path = "cli/pull/mod.rs"]
mod pull;
#[path = "cli/puzzles.rs"]
mod puzzles;
#[path = "cli/pytorch_file.rs"]
mod pytorch_file;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/shell.rs"]
mod shell;
#[path = "cli/solve.rs"]
mod solve;
#[path = "cli/terminal.rs"]
mod terminal;
#[cfg(unix)]
#[path = "cli/watch.rs"]
mod watch;
