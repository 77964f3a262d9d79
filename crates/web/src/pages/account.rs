//! `/settings`: keys, tokens, the password, and keys of clients that nobody knows.
//!
//! What a form gets wrong is said beside its field, on the same page, with what was typed; but passwords, which no
//! page ever holds.

use app::accounts::{EZ_KEY_MAX, EZ_KEY_REFUSED, OWNER, PASSWORD_MIN};
use axum::Form;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect};
use base::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::ask::{Ask, Format};
use crate::failure::{self, Failure};
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
    /// What was just typed and cannot be.
    problem: Option<Problem>,
    rules: Rules,
    snippets: Vec<Snippet>,
}

/// What a key and a password must be, said before anything is typed.
#[derive(Serialize)]
pub struct Rules {
    ez_key_max: usize,
    ez_key_refused: &'static str,
    password_min: usize,
}

/// What is wrong with a field.
#[derive(Serialize)]
pub struct Problem {
    field: Field,
    text: String,
    /// What stood in the fields of the form, where it may be shown again.
    ez: Option<Typed>,
}

/// The form of [`set_ez`] as it was sent.
#[derive(Serialize)]
pub struct Typed {
    key: String,
    enabled: bool,
}

/// A field of the page's forms.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The EZ key.
    Ez,
    /// The password as it is.
    Current,
    /// The password as it shall be.
    Password,
    /// The same again.
    Again,
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
    let done = DONE.iter().find(|(word, _)| *word == params.done).map_or("", |(_, text)| text);
    present(&ask, done, None)
}

/// `GET /settings/ez` and the like, as a reload of a page that a form answered with asks for them.
pub async fn to_settings() -> Redirect {
    Redirect::to("/settings")
}

fn present(ask: &Ask, done: &'static str, problem: Option<Problem>) -> Answer {
    let me = ask.me()?.clone();
    let owner = me.id == OWNER;
    let unknown = if owner { ask.app().intake.unknown_keys() } else { Vec::new() };
    let mut unknown_keys: Vec<Unknown> = unknown
        .into_iter()
        .map(|u| Unknown { key: u.key, count: u.count, last_at: u.last_at.millis() })
        .collect();
    unknown_keys.sort_by_key(|unknown| std::cmp::Reverse(unknown.last_at));
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
        problem,
        rules: Rules {
            ez_key_max: EZ_KEY_MAX,
            ez_key_refused: EZ_KEY_REFUSED.trim_start(),
            password_min: PASSWORD_MIN,
        },
        snippets,
    };
    ask.present("settings", view)
}

/// The page once more, with what is wrong beside `field`; what is nobody's mistake, and what programs send, fails.
fn again(ask: &Ask, field: Field, failure: Failure, ez: Option<Typed>) -> Answer {
    let kind = failure.kind();
    let mistake = matches!(kind, ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Denied);
    if !mistake || ask.format == Format::Json {
        return Err(failure);
    }
    let mut answer = present(ask, "", Some(Problem { field, text: failure.message(), ez }))?;
    *answer.status_mut() = failure::status(kind);
    Ok(answer)
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
    let (key, enabled) = (form.ez_key.trim(), form.enabled == "on");
    match ask.app().accounts.set_ez(ask.me()?.id, key, enabled).await {
        Ok(()) => done("ez"),
        Err(error) => again(&ask, Field::Ez, error.into(), Some(Typed { key: form.ez_key.clone(), enabled })),
    }
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
        let differ = Failure::Invalid("the two passwords differ: type the same twice".to_owned());
        return again(&ask, Field::Again, differ, None);
    }
    let current = Some(form.current.as_str()).filter(|current| !current.is_empty());
    let set = ask.app().accounts.set_password(me.id, current, &form.password, ask.session.as_deref());
    match set.await {
        Ok(()) => done("password"),
        Err(error) if error.kind() == ErrorKind::Denied => again(&ask, Field::Current, error.into(), None),
        Err(error) => again(&ask, Field::Password, error.into(), None),
    }
}

fn done(what: &str) -> Answer {
    Ok(Redirect::to(&format!("/settings?done={what}")).into_response())
}
