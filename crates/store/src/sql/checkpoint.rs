//! The one write that matters: positions move together with what depends on them.

use sqlx::{Any, Row, Transaction};

use super::failure::{absurd, failed};
use super::{Sql, blocks, stats};
use crate::{Checkpoint, Error};

pub(crate) async fn positions(sql: &Sql) -> Result<Vec<(u8, u64)>, Error> {
    let fault = failed("positions");
    let mut reader = sql.reader("positions").await?;
    let rows = sqlx::query("SELECT shard, position FROM positions ORDER BY shard")
        .fetch_all(&mut *reader)
        .await
        .map_err(fault)?;
    let mut positions = Vec::with_capacity(rows.len());
    for row in rows {
        let shard: i64 = row.try_get(0).map_err(fault)?;
        let shard = u8::try_from(shard).map_err(|_| absurd("positions", "shard", shard))?;
        positions.push((shard, unsigned(row.try_get(1).map_err(fault)?)?));
    }
    Ok(positions)
}

pub(crate) async fn write(sql: &Sql, checkpoints: &[Checkpoint]) -> Result<(), Error> {
    if checkpoints.is_empty() {
        return Ok(());
    }
    let mut tx = sql.write("a checkpoint").await?;
    for checkpoint in checkpoints {
        move_position(&mut tx, checkpoint).await?;
    }
    for checkpoint in checkpoints {
        stats::insert(sql, &mut tx, &checkpoint.new_stats).await?;
        stats::set_received(sql, &mut tx, &checkpoint.received).await?;
        stats::revive(&mut tx, &checkpoint.revived).await?;
    }
    let segments = checkpoints.iter().flat_map(|one| &one.segments);
    let segments = segments.map(|(key, bytes)| (key.packed(), bytes.as_slice())).collect();
    blocks::upsert(sql, &mut tx, "segments", segments).await?;
    let whole = checkpoints.iter().flat_map(|one| &one.blocks);
    let whole = whole.map(|(key, bytes)| (key.packed(), bytes.as_slice())).collect();
    blocks::upsert(sql, &mut tx, "blocks", whole).await?;
    for checkpoint in checkpoints {
        blocks::delete_keys(&mut tx, &checkpoint.deleted_blocks).await?;
        for hour in &checkpoint.deleted_segment_hours {
            blocks::delete_segments(&mut tx, checkpoint.shard, *hour, &checkpoint.kept_segments).await?;
        }
    }
    tx.commit().await.map_err(failed("a checkpoint"))
}

/// Compare and set. The comparison is part of the statement, so that it holds on any database.
async fn move_position(tx: &mut Transaction<'static, Any>, checkpoint: &Checkpoint) -> Result<(), Error> {
    let fault = failed("positions");
    let shard = i64::from(checkpoint.shard);
    let to = signed(checkpoint.to);
    let moved = match checkpoint.from {
        Some(from) => {
            let query = sqlx::query("UPDATE positions SET position = ? WHERE shard = ? AND position = ?");
            let done = query.bind(to).bind(shard).bind(signed(from)).execute(&mut **tx).await;
            done.map_err(fault)?.rows_affected() == 1
        }
        None => {
            let query = sqlx::query("INSERT INTO positions (shard, position) VALUES (?, ?)");
            match query.bind(shard).bind(to).execute(&mut **tx).await.map_err(fault) {
                Ok(_) => true,
                Err(Error::Taken(_)) => false,
                Err(other) => return Err(other),
            }
        }
    };
    if moved {
        return Ok(());
    }
    let row = sqlx::query("SELECT position FROM positions WHERE shard = ?")
        .bind(shard)
        .fetch_optional(&mut **tx)
        .await
        .map_err(fault)?;
    let found = match row {
        Some(row) => Some(unsigned(row.try_get(0).map_err(fault)?)?),
        None => None,
    };
    Err(Error::Moved { shard: checkpoint.shard, expected: checkpoint.from, found })
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).expect("a log of 2^63 bytes is never written")
}

fn unsigned(position: i64) -> Result<u64, Error> {
    u64::try_from(position).map_err(|_| absurd("positions", "position", position))
}
