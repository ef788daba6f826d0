//! A Hugging Face `tokenizer.json`, encoded by the tokenizers library.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{Encoding, PostProcessorWrapper};

use super::{MOST_IDS, Texts};
use crate::error::{Error, Result};

/// Names by which an added token is taken for the end of a text, the most telling first.
const END_NAMES: [&str; 4] = ["<|endoftext|>", "</s>", "<end>", "<eos>"];

pub(super) struct Json {
    library: tokenizers::Tokenizer,
    /// What the library does with a character that it has no token for.
    unknown: Unknown,
    /// Whether tokens spell bytes (GPT-2's way), so that a character may be made of several.
    byte_level: bool,
}

enum Unknown {
    /// It becomes this token.
    Token(u32),
    /// It fails, or a normaliser changes the text beforehand, so that it cannot be told what was left out.
    Unseen,
    /// It is left out without a word.
    LeftOut {
        /// White space is left out on purpose, because the text is split there.
        splits_at_space: bool,
    },
}

/// The few parts of the file that are needed beside the library.
#[derive(Deserialize)]
struct Outline {
    model: ModelOutline,
    decoder: Option<Value>,
    pre_tokenizer: Option<Value>,
    normalizer: Option<Value>,
}

#[derive(Deserialize)]
struct ModelOutline {
    unk_token: Option<String>,
    unk_id: Option<u32>,
}

impl Json {
    /// The encoder, the bytes of every id, and the token that ends a text.
    pub(super) fn read(bytes: &[u8], file: &str) -> Result<(Self, Texts, Option<u32>)> {
        let unusable = |reason: String| Error::TokenizerFile { file: file.to_owned(), reason };
        // First, because it reads the whole file: the library panics at some places where it is no JSON.
        let outline: Outline = serde_json::from_slice(bytes).map_err(|e| unusable(e.to_string()))?;
        let mut library = guarded(|| tokenizers::Tokenizer::from_bytes(bytes)).map_err(&unusable)?;

        // Never cut a prompt, never pad it, never put special tokens around it.
        guarded(|| library.with_truncation(None).map(drop)).map_err(&unusable)?;
        library.with_padding(None);
        library.with_post_processor(None::<PostProcessorWrapper>);

        let byte_level = outline.is_byte_level();
        let texts = texts(&library, &outline).map_err(&unusable)?;
        let unk_token = outline.model.unk_token.as_deref();
        let unknown = match outline.model.unk_id.or_else(|| library.token_to_id(unk_token?)) {
            Some(token) => Unknown::Token(token),
            None if outline.normalizer.is_some() => Unknown::Unseen,
            None => Unknown::LeftOut { splits_at_space: outline.pre_tokenizer.is_some() && !byte_level },
        };
        let added = library.get_added_tokens_decoder();
        let eos = END_NAMES.iter().find_map(|name| {
            added.iter().filter(|(_, token)| token.content == *name).map(|(&id, _)| id).min()
        });
        Ok((Self { library, unknown, byte_level }, texts, eos))
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let unknown_text = |offset: usize, text: &str| Error::UnknownText { text: text.to_owned(), offset };
        let encoding = self.encode_by_library(text).map_err(|reason| {
            // A vocabulary without its own unknown token fails without saying where.
            let fails = |c: char| self.encode_by_library(c.encode_utf8(&mut [0; 4])).is_err();
            match text.char_indices().find(|&(_, c)| fails(c)) {
                Some((offset, c)) => unknown_text(offset, c.encode_utf8(&mut [0; 4])),
                None => Error::TokenizerFile { file: "the tokenizer".to_owned(), reason },
            }
        })?;
        match self.unknown {
            Unknown::Token(unknown) => {
                let mut tokens = encoding.get_ids().iter().zip(encoding.get_offsets());
                if let Some((_, &(start, end))) = tokens.find(|&(&id, _)| id == unknown) {
                    return Err(unknown_text(start, text.get(start..end).unwrap_or_default()));
                }
            }
            Unknown::LeftOut { splits_at_space } => {
                if let Some((offset, c)) = self.first_left_out(text, &encoding, splits_at_space) {
                    return Err(unknown_text(offset, c.encode_utf8(&mut [0; 4])));
                }
            }
            Unknown::Unseen => {}
        }
        Ok(encoding.get_ids().to_vec())
    }

    fn encode_by_library(&self, text: &str) -> Result<Encoding, String> {
        guarded(|| self.library.encode(text, false))
    }

    /// The first character that the library has left out. Each distinct character is tried alone, because
    /// after one that is left out the library's offsets are no longer right.
    fn first_left_out(
        &self,
        text: &str,
        encoding: &Encoding,
        splits_at_space: bool,
    ) -> Option<(usize, char)> {
        let added = self.library.get_added_tokens_decoder();
        let mut within_added = vec![false; text.len()];
        for (id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            if added.contains_key(id) {
                within_added.get_mut(start..end).unwrap_or_default().fill(true);
            }
        }
        let mut tried = HashSet::new();
        text.char_indices().find(|&(i, c)| {
            let exempt = within_added[i] || (splits_at_space && c.is_whitespace());
            !exempt && tried.insert(c) && !self.has_token_for(c)
        })
    }

    fn has_token_for(&self, c: char) -> bool {
        let Ok(encoding) = self.encode_by_library(c.encode_utf8(&mut [0; 4])) else { return false };
        let spelled: usize = encoding.get_tokens().iter().map(|token| token.chars().count()).sum();
        // More than its bytes is possible: a space may have been put before it.
        if self.byte_level { spelled >= c.len_utf8() } else { spelled > 0 }
    }
}

impl Outline {
    /// A byte-level vocabulary may come without a decoder; its tokens are spelled the same way.
    fn is_byte_level(&self) -> bool {
        let part = self.decoder.as_ref().or(self.pre_tokenizer.as_ref());
        part.is_some_and(|part| is_a(part, "ByteLevel"))
    }
}

/// What each id stands for.
fn texts(library: &tokenizers::Tokenizer, outline: &Outline) -> Result<Texts, String> {
    let ids: Vec<u32> = library.get_vocab(true).into_values().collect();
    let Some(highest) = ids.iter().max().map(|&id| id as usize) else {
        return Err("its vocabulary is empty".to_owned());
    };
    if highest >= MOST_IDS {
        return Err(format!("it has the token id {highest}; expected ids below {MOST_IDS}"));
    }
    let byte_level = outline.is_byte_level();
    let byte_fallback = outline.decoder.as_ref().is_some_and(|part| is_a(part, "ByteFallback"));

    let added = library.get_added_tokens_decoder();
    let mut texts = Texts::new();
    texts.resize_with(highest + 1, || None);
    for id in ids {
        let Some(token) = library.id_to_token(id) else { continue };
        let text = match added.get(&id) {
            Some(added) if added.special => Vec::new(),
            Some(added) if byte_level => added.content.clone().into_bytes(),
            _ if byte_level => bytes_of_byte_level(&token).unwrap_or(token.into_bytes()),
            _ => match byte_of_fallback(&token).filter(|_| byte_fallback) {
                Some(byte) => vec![byte],
                None => text_after_a_token(library, id, token)?.into_bytes(),
            },
        };
        texts[id as usize] = Some(text.into());
    }
    Ok(texts)
}

/// The text that the library gives a token which follows another one. Decoders treat the first token of a
/// text in their own way (they leave out a space), so the second of two is looked at.
fn text_after_a_token(library: &tokenizers::Tokenizer, id: u32, token: String) -> Result<String, String> {
    if library.get_decoder().is_none() {
        // The library would put a space between any two tokens, even two characters of one word.
        return Ok(token);
    }
    let once = guarded(|| library.decode(&[id], true))?;
    let twice = guarded(|| library.decode(&[id, id], true))?;
    // Some decoders merge repeated tokens; then there is nothing left of the second one.
    let second = twice.strip_prefix(&once).filter(|second| !second.is_empty());
    Ok(second.map_or_else(|| once.clone(), str::to_owned))
}

/// A byte-level token spells each byte as one printable character: printable Latin-1 as itself, the other
/// bytes in order from U+0100 (openai/gpt-2 `encoder.py`, `bytes_to_unicode`).
fn bytes_of_byte_level(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of_char).collect()
}

pub(super) fn byte_of_char(c: char) -> Option<u8> {
    let printable = |code: u32| matches!(code, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(c) {
        code if printable(code) => u8::try_from(code).ok(),
        code => {
            let nth = usize::try_from(code.checked_sub(0x100)?).ok()?;
            (0..=u8::MAX).filter(|&byte| !printable(u32::from(byte))).nth(nth)
        }
    }
}

/// The byte of a token such as `<0x0A>`.
fn byte_of_fallback(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() == 2 { u8::from_str_radix(hex, 16).ok() } else { None }
}

/// Whether a part of the file is of this type, or is a sequence that contains one.
fn is_a(part: &Value, kind: &str) -> bool {
    let members = ["decoders", "pretokenizers"].into_iter().filter_map(|name| part.get(name)?.as_array());
    part.get("type").is_some_and(|t| t == kind) || members.flatten().any(|member| is_a(member, kind))
}

/// Runs the library, which panics on some malformed files (a decoder that strips more than a token has, a
/// normaliser with a broken table); a file must never end the program.
fn guarded<T, E: ToString>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("the tokenizers library cannot handle it".to_owned()),
    }
}
