//! How a run may end early: a reader that goes away, Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Expected, command, golden, ids};

/// A run that would take hours.
fn endless(arguments: &[&str]) -> Command {
    let case = "cosmicfish_hrm/gqa-rope-swiglu";
    let mut command = command();
    let prompt = ids(&Expected::of(case).ints("tokens"));
    command.args(["run", "--device", "cpu", "-m", &golden(case), "--tokens", &prompt]);
    command.args(["-n", "1000000", "--ignore-eos"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
    text
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = endless(&["--json", "-q"]).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("a line").expect("UTF-8").starts_with("{\"token\":"));
    drop(lines);
    assert_eq!(stderr_of(&mut child), "");
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_reader_that_is_gone_from_the_start_is_no_error() {
    for arguments in [&["--help"][..], &["devices", "--device", "cpu"], &["--device", "cpu"]] {
        let mut quiet = command();
        quiet.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = quiet.spawn().expect("the program starts");
        drop(child.stdout.take());
        assert_eq!(stderr_of(&mut child), "", "{arguments:?}");
        assert_eq!(child.wait().expect("an end").code(), Some(0), "{arguments:?}");
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_json_with_its_closing_object() {
    let mut child = endless(&["--json", "-q"]).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    lines.next().expect("a line").expect("UTF-8");
    interrupt(&child);
    let rest: Vec<String> = lines.map(|line| line.expect("UTF-8")).collect();
    let closing: Value = serde_json::from_str(rest.last().expect("a closing line")).expect("JSON");
    assert_eq!(closing["done"], "interrupted");
    assert_eq!(closing["n_tokens"], rest.len(), "the first token and the rest, less the closing line");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_text_with_its_summary() {
    let mut child = endless(&[]).spawn().expect("the program starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut first = [0];
    stdout.read_exact(&mut first).expect("a byte");
    interrupt(&child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("UTF-8");
    assert!(rest.ends_with('\n'), "the line is ended: {rest:?}");
    let told = stderr_of(&mut child);
    assert!(told.contains("tokens/s") && told.contains("interrupted"), "{told}");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
}
