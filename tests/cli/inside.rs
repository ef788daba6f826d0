//! What can be looked at: traces, prefixes, one forward, devices, timings.

use std::fs;

use serde_json::Value;

use crate::harness::{Expected, column, fathom, fathom_as_given, golden, ids};

const CASE: &str = "cosmicfish_hrm/gqa-rope-swiglu";

/// Within 1e-4 of the largest magnitude.
#[track_caller]
fn assert_close(found: &Value, expected: &[f32]) {
    let found = found.as_array().expect("a list");
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    let apart = found.iter().zip(expected).fold(0.0f64, |m, (found, &expected)| {
        m.max((found.as_f64().expect("a number") - f64::from(expected)).abs())
    });
    assert!(apart <= 1e-4 * scale, "{apart} apart where the largest is {scale}");
}

#[test]
fn a_trace_holds_every_step_of_every_token() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace.jsonl").display().to_string();
    assert_eq!(fathom(&["run", "--trace", &file, "7+5-3*4="]).ok(), "6927\n");
    let lines: Vec<Value> = fs::read_to_string(&file)
        .expect("a trace")
        .lines()
        .map(|l| serde_json::from_str(l).expect(l))
        .collect();
    assert_eq!(column(&lines, "token"), [8, 11, 4, 9, 1]);
    for line in &lines {
        let steps = line["steps"].as_array().expect("steps");
        assert_eq!(steps.len() as u64, line["depth"].as_u64().expect("depth"), "{line}");
        let last = &steps[steps.len() - 1];
        assert_eq!((&last["q_halt"], &last["q_continue"]), (&line["q_halt"], &line["q_continue"]));
        assert_eq!(column(steps, "step"), (1..=steps.len() as u64).collect::<Vec<_>>());
        assert!(["test", "cap", "forced"].contains(&line["halted_by"].as_str().expect("halted_by")));
    }
}

#[test]
fn prefixes_are_read_as_each_would_be_alone() {
    let expected = Expected::of(CASE);
    let tokens = expected.ints("tokens");
    let list = ids(&tokens);
    let arguments = ["run", "--prefixes", "--json", "-m", &golden(CASE), "--tokens", &list];
    let lines = fathom(&arguments).json_lines();
    assert_eq!(column(&lines, "steps_taken"), expected.ints("prefix_steps_taken"));
    assert_eq!(column(&lines, "token"), tokens);
    assert_eq!(column(&lines, "n_tokens"), (1..=lines.len() as u64).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line["next_token"].is_u64() && line["q_halt"].is_f64()));
    let forced = [&arguments[..], &["--depth", "2"]].concat();
    assert!(column(&fathom(&forced).json_lines(), "depth").iter().all(|&depth| depth == 2));
}

#[test]
fn the_table_of_prefixes_names_the_running_values() {
    // At a digit of the prompt this model was trained to say the running value.
    let table = fathom(&["run", "--prefixes", "7+5-3*4="]).ok();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let read: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(read, ["7", "+", "5", "-", "3", "*", "4", "="]);
    let next: Vec<&str> = rows.iter().map(|row| row[2]).collect();
    assert_eq!([next[0], next[2], next[4], next[6], next[7]], ["7", "2", "9", "6", "6"], "{table}");
}

#[test]
fn one_forward_is_the_references() {
    let expected = Expected::of(CASE);
    let tokens = expected.ints("tokens");
    let (last, list) = (tokens.len() - 1, ids(&tokens));
    let arguments = ["forward", "-m", &golden(CASE), "--tokens", &list, "--json"];
    let object = &fathom(&arguments).json_lines()[0];
    assert_eq!(object["n_tokens"], tokens.len());
    assert_eq!(object["steps_taken"], expected.ints("prefix_steps_taken")[last]);
    assert_eq!(object["halted_by"], "test");
    let q = object["q"].as_array().expect("q");
    assert_eq!(q.len() as u64, object["depth"].as_u64().expect("depth"));
    let all_q = expected.rows("prefix_q_logits");
    for (found, expected) in q.iter().zip(&all_q[all_q.len() - q.len()..]) {
        assert_close(found, expected);
    }
    assert_close(&object["logits"], &expected.rows("prefix_last_logits")[last]);
    assert!(object["device"].as_str().expect("device").contains("cpu"), "{}", object["device"]);

    let all = &fathom(&[&arguments[..], &["--all"]].concat()).json_lines()[0];
    let positions = all["logits"].as_array().expect("positions");
    assert_eq!(positions.len(), tokens.len());
    assert_eq!(positions[last], object["logits"]);
    for (found, expected) in positions.iter().zip(&expected.rows("full_logits")) {
        assert_close(found, expected);
    }
}

/// By kind, by index and by a part of its name; there must be one.
#[test]
fn the_gpu_gives_the_references_numbers_too() {
    let expected = Expected::of(CASE);
    let list = ids(&expected.ints("tokens"));
    let devices = &fathom_as_given(&["devices", "--json", "--device", "gpu"]).json_lines()[0];
    let name = devices["adapters"][0]["name"].as_str().expect("an adapter");
    assert!(devices["adapters"][0]["limits"]["maxBufferSize"].is_u64(), "{devices}");
    for device in ["gpu", "0", &name[..5].to_uppercase(), "low-power", "high-performance"] {
        let arguments = [
            "forward",
            "--device",
            device,
            "-m",
            &golden(CASE),
            "--tokens",
            &list,
            "--json",
            "--max-depth",
            "1",
        ];
        let found = &fathom_as_given(&arguments).json_lines()[0];
        assert!(found["device"].as_str().expect("a name").contains(name), "{device}: {}", found["device"]);
    }
    let arguments = ["forward", "--device", "gpu", "-m", &golden(CASE), "--tokens", &list, "--json"];
    let object = &fathom_as_given(&arguments).json_lines()[0];
    let last = expected.ints("tokens").len() - 1;
    assert_eq!(object["steps_taken"], expected.ints("prefix_steps_taken")[last]);
    assert_close(&object["logits"], &expected.rows("prefix_last_logits")[last]);
    assert_eq!(fathom_as_given(&["run", "-q", "--device", "gpu", "7+5-3*4="]).ok(), "6927\n");
}

/// Without a real GPU `auto` says in one line why it takes the processor; nothing else is on standard error.
#[test]
fn auto_says_what_it_takes() {
    let run = fathom_as_given(&["run", "--json", "-n", "1", "7+5="]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{run:#?}");
    let told: Vec<&str> = run.stderr.lines().collect();
    let devices = &fathom_as_given(&["devices", "--json"]).json_lines()[0];
    if devices["taken"].as_str().expect("a name").contains("cpu") {
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("no GPU") && devices["why"] == told[0], "{told:?} {devices}");
    }
}

#[test]
fn numbers_parse_back_to_the_same_f32() {
    let text = fathom(&["forward", "--tokens", "9,12,7,15", "--json"]).ok();
    let start = text.find("\"logits\":[").expect("logits") + "\"logits\":[".len();
    let list = &text[start..start + text[start..].find(']').expect("the end")];
    for number in list.split(',') {
        let value: f32 = number.parse().expect(number);
        assert_eq!(serde_json::to_string(&value).expect("a number"), number);
    }
}

#[test]
fn forward_obeys_the_depth_controls() {
    let forward = |more: &[&str]| {
        let arguments = ["forward", "-m", &golden(CASE), "--tokens", "3,38,58,35", "--json"];
        let object = fathom(&[&arguments, more].concat()).json_lines().remove(0);
        let number = |name: &str| object[name].as_u64().expect("a number");
        (number("depth"), number("steps_taken"), object["halted_by"].as_str().expect("halted_by").to_owned())
    };
    assert_eq!(forward(&["--depth", "2"]), (2, 2, "forced".to_owned()));
    assert_eq!(forward(&["--max-depth", "3"]), (3, 3, "cap".to_owned()));
    assert_eq!(forward(&["--min-depth", "4", "--halt-bias", "1000"]), (4, 3, "test".to_owned()));
    assert_eq!(forward(&["--halt-bias", "1000"]), (1, 0, "test".to_owned()));
    assert_eq!(forward(&["--halt-bias", "-1000"]), (8, 8, "cap".to_owned()));
}

#[test]
fn forward_for_people_names_the_likeliest_tokens() {
    let shown = fathom(&["forward", "--tokens", "9,12,7,13,5,14,6,15"]).ok();
    for word in ["tokens", "depth", "q_halt", "q_continue", "cpu", "likeliest", " % ", "6 (8)"] {
        assert!(shown.contains(word), "`{word}` is not in {shown}");
    }
    assert_eq!(shown.matches(" %  ").count(), 5, "{shown}");
}

#[test]
fn devices_are_listed_and_the_taken_one_is_named() {
    let object = &fathom(&["devices", "--json"]).json_lines()[0];
    assert!(object["cpu"]["n_threads"].as_u64().expect("threads") > 0);
    assert!(object["adapters"].is_array());
    assert_eq!(object["asked"], "cpu");
    assert!(object["taken"].as_str().expect("a name").contains("cpu"));
    assert_ne!(object["why"], "");
    let shown = fathom(&["devices"]).ok();
    assert!(shown.contains("--device cpu takes cpu"), "{shown}");
}

#[test]
fn bench_times_each_context_and_depth() {
    let bench = |format: &str| {
        let arguments =
            ["bench", "-m", &golden(CASE), "-p", "12,20", "-n", "4", "-r", "2", "--depth", "1,3", "-o"];
        fathom(&[&arguments[..], &[format, "--test", "decode"]].concat()).ok()
    };
    let rows: Value = serde_json::from_str(&bench("json")).expect("JSON");
    let rows = rows.as_array().expect("rows");
    assert_eq!(column(rows, "context"), [12, 12, 20, 20]);
    assert_eq!(column(rows, "depth"), [1, 3, 1, 3]);
    assert_eq!(column(rows, "n_tokens"), [4; 4]);
    assert!(rows.iter().all(|row| row["ms_per_token"].as_f64() > Some(0.0)));
    let csv = bench("csv");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    let table = bench("md");
    assert!(table.contains("±") && table.contains("| ------: |"), "{table}");
}

#[test]
fn bench_takes_several_devices_and_a_made_up_model() {
    let arguments =
        ["bench", "--device", "cpu,cpu", "--synth", "cosmicfish-hrm", "-p", "3", "-n", "1", "-r", "1"];
    let more = ["--depth", "1", "-o", "json", "-q", "--test", "decode", "--weights", "f16"];
    let rows = fathom_as_given(&[&arguments[..], &more].concat());
    let rows: Value = serde_json::from_str(&rows.ok()).expect("JSON");
    assert_eq!(rows.as_array().expect("rows").len(), 2);
    assert!(rows[0]["model"].as_str().expect("a name").contains("cosmicfish-hrm"));
}
