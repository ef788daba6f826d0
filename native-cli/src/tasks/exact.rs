//! Questions whose answer is compared as a text.
//!
//! | fields | the model reads | an answer ends |
//! |---|---|---|
//! | `prompt` and `answer` or `answers` | the prompt as it stands | with the end token, a stop text, or its length |
//! | `question` and `answer` or `answers` | `Question: … Answer:`, the authors' way | also with the line, and after 20 tokens |

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

use super::{names, objects, shortened, text};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its line, from 1 on.
    pub line: usize,
    /// What the model reads.
    pub prompt: String,
    /// Any of these is right; at least one.
    pub answers: Vec<String>,
    /// How it was written.
    pub asked: Asked,
}

/// How a question was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `prompt`.
    Prompt,
    /// `question`.
    Question,
}

/// Reads all questions.
///
/// # Errors
/// The first line that is none, with its number.
pub fn read_questions(file: &str) -> anyhow::Result<Vec<Question>> {
    let question = |object: anyhow::Result<(usize, Map<String, Value>)>| {
        let (line, fields) = object?;
        question(line, &fields).with_context(|| format!("line {line}"))
    };
    objects(file).map(question).collect()
}

fn question(line: usize, fields: &Map<String, Value>) -> anyhow::Result<Question> {
    let (asked, prompt) = if fields.contains_key("prompt") {
        (Asked::Prompt, text(fields, "prompt")?)
    } else if fields.contains_key("question") {
        (Asked::Question, format!("Question: {}\nAnswer:", text(fields, "question")?.trim()))
    } else {
        bail!("expected prompt or question, and answer or answers; found {}", names(fields));
    };
    ensure!(!prompt.is_empty(), "`prompt` is empty");
    let Some(given) = fields.get("answer").or_else(|| fields.get("answers")) else {
        bail!("`answer` is missing; found {}", names(fields));
    };
    let answers = match given {
        Value::Array(list) => list.iter().map(answer).collect::<anyhow::Result<Vec<_>>>()?,
        one => vec![answer(one)?],
    };
    ensure!(!answers.is_empty(), "`answer`: expected at least one, found an empty list");
    Ok(Question { line, prompt, answers, asked })
}

fn answer(value: &Value) -> anyhow::Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => bail!("`answer`: expected a text or a number, found {}", shortened(&other.to_string())),
    }
}

/// A text as it is compared with `--normalize`: lower case, without punctuation (ASCII; but signs and points of
/// numbers stay), without the words a, an and the, single spaces.
pub fn normalized(text: &str) -> String {
    let lower: Vec<char> = text.to_lowercase().chars().collect();
    let is_of_a_number =
        |i: usize| matches!(lower[i], '-' | '.') && lower.get(i + 1).is_some_and(char::is_ascii_digit);
    let stays = |i: &usize| !lower[*i].is_ascii_punctuation() || is_of_a_number(*i);
    let plain: String = (0..lower.len()).filter(stays).map(|i| lower[i]).collect();
    let words = plain.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let file = concat!(
            r#"{"n_ops":1,"since_reset":1,"prompt":"0+0=","answer":"00"}"#,
            "\r\n\n",
            r#"{"question":" who ","answers":["a", 7]}"#
        );
        let found = read_questions(file).unwrap();
        assert_eq!((found[0].line, found[0].prompt.as_str(), found[0].asked), (1, "0+0=", Asked::Prompt));
        assert_eq!((found[1].line, found[1].prompt.as_str()), (3, "Question: who\nAnswer:"));
        assert_eq!(found[1].answers, ["a", "7"]);
    }

    #[test]
    fn what_is_no_question_is_named_with_its_line() {
        for (file, words) in [
            (r#"{"text": "a"}"#, "found the fields text"),
            (r#"{"prompt": "a"}"#, "`answer` is missing"),
            (r#"{"prompt": "", "answer": "a"}"#, "`prompt` is empty"),
            (r#"{"prompt": 1, "answer": "a"}"#, "`prompt`: expected a text, found 1"),
            (r#"{"prompt": "a", "answer": []}"#, "at least one"),
            (r#"{"prompt": "a", "answer": {}}"#, "a text or a number"),
            ("7", "expected a JSON object, found 7"),
        ] {
            let error = format!("{:#}", read_questions(file).unwrap_err());
            assert!(error.contains(words) && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn normalizing() {
        assert_eq!(normalized(" The  Apple, an ANT!"), "apple ant");
    }
}
