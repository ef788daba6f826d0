//! Intervals that hold the true value 95 times in 100.

/// Fewer windows say too little of how windows differ: the interval would be far too narrow.
const FEWEST_WINDOWS: usize = 10;

/// Of the normal distribution, two-sided.
const Z_95: f64 = 1.959_963_984_540_054;

/// Of a share: Wilson's interval, which is also right near 0 and 1 and for few items. (0, 1) of none.
pub fn wilson(n_right: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (n as f64, n_right as f64 / n as f64);
    let squared = Z_95 * Z_95;
    let centre = (share + squared / (2.0 * n)) / (1.0 + squared / n);
    let half = Z_95 / (1.0 + squared / n) * (share * (1.0 - share) / n + squared / (4.0 * n * n)).sqrt();
    // Exact at the ends, where rounding would leave almost 0 and almost 1.
    let low = if n_right == 0 { 0.0 } else { centre - half };
    let high = if share == 1.0 { 1.0 } else { centre + half };
    (low, high)
}

/// Of a mean over tokens that come in windows, by how the windows differ: neighbouring tokens are alike, so each
/// by itself would count too much. `windows` are (sum, number of tokens); None for fewer than ten.
pub fn of_windows(windows: &[(f64, f64)]) -> Option<(f64, f64)> {
    if windows.len() < FEWEST_WINDOWS {
        return None;
    }
    let (sum, n) = windows.iter().fold((0.0, 0.0), |(sum, n), window| (sum + window.0, n + window.1));
    let mean = sum / n;
    let squares: f64 = windows.iter().map(|(sum, n)| (sum - mean * n).powi(2)).sum();
    let n_windows = windows.len() as f64;
    let half = Z_95 * (squares * n_windows / (n_windows - 1.0)).sqrt() / n;
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval() {
        // Newcombe 1998, table I: 81 of 263 and 0 of 20, 1 of 29.
        for (right, n, expected) in
            [(81, 263, (0.2553, 0.3662)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))]
        {
            let (low, high) = wilson(right, n);
            assert!((low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5, "{low} {high}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!((wilson(0, 4500).0, wilson(4500, 4500).1), (0.0, 1.0));
    }

    #[test]
    fn windows_of_one_token_are_a_plain_sample() {
        // The variance of 1, 2, 3 four times is 8 / 11.
        let windows = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)].repeat(4);
        let (low, high) = of_windows(&windows).unwrap_or_default();
        assert!(((high - low) / 2.0 - Z_95 * (8.0f64 / 11.0 / 12.0).sqrt()).abs() < 1e-12);
        assert_eq!(of_windows(&windows[..9]), None);
    }
}
