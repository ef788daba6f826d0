//! `fathom serve`: the model over HTTP, in the form of OpenAI's interface.
//!
//! Connections and JSON live in a small tokio runtime; the model lives on one thread of its own (`worker`), which
//! owns the batch. Between them are two channels: jobs in, what came of them out.

mod answer;
mod error;
mod http;
mod metrics;
mod reply;
mod request;
mod routes;
mod stop;
mod stream;
mod worker;

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use axum::http::HeaderValue;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use fathom_engine::Model;
use tokio::sync::Semaphore;

use self::metrics::Metrics;
use self::request::Served;
use self::routes::Shared;
use self::stop::Stopped;
use crate::args::{DepthArgs, ModelArgs, SamplingArgs, at_least_one, whole};
use crate::cli::Common;
use crate::failure::{INTERRUPTED, usage};
use crate::loading::{self, Origin, Source};
use crate::output;
use crate::template::ChatTemplate;

const AFTER_HELP: &str = "\
Routes:
  POST /v1/completions         continue a prompt
  POST /v1/chat/completions    answer in a conversation
  GET /v1/models[/NAME]  GET /health  GET /metrics (Prometheus)

What neither a request nor a flag says:
  completions                  temperature 1, drawn from all tokens
  conversations                temperature 0.5, top-k 40, repetition penalty 1.2
                               (the authors' template); else the likeliest token
  max_tokens                   until the end token, or the window is full";

/// `fathom serve`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ServeArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Address to listen on; one that other machines reach needs --api-key or --no-api-key
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0: any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Answers to make at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one, allow_negative_numbers = true)]
    pub parallel: u32,
    /// Answers that may wait for their turn; more are refused with 429
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = whole, allow_negative_numbers = true)]
    pub queue: u32,
    /// Only answer to requests with this key, in the header `Authorization: Bearer KEY`; the variable keeps it
    /// out of the list of processes
    #[arg(long, value_name = "KEY", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub api_key: Option<String>,
    /// Answer to everybody, also where other machines reach it
    #[arg(long, conflicts_with = "api_key")]
    pub no_api_key: bool,
    /// Name of the model [default: that of its folder]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub alias: Option<String>,
    /// Bytes that a request may have
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = at_least_one, allow_negative_numbers = true)]
    pub max_body: u32,
    /// Seconds that a request may take, waiting included; 0: for ever
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: Duration,
    /// Seconds that running requests have to finish after Ctrl-C or SIGTERM
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub grace: Duration,
    /// Let web pages from this origin ask: https://example.org, or * for any
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub cors: Option<HeaderValue>,
    /// A line on standard error for each request; what is asked and answered is never written
    #[arg(long)]
    pub log: bool,
    /// How to choose tokens, where a request does not say.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How long to think, where a request does not say.
    #[command(flatten)]
    pub depth: DepthArgs,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a number of seconds from 0 on".to_owned())
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = text == "*" || (text.contains("://") && !text.ends_with('/'));
    let value = HeaderValue::from_str(text).ok().filter(|_| is_origin);
    value.ok_or_else(|| "expected an origin such as https://example.org, or *".to_owned())
}

/// Carries out `fathom serve`.
pub fn serve(common: &Common, args: ServeArgs) -> anyhow::Result<ExitCode> {
    let depth = args.depth.resolve()?;
    let addresses = addresses(&args)?;
    let is_loopback = addresses.iter().all(|address| address.ip().is_loopback());
    // Before the model is loaded: a port that is taken should not cost a minute.
    let listener = TcpListener::bind(&*addresses)
        .with_context(|| format!("--host {} --port {}", args.host, args.port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let source = args.model.source(common)?;
    let model = loading::open_model(&source, common)?;
    let served = Served {
        id: args.alias.unwrap_or_else(|| name_of(&source, &model)),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        device: model.device().name(),
        config: model.config().clone(),
        tokenizer: model.tokenizer().cloned(),
        template: ChatTemplate::of(&source, &model)?,
        sampling: args.sampling,
        depth,
    };
    served.check_defaults()?;
    let metrics = Arc::new(Metrics::new(served.config.hrm_max_steps));
    let greeting = format!(
        "{} on {}: http://{address} · {} at once, {} waiting · Ctrl-C stops",
        served.id, served.device, args.parallel, args.queue
    );
    let (jobs, ended, worker) =
        worker::start(common, source, model, args.parallel as usize, Arc::clone(&metrics))?;
    let most_jobs = args.parallel as usize + args.queue as usize;
    let shared = Shared {
        served,
        jobs,
        seats: Arc::new(Semaphore::new(most_jobs)),
        most_jobs,
        metrics,
        key: args.api_key,
        only_local_names: is_loopback,
        max_body: args.max_body as usize,
        timeout: Some(args.timeout).filter(|timeout| !timeout.is_zero()),
        log: args.log && !common.quiet,
    };
    let router = routes::router(shared, args.cors);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if !common.quiet {
        output::note(&greeting);
    }
    let stopped = runtime.block_on(http::listen(listener, router, ended, args.grace, common.quiet));
    // Whoever is still connected is dropped, and with it what it asked for: the worker ends after this token.
    drop(runtime);
    worker.join().map_err(|_| anyhow!("the model's thread broke down; please report it"))??;
    Ok(match stopped? {
        Stopped::InTime => ExitCode::SUCCESS,
        Stopped::AtOnce => ExitCode::from(INTERRUPTED),
    })
}

/// What --host and --port mean; refuses to be open to other machines by mistake.
fn addresses(args: &ServeArgs) -> anyhow::Result<Vec<SocketAddr>> {
    let found = (args.host.trim_matches(['[', ']']), args.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.with_context(|| format!("--host {}", args.host))?.collect();
    let open = found.iter().map(SocketAddr::ip).find(|ip| !IpAddr::is_loopback(ip));
    match open {
        Some(ip) if args.api_key.is_none() && !args.no_api_key => Err(usage(format!(
            "--host {}: other machines reach {ip}; give --api-key KEY, or --no-api-key to answer to everybody",
            args.host
        ))),
        _ => Ok(found),
    }
}

fn name_of(source: &Source, model: &Model) -> String {
    match source.origin {
        Origin::BuiltIn => "beads".to_owned(),
        _ => model.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_flags() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["-1", "x", "inf", "NaN", "1e300"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(origin("https://example.org").is_ok() && origin("*").is_ok());
        assert!(origin("https://example.org/").is_err() && origin("example.org").is_err());
    }
}
