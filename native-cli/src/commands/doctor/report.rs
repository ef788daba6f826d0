//! The report for people.

use std::io::{self, Write};

use super::Report;
use super::examine::{Examined, KernelObject};
use crate::commands::devices;
use crate::paint::Paint;

/// Columns of a line.
const WIDTH: usize = 80;

/// Prints everything.
pub fn print(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    machine(out, report, paint)?;
    if report.vulkan.is_some() {
        vulkan(out, report, paint)?;
    }
    for examined in &report.examined {
        writeln!(out)?;
        match report.adapters.iter().find(|adapter| Some(adapter.index) == examined.adapter) {
            Some(adapter) => devices::show(out, adapter, paint)?,
            None => writeln!(out, "     {}", paint.strong(&examined.name))?,
        }
        device(out, examined, paint)?;
    }
    let taken = report.taken.as_deref().unwrap_or("nothing");
    writeln!(out)?;
    wrapped(out, "", &format!("--device {} takes {taken}: {}", report.asked, report.why))?;
    writeln!(out, "\n{}", paint.strong("Verdict"))?;
    wrapped(out, "  ", &report.verdict.text)?;
    for advice in &report.verdict.advice {
        wrapped(out, "  - ", advice)?;
    }
    out.flush()
}

fn machine(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let (program, machine) = (&report.program, &report.machine);
    writeln!(
        out,
        "{} {}, {} build of commit {}",
        paint.strong("fathom"),
        program.version,
        program.profile,
        program.commit
    )?;
    writeln!(out, "{}, graphics library {}", program.target, program.graphics_library)?;
    let kernel = machine.kernel.as_ref().map_or(String::new(), |kernel| format!(", kernel {kernel}"));
    writeln!(out, "{}{kernel}, {}", machine.system, machine.arch)?;
    let mut parts = vec![machine.processor.clone().unwrap_or_else(|| "processor".to_owned())];
    parts.push(format!("{} thread{}", machine.n_threads, if machine.n_threads == 1 { "" } else { "s" }));
    if !machine.processor_features.is_empty() {
        parts.push(machine.processor_features.join(" "));
    }
    let gb = |bytes: u64| bytes as f64 / 1e9;
    if let (Some(all), Some(free)) = (machine.memory_bytes, machine.free_memory_bytes) {
        parts.push(format!("{:.1} GB of memory, {:.1} GB free", gb(all), gb(free)));
    }
    writeln!(out, "{}", parts.join(", "))
}

fn vulkan(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let Some(vulkan) = &report.vulkan else { return Ok(()) };
    writeln!(out, "\n{}", paint.strong("Vulkan"))?;
    writeln!(out, "  loader    {}", vulkan.loader.as_deref().unwrap_or("not found"))?;
    let drivers: Vec<String> = vulkan
        .manifests
        .iter()
        .map(|manifest| match &manifest.problem {
            Some(problem) => format!("{}: {problem}", manifest.file),
            None => manifest.file.clone(),
        })
        .collect();
    column(out, "drivers", &drivers)?;
    let graphics: Vec<String> = report
        .hardware
        .controllers
        .iter()
        .map(|controller| {
            let driver = controller.kernel_driver.as_deref().unwrap_or("no kernel driver");
            format!("{} {} {}, {driver}", controller.address, controller.vendor.name(), controller.id)
        })
        .collect();
    column(out, "graphics", &graphics)?;
    let nodes: Vec<String> = report
        .hardware
        .render_nodes
        .iter()
        .map(|node| {
            let refused = if node.may_be_opened { "" } else { ", which you may not open" };
            format!("{}{refused}", node.file)
        })
        .collect();
    column(out, "nodes", &nodes)?;
    let variables: Vec<String> =
        report.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    column(out, "variables", &variables)
}

/// A word and what belongs to it, line by line.
fn column(out: &mut impl Write, word: &str, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return writeln!(out, "  {word:<10}none");
    }
    for (i, line) in lines.iter().enumerate() {
        writeln!(out, "  {:<10}{line}", if i == 0 { word } else { "" })?;
    }
    Ok(())
}

fn device(out: &mut impl Write, examined: &Examined, paint: Paint) -> io::Result<()> {
    if let Some(failure) = &examined.failure {
        return wrapped(out, "     ", &format!("cannot be used: {failure}"));
    }
    let against = match examined.adapter {
        Some(_) => "each kernel against its twin on the processor, by the largest number",
        None => "the twins against the sums of their answers that are written down",
    };
    writeln!(out, "     {}", paint.faint(against))?;
    writeln!(out, "     {:<14}{:>7}{:>18}{:>12}", "kernel", "calls", "largest error", "allowed")?;
    for kernel in &examined.kernels {
        let KernelObject { kernel: name, n_calls, largest_error, allowed, is_right, failure } = kernel;
        let error = match largest_error {
            Some(error) => share(*error),
            None => "no number".to_owned(),
        };
        write!(out, "     {name:<14}{n_calls:>7}{error:>18}{:>12}   ", share(*allowed))?;
        match failure {
            _ if *is_right => writeln!(out, "right")?,
            Some(failure) => writeln!(out, "{}: {failure}", paint.strong("WRONG"))?,
            None => writeln!(out, "{}", paint.strong("WRONG"))?,
        }
    }
    match (&examined.speed, &examined.speed_failure) {
        (Some(speed), _) => {
            writeln!(
                out,
                "     {:.2} GB/s, reading f32 weights in `linear`, one row ({:.1} GB read)",
                speed.gb_per_s,
                speed.bytes_read as f64 / 1e9
            )?;
            let (us, ms) = (speed.us_per_dispatch, speed.round_trip_ms);
            writeln!(out, "     {us:.2} µs a dispatch; {ms:.2} ms to submit one and read back")?;
        }
        (None, failure) => {
            let failure = failure.as_deref().unwrap_or("nothing was measured");
            wrapped(out, "     ", &format!("no speed: {failure}"))?;
        }
    }
    if examined.n_pipelines > 0 {
        writeln!(out, "     {} pipelines compiled in {:.0} ms", examined.n_pipelines, examined.compile_ms)?;
    }
    Ok(())
}

fn share(value: f32) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

/// Words in lines that end before the edge; what follows the first line is indented as far.
fn wrapped(out: &mut impl Write, beginning: &str, text: &str) -> io::Result<()> {
    let indent = beginning.chars().count();
    let mut line = beginning.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{line}")?;
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_edge() {
        let mut out = vec![];
        let text = "word ".repeat(40);
        assert!(wrapped(&mut out, "  - ", &text).is_ok());
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(
            text.starts_with("  - word") && text.lines().skip(1).all(|line| line.starts_with("    word"))
        );
        assert_eq!(text.split_whitespace().filter(|word| *word == "word").count(), 40);
    }
}
