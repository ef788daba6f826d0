//! What fits into a memory: how many sequences of how many tokens, beside the weights.

use fathom_engine::{CacheBytes, Config, WeightType, WorkBytes, weights_bytes};
use serde::Serialize;

use super::ByType;

/// A size as people write it: `8GB` is 8,000,000,000 bytes, `8GiB` is 8,589,934,592.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// As it was written.
    pub name: String,
    /// In bytes.
    pub bytes: u64,
}

/// Slots are counted in 32 bits.
const MOST_SLOTS: u64 = u32::MAX as u64;

impl Memory {
    /// For clap.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Memory, String> {
        let expected = || "expected a size such as 8GB, 24GiB or 500MB".to_owned();
        let text = text.trim();
        let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let number: f64 = number.parse().map_err(|_| expected())?;
        let unit = unit.trim().to_ascii_lowercase();
        let (unit, base) = match unit.strip_suffix("ib") {
            Some(unit) => (unit, 1024_f64),
            None => (unit.strip_suffix('b').unwrap_or(&unit), 1000.0),
        };
        let power = match unit {
            "k" => 1,
            "m" => 2,
            "g" => 3,
            "t" => 4,
            _ => return Err(expected()),
        };
        let bytes = number * base.powi(power);
        if !(1.0..1e18).contains(&bytes) {
            return Err(expected());
        }
        Ok(Memory { name: text.to_owned(), bytes: bytes as u64 })
    }

    /// From a small computer to a large GPU.
    pub fn usual() -> Vec<Memory> {
        let gb = |n: u64| Memory { name: format!("{n}GB"), bytes: n * 1_000_000_000 };
        [1, 2, 4, 8, 16, 24, 80].map(gb).into()
    }
}

/// What fits into one memory.
#[derive(Serialize)]
pub struct Fit {
    /// The size as it was written.
    pub memory: String,
    /// In bytes.
    pub bytes: u64,
    /// By the type of the weights.
    #[serde(flatten)]
    pub by_type: ByType<Rooms>,
}

/// What fits with weights of one type.
#[derive(Clone, Copy, Serialize)]
pub struct Rooms {
    /// Where every token is thought about for one step; null where the weights alone do not fit.
    pub depth_1: Option<Room>,
    /// At the deepest.
    pub full_depth: Option<Room>,
}

/// Sequences of one length. No tokens: the weights fit, but nothing beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Room {
    /// Sequences.
    pub n_sequences: u64,
    /// Tokens of each: the whole window where that fits.
    pub n_tokens: u64,
}

impl Fit {
    /// For a model.
    pub fn of(config: &Config, memory: &Memory) -> Fit {
        let rooms = |weight_type: WeightType| {
            let room = |depth: u64| room(config, memory.bytes, weight_type, depth);
            Rooms { depth_1: room(1), full_depth: room(config.hrm_max_steps as u64) }
        };
        Fit { memory: memory.name.clone(), bytes: memory.bytes, by_type: ByType::each(rooms) }
    }
}

fn room(config: &Config, memory_bytes: u64, weight_type: WeightType, depth: u64) -> Option<Room> {
    let left = u128::from(memory_bytes.checked_sub(weights_bytes(config, weight_type))?);
    let (cache, work) = (CacheBytes::of(config), WorkBytes::of(config));
    let fits = |n_sequences: u64, n_tokens: u64| {
        let n_slots = n_sequences * n_tokens;
        n_slots <= MOST_SLOTS
            && cache.at_most(n_slots, depth) + work.allocated(n_slots.min(WorkBytes::MOST_ROWS), n_sequences)
                <= left
    };
    let window = config.block_size as u64;
    let n_sequences = most(MOST_SLOTS / window, |n| fits(n, window));
    Some(if n_sequences > 0 {
        Room { n_sequences, n_tokens: window }
    } else {
        let n_tokens = most(window, |n| fits(1, n));
        Room { n_sequences: n_tokens.min(1), n_tokens }
    })
}

/// The largest number up to `limit` that fits, where smaller ones always fit too; 0 where none does.
fn most(limit: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut good, mut above) = (0, limit + 1);
    while above - good > 1 {
        let middle = good + (above - good) / 2;
        if fits(middle) { good = middle } else { above = middle }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::super::parts::tests::released;
    use super::*;

    #[test]
    fn sizes() {
        let bytes = |text: &str| Memory::parse(text).map(|memory| memory.bytes);
        assert_eq!(bytes("8GB"), Ok(8_000_000_000));
        assert_eq!(bytes("1.5 GiB"), Ok(3 << 29));
        assert_eq!(bytes("500m"), Ok(500_000_000));
        for wrong in ["", "8", "GB", "8XB", "-1GB", "0GB", "9999999999TB", "1.2.3GB", "8 bananas"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_most_that_fits() {
        assert_eq!(most(100, |n| n * n <= 50), 7);
        assert_eq!(most(5, |_| true), 5);
        assert_eq!(most(5, |_| false), 0);
    }

    #[test]
    fn a_window_more_would_not_fit() {
        let config = released();
        let room = |bytes: u64, weight_type| room(&config, bytes, weight_type, 16);
        assert_eq!(room(300_000_000, WeightType::F32), None, "the weights alone are 331 MB");
        assert!(room(300_000_000, WeightType::F16).is_some_and(|room| room.n_tokens < 512));
        // 491 MB a window, and half of what all depths share once more while it grows.
        let Some(eight) = room(8_000_000_000, WeightType::F32) else { panic!("it fits") };
        assert_eq!(eight.n_tokens, 512);
        assert!((12..=15).contains(&eight.n_sequences), "{eight:?}");
    }
}
