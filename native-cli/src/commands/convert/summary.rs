//! What was read, what was left out, what was written, and what to do with it.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::output::{self, json_line};
use crate::paint::Paint;

use super::form::Form;
use super::plan::Planned;
use super::source::Input;
use super::write::Written;

/// Everything that is said at the end; with `--json` as it stands.
#[derive(Serialize)]
pub struct Summary {
    read: ReadPart,
    left_out: Vec<String>,
    written: WrittenPart,
    notes: Vec<String>,
    run: String,
}

#[derive(Serialize)]
struct ReadPart {
    path: String,
    format: &'static str,
    bytes: u64,
    tensors: usize,
    dtypes: Vec<&'static str>,
    prefixes_stripped: Vec<String>,
    config_from: String,
    config_fields: usize,
    model_type: String,
}

#[derive(Serialize)]
struct WrittenPart {
    folder: String,
    tensors: usize,
    parameters: u64,
    dtypes: Vec<&'static str>,
    bytes: u64,
    tokenizer: String,
    files: Vec<FilePart>,
}

#[derive(Serialize)]
struct FilePart {
    name: String,
    bytes: u64,
}

impl Summary {
    /// The part that is known before anything is written.
    pub fn begin(
        input: &Input,
        prefixes: Vec<String>,
        form: &Form,
        planned: &[Planned],
        out: &Path,
    ) -> Summary {
        let model_type = form.config.get("model_type").and_then(|value| value.as_str()).unwrap_or_default();
        Summary {
            read: ReadPart {
                path: input.path.display().to_string(),
                format: input.format,
                bytes: input.n_bytes,
                tensors: input.tensors.len(),
                dtypes: distinct(input.tensors.iter().map(|tensor| tensor.element.name())),
                prefixes_stripped: prefixes,
                config_from: form.config_from.clone(),
                config_fields: form.config.len(),
                model_type: model_type.to_owned(),
            },
            left_out: input.left_out.clone(),
            written: WrittenPart {
                folder: out.display().to_string(),
                tensors: planned.len(),
                parameters: planned.iter().map(|tensor| tensor.n).sum(),
                dtypes: distinct(planned.iter().map(|tensor| tensor.to.name())),
                bytes: 0,
                tokenizer: String::new(),
                files: Vec::new(),
            },
            notes: Vec::new(),
            run: String::new(),
        }
    }

    /// Something of the input that is not in the output.
    pub fn leave_out(&mut self, what: &str) {
        self.left_out.push(what.to_owned());
    }

    /// Where the words come from.
    pub fn tokenizer(&mut self, from: &str) {
        self.written.tokenizer = from.to_owned();
    }

    /// A sentence about the result.
    pub fn note(&mut self, sentence: &str) {
        self.notes.push(sentence.to_owned());
    }

    /// What was written, and the command that runs it.
    pub fn finish(&mut self, files: Vec<Written>, run: String) {
        self.written.bytes = files.iter().map(|file| file.n_bytes).sum();
        let part = |file: Written| FilePart { name: file.name, bytes: file.n_bytes };
        self.written.files = files.into_iter().map(part).collect();
        self.run = run;
    }

    /// One object on standard output.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn print_json(&self) -> anyhow::Result<()> {
        json_line(&mut io::stdout().lock(), self)
    }

    /// For people, on standard error.
    pub fn print(&self, paint: Paint) {
        let (read, written) = (&self.read, &self.written);
        let line =
            |word: &str, text: String| output::note(&format!("{} {text}", paint.faint(format!("{word:<9}"))));
        line("read", format!("{}: {}, {}", read.path, read.format, bytes(read.bytes)));
        line("", format!("{} tensors of {}, {}", read.tensors, read.dtypes.join(" and "), read.model_type));
        if !read.prefixes_stripped.is_empty() {
            line("", format!("names without {}", read.prefixes_stripped.join(" or ")));
        }
        line("config", format!("{} fields, from {}", read.config_fields, read.config_from));
        line("tokenizer", written.tokenizer.clone());
        if !self.left_out.is_empty() {
            line("left out", self.left_out.join(", "));
        }
        line("wrote", paint.strong(&written.folder).to_string());
        let (n, dtypes) = (grouped(written.parameters), written.dtypes.join(" and "));
        line("", format!("{} tensors of {dtypes}, {n} parameters", written.tensors));
        let width = written.files.iter().map(|file| file.name.chars().count()).max().unwrap_or(0);
        for file in &written.files {
            line("", format!("  {:<width$}  {:>9}", file.name, bytes(file.bytes)));
        }
        for note in &self.notes {
            line("note", note.clone());
        }
        line("try", self.run.clone());
    }
}

fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// A size for people: 2.03 MB.
fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

/// A number with its thousands set apart: 82,767,554.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(82_767_554), "82,767,554");
        assert_eq!(grouped(7), "7");
        assert_eq!((bytes(999), bytes(2_048_413)), ("999 B".to_owned(), "2.0 MB".to_owned()));
    }
}
