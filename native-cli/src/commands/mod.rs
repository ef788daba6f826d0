//! One file or folder a command: its flags, and what it does.

pub mod bench;
pub mod devices;
pub mod forward;
pub mod run;
pub mod show;
pub mod watch;
