//! What is said in words: the test of a step, where one is, sums, keys.

use fathom_engine::{HaltedBy, Level};

use super::{Mode, Scene};
use crate::commands::watch::state::{Step, Thought};

/// All keys, and what the picture shows.
pub const HELP: [&str; 20] = [
    "For each token the model thinks in steps. After each it",
    "compares its wish to stop (q_halt, plus a bias) with its",
    "wish to go on (q_continue). A bar left of the line: it goes",
    "on; right of it: it stops, and says the token.",
    "In a step two states move: L, the fast one, and H, the slow",
    "one. The higher the block, the farther (logarithmic).",
    "Reversed letters: what it said in the end.",
    "",
    "← →       a token back, on        Home End  first, last",
    "↑ ↓       a step back, on         f         follow the newest",
    "space     pause, go on            s         make one token",
    "+ -       quicker, slower         p         ask something else",
    "b B       halting bias down, up, and start over:",
    "          lower thinks longer, higher shorter",
    "q Esc     quit",
    "",
    "The steps are shown slowly; times and tokens/s are those",
    "that were really taken, with the look at every step.",
    "",
    "",
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

/// Which token one looks at, and what came of it.
pub fn headline(scene: &Scene<'_>) -> String {
    let watched = scene.watched;
    let Some(thought) = watched.thought() else { return "no token yet".to_owned() };
    let place = format!("token {} of {}", watched.token() + 1, watched.thoughts.len());
    let Some(said) = &thought.said else {
        return format!("{place}: thinking, step {} of at most {}", thought.steps.len(), scene.deepest);
    };
    let how = match said.halted_by {
        HaltedBy::Test => format!("stopped itself after {}", in_steps(said.depth)),
        HaltedBy::Cap => format!("cut off at the limit of {}", in_steps(said.depth)),
        HaltedBy::Forced => format!("made to think {}", in_steps(said.depth)),
    };
    format!("{place}, “{}”: {how} (of at most {})", said.name, scene.deepest)
}

/// The test of the step that one looks at, and what moved in it.
pub fn sentences(scene: &Scene<'_>) -> Vec<String> {
    let watched = scene.watched;
    if let Some(note) = &watched.note {
        return vec![note.clone()];
    }
    let Some(thought) = watched.thought() else { return Vec::new() };
    let Some(step) = thought.steps.get(watched.step()) else { return Vec::new() };
    let hidden = watched.hidden(watched.token(), watched.step());
    if hidden > 0 {
        return vec![format!("Step {}: the states move …", step.number), movement(step, hidden)];
    }
    vec![verdict(step, thought), movement(step, 0)]
}

fn verdict(step: &Step, thought: &Thought) -> String {
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
    format!(
        "Step {}: q_halt {} bias {} = {} {sign} {} q_continue: {end}",
        step.number,
        signed(step.q_halt),
        signed(bias),
        signed(step.q_halt + bias),
        signed(step.q_continue)
    )
}

fn movement(step: &Step, hidden: usize) -> String {
    if step.cycles.is_empty() {
        return "Known from before; nothing had to move.".to_owned();
    }
    let shown = step.cycles.iter().take(step.cycles.len() - hidden.min(step.cycles.len()));
    let moves: Vec<String> =
        shown.map(|cycle| format!("{} by {}", letter(cycle.level), number(cycle.moved))).collect();
    let took = if hidden == 0 { format!(" (took {:.1} ms)", step.ms) } else { String::new() };
    format!("Moved: {}{took}", moves.join(", "))
}

/// Device, depth, speed; with the shortest of the keys where they have no line of their own.
pub fn sums(scene: &Scene<'_>, columns: u16, has_keys: bool) -> String {
    let watched = scene.watched;
    let mut parts = vec![scene.device.clone()];
    if let Some(mean) = watched.mean_depth() {
        parts.push(format!("depth {mean:.1} on average"));
    }
    if let Some(rate) = watched.tokens_per_s() {
        parts.push(format!("{rate:.1} tokens/s"));
    }
    if columns >= 60 {
        parts.push(format!("bias {}", signed(scene.bias)));
        parts.push(match scene.pace.as_millis() {
            0 => "full speed".to_owned(),
            ms => format!("{ms} ms a step"),
        });
    }
    if !has_keys {
        parts.insert(0, "? help".to_owned());
        if scene.is_paused {
            parts.insert(0, "‖ paused".to_owned());
        }
    }
    parts.join(" · ")
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
        p if p >= 99.5 && p < 100.0 => ">99%".to_owned(),
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

fn in_steps(depth: u32) -> String {
    if depth == 1 { "1 step".to_owned() } else { format!("{depth} steps") }
}
