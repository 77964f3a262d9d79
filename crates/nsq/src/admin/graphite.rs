//! What graphite knows: one rate of a statsd counter, its pictures passed through, and where to see more
//! than the last minutes of something.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::rates::Of;
use super::{Admin, Options};
use crate::http::{Failure, Query, answer, client};

/// What of a topic or channel a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Messages a second.
    Rate,
    /// Messages that wait.
    Depth,
}

/// Where graphite draws the last day of something, as nsqd's pushes to statsd name it; none without
/// `--graphite-url`. With `--proxy-graphite` that is a path behind `base`, else graphite's own address, whose
/// user and password stay here.
pub fn picture(options: &Options, base: &str, of: Of<'_>, figure: Figure) -> Option<String> {
    let graphite = Graphite::of(options)?;
    let root = if options.proxy_graphite { base.to_owned() } else { graphite.root + &graphite.path };
    let target = utf8_percent_encode(&target(options, of, figure), NON_ALPHANUMERIC).to_string();
    Some(format!("{root}/render?width=1000&height=450&yMin=0&from=-24h&until=-1min&target={target}"))
}

/// Where graphite is, taken apart: its user and password are in a header, and in no URL that is asked, shown or
/// logged.
struct Graphite {
    /// `http://host:port`
    root: String,
    /// What stands before its paths, without a slash behind.
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Graphite {
    /// None without `--graphite-url`, or if that is none.
    fn of(options: &Options) -> Option<Self> {
        let url: Uri = options.graphite_url.parse().ok()?;
        let scheme = url.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
        let (user, host) = match url.authority()?.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, url.authority()?.as_str()),
        };
        let mut headers = Vec::new();
        if let Some(user) = user {
            headers.push((header::AUTHORIZATION, client::basic(user)?));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        Some(Self { root: format!("{scheme}://{host}"), path, headers })
    }

    async fn ask(&self, admin: &Admin, path: &str) -> Result<http::Response<Bytes>, client::Error> {
        let url = format!("{}{path}", self.root);
        admin.shared.client.request(http::Method::GET, &url, &self.headers, Bytes::new()).await
    }
}

/// What graphite is to add up and to draw.
fn target(options: &Options, of: Of<'_>, figure: Figure) -> String {
    let (node, path) = match of {
        Of::All => ("*", "topic.*".to_owned()),
        Of::Node(node) => (node, "topic.*".to_owned()),
        Of::Topic(topic) => ("*", format!("topic.{}", key(topic))),
        Of::TopicAt(topic, node) => (node, format!("topic.{}", key(topic))),
        Of::Channel(topic, channel) => ("*", format!("topic.{}.channel.{}", key(topic), key(channel))),
        Of::ChannelAt(topic, channel, node) => {
            (node, format!("topic.{}.channel.{}", key(topic), key(channel)))
        }
    };
    let mut prefix = options.statsd_prefix.replace("%s", &node.replace(['.', ':'], "_"));
    if !prefix.is_empty() && !prefix.ends_with('.') {
        prefix.push('.');
    }
    let (name, format) = match figure {
        Figure::Rate => ("message_count", &options.statsd_counter_format),
        Figure::Depth => ("depth", &options.statsd_gauge_format),
    };
    let named = |path: &str| {
        let series = format!("{prefix}{path}.{name}");
        if format.is_empty() { series } else { format.replace("%s", &series) }
    };
    let mut series = named(&path);
    // What waits in a topic waits in its channels too.
    if figure == Figure::Depth && !path.contains(".channel.") {
        series = format!("{series},{}", named(&format!("{path}.channel.*")));
    }
    let seconds = whole_seconds(options.statsd_interval);
    let sum = match figure {
        #[expect(clippy::cast_precision_loss, reason = "an interval is far below 2^52 s")]
        Figure::Rate => format!("scale(sumSeries({series}),{})", 1.0 / seconds as f64),
        Figure::Depth => format!("sumSeries({series})"),
    };
    format!("summarize({sum},\"{seconds}sec\",\"avg\")")
}

/// A name as statsd keeps it. `*` stands for every name and is none itself.
fn key(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.*".contains(*c)).collect()
}

#[derive(Deserialize)]
struct Target {
    datapoints: Vec<Vec<Option<f64>>>,
}

#[derive(Serialize)]
struct Rate {
    rate: String,
}

/// `GET /api/graphite?metric=rate&target=`
pub(super) async fn rate(State(admin): State<Admin>, query: Query) -> Result<Response, Failure> {
    if query.get("metric") != Some("rate") {
        return Err(Failure::bad_request("INVALID_ARG_METRIC"));
    }
    let target = query.get("target").ok_or_else(|| Failure::bad_request("INVALID_ARG_TARGET"))?;
    let options = admin.options();
    let seconds = whole_seconds(options.statsd_interval);
    let target = utf8_percent_encode(target, NON_ALPHANUMERIC);
    let failed = |reason: &dyn std::fmt::Display| {
        tracing::error!("graphite request failed - {reason}");
        Failure::internal()
    };
    let graphite = Graphite::of(&options).ok_or_else(|| failed(&"--graphite-url is no URL"))?;
    let path = format!(
        "{}/render?format=json&from=-{}sec&target={target}&until=-{seconds}sec",
        graphite.path,
        seconds * 2,
    );
    let answered = graphite.ask(&admin, &path).await.map_err(|error| failed(&error))?;
    if answered.status() != StatusCode::OK {
        return Err(failed(&answered.status()));
    }
    let answered: Vec<Target> = serde_json::from_slice(answered.body()).map_err(|error| failed(&error))?;
    let first = answered.first().and_then(|target| target.datapoints.first()?.first().copied()?);
    let rate = match first {
        #[expect(clippy::cast_precision_loss, reason = "an interval is far below 2^52 s")]
        Some(count) if count >= 0.0 => format!("{:.2}", count / seconds as f64),
        _ => "N/A".to_owned(),
    };
    Ok(answer::json(&Rate { rate }))
}

fn whole_seconds(interval: Duration) -> u64 {
    interval.as_secs().max(1)
}

/// `GET /render`: graphite's own answer, as it is.
pub(super) async fn render(State(admin): State<Admin>, request: Request) -> Result<Response, Failure> {
    let bad_gateway = || StatusCode::BAD_GATEWAY.into_response();
    let options = admin.options();
    let Some(graphite) = Graphite::of(&options) else { return Ok(bad_gateway()) };
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let answered = graphite.ask(&admin, &format!("/render{query}")).await;
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) => {
            tracing::error!("graphite request failed - {error}");
            return Ok(bad_gateway());
        }
    };
    let kind = answered.headers().get(header::CONTENT_TYPE).cloned();
    let status = answered.status();
    let mut response = (status, answered.into_body()).into_response();
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn options(url: &str) -> Options {
        Options { graphite_url: url.to_owned(), ..Options::default() }
    }

    #[test]
    fn graphite_is_asked_for_what_nsqd_pushed() {
        let check =
            |of, figure, expected: &str| assert_eq!(target(&Options::default(), of, figure), expected);
        check(
            Of::Topic("orders#ephemeral"),
            Figure::Depth,
            "summarize(sumSeries(stats.gauges.nsq.*.topic.ordersephemeral.depth,\
             stats.gauges.nsq.*.topic.ordersephemeral.channel.*.depth),\"60sec\",\"avg\")",
        );
        check(
            Of::ChannelAt("orders", "billing", "10.0.0.1:4151"),
            Figure::Depth,
            "summarize(sumSeries(stats.gauges.nsq.10_0_0_1_4151.topic.orders.channel.billing.depth),\"60sec\",\"avg\")",
        );
        let own = Options {
            statsd_prefix: "q.".to_owned(),
            statsd_counter_format: String::new(),
            statsd_interval: Duration::from_secs(10),
            ..Options::default()
        };
        let all = "summarize(scale(sumSeries(q.topic.*.message_count),0.1),\"10sec\",\"avg\")";
        assert_eq!(target(&own, Of::All, Figure::Rate), all);
    }

    #[test]
    fn user_and_password_are_in_no_url() {
        let check = |url: &str, root: &str, pair: Option<&str>| {
            let graphite = Graphite::of(&options(url)).expect("a URL");
            assert_eq!((graphite.root.as_str(), graphite.path.as_str()), (root, "/g"), "{url}");
            let value = pair.map(|pair| format!("Basic {}", STANDARD.encode(pair)));
            let sent: Vec<_> =
                graphite.headers.iter().map(|(_, value)| value.to_str().expect("text")).collect();
            assert_eq!(sent, value.as_deref().into_iter().collect::<Vec<_>>(), "{url}");
        };
        check("http://graphite:80/g/", "http://graphite:80", None);
        check("https://ann:p%40s%3As@graphite/g", "https://graphite", Some("ann:p@s:s"));
        check("http://ann@graphite/g", "http://graphite", Some("ann:"));
    }

    #[test]
    fn a_link_leads_to_graphite_or_through_here() {
        let link = |options: &Options| picture(options, "/nsq", Of::All, Figure::Rate);
        assert_eq!(link(&options("")), None);
        assert_eq!(link(&options("javascript:alert(1)")), None);
        let direct = link(&options("https://ann:secret@graphite.example/g/")).expect("a link");
        assert!(direct.starts_with("https://graphite.example/g/render?"), "{direct}");
        let proxied = Options { proxy_graphite: true, ..options("http://graphite") };
        let proxied = link(&proxied).expect("a link");
        assert!(proxied.starts_with("/nsq/render?") && proxied.contains("&from=-24h&"), "{proxied}");
    }
}
