//! Telling an HTTP endpoint of every action, one after another, without holding up whoever acted.

use base::tasks::TaskGroup;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::metrics::Figures;
use crate::http::Client;

/// Notices that wait for a slow endpoint; further ones are dropped, which is logged.
pub const NOTICES_WAITING_MAX: usize = 1_024;

/// An action, as the endpoint gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// `pause_topic`, for instance.
    pub action: String,
    /// What it was done to.
    pub topic: String,
    /// Left out where the topic itself is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// Left out where all nodes are meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// Who, where basic authentication says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Address and port, whatever the name says.
    pub remote_ip: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// What it asked.
    pub url: String,
    /// The machine this nsqadmin runs on.
    pub via: String,
}

/// Where actions are put to be told.
#[derive(Clone)]
pub(super) struct Sender {
    waiting: mpsc::Sender<(String, Notice)>,
    figures: Figures,
}

impl Sender {
    pub(super) fn send(&self, endpoint: String, notice: Notice) {
        let action = notice.action.clone();
        if self.waiting.try_send((endpoint, notice)).is_err() {
            self.figures.told("dropped");
            tracing::error!("failed to send notification - {NOTICES_WAITING_MAX} wait, {action} is dropped");
        }
    }
}

/// Starts the task that tells. What waits when the group stops is still told, within the client's timeouts.
pub(super) fn start(client: Client, figures: Figures, tasks: &TaskGroup) -> Sender {
    let (sender, mut waiting) = mpsc::channel::<(String, Notice)>(NOTICES_WAITING_MAX);
    let (stop, told) = (tasks.stop_signal(), figures.clone());
    tasks.spawn("nsqadmin notifications", async move {
        loop {
            let next = tokio::select! {
                biased;
                next = waiting.recv() => next,
                () = stop.requested() => break,
            };
            let Some((endpoint, notice)) = next else { break };
            told.told(tell(&client, &endpoint, &notice).await);
        }
    });
    Sender { waiting: sender, figures }
}

/// Tells one; what came of it.
async fn tell(client: &Client, endpoint: &str, notice: &Notice) -> &'static str {
    let body = match serde_json::to_vec(notice) {
        Ok(body) => Bytes::from(body),
        Err(error) => {
            tracing::error!("failed to serialize admin action - {error}");
            return "failed";
        }
    };
    match client.post(endpoint, Some("application/json"), body).await {
        Ok(_) => "sent",
        Err(error) => {
            tracing::error!("failed to POST notification - {error}");
            "failed"
        }
    }
}
