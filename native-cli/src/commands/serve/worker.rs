//! The thread that the model lives on. It takes jobs, seats them in the batch as slots become free, and tells
//! their requests of each token.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use fathom_engine::{Batch, Done, Error, GenerateOptions, Model, TokenEvent};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::error::ApiError;
use super::metrics::Metrics;
use crate::cli::Common;
use crate::loading::{self, Source};
use crate::output;

/// One answer to be made.
#[derive(Debug)]
pub struct Job {
    /// Which of its request's choices it is.
    pub choice: usize,
    /// Checked already.
    pub prompt: Vec<u32>,
    /// Checked already.
    pub options: GenerateOptions,
    /// To its request; when that is gone, the job is cancelled. It never holds more than a window of tokens.
    pub updates: mpsc::UnboundedSender<(usize, Update)>,
    /// When the request came in.
    pub asked: Instant,
    /// Its place in the house, given back when the job ends.
    pub seat: OwnedSemaphorePermit,
}

/// What a request hears of one of its choices.
#[derive(Debug)]
pub enum Update {
    /// Its prompt is read from here on; so many of its tokens are known already.
    Begun { n_cached: usize },
    /// One more token.
    Token(TokenEvent),
    /// It is over; the text is what was held back.
    Ended(Done, String),
    /// It came to nothing.
    Failed(ApiError),
}

struct Running {
    choice: usize,
    updates: mpsc::UnboundedSender<(usize, Update)>,
    /// Of the token before, or of the request.
    since: Instant,
    has_begun: bool,
    seat: OwnedSemaphorePermit,
}

struct Worker<'a> {
    batch: Batch,
    jobs: Receiver<Job>,
    waiting: VecDeque<Job>,
    /// By slot.
    running: Vec<Option<Running>>,
    metrics: &'a Metrics,
    source: &'a Source,
    common: &'a Common,
    /// The device was lost, and there was no token since.
    was_lost: bool,
}

/// Where to send jobs, how to hear that the thread has ended, and the thread. It ends when nobody can send any more
/// and all is done.
type Started = (Sender<Job>, oneshot::Receiver<()>, JoinHandle<anyhow::Result<()>>);

/// Starts the thread.
///
/// # Errors
/// Where the device has no room for so many slots.
pub fn start(
    common: &Common,
    source: Source,
    model: Arc<Model>,
    n_slots: usize,
    metrics: Arc<Metrics>,
) -> anyhow::Result<Started> {
    let batch = Batch::with_slots(&model, n_slots, model.config().block_size)?;
    drop(model);
    let (sender, jobs) = channel();
    let (ended, has_ended) = oneshot::channel::<()>();
    let common = common.clone();
    let thread = thread::Builder::new().name("model".to_owned()).spawn(move || {
        // Dropped however the thread ends.
        let _ended = ended;
        let running = (0..n_slots).map(|_| None).collect();
        let (metrics, source, common) = (&*metrics, &source, &common);
        let waiting = VecDeque::new();
        Worker { batch, jobs, waiting, running, metrics, source, common, was_lost: false }.work()
    })?;
    Ok((sender, has_ended, thread))
}

impl Worker<'_> {
    fn work(mut self) -> anyhow::Result<()> {
        while self.take_jobs() {
            self.drop_cancelled();
            self.seat();
            match pollster::block_on(self.batch.next()) {
                Ok(events) => {
                    self.was_lost &= events.is_empty();
                    events.into_iter().for_each(|(slot, event)| self.tell(slot, event));
                }
                Err(lost @ Error::DeviceLost(_)) if !self.was_lost => self.reload(&lost)?,
                Err(error) => {
                    self.was_lost = false;
                    self.fail_all(&error);
                }
            }
        }
        Ok(())
    }

    /// Takes what has come, and waits where there is nothing to do. False: nothing will come any more.
    fn take_jobs(&mut self) -> bool {
        if self.waiting.is_empty() && self.running.iter().all(Option::is_none) {
            match self.jobs.recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(_) => return false,
            }
        }
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn drop_cancelled(&mut self) {
        let metrics = self.metrics;
        self.waiting.retain(|job| {
            let is_cancelled = job.updates.is_closed();
            if is_cancelled {
                metrics.waiting.dec();
                metrics.cancelled.inc();
            }
            !is_cancelled
        });
        for slot in 0..self.running.len() {
            if self.running[slot].as_ref().is_some_and(|running| running.updates.is_closed()) {
                metrics.cancelled.inc();
                drop(self.free(slot));
            }
        }
    }

    /// Gives free slots to those that wait, the first come first.
    fn seat(&mut self) {
        while let Some(job) = self.waiting.front() {
            let joined = self.batch.join(&job.prompt, job.options.clone());
            if matches!(joined, Ok(None)) {
                return;
            }
            let Some(Job { choice, prompt, updates, asked, seat, .. }) = self.waiting.pop_front() else {
                return;
            };
            self.metrics.waiting.dec();
            match joined {
                Ok(Some(slot)) => {
                    let n_cached = self.batch.n_cached(slot);
                    self.metrics.running.inc();
                    self.metrics.prompt_tokens.inc_by(prompt.len() as u64);
                    self.metrics.cached_tokens.inc_by(n_cached as u64);
                    let running = Running { choice, updates, since: asked, has_begun: false, seat };
                    running.send(Update::Begun { n_cached });
                    self.running[slot] = Some(running);
                    self.end_if_done(slot);
                }
                Ok(None) => {}
                Err(error) => send(&updates, choice, Update::Failed(ApiError::of(&error, "prompt"))),
            }
        }
    }

    fn tell(&mut self, slot: usize, event: Result<TokenEvent, Error>) {
        let Some(running) = &mut self.running[slot] else { return };
        match event {
            Ok(event) => {
                let now = Instant::now();
                self.metrics.token(event.depth, now - running.since, !running.has_begun);
                (running.since, running.has_begun) = (now, true);
                running.send(Update::Token(event));
                self.end_if_done(slot);
            }
            Err(error) => self.end(slot, Update::Failed(ApiError::of(&error, "prompt"))),
        }
    }

    fn end_if_done(&mut self, slot: usize) {
        let Some(done) = self.batch.done(slot) else { return };
        let rest = self.batch.rest(slot);
        self.end(slot, Update::Ended(done, rest));
    }

    /// The last that a request hears. Whoever has heard it finds the slot and the seat free.
    fn end(&mut self, slot: usize, update: Update) {
        if let Some(Running { choice, updates, seat, .. }) = self.free(slot) {
            drop(seat);
            send(&updates, choice, update);
        }
    }

    /// What was there.
    fn free(&mut self, slot: usize) -> Option<Running> {
        self.batch.leave(slot);
        let running = self.running[slot].take()?;
        self.metrics.running.dec();
        Some(running)
    }

    /// The running answers go on with the model on another device.
    fn reload(&mut self, lost: &Error) -> anyhow::Result<()> {
        self.was_lost = true;
        self.metrics.reloads.inc();
        if !self.common.quiet {
            output::note(&format!("{lost}; loading the model again"));
        }
        Ok(self.batch.move_to(&loading::open_model(self.source, self.common)?)?)
    }

    /// What happened to the device happened to all that it was at.
    fn fail_all(&mut self, error: &Error) {
        if !self.common.quiet {
            output::note(&format!("error: {error}"));
        }
        for slot in 0..self.running.len() {
            self.end(slot, Update::Failed(ApiError::of(error, "prompt")));
        }
    }
}

impl Running {
    fn send(&self, update: Update) {
        send(&self.updates, self.choice, update);
    }
}

/// A request that is gone is noticed before the next token.
fn send(updates: &mpsc::UnboundedSender<(usize, Update)>, choice: usize, update: Update) {
    let _gone = updates.send((choice, update));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::cli::Cli;
    use crate::commands::show::options;

    fn tokens(lose: bool) -> Vec<u32> {
        let common = Cli::parse_from(["fathom", "--quiet", "--device", "gpu"]).common;
        let model = loading::open_model(&Source::built_in(), &common).unwrap();
        let prompt = loading::encode(&model, "4-6+9*3-8+5*7=").unwrap();
        let (device, metrics) = (Arc::clone(model.device()), Arc::new(Metrics::new(16)));
        let (jobs, _ended, worker) =
            start(&common, Source::built_in(), model, 2, Arc::clone(&metrics)).unwrap();
        if lose {
            device.lose();
        }
        let (updates, mut heard) = mpsc::unbounded_channel();
        let seat = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let asked = Instant::now();
        jobs.send(Job { choice: 0, prompt, options: options(12), updates, asked, seat }).unwrap();
        drop(jobs);
        let mut tokens = vec![];
        while let Some((_, update)) = heard.blocking_recv() {
            match update {
                Update::Token(event) => tokens.push(event.token),
                Update::Failed(error) => panic!("{error:?}"),
                Update::Begun { .. } | Update::Ended(..) => {}
            }
        }
        worker.join().unwrap().unwrap();
        assert_eq!(metrics.reloads.get(), u64::from(lose));
        assert_eq!((metrics.running.get(), metrics.made_tokens.get()), (0, tokens.len() as u64));
        tokens
    }

    #[test]
    fn a_lost_device_changes_no_token() {
        let right = tokens(false);
        assert!(right.len() > 5);
        assert_eq!(tokens(true), right);
    }
}
