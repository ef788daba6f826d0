//! What there is to ask for, and who may.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, MatchedPath, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tower_http::cors::CorsLayer;

use super::answer::{chat_completions, completions, no_such_model};
use super::error::ApiError;
use super::http::PATIENCE;
use super::metrics::Metrics;
use super::request::Served;
use super::worker::Job;
use crate::output;

/// What all requests share.
#[derive(Debug)]
pub struct Shared {
    pub served: Served,
    pub jobs: Sender<Job>,
    /// As many as answers may be made or wait.
    pub seats: Arc<Semaphore>,
    pub most_jobs: usize,
    pub metrics: Arc<Metrics>,
    pub key: Option<String>,
    /// Only this machine reaches the server.
    pub only_local_names: bool,
    pub max_body: usize,
    pub timeout: Option<Duration>,
    pub log: bool,
}

/// All routes.
pub fn router(shared: Shared, cors: Option<HeaderValue>) -> Router {
    let max_body = shared.max_body;
    let shared = Arc::new(shared);
    let router = Router::new()
        .route("/v1/completions", post(completions))
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(max_body))
        .layer(from_fn_with_state(Arc::clone(&shared), admit));
    let router = match cors {
        Some(origin) => router.layer(cross_origin(origin)),
        None => router,
    };
    router.layer(from_fn_with_state(Arc::clone(&shared), track)).with_state(shared)
}

fn cross_origin(origin: HeaderValue) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
    if origin == "*" { layer.allow_origin(tower_http::cors::Any) } else { layer.allow_origin(origin) }
}

async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "object": "list", "data": [describe(&shared.served)] }))
}

async fn model(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    if name == shared.served.id {
        Ok(Json(describe(&shared.served)))
    } else {
        Err(no_such_model(&name, &shared.served.id))
    }
}

fn describe(served: &Served) -> Value {
    json!({
        "id": served.id,
        "object": "model",
        "created": served.created,
        "owned_by": "fathom",
        "fathom": {
            "device": served.device,
            "context_length": served.config.block_size,
            "vocabulary": served.config.vocab_size,
            "max_depth": served.config.hrm_max_steps,
            "halt_bias": served.config.halt_bias,
        },
    })
}

async fn health(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let Metrics { waiting, running, .. } = &*shared.metrics;
    Json(
        json!({ "status": "ok", "model": shared.served.id, "running": running.get(), "waiting": waiting.get() }),
    )
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text())
}

async fn nowhere(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "unknown_url",
        format!("unknown request URL: {method} {}", uri.path()),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Lets requests in that have the key. Without a key only this machine is let in, and no page of a stranger that
/// a browser on this machine was led to believe is here: its requests name the stranger's host.
async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let refused = match &shared.key {
        _ if request.uri().path() == "/health" => None,
        Some(key) => check_key(headers, key).err(),
        None if shared.only_local_names => check_host(headers).err(),
        None => None,
    };
    match refused {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}

fn check_key(headers: &HeaderMap, key: &str) -> Result<(), ApiError> {
    let value = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    match value.split_at_checked(7) {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            let is_right: bool = given.ct_eq(key.as_bytes()).into();
            if is_right { Ok(()) } else { Err(ApiError::key("the API key is not the one of this server")) }
        }
        _ => Err(ApiError::key("this server wants a key, in the header Authorization: Bearer KEY")),
    }
}

fn check_host(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    let host = host.to_str().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_local {
        return Ok(());
    }
    let message = format!("without a key this server answers to localhost only, not to {host}");
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden_host", message))
}

/// Counts responses, and tells of them where that was asked for.
async fn track(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let line = shared.log.then(|| format!("{} {}", request.method(), request.uri().path()));
    let response = next.run(request).await;
    let status = response.status().as_u16();
    shared.metrics.answered(route.as_deref().unwrap_or("other"), status);
    if let Some(line) = line {
        output::note(&format!("{line} {status} {:.1} ms", began.elapsed().as_secs_f64() * 1000.0));
    }
    response
}

/// A body in JSON.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Body<T>, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        // Also keeps pages of strangers out: this type a browser does not send elsewhere without asking first.
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = format!("expected the header Content-Type: application/json, found {kind:?}");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let read = tokio::time::timeout(PATIENCE, Bytes::from_request(request, shared)).await;
        let read = read.map_err(|_| {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body of the request did not come")
        })?;
        let bytes = read.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!(
                    "the body has more than the {} bytes that this server takes (--max-body)",
                    shared.max_body
                ),
            ),
            status => ApiError::new(status, "bad_body", rejection.body_text()),
        })?;
        // serde would take a list for the fields in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::bad("", "the body: expected an object in JSON"));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let body = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let param = Some(error.path().to_string()).filter(|path| path != ".");
            ApiError::bad(param.unwrap_or_default(), format!("the body: {}", error.inner()))
        })?;
        json.end().map_err(|error| ApiError::bad("", format!("the body: {error}")))?;
        Ok(Body(body))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn hosts() {
        for good in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:9", "[::1]:8080", "[::1]"] {
            assert!(check_host(&headers(header::HOST, good)).is_ok(), "{good}");
        }
        for wrong in ["example.org", "example.org:8080", "localhost.example.org", "192.168.0.1:80", ""] {
            assert!(check_host(&headers(header::HOST, wrong)).is_err(), "{wrong}");
        }
        assert!(check_host(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn keys() {
        for good in ["Bearer abc", "bearer abc"] {
            assert!(check_key(&headers(header::AUTHORIZATION, good), "abc").is_ok(), "{good}");
        }
        for wrong in ["Bearer ab", "Bearer abcd", "abc", "Basic abc", "Bearer"] {
            assert!(check_key(&headers(header::AUTHORIZATION, wrong), "abc").is_err(), "{wrong}");
        }
        assert!(check_key(&HeaderMap::new(), "abc").is_err());
    }
}
