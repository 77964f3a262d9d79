//! One view model, two forms: a page by its template, or the same thing as JSON.

use app::accounts::OWNER;
use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::ask::{Ask, Format, Web, address};
use crate::failure::{Failed, Failure};
use crate::router::FORM_BYTES_MAX;

/// What a handler answers.
pub type Answer = Result<Response, Failure>;

/// What the layout of every page knows.
#[derive(Serialize)]
struct Page<'a> {
    /// Email of who is signed in; empty: nobody.
    me: &'a str,
    /// Whether that is who set Eyrie up.
    owner: bool,
    /// Path and query of the page.
    target: &'a str,
    /// Scheme and host.
    address: &'a str,
    /// Milliseconds since the epoch.
    now: i64,
}

impl Ask {
    /// Renders `view` as the visitor wants it; `template` without its `.html`.
    pub fn present(&self, template: &str, view: impl Serialize) -> Answer {
        self.present_with(template, &view, || Value::UNDEFINED)
    }

    /// As [`Ask::present`]; `drawn` makes what only a page needs, such as charts.
    pub fn present_with(
        &self,
        template: &str,
        view: &impl Serialize,
        drawn: impl FnOnce() -> Value,
    ) -> Answer {
        if self.format == Format::Json {
            return Ok(Json(serde_json::to_value(view)?).into_response());
        }
        let page = Page {
            me: self.me.as_ref().map_or("", |me| &me.email),
            owner: self.me.as_ref().is_some_and(|me| me.id == OWNER),
            target: &self.target,
            address: &self.address,
            now: self.app().clock.now().millis(),
        };
        render(
            &self.web,
            template,
            context! { page => Value::from(Serde(page)), view => Value::from(Serde(view)), drawn => drawn() },
        )
    }
}

fn render(web: &Web, template: &str, context: Value) -> Answer {
    let html = web.templates.get_template(&format!("{template}.html"))?.render(context)?;
    Ok(Html(html).into_response())
}

/// What the router or the reading of a form or query refused, before a page was asked.
fn refused(answer: &Response) -> Option<Failed> {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !status.is_client_error() || kind.starts_with("text/html") || kind.starts_with("application/json") {
        return None;
    }
    let message = match status {
        StatusCode::METHOD_NOT_ALLOWED => "This address does not take such a request.".to_owned(),
        StatusCode::PAYLOAD_TOO_LARGE => format!("A form has at most {FORM_BYTES_MAX} bytes here."),
        _ => "This request cannot be read. Go back, reload the page and try again.".to_owned(),
    };
    Some(Failed { status, message })
}

/// Turns failures of the pages inside into friendly pages, or into JSON where JSON was asked for.
pub async fn friendly(State(web): State<Web>, request: Request, next: Next) -> Response {
    let format = Format::of(request.uri(), request.headers());
    let address = address(&web.config, request.headers());
    let mut answer = next.run(request).await;
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    let failed = answer.extensions_mut().remove::<Failed>().or_else(|| refused(&answer));
    let Some(failed) = failed else { return answer };
    let body = match format {
        Format::Json => Json(serde_json::json!({ "error": failed.message })).into_response(),
        Format::Html if answer.status().is_redirection() => return answer,
        Format::Html => {
            let page = Page {
                me: "",
                owner: false,
                target: "",
                address: &address,
                now: web.app.clock.now().millis(),
            };
            let view = context! { status => failed.status.as_u16(), message => &failed.message };
            match render(&web, "failure", context! { page => Value::from(Serde(page)), view }) {
                Ok(page) => page,
                Err(_) => failed.message.into_response(),
            }
        }
    };
    let (parts, body) = body.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).cloned();
    *answer.status_mut() = failed.status;
    *answer.body_mut() = body;
    answer.headers_mut().remove(header::LOCATION);
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    if let Some(kind) = kind {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    answer
}
