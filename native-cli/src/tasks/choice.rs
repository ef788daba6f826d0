//! Multiple choice: a context, its possible endings, and which of them is right.
//!
//! What is taken as context and ending is what the authors' `hrm_eval.py` takes. An ending begins with a space
//! there; only the plain form is taken as it stands.
//!
//! | fields | form | context | ending |
//! |---|---|---|---|
//! | `context`, `endings`, `label` | plain | as it stands | as it stands |
//! | `ctx` (or `ctx_a`, `ctx_b`), `endings`, `label` | HellaSwag | cleaned of `[header]` and the like | cleaned |
//! | `goal`, `sol1`, `sol2`, `label` | PIQA | the goal | the solution |
//! | `sentence`, `option1`, `option2`, `answer` (1 or 2) | WinoGrande | what precedes `_` | the option and what follows `_` |

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{names, number, objects, shortened, text, texts};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its line, from 1 on.
    pub line: usize,
    /// How it was written.
    pub form: Form,
    /// At least two.
    pub options: Vec<Opt>,
    /// Which option is right, from 0 on.
    pub label: usize,
}

/// One possible answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// What the model has read before.
    pub context: String,
    /// What is scored.
    pub ending: String,
}

/// How a question was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `context`, `endings`, `label`.
    Plain,
    /// `ctx`, `endings`, `label`.
    HellaSwag,
    /// `goal`, `sol1`, `sol2`, `label`.
    Piqa,
    /// `sentence`, `option1`, `option2`, `answer`.
    WinoGrande,
}

/// What of a WinoGrande sentence is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The option and what follows it, behind what precedes the blank: the authors' way.
    WithOption,
    /// What follows the blank, behind the sentence up to it with the option in it: lm-evaluation-harness's way.
    AfterOption,
}

/// Reads all questions; `labels`, where there is such a file, has the label of each on a line of its own.
///
/// # Errors
/// The first line that is no question, with its number.
pub fn read_choices(file: &str, labels: Option<&str>, partial: Partial) -> anyhow::Result<Vec<Choice>> {
    let mut labels = labels.map(|labels| labels.lines().filter(|line| !line.trim().is_empty()));
    let mut choices = Vec::new();
    for object in objects(file) {
        let (line, fields) = object?;
        let label = match &mut labels {
            Some(labels) => {
                let label =
                    labels.next().with_context(|| format!("line {line}: --labels has no line for it"))?;
                Some(Value::String(label.to_owned()))
            }
            None => None,
        };
        choices.push(choice(line, &fields, label, partial).with_context(|| format!("line {line}"))?);
    }
    let n_too_many = labels.map_or(0, Iterator::count);
    ensure!(n_too_many == 0, "--labels has {n_too_many} lines more than the {} questions", choices.len());
    Ok(choices)
}

fn choice(
    line: usize,
    fields: &Map<String, Value>,
    label: Option<Value>,
    partial: Partial,
) -> anyhow::Result<Choice> {
    let has = |names: &[&str]| names.iter().all(|&name| fields.contains_key(name));
    let (form, options) = if has(&["context", "endings"]) {
        let context = text(fields, "context")?;
        let ending = |ending| Opt { context: context.clone(), ending };
        (Form::Plain, texts(fields, "endings")?.into_iter().map(ending).collect::<Vec<_>>())
    } else if has(&["endings"]) && (has(&["ctx"]) || has(&["ctx_a", "ctx_b"])) {
        let context = match fields.get("ctx") {
            Some(_) => text(fields, "ctx")?,
            None => format!("{} {}", text(fields, "ctx_a")?, text(fields, "ctx_b")?),
        };
        let context = cleaned(&context);
        let ending = |ending: String| Opt { context: context.clone(), ending: spaced(&cleaned(&ending)) };
        (Form::HellaSwag, texts(fields, "endings")?.into_iter().map(ending).collect())
    } else if has(&["goal", "sol1", "sol2"]) {
        let context = text(fields, "goal")?.trim().to_owned();
        let ending = |name| Ok(Opt { context: context.clone(), ending: spaced(text(fields, name)?.trim()) });
        (Form::Piqa, ["sol1", "sol2"].into_iter().map(ending).collect::<anyhow::Result<_>>()?)
    } else if has(&["sentence", "option1", "option2"]) {
        let sentence = text(fields, "sentence")?;
        let option = |name| winogrande(&sentence, text(fields, name)?.trim(), partial);
        (Form::WinoGrande, ["option1", "option2"].into_iter().map(option).collect::<anyhow::Result<_>>()?)
    } else {
        bail!(
            "expected context and endings; ctx and endings (HellaSwag); goal, sol1 and sol2 (PIQA); or sentence, \
             option1 and option2 (WinoGrande); found {}",
            names(fields)
        );
    };
    ensure!(options.len() >= 2, "`endings`: expected at least two, found {}", options.len());
    // WinoGrande counts from 1.
    let (name, from) = if form == Form::WinoGrande { ("answer", 1) } else { ("label", 0) };
    let given = label.as_ref().or_else(|| fields.get(name));
    let Some(given) = given else {
        bail!("`{name}` is missing, and no --labels were given; found {}", names(fields));
    };
    let number = number(given, name)?;
    let last = options.len() - 1 + from;
    ensure!((from..=last).contains(&number), "`{name}`: expected {from} to {last}, found {number}");
    Ok(Choice { line, form, options, label: number - from })
}

fn winogrande(sentence: &str, option: &str, partial: Partial) -> anyhow::Result<Opt> {
    let Some((before, after)) = sentence.split_once('_') else {
        bail!("`sentence`: expected a blank `_`, found {}", shortened(sentence));
    };
    Ok(match partial {
        Partial::WithOption => {
            Opt { context: before.trim_end().to_owned(), ending: spaced(&format!("{option}{after}")) }
        }
        Partial::AfterOption => Opt { context: format!("{before}{option}"), ending: spaced(after.trim()) },
    })
}

/// With one space before it; an empty ending stays empty.
fn spaced(ending: &str) -> String {
    if ending.is_empty() || ending.starts_with(' ') { ending.to_owned() } else { format!(" {ending}") }
}

/// HellaSwag's WikiHow part has marks in brackets: a title ends a sentence, the others say nothing.
fn cleaned(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        // A bracket that is not closed on its line stays.
        let Some(close) = rest[open..].find(']') else { break };
        let closed = Some(close).filter(|&close| !rest[open..open + close].contains('\n'));
        let end = closed.map_or(open + 1, |close| open + close + 1);
        kept.push_str(&rest[..if closed.is_some() { open } else { end }]);
        rest = &rest[end..];
    }
    kept.push_str(rest);
    let mut single = String::with_capacity(kept.len());
    for c in kept.chars() {
        if c != ' ' || !single.ends_with(' ') {
            single.push(c);
        }
    }
    single.trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn one(line: &str) -> Choice {
        read_choices(line, None, Partial::WithOption).unwrap().remove(0)
    }

    fn endings(choice: &Choice) -> Vec<(&str, &str)> {
        choice.options.iter().map(|option| (option.context.as_str(), option.ending.as_str())).collect()
    }

    #[track_caller]
    fn fails(file: &str, labels: Option<&str>, words: &[&str]) {
        let error = format!("{:#}", read_choices(file, labels, Partial::WithOption).unwrap_err());
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    }

    #[test]
    fn each_form_as_people_have_it() {
        let plain = one(r#"{"context": "a ", "endings": ["b", ""], "label": 1}"#);
        assert_eq!((plain.form, plain.label), (Form::Plain, 1));
        assert_eq!(endings(&plain), [("a ", "b"), ("a ", "")]);

        let hellaswag = r#"{"ind": 24, "activity_label": "Roof", "ctx_a": "A man.", "ctx_b": "he",
            "ctx": "[header] How to [title] A man. he", "label": "3",
            "endings": ["is [step] up.", " runs", "sits", "goes"]}"#;
        let hellaswag = one(&hellaswag.replace('\n', ""));
        assert_eq!((hellaswag.form, hellaswag.label), (Form::HellaSwag, 3));
        assert_eq!(endings(&hellaswag)[0], ("How to. A man. he", " is up."));
        assert_eq!(endings(&hellaswag)[1].1, " runs");
        let parts = one(r#"{"ctx_a": "A man.", "ctx_b": "he", "endings": ["a", "b"], "label": 0}"#);
        assert_eq!(endings(&parts)[0].0, "A man. he");

        let piqa = r#"{"goal": "Open it. ", "sol1": "pull", "sol2": " push"}"#;
        let piqa = read_choices(piqa, Some("1\n"), Partial::WithOption).unwrap().remove(0);
        assert_eq!((piqa.form, piqa.label), (Form::Piqa, 1));
        assert_eq!(endings(&piqa), [("Open it.", " pull"), ("Open it.", " push")]);

        let line =
            r#"{"sentence": "Ann gave Bo _'s book.", "option1": "Ann", "option2": "Bo", "answer": "2"}"#;
        let winogrande = one(line);
        assert_eq!((winogrande.form, winogrande.label), (Form::WinoGrande, 1));
        assert_eq!(endings(&winogrande)[0], ("Ann gave Bo", " Ann's book."));
        let partial = read_choices(line, None, Partial::AfterOption).unwrap().remove(0);
        assert_eq!(endings(&partial)[1], ("Ann gave Bo Bo", " 's book."));
    }

    #[test]
    fn marks_are_cleaned_away() {
        assert_eq!(cleaned(" a  b [title] c [substeps] d "), "a b. c d");
        assert_eq!(cleaned("a [b c"), "a [b c");
        assert_eq!(cleaned("[[x]] y"), "] y");
        assert_eq!(cleaned("[a\nb] c"), "[a\nb] c");
    }

    #[test]
    fn what_is_no_question_is_named_with_its_line() {
        let good = r#"{"context": "a", "endings": ["b", "c"], "label": 0}"#;
        fails(&format!("{good}\n\n{{\"text\": 1, \"id\": 2}}"), None, &["line 3", "the fields id, text"]);
        fails(&format!("{good}\n[1]"), None, &["line 2", "an array"]);
        fails("{\"context\": ", None, &["line 1", "column"]);
        fails(r#"{"context": "a", "endings": ["b", 1], "label": 0}"#, None, &["`endings`", "found 1"]);
        fails(r#"{"context": "a", "endings": ["b"], "label": 0}"#, None, &["at least two"]);
        fails(r#"{"context": "a", "endings": ["b", "c"], "label": 2}"#, None, &["0 to 1", "found 2"]);
        fails(r#"{"context": "a", "endings": ["b", "c"], "label": ""}"#, None, &["without its labels?"]);
        fails(r#"{"context": "a", "endings": ["b", "c"]}"#, None, &["`label` is missing", "--labels"]);
        fails(r#"{"sentence": "a", "option1": "b", "option2": "c", "answer": "1"}"#, None, &["blank"]);
        fails(r#"{"sentence": "_", "option1": "b", "option2": "c", "answer": "0"}"#, None, &["1 to 2"]);
        fails(good, Some("0\n1\n"), &["1 lines more"]);
        fails(&format!("{good}\n{good}"), Some("0\n"), &["line 2", "--labels"]);
    }
}
