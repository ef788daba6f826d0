//! JSON lines, a token each, with every reasoning step of it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use fathom_engine::{StepTrace, TokenEvent};
use serde::Serialize;

use crate::output::{self, thousandths};

/// A trace on its way to a file.
pub struct TraceFile {
    file: BufWriter<File>,
}

#[derive(Serialize)]
struct TraceLine<'a> {
    token: u32,
    text: &'a str,
    depth: u32,
    steps_taken: u32,
    halted_by: String,
    q_halt: f32,
    q_continue: f32,
    ms: f64,
    steps: &'a [StepTrace],
}

impl TraceFile {
    /// An empty file.
    pub fn create(path: &Path) -> anyhow::Result<TraceFile> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(TraceFile { file: BufWriter::new(file) })
    }

    /// One token more, written at once.
    pub fn write(&mut self, event: &TokenEvent) -> anyhow::Result<()> {
        let line = TraceLine {
            token: event.token,
            text: &event.text,
            depth: event.depth,
            steps_taken: event.steps_taken,
            halted_by: event.halted_by.to_string(),
            q_halt: event.q_halt,
            q_continue: event.q_continue,
            ms: thousandths(event.ms),
            steps: event.trace.as_deref().unwrap_or_default(),
        };
        output::json_line(&mut self.file, &line).context("the trace")
    }
}
