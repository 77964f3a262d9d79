//! nsqadmin as a program: listens, serves, drains.

use axum::Router;
use base::Clock;
use base::tasks::{Stop, TaskGroup};

use super::{Admin, Options};
use crate::http::{Limits, Listener, serve};
use crate::logging::Verbosity;
use crate::version;

/// Serves what `pages` makes of an [`Admin`] at the options' address, until `stop`.
///
/// # Errors
/// In words, before anything is served: the address is taken, a certificate cannot be used.
pub async fn run(
    options: Options,
    verbosity: Verbosity,
    clock: Clock,
    stop: Stop,
    pages: impl FnOnce(Admin) -> Router,
) -> Result<(), String> {
    tracing::info!("{}", version::banner("nsqadmin"));
    let address = options.http_address.clone();
    let tasks = TaskGroup::new();
    let admin = Admin::start(options, verbosity, clock, &tasks).map_err(|error| error.to_string())?;
    let listener = Listener::bind(&address).await.map_err(|error| error.to_string())?;
    tracing::info!("HTTP: listening on {}", listener.address());
    let limits = Limits::default();
    let cut = serve(listener, pages(admin), stop, limits).await;
    if cut > 0 {
        tracing::warn!("HTTP: {cut} connections had to be cut");
    }
    tracing::info!("HTTP: closing");
    if !tasks.drain(limits.drain_time).await {
        tracing::warn!("some notifications were not sent in time");
    }
    Ok(())
}
