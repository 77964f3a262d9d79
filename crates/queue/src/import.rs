//! Taking over what a real nsqd has left in its data folder.
//!
//! ```text
//! nsqd.dat                            which topics and channels there are, and which are paused
//! TOPIC.diskqueue.000003.dat          messages of the topic that no channel had yet
//! TOPIC:CHANNEL.diskqueue.000000.dat  messages of one channel; whole copies, one a channel
//! TOPIC:CHANNEL.diskqueue.meta.dat    from which file and byte on they are still wanted
//! ```
//! Read [`folder`] (which files there are), [`reader`] (the messages of one queue), [`merge`] (copies of
//! one message put together). Then:
//!
//! 1. [`Import::open`] locks the folder as nsqd does and reads `nsqd.dat`. Without one there is nothing
//!    to take over.
//! 2. [`Import::begin`] writes down which topics are made for it, and how those are that were there before.
//!    Who dies before the end finds them by [`Import::begun`], deletes the former, takes back what was
//!    published to the latter, and starts again from the first message.
//! 3. The caller makes the topics and channels, publishes what [`Import::messages`] gives, and waits
//!    until that is on the device.
//! 4. [`Import::finish`] renames `nsqd.dat` to `nsqd.dat.imported`, and the queues' files likewise. From
//!    then on there is nothing to take over.
//!
//! **Invariant**: before `finish` nothing of nsqd's in the folder is changed.
//!
//! **Invariant**: what cannot be read is named in [`Messages::complaints`] and the rest is taken.

mod folder;
mod merge;
mod reader;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{Error, check_name, is_ephemeral};
use folder::Queues;
pub use merge::{Copy, Destination, Message, Messages};

/// The list of topics and channels.
const LIST: &str = "nsqd.dat";
/// Appended to the names of files that were taken over.
const DONE: &str = ".imported";
/// There while it is being taken over: its topics, and how they were before.
const BEGUN: &str = "nsqd.dat.importing";

/// A folder that can be taken over, locked.
#[derive(Debug)]
pub struct Import {
    dir: PathBuf,
    list: String,
    /// Names that older versions had for the list, where they are not it.
    older: Vec<String>,
    topics: Vec<Topic>,
    queues: Queues,
    complaints: Vec<String>,
    begun: Vec<Begun>,
    /// By which the list is known after it was renamed.
    mark: Mark,
    /// Held as nsqd holds it, so that none writes here meanwhile.
    _lock: File,
}

/// A topic there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Whether it was paused.
    pub paused: bool,
    /// Its channels, in the order [`Copy::channel`] counts them.
    pub channels: Vec<Channel>,
}

/// What [`BEGUN`] holds.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The list whose topics these are.
    list: Mark,
    topics: Vec<Begun>,
}

/// By which one list is told from another with the same words, also under another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    name: String,
    checksum: u32,
    /// When it was written, since the epoch; none before it, or where the file system does not know.
    written: Option<Duration>,
}

/// A topic that is being taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Its name.
    pub name: String,
    /// How it was; none: it is made for this.
    pub before: Option<Before>,
}

/// How a topic was that was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Whether it was paused.
    pub paused: bool,
    /// The number of the message that came next.
    pub next: u64,
}

/// A channel there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Whether it was paused.
    pub paused: bool,
}

impl Import {
    /// Looks for an nsqd's data in a folder; none if it has none. Blocking.
    ///
    /// # Errors
    /// [`Error::Import`] if another process holds the folder, or `nsqd.dat` cannot be understood.
    pub fn open(dir: &Path) -> Result<Option<Self>, Error> {
        if !dir.is_dir() {
            return Ok(None);
        }
        let names = folder::names(dir).map_err(|error| failed(dir, error))?;
        let Some(list) = folder::list(dir, &names, LIST) else {
            // Who finished and died before this was removed.
            if names.iter().any(|name| name == BEGUN) {
                forget(dir)?;
            }
            return Ok(None);
        };
        let lock = File::open(dir).map_err(|error| failed(dir, error))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => failed(dir, "an nsqd still runs on this folder; stop it"),
            std::fs::TryLockError::Error(error) => failed(dir, error),
        })?;
        let path = dir.join(&list);
        let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
        let found: FoundList = serde_json::from_slice(&bytes).map_err(|error| failed(&path, error))?;
        let mut complaints = Vec::new();
        let topics = found.topics(&mut complaints);
        let queues = Queues::among(dir, &names);
        let known: Vec<_> = topics.iter().flat_map(Topic::queues).collect();
        complaints.extend(queues.complaints(&known));
        let mark = Mark::of(&path, &list, &bytes).map_err(|error| failed(&path, error))?;
        let begun = begun_in(dir)?;
        // Of several nodes' lists each is taken over at a start of its own.
        let is_newest = list == LIST;
        let older = folder::older_lists(&names).filter(|_| is_newest).map(str::to_owned).collect();
        Ok(Some(Self {
            dir: dir.to_owned(),
            list,
            older,
            topics,
            queues,
            complaints,
            begun,
            mark,
            _lock: lock,
        }))
    }

    /// The topics of somebody who began to take this over and did not come to its end.
    pub fn begun(&self) -> &[Begun] {
        &self.begun
    }

    /// It begins, with these topics. What was published to them before should be on the device. Blocking.
    ///
    /// # Errors
    /// [`Error::Import`] if that cannot be written down.
    pub fn begin(&self, topics: &[Begun]) -> Result<(), Error> {
        let note = Note { list: self.mark.clone(), topics: topics.to_vec() };
        let text = serde_json::to_vec(&note).map_err(|error| failed(&self.dir.join(BEGUN), error))?;
        log::files::replace(&log::files::Disk, &self.dir, BEGUN, &text)
            .map_err(|error| failed(&self.dir.join(BEGUN), error))
    }

    /// Which topics there were, with their channels.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// What is not taken over, as far as is known before reading.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// The messages of a topic: each once, with all channels it was still waiting in: of what lies in front of
    /// the channels' queues the oldest first; at last those that are for all.
    /// Blocking.
    ///
    /// # Errors
    /// As the items: [`Error::Import`] if a file cannot be read.
    pub fn messages(&self, topic: &Topic) -> Result<Messages, Error> {
        let queues: Vec<_> = topic.queues().iter().map(|name| self.queues.find(name)).collect();
        Messages::new(queues)
    }

    /// Everything has been taken over and is on the device. What could not be renamed beyond the list
    /// itself is returned; it does no harm here, but an nsqd started in this folder would read it again.
    /// Blocking.
    ///
    /// # Errors
    /// [`Error::Import`] if the list cannot be renamed: the next start would take all over again.
    pub fn finish(&self) -> Result<Vec<String>, Error> {
        let rename = |name: &str| {
            let from = self.dir.join(name);
            std::fs::rename(&from, self.dir.join(format!("{name}{DONE}")))
                .map_err(|error| failed(&from, error))
        };
        let sync = || {
            let dir = File::open(&self.dir).and_then(|dir| dir.sync_all());
            dir.map_err(|error| failed(&self.dir, error))
        };
        // The next start would take an older list for the folder's; with the newest one still there it does not.
        self.older.iter().try_for_each(|name| rename(name))?;
        rename(&self.list)?;
        sync()?;
        // If it stays, the next start removes it, or knows by the renamed list that it is of no use any more.
        let mut left: Vec<_> = forget(&self.dir).err().map(|error| error.to_string()).into_iter().collect();
        let known: Vec<_> = self.topics.iter().flat_map(Topic::queues).collect();
        let files = self.queues.files_of(&known);
        left.extend(files.filter_map(|name| Some(rename(name).err()?.to_string())));
        left.extend(sync().err().map(|error| error.to_string()));
        Ok(left)
    }
}

impl Mark {
    fn of(path: &Path, name: &str, bytes: &[u8]) -> std::io::Result<Self> {
        let written = std::fs::metadata(path)?.modified().ok();
        let written = written.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Ok(Self { name: name.to_owned(), checksum: crc32c::crc32c(bytes), written })
    }
}

/// The topics of who died over a list that is not done with. Whose list was renamed came to the end: an nsqd
/// that ran here since has written another list, though it may say the same.
fn begun_in(dir: &Path) -> Result<Vec<Begun>, Error> {
    let path = dir.join(BEGUN);
    let Some(bytes) = read(&path)? else { return Ok(Vec::new()) };
    let note: Note = serde_json::from_slice(&bytes).map_err(|error| failed(&path, error))?;
    let done = dir.join(format!("{}{DONE}", note.list.name));
    let Some(bytes) = read(&done)? else { return Ok(note.topics) };
    let renamed = Mark::of(&done, &note.list.name, &bytes).map_err(|error| failed(&done, error))?;
    Ok(if renamed == note.list { Vec::new() } else { note.topics })
}

/// A file's bytes; none if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

/// Removes what says that something has begun, if it is there, also from the device.
fn forget(dir: &Path) -> Result<(), Error> {
    let path = dir.join(BEGUN);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&path, error)),
        Ok(()) | Err(_) => {}
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed(dir, error))
}

impl Topic {
    /// Names of the queues of its messages: one a channel, then its own.
    fn queues(&self) -> Vec<String> {
        let of_channels = self.channels.iter().map(|channel| format!("{}:{}", self.name, channel.name));
        of_channels.chain([self.name.clone()]).collect()
    }
}

/// The list as nsqd writes it. Go writes an empty list as `null`.
#[derive(Deserialize)]
struct FoundList {
    topics: Option<Vec<FoundTopic>>,
}

#[derive(Deserialize)]
struct FoundTopic {
    name: String,
    #[serde(default)]
    paused: bool,
    channels: Option<Vec<FoundChannel>>,
}

#[derive(Deserialize)]
struct FoundChannel {
    name: String,
    #[serde(default)]
    paused: bool,
}

impl FoundList {
    fn topics(self, complaints: &mut Vec<String>) -> Vec<Topic> {
        let mut known: Vec<Topic> = Vec::new();
        for topic in self.topics.unwrap_or_default() {
            if !fine(&topic.name, complaints) || known.iter().any(|other| other.name == topic.name) {
                continue;
            }
            let mut channels: Vec<Channel> = Vec::new();
            for FoundChannel { name, paused } in topic.channels.unwrap_or_default() {
                if fine(&name, complaints) && channels.iter().all(|other| other.name != name) {
                    channels.push(Channel { name, paused });
                }
            }
            known.push(Topic { name: topic.name, paused: topic.paused, channels });
        }
        known
    }
}

/// Whether it is a name of something that outlives its consumers; an nsqd lists no other.
fn fine(name: &str, complaints: &mut Vec<String>) -> bool {
    match check_name(name) {
        Ok(()) => !is_ephemeral(name),
        Err(error) => {
            complaints.push(format!("{LIST}: {error}"));
            false
        }
    }
}

/// An error that names the file.
fn failed(path: &Path, what: impl ToString) -> Error {
    Error::Import { path: path.display().to_string(), what: what.to_string() }
}
