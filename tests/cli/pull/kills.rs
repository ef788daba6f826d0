//! Pulls that are ended at any moment, and two at the same time.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::hub::{Hub, Manner};

/// A hub that keeps the last part of the weights to itself until it is told to go on.
fn held_hub() -> (Hub, Arc<AtomicBool>) {
    let (hub, may_go_on) = (Hub::new(), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&may_go_on);
    hub.answers(move |request| match request.is_for("model.safetensors") {
        true => Manner::Hold(100_000, Arc::clone(&flag)),
        false => Manner::Honest,
    });
    (hub, may_go_on)
}

/// Kills pulls (and removals) at random moments: whatever happens, the list works, what is in it is whole, and in
/// the end a pull succeeds and equals the source.
fn kill(n_kills: usize, seed: u64) {
    let hub = Hub::new();
    let began = Instant::now();
    hub.pull().ok();
    let quick_pull = began.elapsed().as_millis() as u64;
    hub.fathom(&["rm", "me/tiny"]).ok();
    let mut random = seed;
    let mut below = |most: u64| {
        // Knuth's constants; the upper bits are random enough.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((random >> 33) % most.max(1))
    };
    let (mut n_killed, mut n_whole) = (0, 0);
    while n_killed < n_kills {
        // Every other time the hub is quick, so that the first and the last steps are hit as well.
        let quick = n_killed % 2 == 1;
        hub.answers(move |request| match request.is_for("model.safetensors") {
            true if !quick => Manner::Drip(4096, 12),
            _ => Manner::Honest,
        });
        let mut child = hub.begin();
        thread::sleep(below(if quick { quick_pull + quick_pull / 4 } else { 500 }));
        let ended = child.try_wait().expect("it can be asked").is_some();
        child.kill().expect("it can be killed");
        let output = child.wait_with_output().expect("it is over");
        n_killed += usize::from(!ended);
        assert!(!ended || output.status.success(), "{output:?}");
        if hub.n_whole() > 0 {
            hub.assert_same_files();
            n_whole += 1;
            // The removal is killed as well.
            let mut removal =
                hub.command(&["rm", "me/tiny"]).stdout(Stdio::null()).spawn().expect("it starts");
            thread::sleep(below(quick_pull));
            removal.kill().expect("it can be killed");
            removal.wait().expect("it is over");
            if hub.n_whole() > 0 {
                hub.assert_same_files();
            }
        }
    }
    eprintln!(
        "{n_killed} pulls killed, {n_whole} times a model was there: whole, and its removal killed too"
    );
    hub.answers(|_| Manner::Honest).fathom(&["pull", "-q", "me/tiny"]).ok();
    hub.assert_pulled();
    assert_eq!(hub.n_whole(), 1);
    hub.fathom(&["rm", "me/tiny"]).ok();
    assert_eq!(hub.names_in_cache(), [".locks"]);
}

#[test]
fn killed_twenty_times() {
    kill(20, 1);
}

/// `cargo test -p fathom-tests --test cli killed_two_hundred -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes; run by hand"]
fn killed_two_hundred_times() {
    kill(200, 2);
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_has_arrived() {
    let (hub, _) = held_hub();
    let child = hub.begin();
    wait_for(|| hub.partial_bytes() == 100_000);
    interrupt(&child);
    let output = child.wait_with_output().expect("it is over");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(hub.n_whole(), 0);
    hub.requests();
    hub.answers(|_| Manner::Honest).pull().ok();
    hub.assert_pulled();
    assert!(hub.requests().iter().any(|request| request.from == Some(100_000)));
}

#[test]
fn the_second_of_two_waits_for_the_first() {
    let (hub, may_go_on) = held_hub();
    let first = hub.begin();
    wait_for(|| hub.partial_bytes() > 0);
    hub.fathom(&["rm", "me/tiny"]).fails(1, &["me/tiny", "another fathom"]);
    let partial = hub.fathom(&["rm", "--partial"]);
    assert!(partial.code == 1 && partial.stderr.contains("another fathom"), "{partial:?}");
    let mut second = hub.begin();
    let mut said = BufReader::new(second.stderr.take().expect("piped")).lines();
    let mut next = || said.next().expect("a line").expect("UTF-8");
    assert!(next().contains("another fathom"));
    may_go_on.store(true, Ordering::Relaxed);
    assert!(next().contains("is there already"));
    let (first, second) = (first.wait_with_output().expect("over"), second.wait_with_output().expect("over"));
    assert!(first.status.success() && second.status.success(), "{first:?} {second:?}");
    assert_eq!(first.stdout, second.stdout);
    hub.assert_pulled();
    let n_weights = hub.requests().iter().filter(|request| request.is_for("model.safetensors")).count();
    assert_eq!(n_weights, 1);
}

#[test]
fn leftovers_are_removed_when_asked() {
    let (hub, _) = held_hub();
    let mut child = hub.begin();
    wait_for(|| hub.partial_bytes() > 0);
    child.kill().expect("it can be killed");
    child.wait().expect("it is over");
    let freed = hub.fathom(&["rm", "--partial"]).ok();
    assert!(freed.contains("freed") && !freed.contains(" 0 B"), "{freed}");
    assert_eq!(hub.names_in_cache(), [".locks"]);
}

#[track_caller]
fn wait_for(mut happens: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happens() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
}
