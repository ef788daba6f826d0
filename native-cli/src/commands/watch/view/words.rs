//! What is said in words: the test of a step, where one is, sums, keys.

use fathom_engine::{HaltedBy, Level};

use super::ink::{fit, visible, width};
use super::{Mode, Scene};
use crate::commands::watch::state::{Step, Thought};

/// What the picture shows.
pub const EXPLAINED: [&str; 11] = [
    "For each token the model thinks in steps, a row for each. After a step",
    "it compares its wish to stop (q_halt, plus a bias) with its wish to go",
    "on (q_continue). A bar left of the line: it goes on. Right of it: it",
    "stops, and says the token. Reversed is what it said in the end.",
    "Settling? In a step two states move in turn: L, the fast one, and H,",
    "the slow one. A lower block moved less (logarithmic).",
    "",
    "Steps are shown slowly. Times and tokens/s are those really taken, which",
    "includes the look at every step. \"cached\": the step was known from the",
    "token before.",
    "",
];

/// What keys do.
pub const KEYS: [&str; 10] = [
    "← →       a token back, on",
    "↑ ↓       a step back, on",
    "Home End  first, last token",
    "f         follow the newest",
    "space     pause, go on",
    "s         make one token",
    "+ -       show it quicker, slower",
    "p         ask something else",
    "b B       bias down, up; starts over",
    "q         quit",
];

/// What is going on.
pub fn state(scene: &Scene<'_>) -> String {
    let watched = scene.watched;
    match (&watched.ended, scene.mode) {
        (_, Mode::Asking(_)) => "Enter asks · Esc leaves".to_owned(),
        (Some(why), _) => match why.as_str() {
            "end" => "■ done".to_owned(),
            "length" => "■ done: as many tokens as -n allows".to_owned(),
            "stop" => "■ done: a --stop text came".to_owned(),
            "context" => "■ done: the window is full".to_owned(),
            other => format!("■ {other}"),
        },
        (None, _) if scene.is_paused => "‖ paused".to_owned(),
        (None, _) if watched.follows => "▶ live".to_owned(),
        (None, _) => "▶ live · f follows".to_owned(),
    }
}

/// Which token one looks at, and what came of it: the longest that fits.
pub fn headline(scene: &Scene<'_>, columns: u16) -> String {
    let watched = scene.watched;
    let Some(thought) = watched.thought() else { return "no token yet".to_owned() };
    let (place, n, most) = (watched.token() + 1, watched.thoughts.len(), scene.deepest);
    let forms = match &thought.said {
        None => {
            let now = thought.steps.len();
            [
                format!("token {place} of {n}: thinking, step {now} of at most {most}"),
                format!("{place}/{n}: thinking, step {now}"),
            ]
        }
        Some(said) => {
            let (how, depth) = (ending(said.halted_by), said.depth);
            [
                format!("token {place} of {n}, “{}”: {how} after {depth} of at most {most} steps", said.name),
                format!("{place}/{n} “{}”: {how} after {depth}", said.name),
            ]
        }
    };
    longest_that_fits(forms, columns)
}

fn ending(halted_by: HaltedBy) -> &'static str {
    match halted_by {
        HaltedBy::Test => "stopped itself",
        HaltedBy::Cap => "reached the limit",
        HaltedBy::Forced => "made to stop",
    }
}

/// The last form is the shortest.
fn longest_that_fits<const N: usize>(forms: [String; N], columns: u16) -> String {
    let last = forms.last().cloned().unwrap_or_default();
    forms.into_iter().find(|form| width(form) <= columns).unwrap_or_else(|| fit(&last, columns))
}

/// The test of the step that one looks at, and what moved in it; a note comes before the latter.
pub fn sentences(scene: &Scene<'_>, columns: u16) -> Vec<String> {
    let watched = scene.watched;
    let mut sentences = Vec::new();
    let thought = watched.thought();
    if let Some((thought, step)) =
        thought.and_then(|thought| Some((thought, thought.steps.get(watched.step())?)))
    {
        let hidden = watched.hidden(watched.token(), watched.step());
        sentences.push(match hidden {
            0 => verdict(step, thought, columns),
            _ => format!("Step {}: thinking …", step.number),
        });
        sentences.push(movement(step, hidden));
    }
    if let Some(note) = &watched.note {
        sentences.insert(sentences.len().min(1), note.clone());
    }
    sentences
}

fn verdict(step: &Step, thought: &Thought, columns: u16) -> String {
    let bias = step.bias();
    let passed = step.margin > 0.0;
    let sign = if passed { '>' } else { '≤' };
    let said = thought.said.as_ref().filter(|said| said.depth == step.number);
    let end = match said.map(|said| said.halted_by) {
        Some(HaltedBy::Test) => "it stops here",
        Some(HaltedBy::Cap) => "cut off by the limit",
        Some(HaltedBy::Forced) => "stopped by order",
        None if passed => "it would stop, but may not",
        None => "it goes on",
    };
    let (number, sum, on) = (step.number, signed(step.q_halt + bias), signed(step.q_continue));
    let (q_halt, added) = (signed(step.q_halt), signed(bias));
    let forms = [
        format!("Step {number}: q_halt {q_halt} + bias {added} = {sum} {sign} q_continue {on}: {end}"),
        format!("Step {number}: q_halt + bias {sum} {sign} q_continue {on}: {end}"),
        format!("Step {number}: {sum} {sign} {on}: {end}"),
    ];
    longest_that_fits(forms, columns)
}

fn movement(step: &Step, hidden: usize) -> String {
    if step.cycles.is_empty() {
        return "Known from before; nothing had to move.".to_owned();
    }
    let shown = step.cycles.iter().take(step.cycles.len() - hidden.min(step.cycles.len()));
    let moves = shown.map(|cycle| format!("{} by {}", letter(cycle.level), number(cycle.moved)));
    let moves: Vec<String> = moves.chain((hidden > 0).then(|| "…".to_owned())).collect();
    let took = if hidden == 0 { format!(" (took {:.1} ms)", step.ms) } else { String::new() };
    format!("Moved: {}{took}", moves.join(", "))
}

/// Device, depth, speed, as many of them as fit; with the shortest of the keys where they have no line of their own.
pub fn sums(scene: &Scene<'_>, columns: u16, has_keys: bool) -> String {
    let watched = scene.watched;
    let mut line = String::new();
    let mut add = |part: String| {
        let gap = if line.is_empty() { "" } else { " · " };
        if width(&line) + width(gap) + width(&part) <= columns {
            line.push_str(gap);
            line.push_str(&part);
        }
    };
    if !has_keys {
        if !matches!(scene.mode, Mode::Watching) {
            return keys(scene, columns).to_owned();
        }
        if scene.is_paused {
            add("‖ paused".to_owned());
        }
        add("? help".to_owned());
    }
    add(visible(&scene.device));
    if let Some(mean) = watched.mean_depth() {
        add(format!("mean depth {mean:.1}"));
    }
    if let Some(rate) = watched.tokens_per_s() {
        add(format!("{rate:.1} tokens/s"));
    }
    if let Some(bias) = scene.bias {
        add(format!("bias {}", signed(bias)));
    }
    if let Some(seed) = scene.seed {
        add(format!("seed {seed}"));
    }
    add(match scene.pace.as_millis() {
        0 => "full speed".to_owned(),
        ms => format!("a step in {ms} ms"),
    });
    line
}

/// As many of them as there is room for.
pub fn keys(scene: &Scene<'_>, columns: u16) -> &'static str {
    match scene.mode {
        Mode::Asking(_) => "Enter asks  Esc leaves  ^U empties",
        Mode::Help => "any key closes the help",
        Mode::Watching if columns >= 76 => {
            "space pause  s one token  ←→ token  ↑↓ step  f follow  p ask  ? help  q quit"
        }
        Mode::Watching if columns >= 46 => "space pause  ←→ token  ↑↓ step  ? help  q quit",
        Mode::Watching => "←→ token  ↑↓ step  ? help  q quit",
    }
}

/// The name of a state.
pub fn letter(level: Level) -> &'static str {
    match level {
        Level::L => "L",
        Level::H => "H",
    }
}

/// From 0 to 1, as people say it.
pub fn percent(probability: f32) -> String {
    match probability * 100.0 {
        p if p > 0.0 && p < 0.5 => "<1%".to_owned(),
        p if (99.5..100.0).contains(&p) => ">99%".to_owned(),
        p => format!("{p:.0}%"),
    }
}

/// With its sign, and two digits.
pub fn signed(value: f32) -> String {
    format!("{value:+.2}").replace('-', "−")
}

fn number(value: f32) -> String {
    if value != 0.0 && value.abs() < 0.001 { format!("{value:.0e}") } else { format!("{value:.3}") }
}
