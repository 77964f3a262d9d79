//! Structured logs on stderr: for people on a terminal, JSON otherwise. Panics go there too.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What is logged unless somebody says otherwise.
const FILTER: &str = "info,sqlx=warn,hyper=warn";

/// Starts logging for the whole process; a filter that cannot be read is reported and replaced.
pub(crate) fn start(filter: Option<&str>) {
    let (chosen, mistake) = match EnvFilter::try_new(filter.unwrap_or(FILTER)) {
        Ok(chosen) => (chosen, None),
        Err(error) => (EnvFilter::new(FILTER), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(chosen).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_ansi(std::env::var_os("NO_COLOR").is_none()).init();
    } else {
        builder.json().flatten_event(true).init();
    }
    if let Some(error) = mistake {
        tracing::warn!(%error, using = FILTER, "the log filter makes no sense");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, message, thread, "a panic: this is a fault of Eyrie, please report it");
    }));
}
