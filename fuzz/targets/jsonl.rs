//! Questions for `fathom eval`, with one right answer and with several endings: a label always names an ending.

#![no_main]

use fathom_cli::tasks::{Partial, read_choices, read_questions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = read_questions(text);
    for partial in [Partial::WithOption, Partial::AfterOption] {
        for choice in read_choices(text, None, partial).unwrap_or_default() {
            assert!(choice.label < choice.options.len());
        }
    }
    // The file of labels is somebody else's too.
    if let Some((questions, labels)) = text.split_once('\u{1}') {
        let _ = read_choices(questions, Some(labels), Partial::WithOption);
    }
});
