//! GPT-2's byte-level BPE, from the data and the encoder of the tiktoken-rs crate (`r50k_base`; MIT).

use base64::{Engine, engine::general_purpose::STANDARD};
use rustc_hash::FxHashMap;
use tiktoken_rs::CoreBPE;

use super::Texts;

/// The token that ends a text; it has no text of its own.
pub(super) const END_OF_TEXT: u32 = 50256;

/// How a text is split before bytes are merged: `r50k_base`'s expression in tiktoken, which gives the pieces of
/// GPT-2's own `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` faster.
const PATTERN: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";

/// A run of white space longer than this is encoded apart, in bytes. Any length that the regular expression
/// can take would do; real texts have no such run.
const LONG_SPACE_BYTES: usize = 1024;

pub(super) struct Gpt2(CoreBPE);

impl Gpt2 {
    /// The encoder, and the bytes of every id.
    #[cfg(feature = "gpt2")]
    pub(super) fn built_in() -> Result<(Self, Texts), String> {
        let bpe = tiktoken_rs::r50k_base().map_err(|e| e.to_string())?;
        let text = |id| bpe.decode_bytes(&[id]).map(|bytes| Some(bytes.into())).map_err(|e| e.to_string());
        let mut texts = (0..END_OF_TEXT).map(text).collect::<Result<Texts, _>>()?;
        texts.push(Some(Box::default()));
        Ok((Self(bpe), texts))
    }

    /// The same out of a file of lines `base64 rank`.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, Texts), String> {
        let mut texts = vec![None; END_OF_TEXT as usize];
        let mut ranks = FxHashMap::default();
        for (i, line) in bytes.split(|&b| b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let wrong = || format!("line {} is not a token of GPT-2's and its number", i + 1);
            let at = line.iter().position(|&b| b == b' ').ok_or_else(wrong)?;
            let token = STANDARD.decode(&line[..at]).map_err(|_| wrong())?;
            let rank: u32 =
                str::from_utf8(&line[at + 1..]).ok().and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
            *texts.get_mut(rank as usize).filter(|text| text.is_none()).ok_or_else(wrong)? =
                Some(token.clone().into_boxed_slice());
            ranks.insert(token, rank);
        }
        if ranks.len() != END_OF_TEXT as usize {
            return Err(format!("it holds {} tokens, expected {END_OF_TEXT}", ranks.len()));
        }
        let bpe = CoreBPE::new(ranks, FxHashMap::default(), PATTERN).map_err(|e| e.to_string())?;
        texts.push(Some(Box::default()));
        Ok((Self(bpe), texts))
    }

    /// Tokens of a text; every text has some, because every byte is a token.
    ///
    /// The crate splits a text by a regular expression before it merges bytes, and panics where that gives
    /// up, which it does in a run of about a million spaces. Such a run is cut out here, at the places where
    /// the expression would cut: before the run, and before its last character, which belongs to what follows
    /// (`\s+(?!\S)`). At the end of a text the run is whole (`\s++$`).
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((start, end)) = long_space(rest) {
            tokens.extend(self.0.encode_ordinary(&rest[..start]));
            tokens.extend(self.0.encode_ordinary(&rest[start..end]));
            rest = &rest[end..];
        }
        tokens.extend(self.0.encode_ordinary(rest));
        tokens
    }
}

/// The first long run of white space as byte offsets, without its last character where text follows.
fn long_space(text: &str) -> Option<(usize, usize)> {
    let mut run_start = None;
    let mut last = 0;
    for (i, c) in text.char_indices() {
        match (run_start, c.is_whitespace()) {
            (None, true) => run_start = Some(i),
            (Some(start), false) if last - start >= LONG_SPACE_BYTES => return Some((start, last)),
            (Some(_), false) => run_start = None,
            _ => {}
        }
        last = i;
    }
    run_start.filter(|start| text.len() - start > LONG_SPACE_BYTES).map(|start| (start, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_space() {
        assert_eq!(long_space(&format!("a{}b", " ".repeat(1024))), None);
        assert_eq!(long_space(&format!("a{}b", " ".repeat(1025))), Some((1, 1025)));
        assert_eq!(long_space(&" ".repeat(1024)), None);
        assert_eq!(long_space(&" ".repeat(1025)), Some((0, 1025)));
        assert_eq!(long_space(""), None);
    }
}
