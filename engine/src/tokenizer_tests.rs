//! Tests of `tokenizer.rs`: the two kinds of tokenizer, unknown text, hostile files, streaming.

use serde_json::{Value, json};

use super::*;

/// A character-level tokenizer such as the shipped models have.
fn characters() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "<unk>"), added(1, "<end>")],
        "normalizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": false},
        "model": {"type": "WordLevel", "unk_token": "<unk>",
            "vocab": {"<unk>": 0, "<end>": 1, "7": 2, "+": 3, "é": 4, "=": 6}}
    })
}

/// A byte-level BPE of three bytes and one merge: é is the bytes C3 A9, spelled "Ã" and "©".
fn byte_level() -> Value {
    let part =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst",
        "stride": 0}, "padding": null, "added_tokens": [added(5, "<|endoftext|>"), added(6, "</s>")],
        "normalizer": null, "pre_tokenizer": part, "post_processor": part, "decoder": part,
        "model": {"type": "BPE", "vocab": {"Ã": 0, "©": 1, "Ġ": 2, "a": 3, "Ġa": 4}, "merges": ["Ġ a"]}
    })
}

fn added(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true})
}

fn read(file: &Value) -> Result<Tokenizer> {
    Tokenizer::from_json(file.to_string().as_bytes(), "tokenizer.json")
}

fn unknown(tokenizer: &Tokenizer, text: &str) -> (String, usize) {
    match tokenizer.encode(text) {
        Err(Error::UnknownText { text, offset }) => (text, offset),
        other => panic!("expected an unknown text, found {other:?}"),
    }
}

#[test]
fn character_level() {
    let tokenizer = read(&characters()).unwrap();
    assert_eq!(tokenizer.encode("7+7=é").unwrap(), [2, 3, 2, 6, 4]);
    assert_eq!(tokenizer.encode("").unwrap(), [0; 0]);
    assert_eq!(tokenizer.decode(&[2, 3, 2, 6, 4, 1]), "7+7=é");
    assert_eq!((tokenizer.n_vocab(), tokenizer.eos()), (7, Some(1)));
    assert_eq!(tokenizer.token_bytes(2).unwrap(), b"7");
    assert_eq!(tokenizer.token_bytes(1).unwrap(), b"");
    assert!(tokenizer.has_text(1) && !tokenizer.has_text(5) && !tokenizer.has_text(7));
    assert!(!tokenizer.has_text(u32::MAX));
    assert_eq!(unknown(&tokenizer, "é+x7"), ("x".to_owned(), 3));
    assert_eq!(unknown(&tokenizer, "7 7"), (" ".to_owned(), 1));
    assert_eq!(unknown(&tokenizer, "7😀"), ("😀".to_owned(), 1));
    assert_eq!(unknown(&tokenizer, "7<unk>"), ("<unk>".to_owned(), 1));
}

#[test]
fn character_level_without_an_unknown_token() {
    let mut file = characters();
    file["model"]["unk_token"] = json!("<none>");
    assert_eq!(unknown(&read(&file).unwrap(), "é+x7"), ("x".to_owned(), 3));
    // A BPE without one leaves out what it has no token for.
    file["model"] = json!({"type": "BPE", "vocab": {"7": 0, "+": 1}, "merges": []});
    file["added_tokens"] = json!([]);
    assert_eq!(unknown(&read(&file).unwrap(), "7+x"), ("x".to_owned(), 2));
    file["pre_tokenizer"] = json!(null);
    assert_eq!(unknown(&read(&file).unwrap(), "7 +"), (" ".to_owned(), 1));
}

#[test]
fn byte_level_json() {
    let tokenizer = read(&byte_level()).unwrap();
    // Longer than the file's truncation, which is not applied.
    assert_eq!(tokenizer.encode("a a é").unwrap(), [3, 4, 2, 0, 1]);
    assert_eq!(tokenizer.token_bytes(0).unwrap(), [0xc3]);
    assert_eq!(tokenizer.token_bytes(4).unwrap(), b" a");
    assert_eq!(tokenizer.eos(), Some(5));
    let mut decoder = tokenizer.decoder();
    let pieces = [0, 1, 4, 0].map(|id| decoder.push(id));
    assert_eq!(pieces, ["", "é", " a", ""]);
    assert_eq!((decoder.finish(), decoder.finish()), ("\u{fffd}".to_owned(), String::new()));
    assert_eq!(unknown(&tokenizer, "é b"), ("b".to_owned(), 3));
    // The first of its two bytes has a token, the second has none.
    assert_eq!(unknown(&tokenizer, "aéè"), ("è".to_owned(), 3));
    assert_eq!(tokenizer.encode("a</s>").unwrap(), [3, 6]);
}

#[test]
fn every_byte_has_one_spelling() {
    let mut seen: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(json::byte_of_char).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..=u8::MAX).collect::<Vec<u8>>());
    assert_eq!(json::byte_of_char('Ġ'), Some(b' '));
}

#[test]
fn spaces_between_words_survive_streaming() {
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]});
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": decoder,
        "model": {"type": "BPE", "byte_fallback": true, "merges": [], "vocab": {"▁a": 0, "b": 1, "<0xC3>": 2,
            "<0xA9>": 3}}
    });
    let tokenizer = read(&file).unwrap();
    assert_eq!(tokenizer.decode(&[1, 0, 1, 2, 3, 0]), "b abé a");
}

#[test]
fn unusable_files() {
    let mut far = characters();
    far["model"]["vocab"]["x"] = json!(u32::MAX);
    let mut empty = characters();
    empty["model"]["vocab"] = json!({});
    empty["added_tokens"] = json!([]);
    let mut stripping = characters();
    stripping["decoder"] = json!({"type": "Strip", "content": "7", "start": 0, "stop": 9});
    let files = [&far, &empty, &stripping, &json!({}), &json!(null)].map(|file| file.to_string());
    // Found by fuzzing: the library alone panics at a decoder that is no JSON.
    let no_json = characters().to_string().replacen('{', "{\"decoder\": {- \"type\": \"Fuse\"}, ", 1);
    for file in files.iter().map(String::as_str).chain(["", "\u{0}", &"[".repeat(100_000), &no_json]) {
        let error = Tokenizer::from_json(file.as_bytes(), "tokenizer.json").unwrap_err();
        assert_eq!(error.code(), "tokenizer-file", "{file:.60}: {error}");
    }
}

#[test]
fn a_stream_is_what_the_whole_would_be() {
    let single_bytes: Texts = (0..=u8::MAX).map(|byte| Some(Box::from([byte]))).collect();
    let texts = Arc::new(single_bytes);
    for whole in [
        "aé€😀".as_bytes(),
        b"\xff\xc3a\xc3\xa9",
        b"\xe2\x82",
        b"\xe2\x82\xe2\x82\xac\xf0\x9f\x98",
        b"\xf5\x80\x80\xc0\xaf\xed\xa0\x80",
    ] {
        let mut decoder = Decoder { texts: texts.clone(), pending: Vec::new() };
        let mut text: String = whole.iter().map(|&byte| decoder.push(byte.into())).collect();
        text.push_str(&decoder.finish());
        assert_eq!(text, String::from_utf8_lossy(whole));
    }
}

#[cfg(feature = "gpt2")]
#[test]
fn gpt2() {
    let tokenizer = Tokenizer::gpt2().unwrap();
    assert_eq!(tokenizer.encode("Hello world").unwrap(), [15496, 995]);
    assert_eq!((tokenizer.n_vocab(), tokenizer.eos()), (50257, Some(50256)));
    assert_eq!(tokenizer.token_bytes(995).unwrap(), b" world");
    assert_eq!(tokenizer.token_bytes(50256).unwrap(), b"");
    assert_eq!(tokenizer.token_bytes(50257), None);
    assert!(!tokenizer.encode("<|endoftext|>").unwrap().contains(&50256));
    for text in ["", "naïve 😀 日本語\r\n\t x", "\u{0}\u{feff}", &"ab1 ".repeat(5000)] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), text);
    }
}

#[cfg(feature = "gpt2")]
#[test]
fn gpt2_takes_any_amount_of_space() {
    let tokenizer = Tokenizer::gpt2().unwrap();
    for (before, space, after) in [("a", " ", "b"), ("", "\n", "b"), ("a", "\u{2003}", ""), ("a", "\n ", "é")]
    {
        // Cut out or not, the tokens are the same.
        let text = |n: usize| format!("{before}{}{after}", space.repeat(n));
        let reference = tiktoken_rs::r50k_base().unwrap();
        let n = 3000;
        assert_eq!(tokenizer.encode(&text(n)).unwrap(), reference.encode_ordinary(&text(n)));
        let long = text(3_000_000);
        assert_eq!(tokenizer.decode(&tokenizer.encode(&long).unwrap()), long);
    }
}

#[cfg(feature = "gpt2")]
#[test]
fn gpt2_from_a_file() {
    let file = Tokenizer::gpt2_file().unwrap();
    let (built_in, read) = (Tokenizer::gpt2().unwrap(), Tokenizer::gpt2_from(file.as_bytes()).unwrap());
    assert_eq!((read.n_vocab(), read.eos()), (50257, Some(50256)));
    for id in 0..50258 {
        assert_eq!(read.token_bytes(id), built_in.token_bytes(id));
    }
    let long = "It's 12,345 o'clock;  we'll   see…\n\n\tdone ".repeat(50);
    for text in ["Hello world", "naïve 😀 日本語\r\n\t x", "<|endoftext|>", "  a  ", &long] {
        assert_eq!(read.encode(text).unwrap(), built_in.encode(text).unwrap(), "{text}");
    }
    let (first, rest) = file.split_once('\n').unwrap();
    for wrong in ["", rest, &file.replacen(first, "? 0", 1), &format!("{first}\n{file}"), "<html>"] {
        assert_eq!(Tokenizer::gpt2_from(wrong.as_bytes()).unwrap_err().code(), "tokenizer-file");
    }
}
