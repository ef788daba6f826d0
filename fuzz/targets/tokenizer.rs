//! tokenizer.json: a text to tokens and back, and a stream that is cut anywhere.

#![no_main]

use fathom_engine::Tokenizer;
use libfuzzer_sys::fuzz_target;

const TEXTS: [&str; 4] = ["", "7+5-3*4=", " a  é 😀\n\n'll <|endoftext|> \u{0}x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"];

// The engine catches what the library panics at; what goes beyond the engine still ends the run.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    let Ok(tokenizer) = Tokenizer::from_json(bytes, "tokenizer.json") else { return };
    for text in TEXTS {
        if let Ok(tokens) = tokenizer.encode(text) {
            let mut decoder = tokenizer.decoder();
            let mut streamed: String = tokens.iter().map(|&token| decoder.push(token)).collect();
            streamed.push_str(&decoder.finish());
            assert_eq!(streamed, tokenizer.decode(&tokens));
        }
    }
    for id in [0, 1, u32::MAX] {
        tokenizer.token_bytes(id);
    }
    let _end = tokenizer.eos();
});
