//! `fathom solve`: held-out puzzles by the built-in model, files of them, other kinds of puzzles, what is refused.

use std::fs;
use std::path::Path;

use fathom_engine::puzzle::sudoku::{Grade, Sudoku, check, grade};
use fathom_tests::puzzle_model;
use serde_json::Value;

use crate::harness::{fathom, golden, with_input};
#[cfg(unix)]
use crate::terminal::Terminal;

/// Puzzles and solutions that the built-in model was not trained on.
fn held_out(n: usize) -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sudoku-6x6/held_out.csv");
    let text = fs::read_to_string(file).expect("held-out puzzles");
    let columns = |line: &str| {
        let mut fields = line.split(',').map(str::to_owned);
        (fields.next().expect("a puzzle"), fields.next().expect("a solution"))
    };
    text.lines().skip(1).take(n).map(columns).collect()
}

/// One of them that the built-in model solves, and not at once.
fn solvable() -> String {
    let solves = |(puzzle, _): &(String, String)| {
        let found = solve(&[puzzle]).remove(0);
        found["obeys_rules"] == true && found["halted_by"] == "test" && found["segments"].as_u64() > Some(2)
    };
    held_out(50).into_iter().find(solves).expect("one of fifty").0
}

fn solve(arguments: &[&str]) -> Vec<Value> {
    fathom(&[&["solve", "--json"], arguments].concat()).json_lines()
}

#[test]
fn the_built_in_model_solves_puzzles_that_it_never_saw() {
    let mut solved = 0;
    let puzzles = held_out(40);
    for (puzzle, solution) in &puzzles[..3] {
        let found = solve(&[puzzle]).remove(0);
        let history = found["history"].as_array().expect("a history");
        assert_eq!(history.len() as u64, found["segments"].as_u64().expect("segments"));
        assert_eq!(history.last().expect("a segment")["answer"], found["answer"]);
        assert_eq!(found["obeys_rules"], found["answer"] == **solution, "one solution only: {found}");
        let text = fathom(&["solve", puzzle]).ok();
        let is_solved = found["obeys_rules"].as_bool().expect("a verdict");
        assert!(
            text.contains(if is_solved { "solved: the answer obeys the rules" } else { "NOT solved" }),
            "{text}"
        );
        assert!(text.contains("the puzzle ") && text.contains("segment 1: "), "{text}");
        // As a drawing, and from standard input.
        let drawn: Vec<&str> = (0..6).map(|row| &puzzle[6 * row..6 * row + 6]).collect();
        let again = with_input(&["solve", "--json", "-"], &drawn.join("\n")).json_lines().remove(0);
        assert_eq!(again["answer"], found["answer"]);
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    let lines: Vec<&str> = puzzles.iter().map(|(puzzle, _)| puzzle.as_str()).collect();
    fs::write(file.path(), lines.join("\n")).expect("puzzles");
    let path = file.path().display().to_string();
    let mut found = solve(&[&path]);
    let summary = found.pop().expect("a summary");
    found.sort_by_key(|line| line["puzzle"].as_u64());
    for (line, (puzzle, solution)) in found.iter().zip(&puzzles) {
        assert_eq!(line["question"], **puzzle);
        let answer: Sudoku = line["answer"].as_str().expect("an answer").parse().expect("a board");
        let is_right = check(&answer, &puzzle.parse().expect("a board")).is_empty();
        assert_eq!(
            (line["obeys_rules"] == true, is_right),
            (answer.line() == *solution, answer.line() == *solution)
        );
        solved += u64::from(is_right);
    }
    assert!(solved >= 36, "{solved} of 40");
    assert_eq!(
        (summary["summary"]["puzzles"].as_u64(), summary["summary"]["solved"].as_u64()),
        (Some(40), Some(solved))
    );
    assert!(summary["puzzles_per_s"].as_f64().expect("a rate") > 0.0);

    // Alone as together, and in a table.
    let mut alone = solve(&[&path, "--batch", "1"]);
    alone.pop();
    assert_eq!(alone, found);
    let table = fathom(&["solve", &path]).ok();
    assert!(table.contains("puzzles/s") && table.contains("easy"), "{table}");
}

#[test]
fn a_new_puzzle_is_made_where_none_is_given() {
    for (size, cells) in [("6", 36), ("9", 81)] {
        let found = solve(&["--size", size, "--grade", "easy", "--seed", "3"]).remove(0);
        let puzzle: Sudoku = found["question"].as_str().expect("a puzzle").parse().expect("a board");
        assert_eq!((puzzle.cells().len(), grade(&puzzle)), (cells, Some(Grade::Easy)));
        assert_eq!(found["obeys_rules"], true, "an easy one: {found}");
    }
    fathom(&["solve", "--size", "4"]).fails(2, &["6x6", "9x9", "--model"]);
}

#[test]
fn how_long_it_thinks_can_be_said() {
    let puzzle = solvable();
    let segments = |flags: &[&str]| solve(&[flags, &[puzzle.as_str()]].concat()).remove(0);
    let long = segments(&["--segments", "12"]);
    assert_eq!((long["segments"].as_u64(), long["halted_by"].as_str()), (Some(12), Some("forced")));
    let history = long["history"].as_array().expect("segments");
    let first = |is_it: &dyn Fn(&Value) -> bool| history.iter().position(is_it).map(|at| at as u64 + 1);
    let above = |a: &str, b: &str| {
        let (a, b) = (a.to_owned(), b.to_owned());
        move |segment: &Value| segment[&a].as_f64() > segment[&b].as_f64()
    };
    let by_q = first(&above("q_halt", "q_continue")).expect("it halts");
    assert_eq!(segments(&["--halt", "q"])["segments"], by_q);
    let settled = (1..history.len()).find(|&i| {
        above("q_halt", "q_continue")(&history[i]) && history[i]["answer"] == history[i - 1]["answer"]
    });
    assert_eq!(segments(&[])["segments"].as_u64(), settled.map(|at| at as u64 + 1));
    let sure = first(&|segment| segment["confidence"].as_f64() >= Some(0.99)).expect("it is sure");
    assert_eq!(segments(&["--confidence", "0.99"])["segments"], sure);
}

#[test]
fn rollouts_are_those_of_their_seed() {
    let puzzle = solvable();
    let run = |flags: &[&str]| solve(&[&["--rollouts", "5"], flags, &[puzzle.as_str()]].concat()).remove(0);
    for flags in [&["--seed", "4"][..], &["--seed", "4", "--noise", "1"]] {
        let found = run(flags);
        assert_eq!(found, run(flags));
        assert!(
            found["rollout"].as_u64() < Some(5) && found["rollouts_agree"].as_u64() >= Some(1),
            "{found}"
        );
    }
    assert_ne!(run(&["--seed", "4", "--noise", "1"]), run(&["--seed", "5", "--noise", "1"]));
    let plain = solve(&[&puzzle]).remove(0);
    assert!(run(&["--seed", "4"])["confidence"].as_f64() >= plain["confidence"].as_f64());
}

#[test]
fn mazes_and_arc_tasks() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect(name);
        path.display().to_string()
    };
    let maze = puzzle_model(36, 6, 1);
    let model = maze.path().display().to_string();
    let file = put("maze.txt", "#####\n#S  #\n### #\n#G  #\n#####\n");
    let text = fathom(&["solve", "-m", &model, &file]).ok();
    assert!(text.contains("NOT solved") && text.contains(" in the answer"), "{text}");
    let found = solve(&["-m", &model, &file]).remove(0);
    assert_eq!((found["kind"].as_str(), found["obeys_rules"].as_bool()), (Some("maze"), Some(false)));
    fathom(&["solve", &file]).fails(2, &["Sudokus only", "--model"]);
    fathom(&["solve", "-m", &model, "--rollouts", "2", &file]).fails(2, &["--noise"]);
    assert_eq!(solve(&["-m", &model, "--rollouts", "2", "--noise", "0.5", &file]).len(), 1);
    fathom(&["solve", "-m", &model, &put("closed.txt", "S#\n#G")]).fails(1, &["no way leads from S to G"]);
    fathom(&["solve", "-m", &model, &put("large.txt", "S.....G")]).fails(1, &["7x1", "at most 6x6"]);

    let arc = puzzle_model(900, 12, 3);
    let model = arc.path().display().to_string();
    let task = put("abc123.json", r#"{"train": [], "test": [{"input": [[1, 2], [3, 4]], "output": [[1]]}]}"#);
    let names = put("identifiers.json", r#"["<blank>", "abc123|||t1", "abc123"]"#);
    fathom(&["solve", "-m", &model, &task]).fails(2, &["abc123", "--identifiers", "table of 3"]);
    let found = solve(&["-m", &model, &task, "--identifiers", &names, "--segments", "1"]).remove(0);
    assert_eq!((found["kind"].as_str(), found["question"].as_str()), (Some("arc"), Some("abc123")));
    let by_row = solve(&["-m", &model, &task, "--puzzle-id", "2", "--segments", "1"]).remove(0);
    assert_eq!(found, by_row);
    let others = put("others.json", r#"["<blank>", "abc123|||t1"]"#);
    fathom(&["solve", "-m", &model, &task, "--identifiers", &others])
        .fails(1, &["abc123", "no row among the 2"]);
    fathom(&["solve", "-m", &model, &task, "--puzzle-id", "3"]).fails(1, &["below 3", "found 3"]);
    fathom(&["solve", "-m", &model, &put("wrong.json", "{")]).fails(1, &["wrong.json", "not an ARC task"]);
}

#[test]
fn what_cannot_be_solved_is_refused() {
    let twice = format!("11{}", ".".repeat(34));
    let four = "1.34341221434321";
    // No digit is left for the last cell of the first row.
    let stuck = format!("12345.{}6", ".".repeat(29));
    for (arguments, code, words) in [
        (&[twice.as_str()][..], 1, &["contradicts itself", "r1c1 and r1c2 both hold 1 (row 1)"][..]),
        (&[&stuck], 1, &["no solution", "r1c6"]),
        (&[four], 2, &["6x6", "--model"]),
        (&["123"], 1, &["16, 36 or 81", "found 3"]),
        (&["hello"], 1, &["'h'"]),
        (&["nothing/there.csv"], 1, &["nothing/there.csv", "no such file"]),
        (&["--segments", "0"], 2, &["--segments"]),
        (&["--confidence", "1"], 2, &["--confidence 1", "between 0 and 1"]),
        (&["--segments", "2", "--halt", "q"], 2, &["--halt"]),
        (&["--noise", "1"], 2, &["--rollouts"]),
        (&["--grade", "awful"], 2, &["--grade"]),
        (&["--watch", "--json"], 2, &["--json"]),
        (&["--watch"], 2, &["terminal"]),
    ] {
        fathom(&[&["solve"], arguments].concat()).fails(code, words);
    }
    let language = golden("cosmicfish_hrm/one-step");
    fathom(&["solve", "-m", &language]).fails(1, &["cosmicfish_hrm", "hrm_act_v1"]);
    let puzzles = golden("hrm/sudoku-shape");
    fathom(&["run", "-m", &puzzles, "x"]).fails(1, &["hrm_act_v1", "fathom solve"]);
    fathom(&["solve", "-m", &puzzles, &held_out(1)[0].0]).fails(1, &["Sudokus of 9x9", "6x6"]);
}

#[test]
#[cfg(unix)]
fn a_board_fills_itself_in() {
    let puzzle = solvable();
    let terminal = Terminal::start(&["solve", "--device", "cpu", "--watch", &puzzle], &[]);
    terminal.shows(&["segment 1, cycle 1 of", "cells unsure"]);
    terminal.shows(&["solved: the answer obeys the rules", "halted by its own test"]);
}
