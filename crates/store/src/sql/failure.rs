//! What sqlx says → what a caller can act on.

use crate::Error;
use crate::sql::dialect::Dialect;

/// SQLite's primary result codes (the low byte of what it reports).
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANNOT_OPEN: i32 = 14;
    pub(super) const NOT_A_DATABASE: i32 = 26;
}

/// Turns an error at `what` (a table, or what was done) into ours.
pub(crate) fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error + Copy {
    move |error| match &error {
        sqlx::Error::PoolTimedOut => Error::Busy { what },
        sqlx::Error::PoolClosed => Error::Closed,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::Damaged { what: format!("{what}: {error}") }
        }
        sqlx::Error::Database(said) => {
            if said.is_unique_violation() {
                return Error::Taken(Dialect::Sqlite.taken(said.message()));
            }
            match primary_code(said.as_ref()) {
                Some(code::BUSY | code::LOCKED) => Error::Busy { what },
                Some(code::FULL) => Error::Full { what },
                Some(code::CORRUPT | code::NOT_A_DATABASE) => {
                    Error::Damaged { what: format!("{what}: {}", said.message()) }
                }
                Some(code::READONLY | code::CANNOT_OPEN) => {
                    let said =
                        format!("SQLite writes beside its file even to read, and cannot: {}", said.message());
                    Error::Database { what, said: said.into() }
                }
                _ => Error::Database { what, said: error.into() },
            }
        }
        _ => Error::Database { what, said: error.into() },
    }
}

fn primary_code(said: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    said.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

/// A row that holds what no version of ours writes.
pub(crate) fn absurd(table: &'static str, column: &str, value: i64) -> Error {
    Error::Damaged { what: format!("{table}: column {column} holds {value}") }
}
