//! `/s/{id}`: a stat as everybody sees it, once its owner has made it public.

use axum::extract::Query;
use http::{HeaderValue, header};

use crate::ask::{Ask, PublicId};
use crate::failure::Failure;
use crate::pages::stat::{self, Params};
use crate::presenter::Answer;

/// For a minute, in shared caches too: the page is the same for everybody.
const A_MINUTE: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// `GET /s/{id}`
pub async fn shared(mut ask: Ask, PublicId(id): PublicId, Query(params): Query<Params>) -> Answer {
    let stat = ask.app().catalog.by_public_id(&id).filter(|stat| stat.public && stat.deleted_at.is_none());
    let stat = stat.ok_or(Failure::NotFound("public stat"))?;
    ask.me = None;
    let mut answer = stat::present(&ask, "shared", &stat, params.t.as_deref()).await?;
    answer.headers_mut().insert(header::CACHE_CONTROL, A_MINUTE);
    // Its own addresses are in it.
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("X-Forwarded-Proto"));
    Ok(answer)
}
