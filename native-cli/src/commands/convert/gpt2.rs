//! GPT-2's vocabulary as a Hugging Face tokenizer.json, made out of the one that is built in.
//!
//! The built-in vocabulary has ranks: which of two pairs is merged first is told by the number of the token that
//! comes of it. A tokenizer.json lists the merges themselves. A token's own merge is found by encoding its bytes
//! with the lower ranks only, which ends in the two tokens that it was made of.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use fathom_engine::Tokenizer;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// The token that ends a text, by its name in Hugging Face's files.
const END_OF_TEXT: &str = "<|endoftext|>";

#[derive(Serialize)]
struct File {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: [Value; 1],
    normalizer: (),
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Model,
}

#[derive(Serialize)]
struct Model {
    r#type: &'static str,
    dropout: (),
    unk_token: (),
    continuing_subword_prefix: &'static str,
    end_of_word_suffix: &'static str,
    fuse_unk: bool,
    byte_fallback: bool,
    #[serde(serialize_with = "in_order")]
    vocab: Vec<(String, u32)>,
    merges: Vec<String>,
}

fn in_order<S: Serializer>(vocab: &[(String, u32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(vocab.iter().map(|(token, id)| (token, id)))
}

/// The text of the file.
///
/// # Errors
/// A vocabulary that is not one of merged bytes, which the built-in one is.
pub fn tokenizer_json() -> anyhow::Result<String> {
    let tokenizer = Tokenizer::gpt2()?;
    let end = tokenizer.eos().context("GPT-2's vocabulary has an end")?;
    let tokens: Vec<Vec<u8>> = (0..end).map(|id| tokenizer.token_bytes(id).unwrap_or_default()).collect();
    let ranks: HashMap<&[u8], u32> = tokens.iter().zip(0..).map(|(bytes, id)| (&bytes[..], id)).collect();

    let mut merges = Vec::new();
    let mut vocab = Vec::with_capacity(tokens.len() + 1);
    for (bytes, id) in tokens.iter().zip(0..) {
        vocab.push((spelled(bytes), id));
        if bytes.len() > 1 {
            let at =
                split(bytes, id, &ranks).with_context(|| format!("token {id} of GPT-2's has no merge"))?;
            merges.push(format!("{} {}", spelled(&bytes[..at]), spelled(&bytes[at..])));
        }
    }
    vocab.push((END_OF_TEXT.to_owned(), end));
    ensure!(merges.len() + 257 == vocab.len(), "GPT-2's vocabulary has 256 bytes and an end");

    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let added = json!({"id": end, "content": END_OF_TEXT, "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true});
    let file = File {
        version: "1.0",
        truncation: (),
        padding: (),
        added_tokens: [added],
        normalizer: (),
        pre_tokenizer: byte_level.clone(),
        post_processor: byte_level.clone(),
        decoder: byte_level,
        model: Model {
            r#type: "BPE",
            dropout: (),
            unk_token: (),
            continuing_subword_prefix: "",
            end_of_word_suffix: "",
            fuse_unk: false,
            byte_fallback: false,
            vocab,
            merges,
        },
    };
    Ok(serde_json::to_string_pretty(&file)? + "\n")
}

/// Where the bytes of a token are joined, by merging them with the ranks below its own.
fn split(bytes: &[u8], rank: u32, ranks: &HashMap<&[u8], u32>) -> Option<usize> {
    // Where each part ends.
    let mut ends: Vec<usize> = (1..=bytes.len()).collect();
    while ends.len() > 2 {
        let start = |i: usize| if i == 0 { 0 } else { ends[i - 1] };
        let merged = |i: usize| ranks.get(&bytes[start(i)..ends[i + 1]]).copied();
        let lowest = (0..ends.len() - 1).filter_map(|i| Some((merged(i)?, i))).min()?;
        if lowest.0 >= rank {
            return None;
        }
        ends.remove(lowest.1);
    }
    ends.first().copied()
}

/// A byte-level token spells each byte as one printable character: printable Latin-1 as itself, the other bytes in
/// order from U+0100 (openai/gpt-2 `encoder.py`, `bytes_to_unicode`).
fn spelled(bytes: &[u8]) -> String {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let character = |&byte: &u8| match printable(byte) {
        true => char::from(byte),
        false => {
            let nth = (0..byte).filter(|&byte| !printable(byte)).count();
            char::from_u32(0x100 + nth as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    };
    bytes.iter().map(character).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXTS: [&str; 16] = [
        "",
        "Hello, world! It's a fine day; we'll see, they've said I'm late, you'd go, who're you?",
        "IT'S SHOUTED, I'M LOUD",
        "  leading,  double   and trailing spaces   ",
        "a\n\n\n b\r\n\tc\t\t d \u{a0}nbsp \u{3000}wide \u{2009}thin",
        "0 1 12 123 1234 12345678901234567890 3.14159 1e-5 ½ ² ٣ 四",
        "def f(x: int) -> None:\n    return {**x, 'a': [1, 2]}  # comment\n\nif __name__ == \"__main__\":\n\tf(0)",
        "naïve café Ångström straße ĀāĂ İı ﬁ ǅ",
        "Ελληνικά Русский עברית العربية हिन्दी ไทย 日本語 한국어 中文",
        "😀👨‍👩‍👧‍👦🏳️‍🌈 \u{1f1e9}\u{1f1ea} e\u{301} \u{200b}zero\u{feff}",
        "\0\u{1}\u{7f}\u{80}\u{ad}\u{fffd}\u{10ffff}",
        "''' '' 's'S 'll 'LL ' t 't'''re",
        "https://example.org/a?b=c&d=%20#e <a href=\"x\">y</a> \\begin{x}_{i}^{2} ——…“”",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        " a  b   c    d     e      f",
        "x \n y \n\n  z\n",
    ];

    #[test]
    fn the_written_tokenizer_is_the_built_in_one() {
        let built_in = Tokenizer::gpt2().unwrap();
        let written = Tokenizer::from_json(tokenizer_json().unwrap().as_bytes(), "tokenizer.json").unwrap();
        assert_eq!((written.n_vocab(), written.eos()), (50257, Some(50256)));
        for id in 0..50257 {
            assert_eq!(written.token_bytes(id), built_in.token_bytes(id), "token {id}");
        }
        for text in TEXTS {
            let tokens = built_in.encode(text).unwrap();
            assert_eq!(written.encode(text).unwrap(), tokens, "{text:?}");
            assert_eq!(written.decode(&tokens), text);
        }
        // Every token that is text of its own, alone and after a letter.
        for id in 0..50256 {
            let Ok(text) = String::from_utf8(built_in.token_bytes(id).unwrap()) else { continue };
            let text = format!("{text}a{text}");
            assert_eq!(written.encode(&text).unwrap(), built_in.encode(&text).unwrap(), "{text:?}");
        }
        // The one difference, and it is meant: written out, the end of a text is that token here.
        assert_eq!(written.encode("<|endoftext|>").unwrap(), [50256]);
    }

    #[test]
    fn the_first_merges_are_gpt_2s() {
        let file: Value = serde_json::from_str(&tokenizer_json().unwrap()).unwrap();
        let merges = file["model"]["merges"].as_array().unwrap();
        assert_eq!(merges.len(), 50000);
        assert_eq!(merges[..6], ["Ġ t", "Ġ a", "h e", "i n", "r e", "o n"]);
        assert_eq!(merges[49999], "Ġg azed");
    }
}
