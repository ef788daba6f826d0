//! What begins with a slash.

use std::path::PathBuf;
use std::str::FromStr;

/// All of them, for `/help` and for completion by the tab key.
pub const HELP: [(&str, &str, &str); 16] = [
    ("/help", "", "this list"),
    ("/clear", "", "begin anew"),
    ("/depth", "N|auto", "think exactly N steps a token; auto: the model decides"),
    ("/cap", "N|off", "think at most N steps a token"),
    ("/bias", "X|own", "added to q_halt: higher thinks less; own: the model's"),
    ("/temp", "T", "temperature; 0 takes the likeliest token"),
    ("/top-k", "K", "draw from the K likeliest; 0: all"),
    ("/top-p", "P", "draw from the likeliest that hold this share; 1: all"),
    ("/penalty", "X", "make what was said less likely; 1: no"),
    ("/seed", "N|any", "of the draws"),
    ("/stats", "", "what was said so far, how deep, how fast; all settings"),
    ("/save", "FILE", "write the conversation to a file"),
    ("/load", "FILE", "go on with a conversation from a file"),
    ("/trace", "on|off|FILE", "show or write every reasoning step of the next answers"),
    ("/undo", "", "take back the last question and its answer"),
    ("/exit", "", "leave; so does Ctrl-D"),
];

/// One command, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `/help`
    Help,
    /// `/clear`
    Clear,
    /// `/undo`
    Undo,
    /// `/depth`; None: the model decides.
    Depth(Option<u32>),
    /// `/cap`; None: the model's own.
    Cap(Option<u32>),
    /// `/bias`; None: the model's own.
    Bias(Option<f32>),
    /// `/temp`
    Temp(f32),
    /// `/top-k`
    TopK(u32),
    /// `/top-p`
    TopP(f32),
    /// `/penalty`
    Penalty(f32),
    /// `/seed`; None: another one.
    Seed(Option<u64>),
    /// `/stats`
    Stats,
    /// `/save`
    Save(PathBuf),
    /// `/load`
    Load(PathBuf),
    /// `/trace`
    Trace(Trace),
    /// `/exit`
    Exit,
}

/// What becomes of the reasoning steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Trace {
    /// They are not kept.
    Off,
    /// They are shown below each answer.
    On,
    /// They are written to a file.
    File(PathBuf),
}

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Command, String> {
        let (name, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let value = value.trim();
        let number = |what: &str| format!("{name} takes {what}, not `{value}`");
        let file = || if value.is_empty() { Err(format!("{name} takes a file")) } else { Ok(value.into()) };
        let float = || {
            let read = value.parse::<f32>().ok().filter(|value| value.is_finite());
            read.ok_or_else(|| number("a number"))
        };
        let steps = |otherwise: &str| match value {
            _ if value == otherwise => Ok(None),
            _ => match value.parse::<u32>() {
                Ok(n) if n > 0 => Ok(Some(n)),
                _ => Err(number(&format!("a number of steps from 1 on, or `{otherwise}`"))),
            },
        };
        match name {
            "/depth" => return Ok(Command::Depth(steps("auto")?)),
            "/cap" => return Ok(Command::Cap(steps("off")?)),
            "/bias" if value == "own" => return Ok(Command::Bias(None)),
            "/bias" => return Ok(Command::Bias(Some(float()?))),
            "/temp" => return Ok(Command::Temp(float()?)),
            "/top-k" => {
                return value.parse().map(Command::TopK).map_err(|_| number("a whole number from 0 on"));
            }
            "/top-p" => return Ok(Command::TopP(float()?)),
            "/penalty" => return Ok(Command::Penalty(float()?)),
            "/seed" if value == "any" => return Ok(Command::Seed(None)),
            "/seed" => {
                let read = value.parse().map(|seed| Command::Seed(Some(seed)));
                return read.map_err(|_| number("a whole number from 0 on, or `any`"));
            }
            "/save" => return Ok(Command::Save(file()?)),
            "/load" => return Ok(Command::Load(file()?)),
            "/trace" => {
                return match value {
                    "" => Err("/trace takes on, off or a file".to_owned()),
                    "on" => Ok(Command::Trace(Trace::On)),
                    "off" => Ok(Command::Trace(Trace::Off)),
                    file => Ok(Command::Trace(Trace::File(file.into()))),
                };
            }
            _ if !value.is_empty() => {}
            "/help" | "/?" => return Ok(Command::Help),
            "/clear" => return Ok(Command::Clear),
            "/undo" => return Ok(Command::Undo),
            "/stats" => return Ok(Command::Stats),
            "/exit" | "/quit" | "/bye" => return Ok(Command::Exit),
            _ => {}
        }
        if HELP.iter().any(|(known, ..)| *known == name) {
            return Err(format!("{name} takes nothing, not `{value}`"));
        }
        Err(format!("{name} is no command; /help lists them. To say it, put a space before it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_is_wrong_with_others() {
        for (text, command) in [
            ("/depth 3", Command::Depth(Some(3))),
            ("/depth auto", Command::Depth(None)),
            ("/cap off", Command::Cap(None)),
            ("/bias -0.5", Command::Bias(Some(-0.5))),
            ("/bias own", Command::Bias(None)),
            ("/top-k 0", Command::TopK(0)),
            ("/seed any", Command::Seed(None)),
            ("/save a b.json", Command::Save("a b.json".into())),
            ("/trace on", Command::Trace(Trace::On)),
            ("/trace t.jsonl", Command::Trace(Trace::File("t.jsonl".into()))),
            ("/exit", Command::Exit),
        ] {
            assert_eq!(text.parse(), Ok(command), "{text}");
        }
        for (text, word) in [
            ("/depth", "/depth takes a number of steps"),
            ("/depth 0", "not `0`"),
            ("/temp hot", "not `hot`"),
            ("/top-p inf", "a number"),
            ("/save", "takes a file"),
            ("/clear all", "takes nothing"),
            ("/dept 3", "is no command"),
        ] {
            let reason = text.parse::<Command>().err().unwrap_or_default();
            assert!(reason.contains(word), "{text}: {reason}");
        }
        assert!(HELP.iter().all(|(name, values, _)| !values.is_empty() || name.parse::<Command>().is_ok()));
    }
}
