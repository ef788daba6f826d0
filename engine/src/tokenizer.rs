//! Text to tokens and back.
//!
//! Two kinds of tokenizer: GPT-2's byte-level BPE, which the released models use and which is built in (cargo
//! feature `gpt2`) or comes as a file, and any Hugging Face `tokenizer.json`. Both encode with their own library. Decoding is one
//! table for both, from id to bytes, so that a [`Decoder`] can stream: a token may end in the middle of a
//! character, and no half character is ever shown.

mod gpt2;
mod json;

use std::sync::Arc;

use crate::error::{Error, Result};

/// The highest id that is accepted, plus one: the table is as long as the highest id.
const MOST_IDS: usize = 1 << 22;

/// One vocabulary. Cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    encoder: Arc<Encoder>,
    texts: Arc<Texts>,
    eos: Option<u32>,
}

enum Encoder {
    Gpt2(Box<gpt2::Gpt2>),
    Json(Box<json::Json>),
}

/// What each id stands for; None for an id that stands for nothing.
type Texts = Vec<Option<Box<[u8]>>>;

impl Tokenizer {
    /// Reads a `tokenizer.json` of the Hugging Face tokenizers library. `file` is what errors call it.
    ///
    /// The file's truncation, padding and special tokens around a text are not applied: a prompt is encoded as
    /// it stands.
    ///
    /// # Errors
    /// [`Error::TokenizerFile`].
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self> {
        let (encoder, texts, eos) = json::Json::read(bytes, file)?;
        Ok(Self { encoder: Arc::new(Encoder::Json(Box::new(encoder))), texts: Arc::new(texts), eos })
    }

    /// GPT-2's vocabulary: 50257 tokens, the last of which ends a text.
    ///
    /// # Errors
    /// [`Error::Gpt2NotBuiltIn`] in a build without the cargo feature `gpt2`.
    pub fn gpt2() -> Result<Self> {
        #[cfg(not(feature = "gpt2"))]
        return Err(Error::Gpt2NotBuiltIn);
        #[cfg(feature = "gpt2")]
        Self::with_gpt2(gpt2::Gpt2::built_in())
    }

    /// The same out of a file in the tiktoken format: a line `base64 rank` for each token, in any order.
    ///
    /// # Errors
    /// [`Error::TokenizerFile`].
    pub fn gpt2_from(bytes: &[u8]) -> Result<Self> {
        Self::with_gpt2(gpt2::Gpt2::read(bytes))
    }

    /// GPT-2's vocabulary as [`Tokenizer::gpt2_from`] reads it.
    ///
    /// # Errors
    /// Those of [`Tokenizer::gpt2`].
    pub fn gpt2_file() -> Result<String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let tokenizer = Self::gpt2()?;
        let line = |id: u32| format!("{} {id}\n", STANDARD.encode(tokenizer.text(id).unwrap_or_default()));
        Ok((0..gpt2::END_OF_TEXT).map(line).collect())
    }

    fn with_gpt2(read: Result<(gpt2::Gpt2, Texts), String>) -> Result<Self> {
        let (encoder, texts) =
            read.map_err(|reason| Error::TokenizerFile { file: "GPT-2's vocabulary".to_owned(), reason })?;
        Ok(Self {
            encoder: Arc::new(Encoder::Gpt2(Box::new(encoder))),
            texts: Arc::new(texts),
            eos: Some(gpt2::END_OF_TEXT),
        })
    }

    /// The tokens of a text.
    ///
    /// Added tokens of a `tokenizer.json` that are written out in the text become those tokens, as the file
    /// asks. In GPT-2's vocabulary `<|endoftext|>` is text like any other, so that a prompt cannot end itself.
    ///
    /// # Errors
    /// [`Error::UnknownText`] where the vocabulary has no token for a part of the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &*self.encoder {
            Encoder::Gpt2(gpt2) => Ok(gpt2.encode(text)),
            Encoder::Json(json) => json.encode(text),
        }
    }

    /// The text of one token as bytes, which need not be whole characters. Empty for special tokens (the end
    /// of a text and the like), None for ids that stand for nothing and so must never be drawn.
    ///
    /// Where a token's text depends on its neighbours (a space before a word), it is the text that it has
    /// after another token.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.text(id).map(<[u8]>::to_vec)
    }

    /// Whether the id stands for anything: false means that it must never be drawn. True for special tokens.
    pub fn has_text(&self, id: u32) -> bool {
        self.text(id).is_some()
    }

    /// The highest id plus one.
    pub fn n_vocab(&self) -> usize {
        self.texts.len()
    }

    /// The token that ends a text: GPT-2's 50256, or the added token of a `tokenizer.json` that is called
    /// `<|endoftext|>`, `</s>`, `<end>` or `<eos>`, the first of these that there is. A model's configuration
    /// may name another ([`Config::eos_token_id`](crate::config::Config::eos_token_id)).
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// A decoder for one stream of tokens.
    pub fn decoder(&self) -> Decoder {
        Decoder { texts: self.texts.clone(), pending: Vec::new() }
    }

    /// The text of several tokens; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut decoder = self.decoder();
        let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
        text.push_str(&decoder.finish());
        text
    }

    fn text(&self, id: u32) -> Option<&[u8]> {
        text_of(&self.texts, id)
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.n_vocab())
    }
}

/// Turns a stream of tokens into text, whole characters at a time.
///
/// All pieces together are what `String::from_utf8_lossy` makes of all bytes together.
#[derive(Clone)]
pub struct Decoder {
    texts: Arc<Texts>,
    /// The bytes of a character that has begun; at most three.
    pending: Vec<u8>,
}

impl Decoder {
    /// The text that this token completes; empty while a character is not whole. An id that stands for
    /// nothing has no text.
    pub fn push(&mut self, id: u32) -> String {
        let Some(bytes) = text_of(&self.texts, id) else { return String::new() };
        self.pending.extend_from_slice(bytes);

        let mut text = String::new();
        let mut n_done = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            n_done += chunk.valid().len();
            let invalid = chunk.invalid();
            let at_end = n_done + invalid.len() == self.pending.len();
            if at_end && may_become_a_character(invalid) {
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                n_done += invalid.len();
            }
        }
        self.pending.drain(..n_done);
        text
    }

    /// The end of the stream: a character that was never completed becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("pending", &self.pending).finish()
    }
}

/// Whether these bytes are the beginning of a character, as far as they go.
fn may_become_a_character(bytes: &[u8]) -> bool {
    // error_len is None exactly where the input ended too early.
    str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}

fn text_of(texts: &Texts, id: u32) -> Option<&[u8]> {
    texts.get(usize::try_from(id).ok()?)?.as_deref()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "tokenizer_tests.rs"]
mod tests;
