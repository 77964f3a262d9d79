//! Settings, accounts and sessions: few rows, one statement each.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};

use super::Sql;
use super::dialect::insert as insert_text;
use super::failure::{absurd, failed};
use crate::{Account, Error, Session};

/// The row that has this key, if there is one.
async fn row(sql: &Sql, table: &'static str, text: &'static str, key: &str) -> Result<Option<AnyRow>, Error> {
    let mut reader = sql.reader(table).await?;
    sqlx::query(text).bind(key).fetch_optional(&mut *reader).await.map_err(failed(table))
}

/// Runs one statement by itself; how many rows it has changed.
async fn run(sql: &Sql, table: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<u64, Error> {
    let mut writer = sql.writer(table).await?;
    let done = query.execute(&mut *writer).await.map_err(failed(table))?;
    Ok(done.rows_affected())
}

pub(crate) async fn setting(sql: &Sql, name: &str) -> Result<Option<String>, Error> {
    let row = row(sql, "settings", "SELECT value FROM settings WHERE name = ?", name).await?;
    row.map(|row| row.try_get(0).map_err(failed("settings"))).transpose()
}

pub(crate) async fn set_setting(sql: &Sql, name: &str, value: &str) -> Result<(), Error> {
    let text = sql.dialect.upsert("settings", &["name", "value"], 1);
    run(sql, "settings", sqlx::query(sqlx::AssertSqlSafe(text)).bind(name).bind(value)).await?;
    Ok(())
}

const ACCOUNT: [&str; 8] =
    ["id", "email", "password_hash", "ez_key", "ez_enabled", "user_key", "access_token", "created_at"];

pub(crate) async fn all(sql: &Sql) -> Result<Vec<Account>, Error> {
    let text = format!("SELECT {} FROM accounts ORDER BY id", ACCOUNT.join(", "));
    let mut reader = sql.reader("accounts").await?;
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut *reader).await.map_err(failed("accounts"))?;
    rows.iter().map(account).collect()
}

fn account(row: &AnyRow) -> Result<Account, Error> {
    let fault = failed("accounts");
    Ok(Account {
        id: id(row, 0, "accounts")?,
        email: row.try_get(1).map_err(fault)?,
        password_hash: row.try_get(2).map_err(fault)?,
        ez_key: row.try_get(3).map_err(fault)?,
        ez_enabled: row.try_get::<i64, _>(4).map_err(fault)? != 0,
        user_key: row.try_get(5).map_err(fault)?,
        access_token: row.try_get(6).map_err(fault)?,
        created_at: row.try_get(7).map_err(fault)?,
    })
}

pub(crate) async fn insert(sql: &Sql, account: &Account) -> Result<(), Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(insert_text("accounts", &ACCOUNT, 1)))
        .bind(i64::from(account.id))
        .bind(account.email.as_str())
        .bind(account.password_hash.as_deref())
        .bind(account.ez_key.as_str())
        .bind(i64::from(account.ez_enabled))
        .bind(account.user_key.as_str())
        .bind(account.access_token.as_str())
        .bind(account.created_at);
    run(sql, "accounts", query).await?;
    Ok(())
}

pub(crate) async fn update(sql: &Sql, account: &Account) -> Result<(), Error> {
    let query = sqlx::query(
        "UPDATE accounts SET email = ?, password_hash = ?, ez_key = ?, ez_enabled = ?, user_key = ?, \
         access_token = ?, created_at = ? WHERE id = ?",
    )
    .bind(account.email.as_str())
    .bind(account.password_hash.as_deref())
    .bind(account.ez_key.as_str())
    .bind(i64::from(account.ez_enabled))
    .bind(account.user_key.as_str())
    .bind(account.access_token.as_str())
    .bind(account.created_at)
    .bind(i64::from(account.id));
    if run(sql, "accounts", query).await? == 0 { Err(Error::Missing("account")) } else { Ok(()) }
}

const SESSION: [&str; 4] = ["token_hash", "account", "link", "expires_at"];

pub(crate) async fn insert_session(sql: &Sql, session: &Session) -> Result<(), Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(insert_text("sessions", &SESSION, 1)))
        .bind(session.token_hash.as_str())
        .bind(i64::from(session.account))
        .bind(i64::from(session.link))
        .bind(session.expires_at);
    run(sql, "sessions", query).await?;
    Ok(())
}

pub(crate) async fn session(sql: &Sql, token_hash: &str) -> Result<Option<Session>, Error> {
    let fault = failed("sessions");
    let text = "SELECT account, link, expires_at FROM sessions WHERE token_hash = ?";
    let Some(row) = row(sql, "sessions", text, token_hash).await? else { return Ok(None) };
    Ok(Some(Session {
        token_hash: token_hash.to_owned(),
        account: id(&row, 0, "sessions")?,
        link: row.try_get::<i64, _>(1).map_err(fault)? != 0,
        expires_at: row.try_get(2).map_err(fault)?,
    }))
}

pub(crate) async fn take_session(sql: &Sql, token_hash: &str) -> Result<bool, Error> {
    let query = sqlx::query("DELETE FROM sessions WHERE token_hash = ?").bind(token_hash);
    Ok(run(sql, "sessions", query).await? > 0)
}

pub(crate) async fn expire_sessions(sql: &Sql, now: i64) -> Result<u64, Error> {
    run(sql, "sessions", sqlx::query("DELETE FROM sessions WHERE expires_at < ?").bind(now)).await
}

pub(crate) async fn clear_sessions(sql: &Sql, account: u32) -> Result<u64, Error> {
    let query = sqlx::query("DELETE FROM sessions WHERE account = ?").bind(i64::from(account));
    run(sql, "sessions", query).await
}

/// Column `column` as an id of ours.
pub(crate) fn id(row: &AnyRow, column: usize, table: &'static str) -> Result<u32, Error> {
    let value: i64 = row.try_get(column).map_err(failed(table))?;
    u32::try_from(value).map_err(|_| absurd(table, "id", value))
}
