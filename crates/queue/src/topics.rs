//! Which topic has which number: `topics.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::StreamId;
use log::files::{self, Files};
use serde::{Deserialize, Serialize};

use crate::{Error, check_name};

/// Most topics a node has.
pub const TOPICS_MAX: usize = 10_000;
/// Name of the file.
const NAME: &str = "topics.json";
/// Version of its format.
const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    version: u32,
    topics: BTreeMap<String, u32>,
}

/// Names and numbers, in memory and in the file.
#[derive(Debug)]
pub(crate) struct Topics {
    files: Arc<dyn Files>,
    dir: PathBuf,
    list: List,
}

impl Topics {
    /// Reads the file; none is an empty list.
    pub(crate) fn load(files: Arc<dyn Files>, dir: &Path) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::List(error.to_string());
        files.create_dir(dir).map_err(|error| failed(&error))?;
        let bytes = files::read(&*files, &dir.join(NAME)).map_err(|error| failed(&error))?;
        let list = match bytes {
            None => List { version: VERSION, topics: BTreeMap::new() },
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&error))?,
        };
        if list.version > VERSION {
            return Err(failed(&format!("version {} is newer than {VERSION}, known here", list.version)));
        }
        Ok(Self { files, dir: dir.to_owned(), list })
    }

    /// The stream of a topic that is there.
    pub(crate) fn find(&self, name: &str) -> Option<StreamId> {
        self.list.topics.get(name).map(|number| StreamId(*number))
    }

    /// The streams of topics, in the order given; those that are new are made and written down at once.
    pub(crate) fn find_or_make(&mut self, names: &[&str]) -> Result<Vec<StreamId>, Error> {
        let before = self.list.topics.clone();
        let made = self.make(names).and_then(|streams| {
            if self.list.topics.len() > before.len() {
                self.save()?;
            }
            Ok(streams)
        });
        made.inspect_err(|_| self.list.topics = before)
    }

    fn make(&mut self, names: &[&str]) -> Result<Vec<StreamId>, Error> {
        // From 1: a zero in a record is then always a mistake.
        let mut next = self.list.topics.values().max().map_or(1, |last| last + 1);
        let mut streams = Vec::with_capacity(names.len());
        for name in names {
            if let Some(stream) = self.find(name) {
                streams.push(stream);
                continue;
            }
            check_name(name)?;
            if self.list.topics.len() >= TOPICS_MAX {
                return Err(Error::Topics { topics_max: TOPICS_MAX });
            }
            self.list.topics.insert((*name).to_owned(), next);
            streams.push(StreamId(next));
            next += 1;
        }
        Ok(streams)
    }

    /// Names and streams, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, StreamId)> {
        self.list.topics.iter().map(|(name, number)| (name.as_str(), StreamId(*number)))
    }

    fn save(&self) -> Result<(), Error> {
        let json = serde_json::to_vec_pretty(&self.list).map_err(|error| Error::List(error.to_string()))?;
        files::replace(&*self.files, &self.dir, NAME, &json).map_err(|error| Error::List(error.to_string()))
    }
}
