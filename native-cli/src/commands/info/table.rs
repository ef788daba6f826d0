//! The report as people read it, within 80 columns.

use std::io::{self, Write};

use super::report::{Cost, Fit, Report};
use crate::paint::Paint;

/// All sections.
pub fn print(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let Report { name, n_parameters, dtype, weight_bytes, .. } = report;
    writeln!(
        out,
        "{}: {} parameters, {} in {dtype}\n",
        paint.strong(name),
        grouped(*n_parameters),
        bytes(*weight_bytes as f64)
    )?;
    parts(out, report, paint)?;
    costs(out, report, paint)?;
    cache(out, report, paint)?;
    fits(out, report, paint)?;
    out.flush()
}

fn parts(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    for part in &report.parts {
        let mark = if part.is_core { "  reasoning core" } else { "" };
        writeln!(
            out,
            "  {:<30}{:>16}{:>8.1} %{}",
            part.name,
            grouped(part.n_parameters),
            part.share * 100.0,
            paint.faint(mark)
        )?;
    }
    writeln!(out, "  {:<30}{:>16}{:>8.1} %\n", "the core's share", "", report.core_share * 100.0)
}

fn costs(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    writeln!(out, "{}", paint.strong(format!("One more token, in a context of {}", report.context)))?;
    writeln!(out, "  depth   blocks   operations   of it core   weights read   cache read")?;
    for Cost { depth, n_blocks, flops, core_share, weight_bytes, cache_bytes, .. } in &report.token_costs {
        let flops = scaled(*flops, &["", "K", "M", "G", "T", "P"]);
        let core = format!("{:.1} %", core_share * 100.0);
        let (weights, cache) = (bytes(*weight_bytes), bytes(*cache_bytes));
        writeln!(out, "  {depth:>5} {n_blocks:>8} {flops:>12} {core:>12} {weights:>14} {cache:>12}")?;
    }
    writeln!(out)?;
    writeln!(out, "{}", paint.strong("What the core costs: operations a token, over those of"))?;
    writeln!(out, "  depth   the same without a core   a plain transformer of as many parameters")?;
    for Cost { depth, over_no_core, over_plain, .. } in &report.token_costs {
        let (without, plain) = (format!("{over_no_core:.2} ×"), format!("{over_plain:.2} ×"));
        writeln!(out, "  {depth:>5} {without:>25} {plain:>43}")?;
    }
    let Report { n_outer_blocks, blocks_per_step, .. } = report;
    let words = format!(
        "  blocks applied: {n_outer_blocks} + {blocks_per_step} a step; a plain transformer applies each block once"
    );
    writeln!(out, "{}\n", paint.faint(words))
}

fn cache(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let cache = &report.cache;
    writeln!(out, "{}", paint.strong("Kept for each token of a context"))?;
    for (what, n) in [
        ("input stage".to_owned(), cache.input_bytes),
        ("each plane (a depth): states, keys, values".to_owned(), cache.plane_bytes),
        ("each depth that there is room for: output stage".to_owned(), cache.slab_bytes),
        ("together at depth 1".to_owned(), cache.at_depth_1_bytes),
        (format!("together at depth {}", report.max_steps), cache.at_max_depth_bytes),
        (format!("a whole window of {} at that depth", report.window), cache.window_bytes),
        ("scratch memory, once".to_owned(), cache.scratch_bytes),
    ] {
        writeln!(out, "  {what:<50}{:>12}", bytes(n as f64))?;
    }
    writeln!(out)
}

fn fits(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let heading =
        format!("Tokens of context that fit beside {} of weights", bytes(report.weight_bytes as f64));
    writeln!(out, "{}", paint.strong(heading))?;
    writeln!(out, "  memory   {:>20}   {:>20}", "at depth 1", format!("at depth {}", report.max_steps))?;
    for Fit { memory_bytes, positions_at_depth_1, positions_at_max_depth } in &report.fits {
        let memory = bytes(*memory_bytes as f64);
        let (Some(shallow), Some(deep)) = (positions_at_depth_1, positions_at_max_depth) else {
            writeln!(out, "  {memory:>6}   {:>20}", "the weights do not")?;
            continue;
        };
        let windows = format!("{:>9.1} windows", *deep as f64 / report.window as f64);
        writeln!(
            out,
            "  {memory:>6}   {:>20}   {:>20}   {}",
            grouped(*shallow),
            grouped(*deep),
            paint.faint(windows)
        )?;
    }
    Ok(())
}

/// 82,767,554.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(n: f64) -> String {
    scaled(n, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Three digits and a unit; thousands.
fn scaled(n: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (n, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let number = format!("{value:.digits$}");
    // 8.00 GB is 8 GB.
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    format!("{number} {}", units[unit]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!([0, 999, 1000, 82_767_554].map(grouped), ["0", "999", "1,000", "82,767,554"]);
        let cases =
            [(0.0, "0 B"), (999.0, "999 B"), (1000.0, "1 kB"), (8e9, "8 GB"), (331_070_216.0, "331 MB")];
        for (n, text) in cases {
            assert_eq!(bytes(n), text);
        }
        assert_eq!((bytes(29_490.0), bytes(999_960.0)), ("29.5 kB".to_owned(), "1 MB".to_owned()));
    }
}
