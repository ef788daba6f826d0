//! From a request to its jobs, and from what came of them to the response.

use std::future::pending;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fathom_engine::GenerateOptions;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::sleep_until;

use super::error::ApiError;
use super::reply::{Choice, Form, Usage};
use super::request::Request;
use super::routes::{Body, Shared};
use super::stream;
use super::worker::{Job, Update};
use crate::args::any_seed;

/// A request whose jobs are on their way.
pub struct Asked {
    pub form: Form,
    pub usage: Usage,
    pub n_choices: usize,
    /// Choices of each prompt.
    pub n: usize,
    pub updates: mpsc::UnboundedReceiver<(usize, Update)>,
    pub deadline: Option<tokio::time::Instant>,
}

/// `POST /v1/completions`.
pub async fn completions(
    State(shared): State<Arc<Shared>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    answer(&shared, &request, false).await
}

/// `POST /v1/chat/completions`.
pub async fn chat_completions(
    State(shared): State<Arc<Shared>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    answer(&shared, &request, true).await
}

async fn answer(shared: &Shared, request: &Request, is_chat: bool) -> Result<Response, ApiError> {
    let began = Instant::now();
    // Long texts take a while to become tokens.
    let (prompts, options, form) = block_in_place(|| prepare(shared, request, is_chat))?;
    let n = request.n.unwrap_or(1) as usize;
    let asked = submit(shared, prompts, &options, n, form, began)?;
    if request.stream.unwrap_or(false) {
        let include_usage = request.stream_options.as_ref().and_then(|options| options.include_usage);
        Ok(stream::respond(asked, include_usage.unwrap_or(false)))
    } else {
        Ok(Json(whole(asked).await?).into_response())
    }
}

type Prepared = (Vec<Vec<u32>>, GenerateOptions, Form);

/// Everything that can be wrong with a request is found here, before anything is made of it.
fn prepare(shared: &Shared, request: &Request, is_chat: bool) -> Result<Prepared, ApiError> {
    let served = &shared.served;
    if let Some(name) = request.model.as_ref().filter(|name| **name != served.id) {
        return Err(no_such_model(name, &served.id));
    }
    request.refuse_unsupported()?;
    let param = if is_chat { "messages" } else { "prompt" };
    let prompts = match (is_chat, &request.prompt, &request.messages) {
        (true, _, Some(messages)) => vec![(served.conversation(messages)?, String::new())],
        (false, Some(prompt), _) => served.prompts(prompt)?,
        _ => return Err(ApiError::bad(param, format!("the field {param} is missing"))),
    };
    let options = served.options(request, is_chat)?;
    let window = served.config.block_size;
    for (tokens, _) in &prompts {
        options.check(&served.config, window, tokens).map_err(|error| ApiError::of(&error, param))?;
    }
    let n = request.n.unwrap_or(1) as usize;
    let n_choices = prompts.len().saturating_mul(n);
    if n_choices == 0 || n_choices > shared.most_jobs {
        let most = shared.most_jobs;
        let message =
            format!("expected from 1 to {most} answers in a request, found {n_choices} (n for each prompt)");
        return Err(ApiError::bad("n", message));
    }
    let repeats = request.echo.unwrap_or(false) && !is_chat;
    let (prompts, texts): (Vec<_>, Vec<_>) = prompts.into_iter().unzip();
    let echoes =
        texts.into_iter().filter(|_| repeats).flat_map(|text| std::iter::repeat_n(text, n)).collect();
    let kind = if is_chat { "chatcmpl" } else { "cmpl" };
    let form = Form {
        is_chat,
        id: format!("{kind}-{:016x}", any_seed()),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        model: served.id.clone(),
        echoes,
    };
    Ok((prompts, options, form))
}

/// Takes a place for each answer, or none at all.
fn submit(
    shared: &Shared,
    prompts: Vec<Vec<u32>>,
    options: &GenerateOptions,
    n: usize,
    form: Form,
    asked: Instant,
) -> Result<Asked, ApiError> {
    let n_choices = prompts.len() * n;
    let n_seats = u32::try_from(n_choices).map_err(|_| ApiError::full(shared.most_jobs))?;
    let seats = Arc::clone(&shared.seats).try_acquire_many_owned(n_seats);
    let mut seats = seats.map_err(|_| ApiError::full(shared.most_jobs))?;
    let (sender, updates) = mpsc::unbounded_channel();
    let usage = Usage::of_prompts(prompts.iter().map(Vec::len).sum());
    for choice in 0..n_choices {
        let mut options = options.clone();
        // Each of several answers has a seed of its own; a prompt's do not depend on the prompts beside it.
        options.sampling.seed = options.sampling.seed.wrapping_add((choice % n) as u64);
        let Some(seat) = seats.split(1) else { return Err(ApiError::full(shared.most_jobs)) };
        let job = Job {
            choice,
            prompt: prompts[choice / n].clone(),
            options,
            updates: sender.clone(),
            asked,
            seat,
        };
        shared.metrics.waiting.inc();
        if shared.jobs.send(job).is_err() {
            shared.metrics.waiting.dec();
            return Err(ApiError::stopping());
        }
    }
    let deadline = shared.timeout.and_then(|timeout| tokio::time::Instant::from(asked).checked_add(timeout));
    Ok(Asked { form, usage, n_choices, n, updates, deadline })
}

/// The response in one piece.
async fn whole(mut asked: Asked) -> Result<Value, ApiError> {
    let mut choices: Vec<Choice> = (0..asked.n_choices).map(|_| Choice::default()).collect();
    let mut n_open = asked.n_choices;
    while n_open > 0 {
        let update = tokio::select! {
            update = asked.updates.recv() => update,
            () = late(asked.deadline) => return Err(ApiError::timeout()),
        };
        let Some((i, update)) = update else { return Err(ApiError::stopping()) };
        match update {
            Update::Begun { n_cached } if i.is_multiple_of(asked.n) => asked.usage.n_cached += n_cached,
            Update::Begun { .. } => {}
            Update::Token(event) => {
                asked.usage.count(&event);
                choices[i].push(&event);
            }
            Update::Ended(done, rest) => {
                choices[i].end(done, &rest);
                n_open -= 1;
            }
            Update::Failed(error) => return Err(error),
        }
    }
    Ok(asked.form.whole(choices, &asked.usage))
}

async fn late(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// For requests and for `/v1/models/NAME`.
pub fn no_such_model(name: &str, served: &str) -> ApiError {
    let message =
        format!("the model `{name}` is not here; this server has `{served}` (--alias gives it another name)");
    ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message)
}
