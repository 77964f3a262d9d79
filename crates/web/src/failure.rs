//! What can go wrong on a page, and the one place where kinds of failure become statuses.

use axum::response::{IntoResponse, Redirect, Response};
use base::ErrorKind;
use http::{HeaderValue, StatusCode, header};

/// Why a page is not the page that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request makes no sense; the text says what to write instead.
    #[error("{0}")]
    Invalid(String),
    /// No such page or stat, or not one for this visitor.
    #[error("There is no {0} here, or it is not yours to see.")]
    NotFound(&'static str),
    /// A form that some other site's page sent.
    #[error("This form was sent from another site. Open the page here and try again.")]
    Forged,
    /// Not signed in; after signing in the visitor goes on to `next`.
    #[error("Sign in first.")]
    SignedOut {
        /// Path and query that were asked for.
        next: String,
    },
    /// A named limit of the pages is reached.
    #[error("the limit {limit} is reached ({max}): try again in {retry_after_seconds} s")]
    Full {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        max: usize,
        /// When to try again.
        retry_after_seconds: u32,
    },
    /// From a use case.
    #[error(transparent)]
    App(#[from] app::Error),
    /// A template is wrong.
    #[error("the page could not be rendered")]
    Page(#[from] minijinja::Error),
    /// A view model is wrong.
    #[error("the page could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// What the visitor can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Forged | Self::SignedOut { .. } => ErrorKind::Denied,
            Self::Full { .. } => ErrorKind::Busy,
            Self::App(error) => error.kind(),
            Self::Page(_) | Self::Json(_) => ErrorKind::Internal,
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Full { retry_after_seconds, .. }
            | Self::App(
                app::Error::Busy { retry_after_seconds, .. } | app::Error::Guessing { retry_after_seconds },
            ) => Some(*retry_after_seconds),
            _ if self.kind() == ErrorKind::Unavailable => Some(5),
            _ => None,
        }
    }

    /// What to tell the visitor: inner faults are for the log.
    pub fn message(&self) -> String {
        match self.kind() {
            ErrorKind::Internal => "Something broke on our side. It is in the server's log.".to_owned(),
            _ => sentence(&self.to_string()),
        }
    }
}

/// The status of a kind of failure.
pub const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Busy | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What [`crate::presenter::friendly`] makes a page of.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The answer's status.
    pub status: StatusCode,
    /// A sentence for the visitor.
    pub message: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status(self.kind());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            // Not its debug form: that holds the values of the page, keys among them.
            let cause = std::error::Error::source(&self).map(ToString::to_string);
            tracing::error!(error = %self, cause, "a page failed");
        }
        if let Self::SignedOut { next } = &self {
            let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
            let mut answer = Redirect::to(&format!("/signin?next={next}")).into_response();
            answer
                .extensions_mut()
                .insert(Failed { status: StatusCode::UNAUTHORIZED, message: self.message() });
            return answer;
        }
        let failed = Failed { status, message: self.message() };
        let mut answer = (status, failed.message.clone()).into_response();
        if let Some(seconds) = self.retry_after_seconds() {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer.extensions_mut().insert(failed);
        answer
    }
}

/// An error's words as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut out: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    out.push_str(letters.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_says_its_name_and_when_to_come_back() {
        let failure = Failure::Full { limit: "live_streams_max", max: 256, retry_after_seconds: 10 };
        let answer = failure.into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "10");
        let failed = answer.extensions().get::<Failed>().expect("a page can be made of it");
        assert_eq!(failed.message, "The limit live_streams_max is reached (256): try again in 10 s.");
    }

    #[test]
    fn inner_faults_are_not_told() {
        let broken = app::Error::Unavailable("the recorder of shard 3 has stopped".to_owned());
        assert_eq!(Failure::from(broken).message(), "The recorder of shard 3 has stopped.");
        let template = minijinja::Error::new(minijinja::ErrorKind::UndefinedError, "secret detail");
        assert!(!Failure::from(template).message().contains("secret"));
    }
}
