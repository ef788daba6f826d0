//! A thread that makes the answer and tells of it, no faster than it is listened to: a full channel makes it
//! wait, and one that nobody holds any more ends it after the token in hand.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use fathom_engine::{Generator, Model, StepTrace, TokenEvent};

use super::state::{Event, Said, Step};

/// So few steps ahead of what is shown that a pause is one for the device too.
const AHEAD: usize = 2;

/// How long a thread may take to end when the program does: longer tokens are left alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A thread and what it tells.
#[derive(Debug)]
pub struct Worker {
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Makes an answer, as soon as an earlier worker is through with its token.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(
        model: &Arc<Model>,
        generator: Generator,
        earlier: Option<Worker>,
    ) -> anyhow::Result<Worker> {
        let model = Arc::clone(model);
        Worker::spawn(move |events| {
            if let Some(earlier) = earlier {
                drop(earlier.events);
                let _it_told_of_its_own_end = earlier.thread.join();
            }
            answer(&model, generator, events)
        })
    }

    /// Does what tells of events until nobody listens.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn spawn(
        tell: impl FnOnce(&SyncSender<Event>) -> Result<(), SendError<Event>> + Send + 'static,
    ) -> anyhow::Result<Worker> {
        let (sender, events) = sync_channel(AHEAD);
        let thread = thread::Builder::new()
            .name("answer".to_owned())
            .spawn(move || {
                let _nobody_listens = tell(&sender);
            })
            .context("no thread can be started")?;
        Ok(Worker { events, thread })
    }

    /// What happened next, if it did already.
    ///
    /// # Errors
    /// The thread is gone.
    pub fn next(&self) -> Result<Event, TryRecvError> {
        self.events.try_recv()
    }

    /// Ends it, and waits for that unless it takes long.
    pub fn stop(self) {
        drop(self.events);
        let began = Instant::now();
        while !self.thread.is_finished() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn answer(
    model: &Model,
    mut generator: Generator,
    events: &SyncSender<Event>,
) -> Result<(), SendError<Event>> {
    let name = |token| model.token_name(token);
    // Somebody may have asked for another answer before this one had its turn.
    events.send(Event::Begun)?;
    loop {
        let mut told = Ok(());
        let mut tell = |trace: &StepTrace| {
            if told.is_ok() {
                told = events.send(Event::Step(Step::of(trace, name)));
            }
        };
        let made = pollster::block_on(generator.next(Some(&mut tell)));
        told?;
        match made {
            Ok(Some(TokenEvent { token, depth, halted_by, .. })) => {
                events.send(Event::Said(Said { token, name: name(token), depth, halted_by }))?;
            }
            Ok(None) => {
                let why = generator.done().map_or_else(String::new, |done| done.to_string());
                return events.send(Event::Done(why));
            }
            Err(error) => return events.send(Event::Failed(error.into())),
        }
        if let Some(sentence) = generator.overflowed() {
            events.send(Event::Note(sentence.to_owned()))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_is_no_faster_than_it_is_listened_to_and_ends_when_nobody_does() -> anyhow::Result<()> {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let worker = Worker::spawn(move |events| {
            loop {
                events.send(Event::Note("x".to_owned()))?;
                counted.fetch_add(1, Ordering::SeqCst);
            }
        })?;
        thread::sleep(Duration::from_millis(30));
        assert!(sent.load(Ordering::SeqCst) <= AHEAD);
        while worker.next().is_err() {}
        worker.stop();
        // The thread held the other one.
        assert_eq!(Arc::strong_count(&sent), 1);
        Ok(())
    }
}
