//! `/settings`: keys, tokens, the password, and keys of clients that nobody knows.

use app::accounts::OWNER;
use axum::Form;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect};
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::pages::welcome::{Snippet, snippets};
use crate::presenter::Answer;

/// The page.
#[derive(Serialize)]
pub struct View {
    email: String,
    ez_key: String,
    ez_enabled: bool,
    user_key: String,
    access_token: String,
    has_password: bool,
    /// Only the owner sees them.
    unknown_keys: Vec<Unknown>,
    owner: bool,
    /// What was just done.
    done: &'static str,
    snippets: Vec<Snippet>,
}

/// A key that clients send and no account has.
#[derive(Serialize)]
pub struct Unknown {
    key: String,
    count: u64,
    /// Milliseconds since the epoch.
    last_at: i64,
}

/// What the page's URL says.
#[derive(Deserialize)]
pub struct Params {
    #[serde(default)]
    done: String,
}

/// What a form did, by the word in the URL.
const DONE: [(&str, &str); 3] = [
    ("ez", "The EZ key is saved."),
    ("token", "The access token is new; the old one no longer works."),
    ("password", "The password is set."),
];

/// `GET /settings`
pub async fn settings(ask: Ask, Query(params): Query<Params>) -> Answer {
    let me = ask.me()?.clone();
    let owner = me.id == OWNER;
    let unknown = if owner { ask.app().intake.unknown_keys() } else { Vec::new() };
    let mut unknown_keys: Vec<Unknown> = unknown
        .into_iter()
        .map(|u| Unknown { key: u.key, count: u.count, last_at: u.last_at.millis() })
        .collect();
    unknown_keys.sort_by_key(|unknown| std::cmp::Reverse(unknown.last_at));
    let done = DONE.iter().find(|(word, _)| *word == params.done).map_or("", |(_, text)| text);
    let snippets = snippets(&ask.address, &me.ez_key);
    let view = View {
        email: me.email,
        ez_key: me.ez_key,
        ez_enabled: me.ez_enabled,
        user_key: me.user_key,
        access_token: me.access_token,
        has_password: me.has_password,
        unknown_keys,
        owner,
        done,
        snippets,
    };
    ask.present("settings", view)
}

/// The form of [`set_ez`].
#[derive(Deserialize)]
pub struct Ez {
    ez_key: String,
    #[serde(default)]
    enabled: String,
}

/// `POST /settings/ez`
pub async fn set_ez(ask: Ask, Form(form): Form<Ez>) -> Answer {
    let me = ask.me()?;
    ask.app().accounts.set_ez(me.id, form.ez_key.trim(), form.enabled == "on").await?;
    done("ez")
}

/// `POST /settings/token`
pub async fn renew_token(ask: Ask) -> Answer {
    ask.app().accounts.renew_token(ask.me()?.id).await?;
    done("token")
}

/// The form of [`set_password`].
#[derive(Deserialize)]
pub struct Password {
    /// Empty where none is set yet.
    #[serde(default)]
    current: String,
    password: String,
    again: String,
}

/// `POST /settings/password`
pub async fn set_password(ask: Ask, Form(form): Form<Password>) -> Answer {
    let me = ask.me()?;
    if form.password != form.again {
        return Err(Failure::Invalid("the two passwords differ: go back and type the same twice".to_owned()));
    }
    let current = Some(form.current.as_str()).filter(|current| !current.is_empty());
    ask.app().accounts.set_password(me.id, current, &form.password, ask.session.as_deref()).await?;
    done("password")
}

fn done(what: &str) -> Answer {
    Ok(Redirect::to(&format!("/settings?done={what}")).into_response())
}
