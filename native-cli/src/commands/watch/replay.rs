//! `--replay`: the file that `fathom run --trace` wrote, told as if it happened now.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use fathom_engine::{HaltedBy, Level, Model};
use serde::Deserialize;

use super::state::{Cycle, Event, Guess, Said, Step};
use super::worker::Worker;

/// A token, as far as it is shown.
#[derive(Deserialize)]
struct Line {
    token: u32,
    depth: u32,
    halted_by: String,
    steps: Vec<StepLine>,
}

#[derive(Deserialize)]
struct StepLine {
    step: u32,
    q_halt: f32,
    q_continue: f32,
    margin: f32,
    ms: f64,
    cycles: Vec<CycleLine>,
    top: Vec<TopLine>,
}

#[derive(Deserialize)]
struct CycleLine {
    level: String,
    moved: Vec<f32>,
}

#[derive(Deserialize)]
struct TopLine {
    token: u32,
    probability: f32,
}

/// Tells of what the file holds; the tokens' names are the model's.
///
/// # Errors
/// A file that cannot be read, or a line of it that is no trace, by its number.
pub fn start(path: &Path, model: Arc<Model>) -> anyhow::Result<Worker> {
    let file = File::open(path).with_context(|| format!("--replay {}", path.display()))?;
    let lines = BufReader::new(file).lines().enumerate();
    let events = lines.map(|(i, line)| -> anyhow::Result<Vec<Event>> {
        let place = || format!("--replay {}, line {}: expected one of run --trace", path.display(), i + 1);
        let line: Line = serde_json::from_str(&line.with_context(place)?).with_context(place)?;
        events(line, &|token| model.token_name(token)).with_context(place)
    });
    let events = events.collect::<anyhow::Result<Vec<Vec<Event>>>>()?;
    anyhow::ensure!(!events.is_empty(), "--replay {}: the file is empty", path.display());
    Worker::spawn(move |told| {
        let end = [Event::Done("replayed".to_owned())];
        events.into_iter().flatten().chain(end).try_for_each(|event| told.send(event))
    })
}

fn events(line: Line, name: &dyn Fn(u32) -> String) -> anyhow::Result<Vec<Event>> {
    anyhow::ensure!(!line.steps.is_empty(), "no step");
    let said = Said {
        token: line.token,
        name: name(line.token),
        depth: line.depth,
        halted_by: match line.halted_by.as_str() {
            "test" => HaltedBy::Test,
            "cap" => HaltedBy::Cap,
            "forced" => HaltedBy::Forced,
            other => anyhow::bail!("halted_by is test, cap or forced, not `{other}`"),
        },
    };
    let steps = line.steps.into_iter().map(|step| Ok(Event::Step(self::step(step, name)?)));
    steps.chain([Ok(Event::Said(said))]).collect()
}

fn step(line: StepLine, name: &dyn Fn(u32) -> String) -> anyhow::Result<Step> {
    let cycle = |cycle: CycleLine| {
        let level = match cycle.level.as_str() {
            "L" => Level::L,
            "H" => Level::H,
            other => anyhow::bail!("a level is L or H, not `{other}`"),
        };
        Ok(Cycle { level, moved: *cycle.moved.last().context("a cycle that moved nothing")? })
    };
    let guess = |TopLine { token, probability }| Guess { token, name: name(token), probability };
    Ok(Step {
        number: line.step,
        q_halt: line.q_halt,
        q_continue: line.q_continue,
        margin: line.margin,
        ms: line.ms,
        cycles: line.cycles.into_iter().map(cycle).collect::<anyhow::Result<Vec<Cycle>>>()?,
        would_say: line.top.into_iter().map(guess).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"token":8,"text":"6","depth":1,"steps_taken":0,"halted_by":"test","q_halt":3,
        "q_continue":-3,"ms":2.5,"steps":[{"step":1,"q_halt":3,"q_continue":-3,"margin":1.25,"ms":2,
        "first_position":0,"cycles":[{"level":"L","moved":[0.5,0.25]}],"z_h":[[1]],
        "top":[{"token":8,"probability":0.75}]}]}"#;

    fn read(text: &str) -> anyhow::Result<Vec<Event>> {
        events(serde_json::from_str(text)?, &|token| format!("<{token}>"))
    }

    #[test]
    fn a_line_is_its_steps_and_what_was_said() {
        let Ok(events) = read(LINE) else { panic!("a trace") };
        let [Event::Step(step), Event::Said(said)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(step.cycles, [Cycle { level: Level::L, moved: 0.25 }]);
        assert_eq!(step.would_say, [Guess { token: 8, name: "<8>".to_owned(), probability: 0.75 }]);
        assert_eq!(step.bias(), -4.75);
        assert_eq!((said.depth, said.halted_by), (1, HaltedBy::Test));
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        for (from, to) in [("\"test\"", "\"magic\""), ("\"L\"", "\"X\""), ("[0.5,0.25]", "[]")] {
            assert!(read(&LINE.replace(from, to)).is_err(), "{to}");
        }
        assert!(read("{\"token\":8}").is_err());
        assert!(read("").is_err());
    }
}
