//! A copy of everything while it runs.
//!
//! The store is enough: numbers that are in the log and not in the store yet are not part of a backup. A
//! restored store goes on with a fresh log, whose positions begin behind those in the store.

use std::path::{Path, PathBuf};

use store::Store;

use crate::Error;

/// The file of the database in a backup.
pub const FILE: &str = "eyrie.db";

/// Writes a consistent copy of `store` into the folder `dir`, which is made if need be; answers the file.
/// Works beside a running server on the same store.
///
/// # Errors
/// Invalid if the folder cannot be made; what the store says.
pub async fn backup(store: &dyn Store, dir: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Error::Invalid(format!("the folder {} cannot be made: {error}", dir.display())))?;
    let file = dir.join(FILE);
    store.backup(&file).await?;
    Ok(file)
}
