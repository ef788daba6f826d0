//! What can be seen of the thinking.

use serde::Serialize;

/// One step of one token, as it happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTrace {
    /// From 1.
    pub step: u32,
    /// The halting values, before the bias.
    pub q_halt: f32,
    /// The halting values, before the bias.
    pub q_continue: f32,
    /// `q_halt + halt_bias - q_continue`: the test is passed above 0.
    pub margin: f32,
    /// The time that the step took, in milliseconds, with the look at the output stage.
    pub ms: f64,
    /// The first position that the step computed; those before it were cached.
    pub first_position: usize,
    /// The updates of z_L and z_H, in their order; none where everything was cached.
    pub cycles: Vec<CycleTrace>,
    /// z_H of the last position after each H cycle, `[H cycle][C]`.
    pub z_h: Vec<Vec<f32>>,
    /// What the model would say if it stopped here, the likeliest first.
    pub top: Vec<TopToken>,
}

/// How far a state moved in one cycle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CycleTrace {
    /// Which state.
    pub level: Level,
    /// The root mean square of the change, for each computed position.
    pub moved: Vec<f32>,
}

/// The two levels of the reasoning module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Level {
    /// z_L, the detailed one.
    L,
    /// z_H, the abstract one.
    H,
}

/// A token and its probability, over the whole vocabulary at temperature 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TopToken {
    /// The token.
    pub token: u32,
    /// From 0 to 1.
    pub probability: f32,
}

/// The `n` likeliest tokens of some logits `[V]`, the likeliest first; of equal ones the lower id.
pub fn likeliest(logits: &[f32], n: usize) -> Vec<TopToken> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let descending = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if n < order.len() {
        order.select_nth_unstable_by(n, descending);
        order.truncate(n);
    }
    order.sort_by(descending);
    let probability = |token: u32| (f64::from(logits[token as usize] - largest).exp() / sum) as f32;
    order.into_iter().map(|token| TopToken { token, probability: probability(token) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first() {
        let found = likeliest(&[0.0, 2.0, -1.0, 1.0, 2.0], 3);
        assert_eq!(found.iter().map(|top| top.token).collect::<Vec<_>>(), [1, 4, 3]);
        assert!((found[0].probability - 0.3917).abs() < 1e-3, "{found:?}");
        let found = likeliest(&[0.0, 2.0, -1.0, 1.0, 0.5, 0.2, 0.1], 5);
        assert_eq!(found.iter().map(|top| top.token).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
        assert!((found[0].probability - 0.4782).abs() < 1e-3, "{found:?}");
    }
}
