//! `/stats/trash` and what an owner does to a stat: delete, restore, purge, show to everybody.

use axum::Form;
use axum::response::{IntoResponse, Redirect};
use serde::{Deserialize, Serialize};

use crate::ask::{Ask, PublicId};
use crate::pages::card::{Card, owned};
use crate::presenter::Answer;

/// The trash.
#[derive(Serialize)]
pub struct View {
    /// The latest deleted first.
    stats: Vec<Card>,
}

/// `GET /stats/trash`
pub async fn trash(ask: Ask) -> Answer {
    let mut stats: Vec<Card> = ask.app().catalog.trash(ask.me()?.id).iter().map(Card::from).collect();
    stats.sort_by_key(|stat| std::cmp::Reverse(stat.deleted_at));
    ask.present("trash", View { stats })
}

/// `POST /stats/{id}/delete`: into the trash; the list then offers to take it back.
pub async fn delete(ask: Ask, PublicId(id): PublicId) -> Answer {
    ask.app().catalog.delete(owned(&ask, &id)?.id).await?;
    Ok(Redirect::to(&format!("/stats?deleted={id}")).into_response())
}

/// `POST /stats/{id}/restore`
pub async fn restore(ask: Ask, PublicId(id): PublicId) -> Answer {
    ask.app().catalog.restore(owned(&ask, &id)?.id).await?;
    Ok(Redirect::to(&format!("/stats/{id}")).into_response())
}

/// `POST /stats/{id}/purge`: out of the trash for ever.
pub async fn purge(ask: Ask, PublicId(id): PublicId) -> Answer {
    ask.app().catalog.purge(owned(&ask, &id)?.id).await?;
    Ok(Redirect::to("/stats/trash").into_response())
}

/// The form of [`share`].
#[derive(Deserialize)]
pub struct Share {
    /// `on`: everybody may see it by its link.
    #[serde(default)]
    public: String,
}

/// `POST /stats/{id}/public`
pub async fn share(ask: Ask, PublicId(id): PublicId, Form(form): Form<Share>) -> Answer {
    ask.app().catalog.set_public(owned(&ask, &id)?.id, form.public == "on").await?;
    Ok(Redirect::to(&format!("/stats/{id}#share")).into_response())
}
