//! What graphite knows: one rate of a statsd counter, and its pictures passed through.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::http::{Failure, Query, answer};

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
    let url = format!(
        "{}/render?format=json&from=-{}sec&target={target}&until=-{seconds}sec",
        options.graphite_url.trim_end_matches('/'),
        seconds * 2,
    );
    let answered = admin.shared.client.get_json::<Vec<Target>>(&url).await.map_err(|error| {
        tracing::error!("graphite request failed - {error}");
        Failure::internal()
    })?;
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
    let Ok(graphite) = options.graphite_url.parse::<Uri>() else { return Ok(bad_gateway()) };
    let (Some(scheme), Some(authority)) = (graphite.scheme_str(), graphite.authority()) else {
        return Ok(bad_gateway());
    };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let mut headers = Vec::new();
    if let Some((user, _)) = authority.as_str().rsplit_once('@') {
        let packed = base64::engine::general_purpose::STANDARD.encode(user);
        if let Ok(value) = HeaderValue::from_str(&format!("Basic {packed}")) {
            headers.push((header::AUTHORIZATION, value));
        }
    }
    let url = format!("{scheme}://{host}/render{query}");
    let answered = admin.shared.client.request(http::Method::GET, &url, &headers, Bytes::new()).await;
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
