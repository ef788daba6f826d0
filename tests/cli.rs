//! The `fathom` program as people and scripts meet it: every flag, every error, every form of output.
//!
//! It runs the binary beside this test's own; `cargo build -p fathom-cli` in the same profile builds it.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/chat.rs"]
mod chat;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/eval.rs"]
mod eval;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/inside.rs"]
mod inside;
#[path = "cli/shell.rs"]
mod shell;
