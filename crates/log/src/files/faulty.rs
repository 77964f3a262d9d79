//! A file system in memory that fails when told to and forgets what was not synced.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::ThreadId;

use parking_lot::{Condvar, Mutex};

use super::{File, Files};

/// Writes survive a crash in pieces of this many bytes, each or not.
const SECTOR_BYTES: u64 = 512;

/// A file system in memory for tests. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Faulty(Arc<Mutex<State>>);

/// What a loss of power leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Everything, as after `kill -9`: the system goes on.
    KeepAll,
    /// Nothing.
    LoseAll,
    /// Some of the sectors and some of the renames, chosen by this seed.
    Some(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What programs see.
    names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    /// What the folder on the device says.
    durable_names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    faults: Faults,
    /// Who wrote last.
    writer: Option<ThreadId>,
}

#[derive(Debug, Default, Clone)]
struct Faults {
    syncs_fail: bool,
    syncs_panic: bool,
    reads_panic: bool,
    writes_fail: bool,
    write_bytes_max: Option<usize>,
    space_bytes: Option<u64>,
    syncs: u64,
    held: Option<Arc<Gate>>,
    reads_held: Option<Arc<Gate>>,
    writes_held: Option<Arc<Gate>>,
}

/// Opens once.
#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut is_open = self.is_open.lock();
        while !*is_open {
            self.opened.wait(&mut is_open);
        }
    }
}

/// Syncs, reads or writes wait until it is dropped.
#[derive(Debug)]
pub struct Held {
    gate: Arc<Gate>,
    disk: Faulty,
}

impl Drop for Held {
    fn drop(&mut self) {
        {
            let faults = &mut self.disk.0.lock().faults;
            for held in [&mut faults.held, &mut faults.reads_held, &mut faults.writes_held] {
                held.take_if(|held| Arc::ptr_eq(held, &self.gate));
            }
        }
        *self.gate.is_open.lock() = true;
        self.gate.opened.notify_all();
    }
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug)]
struct Open {
    inode: Arc<Mutex<Inode>>,
    disk: Faulty,
}

impl Faulty {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every sync fails with EIO, or none.
    pub fn fail_syncs(&self, fail: bool) {
        self.0.lock().faults.syncs_fail = fail;
    }

    /// From now on every sync panics, as code with a mistake in it would, or none.
    pub fn panic_in_syncs(&self, panic: bool) {
        self.0.lock().faults.syncs_panic = panic;
    }

    /// From now on every read panics, as code with a mistake in it would, or none.
    pub fn panic_in_reads(&self, panic: bool) {
        self.0.lock().faults.reads_panic = panic;
    }

    /// Every sync from now on waits until what is returned is dropped: a slow device, for as long as a test needs.
    pub fn hold_syncs(&self) -> Held {
        let gate = Arc::new(Gate::default());
        self.0.lock().faults.held = Some(Arc::clone(&gate));
        Held { gate, disk: self.clone() }
    }

    /// The same for every read.
    pub fn hold_reads(&self) -> Held {
        let gate = Arc::new(Gate::default());
        self.0.lock().faults.reads_held = Some(Arc::clone(&gate));
        Held { gate, disk: self.clone() }
    }

    /// The thread that wrote last.
    pub fn writer(&self) -> Option<ThreadId> {
        self.0.lock().writer
    }

    /// The same for every write.
    pub fn hold_writes(&self) -> Held {
        let gate = Arc::new(Gate::default());
        self.0.lock().faults.writes_held = Some(Arc::clone(&gate));
        Held { gate, disk: self.clone() }
    }

    /// From now on every write fails with EIO, or none.
    pub fn fail_writes(&self, fail: bool) {
        self.0.lock().faults.writes_fail = fail;
    }

    /// One write takes at most this many bytes.
    pub fn shorten_writes(&self, bytes_max: Option<usize>) {
        self.0.lock().faults.write_bytes_max = bytes_max;
    }

    /// How many bytes may still be preallocated before the disk is full; `None`: any number.
    pub fn space_left(&self, bytes: Option<u64>) {
        self.0.lock().faults.space_bytes = bytes;
    }

    /// How often a file or folder was asked to sync, failures included.
    pub fn syncs(&self) -> u64 {
        self.0.lock().faults.syncs
    }

    /// The disk as it would be found after a crash now. The original goes on unharmed.
    pub fn crash(&self, crash: Crash) -> Self {
        let state = self.0.lock();
        let mut dice = Dice(if let Crash::Some(seed) = crash { seed } else { 0 });
        let mut names = match crash {
            Crash::KeepAll => state.names.clone(),
            Crash::LoseAll => state.durable_names.clone(),
            // Renames and creations of a folder are journalled in order: all of them or none.
            Crash::Some(_) if dice.even() => state.names.clone(),
            Crash::Some(_) => state.durable_names.clone(),
        };
        for inode in names.values_mut() {
            let bytes = inode.lock().after(crash, &mut dice);
            *inode = Arc::new(Mutex::new(Inode { durable: bytes.clone(), bytes, unsynced: Vec::new() }));
        }
        let durable_names = names.clone();
        Self(Arc::new(Mutex::new(State { names, durable_names, ..State::default() })))
    }

    /// Changes the bytes of a file on the device behind everyone's back. False if there is none.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let state = self.0.lock();
        let Some(inode) = state.names.get(path) else { return false };
        let mut inode = inode.lock();
        change(&mut inode.bytes);
        inode.durable = inode.bytes.clone();
        inode.unsynced.clear();
        true
    }

    /// All files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().names.keys().cloned().collect()
    }

    fn sync(&self) -> io::Result<()> {
        let held = {
            let faults = &mut self.0.lock().faults;
            faults.syncs += 1;
            faults.held.clone()
        };
        if let Some(gate) = held {
            gate.pass();
        }
        let faults = &self.0.lock().faults;
        assert!(!faults.syncs_panic, "a panic that a test asked for");
        if faults.syncs_fail { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }
}

impl Inode {
    fn after(&self, crash: Crash, dice: &mut Dice) -> Vec<u8> {
        if crash == Crash::KeepAll {
            return self.bytes.clone();
        }
        let mut bytes = self.durable.clone();
        if crash == Crash::LoseAll {
            return bytes;
        }
        for (offset, written) in &self.unsynced {
            let mut at = 0;
            while at < written.len() {
                let place = offset + at as u64;
                let sector = (SECTOR_BYTES - place % SECTOR_BYTES) as usize;
                let end = written.len().min(at + sector);
                if dice.even() {
                    put(&mut bytes, place, &written[at..end]);
                }
                at = end;
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, written: &[u8]) {
    let start = offset as usize;
    let end = start + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(written);
}

/// SplitMix64: enough chance for a test.
struct Dice(u64);

impl Dice {
    fn even(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) & 1 == 0
    }
}

impl Files for Faulty {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let state = self.0.lock();
        let inside = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|(path, inode)| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some((name, inode.lock().bytes.len() as u64))
            })
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let state = self.0.lock();
        let inode = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Open { inode: inode.clone(), disk: self.clone() }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = Arc::new(Mutex::new(Inode::default()));
        self.0.lock().names.insert(path.to_owned(), inode.clone());
        Ok(Arc::new(Open { inode, disk: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let inode = state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        if let Some(space) = &mut state.faults.space_bytes {
            *space += inode.lock().bytes.len() as u64;
        }
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.lock().faults.space_bytes.unwrap_or(u64::MAX))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sync()?;
        let mut state = self.0.lock();
        let names = state.names.clone();
        state.durable_names.retain(|path, _| path.parent() != Some(dir));
        state.durable_names.extend(names.into_iter().filter(|(path, _)| path.parent() == Some(dir)));
        Ok(())
    }
}

impl File for Open {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.lock().bytes.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let held = self.disk.0.lock().faults.reads_held.clone();
        if let Some(gate) = held {
            gate.pass();
        }
        assert!(!self.disk.0.lock().faults.reads_panic, "a panic that a test asked for");
        let inode = self.inode.lock();
        let start = inode.bytes.len().min(offset as usize);
        let end = inode.bytes.len().min(start + into.len());
        into[..end - start].copy_from_slice(&inode.bytes[start..end]);
        Ok(end - start)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let faults = self.disk.0.lock().faults.clone();
        if let Some(gate) = &faults.writes_held {
            gate.pass();
        }
        self.disk.0.lock().writer = Some(std::thread::current().id());
        if faults.writes_fail {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        bytes.truncate(faults.write_bytes_max.unwrap_or(usize::MAX));
        let mut inode = self.inode.lock();
        put(&mut inode.bytes, offset, &bytes);
        let written = bytes.len();
        inode.unsynced.push((offset, bytes));
        Ok(written)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync()?;
        let mut inode = self.inode.lock();
        for (offset, written) in std::mem::take(&mut inode.unsynced) {
            put(&mut inode.durable, offset, &written);
        }
        Ok(())
    }

    fn preallocate(&self, length: u64) -> io::Result<()> {
        if let Some(space) = &mut self.disk.0.lock().faults.space_bytes {
            if *space < length {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            *space -= length;
        }
        super::write_full(self, &mut [IoSlice::new(&vec![0; length as usize])], 0)
    }
}
