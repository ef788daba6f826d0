//! The rows of a sweep, as a table and as comma-separated values, and what they say about the model's own halting.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::commands::eval::{Exam, Reading, Report, Task};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    /// Exactly so many steps.
    Depth(u32),
    /// The halting test, with this bias.
    Bias { bias: f32, is_own: bool },
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Control::Depth(depth) => format!("depth {depth}"),
            Control::Bias { bias, .. } => format!("bias {bias}"),
        };
        f.pad(&text)
    }
}

/// One line of the result.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `depth` or `halt_bias`.
    pub control: &'static str,
    pub value: f32,
    /// The model's own halting.
    pub own: bool,
    pub quality: f64,
    /// The 95 % interval.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub mean_depth: f64,
    pub mean_steps_taken: f64,
    pub ms_per_item: f64,
}

/// All rows, in the order in which they were tried.
#[derive(Debug, Serialize)]
pub struct Sweep {
    pub model: String,
    pub file: String,
    pub device: String,
    pub n_items: usize,
    /// `accuracy`, the higher the better, or `bits_per_token`, the lower the better.
    pub quality: &'static str,
    /// What a depth was counted for.
    pub per: &'static str,
    pub rows: Vec<Row>,
}

impl Sweep {
    /// Without rows.
    pub fn new(exam: &Exam, n_items: usize) -> Sweep {
        Sweep {
            model: exam.model.name().to_owned(),
            file: exam.file.name.clone(),
            device: exam.model.device().name(),
            n_items,
            quality: if matches!(exam.task, Task::Perplexity { .. }) { "bits_per_token" } else { "accuracy" },
            per: match exam.task {
                Task::Choice { reading: Reading::Whole, .. } => "forward",
                _ => "token",
            },
            rows: vec![],
        }
    }

    /// One more.
    pub fn add(&mut self, tried: Control, report: &Report) {
        let (control, value, own) = match tried {
            Control::Depth(depth) => ("depth", depth as f32, false),
            Control::Bias { bias, is_own } => ("halt_bias", bias, is_own),
        };
        let (quality, depths) = (report.quality(), report.depths());
        self.rows.push(Row {
            control,
            value,
            own,
            quality: quality.value,
            low: quality.interval.map(|interval| interval.0),
            high: quality.interval.map(|interval| interval.1),
            mean_depth: depths.map_or(0.0, |depths| depths.mean),
            mean_steps_taken: depths.map_or(0.0, |depths| depths.mean_steps_taken),
            ms_per_item: report.time.ms_per_item,
        });
    }

    /// A share, which people read in percent.
    pub fn is_accuracy(&self) -> bool {
        self.quality == "accuracy"
    }

    /// The rows of one control.
    pub fn of(&self, control: &str) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.control == control).collect()
    }

    /// The model's own halting.
    pub fn own(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.own)
    }

    /// A quality as people read it.
    pub fn shown(&self, quality: f64) -> String {
        if self.is_accuracy() { format!("{:.2} %", 100.0 * quality) } else { format!("{quality:.4} bits") }
    }

    /// Where the model's own halting lies among the forced depths, in words.
    pub fn own_halting(&self) -> String {
        let Some(own) = self.own() else { return String::new() };
        let (per, forced) = (self.per, self.of("depth"));
        let mut sentence = format!(
            "its own halting (bias {}): {} at {:.2} steps a {per}",
            own.value,
            self.shown(own.quality),
            own.mean_depth
        );
        if let Some(quality) = between(&forced, own.mean_depth) {
            sentence += &format!("; forced depths at as many steps, interpolated: {}", self.shown(quality));
        }
        let is_as_good = |row: &&&Row| {
            if self.is_accuracy() { row.quality >= own.quality } else { row.quality <= own.quality }
        };
        match forced.iter().find(is_as_good) {
            Some(row) => sentence += &format!("; the first forced depth that is as good: {}", row.value),
            None if !forced.is_empty() => sentence += "; no forced depth that was tried is as good",
            None => {}
        }
        sentence
    }

    /// Comma-separated values with a header.
    pub fn print_csv(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "control,value,own,n_items,{},low,high,mean_depth,mean_steps_taken,ms_per_item",
            self.quality
        )?;
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        for row in &self.rows {
            let Row { control, value, own, quality, low, high, mean_depth, mean_steps_taken, ms_per_item } =
                row;
            writeln!(
                out,
                "{control},{value},{own},{},{quality},{},{},{mean_depth},{mean_steps_taken},{ms_per_item}",
                self.n_items,
                number(*low),
                number(*high)
            )?;
        }
        Ok(())
    }

    /// A table in Markdown, and the sentence about the model's own halting.
    pub fn print_table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}, {}: {} items a row, on {}\n", self.model, self.file, self.n_items, self.device)?;
        let quality = if self.is_accuracy() { "accuracy" } else { "bits a token" };
        writeln!(
            out,
            "| {:<12} | {quality:>12} | {:>18} | mean depth | steps_taken | ms an item |",
            "control", "95 % interval"
        )?;
        writeln!(
            out,
            "| :{:-<11} | {:->11}: | {:->17}: | ---------: | ----------: | ---------: |",
            "", "", ""
        )?;
        for row in &self.rows {
            let control = match row.control {
                "depth" => format!("depth {}", row.value),
                _ => format!("bias {}{}", row.value, if row.own { " *" } else { "" }),
            };
            let interval = row.low.zip(row.high).map_or("-".to_owned(), |(low, high)| {
                if self.is_accuracy() {
                    format!("{:.2} to {:.2} %", 100.0 * low, 100.0 * high)
                } else {
                    format!("{low:.3} to {high:.3}")
                }
            });
            writeln!(
                out,
                "| {control:<12} | {:>12} | {interval:>18} | {:>10.3} | {:>11.3} | {:>10.2} |",
                self.shown(row.quality),
                row.mean_depth,
                row.mean_steps_taken,
                row.ms_per_item
            )?;
        }
        writeln!(out, "\n* {}", self.own_halting())
    }
}

/// The quality between the two forced depths that enclose a mean depth.
fn between(forced: &[&Row], depth: f64) -> Option<f64> {
    let above = forced.iter().position(|row| row.mean_depth >= depth)?;
    let high = forced[above];
    let Some(low) = above.checked_sub(1).map(|below| forced[below]) else {
        return (high.mean_depth == depth).then_some(high.quality);
    };
    let share = (depth - low.mean_depth) / (high.mean_depth - low.mean_depth);
    Some(low.quality + share * (high.quality - low.quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(control: &'static str, value: f32, quality: f64, mean_depth: f64) -> Row {
        let own = control == "halt_bias";
        let (low, high) = (None, None);
        Row { control, value, own, quality, low, high, mean_depth, mean_steps_taken: 0.0, ms_per_item: 1.0 }
    }

    fn sweep(quality: &'static str, rows: Vec<Row>) -> Sweep {
        let name = String::new();
        Sweep {
            model: name.clone(),
            file: name.clone(),
            device: name,
            n_items: 1,
            quality,
            per: "token",
            rows,
        }
    }

    #[test]
    fn its_own_halting_in_words() {
        let own = row("halt_bias", -1.0, 0.9, 1.5);
        let rows =
            vec![row("depth", 1.0, 0.4, 1.0), row("depth", 2.0, 0.8, 2.0), row("depth", 4.0, 0.95, 4.0), own];
        let found = sweep("accuracy", rows.clone()).own_halting();
        assert_eq!(
            found,
            "its own halting (bias -1): 90.00 % at 1.50 steps a token; forced depths at as many steps, interpolated: \
             60.00 %; the first forced depth that is as good: 4"
        );
        let found = sweep(
            "bits_per_token",
            rows[..3].iter().cloned().chain([row("halt_bias", 0.0, 0.3, 9.0)]).collect(),
        );
        assert!(found.own_halting().ends_with("steps a token; no forced depth that was tried is as good"));
    }
}
