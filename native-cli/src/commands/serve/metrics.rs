//! What Prometheus is told.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A request's route and the status of its response.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    route: String,
    status: u16,
}

/// Counters and histograms of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    /// Tokens of prompts that were begun to be read.
    pub prompt_tokens: Counter,
    /// Those of them that their slot knew already.
    pub cached_tokens: Counter,
    /// Tokens that were made.
    pub made_tokens: Counter,
    /// Answers that nobody waited for any more: the client went away, or the time was over.
    pub cancelled: Counter,
    /// How often the device was lost and the model loaded again.
    pub reloads: Counter,
    /// Answers that wait for a slot.
    pub waiting: Gauge,
    /// Answers that are made.
    pub running: Gauge,
    depth: Histogram,
    first_token: Histogram,
    token: Histogram,
}

impl Metrics {
    /// All at zero.
    pub fn new(most_steps: usize) -> Metrics {
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let mut metrics = Metrics {
            registry: Registry::with_prefix("fathom"),
            requests: Family::default(),
            prompt_tokens: Counter::default(),
            cached_tokens: Counter::default(),
            made_tokens: Counter::default(),
            cancelled: Counter::default(),
            reloads: Counter::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            depth: Histogram::new((1..=most_steps).map(|depth| depth as f64)),
            first_token: seconds(),
            token: seconds(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("requests", "Requests by route and status", self.requests.clone());
        r.register("prompt_tokens", "Tokens of prompts", self.prompt_tokens.clone());
        r.register(
            "prompt_tokens_cached",
            "Tokens of prompts that had been read before",
            self.cached_tokens.clone(),
        );
        r.register("generated_tokens", "Tokens made", self.made_tokens.clone());
        r.register("cancelled", "Answers cancelled: client gone or time over", self.cancelled.clone());
        r.register("reloads", "Times that the model was loaded again", self.reloads.clone());
        r.register("waiting", "Answers that wait for their turn", self.waiting.clone());
        r.register("running", "Answers that are made", self.running.clone());
        r.register("token_depth", "Reasoning steps of each token made", self.depth.clone());
        r.register_with_unit(
            "time_to_first_token",
            "From the request to its first token",
            Unit::Seconds,
            self.first_token.clone(),
        );
        r.register_with_unit(
            "token",
            "From one token of an answer to the next",
            Unit::Seconds,
            self.token.clone(),
        );
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, status: u16) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), status }).inc();
    }

    /// A token was made: how deep, and how long after the one before, or after the request came in.
    pub fn token(&self, depth: u32, took: Duration, is_first: bool) {
        self.made_tokens.inc();
        self.depth.observe(f64::from(depth));
        let histogram = if is_first { &self.first_token } else { &self.token };
        histogram.observe(took.as_secs_f64());
    }

    /// In Prometheus' text form.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _a_string_takes_all = encode(&mut text, &self.registry);
        text
    }
}
