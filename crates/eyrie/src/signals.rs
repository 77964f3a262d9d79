//! SIGTERM and SIGINT: the first asks for a drain, the second ends the process at once.

use std::time::{Duration, Instant};

use base::tasks::TaskGroup;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals this close together are one: `timeout` and shells signal a process and then its group.
const ONE_GESTURE: Duration = Duration::from_millis(250);

/// Watches for signals from now on; the token is cancelled by the first one.
pub(crate) fn watch(tasks: &TaskGroup) -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = CancellationToken::new();
    let token = asked.clone();
    let stop = tasks.stop_signal();
    tasks.spawn("signals", async move {
        let mut first: Option<Instant> = None;
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                () = stop.requested() => return,
            };
            match first {
                None => {
                    tracing::info!(signal = name, "draining; a second signal ends at once");
                    first = Some(Instant::now());
                    token.cancel();
                }
                Some(at) if at.elapsed() < ONE_GESTURE => {}
                Some(_) => {
                    tracing::warn!(signal = name, "a second signal: ending at once");
                    std::process::exit(1);
                }
            }
        }
    });
    Ok(asked)
}
