//! What shakes a puzzle's first state, so that copies of it take other paths.

use crate::puzzle::Random;

/// Normal noise on every number of H_init and L_init.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Its standard deviation.
    pub sigma: f32,
    /// The same noise for the same seed, on every machine.
    pub seed: u64,
}

/// The numbers of one seed.
pub struct Stream {
    sigma: f32,
    random: Random,
}

impl Noise {
    pub(super) fn stream(self) -> Stream {
        Stream { sigma: self.sigma, random: Random::new(self.seed) }
    }
}

impl Stream {
    /// The sum of twelve uniform numbers, less its mean: normal but for its far tails, and nothing that a platform's own
    /// logarithm or cosine could make different.
    pub fn next_number(&mut self) -> f32 {
        let mut uniform = || (self.random.bits() >> 40) as f32 / (1 << 24) as f32;
        let sum: f32 = (0..12).map(|_| uniform()).sum();
        self.sigma * (sum - 6.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_normal_and_the_same_each_time() {
        let numbers = |seed| {
            let mut stream = Noise { sigma: 2.0, seed }.stream();
            (0..10_000).map(|_| stream.next_number()).collect::<Vec<f32>>()
        };
        let found = numbers(7);
        assert_eq!(found, numbers(7));
        assert_ne!(found, numbers(8));
        let mean = found.iter().sum::<f32>() / 1e4;
        let variance = found.iter().map(|n| (n - mean).powi(2)).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.1 && (variance - 4.0).abs() < 0.2, "{mean} {variance}");
    }
}
