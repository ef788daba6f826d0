//! The task of the model that ships inside the program: a running calculation, left to right, on a ring
//! of ten beads, so that only the last digit counts. The answer is the running values from the last to
//! the first: `7+5-3*4=` is answered `6927`.

/// The model: config.json, model.safetensors and tokenizer.json of models/beads.
pub const CONFIG: &str = include_str!("../../models/beads/config.json");
/// Its weights.
pub const WEIGHTS: &[u8] = include_bytes!("../../models/beads/model.safetensors");
/// Its tokenizer: one token a character.
pub const TOKENIZER: &[u8] = include_bytes!("../../models/beads/tokenizer.json");

/// The right answer; nothing where the text is not a problem of this task.
pub fn answer(problem: &str) -> Option<String> {
    let mut characters = problem.strip_suffix('=')?.chars();
    let mut value = characters.next()?.to_digit(10)?;
    let mut values = vec![value];
    while let Some(operation) = characters.next() {
        let operand = characters.next()?.to_digit(10)?;
        value = match operation {
            '+' => value + operand,
            '-' => value + 10 - operand,
            '*' => value * operand,
            _ => return None,
        } % 10;
        values.push(value);
    }
    values.iter().rev().map(|&v| char::from_digit(v, 10)).collect()
}

/// How many operations a problem has.
pub fn n_operations(problem: &str) -> usize {
    problem.chars().filter(|c| "+-*".contains(*c)).count()
}

/// How many operations stand behind the last `*0`, which forgets everything before it.
pub fn since_reset(problem: &str) -> Option<usize> {
    problem.rfind("*0").map(|at| n_operations(&problem[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_last_value_and_then_unwinds() {
        assert_eq!(answer("7+5-3*4=").as_deref(), Some("6927"));
        assert_eq!(answer("0-1=").as_deref(), Some("90"));
        assert_eq!(answer("8=").as_deref(), Some("8"));
    }

    #[test]
    fn other_texts_have_no_answer() {
        for text in ["", "=", "7+5", "7+=", "7/5=", "77=", "+7="] {
            assert_eq!(answer(text), None, "{text}");
        }
    }

    #[test]
    fn what_stands_behind_the_last_reset() {
        assert_eq!(n_operations("7+5-3*4="), 3);
        assert_eq!(since_reset("7+5-3*4="), None);
        assert_eq!(since_reset("7*0-3*0+4-2="), Some(2));
    }
}
