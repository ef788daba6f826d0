//! What is seen of a pull, and how long it keeps trying.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::output;

/// One bar over the bytes of all files for a terminal, a line a file for anything else, and nothing for `--quiet`.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    has_bar: bool,
    began: Instant,
    total: u64,
    done: u64,
    fetched: u64,
}

impl Progress {
    /// Nothing is known yet, so nothing is seen.
    pub fn new(quiet: bool) -> Progress {
        let has_bar = !quiet && output::stderr_is_terminal();
        Progress {
            bar: ProgressBar::hidden(),
            quiet,
            has_bar,
            began: Instant::now(),
            total: 0,
            done: 0,
            fetched: 0,
        }
    }

    /// How many bytes there are in all, as far as it is known.
    pub fn expect(&mut self, total: u64) {
        self.total = total;
        if self.has_bar && self.bar.is_hidden() {
            let style = ProgressStyle::with_template(
                "{bar:24} {percent:>3}%  {bytes:>10} of {total_bytes}  {bytes_per_sec:>12}  {eta} left",
            );
            self.bar =
                ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        self.bar.set_length(total);
    }

    /// Bytes that were there already.
    pub fn found(&mut self, bytes: u64) {
        self.done += bytes;
        self.bar.set_position(self.done);
        // What did not come over the network says nothing about its speed.
        self.bar.reset_eta();
    }

    /// Bytes that came over the network.
    pub fn arrived(&mut self, bytes: u64) {
        self.done += bytes;
        self.fetched += bytes;
        self.bar.set_position(self.done);
    }

    /// Bytes that were thrown away again.
    pub fn lost(&mut self, bytes: u64) {
        self.done = self.done.saturating_sub(bytes);
        self.bar.set_position(self.done);
        self.bar.reset_eta();
    }

    /// Bytes that are still to come.
    pub fn missing(&self) -> u64 {
        self.total.saturating_sub(self.done)
    }

    /// A file is whole.
    pub fn file_is_done(&self, name: &str, bytes: u64) {
        if !self.has_bar {
            self.note(&format!("{name}  {}", HumanBytes(bytes)));
        }
    }

    /// A line that stays, above the bar.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| output::note(line));
        }
    }

    /// How much came over the network, and how long it took.
    pub fn summary(&self) -> String {
        let took = self.began.elapsed();
        let speed = (self.fetched as f64 / took.as_secs_f64().max(0.001)) as u64;
        format!("{} in {:.1} s, {}/s", HumanBytes(self.fetched), took.as_secs_f64(), HumanBytes(speed))
    }

    /// The bar is of no more use.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a request was not answered as it should have been.
#[derive(Debug)]
pub enum Trouble {
    /// It may go better the next time, after this long if the server says so.
    Passing(String, Option<Duration>),
    /// Asking again will not help.
    Lasting(anyhow::Error),
}

impl Trouble {
    /// It may go better the next time.
    pub fn passing(why: impl fmt::Display) -> Trouble {
        Trouble::Passing(why.to_string(), None)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Trouble {
        Trouble::Lasting(error)
    }
}

/// The first pause; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longer than this nobody waits who was not asked.
const LONGEST_WISH: Duration = Duration::from_secs(120);

/// The tries of one request: so many failures in a row are put up with.
pub struct Tries {
    most: u32,
    failed: u32,
}

impl Tries {
    /// None failed yet.
    pub fn new(most: u32) -> Tries {
        Tries { most, failed: 0 }
    }

    /// It went well enough for the failures before not to count.
    pub fn renew(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next try, and says so.
    ///
    /// # Errors
    /// The trouble, if it lasts, or if it was one too many.
    pub fn wait(&mut self, what: &str, trouble: Trouble, progress: &Progress) -> anyhow::Result<()> {
        let (why, wish) = match trouble {
            Trouble::Lasting(error) => return Err(error.context(what.to_owned())),
            Trouble::Passing(why, wish) => (why, wish),
        };
        if self.failed >= self.most {
            let tries = if self.most == 0 { String::new() } else { format!(" ({} tries)", self.most + 1) };
            let kept =
                if progress.done == 0 { "" } else { "; what has arrived is kept, pull again to go on" };
            anyhow::bail!("{what}: {why}{tries}{kept}");
        }
        if let Some(wish) = wish.filter(|&wish| wish > LONGEST_WISH) {
            anyhow::bail!("{what}: {why}, and asks to wait {} s: pull again then", wish.as_secs());
        }
        let pause = wish.unwrap_or_else(|| pause_after(self.failed));
        self.failed += 1;
        progress.note(&format!(
            "{what}: {why}; again in {:.1} s ({} of {})",
            pause.as_secs_f64(),
            self.failed,
            self.most
        ));
        thread::sleep(pause);
        Ok(())
    }
}

fn pause_after(n_failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2u32.saturating_pow(n_failures)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_somewhere() {
        let pauses: Vec<f64> = (0..5).map(|n| pause_after(n).as_secs_f64()).collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn trouble_that_lasts_is_not_waited_for() {
        let progress = Progress::new(true);
        let mut tries = Tries::new(3);
        assert!(tries.wait("x", Trouble::Lasting(anyhow::anyhow!("no")), &progress).is_err());
        assert!(
            tries
                .wait("x", Trouble::Passing("busy".to_owned(), Some(Duration::from_secs(999))), &progress)
                .is_err()
        );
        assert!(Tries::new(0).wait("x", Trouble::passing("cut"), &progress).is_err());
        assert!(
            tries.wait("x", Trouble::Passing("busy".to_owned(), Some(Duration::ZERO)), &progress).is_ok()
        );
    }
}
