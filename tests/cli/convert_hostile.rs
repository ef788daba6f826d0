//! `fathom convert` and files that mean harm or are broken: each gives one line that names what is wrong, exit
//! code 1, and nothing is written. Nothing in them is ever run.

use std::fs;

use crate::harness::fathom;
use crate::pytorch_file::{Pickle, cosmicfish, cosmicfish_pickle, cosmicfish_storages, pytorch, zip};

/// Converting this file fails with these words and leaves nothing behind.
#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("CF.pt"), folder.path().join("out"));
    fs::write(&from, bytes).expect("a file");
    let words = [&["CF.pt"][..], words].concat();
    fathom(&["convert", &from.display().to_string(), &to.display().to_string()]).fails(1, &words);
    let left = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 1, "something was written");
}

#[track_caller]
fn pickle_refused(pickle: Pickle, words: &[&str]) {
    refused(&pytorch(&pickle.0, &[("0".to_owned(), vec![0; 64])]), words);
}

#[test]
fn nothing_is_run() {
    let marker = tempfile::tempdir().expect("a temporary folder");
    let file = marker.path().join("was-run");
    let shell = format!("touch {}", file.display());
    let only = "only tensors and plain data are read";
    let call = |start: Pickle| start.text(&shell).raw(b"\x85R.");
    pickle_refused(call(Pickle::new().global("os", "system")), &["GLOBAL os.system", only]);
    pickle_refused(call(Pickle::new().global("posix", "system")), &["GLOBAL posix.system", only]);
    pickle_refused(call(Pickle::new().global("builtins", "exec")), &["GLOBAL builtins.exec", only]);
    pickle_refused(
        call(Pickle::new().text("os").text("system").raw(b"\x93")),
        &["STACK_GLOBAL os.system", only],
    );
    pickle_refused(Pickle::new().raw(b"(").text(&shell).raw(b"ios\nsystem\n."), &["INST os.system", only]);
    pickle_refused(Pickle::new().raw(b"(cos\nsystem\n").text(&shell).raw(b"o."), &["GLOBAL os.system", only]);
    pickle_refused(
        Pickle::new().raw(b"(").global("collections", "OrderedDict").text(&shell).raw(b"o."),
        &["OBJ", only],
    );
    pickle_refused(
        Pickle::new().global("collections", "OrderedDict").raw(b")\x81}").text("__reduce__").raw(b"Nsb."),
        &["NEWOBJ of a name", only],
    );
    pickle_refused(
        Pickle::new().global("m", "HRMCosmicFishConfig").text(&shell).raw(b"\x85R."),
        &["Config called with 1 arguments"],
    );
    pickle_refused(Pickle::new().raw(b"]").text(&shell).raw(b"b."), &["BUILD out of a str", only]);
    pickle_refused(
        Pickle::new().global("torch.storage", "_load_from_bytes").raw(b"."),
        &["torch.storage._load_from_bytes"],
    );
    pickle_refused(
        Pickle::new().global("numpy.core.multiarray", "_reconstruct").raw(b"."),
        &["numpy.core.multiarray._reconstruct"],
    );
    pickle_refused(Pickle::new().raw(b"\x82\x01."), &["EXT1", only]);
    // Hidden behind a real model, among what is left out anyway.
    let mut behind = cosmicfish_pickle();
    behind.truncate(behind.len() - 1);
    let behind = Pickle(behind).text("optimizer").global("os", "system").text(&shell).raw(b"\x85Rs.");
    refused(&pytorch(&behind.0, &cosmicfish_storages()), &["GLOBAL os.system", only]);
    assert!(!file.exists(), "a pickle was run");
}

#[test]
fn tensors_stay_within_their_storage() {
    let tensor = |storage, offset, shape: &[i32], strides: &[i32]| {
        Pickle::as_model(Pickle::default().tensor(storage, offset, shape, strides))
    };
    let sixteen = ("0", "FloatStorage", 16);
    pickle_refused(tensor(sixteen, 1, &[4, 4], &[4, 1]), &["reaches outside of its 16 numbers"]);
    pickle_refused(tensor(sixteen, 0, &[2], &[16]), &["reaches outside"]);
    pickle_refused(tensor(sixteen, -1, &[2], &[1]), &["offset", "-1"]);
    pickle_refused(tensor(sixteen, 0, &[-2], &[1]), &["shape", "-2"]);
    pickle_refused(tensor(sixteen, 15, &[2], &[-1]), &["strides", "-1"]);
    pickle_refused(tensor(sixteen, 0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]), &["reaches outside"]);
    pickle_refused(tensor(sixteen, 0, &[1 << 20], &[0]), &["repeats its 16 numbers"]);
    pickle_refused(tensor(sixteen, 0, &[1; 17], &[1; 17]), &["17 dimensions"]);
    pickle_refused(
        tensor(("0", "FloatStorage", 17), 0, &[4, 4], &[4, 1]),
        &["CF/data/0 has 64 bytes, expected 17"],
    );
    pickle_refused(tensor(("0", "DoubleStorage", 16), 0, &[4, 4], &[4, 1]), &["CF/data/0 has 64 bytes"]);
    pickle_refused(tensor(("7", "FloatStorage", 16), 0, &[4, 4], &[4, 1]), &["CF/data/7 is not in the zip"]);
    pickle_refused(tensor(("../../etc/passwd", "FloatStorage", 16), 0, &[4], &[1]), &["is not in the zip"]);
    pickle_refused(tensor(("0", "ComplexFloatStorage", 8), 0, &[8], &[1]), &["torch.ComplexFloatStorage"]);
    pickle_refused(tensor(("0", "IntStorage", 16), 0, &[16], &[1]), &["no configuration"]);
}

#[test]
fn bombs_and_rubbish() {
    pickle_refused(Pickle::new().raw(&b"(".repeat(2_000_000)).raw(b"."), &["marks"]);
    pickle_refused(Pickle::new().raw(b"]").raw(&b"2\x86".repeat(100_000)).raw(b"."), &["found a tuple"]);
    pickle_refused(Pickle::new().raw(b")").raw(&b"\x85".repeat(1_000_000)).raw(b"."), &["found a tuple"]);
    pickle_refused(Pickle::new().raw(b"X\xff\xff\xff\xff."), &["more bytes are promised"]);
    pickle_refused(Pickle::new().raw(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), &["more bytes are promised"]);
    pickle_refused(Pickle::new().raw(b"\x8b\xff\xff\xff\x7f."), &["more bytes are promised"]);
    pickle_refused(Pickle::new().raw(b"N"), &["ends too early"]);
    pickle_refused(Pickle(vec![]), &["ends too early"]);
    pickle_refused(Pickle::new().raw(b"N."), &["found None"]);
    pickle_refused(
        Pickle::new().raw(b"}").text("epoch").int(3).raw(b"s."),
        &["no dict called model", "epoch is an int"],
    );
    pickle_refused(Pickle::new().raw(b"}."), &["no tensors"]);
    // A configuration that holds itself.
    let model = Pickle::new().raw(b"}").text("model").raw(b"}").text("wte.weight");
    let model = model.tensor(("0", "FloatStorage", 16), 0, &[4, 4], &[4, 1]).raw(b"ss");
    pickle_refused(
        model.clone().text("config").raw(b"}q\x07").text("self").raw(b"h\x07ss."),
        &["config", "where plain numbers and texts were expected"],
    );
    pickle_refused(
        model.clone().text("config").raw(b"}").text("eps").raw(b"G\x7f\xf0\0\0\0\0\0\0ss."),
        &["config", "eps", "inf"],
    );
    pickle_refused(model.text("config").raw(b"}s."), &["config", "use_gqa"]);
    let twice = |name: &str| Pickle::default().text(name).tensor(("0", "FloatStorage", 16), 0, &[4], &[1]);
    let both = Pickle::new().raw(b"}(").raw(&twice("module.a").0).raw(&twice("a").0).raw(b"u.");
    pickle_refused(both, &["two tensors are called a", "module.a"]);
}

/// A pickle says a long text once and names it as often as it likes; copies of it would be larger than any memory.
#[test]
fn one_long_text_a_thousand_times() {
    let long = "k".repeat(1 << 20);
    let begin = || Pickle::new().raw(b"}(").text("model").raw(b"}").text("config").raw(b"}");
    let list = begin().text("a").raw(b"](").text(&long).raw(b"q\x00").raw(&b"h\x00".repeat(999)).raw(b"esu.");
    pickle_refused(list, &["its config", "a text of 1048576 bytes"]);
    let many = begin().text("a").raw(b"](](").raw(&b"N".repeat(1024)).raw(b"eq\x00");
    let many = many.raw(&b"h\x00".repeat(1000)).raw(b"esu.");
    pickle_refused(many, &["more than 4096 values"]);
    let named = begin().text(&long).raw(b"Nsu.");
    pickle_refused(named, &["a name of at most 1024 printable bytes"]);
    let twice = Pickle::default().tensor(("0", "FloatStorage", 16), 0, &[1], &[1]).0;
    let twice = Pickle::new().raw(b"}(").text("w").raw(&twice).text("w").raw(&twice).raw(b"u.");
    pickle_refused(twice, &["w is there twice"]);
}

#[test]
fn zips_that_are_not_whole() {
    let whole = cosmicfish();
    for n in [4, 100, 30_000, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..n], &["zip"]);
    }
    // One bit of one number.
    let at = whole
        .windows(12)
        .position(|w| w.starts_with(b"CF/data/7PK") || w.starts_with(b"CF/data/40"))
        .expect("an entry");
    let mut flipped = whole.clone();
    flipped[at + 200] ^= 1;
    refused(&flipped, &["CF/data/", "Invalid checksum"]);
    // One of the pickle.
    let at = whole
        .windows(9)
        .position(|w| w == b"iter_num\x72")
        .or_else(|| whole.windows(8).position(|w| w == b"iter_num"))
        .expect("a word");
    let mut flipped = whole.clone();
    flipped[at] ^= 1;
    refused(&flipped, &["CF/data.pkl", "Invalid checksum"]);

    // A name that is there twice: the same length, so that it can be written over.
    let mut twice = zip(&[("CF/data.pkl", b"N."), ("CF/dat4.pkl", b"N."), ("CF/byteorder", b"little")]);
    while let Some(at) = twice.windows(11).position(|w| w == b"CF/dat4.pkl") {
        twice[at + 6] = b'a';
    }
    refused(&twice, &["CF/data.pkl is in the zip twice"]);
    refused(&zip(&[("a/data.pkl", b"N."), ("b/data.pkl", b"N.")]), &["two pickles"]);
    refused(&zip(&[("a/readme", b"N.")]), &["without data.pkl"]);
    refused(&zip(&[]), &["zip"]);
    refused(&zip(&[("a/data.pkl", b"N."), ("a/byteorder", b"big")]), &["byteorder \"big\"", "little"]);
    refused(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", &["before 1.6"]);
    refused(b"", &["8 bytes"]);
    refused(b"GGUF\x03\0\0\0\0\0\0\0", &["header"]);
}
