//! `fathom watch` on a terminal: a pseudo-terminal that keys are typed into, and whose screen is read.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::harness::{Expected, fathom, golden, ids};
use crate::terminal::{Terminal, ends_when_the_terminal_goes};

const PROBLEM: &str = "7+5-3*4=";
const LONG: &str = "3+8-2*7+5-9+4*3-6+8-1=";
const RIGHT: &str = "\u{1b}[C";
const LEFT: &str = "\u{1b}[D";
const UP: &str = "\u{1b}[A";
const HOME: &str = "\u{1b}[H";
const ENTER_SCREEN: &str = "\u{1b}[?1049h";

/// `fathom watch`, on the CPU.
fn watch(arguments: &[&str]) -> Terminal {
    watch_with(arguments, &[])
}

fn watch_with(arguments: &[&str], variables: &[(&str, &str)]) -> Terminal {
    Terminal::start(&[&["watch", "--device", "cpu"], arguments].concat(), variables)
}

#[test]
fn an_answer_is_watched_to_its_end_and_gone_back_in() {
    let mut terminal = watch(&["--pace", "20", LONG]);
    terminal.shows(&["asked   3+8-2*7", "■ done", "token 12 of 12, “<end>”: stopped itself after 2"]);
    terminal.press(HOME);
    terminal.shows(&["token 1 of 12, “0”: stopped itself after 7 of at most 16 steps", "■ stops"]);
    terminal.shows(&["Step 7: q_halt +2.44 + bias −4.75 = −2.31 > q_continue −2.44: it stops here"]);
    terminal.press(UP);
    terminal.shows(&["Step 6:", "it goes on"]);
    terminal.press(RIGHT);
    terminal.shows(&["token 2 of 12, “1”"]);
    terminal.press(LEFT);
    terminal.shows(&["token 1 of 12, “0”"]);
    terminal.press("?");
    terminal.shows(&["any key closes", "make one token"]);
    terminal.press("x");
    terminal.shows(&["Does it stop here?"]);
    terminal.press("q");
    terminal.ends_cleanly();
}

#[test]
fn a_pause_holds_until_it_is_told_otherwise() {
    let mut terminal = watch(&["--pace", "100", LONG]);
    terminal.shows(&["▶ live", "thinking"]);
    terminal.press(" ");
    terminal.shows(&["‖ paused"]);
    let before = terminal.screen();
    thread::sleep(Duration::from_millis(400));
    assert_eq!(terminal.screen(), before);
    terminal.press("+++");
    terminal.shows(&["full speed"]);
    for n in ["token 1 of 1, ", "token 2 of 2, ", "token 3 of 3, "] {
        terminal.press("s");
        terminal.shows(&[n, "‖ paused", "stopped itself"]);
    }
    terminal.press(" ");
    terminal.shows(&["■ done", "token 12 of 12"]);
    terminal.press("\u{1b}");
    terminal.ends_cleanly();
}

#[test]
fn another_prompt_is_asked_and_another_bias() {
    let mut terminal = watch(&["--pace", "0", PROBLEM]);
    terminal.shows(&["■ done", "bias −4.75"]);
    terminal.press("p\u{15}7+x=\r");
    terminal.shows(&["ask     7+x=  the tokenizer has no"]);
    terminal.press("\u{15}8-9*3=\r");
    terminal.shows(&["asked   8-9*3=", "■ done"]);
    terminal.press("b");
    terminal.shows(&["bias −5.00", "■ done"]);
    terminal.press("q");
    terminal.ends_cleanly();
}

#[test]
fn without_a_prompt_it_asks_for_one() {
    let mut terminal = watch(&["--pace", "0"]);
    terminal.shows(&["type what it is to answer"]);
    terminal.press("\r");
    terminal.shows(&["the prompt is empty"]);
    terminal.press("7+5=\r");
    terminal.shows(&["asked   7+5=", "■ done", "token 3 of 3"]);
    terminal.press("q");
    terminal.ends_cleanly();
}

#[test]
fn it_may_have_any_size_at_any_moment() {
    let mut terminal = watch(&["--pace", "10", LONG]);
    terminal.shows(&["Does it stop here?"]);
    for (columns, rows) in [(50, 15), (39, 11), (1, 1), (2, 30), (200, 2), (40, 12), (250, 70)] {
        terminal.resize(columns, rows);
        thread::sleep(Duration::from_millis(70));
    }
    terminal.shows(&["If it stopped here it would say", "margin", "q quit"]);
    terminal.resize(30, 10);
    terminal.shows(&["30×10 is too small", "make it 40×12"]);
    terminal.resize(80, 24);
    terminal.shows(&["Does it stop here?", "■ done"]);
    terminal.press("q");
    terminal.ends_cleanly();
}

/// An answer that takes hours.
fn endless() -> Terminal {
    let case = "cosmicfish_hrm/gqa-rope-swiglu";
    let prompt = ids(&Expected::of(case).ints("tokens"));
    let model = golden(case);
    let arguments = ["-m", &model, "--tokens", &prompt, "-n", "1000000", "--ignore-eos", "--pace", "0"];
    let terminal = watch(&arguments);
    terminal.shows(&["▶ live", "tokens/s"]);
    terminal
}

#[test]
fn ctrl_c_and_signals_give_the_terminal_back() {
    let mut terminal = endless();
    terminal.press("\u{3}");
    terminal.ends_cleanly();
    for signal in ["-TERM", "-HUP", "-INT"] {
        let terminal = endless();
        terminal.signal(signal);
        terminal.ends_cleanly();
    }
}

#[test]
fn no_colour_means_none() {
    let mut terminal = watch_with(&["--pace", "0", LONG], &[("NO_COLOR", "1")]);
    terminal.shows(&["■ done"]);
    terminal.press(HOME);
    terminal.shows(&["token 1 of 12"]);
    terminal.press("q");
    let (_, sent) = terminal.end();
    for colour in ["[38;", "[48;", "[35m"] {
        assert!(!sent.contains(colour), "{colour} in {sent:?}");
    }
    let mut terminal = watch_with(&["--pace", "0", "--color", "always", LONG], &[("NO_COLOR", "1")]);
    terminal.shows(&["■ done"]);
    terminal.press("q");
    let (_, sent) = terminal.end();
    assert!(sent.contains("48;5;"), "{sent:?}");
}

#[test]
fn a_trace_is_replayed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("t.jsonl").display().to_string();
    fathom(&["run", "-q", "--trace", &file, LONG]).ok();
    let mut terminal = watch(&["--pace", "0", "--replay", &file]);
    terminal.shows(&["■ replayed", "token 12 of 12, “<end>”"]);
    terminal.press(HOME);
    terminal.shows(&["Step 7: q_halt +2.44 + bias −4.75 = −2.31 > q_continue −2.44: it stops here"]);
    terminal.press("q");
    terminal.ends_cleanly();
    fs::write(&file, "{\"token\":1}\n").expect("a file");
    let (code, sent) = watch(&["--replay", &file]).end();
    assert_eq!(code, 1, "{sent:?}");
    assert!(sent.contains("line 1") && !sent.contains(ENTER_SCREEN), "{sent:?}");
}

#[test]
fn what_is_wrong_is_said_before_the_terminal_is_taken() {
    for (arguments, word) in [
        (&["--depth", "99", PROBLEM][..], "99"),
        (&["7+x="], "x"),
        (&["-m", "nowhere", PROBLEM], "nowhere"),
        (&[""], "empty"),
    ] {
        let (code, sent) = watch(arguments).end();
        assert!(code == 1 || code == 2, "{sent:?}");
        assert!(sent.contains("error: ") && sent.contains(word), "{sent:?}");
        assert!(!sent.contains(ENTER_SCREEN), "{sent:?}");
    }
}

#[test]
fn without_a_terminal_it_points_to_traces() {
    fathom(&["watch", PROBLEM]).fails(2, &["terminal", "fathom run --trace"]);
    let (code, sent) = watch_with(&[PROBLEM], &[("TERM", "dumb")]).end();
    assert!(code == 2 && sent.contains("TERM=dumb"), "{sent:?}");
}

#[test]
fn it_ends_when_the_window_is_closed() {
    ends_when_the_terminal_goes(&["watch", "--device", "cpu", "--pace", "0", PROBLEM]);
    ends_when_the_terminal_goes(&["chat", "--device", "cpu", "--no-history"]);
}
