//! Perplexity: a text in windows, each token scored once.
//!
//! A window reads at most `window` tokens and scores those that the window before did not: the first one all, each
//! further one `stride`, with at least `window - stride` tokens of context. The text's first token has no
//! context and is not scored.

use fathom_engine::{DepthControl, Model, ScoreReading, ScoredToken, Scorer};

use super::exam::Reading;
use super::record::{Depths, Found, Scores, rounded};

/// Reads tokens `begin..end`, and scores tokens `first + 1..=end`, each by what is read up to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    begin: usize,
    end: usize,
    first: usize,
}

/// All windows of a text.
pub fn windows(n_tokens: usize, window: usize, stride: usize) -> Vec<Window> {
    let mut windows = Vec::new();
    // The last token is scored and never read.
    let n_read = n_tokens.saturating_sub(1);
    let (mut begin, mut first) = (0, 0);
    while first < n_read {
        let end = (begin + window).min(n_read);
        windows.push(Window { begin, end, first });
        (begin, first) = (begin + stride, end);
    }
    windows
}

/// The ids of a file of them.
pub fn ids(model: &Model, text: &str) -> anyhow::Result<Vec<u32>> {
    let vocab_size = model.config().vocab_size;
    let separated = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let id = |word: &str| match word.parse::<u32>() {
        Ok(id) if (id as usize) < vocab_size => Ok(id),
        _ => anyhow::bail!("expected token ids below {vocab_size}, found `{word}`"),
    };
    separated.map(id).collect()
}

/// Scores one window.
pub fn examine(
    model: &Model,
    scorer: &mut Scorer,
    tokens: &[u32],
    window: &Window,
    depth: &DepthControl,
    reading: Reading,
) -> anyhow::Result<Found> {
    let &Window { begin, end, first } = window;
    let next = &tokens[first + 1..=end];
    let mut score = |reading| {
        let found = scorer.score(&tokens[begin..end], first - begin, next, depth, reading);
        anyhow::Ok(scores(&pollster::block_on(found)?))
    };
    // The deeper one first would compute no less: both use what the other left in the cache.
    let whole = (reading != Reading::Prefix).then(|| score(ScoreReading::Whole)).transpose()?;
    let prefix = (reading != Reading::Whole).then(|| score(ScoreReading::Prefixes)).transpose()?;
    let n_bytes = model.tokenizer().map(|words| {
        next.iter().map(|&token| words.token_bytes(token).map_or(0, |bytes| bytes.len() as u64)).sum()
    });
    Ok(Found::Window { n_tokens: next.len() as u64, n_bytes, whole, prefix })
}

fn scores(scored: &[ScoredToken]) -> Scores {
    let mut depths = Depths::default();
    for token in scored {
        depths.count(token.depth, token.halted_by);
    }
    Scores {
        log_prob: rounded(scored.iter().map(|token| token.log_prob).sum()),
        n_greedy: scored.iter().filter(|token| token.is_greedy).count() as u64,
        depths,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_but_the_first_is_scored_once_with_enough_context() {
        for n_tokens in 0..40 {
            for window in 1..12 {
                for stride in 1..=window {
                    let mut scored = vec![];
                    for w in windows(n_tokens, window, stride) {
                        assert!(w.end - w.begin <= window && w.begin <= w.first && w.first < w.end);
                        assert!(w.begin == 0 || w.first + 1 - w.begin >= window - stride, "context");
                        scored.extend(w.first + 1..=w.end);
                    }
                    assert_eq!(scored, (1..n_tokens).collect::<Vec<_>>(), "{n_tokens} {window} {stride}");
                }
            }
        }
    }
}
