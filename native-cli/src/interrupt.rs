//! Ctrl-C. While tokens are made, the first one lets the token in hand finish and the summary appear;
//! at any other time, and the second time, it ends the program at once.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;

use crate::failure::INTERRUPTED;

const AT_ONCE: u8 = 0;
const AFTER_THIS_TOKEN: u8 = 1;
const ASKED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(AT_ONCE);

static TIDY: OnceLock<fn()> = OnceLock::new();

/// What has to be done also where the program is ended at once: giving back a terminal. The first one stays.
pub fn before_exit(tidy: fn()) {
    let _there_is_one = TIDY.set(tidy);
}

/// From here on Ctrl-C is ours.
pub fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        let asked = STATE.compare_exchange(AFTER_THIS_TOKEN, ASKED, Ordering::Relaxed, Ordering::Relaxed);
        if asked.is_err() {
            if let Some(tidy) = TIDY.get() {
                tidy();
            }
            process::exit(INTERRUPTED.into());
        }
    })
    .context("Ctrl-C cannot be handled here")
}

/// While this lives, the first Ctrl-C only asks.
pub struct Graceful(());

impl Graceful {
    /// Begins the time in which Ctrl-C only asks.
    pub fn begin() -> Graceful {
        STATE.store(AFTER_THIS_TOKEN, Ordering::Relaxed);
        Graceful(())
    }

    /// Ctrl-C was pressed since [`Graceful::begin`].
    pub fn asked(&self) -> bool {
        STATE.load(Ordering::Relaxed) == ASKED
    }
}

impl Drop for Graceful {
    fn drop(&mut self) {
        STATE.store(AT_ONCE, Ordering::Relaxed);
    }
}
