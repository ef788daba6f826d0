//! `--profile`: where the time of decoding goes, kernel by kernel.

use std::io::Write;
use std::sync::Arc;

use fathom_engine::{Detail, KernelTime, Model};
use serde::Serialize;

use super::measure::{Limits, Test, timed};
use super::table::quoted;
use crate::args::TableFormat;
use crate::output::{json_line, thousandths};

/// One kind of call.
#[derive(Serialize)]
struct Line {
    kernel: &'static str,
    /// `override` constants and sizes that tell its variants apart.
    variant: String,
    ms_per_token: f64,
    share: f64,
    calls_per_token: f64,
    /// Weights that it reads, for products with matrices.
    gb_per_s: Option<f64>,
    /// That by the device's own.
    of_bandwidth: Option<f64>,
}

/// Profiles a test and prints it, largest first.
pub fn show(
    out: &mut impl Write,
    model: &Arc<Model>,
    test: &Test,
    limits: &Limits,
    format: TableFormat,
) -> anyhow::Result<()> {
    timed(model, test, None)?;
    let seen = timed(model, test, Some(Detail::Kernels))?;
    let n = test.n_counted() as f64;
    let total: f64 = seen.profile.kernels.iter().map(|kernel| kernel.ms).sum();
    let lines: Vec<Line> = seen.profile.kernels.iter().map(|kernel| line(kernel, n, total, limits)).collect();
    match format {
        TableFormat::Json => json_line(out, &lines)?,
        TableFormat::Csv => {
            writeln!(out, "kernel,variant,ms_per_token,share,calls_per_token,gb_per_s")?;
            for Line { kernel, variant, ms_per_token, share, calls_per_token, gb_per_s, .. } in &lines {
                let speed = gb_per_s.map(|speed| speed.to_string()).unwrap_or_default();
                let variant = quoted(variant);
                writeln!(out, "{kernel},{variant},{ms_per_token},{share},{calls_per_token},{speed}")?;
            }
        }
        TableFormat::Md => markdown(out, model, test, &lines, total / n)?,
    }
    Ok(())
}

fn line(kernel: &KernelTime, n: f64, total: f64, limits: &Limits) -> Line {
    let named = kernel.variant.iter().chain(&kernel.shape).map(|(name, value)| format!("{name} {value}"));
    let speed = (kernel.weight_bytes > 0).then(|| kernel.weight_bytes as f64 / kernel.ms * 1e3);
    Line {
        kernel: kernel.kernel,
        variant: named.collect::<Vec<_>>().join(", "),
        ms_per_token: thousandths(kernel.ms / n),
        share: thousandths(kernel.ms / total),
        calls_per_token: thousandths(kernel.n_calls as f64 / n),
        gb_per_s: speed.map(|speed| thousandths(speed / 1e9)),
        of_bandwidth: speed.map(|speed| thousandths(speed / limits.bytes_per_s)),
    }
}

fn markdown(out: &mut impl Write, model: &Model, test: &Test, lines: &[Line], ms: f64) -> anyhow::Result<()> {
    let Test { weights, context, depth, batch, .. } = test;
    let device = model.device().name();
    writeln!(
        out,
        "{}, {weights}, {device}: context {context}, depth {depth}, batch {batch}: {ms:.2} ms a token in kernels\n",
        model.name()
    )?;
    if lines.is_empty() {
        writeln!(out, "This device has no timestamp queries.\n")?;
        return Ok(());
    }
    writeln!(out, "| kernel      | ms/token |  share | calls |  GB/s | of its own | variant")?;
    writeln!(out, "| :---------- | -------: | -----: | ----: | ----: | ---------: | :------")?;
    for Line { kernel, variant, ms_per_token, share, calls_per_token, gb_per_s, of_bandwidth } in lines {
        let speed = gb_per_s.map_or("-".to_owned(), |speed| format!("{speed:.1}"));
        let of_own = of_bandwidth.map_or("-".to_owned(), |share| format!("{:.0} %", 100.0 * share));
        writeln!(
            out,
            "| {kernel:<11} | {ms_per_token:>8.3} | {:>4.1} % | {calls_per_token:>5.1} | {speed:>5} | {of_own:>10} | {variant}",
            100.0 * share
        )?;
    }
    writeln!(out)?;
    Ok(())
}
