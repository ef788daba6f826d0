//! What shells want to know: completions, manuals, the version, and variables in place of flags.

use std::fs;

use super::harness::{command, fathom, finish};

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = fathom(&["completions", shell]).ok();
        for word in ["halt-bias", "chat", "devices"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    fathom(&["completions", "tcsh"]).fails(2, &["tcsh", "bash"]);
    fathom(&["completions"]).fails(2, &["SHELL"]);
}

#[test]
fn a_manual_page_for_every_command() {
    let main = fathom(&["man"]).ok();
    assert!(main.starts_with(".ie") && main.contains("chat"), "{main}");
    let folder = tempfile::tempdir().unwrap();
    fathom(&["man", &folder.path().display().to_string()]).ok();
    let help = fathom(&["--help"]).ok();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        let page = fs::read_to_string(folder.path().join(format!("fathom-{name}.1"))).expect(name);
        assert!(page.contains(".SH NAME"), "{name}");
    }
    let run = fs::read_to_string(folder.path().join("fathom-run.1")).unwrap();
    assert!(run.contains("FATHOM_HALT_BIAS"), "{run}");
    let nested = fs::read_to_string(folder.path().join("fathom-eval-choice.1")).unwrap();
    assert!(nested.contains("FATHOM_HALT_BIAS"), "{nested}");
    let file = folder.path().join("fathom.1");
    fathom(&["man", &file.display().to_string()]).fails(1, &["fathom.1"]);
}

#[test]
fn the_version_says_what_was_built() {
    let version = fathom(&["--version"]).ok();
    assert!(version.starts_with(&format!("fathom {}\n", env!("CARGO_PKG_VERSION"))), "{version}");
    for word in ["\ncommit   ", "\nbuild    ", "\nwgpu     30."] {
        assert!(version.contains(word), "{version}");
    }
    assert_eq!(fathom(&["-V"]).ok(), format!("fathom {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_flag_has_a_variable_and_the_flag_wins() {
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = command();
        command.args(arguments).env("FATHOM_DEVICE", "cpu").envs(variables.iter().copied());
        finish(command, "")
    };
    let depth = |outcome: super::harness::Outcome| outcome.json_lines()[0]["depth"].clone();
    let asked = ["run", "7+5="];
    let json = ("FATHOM_JSON", "true");
    assert_eq!(depth(run(&[json, ("FATHOM_DEPTH", "5")], &asked)), 5);
    assert_eq!(depth(run(&[json, ("FATHOM_DEPTH", "5")], &["run", "--depth", "3", "7+5="])), 3);
    assert_eq!(depth(run(&[json, ("FATHOM_HALT_BIAS", "-1000")], &asked)), 16);
    run(&[("FATHOM_DEPTH", "none")], &asked).fails(2, &["--depth", "none", "the variable FATHOM_DEPTH"]);
    run(&[("FATHOM_MODEL", "/nowhere")], &asked).fails(1, &["/nowhere"]);
    run(&[("FATHOM_QUIET", "true")], &asked).ok();
}
