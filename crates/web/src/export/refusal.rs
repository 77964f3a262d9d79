//! What goes wrong with an export, as JSON.

use axum::response::{IntoResponse, Response};
use base::ErrorKind;
use http::{HeaderValue, StatusCode, header};

use super::shapes::{Message, json};
use crate::failure;

/// When to try again where nothing better is known, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Why an export is not answered.
#[derive(Debug)]
pub enum Refusal {
    /// The request makes no sense; the text says what to write instead.
    Invalid(String),
    /// No such stat in this account, or it is in the trash.
    NotFound,
    /// The path's token belongs to nobody.
    UnknownToken,
    /// No HTTP Basic user, or it is nobody's token.
    SignIn,
    /// More calls than [`super::caller::CALLS_PER_MINUTE`].
    TooMany,
    /// From a use case.
    App(app::Error),
}

impl From<app::Error> for Refusal {
    fn from(error: app::Error) -> Self {
        Self::App(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid(msg) => answer(failure::status(ErrorKind::Invalid), &msg),
            Self::NotFound => answer(failure::status(ErrorKind::NotFound), "stat not found"),
            Self::UnknownToken => answer(StatusCode::UNAUTHORIZED, "unknown access token: see Settings"),
            Self::SignIn => {
                let msg = "sign in with HTTP Basic: the access token as user, no password";
                let mut answer = answer(StatusCode::UNAUTHORIZED, msg);
                let realm = HeaderValue::from_static("Basic realm=\"Eyrie\", charset=\"UTF-8\"");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
                answer
            }
            // StatHat's own words, status and capital letter: its clients look for them and back off.
            Self::TooMany => json(&TooMany { error: "Rate limit exceeded." }),
            Self::App(error) => told(&error),
        }
    }
}

#[derive(serde::Serialize)]
struct TooMany {
    #[serde(rename = "Error")]
    error: &'static str,
}

fn answer(status: StatusCode, msg: &str) -> Response {
    let mut answer = json(&Message { msg });
    *answer.status_mut() = status;
    answer
}

/// An error of a use case: inner faults are for the log.
fn told(error: &app::Error) -> Response {
    let kind = error.kind();
    let msg = match kind {
        ErrorKind::Internal => {
            tracing::error!(%error, "an export failed");
            "something broke on our side; it is in the server's log".to_owned()
        }
        _ => error.to_string(),
    };
    let mut answer = answer(failure::status(kind), &msg);
    let seconds = match error {
        app::Error::Busy { retry_after_seconds, .. } => *retry_after_seconds,
        _ if matches!(kind, ErrorKind::Busy | ErrorKind::Unavailable) => RETRY_AFTER_SECONDS,
        _ => return answer,
    };
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}
