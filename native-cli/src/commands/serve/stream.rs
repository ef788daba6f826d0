//! An answer as server-sent events, one for each token. When the client is gone, the stream is dropped, and with it
//! the receiver: that is how the worker knows.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Sleep, sleep_until};
use tokio_stream::Stream;

use super::answer::Asked;
use super::error::ApiError;
use super::reply::{Form, Usage};
use super::worker::Update;

/// Proxies and clients give up on connections that are silent.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

struct Events {
    form: Form,
    usage: Usage,
    include_usage: bool,
    n_open: usize,
    n: usize,
    updates: UnboundedReceiver<(usize, Update)>,
    deadline: Option<Pin<Box<Sleep>>>,
    ready: VecDeque<Event>,
    is_over: bool,
}

/// The response that streams.
pub fn respond(asked: Asked, include_usage: bool) -> Response {
    let Asked { form, usage, n_choices, n, updates, deadline } = asked;
    let deadline = deadline.map(|at| Box::pin(sleep_until(at)));
    let (ready, is_over) = (VecDeque::new(), false);
    let events =
        Events { form, usage, include_usage, n_open: n_choices, n, updates, deadline, ready, is_over };
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            let is_late =
                self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready());
            if is_late {
                self.fail(&ApiError::timeout());
                continue;
            }
            match ready!(self.updates.poll_recv(cx)) {
                Some((choice, update)) => self.hear(choice, update),
                None => self.fail(&ApiError::stopping()),
            }
        }
    }
}

impl Events {
    fn hear(&mut self, choice: usize, update: Update) {
        match update {
            Update::Begun { n_cached } => {
                if choice.is_multiple_of(self.n) {
                    self.usage.n_cached += n_cached;
                }
                if let Some(opening) = self.form.opening(choice) {
                    self.say(opening.to_string());
                }
            }
            Update::Token(event) => {
                self.usage.count(&event);
                self.say(self.form.token(choice, &event).to_string());
            }
            Update::Ended(done, rest) => {
                self.say(self.form.closing(choice, done, &rest).to_string());
                self.n_open -= 1;
                if self.n_open == 0 {
                    if self.include_usage {
                        self.say(self.form.usage(&self.usage).to_string());
                    }
                    self.say("[DONE]".to_owned());
                    self.is_over = true;
                }
            }
            Update::Failed(error) => self.fail(&error),
        }
    }

    fn say(&mut self, data: String) {
        self.ready.push_back(Event::default().data(data));
    }

    /// The status is long sent, so the error is an event, and the last one.
    fn fail(&mut self, error: &ApiError) {
        self.updates.close();
        self.say(error.body().to_string());
        self.is_over = true;
    }
}
