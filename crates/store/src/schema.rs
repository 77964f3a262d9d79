//! The tables, as versioned steps that only go forward, and their runner.
//!
//! Portable types only: BIGINT, INT, SMALLINT, VARCHAR(n), TEXT, LONGBLOB; flags are SMALLINT, times
//! BIGINT milliseconds since the epoch, ids come from the application. Two placeholders differ by
//! dialect: `{key}` is an integer primary key, `{bytes}` follows a VARCHAR that is compared byte by
//! byte, case and trailing blanks included (the default in SQLite, a `nopad_bin` or `0900_bin`
//! collation in MySQL: without it `Signups` and `signups` would be one stat).

use sqlx::{Any, Row, Transaction};

use crate::Error;
use crate::sql::dialect::Dialect;
use crate::sql::failure::failed;

/// A step: its version is its place in [`STEPS`] plus one. Once released a step never changes.
type Step = &'static [&'static str];

const STEPS: &[Step] = &[FIRST];

const FIRST: Step = &[
    "CREATE TABLE settings (name VARCHAR(64) {bytes} NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE accounts (id {key},
        email VARCHAR(254) {bytes} NOT NULL, password_hash VARCHAR(255),
        ez_key VARCHAR(254) {bytes} NOT NULL, ez_enabled SMALLINT NOT NULL,
        user_key VARCHAR(64) {bytes} NOT NULL, access_token VARCHAR(64) {bytes} NOT NULL,
        created_at BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX accounts_email ON accounts (email)",
    "CREATE UNIQUE INDEX accounts_ez_key ON accounts (ez_key)",
    "CREATE UNIQUE INDEX accounts_user_key ON accounts (user_key)",
    "CREATE UNIQUE INDEX accounts_access_token ON accounts (access_token)",
    "CREATE TABLE sessions (token_hash VARCHAR(64) {bytes} NOT NULL PRIMARY KEY,
        account BIGINT NOT NULL, link SMALLINT NOT NULL, expires_at BIGINT NOT NULL)",
    // A stat's row is wide and rarely changes; when its last point came changes with every
    // checkpoint and is kept apart, twelve bytes a row.
    "CREATE TABLE stats (id {key}, account BIGINT NOT NULL, name VARCHAR(255) {bytes} NOT NULL,
        counter SMALLINT NOT NULL, public_id VARCHAR(64) {bytes} NOT NULL,
        classic_key VARCHAR(64) {bytes} NOT NULL, public SMALLINT NOT NULL,
        created_at BIGINT NOT NULL, deleted_at BIGINT)",
    "CREATE UNIQUE INDEX stats_name ON stats (account, name)",
    "CREATE UNIQUE INDEX stats_public_id ON stats (public_id)",
    "CREATE TABLE received (id {key}, at BIGINT NOT NULL)",
    // id: BlockKey::packed, SegmentKey::packed. Never WITHOUT ROWID: comparisons would load the blobs.
    "CREATE TABLE blocks (id {key}, d LONGBLOB NOT NULL)",
    "CREATE TABLE segments (id {key}, d LONGBLOB NOT NULL)",
    "CREATE TABLE positions (shard {key}, position BIGINT NOT NULL)",
];

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS migrations (version {key})";

/// Applies the steps that are missing. The transaction must hold the write lock of the database, so
/// that of two processes that start at once the second finds the work done.
pub(crate) async fn migrate(tx: &mut Transaction<'_, Any>, dialect: Dialect) -> Result<(), Error> {
    apply(tx, dialect, STEPS).await
}

async fn apply(tx: &mut Transaction<'_, Any>, dialect: Dialect, steps: &[Step]) -> Result<(), Error> {
    let known = steps.len() as u32;
    let fault = failed("migrations");
    sqlx::query(sqlx::AssertSqlSafe(dialect.spell(VERSIONS))).execute(&mut **tx).await.map_err(fault)?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM migrations")
        .fetch_one(&mut **tx)
        .await
        .map_err(fault)?;
    let found: i64 = row.try_get(0).map_err(fault)?;
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for version in found + 1..=known {
        for statement in steps[version as usize - 1] {
            let text = sqlx::AssertSqlSafe(dialect.spell(statement));
            sqlx::query(text).execute(&mut **tx).await.map_err(fault)?;
        }
        sqlx::query("INSERT INTO migrations (version) VALUES (?)")
            .bind(i64::from(version))
            .execute(&mut **tx)
            .await
            .map_err(fault)?;
        tracing::info!(version, "the database has a new version");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AnyConnection, Connection};

    const OLD: &[Step] = &[&["CREATE TABLE t (id {key}, a BIGINT NOT NULL)"]];
    const NEW: &[Step] = &[OLD[0], &["ALTER TABLE t ADD COLUMN b BIGINT", "UPDATE t SET b = a + 1"]];

    struct File {
        connection: AnyConnection,
        _folder: tempfile::TempDir,
    }

    impl File {
        async fn new() -> Self {
            sqlx::any::install_default_drivers();
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}/t.db?mode=rwc", folder.path().display());
            Self { connection: AnyConnection::connect(&url).await.unwrap(), _folder: folder }
        }

        async fn apply(&mut self, steps: &[Step]) -> Result<(), Error> {
            let mut tx = self.connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
            apply(&mut tx, Dialect::Sqlite, steps).await?;
            tx.commit().await.unwrap();
            Ok(())
        }

        async fn number(&mut self, text: &'static str) -> Option<i64> {
            sqlx::query(text).fetch_one(&mut self.connection).await.unwrap().get(0)
        }
    }

    #[tokio::test]
    async fn an_old_version_is_brought_forward_with_its_rows() {
        let mut file = File::new().await;
        file.apply(OLD).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1, 41)").execute(&mut file.connection).await.unwrap();
        file.apply(NEW).await.unwrap();
        file.apply(NEW).await.unwrap();
        assert_eq!(file.number("SELECT b FROM t").await, Some(42));
        assert_eq!(file.number("SELECT COUNT(*) FROM migrations").await, Some(2));
        assert!(matches!(file.apply(OLD).await, Err(Error::Newer { found: 2, known: 1 })));
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_the_version_before() {
        let mut file = File::new().await;
        file.apply(OLD).await.unwrap();
        let broken: &[Step] = &[OLD[0], &["ALTER TABLE t ADD COLUMN c BIGINT", "NONSENSE"]];
        assert!(matches!(file.apply(broken).await, Err(Error::Database { what: "migrations", .. })));
        assert_eq!(file.number("SELECT MAX(version) FROM migrations").await, Some(1));
        file.apply(NEW).await.unwrap();
        assert_eq!(file.number("SELECT COUNT(*) FROM t").await, Some(0));
    }

    #[test]
    fn tables_use_portable_types_only() {
        for text in STEPS.iter().copied().flatten() {
            let upper = text.to_uppercase();
            for word in upper.split(|c: char| !c.is_ascii_alphanumeric()) {
                let refused =
                    ["BOOLEAN", "TINYINT", "DATETIME", "TIMESTAMP", "DECIMAL", "FLOAT", "REPLACE", "ROWID"];
                assert!(!refused.contains(&word), "{word} in {text}");
            }
        }
    }
}
