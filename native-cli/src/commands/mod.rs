//! One file or folder a command: its flags, and what it does.

pub mod bench;
pub mod chat;
pub mod completions;
pub mod devices;
pub mod doctor;
pub mod forward;
pub mod info;
pub mod run;
pub mod show;
