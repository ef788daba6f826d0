//! What goes wrong, as OpenAI's clients expect to be told.

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fathom_engine::Error;
use serde_json::{Value, json};

/// An answer that is an error: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    /// The field of the request that is to blame.
    param: Option<String>,
    code: &'static str,
    header: Option<(&'static str, &'static str)>,
}

impl ApiError {
    /// Any error.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, message: message.into(), param: None, code, header: None }
    }

    /// The request cannot be carried out as it is.
    pub fn bad(param: impl Into<String>, message: impl Into<String>) -> ApiError {
        let param = Some(param.into()).filter(|param| !param.is_empty());
        ApiError { param, ..ApiError::new(StatusCode::BAD_REQUEST, "invalid_value", message) }
    }

    /// A field that would change the answer, and cannot.
    pub fn unsupported(param: &str, message: String) -> ApiError {
        ApiError { code: "unsupported_parameter", ..ApiError::bad(param, message) }
    }

    /// Too many are waiting.
    pub fn full(most: usize) -> ApiError {
        let message = format!("all {most} places are taken, the waiting ones too; try again in a moment");
        ApiError {
            header: Some(("retry-after", "1")),
            ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
        }
    }

    /// It took longer than `--timeout` allows.
    pub fn timeout() -> ApiError {
        let message = "the request took longer than this server allows (--timeout)";
        ApiError {
            // The same request would take as long again; OpenAI's clients obey this.
            header: Some(("x-should-retry", "false")),
            ..ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
        }
    }

    /// Without the key.
    pub fn key(message: &str) -> ApiError {
        ApiError {
            header: Some(("www-authenticate", "Bearer")),
            ..ApiError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
        }
    }

    /// Nobody is there to answer any more.
    pub fn stopping() -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping")
    }

    /// What the engine finds wrong with a request, or what happened to it; `text` is the field that the prompt
    /// came in.
    pub fn of(error: &Error, text: &str) -> ApiError {
        let bad = |param: &str| ApiError::bad(param, error.to_string());
        match error {
            Error::ContextFull { n_tokens, block_size } => ApiError {
                param: Some(text.to_owned()),
                ..ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "context_length_exceeded",
                    format!(
                        "This model's maximum context length is {block_size} tokens, but the {text} came to \
                         {n_tokens} tokens. Please reduce the length of the {text}."
                    ),
                )
            },
            Error::EmptyPrompt | Error::TokenOutOfRange { .. } | Error::UnknownText { .. } => bad(text),
            Error::DepthZero { what } | Error::DepthTooLarge { what, .. } => bad(match *what {
                "depth cap" => "max_depth",
                "depth floor" => "min_depth",
                _ => "depth",
            }),
            Error::DepthFloorAboveCap { .. } => bad("min_depth"),
            Error::Sampling { what, .. } => bad(match *what {
                "the temperature" => "temperature",
                "the repetition penalty" => "repeat_penalty",
                "top-p" => "top_p",
                "min-p" => "min_p",
                _ => "halt_bias",
            }),
            Error::GpuMemory { .. } | Error::DeviceLost(_) => {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), error.to_string())
            }
            _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.code(), error.to_string()),
        }
    }

    /// The object.
    pub fn body(&self) -> Value {
        let kind = match self.status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::UNAUTHORIZED => "authentication_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let ApiError { message, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
