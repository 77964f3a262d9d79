//! What the binary decides about the pages.

use std::path::PathBuf;

use base::tasks::Stop;

/// How the pages are served. [`Config::default`] is right for `eyrie serve` without configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where people reach this server, without a slash at its end: `https://stats.example.com`.
    /// Unset: taken from each request's `Host` (and `X-Forwarded-Proto`); set it behind a proxy that
    /// changes `Host`, because `X-Forwarded-Host` is not believed.
    pub public_url: Option<String>,
    /// Templates are read from this folder, again on every change. Unset: those compiled in.
    pub templates: Option<PathBuf>,
    /// The most live streams at once of those who are signed in; default 256. One more is answered 503.
    pub live_streams_max: usize,
    /// The most live streams at once of strangers who look at public stats; default 64.
    pub live_guests_max: usize,
    /// Ends live streams when the server drains; unset: they end with their connections.
    pub stop: Option<Stop>,
}

impl Default for Config {
    fn default() -> Self {
        let sources = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"));
        let templates = (cfg!(debug_assertions) && sources.is_dir()).then_some(sources);
        Self { public_url: None, templates, live_streams_max: 256, live_guests_max: 64, stop: None }
    }
}
