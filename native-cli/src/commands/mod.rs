//! One file or folder a command: its flags, and what it does.

pub mod bench;
pub mod chat;
pub mod completions;
pub mod convert;
pub mod depth_sweep;
pub mod devices;
pub mod doctor;
pub mod eval;
pub mod forward;
pub mod info;
pub mod list;
pub mod pull;
pub mod puzzles;
pub mod rm;
pub mod run;
pub mod serve;
pub mod show;
pub mod solve;
pub mod watch;
