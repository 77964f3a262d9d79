//! `/config/*`: every option can be read, two can be set.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::Shared;
use crate::flags::{self, is_address};
use crate::http::answer::json;
use crate::http::{Failure, body};
use crate::logging::Level;
use crate::nsqd::Nsqd;

fn value(nsqd: &Nsqd, option: &str) -> Result<Response, Failure> {
    let value = flags::json(&*nsqd.options(), option);
    value.map(|value| json(&value)).ok_or_else(|| Failure::bad_request("INVALID_OPTION"))
}

pub(super) async fn get(State(nsqd): Shared, Path(option): Path<String>) -> Result<Response, Failure> {
    value(&nsqd, &option)
}

/// Sets `nsqlookupd_tcp_addresses` (a JSON list) or `log_level` (its name) and answers with what holds.
pub(super) async fn put(
    State(nsqd): Shared,
    Path(option): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let bytes_max = nsqd.options().max_msg_size;
    let body = body::read(request, bytes_max).await.map_err(|unread| unread.failure("INVALID_VALUE"))?;
    if body.is_empty() {
        return Err(Failure::too_large("INVALID_VALUE"));
    }
    let invalid = || Failure::bad_request("INVALID_VALUE");
    match option.as_str() {
        "nsqlookupd_tcp_addresses" => {
            let addresses: Vec<String> = serde_json::from_slice(&body).map_err(|_| invalid())?;
            if addresses.iter().any(|address| !is_address(address)) {
                return Err(invalid());
            }
            nsqd.set_lookupd_addresses(addresses);
        }
        "log_level" => {
            let level = std::str::from_utf8(&body).ok().and_then(Level::named).ok_or_else(invalid)?;
            nsqd.set_log_level(level);
        }
        _ => return Err(Failure::bad_request("INVALID_OPTION")),
    }
    value(&nsqd, &option)
}
