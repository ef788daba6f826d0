//! An answer's text as it streams: whole characters, and nothing that may turn out to begin a stop text. And
//! single tokens as people read them.

use crate::tokenizer::Decoder;

/// The text of one answer.
#[derive(Debug, Clone)]
pub(crate) struct TextStream {
    decoder: Option<Decoder>,
    stop: Vec<String>,
    /// Text that may begin a stop text.
    held: String,
    is_stopped: bool,
}

impl TextStream {
    /// Without a decoder there is no text at all.
    pub fn new(decoder: Option<Decoder>, mut stop: Vec<String>) -> TextStream {
        stop.retain(|stop| !stop.is_empty());
        TextStream { decoder, stop, held: String::new(), is_stopped: false }
    }

    /// The text that is certain after one more token.
    pub fn push(&mut self, token: u32) -> String {
        match &mut self.decoder {
            Some(decoder) => {
                let text = decoder.push(token);
                self.push_text(&text)
            }
            None => String::new(),
        }
    }

    fn push_text(&mut self, text: &str) -> String {
        self.held.push_str(text);
        // The first stop text ends the answer; of several at one place it makes no difference which.
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.is_stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let may_begin = |at: &usize| self.stop.iter().any(|stop| stop.starts_with(&self.held[*at..]));
        let starts = self.held.char_indices().map(|(at, _)| at);
        let certain = starts.into_iter().find(may_begin).unwrap_or(self.held.len());
        self.held.drain(..certain).collect()
    }

    /// A stop text came; it is not part of the text.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What is held back, when nothing follows any more.
    pub fn rest(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.held);
        if let Some(decoder) = self.decoder.as_mut().filter(|_| !self.is_stopped) {
            rest.push_str(&decoder.finish());
        }
        rest
    }
}

/// Text in which line breaks and other control characters can be seen.
pub(crate) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            seen.extend(c.escape_default());
        } else {
            seen.push(c);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible_and_the_rest_stays() {
        assert_eq!(visible("a\nb\té\u{1b}"), "a\\nb\\té\\u{1b}");
    }

    fn stream(stop: &[&str]) -> TextStream {
        TextStream::new(None, stop.iter().map(|&stop| stop.to_owned()).collect())
    }

    #[test]
    fn what_may_begin_a_stop_text_is_held_back() {
        let mut text = stream(&["\n\nHuman:", "###"]);
        assert_eq!(text.push_text("a\n"), "a");
        assert_eq!(text.push_text("b\n\nHu"), "\nb");
        assert_eq!(text.push_text("go##"), "\n\nHugo");
        assert!(!text.is_stopped());
        assert_eq!(text.push_text("#c"), "");
        assert!(text.is_stopped());
        assert_eq!(text.rest(), "");
    }

    #[test]
    fn the_earliest_stop_text_counts_and_the_rest_comes_at_the_end() {
        let mut text = stream(&["27", "6"]);
        assert_eq!(text.push_text("96927"), "9");
        let mut text = stream(&["é!"]);
        assert_eq!(text.push_text("caf"), "caf");
        assert_eq!(text.push_text("é"), "");
        assert_eq!(text.rest(), "é");
    }
}
