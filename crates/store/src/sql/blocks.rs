//! Blocks and segments: a packed integer and its bytes.

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Connection, Row, Transaction};

use super::batch::{ROWS, padded, pieces};
use super::dialect::placeholders;
use super::failure::failed;
use super::{Sql, WRITE_TIMEOUT, within};
use crate::{BlockKey, BlockKind, Error, SegmentKey};

/// How many stats' blocks one transaction deletes: other writers get in between.
const DELETE_STATS_MAX: usize = 512;

pub(crate) async fn range(
    sql: &Sql,
    from: BlockKey,
    to: BlockKey,
) -> Result<Vec<(BlockKey, Vec<u8>)>, Error> {
    let mut reader = sql.reader("blocks").await?;
    let rows = sqlx::query("SELECT id, d FROM blocks WHERE id BETWEEN ? AND ? ORDER BY id")
        .bind(from.packed())
        .bind(to.packed())
        .fetch_all(&mut *reader)
        .await
        .map_err(failed("blocks"))?;
    rows.iter().filter_map(|row| block(row).transpose()).collect()
}

/// `None` for a key that only a later version understands.
fn block(row: &AnyRow) -> Result<Option<(BlockKey, Vec<u8>)>, Error> {
    let fault = failed("blocks");
    let Some(key) = BlockKey::unpacked(row.try_get(0).map_err(fault)?) else { return Ok(None) };
    Ok(Some((key, row.try_get(1).map_err(fault)?)))
}

pub(crate) async fn of(sql: &Sql, keys: &[BlockKey]) -> Result<Vec<(BlockKey, Vec<u8>)>, Error> {
    let fault = failed("blocks");
    let mut ids: Vec<i64> = keys.iter().map(|key| key.packed()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::with_capacity(ids.len());
    let mut reader = sql.reader("blocks").await?;
    let mut tx = reader.begin_with(sql.dialect.begin_read()).await.map_err(fault)?;
    for piece in ids.chunks(ROWS[0]) {
        let size = padded(piece.len());
        let text = format!("SELECT id, d FROM blocks WHERE id IN ({})", placeholders(size));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for i in 0..size {
            query = query.bind(piece[i.min(piece.len() - 1)]);
        }
        for row in query.fetch_all(&mut *tx).await.map_err(fault)? {
            found.extend(block(&row)?);
        }
    }
    tx.commit().await.map_err(fault)?;
    Ok(found)
}

pub(crate) async fn segments(sql: &Sql, shard: u8) -> Result<Vec<(SegmentKey, Vec<u8>)>, Error> {
    let fault = failed("segments");
    let mut reader = sql.reader("segments").await?;
    let rows = sqlx::query("SELECT id, d FROM segments WHERE id BETWEEN ? AND ? ORDER BY id")
        .bind(SegmentKey { shard, hour: 0, sequence: 0 }.packed())
        .bind(SegmentKey { shard, hour: SegmentKey::HOUR_MAX, sequence: SegmentKey::SEQUENCE_MAX }.packed())
        .fetch_all(&mut *reader)
        .await
        .map_err(fault)?;
    let mut segments = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(key) = SegmentKey::unpacked(row.try_get(0).map_err(fault)?) {
            segments.push((key, row.try_get(1).map_err(fault)?));
        }
    }
    Ok(segments)
}

/// Writes whole blobs into `table`, overwriting; in the order of their ids, so that each page of the
/// tree is visited once.
pub(crate) async fn upsert(
    sql: &Sql,
    tx: &mut Transaction<'static, Any>,
    table: &'static str,
    mut blobs: Vec<(i64, &[u8])>,
) -> Result<(), Error> {
    // Stable: of several for one id the last stays.
    blobs.sort_by_key(|(id, _)| *id);
    for piece in pieces(&blobs, |(_, bytes)| bytes.len()) {
        let text = sql.dialect.upsert(table, &["id", "d"], piece.len());
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (id, bytes) in piece {
            query = query.bind(*id).bind(*bytes);
        }
        query.execute(&mut **tx).await.map_err(failed(table))?;
    }
    Ok(())
}

/// Deletes single blocks.
pub(crate) async fn delete_keys(tx: &mut Transaction<'static, Any>, keys: &[BlockKey]) -> Result<(), Error> {
    for piece in pieces(keys, |_| 8) {
        let text = format!("DELETE FROM blocks WHERE id IN ({})", placeholders(piece.len()));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for key in piece {
            query = query.bind(key.packed());
        }
        query.execute(&mut **tx).await.map_err(failed("blocks"))?;
    }
    Ok(())
}

/// Deletes the segments of one hour of one shard, but for those `kept`.
pub(crate) async fn delete_segments(
    tx: &mut Transaction<'static, Any>,
    shard: u8,
    hour: u32,
    kept: &[SegmentKey],
) -> Result<(), Error> {
    let kept = kept.iter().filter(|key| (key.shard, key.hour) == (shard, hour));
    let mut kept: Vec<u32> = kept.map(|key| key.sequence).collect();
    kept.sort_unstable();
    let mut from = 0;
    // What lies between those kept, and what is behind the last.
    for end in kept.into_iter().chain([SegmentKey::SEQUENCE_MAX + 1]) {
        if from < end {
            sqlx::query("DELETE FROM segments WHERE id BETWEEN ? AND ?")
                .bind(SegmentKey { shard, hour, sequence: from }.packed())
                .bind(SegmentKey { shard, hour, sequence: end - 1 }.packed())
                .execute(&mut **tx)
                .await
                .map_err(failed("segments"))?;
        }
        from = end + 1;
    }
    Ok(())
}

pub(crate) async fn delete(sql: &Sql, kind: BlockKind, stats: &[u32], below: u32) -> Result<u64, Error> {
    let Some(last) = below.checked_sub(1) else { return Ok(0) };
    let last = last.min(BlockKey::NUMBER_MAX);
    let mut gone = 0;
    for some in stats.chunks(DELETE_STATS_MAX) {
        gone += within(WRITE_TIMEOUT, "removing blocks", delete_of(sql, kind, some, last)).await?;
    }
    Ok(gone)
}

async fn delete_of(sql: &Sql, kind: BlockKind, stats: &[u32], last: u32) -> Result<u64, Error> {
    let fault = failed("blocks");
    let mut gone = 0;
    let mut tx = sql.write("blocks").await?;
    for piece in pieces(stats, |_| 16) {
        let ranges = vec!["id BETWEEN ? AND ?"; piece.len()].join(" OR ");
        let mut query = sqlx::query(AssertSqlSafe(format!("DELETE FROM blocks WHERE {ranges}")));
        for stat in piece {
            query = query
                .bind(BlockKey { kind, stat: *stat, number: 0 }.packed())
                .bind(BlockKey { kind, stat: *stat, number: last }.packed());
        }
        gone += query.execute(&mut *tx).await.map_err(fault)?.rows_affected();
    }
    tx.commit().await.map_err(fault)?;
    Ok(gone)
}
