//! `fathom chat` without a terminal: lines in, answers out; the template, the window, the files.

use std::fs;

use fathom_tests::gpt2_model;
use serde_json::{Value, json};

use super::harness::{Outcome, fathom, golden, with_input};
use super::terminal::Terminal;

fn chat(arguments: &[&str], lines: &str) -> Outcome {
    with_input(&[&["chat", "--no-history"], arguments].concat(), lines)
}

#[test]
fn each_line_is_answered_on_a_line() {
    let out = chat(&["--quiet"], "7+5=\n\n8-9*3=\n").ok();
    assert_eq!(out, "27\n798\n");
    let answer = fathom(&["run", "-q", "8-9*3="]).ok();
    assert_eq!(answer, "798\n", "the same as `fathom run`");
}

#[test]
fn commands_change_what_follows_and_errors_end_nothing() {
    let lines =
        "/depth 1\n4-6+9*3-8+5*7=\n/depth auto\n/bias 100\n4-6+9*3-8+5*7=\n/bias own\n4-6+9*3-8+5*7=\n";
    let out = chat(&[], lines);
    let depths: Vec<&str> = out.stderr.lines().filter_map(|line| line.split(" · ").nth(1)).collect();
    assert_eq!(depths[..2], ["depth 1.0 on average, 1 at most"; 2], "{out:?}");
    assert_ne!(depths[2], depths[0]);
    let out = chat(&["-q"], "/depth 17\n/temp -1\n/nonsense\n/depth x\nhello\n/save\n7+5=\n/exit\n8-9*3=\n");
    assert_eq!((out.code, out.stdout.as_str()), (0, "27\n"));
    for (line, words) in out.stderr.lines().zip([
        "must be at most 16 steps, found 17",
        "the temperature",
        "/nonsense is no command",
        "/depth takes a number of steps from 1 on, or `auto`, not `x`",
        "no token for \"h\"",
        "/save takes a file",
    ]) {
        assert!(line.starts_with("error: ") && line.contains(words), "{line}");
    }
    assert_eq!(out.stderr.lines().count(), 6);
    let help = chat(&[], "/help\n/stats\n").stderr;
    for word in
        "/help /clear /depth /cap /bias /temp /top-k /top-p /penalty /seed /stats /save /load /trace /exit"
            .split(' ')
    {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn a_trace_of_the_answers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.jsonl");
    let out = chat(&[], &format!("/trace {}\n7+5=\n/trace on\n7+5=\n/trace off\n7+5=\n", file.display()));
    assert_eq!(out.stdout, "27\n27\n27\n");
    let lines: Vec<Value> =
        fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["text"], "2");
    assert_eq!(lines[0]["steps"].as_array().unwrap().len() as u64, lines[0]["depth"].as_u64().unwrap());
    assert_eq!(out.stderr.matches("margin of each step").count(), 1, "{out:?}");
}

#[test]
fn conversations_are_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.json");
    let name = file.display().to_string();
    chat(&["-q"], &format!("7+5=\n8-9*3=\n/undo\n/save {name}\n")).ok();
    let saved: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let messages = json!([{"role": "user", "content": "7+5="}, {"role": "assistant", "content": "27"}]);
    assert_eq!(saved["messages"], messages);
    let out = chat(&["--load", &name], "/undo\n/undo\n");
    assert!(out.stderr.contains("> 7+5=\n27\n") && out.stderr.contains("nothing was said yet"), "{out:?}");

    fs::write(&file, "{}").unwrap();
    chat(&["--load", &name], "").fails(1, &["talk.json", "messages"]);
    let nowhere = folder.path().join("no/where.json").display().to_string();
    chat(&["--load", &nowhere], "").fails(1, &["where.json"]);
    let out = chat(&["-q"], &format!("7+5=\n/save {nowhere}\n8-9*3=\n"));
    assert_eq!(out.stdout, "27\n798\n");
    assert!(out.stderr.contains("where.json"), "{out:?}");
}

/// What a model with GPT-2's vocabulary was asked: the prompt that it read, from the trace of what is forgotten.
#[test]
fn turns_that_do_not_fit_are_forgotten_whole() {
    let folder = gpt2_model(96);
    let model = folder.path().display().to_string();
    let words = ["one two three four five six", "seven eight nine ten", "and so on", "to the end"];
    let lines: String = words.iter().map(|words| format!("Tell me about {words}.\n")).collect();
    let out = chat(&["-m", &model, "-n", "12", "--temp", "0"], &format!("{lines}/stats\n"));
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.stderr.contains("not fit into the window any more"), "{out:?}");
    let forgotten = out.stderr.lines().find(|line| line.contains("turns forgotten")).unwrap();
    assert!(!forgotten.contains("; 0 turns"), "{forgotten}");
    // A message that can never fit is told and taken back.
    let long = "many words ".repeat(80);
    let out = chat(&["-q", "-m", &model, "-n", "4", "--temp", "0"], &format!("{long}\nHello.\n"));
    assert!(out.stderr.contains("the model's window is 96"), "{out:?}");
    assert_eq!(out.code, 0);
}

#[test]
fn the_authors_sampling_and_a_models_own_template() {
    let folder = gpt2_model(96);
    let model = folder.path().display().to_string();
    let stats = chat(&["-m", &model], "/stats\n").stderr;
    assert!(stats.contains("temp 0.5, top-k 40, top-p 1, min-p 0, penalty 1.2"), "{stats}");
    let stats = chat(&["-m", &model, "--temp", "0.25", "--seed", "7"], "/stats\n").stderr;
    assert!(stats.contains("temp 0.25, top-k 40") && stats.contains("seed 7"), "{stats}");

    let config = folder.path().join("tokenizer_config.json");
    fs::write(&config, r#"{"chat_template": "{{ raise_exception('never') }}"}"#).unwrap();
    let out = chat(&["-q", "-m", &model], "Hello.\n");
    assert!(out.stderr.contains("the model's chat template") && out.stderr.contains("never"), "{out:?}");
    fs::write(&config, r#"{"chat_template": "{% if"}"#).unwrap();
    chat(&["-m", &model], "").fails(1, &["tokenizer_config.json", "the chat template"]);
    fs::write(&config, "[").unwrap();
    chat(&["-m", &model], "").fails(1, &["tokenizer_config.json"]);
}

#[test]
fn flags_that_cannot_be() {
    chat(&["--depth", "17"], "").fails(2, &["17"]);
    chat(&["--top-p", "0"], "").fails(2, &["top-p"]);
    let folder = tempfile::tempdir().unwrap();
    chat(&["-m", &folder.path().display().to_string()], "").fails(1, &["config.json"]);
    chat(&["-m", &golden("cosmicfish_hrm/one-step")], "").fails(1, &["no words"]);
}

/// Lines are edited and come back; pastes stay together; Ctrl-C ends an answer and not the program.
#[test]
fn on_a_terminal() {
    let folder = gpt2_model(512);
    let model = folder.path().display().to_string();
    let history = folder.path().join("history").display().to_string();
    let arguments =
        ["chat", "--device", "cpu", "-m", &model, "-n", "400", "--depth", "6", "--history", &history];
    let mut chat = Terminal::start(&arguments, &[]);
    chat.shows(&["/help lists what can be changed"]);
    chat.press("hallo\u{1b}[D\u{1b}[D\u{1b}[D\u{8}e\r");
    chat.shows(&["> hello"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    chat.press("\u{3}");
    chat.shows(&["stopped by Ctrl-C"]);
    chat.press("/n 5\r");
    chat.shows(&["/n is no command"]);
    chat.press("\u{3}");
    chat.shows(&["Ctrl-D or /exit leaves"]);
    chat.press("/cle\t");
    chat.shows(&["/clear"]);
    chat.press("\r");
    std::thread::sleep(std::time::Duration::from_millis(100));
    chat.press("/stats\r");
    chat.shows(&["1 answers"]);
    chat.press("\u{1b}[200~two\nlines\u{1b}[201~\r");
    std::thread::sleep(std::time::Duration::from_millis(300));
    chat.press("\u{3}");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let saved = folder.path().join("talk.json");
    chat.press(&format!("/save {}\r", saved.display()));
    chat.shows(&["written to"]);
    chat.press("\u{4}");
    assert_eq!(chat.end().0, 0);
    let saved: Value = serde_json::from_str(&fs::read_to_string(saved).unwrap()).unwrap();
    assert_eq!(saved["messages"][0]["content"], "two\nlines");
    let kept = fs::read_to_string(history).unwrap();
    assert!(kept.contains("hello") && kept.contains("/clear") && kept.contains("two\\nlines"), "{kept}");
}
