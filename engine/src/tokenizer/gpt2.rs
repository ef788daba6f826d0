//! GPT-2's byte-level BPE, from the data and the encoder of the tiktoken-rs crate (`r50k_base`; MIT).

use tiktoken_rs::CoreBPE;

use super::Texts;

/// The token that ends a text; it has no text of its own.
pub(super) const END_OF_TEXT: u32 = 50256;

/// A run of white space longer than this is encoded apart, in bytes. Any length that the regular expression
/// can take would do; real texts have no such run.
const LONG_SPACE_BYTES: usize = 1024;

pub(super) struct Gpt2(CoreBPE);

impl Gpt2 {
    /// The encoder, and the bytes of every id.
    pub(super) fn new() -> Result<(Self, Texts), String> {
        let bpe = tiktoken_rs::r50k_base().map_err(|e| e.to_string())?;
        let mut texts = Texts::with_capacity(END_OF_TEXT as usize + 1);
        for id in 0..END_OF_TEXT {
            let bytes = bpe.decode_bytes(&[id]).map_err(|e| e.to_string())?;
            texts.push(Some(bytes.into()));
        }
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
