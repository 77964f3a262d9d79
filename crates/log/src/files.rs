//! The few things the log asks of a file system, so that tests can make them fail.
//!
//! [`Disk`] is the machine's; [`Faulty`] lives in memory, fails when told to, and can show what a
//! loss of power at this very moment would have left.

mod disk;
mod faulty;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub use disk::Disk;
pub use faulty::{Crash, Faulty};

/// A file system.
pub trait Files: Send + Sync + Debug {
    /// Makes a folder and those above it; fine if it is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names and lengths in bytes of the plain files of a folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Opens for reading and writing, the file must be there.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Makes an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Renames, replacing `to`. Durable after [`sync_dir`](Self::sync_dir).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; whoever has it open goes on reading it.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Bytes that are free for this process on the device of a folder.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// Makes creations, renames and removals in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync + Debug {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads at most `into.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some of `parts` at `offset` and says how many bytes.
    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Makes the contents durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves `length` bytes and fills them with zeros, so that later writes need neither space
    /// nor a change of the file's metadata. Not yet durable.
    fn preallocate(&self, length: u64) -> io::Result<()>;
}

/// Reads until `into` is full or the file ends; how many bytes there were.
pub(crate) fn read_full(file: &dyn File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Most parts handed to the system in one write (IOV_MAX of Linux).
const PARTS_MAX: usize = 1_024;

/// Writes all of `parts`, going on after short writes.
pub(crate) fn write_full(file: &dyn File, mut parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write_at(&parts[..parts.len().min(PARTS_MAX)], offset) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::WriteZero, "the device took no bytes")),
            Ok(n) => {
                IoSlice::advance_slices(&mut parts, n);
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes `bytes` into `name` of `dir` so that a crash leaves the old contents or the new.
pub fn replace(files: &dyn Files, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let half = dir.join(format!("{name}.tmp"));
    let file = files.create(&half)?;
    write_full(&*file, &mut [IoSlice::new(bytes)], 0)?;
    file.sync_data()?;
    drop(file);
    files.rename(&half, &dir.join(name))?;
    files.sync_dir(dir)
}

/// All of a file's bytes; `None` if there is no such file.
pub fn read(files: &dyn Files, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match files.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    let filled = read_full(&*file, &mut bytes, 0)?;
    bytes.truncate(filled);
    Ok(Some(bytes))
}
