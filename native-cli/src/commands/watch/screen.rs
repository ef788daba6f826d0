//! The terminal while it is ours: full screen and raw, and given back however the program ends.

use std::io;

use anyhow::Context;
use ratatui::crossterm::style::force_color_output;
use ratatui::{DefaultTerminal, Frame};

use crate::interrupt::{self, Graceful};
use crate::paint::Paint;

/// Gives the terminal back when it is dropped.
pub struct Screen {
    terminal: DefaultTerminal,
    _given_back: GivenBack,
    graceful: Graceful,
    #[cfg(unix)]
    signals: signals::Signals,
}

struct GivenBack;

impl Drop for GivenBack {
    fn drop(&mut self) {
        give_back();
    }
}

/// May be called by any thread, and twice.
fn give_back() {
    let _it_may_be_gone = ratatui::try_restore();
    let _cursor = ratatui::crossterm::execute!(io::stdout(), ratatui::crossterm::cursor::Show);
}

impl Screen {
    /// Takes the terminal. Nobody may print to it from here on.
    ///
    /// # Errors
    /// There is none that can be taken.
    pub fn take(paint: Paint) -> anyhow::Result<Screen> {
        const WHAT: &str = "the terminal cannot be used full screen";
        force_color_output(paint.is_coloured());
        let graceful = Graceful::begin();
        #[cfg(unix)]
        let signals = signals::Signals::install().context(WHAT)?;
        interrupt::before_exit(give_back);
        let given_back = GivenBack;
        let terminal = ratatui::try_init().context(WHAT)?;
        Ok(Screen {
            terminal,
            _given_back: given_back,
            graceful,
            #[cfg(unix)]
            signals,
        })
    }

    /// Draws; only what changed is sent.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.terminal.draw(draw).context("the terminal")?;
        Ok(())
    }

    /// Whether a signal asked to end.
    pub fn is_asked_to_end(&self) -> bool {
        #[cfg(unix)]
        if self.signals.came() {
            return true;
        }
        self.graceful.asked()
    }
}

/// A raw terminal would survive the program, so these end it in an orderly way.
#[cfg(unix)]
mod signals {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;
    use std::{io, process, thread};

    use signal_hook::consts::{SIGHUP, SIGTERM};

    pub struct Signals(Arc<AtomicBool>);

    impl Signals {
        pub fn install() -> io::Result<Signals> {
            let came = Arc::new(AtomicBool::new(false));
            for signal in [SIGTERM, SIGHUP] {
                signal_hook::flag::register(signal, Arc::clone(&came))?;
            }
            let seen = Arc::clone(&came);
            thread::Builder::new().name("signals".to_owned()).spawn(move || insist(&seen))?;
            Ok(Signals(came))
        }

        pub fn came(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Waiting for a key never ends where the terminal is gone, so an orderly end has only so much time.
    fn insist(came: &AtomicBool) {
        while !came.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100));
        }
        thread::sleep(Duration::from_millis(700));
        super::give_back();
        process::exit(0);
    }
}
