//! SQLite: opening a file, what its connections are set to, copying it while it runs.

use std::fs::File;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Row};

use super::dialect::Dialect;
use super::failure::failed;
use super::{ACQUIRE_TIMEOUT, Sql};
use crate::{Error, Store, schema};

/// How many readers there are at most.
const READERS: u32 = 4;
/// An idle connection is closed after this long: its thread and page cache go.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a statement waits for another process's transaction, in milliseconds.
const BUSY_TIMEOUT_MS: u32 = 5_000;
/// The writer's page cache at most, in KiB.
const WRITER_CACHE_KIB: u32 = 8 * 1_024;
/// A reader's page cache at most, in KiB.
const READER_CACHE_KIB: u32 = 2 * 1_024;
/// The write-ahead log is folded into the database from this many pages of 4 KiB on.
const WAL_PAGES: u32 = 4_000;
/// What the write-ahead log's file is cut back to after it grew, in bytes.
const WAL_KEPT_BYTES: u32 = 64 << 20;
/// SQLite's page size, in bytes.
const PAGE_BYTES: u64 = 4_096;
/// The largest number of pages that SQLite can have.
const PAGES_MAX: u64 = 4_294_967_294;

/// Permissions of the database file.
const PRIVATE: u32 = 0o600;

/// Limits of a SQLite file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqliteOptions {
    /// The file grows to at most so many bytes (not less than it has); then writes are
    /// [`Error::Full`] until something is deleted. 17 TB, SQLite's own limit, by default.
    pub size_max: u64,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { size_max: PAGES_MAX * PAGE_BYTES }
    }
}

/// Opens or makes the database file, applies migrations, refuses one of a newer version. Its folder
/// must exist.
pub async fn open_sqlite(path: &Path) -> Result<Arc<dyn Store>, Error> {
    open_sqlite_with(path, SqliteOptions::default()).await
}

/// [`open_sqlite`] with limits.
pub async fn open_sqlite_with(path: &Path, limits: SqliteOptions) -> Result<Arc<dyn Store>, Error> {
    sqlx::any::install_default_drivers();
    let options = connect_options(path)?;
    make_private(path).map_err(|error| name_file(error, path))?;
    prepare(&options).await.map_err(|error| name_file(error, path))?;

    let pages = (limits.size_max / PAGE_BYTES).clamp(1, PAGES_MAX);
    let writer = pool(1, options.clone(), WRITER_CACHE_KIB, format!("PRAGMA max_page_count = {pages}"));
    let readers = pool(READERS, options.clone(), READER_CACHE_KIB, "PRAGMA query_only = ON".to_owned());
    let sql = Sql { dialect: Dialect::Sqlite, writer, readers, options };
    for connection in [sql.writer("opening").await, sql.reader("opening").await] {
        connection.map_err(|error| name_file(error, path))?;
    }
    Ok(Arc::new(sql))
}

fn connect_options(path: &Path) -> Result<AnyConnectOptions, Error> {
    let unusable = |said: Box<dyn std::error::Error + Send + Sync>| Error::Database {
        what: "opening the database file",
        said,
    };
    let named = |error: std::io::Error| unusable(format!("{}: {error}", path.display()).into());
    let file = path.file_name().ok_or_else(|| unusable("the path names no file".into()))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let full = parent.canonicalize().map_err(named)?.join(file);
    let full = full.to_str().ok_or_else(|| unusable("the path is not UTF-8".into()))?;
    let options = AnyConnectOptions::from_str(&format!("sqlite://{}?mode=rwc", encoded(full)))
        .map_err(failed("opening the database file"))?;
    // Slow statements are logged (over a second, sqlx's own default), the others are not.
    let slow = options.log_settings.clone();
    let mut quiet = options.disable_statement_logging();
    quiet.log_settings.log_slow_statements(slow.slow_statements_level, slow.slow_statements_duration);
    Ok(quiet)
}

/// Makes the file if it is absent, and in any case for its owner's eyes only: password hashes and keys are in it.
/// SQLite gives the files beside it the same permissions. One that is there is not opened for this: closing it
/// would let go of all locks that this process has on it.
fn make_private(path: &Path) -> Result<(), Error> {
    let made = match File::options().write(true).create_new(true).mode(PRIVATE).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => chmod(path),
        other => other.map(drop),
    };
    made.map_err(|error| Error::Database { what: "making the database file private", said: Box::new(error) })
}

fn chmod(path: &Path) -> std::io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(PRIVATE);
    std::fs::set_permissions(path, permissions)
}

/// Percent-encodes what has a meaning in a URL.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What every connection is set to. FULL: a commit is on the disk when it returns.
fn settings(cache_kib: u32) -> [String; 5] {
    [
        format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}"),
        "PRAGMA synchronous = FULL".to_owned(),
        format!("PRAGMA cache_size = -{cache_kib}"),
        format!("PRAGMA wal_autocheckpoint = {WAL_PAGES}"),
        format!("PRAGMA journal_size_limit = {WAL_KEPT_BYTES}"),
    ]
}

fn pool(connections: u32, options: AnyConnectOptions, cache_kib: u32, last: String) -> AnyPool {
    let pragmas: Arc<[String]> = settings(cache_kib).into_iter().chain([last]).collect();
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let pragmas = Arc::clone(&pragmas);
            Box::pin(async move {
                for pragma in pragmas.iter() {
                    sqlx::query(AssertSqlSafe(pragma.as_str())).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        // A full disk makes SQLite roll back by itself; sqlx, which then fails to, would believe the
        // connection to be in a transaction for ever. The ping waits for a rollback under way.
        .before_acquire(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_lazy_with(options)
}

/// One connection by itself, so that its error is ours to see: is it a database, is it Eyrie's, which
/// version.
async fn prepare(options: &AnyConnectOptions) -> Result<(), Error> {
    let fault = failed("opening the database file");
    let mut connection = AnyConnection::connect_with(options).await.map_err(fault)?;
    for pragma in settings(WRITER_CACHE_KIB) {
        sqlx::query(AssertSqlSafe(pragma)).execute(&mut connection).await.map_err(fault)?;
    }
    refuse_others(&mut connection).await?;
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut connection).await.map_err(fault)?;
    let mut tx = connection.begin_with(Dialect::Sqlite.begin_write()).await.map_err(fault)?;
    schema::migrate(&mut tx, Dialect::Sqlite).await?;
    tx.commit().await.map_err(fault)?;
    connection.close().await.map_err(fault)
}

/// A database that has tables but none of ours was made by another program.
async fn refuse_others(connection: &mut AnyConnection) -> Result<(), Error> {
    let fault = failed("opening the database file");
    let row = sqlx::query(
        "SELECT COUNT(*), COALESCE(SUM(name = 'migrations'), 0) FROM sqlite_master WHERE type = 'table'",
    )
    .fetch_one(connection)
    .await
    .map_err(fault)?;
    let (tables, ours): (i64, i64) = (row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?);
    if tables > 0 && ours == 0 {
        return Err(Error::Damaged { what: "a SQLite database, but not one of Eyrie's".to_owned() });
    }
    Ok(())
}

/// An error of opening says which file.
fn name_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Damaged { what } => Error::Damaged { what: format!("{}: {what}", path.display()) },
        Error::Database { what, said } => {
            Error::Database { what, said: format!("{}: {said}", path.display()).into() }
        }
        other => other,
    }
}

/// `VACUUM INTO` reads one snapshot while writers go on; its own connection leaves the readers free.
pub(super) async fn backup(sql: &Sql, to: &Path) -> Result<(), Error> {
    let fault = failed("a backup");
    if sql.writer.is_closed() {
        return Err(Error::Closed);
    }
    let partial = partial(to)?;
    remove(&partial).await?;
    make_private(&partial)?;
    let mut connection = AnyConnection::connect_with(&sql.options).await.map_err(fault)?;
    let text = partial.to_str().ok_or_else(|| broken(to, "the path is not UTF-8".into()))?;
    let copied = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut connection).await.map_err(fault);
    connection.close().await.map_err(fault)?;
    if let Err(error) = copied {
        remove(&partial).await?;
        return Err(error);
    }
    publish(&partial, to).await.map_err(|error| broken(to, error.into()))
}

/// Where a copy grows: beside its place, so that it can be renamed into it.
fn partial(to: &Path) -> Result<PathBuf, Error> {
    let mut name = to.file_name().ok_or_else(|| broken(to, "the path names no file".into()))?.to_owned();
    name.push(".partial");
    Ok(to.with_file_name(name))
}

async fn remove(file: &Path) -> Result<(), Error> {
    match tokio::fs::remove_file(file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken(file, error.into())),
        _ => Ok(()),
    }
}

/// Durable first, then in its place, then the place durable.
async fn publish(partial: &Path, to: &Path) -> std::io::Result<()> {
    tokio::fs::File::open(partial).await?.sync_all().await?;
    tokio::fs::rename(partial, to).await?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tokio::fs::File::open(folder).await?.sync_all().await
}

fn broken(path: &Path, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Database { what: "a backup", said: format!("{}: {error}", path.display()).into() }
}

/// The last connection to close folds the write-ahead log into the file.
pub(super) async fn close(sql: &Sql) -> Result<(), Error> {
    sql.readers.close().await;
    sql.writer.close().await;
    Ok(())
}
