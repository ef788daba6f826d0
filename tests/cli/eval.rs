//! `fathom eval` and `fathom depth-sweep`: scores against golden logits, reports, results that go on and merge, and
//! what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Expected, Outcome, column, fathom, golden, ids};

/// A folder for files of questions and results.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }
}

/// The built-in model's problems, one of so many.
fn problems(every: usize) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/beads/held_out.jsonl");
    let file = fs::read_to_string(path).expect("held_out.jsonl");
    file.lines().step_by(every).flat_map(|line| [line, "\n"]).collect()
}

fn report(arguments: &[&str]) -> Value {
    let mut lines = fathom(&[&["eval"], arguments, &["--json"]].concat()).json_lines();
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// As text, without what may differ from run to run.
fn without_time(mut report: Value) -> String {
    let object = report.as_object_mut().expect("an object");
    object.remove("time").expect("a time");
    report.to_string()
}

/// The records of a file of results, without times.
fn records(path: &str) -> Vec<Value> {
    let file = fs::read_to_string(path).expect("results");
    let mut lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    lines.remove(0);
    for line in &mut lines {
        line.as_object_mut().expect("an object").remove("ms").expect("a time");
    }
    lines
}

fn close(found: &Value, expected: f64) {
    let found = found.as_f64().expect("a number");
    assert!((found - expected).abs() <= 1e-3 * expected.abs(), "{found} and {expected}");
}

fn log_prob(logits: &[f32], token: u64) -> f64 {
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    f64::from(logits[token as usize]) - sum.ln()
}

#[test]
fn perplexity_of_golden_tokens_in_both_readings() {
    let case = "cosmicfish_hrm/gqa-rope-swiglu";
    let (files, expected) = (Files::new(), Expected::of(case));
    let tokens = expected.ints("tokens");
    let window = tokens.len().to_string();
    let mut text = tokens.clone();
    text.push(3);
    let file = files.write("ids.txt", &ids(&text));
    let model = golden(case);
    let out = files.path("out.jsonl");
    let asked = ["perplexity", &file, "--token-ids", "-m", &model, "--window", &window, "--out", &out];
    let found = report(&asked);
    let n = tokens.len() as f64;
    for (reading, logits) in [("whole", "full_logits"), ("prefix", "prefix_last_logits")] {
        let rows = expected.rows(logits);
        let sum: f64 = rows.iter().zip(&text[1..]).map(|(row, &token)| log_prob(row, token)).sum();
        let found = &found["result"][reading];
        close(&found["bits_per_token"], -sum / n / std::f64::consts::LN_2);
        close(&found["perplexity"], (-sum / n).exp());
        assert_eq!((&found["n_tokens"], &found["bits_per_byte"]), (&json!(tokens.len()), &Value::Null));
    }
    let steps_taken = expected.ints("prefix_steps_taken");
    let mean = steps_taken.iter().sum::<u64>() as f64 / n;
    close(&found["result"]["prefix"]["depths"]["mean_steps_taken"], mean);
    close(&found["result"]["whole"]["depths"]["mean_steps_taken"], steps_taken[tokens.len() - 1] as f64);
    assert_eq!(records(&out).len(), 1);

    // In several windows each token but the first is scored once.
    let found =
        report(&["perplexity", &file, "--token-ids", "-m", &model, "--window", "7", "--reading", "prefix"]);
    assert_eq!(found["result"]["prefix"]["n_tokens"], tokens.len());
    assert_eq!(
        found["task"],
        json!({"name": "perplexity", "window": 7, "stride": 3, "reading": "prefix", "token_ids": true})
    );
    assert_eq!(found["result"]["whole"], Value::Null);
    let table = fathom(&["eval", "perplexity", &file, "--token-ids", "-m", &model, "--window", "7"]).ok();
    assert!(
        table.contains("windows of 7 tokens, stride 3") && table.contains("at least 4 tokens of context"),
        "{table}"
    );

    let asked = |more: &[&str]| fathom(&[&["eval", "perplexity", &file, "-m", &model], more].concat());
    asked(&[]).fails(2, &["no tokenizer.json", "--token-ids"]);
    asked(&["--token-ids", "--window", "100000"]).fails(2, &["--window 100000"]);
    asked(&["--token-ids", "--window", "4", "--stride", "5"]).fails(2, &["--stride 5"]);
    let wrong = files.write("wrong.txt", "1 2 x");
    fathom(&["eval", "perplexity", &wrong, "--token-ids", "-m", &model]).fails(1, &["wrong.txt", "`x`"]);
}

#[test]
fn choices_are_scored_by_the_logits_of_one_forward() {
    let files = Files::new();
    let context = "7+5-3*4=";
    let line = |endings: &[&str], label: usize| {
        json!({"context": context, "endings": endings, "label": label}).to_string() + "\n"
    };
    let long = json!({"context": "1+".repeat(60), "endings": ["1=1", "2=2"], "label": 0}).to_string() + "\n";
    let file = line(&["6927", "6", "5"], 0)
        + &line(&["", "5"], 1)
        + &line(&["1", "1"], 0)
        + &line(&[&"1".repeat(64), "2"], 1)
        + &long;
    let (file, out) = (files.write("choice.jsonl", &file), files.path("out.jsonl"));
    let found = report(&["choice", &file, "--out", &out]);
    let result = &found["result"];
    assert_eq!(
        (&result["n_ties"], &result["n_without_score"], &result["n_cut_contexts"]),
        (&json!(1), &json!(2), &json!(2))
    );
    assert_eq!(result["forms"], json!(["plain"]));
    let records = records(&out);
    assert_eq!(records[1]["mean"][0], Value::Null);
    assert_eq!((&records[1]["chosen"], &records[2]["chosen"]), (&json!(1), &json!(0)));
    assert_eq!(result["accuracy"]["n"], 5);
    // One forward for each ending that has a score.
    assert_eq!(result["depths"]["all"]["n"], 3 + 1 + 2 + 1 + 2);

    let prefixes = fathom(&["run", "--prefixes", "--json", &format!("{context}6927")]).json_lines();
    let tokens = column(&prefixes, "token");
    let forward = fathom(&["forward", "--json", "--all", "--tokens", &ids(&tokens)]).json_lines().remove(0);
    let logits: Vec<Vec<f32>> = serde_json::from_value(forward["logits"].clone()).expect("logits");
    let sum: f64 = (8..12).map(|i| log_prob(&logits[i - 1], tokens[i])).sum();
    close(&records[0]["sum"][0], sum);
    close(&records[0]["mean"][0], sum / 4.0);

    let prefix = report(&["choice", &file, "--reading", "prefix"]);
    // Of each scored token.
    assert_eq!(prefix["result"]["depths"]["all"]["n"], (4 + 1 + 1) + 1 + 2 + 1 + (3 + 3));
    let table = fathom(&["eval", "choice", &file]).ok();
    for words in ["accuracy", "by the sum", "1 ties", "2 endings empty", "2 contexts longer", "mean depth"] {
        assert!(table.contains(words), "`{words}` is not in {table}");
    }
}

#[test]
fn the_forms_of_choices_and_what_is_none() {
    let files = Files::new();
    let piqa = r#"{"goal": "1+1=", "sol1": "2", "sol2": "3"}"#;
    // The built-in model has no space, which stands before an ending of this form.
    let file = files.write("piqa.jsonl", &format!("{piqa}\n"));
    let labels = files.write("labels.lst", "0\n");
    fathom(&["eval", "choice", &file, "--labels", &labels])
        .fails(2, &["piqa.jsonl", "line 1", "no token for \" \""]);
    fathom(&["eval", "choice", &file]).fails(1, &["line 1", "`label` is missing", "--labels"]);
    let file = files.write(
        "other.jsonl",
        "{\"context\": \"1\", \"endings\": [\"2\", \"3\"], \"label\": 0}\n{\"text\": 1}\n",
    );
    fathom(&["eval", "choice", &file]).fails(1, &["other.jsonl", "line 2", "the fields text", "HellaSwag"]);
    let file = files.write("empty.jsonl", "\n");
    fathom(&["eval", "choice", &file]).fails(1, &["empty.jsonl", "found none"]);
    fathom(&["eval", "choice", &file, "--reading", "both"]).fails(2, &["both", "--reading"]);
    fathom(&["eval", "exact", &files.path("nowhere.jsonl")]).fails(1, &["nowhere.jsonl"]);
    fs::write(files.path("bytes.jsonl"), b"{\"prompt\": \"\xff\"}").expect("a file");
    fathom(&["eval", "exact", &files.path("bytes.jsonl")]).fails(1, &["bytes.jsonl", "UTF-8", "byte 12"]);
    fathom(&["eval", "exact", &file, "--shard", "3/2"]).fails(2, &["--shard", "i/n"]);
}

#[test]
fn exact_answers_and_the_depths_of_right_and_wrong() {
    let files = Files::new();
    let wrong = r#"{"prompt": "7+5=", "answer": ["99", "28"]}"#;
    let file = files.write("q.jsonl", &(problems(450) + wrong + "\n"));
    let alone = report(&["exact", &file, "--batch", "1"]);
    let found = report(&["exact", &file]);
    assert_eq!(without_time(alone), without_time(found.clone()));
    let result = &found["result"];
    assert_eq!((&result["accuracy"]["n"], &result["accuracy"]["n_right"]), (&json!(11), &json!(10)));
    close(&result["accuracy"]["share"], 10.0 / 11.0);
    close(&result["accuracy"]["low"], 0.62264);
    close(&result["accuracy"]["high"], 0.98378);
    let (all, right, wrong) =
        (&result["depths"]["all"], &result["depths"]["right"], &result["depths"]["wrong"]);
    // Two digits and the end.
    assert_eq!(wrong["n"], 3);
    assert_eq!(all["n"].as_u64(), right["n"].as_u64().map(|n| n + 3));
    let forced = report(&["exact", &file, "--depth", "2"]);
    assert_eq!(
        (&forced["result"]["depths"]["all"]["mean"], &forced["depth"]["forced"]),
        (&json!(2.0), &json!(2))
    );

    let file = files.write("n.jsonl", "{\"prompt\": \"7+5=\", \"answer\": \" 2-7\"}\n");
    assert_eq!(report(&["exact", &file])["result"]["accuracy"]["n_right"], 0);
    let file = files.write("n.jsonl", "{\"prompt\": \"7+5=\", \"answer\": \" 27 \"}\n");
    assert_eq!(report(&["exact", &file])["result"]["accuracy"]["n_right"], 1, "trimmed");
    let file = files.write("n.jsonl", "{\"prompt\": \"7 5=\", \"answer\": \"27\"}\n");
    fathom(&["eval", "exact", &file]).fails(2, &["n.jsonl", "line 1", "no token"]);
    let file = files.write("n.jsonl", "{\"prompt\": \"7+5=\", \"answer\": \"2\"}\n");
    assert_eq!(report(&["exact", &file])["result"]["accuracy"]["n_right"], 0, "27 is not 2");
    assert_eq!(report(&["exact", &file, "-n", "1"])["result"]["accuracy"]["n_right"], 1);
    assert_eq!(report(&["exact", &file, "--stop", "7"])["result"]["accuracy"]["n_right"], 1);
}

#[test]
fn a_run_goes_on_behind_the_last_whole_line() {
    let files = Files::new();
    let file = files.write("q.jsonl", &problems(450));
    let (whole, out) = (files.path("whole.jsonl"), files.path("out.jsonl"));
    let asked = |out: &str| report(&["exact", &file, "--batch", "1", "--out", out]);
    let expected = without_time(asked(&whole));
    let bytes = fs::read(&whole).expect("results");
    let ends: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i] == b'\n').collect();
    // Nothing; a torn first line; only it; torn and whole lines; all.
    for cut in [0, 20, ends[0] + 1, ends[3] + 9, ends[5], ends[5] + 1, bytes.len()] {
        fs::write(&out, &bytes[..cut]).expect("results");
        assert_eq!(without_time(asked(&out)), expected, "cut at {cut}");
        assert_eq!(records(&out), records(&whole), "cut at {cut}");
    }
    let again = fathom(&["eval", "exact", &file, "--out", &out]);
    assert!(again.stderr.contains("10 of 10 items are there already"), "{again:?}");

    let refused = |arguments: &[&str], words: &[&str]| {
        let before = fs::read(&out).expect("results");
        fathom(&[&["eval", "exact", &file, "--out", &out], arguments].concat()).fails(1, words);
        assert_eq!(fs::read(&out).expect("results"), before);
    };
    refused(&["--depth", "2"], &["out.jsonl", "depth forced is null there and 2 here"]);
    refused(&["--normalize"], &["task normalize is false there and true here"]);
    refused(&["--limit", "3"], &["limit"]);
    // The same weights with another configuration are another model.
    let beads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/beads");
    for name in ["model.safetensors", "tokenizer.json"] {
        fs::copy(beads.join(name), files.path(name)).expect("a copy");
    }
    let config = fs::read_to_string(beads.join("config.json")).expect("config.json");
    files.write("config.json", &config.replace("1e-05", "1e-06"));
    refused(&["-m", &files.path("")], &["model sha256"]);
    fs::write(&out, "my diary, without a line break").expect("a file");
    refused(&[], &["found something else"]);
    fs::write(&out, "my diary\n").expect("a file");
    refused(&[], &["out.jsonl", "line 1"]);
    let folder = files.path("");
    fathom(&["eval", "exact", &file, "--out", &folder]).fails(1, &["--out"]);
    let mut doubled = bytes[..=ends[1]].to_vec();
    doubled.extend_from_slice(&bytes[ends[0] + 1..=ends[1]]);
    fs::write(&out, doubled).expect("a file");
    refused(&[], &["line 3", "twice"]);
}

#[test]
fn shards_merge_into_the_report_of_one_run() {
    let files = Files::new();
    let file = files.write("q.jsonl", &problems(450));
    let choices: String = (0..7)
        .map(|i| {
            json!({"context": format!("{i}+5="), "endings": ["1", "27", "3"], "label": i % 3}).to_string()
                + "\n"
        })
        .collect();
    let choices = files.write("c.jsonl", &choices);
    let text = files.write("t.txt", &"7+5-3*4=6927".repeat(20));
    for (task, file) in [("exact", &file), ("choice", &choices), ("perplexity", &text)] {
        let expected = without_time(report(&[task, file]));
        let parts: Vec<String> = (1..=3).map(|i| files.path(&format!("{task}-{i}.jsonl"))).collect();
        for (i, part) in (1..).zip(&parts) {
            let found = report(&[task, file, "--shard", &format!("{i}/3"), "--out", part]);
            assert_eq!(found["shard"], format!("{i}/3"));
        }
        // In any order.
        assert_eq!(without_time(report(&["merge", &parts[2], &parts[0], &parts[1]])), expected, "{task}");
        assert!(fathom(&["eval", "merge", &parts[2], &parts[0], &parts[1]]).ok().contains("mean depth"));
        let merge = |parts: &[&String]| -> Outcome {
            let parts = parts.iter().map(|part| part.as_str());
            fathom(&["eval", "merge"].into_iter().chain(parts).collect::<Vec<_>>())
        };
        merge(&[&parts[0], &parts[2]]).fails(1, &["shard 2/3 is missing"]);
        merge(&[&parts[0], &parts[1], &parts[1]]).fails(1, &["both are shard 2/3"]);
        let short = fs::read_to_string(&parts[1]).expect("results");
        let n = short.trim_end().rfind('\n').expect("lines") + 1;
        let short = files.write("short.jsonl", &short[..n]);
        merge(&[&parts[0], &short, &parts[2]]).fails(1, &["short.jsonl", "items are there"]);
        let other = files.path("other.jsonl");
        report(&[task, file, "--shard", "2/3", "--out", &other, "--max-depth", "1"]);
        merge(&[&parts[0], &other, &parts[2]]).fails(1, &["other.jsonl", "depth cap"]);
        fs::remove_file(other).expect("results");
    }
}

#[test]
fn a_sweep_has_a_row_for_each_depth_and_bias() {
    let files = Files::new();
    let file = files.write("q.jsonl", &problems(450));
    let (csv, svg) = (files.path("sweep.csv"), files.path("sweep.svg"));
    let asked = ["depth-sweep", "exact", &file, "--depths", "1,3,16", "--biases=-8,-3"];
    let table = fathom(&[&asked[..], &["--csv", &csv, "--svg", &svg]].concat()).ok();
    assert!(table.contains("| bias -4.75 * |"), "{table}");
    assert!(table.contains("* its own halting (bias -4.75): 100.00 % at"), "{table}");
    let csv = fs::read_to_string(csv).expect("the rows");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..5], ["control", "value", "own", "n_items", "accuracy"]);
    let tried: Vec<&[&str]> = rows[1..].iter().map(|row| &row[..4]).collect();
    let expected: [[&str; 4]; 6] = [
        ["depth", "1", "false", "10"],
        ["depth", "3", "false", "10"],
        ["depth", "16", "false", "10"],
        ["halt_bias", "-8", "false", "10"],
        ["halt_bias", "-4.75", "true", "10"],
        ["halt_bias", "-3", "false", "10"],
    ];
    assert_eq!(tried, expected);
    for (row, control) in [(2, ["--depth", "3"]), (4, ["--halt-bias", "-8"]), (5, ["--halt-bias", "-4.75"])] {
        let found = report(&[&["exact", &file], &control[..]].concat());
        let number = |column: usize| rows[row][column].parse::<f64>().expect("a number");
        close(&found["result"]["accuracy"]["share"], number(4));
        close(&found["result"]["accuracy"]["low"], number(5));
        close(&found["result"]["depths"]["all"]["mean"], number(7));
    }
    let svg = fs::read_to_string(svg).expect("the figure");
    for words in [
        "<svg ",
        "accuracy (%)",
        "mean steps per token",
        "time per item (ms)",
        "own halting (bias \u{2212}4.75)",
    ] {
        assert!(svg.contains(words), "`{words}` is not in {svg}");
    }
    let json = fathom(&[&asked[..], &["-o", "json"]].concat()).json_lines().remove(0);
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(6));

    fathom(&["depth-sweep", "exact", &file, "--depths", "17"]).fails(2, &["17"]);
    fathom(&["depth-sweep", "perplexity", &file, "--reading", "both"]).fails(2, &["--reading both"]);
    let nowhere = files.path("nowhere/sweep.csv");
    fathom(&["depth-sweep", "exact", &file, "--depths", "1", "--csv", &nowhere]).fails(1, &["--csv"]);
}
