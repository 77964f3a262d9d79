//! What the forms on the pages do.

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use http::StatusCode;
use nsq::cluster::{Action, Problem, Seen, Target};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::visit::{Answer, Sorry, Visit};

#[derive(Deserialize)]
pub(super) struct Deed {
    #[serde(default)]
    action: String,
}

#[derive(Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    topic: String,
    #[serde(default)]
    channel: String,
}

#[derive(Deserialize)]
pub(super) struct Tombstone {
    #[serde(default)]
    topic: String,
}

/// The page of what was only partly done.
#[derive(Serialize)]
struct Partly {
    what: String,
    back: String,
    problems: Vec<Problem>,
}

/// `POST /topics`
pub(super) async fn create(visit: Visit, Form(form): Form<Create>) -> Answer {
    visit.need_admin()?;
    let (topic, channel) = (form.topic.trim(), form.channel.trim());
    for name in [topic, channel].into_iter().filter(|name| !name.is_empty()).chain([topic]) {
        if !nsq::cluster::is_name(name) {
            return Err(Sorry::new(
                StatusCode::BAD_REQUEST,
                "A name has 1 to 64 of the characters . _ - a-z A-Z 0-9, perhaps with #ephemeral behind them.",
            ));
        }
    }
    let target = Target { topic, channel: (!channel.is_empty()).then_some(channel) };
    let done = visit.admin().create(&visit.caller, target).await?;
    let to = visit.href(&format!("/topics/{}?done=create", escaped(topic)));
    finish(&visit, done, format!("Making {}", name_of(target)), to)
}

/// `POST /topics/{topic}`
pub(super) async fn topic(visit: Visit, Path(topic): Path<String>, Form(deed): Form<Deed>) -> Answer {
    act(&visit, &deed, Target { topic: &topic, channel: None }).await
}

/// `POST /topics/{topic}/{channel}`
pub(super) async fn channel(
    visit: Visit,
    Path((topic, channel)): Path<(String, String)>,
    Form(deed): Form<Deed>,
) -> Answer {
    act(&visit, &deed, Target { topic: &topic, channel: Some(&channel) }).await
}

/// `POST /nodes/{node}`: tombstones a topic there.
pub(super) async fn tombstone(visit: Visit, Path(node): Path<String>, Form(form): Form<Tombstone>) -> Answer {
    visit.need_admin()?;
    if !nsq::cluster::is_name(&form.topic) {
        return Err(Sorry::new(StatusCode::BAD_REQUEST, "Name a topic."));
    }
    let done = visit.admin().tombstone(&visit.caller, &form.topic, &node).await?;
    let to = visit.href(&format!("/nodes/{}?done=tombstone", escaped(&node)));
    finish(&visit, done, format!("Tombstoning {} on {node}", form.topic), to)
}

async fn act(visit: &Visit, deed: &Deed, target: Target<'_>) -> Answer {
    visit.need_admin()?;
    let action = match deed.action.as_str() {
        "delete" => Action::Delete,
        other => Action::parse(other)
            .ok_or_else(|| Sorry::new(StatusCode::BAD_REQUEST, "There is no such action."))?,
    };
    let done = visit.admin().act(&visit.caller, action, target).await?;
    let own = match target.channel {
        Some(channel) => format!("/topics/{}/{}", escaped(target.topic), escaped(channel)),
        None => format!("/topics/{}", escaped(target.topic)),
    };
    let to = match (action, target.channel) {
        (Action::Delete, None) => format!("/?done=delete&what={}", escaped(target.topic)),
        (Action::Delete, Some(_)) => format!("/topics/{}?done=delete-channel", escaped(target.topic)),
        _ => format!("{own}?done={}", action.name()),
    };
    let verb = match action {
        Action::Pause => "Pausing",
        Action::Unpause => "Unpausing",
        Action::Empty => "Emptying",
        Action::Delete => "Deleting",
    };
    finish(visit, done, format!("{verb} {}", name_of(target)), visit.href(&to))
}

fn name_of(target: Target<'_>) -> String {
    match target.channel {
        Some(channel) => format!("the channel {channel} of {}", target.topic),
        None => format!("the topic {}", target.topic),
    }
}

/// Back to a page, or a page of its own where not everybody did it.
fn finish(visit: &Visit, done: Seen<()>, what: String, to: String) -> Answer {
    if done.problems.is_empty() {
        return Ok(Redirect::to(&to).into_response());
    }
    visit.present("partly", Partly { what, back: to, problems: done.problems })
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
