//! What the tools' options share.

use std::time::Duration;

use crate::client::Config;
use crate::http::client;
use crate::version::VERSION;

/// A condition, or what to do about it.
pub(super) fn require(holds: bool, advice: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(advice.to_owned()) }
}

/// nsqds or lookupds, not both and not neither; `kind` is how nsqds are asked, `tcp` or `http`.
pub(super) fn one_source(kind: &str, nsqds: &[String], lookupds: &[String]) -> Result<(), String> {
    require(
        !(nsqds.is_empty() && lookupds.is_empty()),
        &format!("--nsqd-{kind}-address or --lookupd-http-address required"),
    )?;
    require(
        nsqds.is_empty() || lookupds.is_empty(),
        &format!("use --nsqd-{kind}-address or --lookupd-http-address not both"),
    )
}

/// What a tool says it is.
pub(super) fn user_agent(program: &str) -> String {
    format!("{program}/{VERSION} eyrie/{}", env!("CARGO_PKG_VERSION"))
}

/// The client of a tool, with what was passed through to it.
pub(super) fn config(program: &str, max_in_flight: u32, given: &[String]) -> Result<Config, String> {
    let mut config = Config { user_agent: user_agent(program), max_in_flight, ..Config::default() };
    config.set_all(given)?;
    // The flag decides, as in NSQ, whatever was passed through.
    config.max_in_flight = max_in_flight.max(1);
    Ok(config)
}

/// How a tool asks over HTTP.
pub(super) fn asking(program: &str, connect: Duration, request: Duration) -> client::Options {
    client::Options {
        connect_timeout: connect,
        request_timeout: request,
        user_agent: user_agent(program),
        ..client::Options::default()
    }
}
