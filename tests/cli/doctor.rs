//! `fathom doctor`: what it finds here, and what it says of a machine whose drivers are gone.

use serde_json::Value;

use crate::harness::{Outcome, command, fathom_as_given, finish};

fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let mut command = command();
    command.envs(variables.iter().copied()).arg("doctor").args(arguments);
    finish(command, "")
}

fn examined(report: &Value) -> &Vec<Value> {
    report["examined"].as_array().expect("a list")
}

/// Everything there is: adapters, then the processor; each kernel on each of them.
#[test]
fn every_kernel_is_right_on_every_device() {
    let outcome = fathom_as_given(&["doctor", "--json"]);
    assert!(outcome.stderr.contains("examining cpu"), "{outcome:?}");
    let report = outcome.json_lines().remove(0);
    let adapters = report["adapters"].as_array().expect("adapters");
    assert_eq!(examined(&report).len(), adapters.len() + 1);
    for device in examined(&report) {
        assert_eq!(device["is_right"], true, "{device}");
        let kernels = device["kernels"].as_array().expect("kernels");
        assert_eq!(kernels.len(), 13);
        for kernel in kernels {
            let error = kernel["largest_error"].as_f64().expect("an error");
            assert!(error <= kernel["allowed"].as_f64().expect("a bound"), "{kernel}");
            assert!(kernel["n_calls"].as_u64().expect("calls") > 0, "{kernel}");
        }
        let speed = &device["speed"];
        assert!(speed["gb_per_s"].as_f64().expect("a speed") > 0.0, "{speed}");
        assert!(speed["round_trip_ms"].as_f64().expect("a time") > 0.0, "{speed}");
        assert_eq!(device["n_pipelines"].as_u64() > Some(0), device["adapter"].is_u64());
    }
    let text = report["verdict"]["text"].as_str().expect("a sentence");
    assert!(text.contains("right answers"), "{text}");
}

#[test]
fn the_processor_alone_for_people() {
    let outcome = fathom_as_given(&["doctor", "--device", "cpu", "--quiet"]);
    assert_eq!(outcome.stderr, "");
    let report = outcome.ok();
    // Only what the machine itself calls something may be longer.
    let ours = report.lines().filter(|line| !line.contains(['=', '/']));
    assert!(ours.into_iter().all(|line| line.chars().count() <= 80), "{report}");
    for words in ["linear", "store_rows", "µs a dispatch", "Verdict", "This machine runs Fathom on cpu"] {
        assert!(report.contains(words), "{words} is not in {report}");
    }
    assert!(!report.contains("WRONG"), "{report}");
}

#[test]
fn a_report_names_nobody() {
    let added = [("HOME", "/home/somebody"), ("VK_ADD_DRIVER_FILES", "/home/somebody/driver.json")];
    let outcome = with(&added, &["--json", "--device", "cpu"]);
    let (all, report) = (format!("{outcome:?}"), outcome.json_lines().remove(0));
    assert!(!all.contains("somebody"), "{all}");
    if cfg!(target_os = "linux") {
        assert_eq!(report["variables"]["VK_ADD_DRIVER_FILES"], "~/driver.json");
        let manifests = report["vulkan"]["manifests"].as_array().expect("manifests");
        let gone =
            manifests.iter().find(|manifest| manifest["file"] == "~/driver.json").expect("it is listed");
        assert!(gone["problem"].is_string(), "{gone}");
    }
}

/// No driver is found: that is no failure, and what to do is said.
#[test]
#[cfg(target_os = "linux")]
fn drivers_that_are_not_there() {
    let nothing = [("VK_DRIVER_FILES", "/nonexistent")];
    let report = with(&nothing, &["--json"]).json_lines().remove(0);
    assert_eq!(report["adapters"].as_array().map(Vec::len), Some(0));
    assert_eq!((examined(&report).len(), &report["examined"][0]["is_right"]), (1, &Value::Bool(true)));
    let verdict = report["verdict"].to_string();
    assert!(verdict.contains("No GPU was found") && verdict.contains("unset it"), "{verdict}");

    // Somebody insists on a GPU: the report comes all the same, with the exit code of a failure.
    let outcome = with(&nothing, &["--device", "gpu"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stdout.contains("--device gpu cannot be used"), "{outcome:?}");
    assert!(outcome.stdout.contains("VK_DRIVER_FILES=/nonexistent"), "{outcome:?}");
}

#[test]
fn what_cannot_be_asked_for() {
    fathom_as_given(&["doctor", "--device", ""]).fails(2, &["--device"]);
    let outcome = fathom_as_given(&["doctor", "--device", "99"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stdout.contains("--device 99 cannot be used"), "{outcome:?}");
}
