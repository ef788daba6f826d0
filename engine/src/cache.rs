//! Which (position, depth) is already computed.
//!
//! Everything is causal, so what was computed for a position stays right as long as the tokens up to it stay
//! the same. For each sequence there are counters of leading positions: `x_fill` of the input stage, `fill[d]`
//! of plane d, `out_fill[d]` of the output blocks at depth d. They only advance by what a readback confirmed,
//! so work that the device masked leaves no hole: the next submission's rows begin at the counters.

/// The cached context of one sequence. Depth d is at index d - 1.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    tokens: Vec<u32>,
    x_fill: usize,
    fill: Vec<usize>,
    out_fill: Vec<usize>,
}

impl Sequence {
    /// Room for that many depths.
    pub fn new(n_depths: usize) -> Sequence {
        Sequence { fill: vec![0; n_depths], out_fill: vec![0; n_depths], ..Sequence::default() }
    }

    /// The context.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Changes the context; what is common with the one before, from its first token on, stays computed.
    /// Returns from where on the tokens are new.
    pub fn set(&mut self, tokens: &[u32]) -> usize {
        let n_common = self.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        self.truncate(n_common);
        self.tokens.extend_from_slice(&tokens[n_common..]);
        n_common
    }

    /// One token more.
    pub fn push(&mut self, token: u32) {
        self.tokens.push(token);
    }

    /// Keeps what was computed for the first `n` positions, and their tokens.
    pub fn truncate(&mut self, n: usize) {
        self.tokens.truncate(n);
        self.forget(n);
    }

    /// Keeps the tokens, and what was computed for the first `n` positions.
    pub fn forget(&mut self, n: usize) {
        self.x_fill = self.x_fill.min(n);
        for fill in self.fill.iter_mut().chain(&mut self.out_fill) {
            *fill = (*fill).min(n);
        }
    }

    /// The first position that the input stage lacks.
    pub fn x_from(&self) -> usize {
        self.x_fill
    }

    /// The first position that a plane lacks.
    pub fn step_from(&self, depth: u32) -> usize {
        self.fill[depth as usize - 1]
    }

    /// The first position that the output stage has to compute at a depth. The last one is always computed:
    /// its logits are not kept.
    pub fn out_from(&self, depth: u32) -> usize {
        self.out_fill[depth as usize - 1].min(self.tokens.len().saturating_sub(1))
    }

    /// The input stage and the planes up to a depth are complete.
    pub fn confirm_steps(&mut self, depth: u32) {
        let n = self.tokens.len();
        self.x_fill = n;
        self.fill[..depth as usize].fill(n);
    }

    /// The output stage is complete at a depth, for the first `n` positions at least.
    pub fn confirm_output(&mut self, depth: u32, n: usize) {
        let out_fill = &mut self.out_fill[depth as usize - 1];
        *out_fill = n.max(*out_fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_keeps_what_it_shares() {
        let mut sequence = Sequence::new(4);
        assert_eq!(sequence.set(&[1, 2, 3]), 0);
        sequence.confirm_steps(2);
        sequence.confirm_output(2, 3);
        assert_eq!((sequence.x_from(), sequence.step_from(2), sequence.step_from(3)), (3, 3, 0));
        assert_eq!((sequence.out_from(2), sequence.out_from(1)), (2, 0), "the last one is computed again");

        assert_eq!(sequence.set(&[1, 2, 3, 4]), 3);
        assert_eq!((sequence.x_from(), sequence.step_from(1), sequence.out_from(2)), (3, 3, 3));
        assert_eq!(sequence.set(&[1, 9]), 1);
        assert_eq!((sequence.x_from(), sequence.step_from(2), sequence.out_from(2)), (1, 1, 1));
        assert_eq!(sequence.tokens(), [1, 9]);
    }
}
