//! Caches that cannot be written: the disk is full, the folder is read-only, or there is a file where it should be.
//!
//! Root may write anywhere, so the first two need a mount of their own, in a namespace of their own.

use std::fs;
use std::process::Command;

use super::hub::{Hub, Manner};
use crate::harness::{Outcome, finish};

/// Runs the pull behind a mount that only it sees; None where this system has no such namespaces.
fn behind_mount(hub: &Hub, mount: &str, then: &str) -> Option<Outcome> {
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]);
        command
    };
    let there = hub.cache.display();
    fs::create_dir_all(&hub.cache).expect("a folder");
    let possible = inside(&mount.replace("{}", &there.to_string())).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: no mount namespaces here");
        return None;
    }
    let pull = hub.command(&["pull", "-q", "me/tiny", "--retries", "0"]);
    let program = pull.get_program().display().to_string();
    let script =
        format!("{mount} && {{ \"{program}\" pull -q me/tiny --retries 0; code=$?; {then}; exit $code; }}");
    let mut command = inside(&script.replace("{}", &there.to_string()));
    for (name, value) in pull.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(finish(command, ""))
}

#[test]
fn the_disk_is_full() {
    let hub = Hub::new();
    let Some(full) =
        behind_mount(&hub, "mount -t tmpfs -o size=128k tmpfs '{}'", "cp -r '{}/me--tiny' '{}/../kept'")
    else {
        return;
    };
    full.fails(1, &["me/tiny", "the disk is full", "KiB more are needed", "kept"]);
    // With room it goes on where it was.
    fs::create_dir_all(hub.cache.join("me--tiny")).expect("a folder");
    fs::remove_dir(hub.cache.join("me--tiny")).expect("empty");
    fs::rename(hub.cache.join("../kept"), hub.cache.join("me--tiny")).expect("what was kept");
    let kept = hub.partial_bytes();
    assert!(kept > 50_000 && hub.n_whole() == 0, "{kept} bytes");
    hub.requests();
    hub.pull().ok();
    hub.assert_pulled();
    assert_eq!(hub.requests().last().and_then(|request| request.from), Some(kept as usize));
}

#[test]
fn the_cache_is_read_only() {
    let read_only = "mount --bind '{}' '{}' && mount -o remount,bind,ro '{}'";
    let hub = Hub::new();
    let Some(refused) = behind_mount(&hub, read_only, "true") else { return };
    refused.fails(1, &["cannot be written", "Read-only", "--cache"]);
    // What is there can be used, and is found to be up to date.
    hub.pull().ok();
    if let Some(outcome) = behind_mount(&hub, read_only, "true") {
        outcome.ok();
    }
    hub.assert_pulled();
}

#[test]
fn a_file_where_the_cache_should_be() {
    let hub = Hub::new();
    fs::create_dir_all(hub.cache.parent().expect("a folder")).expect("a folder");
    fs::write(&hub.cache, "a file").expect("a file");
    hub.pull().fails(1, &["cannot be written", "--cache"]);
    let below = hub.cache.join("below").display().to_string();
    hub.fathom(&["pull", "me/tiny", "--cache", &below]).fails(1, &[&below, "cannot be written"]);
    assert!(hub.fathom(&["rm", "me/tiny"]).code == 1);
    assert_eq!(fs::read_to_string(&hub.cache).expect("the file"), "a file");
}

#[test]
fn a_cache_that_was_tampered_with() {
    let hub = Hub::new();
    hub.pull().ok();
    fs::write(hub.folder().join("config.json"), "{").expect("a file");
    let table = hub.fathom(&["list"]).ok();
    assert!(table.contains("me/tiny") && table.contains('?'), "{table}");
    hub.fathom(&["forward", "-m", "tiny", "--tokens", "1"]).fails(1, &["config.json"]);
    hub.fathom(&["rm", "tiny"]).ok();
    hub.answers(|_| Manner::Honest).pull().ok();
    hub.assert_pulled();
}
