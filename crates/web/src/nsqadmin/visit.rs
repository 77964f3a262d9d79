//! One request to a page, and what becomes of it: a page, or a page that says why not.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use nsq::admin::{Admin, Caller, access};
use nsq::cluster::{self, Problem};
use nsq::http::Peer;
use serde::Serialize;

use super::missing::Missing;
use crate::Config;

/// What every handler shares.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) admin: Admin,
    pub(super) templates: Arc<Environment<'static>>,
    pub(super) config: Arc<Config>,
}

/// One request.
pub(super) struct Visit {
    pub(super) site: Site,
    pub(super) caller: Caller,
    /// Whether the visitor may change something.
    pub(super) may: bool,
    /// As the proxy in front says.
    user: String,
    /// The path behind the base path.
    path: String,
    query: String,
}

/// What a handler answers.
pub(super) type Answer = Result<Response, Sorry>;

/// Why a page is not the page that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Sorry {
    status: StatusCode,
    message: String,
    problems: Vec<Problem>,
    /// What to do about what is not there.
    missing: Option<Box<Missing>>,
}

/// What the layout of every page knows.
#[derive(Serialize)]
struct Page<'a> {
    base: &'a str,
    path: &'a str,
    /// The kind of change that was just made, from the query.
    done: Option<&'a str>,
    user: &'a str,
    may: bool,
    lookupds: bool,
    /// Where a new nsqd registers: the first nsqlookupd, on NSQ's own port. None: there is no nsqlookupd.
    lookupd_tcp: String,
    version: &'static str,
    /// Milliseconds since the epoch.
    now: i64,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Infallible> {
        let options = site.admin.options();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = format!("{}{target}", site.admin.base_path());
        site.admin.rates().look(site.admin.clock().now().millis());
        Ok(Self {
            site: site.clone(),
            caller: Caller::of(&parts.headers, &target, parts.extensions.get::<Peer>()),
            may: access::is_admin(&options, &parts.headers),
            user: access::user(&options, &parts.headers).unwrap_or_default().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Visit {
    pub(super) fn admin(&self) -> &Admin {
        &self.site.admin
    }

    /// A path of these pages, as a browser knows it.
    pub(super) fn href(&self, path: &str) -> String {
        self.admin().base_path() + path
    }

    /// Renders `view`; `template` without its ends.
    pub(super) fn present(&self, template: &str, view: impl Serialize) -> Answer {
        let done = self.query.split('&').find_map(|part| part.strip_prefix("done="));
        let base = self.admin().base_path();
        let page =
            Page { done, user: &self.user, may: self.may, ..Page::of(self.admin(), &base, &self.path) };
        self.site.render(template, &page, Value::from(Serde(view)))
    }

    /// Refuses those who may only look.
    pub(super) fn need_admin(&self) -> Result<(), Sorry> {
        if self.may {
            Ok(())
        } else {
            Err(Sorry::new(StatusCode::FORBIDDEN, "Only admins may change something here."))
        }
    }
}

impl<'a> Page<'a> {
    /// As somebody sees it who may only look.
    fn of(admin: &Admin, base: &'a str, path: &'a str) -> Self {
        let cluster = admin.cluster();
        let lookupd = cluster.addresses().lookupds.first();
        let host = lookupd.map(|address| address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host));
        Self {
            base,
            path,
            done: None,
            user: "",
            may: false,
            lookupds: lookupd.is_some(),
            lookupd_tcp: host.map_or_else(String::new, |host| format!("{host}:4160")),
            version: nsq::version::VERSION,
            now: admin.clock().now().millis(),
        }
    }
}

impl Site {
    fn render(&self, template: &str, page: &Page<'_>, view: Value) -> Answer {
        let name = format!("nsqadmin-{template}.html");
        let rendered = self
            .templates
            .get_template(&name)
            .and_then(|template| template.render(context! { page => Value::from(Serde(page)), view }));
        rendered.map(|html| Html(html).into_response()).map_err(|error| {
            tracing::error!("a page failed - {name}: {error:#}");
            Sorry::new(StatusCode::INTERNAL_SERVER_ERROR, "Something broke on our side. It is in the log.")
        })
    }
}

impl Sorry {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), problems: Vec::new(), missing: None }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Not found, with what can be done about it.
    pub(super) fn missing(message: impl Into<String>, missing: Missing) -> Self {
        Self { missing: Some(Box::new(missing)), ..Self::not_found(message) }
    }

    /// One that nobody answered.
    pub(super) fn nobody(message: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::new(StatusCode::BAD_GATEWAY, message) }
    }
}

impl Sorry {
    /// Whether an answer is to become a page that says sorry.
    pub(super) fn is_in(response: &Response) -> bool {
        response.extensions().get::<Self>().is_some()
    }
}

impl From<cluster::Error> for Sorry {
    fn from(error: cluster::Error) -> Self {
        tracing::error!("{error}");
        let message = match (error.daemon, error.problems.is_empty()) {
            ("nsqd", true) => "No nsqd has registered yet.".to_owned(),
            (daemon, _) => {
                format!("No {daemon} answered as it should. Is one running, and reachable from here?")
            }
        };
        Self::nobody(message, error.problems)
    }
}

impl IntoResponse for Sorry {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.message.clone()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Makes a page of a [`Sorry`].
pub(super) async fn friendly(State(site): State<Site>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let options = site.admin.options();
    let user = access::user(&options, request.headers()).unwrap_or_default().to_owned();
    let may = access::is_admin(&options, request.headers());
    let mut response = next.run(request).await;
    let Some(sorry) = response.extensions_mut().remove::<Sorry>() else { return response };
    let base = site.admin.base_path();
    // The middleware stands in front of the base path, the pages behind it.
    let path = path.strip_prefix(&base).filter(|_| !base.is_empty()).unwrap_or(&path);
    let page = Page { user: &user, may, ..Page::of(&site.admin, &base, path) };
    let view = context! {
        status => sorry.status.as_u16(),
        message => &sorry.message,
        problems => Value::from(Serde(&sorry.problems)),
        missing => Value::from(Serde(&sorry.missing)),
        form => !reads,
        // Others may answer soon: the page asks again. Anything else stays until somebody does something.
        waits => reads && sorry.status == StatusCode::BAD_GATEWAY,
    };
    if let Ok(page) = site.render("failure", &page, view) {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        *response.body_mut() = page.into_body();
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}
