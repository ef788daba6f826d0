//! What goes to standard output and to standard error, and what happens when nobody reads it.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// One line to standard error. Nothing is lost for the answer when nobody reads it.
pub fn note(line: &str) {
    let _nobody_reads_it = writeln!(io::stderr().lock(), "{line}");
}

/// One object on a line of its own, flushed, so that a reader has each line as soon as it exists.
pub fn json_line(out: &mut impl Write, object: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// A terminal reads standard output.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Somebody types standard input.
pub fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A terminal reads standard error.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// For times and rates in JSON: three digits behind the point.
pub fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
