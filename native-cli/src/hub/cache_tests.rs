//! What is found in a cache, and what is not.

use super::*;

fn full() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(Some(folder.path())).expect("a cache");
    for (name, commit, refs) in [
        ("me/beads", 'a', &["main"][..]),
        ("me/beads", 'b', &["v1", "refs/pr/3"]),
        ("you/beads", 'c', &[]),
        ("me/shells", 'd', &["main"]),
    ] {
        let repo = Repo::parse(name).expect(name);
        let shelf = cache.shelf(&repo);
        let commit = commit.to_string().repeat(40);
        let _lock = shelf.lock(&mut || panic!("nobody else is here")).expect("the lock");
        let staged = shelf.stage(&commit).expect("a folder");
        fs::write(staged.join("config.json"), "{}").expect("a file");
        shelf.publish(&commit).expect("published");
        for revision in refs {
            shelf.refer(revision, &commit).expect("a reference");
        }
        shelf.drop_partial().expect("nothing left");
    }
    (folder, cache)
}

fn find(cache: &Cache, name: &str) -> Result<char, String> {
    let called = Called::parse(name)?;
    let found = cache.find(&called).and_then(|held| held.choose(called.revision.as_deref()));
    Ok(found.map_err(|error| format!("{error:#}"))?.commit.chars().next().unwrap_or_default())
}

#[test]
fn names_find_their_model() {
    let (_folder, cache) = full();
    assert_eq!(find(&cache, "me/beads"), Ok('a'));
    assert_eq!(find(&cache, "me/beads@v1"), Ok('b'));
    assert_eq!(find(&cache, "me/beads@refs/pr/3"), Ok('b'));
    assert_eq!(find(&cache, "me/beads@bbbb"), Ok('b'));
    assert_eq!(find(&cache, "you/beads"), Ok('c'));
    assert_eq!(find(&cache, "shells"), Ok('d'));
    assert!(find(&cache, "beads").expect_err("two").contains("me/beads, you/beads"));
    assert!(find(&cache, "me/beads@bbb").expect_err("too short").contains("v1"));
    assert!(find(&cache, "me/beads@v2").expect_err("not there").contains("v2"));
    assert!(find(&cache, "shell").expect_err("a typing error").contains("me/shells"));
    assert!(find(&cache, "zzz").expect_err("none").ends_with("no such model was pulled"));
}

#[test]
fn what_does_not_belong_is_passed_over() {
    let (folder, cache) = full();
    for name in ["stray", "me--stray", "me--beads/stray", "me--beads/refs/odd"] {
        fs::write(folder.path().join(name), "x").expect("a file");
    }
    fs::create_dir(folder.path().join("a--b--c")).expect("a folder");
    fs::create_dir(folder.path().join("me--beads").join("abc")).expect("a folder");
    let held = cache.held().expect("readable");
    let models: Vec<usize> = held.iter().map(|held| held.models.len()).collect();
    assert_eq!(models, [2, 1, 1]);
    assert_eq!(find(&cache, "me/beads"), Ok('a'));
    fs::create_dir_all(folder.path().join("me--begun").join(".partial")).expect("a folder");
    assert!(find(&cache, "begun").expect_err("nothing whole").contains("not finished"));
}

#[test]
fn what_is_dropped_is_gone_at_once() {
    let (folder, cache) = full();
    let shelf = cache.shelf(&Repo::parse("me/beads").expect("a name"));
    let held = cache.find(&Called::parse("me/beads").expect("a name")).expect("there");
    let model = held.choose(Some("v1")).expect("there");
    assert_eq!(shelf.drop_model(&model).expect("dropped"), 2);
    assert!(find(&cache, "me/beads@v1").is_err());
    assert_eq!(find(&cache, "me/beads"), Ok('a'));
    shelf.drop_all().expect("dropped");
    assert_eq!(find(&cache, "beads"), Ok('c'));
    // A process that was killed while it deleted.
    fs::create_dir(folder.path().join(REMOVED)).expect("a folder");
    fs::write(folder.path().join(REMOVED).join("x"), "12345").expect("a file");
    assert_eq!((cache.sweep().expect("swept"), cache.sweep().expect("nothing")), (5, 0));
}

#[test]
fn a_cache_that_is_not_there_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(Some(&folder.path().join("none"))).expect("a cache");
    assert!(cache.held().expect("empty").is_empty());
    assert_eq!(cache.sweep().expect("nothing"), 0);
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_lock_keeps_others_out() {
    let (_folder, cache) = full();
    let shelf = cache.shelf(&Repo::parse("me/beads").expect("a name"));
    let lock = shelf.lock(&mut || ()).expect("the lock");
    assert!(shelf.try_lock().expect("no error").is_none());
    drop(lock);
    assert!(shelf.try_lock().expect("no error").is_some());
}
