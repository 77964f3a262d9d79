//! `/signin`: by password, or by a one-time link; `/signout`.

use axum::Form;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use base::ErrorKind;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::presenter::Answer;
use crate::{failure, session};

/// The sign-in page.
#[derive(Serialize, Default)]
pub struct View {
    /// Where to go afterwards: a path of ours.
    next: String,
    email: String,
    /// What went wrong.
    problem: Option<String>,
}

/// What the page's URL says.
#[derive(Deserialize)]
pub struct Params {
    #[serde(default)]
    next: String,
}

/// `GET /signin`
pub async fn page(ask: Ask, Query(params): Query<Params>) -> Answer {
    if ask.me.is_some() {
        return Ok(Redirect::to(ours(&params.next)).into_response());
    }
    ask.present("signin", View { next: ours(&params.next).to_owned(), ..View::default() })
}

/// The form of [`by_password`].
#[derive(Deserialize)]
pub struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `POST /signin`
pub async fn by_password(ask: Ask, Form(form): Form<Credentials>) -> Answer {
    match ask.app().accounts.sign_in_by_password(&form.email, &form.password, ask.from).await {
        Ok(secret) => Ok(signed_in(&ask, &secret, ours(&form.next))),
        Err(error)
            if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid) =>
        {
            again(&ask, form, &error)
        }
        Err(error @ app::Error::Guessing { retry_after_seconds }) => {
            let mut answer = again(&ask, form, &error)?;
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
            Ok(answer)
        }
        Err(error) => Err(error.into()),
    }
}

fn again(ask: &Ask, form: Credentials, error: &app::Error) -> Answer {
    let problem = Some(failure::sentence(&error.to_string()));
    let view = View { next: ours(&form.next).to_owned(), email: form.email, problem };
    let mut answer = ask.present("signin", view)?;
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    Ok(answer)
}

/// A one-time link, looked at but not used.
#[derive(Serialize)]
pub struct Link {
    /// Whom it signs in.
    email: String,
    /// Where the button leads.
    path: String,
}

/// `GET /signin/{secret}`: a button. Programs that only look at links, as chats and mail filters do, do
/// not use it up.
pub async fn link(ask: Ask, Path(secret): Path<String>) -> Answer {
    match ask.app().accounts.of_link(&secret).await {
        Ok(account) => ask.present("link", Link { email: account.email, path: format!("/signin/{secret}") }),
        Err(error) => refused(&ask, error),
    }
}

/// `POST /signin/{secret}`: uses the link up.
pub async fn by_link(ask: Ask, Path(secret): Path<String>) -> Answer {
    match ask.app().accounts.sign_in_by_link(&secret).await {
        Ok(session) => Ok(signed_in(&ask, &session, "/stats")),
        Err(error) => refused(&ask, error),
    }
}

fn refused(ask: &Ask, error: app::Error) -> Answer {
    match error {
        // The link was used before, perhaps by this very browser.
        error if error.kind() == ErrorKind::Denied && ask.me.is_some() => {
            Ok(Redirect::to("/stats").into_response())
        }
        error if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => {
            let problem = Some(
                "This link was used before or is too old. Make a new one with `eyrie account reset`."
                    .to_owned(),
            );
            let mut answer = ask.present("signin", View { problem, ..View::default() })?;
            *answer.status_mut() = StatusCode::FORBIDDEN;
            Ok(answer)
        }
        error => Err(error.into()),
    }
}

/// `POST /signout`
pub async fn sign_out(ask: Ask) -> Answer {
    if let Some(secret) = &ask.session {
        ask.app().accounts.sign_out(secret).await?;
    }
    Ok(with_cookie(Redirect::to("/signin").into_response(), session::forget(ask.secure())))
}

fn signed_in(ask: &Ask, secret: &str, next: &str) -> Response {
    with_cookie(Redirect::to(next).into_response(), session::remember(secret, ask.secure()))
}

fn with_cookie(mut answer: Response, cookie: HeaderValue) -> Response {
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}

/// `next` if it is a path of this server, else the list.
fn ours(next: &str) -> &str {
    let path = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if path { next } else { "/stats" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_our_own_pages_only() {
        for foreign in ["https://evil.example", "//evil.example", "/\\evil.example", "", "javascript:x"] {
            assert_eq!(ours(foreign), "/stats", "{foreign}");
        }
        assert_eq!(ours("/stats/lxoC?t=1d15m"), "/stats/lxoC?t=1d15m");
    }
}
