//! `fathom bench`: what it prints in each form, and what it says no to.

use serde_json::Value;

use crate::harness::{Outcome, fathom};

fn bench(arguments: &[&str]) -> Outcome {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/beads");
    fathom(
        &[&["bench", "-m", model, "-p", "12", "-n", "4", "--depth", "2", "-r", "2", "-q"], arguments]
            .concat(),
    )
}

/// A prompt and a decoding for each batch size and device, with numbers that agree with each other.
#[test]
fn rows_say_where_the_time_goes() {
    let rows = bench(&["--device", "cpu,gpu", "--batch", "1,3", "-o", "json"]).json_lines().remove(0);
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), 8);
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/beads/model.safetensors");
    let model_bytes = std::fs::metadata(model).expect("the model").len() as f64;
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"));
        assert!((number("tokens_per_s") * number("ms_per_token") / 1000.0 - 1.0).abs() < 0.01, "{row}");
        assert!(number("compute_ms") > 0.0 && number("bytes_per_s") > 0.0, "{row}");
        assert!(number("peak_bytes") > model_bytes, "{row}");
        // Every matrix that a token meets, once for all sequences of a batch.
        assert!(number("weight_bytes_per_token") > 0.0, "{row}");
        if row["test"] == "decode" {
            assert!(number("floor_ratio") > 0.0 && number("kv_bytes_per_token") > 0.0, "{row}");
        } else {
            assert_eq!(row["floor_ratio"], Value::Null);
        }
    }
    let decoded = |batch: u64| {
        let is = |row: &&Value| row["test"] == "decode" && row["batch"] == batch && row["device"] != "";
        rows.iter().find(is).expect("a row")["weight_bytes_per_token"].as_f64().expect("bytes")
    };
    assert!((decoded(1) / decoded(3) - 3.0).abs() < 0.01);
}

/// The bytes that a token reads are those of the type: 34 or 18 for 32 numbers.
#[test]
fn narrower_weights_are_fewer_bytes() {
    let rows = bench(&["--device", "cpu,gpu", "--weights", "f32,q8,q4", "--test", "decode", "-o", "json"]);
    let rows = rows.json_lines().remove(0);
    for device in ["cpu", "llvmpipe"] {
        let bytes = |weights: &str| {
            let is = |row: &&Value| row["weights"] == weights && row["device"].to_string().contains(device);
            let row = rows
                .as_array()
                .expect("rows")
                .iter()
                .find(is)
                .unwrap_or_else(|| panic!("{weights} in {rows}"));
            row["weight_bytes_per_token"].as_f64().expect("bytes")
        };
        assert!((bytes("f32") / bytes("q8") - 128.0 / 34.0).abs() < 0.01, "{rows}");
        assert!((bytes("f32") / bytes("q4") - 128.0 / 18.0).abs() < 0.02, "{rows}");
    }
}

#[test]
fn csv_has_the_fields_of_json_and_the_table_a_line_each() {
    let csv = bench(&["--device", "cpu", "-o", "csv"]).ok();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    let json = bench(&["--device", "cpu", "-o", "json", "--test", "decode"]).json_lines().remove(0);
    let names: Vec<&String> = json[0].as_object().expect("fields").keys().collect();
    assert_eq!(lines[0].split(',').collect::<Vec<_>>(), names);
    let table = bench(&["--device", "cpu"]).ok();
    assert_eq!(table.lines().filter(|line| line.starts_with("| cpu")).count(), 2, "{table}");
}

/// Every kernel of a token, and shares that make a whole.
#[test]
fn a_profile_names_every_kernel() {
    for device in ["cpu", "gpu"] {
        let lines = bench(&["--device", device, "--profile", "-o", "json"]).json_lines().remove(0);
        let lines = lines.as_array().expect("lines");
        for kernel in
            ["attention", "embed", "halt", "inject", "linear", "load_rows", "prefix_sum", "q_head", "sample"]
        {
            assert!(lines.iter().any(|line| line["kernel"] == kernel), "{kernel} on {device}");
        }
        let sum: f64 = lines.iter().map(|line| line["share"].as_f64().expect("a share")).sum();
        assert!((sum - 1.0).abs() < 0.02, "{sum}");
        let shares: Vec<f64> = lines.iter().map(|line| line["share"].as_f64().expect("a share")).collect();
        assert!(shares.is_sorted_by(|a, b| a >= b), "largest first: {shares:?}");
    }
}

#[test]
fn what_it_says_no_to() {
    fathom(&["bench", "-p", "8", "-n", "8"]).fails(2, &["-p 8", "longer than the 8 tokens"]);
    bench(&["-p", "100000"]).fails(2, &["-p"]);
}
