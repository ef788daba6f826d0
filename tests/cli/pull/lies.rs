//! Hubs and networks that do not do what they should.

use std::fs;

use serde_json::json;

use super::hub::{COMMIT, Hub, Manner, TOKEN};

const WEIGHTS: &str = "model.safetensors";

/// Once so, and honestly after that.
fn once(hub: &Hub, manner: fn() -> Manner) {
    hub.answers(move |request| match (request.is_for(WEIGHTS), request.before) {
        (true, 0) => manner(),
        _ => Manner::Honest,
    });
}

#[test]
fn what_was_cut_goes_on_where_it_was() {
    for manner in [|| Manner::Cut(100_000), || Manner::Stall(100_000)] {
        let hub = Hub::new();
        once(&hub, manner);
        let pulled = hub.fathom(&["pull", "me/tiny", "--stall-timeout", "2"]);
        assert!(pulled.stderr.contains("again in"), "{pulled:?}");
        hub.assert_pulled();
        let from: Vec<Option<usize>> =
            hub.requests().into_iter().filter(|r| r.is_for(WEIGHTS)).map(|r| r.from).collect();
        assert_eq!(from, [None, Some(100_000)]);
    }
}

#[test]
fn a_pull_that_gave_up_is_resumed_by_the_next() {
    let hub = Hub::new();
    hub.answers(|request| if request.is_for(WEIGHTS) { Manner::Cut(60_000) } else { Manner::Honest });
    let failed = hub.fathom(&["pull", "-q", "me/tiny", "--retries", "0"]);
    failed.fails(1, &["me/tiny", WEIGHTS, "pull again"]);
    assert_eq!((hub.partial_bytes(), hub.n_whole()), (60_000, 0));
    assert!(hub.fathom(&["list"]).ok().contains("unfinished pull"));
    hub.fathom(&["forward", "-m", "tiny", "--tokens", "1"]).fails(1, &["not finished", "fathom pull"]);
    hub.requests();
    hub.answers(|_| Manner::Honest).pull().ok();
    hub.assert_pulled();
    let requests = hub.requests();
    assert!(requests.iter().all(|request| !request.is_for("config.json")));
    assert_eq!(requests.last().and_then(|request| request.from), Some(60_000));
}

#[test]
fn servers_that_do_not_know_ranges_are_read_from_the_start() {
    for manner in [|| Manner::WithoutRange, || Manner::WrongRange, || Manner::Status(416, String::new())] {
        let hub = Hub::new();
        hub.answers(move |request| match (request.is_for(WEIGHTS), request.before) {
            (true, 0) => Manner::Cut(100_000),
            (true, 1) => manner(),
            _ => Manner::Honest,
        });
        hub.fathom(&["pull", "me/tiny", "--retries", "2"]).ok();
        hub.assert_pulled();
    }
}

#[test]
fn lengths_are_not_believed() {
    for manner in [|| Manner::Announce(1000), || Manner::Announce(-1000), || Manner::Endless] {
        let hub = Hub::new();
        once(&hub, manner);
        hub.pull().ok();
        hub.assert_pulled();
    }
}

#[test]
fn redirects_are_followed_without_the_token() {
    let (hub, cdn) = (Hub::new(), Hub::new());
    let elsewhere = cdn.url.clone();
    hub.answers(move |request| match request.path.as_str() {
        path if path.starts_with("/api/models/me/tiny/") => {
            Manner::Status(307, format!("Location: {}\r\n", path.replace("me/tiny", "you/tiny")))
        }
        path if path.ends_with(WEIGHTS) => {
            Manner::Status(302, format!("Location: {elsewhere}{path}?Signature=alsoSecret\r\n"))
        }
        path if path.starts_with("/me/") => {
            Manner::Status(301, format!("Location: ../../../../moved/x/resolve/{COMMIT}/config.json\r\n"))
        }
        _ => Manner::Honest,
    });
    let pull = || {
        let mut command = hub.command(&["pull", "me/tiny", "-q", "--retries", "0"]);
        command.env("HF_TOKEN", TOKEN);
        crate::harness::finish(command, "")
    };
    cdn.answers(|_| Manner::Bytes(vec![7; 264_408]));
    let failed = pull();
    assert!(!failed.stderr.contains("ecret"), "{failed:?}");
    failed.fails(1, &[WEIGHTS, "twice", &hub.url]);
    cdn.answers(|_| Manner::Honest);
    pull().ok();
    hub.assert_pulled();

    let (asked, sent_on) = (hub.requests(), cdn.requests());
    assert!(
        sent_on.len() == 3 && sent_on.iter().all(|request| request.authorization.is_none()),
        "{sent_on:?}"
    );
    let bearer = format!("Bearer {TOKEN}");
    assert!(asked.len() > 6 && asked.iter().all(|request| request.authorization.as_ref() == Some(&bearer)));
}

#[test]
fn redirects_that_lead_nowhere() {
    for (to, words) in [
        ("Location: /again\r\n", &["redirects more than 10 times"][..]),
        ("", &["redirects to nowhere"]),
        ("Location: file:///etc/passwd\r\n", &["from http to file"]),
        ("Location: http://\r\n", &["redirects to"]),
    ] {
        let hub = Hub::new();
        hub.answers(move |_| Manner::Status(302, to.to_owned()));
        hub.pull().fails(1, words);
    }
}

#[test]
fn a_token_from_a_file_goes_to_its_hub_only() {
    let (hub, other) = (Hub::new(), Hub::new());
    fs::write(hub.home().join("token"), format!("{TOKEN}\n")).expect("a token");
    hub.fathom(&["pull", &format!("{}/me/tiny", other.url)]).ok();
    assert!(other.requests().iter().all(|request| request.authorization.is_none()));
    hub.fathom(&["pull", "me/tiny"]).ok();
    assert!(hub.requests().iter().all(|request| request.authorization.is_some()));
    // Not over a connection that others can read: this machine's own address is not that of the loopback.
    let mut command = hub.command(&["pull", "me/tiny", "--retries", "0", "--stall-timeout", "1"]);
    command.env("HF_ENDPOINT", "http://hub.invalid").env_remove("http_proxy").env_remove("HTTP_PROXY");
    let failed = crate::harness::finish(command, "");
    assert!(failed.code == 1 && failed.stderr.contains("token is not sent"), "{failed:?}");
    let mut command = hub.command(&["pull", "me/tiny"]);
    command.env("HF_TOKEN", "two\nlines");
    crate::harness::finish(command, "").fails(1, &["HF_TOKEN", "characters"]);
    let mut command = hub.command(&["pull", "me/tiny"]);
    command.env("HF_ENDPOINT", "hub.example");
    crate::harness::finish(command, "").fails(1, &["HF_ENDPOINT", "https://"]);
}

#[test]
fn wrong_bytes_are_thrown_away() {
    let hub = Hub::new();
    once(&hub, || Manner::Bytes(vec![7; 264_408]));
    let pulled = hub.pull();
    assert!(pulled.stderr.contains("wrong bytes"), "{pulled:?}");
    hub.assert_pulled();

    for file in [WEIGHTS, "config.json"] {
        let hub = Hub::new();
        let n = if file == WEIGHTS { 264_408 } else { 472 };
        hub.answers(
            move |request| if request.is_for(file) { Manner::Bytes(vec![7; n]) } else { Manner::Honest },
        );
        let failed = hub.fathom(&["pull", "-q", "me/tiny"]);
        failed.fails(1, &["me/tiny", file, "expected", "found", "twice"]);
        assert_eq!((hub.partial_bytes(), hub.n_whole()), (0, 0));
    }
}

#[test]
fn refusals_are_named_and_the_token_is_not() {
    for (code, words) in [
        (401, &["401", "private or gated", "HF_TOKEN"][..]),
        (403, &["403", "gated", "HF_TOKEN"]),
        (404, &["404", "me/tiny"]),
        (410, &["410"]),
        (500, &["500", "2 tries"]),
    ] {
        let hub = Hub::new();
        hub.answers(move |_| Manner::Status(code, String::new()));
        hub.fathom(&["pull", "-q", "me/tiny", "--retries", "1"]).fails(1, words);
        let mut command = hub.command(&["pull", "-q", "me/tiny", "--retries", "0"]);
        command.env("HF_TOKEN", TOKEN);
        let failed = crate::harness::finish(command, "");
        assert!(!format!("{failed:?}").contains("Secret"), "{failed:?}");
        failed.fails(1, &[]);
    }
    let hub = Hub::new();
    hub.answers(|_| Manner::Status(429, "Retry-After: 3600\r\n".to_owned()));
    hub.pull().fails(1, &["429", "3600 s"]);
    // Nobody listens there any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let mut command = hub.command(&["pull", "-q", "me/tiny", "--retries", "0"]);
    command.env("HF_ENDPOINT", format!("http://{}", free.expect("a port")));
    crate::harness::finish(command, "").fails(1, &["127.0.0.1", "refused"]);
}

#[test]
fn what_is_no_listing() {
    let packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\x1f\x8b\x08\0";
    for (manner, words) in [
        (
            (|_| Manner::Bytes(b"<!DOCTYPE html><html>".to_vec())) as fn(&[u8]) -> Manner,
            &["<!DOCTYPE html>", "JSON"][..],
        ),
        (|_| Manner::Bytes(vec![0xff; 40]), &["JSON"]),
        (|packed| Manner::Raw(packed.to_vec()), &["gzip"]),
        (|_| Manner::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), &["127.0.0.1"]),
        (|_| Manner::Raw(vec![]), &["127.0.0.1"]),
        (|_| Manner::Endless, &["more than"]),
    ] {
        let hub = Hub::new();
        hub.answers(move |_| manner(packed));
        hub.fathom(&["pull", "-q", "me/tiny", "--retries", "0"]).fails(1, words);
    }
    for (change, words) in [
        ((|listing| listing["sha"] = json!("../../x")) as fn(&mut serde_json::Value), &["../../x", "40"][..]),
        (|listing| listing["sha"] = json!(7), &["sha"]),
        (|listing| listing["siblings"] = json!([]), &["config.json", "no file"]),
        (|listing| listing["siblings"][0]["blobId"] = json!("../x"), &["config.json", "hash"]),
        (|listing| listing["siblings"][0]["size"] = json!(u64::MAX), &["config.json", "at most"]),
        (|listing| listing["siblings"][0]["size"] = json!(-1), &["JSON"]),
    ] {
        let hub = Hub::new();
        hub.remove_file("README.md").set_listing(change);
        hub.fathom(&["pull", "-q", "me/tiny", "--retries", "0"]).fails(1, words);
        assert!(!hub.cache.join("x").exists() && hub.n_whole() == 0);
    }
    // It promises more bytes than it has: what is there is kept, and never taken for a model.
    let hub = Hub::new();
    hub.set_listing(|listing| listing["siblings"][3]["lfs"]["size"] = json!(u64::MAX));
    hub.fathom(&["pull", "-q", "me/tiny", "--retries", "1"]).fails(1, &["model.safetensors"]);
    assert_eq!(hub.n_whole(), 0);
}

#[test]
fn names_never_lead_out_of_the_cache() {
    let hub = Hub::new();
    hub.set_file("../../../../escaped", b"x")
        .set_file("/escaped", b"x")
        .set_file("..\\escaped.safetensors", b"x");
    hub.pull().ok();
    hub.assert_only_the_cache_grew();

    for shard in
        ["../../escaped.safetensors", "/escaped.safetensors", "..", "config.json", "none.safetensors"]
    {
        let hub = Hub::new();
        let index = json!({ "weight_map": { "wte.weight": shard } }).to_string();
        hub.remove_file(WEIGHTS).set_file("model.safetensors.index.json", index.as_bytes());
        if shard.contains("escaped") {
            hub.set_file(shard, b"x");
        }
        let failed = hub.fathom(&["pull", "-q", "me/tiny"]);
        failed.fails(1, &["model.safetensors.index.json", shard]);
        hub.assert_only_the_cache_grew();
        assert_eq!(hub.n_whole(), 0);
    }
}

#[test]
fn what_would_not_load_is_not_kept() {
    let hub = Hub::new();
    hub.remove_file(WEIGHTS).set_file("CF.pt", b"PK");
    hub.pull().fails(1, &["CF.pt", "fathom convert"]);

    let hub = Hub::new();
    hub.set_file("config.json", br#"{"model_type": "llama"}"#);
    hub.fathom(&["pull", "-q", "me/tiny"]).fails(1, &["me/tiny", "config.json", "llama"]);
    assert!(hub.requests().iter().all(|request| !request.is_for(WEIGHTS)), "gigabytes for nothing");

    let hub = Hub::new();
    hub.set_file(WEIGHTS, b"\x02\0\0\0\0\0\0\0{}");
    hub.fathom(&["pull", "-q", "me/tiny"]).fails(1, &["hrm_core.H_init", "missing"]);
    assert_eq!((hub.partial_bytes(), hub.n_whole()), (0, 0));

    let hub = Hub::new();
    hub.set_file("tokenizer.json", b"{}");
    hub.fathom(&["pull", "-q", "me/tiny"]).fails(1, &["tokenizer.json"]);
    assert_eq!(hub.n_whole(), 0);
}
