//! `fathom run` and `fathom` alone: what comes out, and what each flag does to it.

use std::fs;

use serde_json::Value;

use crate::harness::{Expected, column, command, fathom, finish, golden, ids, with_input};

const PROBLEM: &str = "7+5-3*4=";
const ANSWER: &str = "6927";

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_answer_goes_to_stdout_and_the_rest_to_stderr() {
    let run = fathom(&["run", PROBLEM]);
    assert_eq!(run.stdout, format!("{ANSWER}\n"));
    for word in ["5 tokens", "depth", "on average", "at most", "tokens/s", "cpu"] {
        assert!(run.stderr.contains(word), "`{word}` is not in {run:#?}");
    }
    let run = fathom(&["run", "-q", PROBLEM]);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("6927\n", ""));
}

#[test]
fn the_prompt_may_come_from_a_file_from_stdin_or_as_tokens() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("prompt.txt");
    fs::write(&file, format!("{PROBLEM}\n")).expect("a file");
    let file = file.display().to_string();
    assert_eq!(fathom(&["run", "-f", &file]).ok(), "6927\n");
    assert_eq!(with_input(&["run"], "7+5-3*4=\n").ok(), "6927\n");
    // One token a character: <unk> <end> 0..9 + - * =
    assert_eq!(fathom(&["run", "--tokens", "9,12,7,13,5,14,6,15"]).ok(), "6927\n");
}

#[test]
fn a_tokens_line_and_the_closing_line_have_their_fields() {
    let lines = fathom(&["run", "--json", PROBLEM]).json_lines();
    let (closing, tokens) = lines.split_last().expect("lines");
    let text: String = tokens.iter().map(|line| line["text"].as_str().expect("text")).collect();
    assert_eq!(text, ANSWER);
    for line in tokens {
        assert_eq!(keys(line), ["depth", "ms", "q_continue", "q_halt", "steps_taken", "text", "token"]);
    }
    assert_eq!(column(tokens, "token"), [8, 11, 4, 9, 1]);
    assert_eq!(keys(closing), ["device", "done", "n_tokens", "tokens_per_s"]);
    assert_eq!((closing["done"].as_str(), closing["n_tokens"].as_u64()), (Some("end"), Some(5)));
}

#[test]
fn tokens_are_tinted_where_it_is_asked_for() {
    let tinted = fathom(&["run", "--color", "always", "--depth", "9", PROBLEM]).ok();
    assert!(tinted.contains("\u{1b}[48;5;") && tinted.contains("\u{1b}[0m"), "{tinted:?}");
    for choice in ["auto", "never"] {
        assert_eq!(fathom(&["run", "--color", choice, "--depth", "9", PROBLEM]).ok(), "6927\n");
    }
    let mut true_colour = command();
    true_colour.env("COLORTERM", "truecolor").args(["run", "--device", "cpu", "--depth", "9"]);
    true_colour.args(["--color", "always", PROBLEM]);
    assert!(finish(true_colour, "").ok().contains("\u{1b}[48;2;"));
}

#[test]
fn the_golden_tokens_and_depths_come_past_the_window() {
    for case in ["cosmicfish_hrm/gqa-rope-swiglu", "cosmicfish_hrm/mha-swiglu-bias"] {
        let expected = Expected::of(case);
        let generated = expected.ints("greedy_generated");
        let prompt = ids(&expected.ints("greedy_prompt"));
        let n = generated.len().to_string();
        let arguments = ["run", "-m", &golden(case), "--tokens", &prompt, "-n", &n, "--json"];
        let lines = fathom(&arguments).json_lines();
        let tokens = &lines[..lines.len() - 1];
        assert_eq!(column(tokens, "token"), generated, "{case}");
        assert_eq!(column(tokens, "steps_taken"), expected.ints("greedy_steps_taken"), "{case}");
        assert_eq!(lines[lines.len() - 1]["done"], "length");
    }
}

#[test]
fn a_model_without_words_answers_in_ids() {
    let case = "cosmicfish_hrm/one-step";
    let expected = Expected::of(case);
    let prompt = ids(&expected.ints("greedy_prompt"));
    let answer = fathom(&["run", "-m", &golden(case), "--tokens", &prompt, "-n", "4"]).ok();
    assert_eq!(answer, format!("{}\n", ids(&expected.ints("greedy_generated")[..4]).replace(',', " ")));
}

#[test]
fn a_run_ends_where_it_is_told_to() {
    let ends = |arguments: &[&str]| {
        let lines = fathom(&[&["run", "--json", PROBLEM], arguments].concat()).json_lines();
        let (closing, tokens) = lines.split_last().expect("lines");
        let mut text: String = tokens.iter().map(|line| line["text"].as_str().expect("text")).collect();
        text.push_str(closing["text"].as_str().unwrap_or_default());
        (text, closing["done"].as_str().expect("done").to_owned(), tokens.len())
    };
    assert_eq!(ends(&["-n", "2"]), ("69".to_owned(), "length".to_owned(), 2));
    assert_eq!(ends(&["--stop", "27"]).0, "69");
    assert_eq!(ends(&["--stop", "27"]).1, "stop");
    assert_eq!(ends(&["--stop", "5", "--stop", "2"]).0, "69");
    assert_eq!(ends(&["--stop", "7x"]).0, ANSWER);
    let (text, done, n_tokens) = ends(&["--ignore-eos", "-n", "9"]);
    assert!(text.starts_with(ANSWER), "{text}");
    assert_eq!((done.as_str(), n_tokens), ("length", 9));
}

#[test]
fn a_full_window_is_recomputed_or_slides_or_ends() {
    let case = "cosmicfish_hrm/one-step";
    let prompt = ids(&Expected::of(case).ints("greedy_prompt"));
    let run = |how: &str| {
        let arguments =
            ["run", "-m", &golden(case), "--tokens", &prompt, "-n", "20", "--overflow", how, "--json"];
        let run = fathom(&arguments);
        let told = run.stderr.lines().count();
        let lines = run.json_lines();
        (lines.len() - 1, lines[lines.len() - 1]["done"].as_str().expect("done").to_owned(), told)
    };
    let (n_tokens, done, told) = run("recompute");
    assert_eq!((n_tokens, done.as_str(), told), (20, "length", 1), "one sentence says that it becomes slow");
    let (n_tokens, done, _) = run("slide");
    assert_eq!((n_tokens, done.as_str()), (20, "length"));
    let (n_tokens, done, _) = run("stop");
    assert_eq!(done, "context");
    assert!(
        (8..=9).contains(&n_tokens),
        "24 tokens of a window of 32 leave 8 and the one behind it: {n_tokens}"
    );
}

#[test]
fn depth_obeys() {
    let depths = |arguments: &[&str]| {
        let lines = fathom(&[&["run", "--json", PROBLEM], arguments].concat()).json_lines();
        let tokens = &lines[..lines.len() - 1];
        (column(tokens, "depth"), column(tokens, "steps_taken"))
    };
    let (depth, steps_taken) = depths(&["--depth", "3"]);
    assert!(depth.iter().chain(&steps_taken).all(|&d| d == 3), "{depth:?} {steps_taken:?}");
    assert!(depths(&["--max-depth", "2"]).0.iter().all(|&d| d <= 2));
    assert!(depths(&["--min-depth", "5", "--max-depth", "7"]).0.iter().all(|d| (5..=7).contains(d)));
    let (depth, steps_taken) = depths(&["--halt-bias", "1000"]);
    assert!(
        depth.iter().all(|&d| d == 1) && steps_taken.iter().all(|&d| d == 0),
        "{depth:?} {steps_taken:?}"
    );
    assert!(depths(&["--halt-bias", "-1000"]).0.iter().all(|&d| d == 16));
}

#[test]
fn a_seed_makes_draws_repeatable() {
    let draw = |seed: &str, more: &[&str]| {
        let arguments = ["run", "--ignore-eos", "-n", "30", "--temp", "3", "-s", seed, PROBLEM];
        fathom(&[&arguments, more].concat()).ok()
    };
    let shaped = ["--top-k", "12", "--top-p", "0.99", "--min-p", "0.001", "--repeat-penalty", "1.1"];
    assert_eq!(draw("7", &shaped), draw("7", &shaped));
    assert_ne!(draw("7", &[]), draw("8", &[]));
    assert_eq!(fathom(&["run", "--temp", "3", "--top-k", "1", PROBLEM]).ok(), "6927\n");
    let told = fathom(&["run", "--temp", "0.5", PROBLEM]).stderr;
    assert!(told.contains("seed "), "{told}");
}

#[test]
fn fathom_alone_shows_problems_being_solved() {
    let shown = fathom::<&str>(&[]).ok();
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    for word in ["running calculation", "ten beads", "left to right", "7+5=", "*0", "fathom run \"7+5-3*4=\""]
    {
        assert!(shown.contains(word), "`{word}` is not in {shown}");
    }
    assert_eq!(shown.matches('✓').count() + shown.matches('✗').count(), 8, "{shown}");
    assert!(fathom(&["--color", "always"]).ok().contains("\u{1b}[48;5;"));
}

#[test]
fn help_is_there_for_everything() {
    for arguments in
        [&["--help"][..], &["run", "--help"], &["forward", "-h"], &["devices", "-h"], &["bench", "-h"]]
    {
        assert!(fathom(arguments).ok().contains("Usage: fathom"), "{arguments:?}");
    }
    assert!(fathom(&["--version"]).ok().starts_with("fathom "));
}
