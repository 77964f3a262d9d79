//! Settings, accounts and sessions: few rows, one statement each.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::Sql;
use super::dialect::{insert as insert_text, placeholders};
use super::failure::{absurd, failed};
use crate::{Account, Error, Session};

pub(crate) async fn setting(sql: &Sql, name: &str) -> Result<Option<String>, Error> {
    let fault = failed("settings");
    let mut reader = sql.reader("settings").await?;
    let row = sqlx::query("SELECT value FROM settings WHERE name = ?")
        .bind(name)
        .fetch_optional(&mut *reader)
        .await
        .map_err(fault)?;
    row.map(|row| row.try_get(0).map_err(fault)).transpose()
}

pub(crate) async fn set_setting(sql: &Sql, name: &str, value: &str) -> Result<(), Error> {
    let text = sql.dialect.upsert("settings", &["name", "value"], 1);
    let mut writer = sql.writer("settings").await?;
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(name).bind(value);
    query.execute(&mut *writer).await.map_err(failed("settings"))?;
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
    let mut writer = sql.writer("accounts").await?;
    sqlx::query(sqlx::AssertSqlSafe(insert_text("accounts", &ACCOUNT, 1)))
        .bind(i64::from(account.id))
        .bind(account.email.as_str())
        .bind(account.password_hash.as_deref())
        .bind(account.ez_key.as_str())
        .bind(i64::from(account.ez_enabled))
        .bind(account.user_key.as_str())
        .bind(account.access_token.as_str())
        .bind(account.created_at)
        .execute(&mut *writer)
        .await
        .map_err(failed("accounts"))?;
    Ok(())
}

pub(crate) async fn update(sql: &Sql, account: &Account) -> Result<(), Error> {
    let mut writer = sql.writer("accounts").await?;
    let done = sqlx::query(
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
    .bind(i64::from(account.id))
    .execute(&mut *writer)
    .await
    .map_err(failed("accounts"))?;
    if done.rows_affected() == 0 { Err(Error::Missing("account")) } else { Ok(()) }
}

pub(crate) async fn insert_session(sql: &Sql, session: &Session) -> Result<(), Error> {
    let columns = placeholders(4);
    let text = format!("INSERT INTO sessions (token_hash, account, link, expires_at) VALUES ({columns})");
    let mut writer = sql.writer("sessions").await?;
    sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(session.token_hash.as_str())
        .bind(i64::from(session.account))
        .bind(i64::from(session.link))
        .bind(session.expires_at)
        .execute(&mut *writer)
        .await
        .map_err(failed("sessions"))?;
    Ok(())
}

pub(crate) async fn session(sql: &Sql, token_hash: &str) -> Result<Option<Session>, Error> {
    let fault = failed("sessions");
    let mut reader = sql.reader("sessions").await?;
    let row = sqlx::query("SELECT account, link, expires_at FROM sessions WHERE token_hash = ?")
        .bind(token_hash)
        .fetch_optional(&mut *reader)
        .await
        .map_err(fault)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Session {
        token_hash: token_hash.to_owned(),
        account: id(&row, 0, "sessions")?,
        link: row.try_get::<i64, _>(1).map_err(fault)? != 0,
        expires_at: row.try_get(2).map_err(fault)?,
    }))
}

pub(crate) async fn take_session(sql: &Sql, token_hash: &str) -> Result<bool, Error> {
    let mut writer = sql.writer("sessions").await?;
    let done = sqlx::query("DELETE FROM sessions WHERE token_hash = ?")
        .bind(token_hash)
        .execute(&mut *writer)
        .await
        .map_err(failed("sessions"))?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn expire_sessions(sql: &Sql, now: i64) -> Result<u64, Error> {
    let mut writer = sql.writer("sessions").await?;
    let done = sqlx::query("DELETE FROM sessions WHERE expires_at < ?")
        .bind(now)
        .execute(&mut *writer)
        .await
        .map_err(failed("sessions"))?;
    Ok(done.rows_affected())
}

pub(crate) async fn clear_sessions(sql: &Sql, account: u32) -> Result<u64, Error> {
    let mut writer = sql.writer("sessions").await?;
    let done = sqlx::query("DELETE FROM sessions WHERE account = ?")
        .bind(i64::from(account))
        .execute(&mut *writer)
        .await
        .map_err(failed("sessions"))?;
    Ok(done.rows_affected())
}

/// Column `column` as an id of ours.
pub(crate) fn id(row: &AnyRow, column: usize, table: &'static str) -> Result<u32, Error> {
    let value: i64 = row.try_get(column).map_err(failed(table))?;
    u32::try_from(value).map_err(|_| absurd(table, "id", value))
}
