//! `/lookup`: making topics and channels, and those that no nsqd has.

use nsq::cluster::{Cluster, Problem};
use serde::Serialize;
use tokio::task::JoinSet;

use super::figures::tidied;
use super::visit::{Answer, Visit};

/// Topics that are looked up at once.
const AT_ONCE_MAX: usize = 16;

#[derive(Serialize)]
struct View {
    lookupds: Vec<String>,
    inactive: Vec<Inactive>,
    problems: Vec<Problem>,
}

/// A topic that nsqlookupds know and no nsqd has.
#[derive(Serialize)]
struct Inactive {
    topic: String,
    channels: Vec<String>,
}

/// `GET /lookup`
pub(super) async fn lookup(visit: Visit) -> Answer {
    let cluster = visit.admin().cluster();
    let lookupds = cluster.addresses().lookupds.clone();
    let mut problems = Vec::new();
    let mut inactive = Vec::new();
    if cluster.has_lookupds() {
        let topics = cluster.topics().await?.note(&mut problems);
        inactive = abandoned(&cluster, topics).await;
    }
    visit.present("lookup", View { lookupds, inactive, problems: tidied(problems) })
}

async fn abandoned(cluster: &Cluster, topics: Vec<String>) -> Vec<Inactive> {
    let mut found = Vec::new();
    let mut asked = JoinSet::new();
    let mut waiting = topics.into_iter();
    loop {
        while asked.len() < AT_ONCE_MAX
            && let Some(topic) = waiting.next()
        {
            let cluster = cluster.clone();
            asked.spawn(async move {
                let producers = cluster.topic_producers(&topic).await.ok()?;
                if !producers.value.is_empty() {
                    return None;
                }
                let channels = cluster.channels(&topic).await.map(|seen| seen.value).unwrap_or_default();
                Some(Inactive { topic, channels })
            });
        }
        match asked.join_next().await {
            Some(answer) => found.extend(answer.ok().flatten()),
            None => break,
        }
    }
    found.sort_by_cached_key(|inactive| app::natural::key(&inactive.topic));
    found
}
