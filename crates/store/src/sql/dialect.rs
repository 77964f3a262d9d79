//! What differs between databases, all of it: five small functions.

/// Which SQL is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Sqlite,
}

impl Dialect {
    /// Fills the placeholders of a table definition.
    pub(crate) fn spell(self, definition: &str) -> String {
        match self {
            // Only these two words make the column an alias of the row id, at any size up to 64 bits.
            Self::Sqlite => definition.replace("{key}", "INTEGER PRIMARY KEY").replace("{bytes} ", ""),
        }
    }

    /// `INSERT` of `rows` rows that overwrites those whose key (the first column) exists.
    pub(crate) fn upsert(self, table: &str, columns: &[&str], rows: usize) -> String {
        let mut text = insert(table, columns, rows);
        match self {
            Self::Sqlite => {
                text.push_str(" ON CONFLICT(");
                text.push_str(columns[0]);
                text.push_str(") DO UPDATE SET ");
                for (i, column) in columns[1..].iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    text.push_str(&format!("{comma}{column} = excluded.{column}"));
                }
            }
        }
        text
    }

    /// Begins a transaction that will write, taking the lock at once: two that read first and write
    /// later would fail each other.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// Begins a transaction that reads several times as of one moment.
    pub(crate) fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
        }
    }

    /// The unique column that a violation's message names, in words.
    pub(crate) fn taken(self, message: &str) -> &'static str {
        let column = match self {
            Self::Sqlite => message.rsplit(['.', ' ']).next().unwrap_or_default(),
        };
        match column {
            "email" => "email",
            "ez_key" => "EZ key",
            "user_key" => "user key",
            "access_token" => "access token",
            "token_hash" => "session",
            "name" => "stat name",
            "public_id" => "public id",
            "shard" => "shard",
            _ => "id",
        }
    }
}

/// `INSERT` of `rows` rows.
pub(crate) fn insert(table: &str, columns: &[&str], rows: usize) -> String {
    let row = format!("({})", placeholders(columns.len()));
    let values = vec![row; rows].join(", ");
    format!("INSERT INTO {table} ({}) VALUES {values}", columns.join(", "))
}

/// `?, ?, ?`.
pub(crate) fn placeholders(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upsert_overwrites_by_its_first_column() {
        assert_eq!(
            Dialect::Sqlite.upsert("t", &["id", "a", "b"], 2),
            "INSERT INTO t (id, a, b) VALUES (?, ?, ?), (?, ?, ?) \
             ON CONFLICT(id) DO UPDATE SET a = excluded.a, b = excluded.b"
        );
    }

    #[test]
    fn a_violation_names_its_column() {
        let taken = |message| Dialect::Sqlite.taken(message);
        assert_eq!(taken("UNIQUE constraint failed: accounts.ez_key"), "EZ key");
        assert_eq!(taken("UNIQUE constraint failed: stats.account, stats.name"), "stat name");
        assert_eq!(taken("UNIQUE constraint failed: accounts.id"), "id");
    }
}
