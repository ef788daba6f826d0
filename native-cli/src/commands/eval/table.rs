//! The report for people.

use std::io::{self, Write};

use super::exam::{Reading, Task};
use super::report::{Accuracy, ByRight, DepthReport, Outcome, Perplexity, Report};
use crate::paint::Paint;

/// Signs of the longest bar of a histogram.
const BAR: usize = 24;

/// Prints it.
pub fn print(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let Report { model, file, task, depth, time, .. } = report;
    writeln!(out, "{}", paint.strong(format!("{}, {}", model.name, file.name)))?;
    for (i, text) in about(task).iter().enumerate() {
        line(out, if i == 0 { "task" } else { "" }, text)?;
    }
    line(out, "items", &items(report))?;
    let depth = match (depth.forced, depth.floor, depth.cap) {
        (Some(forced), _, _) => format!("{forced} steps, forced"),
        (None, floor, cap) => {
            let floor = floor.map(|floor| format!(", at least {floor} steps")).unwrap_or_default();
            let cap = cap.map(|cap| format!(", at most {cap}")).unwrap_or_default();
            format!("the model's own halting, bias {}{floor}{cap}", depth.halt_bias)
        }
    };
    line(out, "depth", &depth)?;
    let times = format!("{:.1} s, {:.1} ms an item, on {}", time.total_s, time.ms_per_item, time.device);
    line(out, "time", &times)?;
    match &report.result {
        Outcome::Perplexity { whole, prefix } => perplexity(out, whole.as_ref(), prefix.as_ref(), paint)?,
        Outcome::Choice {
            accuracy,
            accuracy_by_sum,
            n_ties,
            n_without_score,
            n_cut_contexts,
            depths,
            ..
        } => {
            writeln!(out)?;
            share(out, "accuracy", accuracy, paint)?;
            share(out, "by the sum", accuracy_by_sum, paint)?;
            noted(out, *n_ties, "ties; the first of the best was chosen")?;
            noted(out, *n_without_score, "endings empty or longer than the window; never chosen")?;
            noted(out, *n_cut_contexts, "contexts longer than the window; their beginning was left out")?;
            by_right(out, depths, task, paint)?;
        }
        Outcome::Exact { accuracy, n_cut_prompts, depths } => {
            writeln!(out)?;
            share(out, "accuracy", accuracy, paint)?;
            noted(out, *n_cut_prompts, "prompts longer than the window; their beginning was left out")?;
            by_right(out, depths, task, paint)?;
        }
    }
    out.flush()
}

fn line(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{name:<14}{text}")
}

fn noted(out: &mut impl Write, n: u64, what: &str) -> io::Result<()> {
    if n == 0 { Ok(()) } else { line(out, "", &format!("{n} {what}")) }
}

/// What was done, in one line or two.
fn about(task: &Task) -> Vec<String> {
    match task {
        Task::Perplexity { window, stride, .. } => {
            let context = match window - stride {
                0 => "what its window has".to_owned(),
                1 => "at least 1 token".to_owned(),
                n => format!("at least {n} tokens"),
            };
            vec![
                format!("perplexity in windows of {window} tokens, stride {stride}"),
                format!("every token but the first is scored once, with {context} of context"),
            ]
        }
        Task::Choice { reading, partial } => {
            let depth = match reading {
                Reading::Prefix => "each token at its own prefix's depth",
                _ => "one forward each",
            };
            let mut lines = vec![
                "choice by the mean log-probability of an ending's tokens".to_owned(),
                format!("an ending is read behind its context, {depth}"),
            ];
            if *partial {
                lines.push("of WinoGrande what follows the blank".to_owned());
            }
            lines
        }
        Task::Exact { normalize, .. } => {
            let compared = if *normalize { "normalized" } else { "trimmed" };
            vec![format!("exact match of the likeliest answer, {compared}")]
        }
    }
}

fn items(report: &Report) -> String {
    let shard = report.shard.as_ref().map(|shard| format!(", shard {shard}")).unwrap_or_default();
    let limit = report.limit.map(|limit| format!(", of the first {limit}")).unwrap_or_default();
    format!("{}{limit}{shard}", report.n_items)
}

fn share(out: &mut impl Write, name: &str, accuracy: &Accuracy, paint: Paint) -> io::Result<()> {
    let Accuracy { n_right, n, share, low, high } = accuracy;
    let value = paint.strong(format!("{:.2} %", 100.0 * share));
    let interval = format!("95 % interval {:.2} to {:.2} %", 100.0 * low, 100.0 * high);
    writeln!(out, "{name:<14}{value}   {n_right} of {n}   {}", paint.faint(interval))
}

fn perplexity(
    out: &mut impl Write,
    whole: Option<&Perplexity>,
    prefix: Option<&Perplexity>,
    paint: Paint,
) -> io::Result<()> {
    let columns: Vec<(&str, &Perplexity)> = [("whole window", whole), ("own prefix", prefix)]
        .into_iter()
        .filter_map(|(name, found)| Some((name, found?)))
        .collect();
    let heads: String = columns.iter().map(|(name, _)| format!("{name:>18}")).collect();
    writeln!(out, "\n{}", paint.faint(format!("{:<24}{heads}", "at the depth of")))?;
    let mut row = |name: &str, cell: &dyn Fn(&Perplexity) -> String| {
        let cells: String = columns.iter().map(|(_, found)| format!("{:>18}", cell(found))).collect();
        writeln!(out, "{name:<24}{cells}")
    };
    row("perplexity", &|found| format!("{:.4}", found.perplexity))?;
    row("bits a token", &|found| format!("{:.4}", found.bits_per_token))?;
    row("  95 % interval", &|found| match found.bits_per_token_low.zip(found.bits_per_token_high) {
        Some((low, high)) => format!("{low:.3} to {high:.3}"),
        None => "one window".to_owned(),
    })?;
    row("bits a byte", &|found| found.bits_per_byte.map_or("-".to_owned(), |bits| format!("{bits:.4}")))?;
    row("likeliest token right", &|found| format!("{:.2} %", 100.0 * found.greedy))?;
    row("tokens", &|found| found.n_tokens.to_string())?;
    row("bytes", &|found| found.n_bytes.map_or("-".to_owned(), |bytes| bytes.to_string()))?;
    row("mean depth", &|found| format!("{:.3}", found.depths.mean))?;
    row("mean steps_taken", &|found| format!("{:.3}", found.depths.mean_steps_taken))?;
    writeln!(out, "\n{}", paint.faint(format!("{:<24}{heads}", "tokens at depth")))?;
    let deepest = columns.iter().map(|(_, found)| found.depths.counts.len()).max().unwrap_or(0);
    for index in 0..deepest {
        let cells: String =
            columns.iter().map(|(_, found)| format!("{:>18}", of_depth(&found.depths, index))).collect();
        writeln!(out, "{:<24}{cells}", format!("{:>5}", index + 1))?;
    }
    Ok(())
}

fn of_depth(depths: &DepthReport, index: usize) -> String {
    match depths.counts.get(index) {
        Some(&count) if count > 0 => {
            format!("{count} {:>5.1} %", 100.0 * count as f64 / depths.n.max(1) as f64)
        }
        _ => "·".to_owned(),
    }
}

fn by_right(out: &mut impl Write, depths: &ByRight, task: &Task, paint: Paint) -> io::Result<()> {
    let ByRight { all, right, wrong } = depths;
    let of = match task {
        Task::Choice { reading: Reading::Whole, .. } => "forwards",
        _ => "tokens",
    };
    let row = |name: &str, cell: &dyn Fn(&DepthReport) -> String| {
        format!("{name:<18}{:>9}{:>9}{:>9}", cell(all), cell(right), cell(wrong))
    };
    writeln!(
        out,
        "\n{}",
        paint.faint(format!("{:<18}{:>9}{:>9}{:>9}", format!("{of} of"), "all", "right", "wrong"))
    )?;
    let mean =
        |value: f64, found: &DepthReport| if found.n == 0 { "-".to_owned() } else { format!("{value:.3}") };
    writeln!(out, "{}", row(of, &|found| found.n.to_string()))?;
    writeln!(out, "{}", row("mean depth", &|found| mean(found.mean, found)))?;
    writeln!(out, "{}", row("mean steps_taken", &|found| mean(found.mean_steps_taken, found)))?;
    let most = all.counts.iter().copied().max().unwrap_or(0).max(1);
    for index in 0..all.counts.len() {
        let count = |found: &DepthReport| match found.counts.get(index) {
            Some(0) | None => "·".to_owned(),
            Some(count) => count.to_string(),
        };
        // What occurs at all is seen.
        let length = (all.counts[index] as usize * BAR).div_ceil(most as usize);
        let name = format!("{} {:>2}", if index == 0 { "depth" } else { "     " }, index + 1);
        let bar = if length > 0 { format!("  {}", "▪".repeat(length)) } else { String::new() };
        writeln!(out, "{}{bar}", row(&name, &count))?;
    }
    Ok(())
}
