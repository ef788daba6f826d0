//! How a server is asked to stop.

use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use crate::interrupt::Graceful;

/// How it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// What was running has finished, or has had its time.
    InTime,
    /// Somebody asked a second time.
    AtOnce,
}

/// How often Ctrl-C is looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// Ctrl-C and SIGTERM.
pub struct Signals {
    /// A second Ctrl-C ends the program by itself.
    interrupt: Graceful,
    is_interrupted: bool,
    terminate: Terminate,
}

impl Signals {
    /// From here on they only ask.
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals { interrupt: Graceful::begin(), is_interrupted: false, terminate: Terminate::listen()? })
    }

    /// Until one comes that has not come before.
    pub async fn next(&mut self) {
        tokio::select! {
            () = interrupted(&self.interrupt, self.is_interrupted) => self.is_interrupted = true,
            () = self.terminate.recv() => (),
        }
    }
}

async fn interrupted(interrupt: &Graceful, before: bool) {
    if before {
        pending::<()>().await;
    }
    while !interrupt.asked() {
        sleep(GLANCE).await;
    }
}

#[cfg(unix)]
struct Terminate(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Terminate {
    fn listen() -> std::io::Result<Terminate> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map(Terminate)
    }

    async fn recv(&mut self) {
        if self.0.recv().await.is_none() {
            pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
struct Terminate;

#[cfg(not(unix))]
impl Terminate {
    fn listen() -> std::io::Result<Terminate> {
        Ok(Terminate)
    }

    async fn recv(&mut self) {
        pending::<()>().await;
    }
}
