//! A model's life in the cache when nobody does anything wrong.

use std::collections::BTreeMap;
use std::fs;

use safetensors::SafeTensors;
use safetensors::tensor::serialize;
use serde_json::json;

use super::hub::{COMMIT, Hub, LATER, Manner};
use crate::harness::{Broken, golden};

#[test]
fn pulled_listed_used_and_removed() {
    let hub = Hub::new();
    let pulled = hub.pull();
    assert_eq!(pulled.stderr.lines().count(), 3, "{pulled:?}");
    assert!(pulled.stderr.contains("model.safetensors") && pulled.stderr.contains("0123456"), "{pulled:?}");
    assert_eq!(pulled.ok().trim_end(), hub.folder().display().to_string());
    hub.assert_pulled();
    assert!(hub.requests().iter().all(|request| !request.path.contains("README")));

    let listed = hub.fathom(&["list", "--json"]).json_lines().remove(0);
    let model = &listed["models"][0];
    assert_eq!((&model["name"], &model["commit"]), (&json!("me/tiny"), &json!(COMMIT)));
    assert_eq!((&model["revisions"], &listed["partial"]), (&json!(["main"]), &json!([])));
    assert!(
        model["parameters"].as_u64() > Some(10_000) && model["bytes"].as_u64() > Some(264_408),
        "{model}"
    );
    assert!(model["pulled_at"].as_u64() > Some(1_700_000_000), "{model}");
    let table = hub.fathom(&["list"]).ok();
    assert!(table.contains("me/tiny  main 0123456"), "{table}");

    let given = ["--tokens", "3,2,1", "--json"];
    let from_folder =
        hub.fathom(&[&["forward", "-m", &golden("cosmicfish_hrm/one-step")], &given[..]].concat()).ok();
    for name in ["me/tiny", "tiny", "tiny@main", "me/tiny@0123456", &hub.folder().display().to_string()] {
        let by_name = hub.fathom(&[&["forward", "-m", name], &given[..]].concat()).ok();
        let logits =
            |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["logits"].clone();
        assert_eq!(logits(&by_name), logits(&from_folder), "{name}");
    }
    hub.fathom(&["bench", "-m", "tiny", "-p", "4", "-n", "2", "--depth", "1", "-r", "1"])
        .ok()
        .contains("me/tiny");

    assert!(hub.fathom(&["rm", "tiny"]).ok().starts_with("removed me/tiny, 25"));
    assert!(hub.fathom(&["list"]).ok().contains("no models"));
    hub.fathom(&["rm", "me/tiny"]).fails(1, &["me/tiny", "no such model"]);
}

#[test]
fn names_that_are_not_there_say_what_was_meant() {
    let hub = Hub::new();
    hub.pull().ok();
    for (name, words) in [
        ("me/tinny", &["--model me/tinny", "folder", "nothing there", "similar name: me/tiny"][..]),
        ("zzz", &["--model zzz", "folder", "no such model was pulled", "models"]),
        ("me/tiny@v9", &["at main 0123456", "not at v9"]),
        ("no/such/folder", &["--model no/such/folder", "nothing there", "owner/repo"]),
        ("a--b", &["--model a--b", "nothing there"]),
    ] {
        hub.fathom(&["forward", "-m", name, "--tokens", "1"]).fails(1, words);
    }
    for name in ["tiny", "../tiny", "me/../tiny", "me/tiny@../x", "https://hub.example/datasets/me/tiny", ""]
    {
        hub.fathom(&["pull", name]).fails(2, &[]);
    }
    hub.fathom(&["rm"]).fails(2, &["NAME"]);
    hub.fathom(&["rm", "me/tiny", "me/other"]).fails(1, &["me/other"]);
    hub.assert_pulled();
    // A folder comes before a model of the same name.
    let folder = hub.home().join("tiny");
    fs::create_dir(&folder).expect("a folder");
    let mut command = hub.command(&["forward", "-m", "tiny", "--tokens", "1"]);
    command.current_dir(hub.home());
    crate::harness::finish(command, "").fails(1, &["config.json", "tiny"]);
}

#[test]
fn what_has_not_changed_costs_one_request() {
    let hub = Hub::new();
    hub.pull().ok();
    hub.requests();
    let again = hub.pull();
    assert!(again.stderr.contains("up to date"), "{again:?}");
    assert_eq!(again.ok().trim_end(), hub.folder().display().to_string());
    assert_eq!(hub.requests().len(), 1);
    assert_eq!(hub.fathom(&["pull", "-q", "me/tiny"]).stderr, "");

    // Another commit, but the same weights: they are not fetched again.
    hub.set_commit(LATER);
    hub.set_file("chat_template.jinja", b"{{ messages }}");
    hub.pull().ok();
    let fetched: Vec<String> =
        hub.requests().into_iter().filter(|r| !r.is_listing()).map(|r| r.path).collect();
    assert!(fetched.len() == 1 && fetched[0].ends_with("chat_template.jinja"), "{fetched:?}");
    let listed = hub.fathom(&["list", "--json"]).json_lines().remove(0);
    assert_eq!(listed["models"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        listed["models"]
            .as_array()
            .expect("models")
            .iter()
            .filter(|m| m["revisions"] == json!(["main"]))
            .count(),
        1
    );
    hub.fathom(&["rm", &format!("me/tiny@{COMMIT}")]).ok();
    hub.fathom(&["forward", "-m", "tiny@0123456", "--tokens", "1"]).fails(1, &["main fedcba9", "0123456"]);
    hub.fathom(&["forward", "-m", "tiny", "--tokens", "1"]).ok();
}

#[test]
fn addresses_and_revisions() {
    let hub = Hub::new();
    hub.fathom(&["pull", &format!("{}/me/tiny/tree/refs%2Fpr%2F3", hub.url)]).ok();
    assert!(hub.requests()[0].path.ends_with("/revision/refs%2Fpr%2F3?blobs=true"));
    hub.assert_pulled();
    hub.fathom(&["forward", "-m", "me/tiny@refs/pr/3", "--tokens", "1"]).ok();
    hub.fathom(&["forward", "-m", "me/tiny", "--tokens", "1"]).ok();
    hub.fathom(&["pull", "me/tiny"]).ok();
    assert_eq!(hub.requests().len(), 1);
}

#[test]
fn a_known_commit_under_another_name_leaves_an_unfinished_pull_alone() {
    let hub = Hub::new();
    hub.pull().ok();
    hub.set_commit(LATER);
    hub.set_file("model.safetensors", &[7; 100_000]);
    hub.answers(
        |request| if request.is_for("model.safetensors") { Manner::Cut(50_000) } else { Manner::Honest },
    );
    assert_eq!(hub.fathom(&["pull", "me/tiny", "-q", "--retries", "0"]).code, 1);
    hub.set_commit(COMMIT);
    hub.fathom(&["pull", "me/tiny@v1"]).ok();
    assert_eq!(hub.partial_bytes(), 50_000);
    hub.fathom(&["forward", "-m", "tiny@v1", "--tokens", "1"]).ok();
}

#[test]
fn offline_asks_nobody() {
    let hub = Hub::new();
    hub.fathom(&["pull", "--offline", "me/tiny"]).fails(1, &["--offline", "me/tiny", "not in the cache"]);
    hub.pull().ok();
    hub.requests();
    let folder = hub.fathom(&["pull", "--offline", "me/tiny"]).ok();
    assert_eq!(folder.trim_end(), hub.folder().display().to_string());
    hub.fathom(&["pull", "--offline", "me/tiny@v2"]).fails(1, &["--offline", "v2", "main 0123456"]);
    assert!(hub.requests().is_empty());
}

#[test]
fn weights_in_several_files() {
    let bytes = fs::read(Broken::new().file("model.safetensors")).expect("weights");
    let read = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut tensors: Vec<_> = read.tensors();
    let second = tensors.split_off(tensors.len() / 2);
    let (first, last) = ("model-1.safetensors", "model-2.safetensors");
    let mut map = BTreeMap::new();
    for (file, part) in [(first, &tensors), (last, &second)] {
        map.extend(part.iter().map(|(name, _)| (name.clone(), file)));
    }
    let index = json!({ "metadata": {}, "weight_map": map }).to_string();
    let hub = Hub::new();
    hub.remove_file("model.safetensors").set_file("model.safetensors.index.json", index.as_bytes());
    hub.set_file(first, &serialize(tensors, None).expect("safetensors"));
    hub.set_file(last, &serialize(second, None).expect("safetensors"));
    hub.pull().ok();
    hub.assert_pulled();
    assert_eq!(hub.n_whole(), 1);
}

#[test]
fn a_trained_model_with_words() {
    let hub = Hub::of(&format!("{}/../models/beads", env!("CARGO_MANIFEST_DIR")));
    hub.set_file("chat_template.jinja", b"{{ messages }}");
    hub.pull().ok();
    hub.assert_pulled();
    let answer = hub.fathom(&["run", "-q", "-m", "tiny", "7+5-3*4="]).ok();
    assert_eq!(answer, hub.fathom(&["run", "-q", "7+5-3*4="]).ok());
}

#[test]
fn a_server_that_has_a_bad_minute() {
    let hub = Hub::new();
    hub.answers(|request| match request.before {
        0 if request.is_listing() => Manner::Status(429, "Retry-After: 0\r\n".to_owned()),
        0 if request.is_for("config.json") => Manner::Status(503, String::new()),
        _ => Manner::Honest,
    });
    let pulled = hub.pull();
    for word in ["429", "503", "again in 0.0 s", "1 of 1"] {
        assert!(pulled.stderr.contains(word), "{pulled:?}");
    }
    hub.assert_pulled();
}
