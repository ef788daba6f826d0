//! Results as people and programs read them.

use std::io::{self, Write};

use serde_json::Value;

use super::measure::Row;
use crate::args::TableFormat;
use crate::output::json_line;

/// Prints all lines; csv and json hold every field, the table what fits a screen.
pub fn print(out: &mut impl Write, rows: &[Row], format: TableFormat) -> anyhow::Result<()> {
    match format {
        TableFormat::Json => json_line(out, &rows)?,
        TableFormat::Csv => csv(out, rows)?,
        TableFormat::Md => markdown(out, rows)?,
    }
    Ok(())
}

/// The fields are those of the JSON, in its order.
fn csv(out: &mut impl Write, rows: &[Row]) -> anyhow::Result<()> {
    for (i, row) in rows.iter().enumerate() {
        let Value::Object(fields) = serde_json::to_value(row)? else { continue };
        if i == 0 {
            writeln!(out, "{}", fields.keys().cloned().collect::<Vec<_>>().join(","))?;
        }
        let shown = fields.values().map(|value| match value {
            Value::String(text) => quoted(text),
            Value::Null => String::new(),
            other => other.to_string(),
        });
        writeln!(out, "{}", shown.collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

fn markdown(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let Row { model, kv, repetitions, n_tokens, .. } = first;
    writeln!(
        out,
        "{model}; keys and values {kv}; {n_tokens} tokens a row of decoding, {repetitions} times each\n"
    )?;
    let width = rows.iter().map(|row| row.device.chars().count()).fold(6, usize::max);
    writeln!(
        out,
        "| {:<width$} | weights |   test | context | depth | batch |         tokens/s | ms/token | encode | compute | \
         read | calls | subm. |   floor | peak MB |",
        "device"
    )?;
    writeln!(
        out,
        "| :{:-<1$} | :------ | -----: | ------: | ----: | ----: | ---------------: | -------: | -----: | ------: | \
         ---: | ----: | ----: | ------: | ------: |",
        "",
        width - 1
    )?;
    for row in rows {
        let speed = format!("{:.1} ± {:.1}", row.tokens_per_s, row.tokens_per_s_sd);
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        writeln!(
            out,
            "| {:<width$} | {:<7} | {:>6} | {:>7} | {:>5} | {:>5} | {speed:>16} | {:>8.2} | {:>6.2} | {:>7} | {:>4} | \
             {:>5.0} | {:>5.2} | {:>7} | {:>7.0} |",
            row.device,
            row.weights,
            row.test.to_string(),
            row.context,
            row.depth,
            row.batch,
            row.ms_per_token,
            row.encode_ms,
            ms(row.compute_ms),
            ms(row.readback_ms),
            row.dispatches_per_token,
            row.submissions_per_token,
            row.floor_ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x")),
            row.peak_bytes as f64 / 1e6,
        )?;
    }
    let Row { bytes_per_s, us_per_dispatch, .. } = first;
    writeln!(
        out,
        "\nTimes are ms a token. floor: how many times the least that the device's own bandwidth ({:.1} GB/s on the first\n\
         line's) and cost of a call ({us_per_dispatch:.1} µs) allow, both measured in the same run. peak: all buffers on the device.",
        bytes_per_s / 1e9
    )
}

pub(super) fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}
