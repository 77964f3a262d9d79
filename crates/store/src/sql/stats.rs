//! The catalog of stats.

use sqlx::Row;
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use super::accounts::id;
use super::batch::pieces;
use super::dialect::{insert as insert_text, placeholders};
use super::failure::failed;
use super::{Sql, WRITE_TIMEOUT, blocks, within};
use crate::{BlockKey, BlockKind, Error, NewStat, Stat, StatUpdate};

const STAT: [&str; 9] =
    ["id", "account", "name", "counter", "public_id", "classic_key", "public", "created_at", "deleted_at"];

pub(crate) async fn all(sql: &Sql, shard: Option<u8>) -> Result<Vec<Stat>, Error> {
    let columns = STAT.map(|column| format!("s.{column}")).join(", ");
    let of_shard = if shard.is_some() { "WHERE s.id % 256 = ?" } else { "" };
    let text = format!(
        "SELECT {columns}, COALESCE(r.at, s.created_at) FROM stats s LEFT JOIN received r ON r.id = s.id \
         {of_shard} ORDER BY s.id"
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
    if let Some(shard) = shard {
        query = query.bind(i64::from(shard));
    }
    let mut reader = sql.reader("stats").await?;
    let rows = query.fetch_all(&mut *reader).await.map_err(failed("stats"))?;
    rows.iter().map(stat).collect()
}

fn stat(row: &AnyRow) -> Result<Stat, Error> {
    let fault = failed("stats");
    Ok(Stat {
        id: id(row, 0, "stats")?,
        account: id(row, 1, "stats")?,
        name: row.try_get(2).map_err(fault)?,
        counter: row.try_get::<i64, _>(3).map_err(fault)? != 0,
        public_id: row.try_get(4).map_err(fault)?,
        classic_key: row.try_get(5).map_err(fault)?,
        public: row.try_get::<i64, _>(6).map_err(fault)? != 0,
        created_at: row.try_get(7).map_err(fault)?,
        deleted_at: row.try_get(8).map_err(fault)?,
        received_at: row.try_get(9).map_err(fault)?,
    })
}

/// Inserts stats, their receive times included.
pub(crate) async fn insert(
    sql: &Sql,
    tx: &mut Transaction<'static, Any>,
    stats: &[NewStat],
) -> Result<(), Error> {
    for piece in pieces(stats, |stat| stat.name.len()) {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert_text("stats", &STAT, piece.len())));
        for stat in piece {
            query = query
                .bind(i64::from(stat.id))
                .bind(i64::from(stat.account))
                .bind(stat.name.as_str())
                .bind(i64::from(stat.counter))
                .bind(stat.public_id.as_str())
                .bind(stat.classic_key.as_str())
                .bind(i64::from(stat.public))
                .bind(stat.created_at)
                .bind(stat.deleted_at);
        }
        query.execute(&mut **tx).await.map_err(failed("stats"))?;
    }
    let received: Vec<(u32, i64)> = stats.iter().map(|stat| (stat.id, stat.received_at)).collect();
    set_received(sql, tx, &received).await
}

/// Sets when stats last got a point.
pub(crate) async fn set_received(
    sql: &Sql,
    tx: &mut Transaction<'static, Any>,
    received: &[(u32, i64)],
) -> Result<(), Error> {
    for piece in pieces(received, |_| 16) {
        let text = sql.dialect.upsert("received", &["id", "at"], piece.len());
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for (stat, at) in piece {
            query = query.bind(i64::from(*stat)).bind(*at);
        }
        query.execute(&mut **tx).await.map_err(failed("received"))?;
    }
    Ok(())
}

/// Takes out of the trash what was not put there after a point for it came.
pub(crate) async fn revive(tx: &mut Transaction<'static, Any>, revived: &[(u32, i64)]) -> Result<(), Error> {
    for (stat, at) in revived {
        sqlx::query("UPDATE stats SET deleted_at = NULL WHERE id = ? AND deleted_at <= ?")
            .bind(i64::from(*stat))
            .bind(*at)
            .execute(&mut **tx)
            .await
            .map_err(failed("stats"))?;
    }
    Ok(())
}

pub(crate) async fn update(sql: &Sql, stat: u32, update: StatUpdate) -> Result<(), Error> {
    let (text, value) = match update {
        StatUpdate::Public(public) => ("UPDATE stats SET public = ? WHERE id = ?", Some(i64::from(public))),
        StatUpdate::Deleted(at) => ("UPDATE stats SET deleted_at = ? WHERE id = ?", at),
    };
    let mut writer = sql.writer("stats").await?;
    let query = sqlx::query(text).bind(value).bind(i64::from(stat));
    let done = query.execute(&mut *writer).await.map_err(failed("stats"))?;
    if done.rows_affected() == 0 { Err(Error::Missing("stat")) } else { Ok(()) }
}

/// Blocks go first: a stat whose row is there after a crash is purged again.
pub(crate) async fn purge(sql: &Sql, stats: &[u32]) -> Result<(), Error> {
    for kind in BlockKind::ALL {
        blocks::delete(sql, kind, stats, BlockKey::NUMBER_MAX + 1).await?;
    }
    for piece in pieces(stats, |_| 8) {
        within(WRITE_TIMEOUT, "removing stats", remove_rows(sql, piece)).await?;
    }
    Ok(())
}

async fn remove_rows(sql: &Sql, stats: &[u32]) -> Result<(), Error> {
    let fault = failed("stats");
    let mut tx = sql.write("stats").await?;
    for table in ["received", "stats"] {
        let text = format!("DELETE FROM {table} WHERE id IN ({})", placeholders(stats.len()));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for stat in stats {
            query = query.bind(i64::from(*stat));
        }
        query.execute(&mut *tx).await.map_err(fault)?;
    }
    tx.commit().await.map_err(fault)
}
