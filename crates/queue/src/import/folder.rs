//! Which files of a folder are whose.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Between a queue's name and what the file holds.
const INFIX: &str = ".diskqueue.";
/// Appended by nsqd to a file it met damage in.
const BAD: &str = ".bad";

/// The files of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    /// By number.
    pub(super) files: BTreeMap<u64, PathBuf>,
    /// How far nsqd had read and written them.
    pub(super) meta: Option<PathBuf>,
}

/// The queues of a folder by name.
#[derive(Debug, Default)]
pub(super) struct Queues {
    queues: BTreeMap<String, Queue>,
    /// Files nsqd had given up on.
    bad: Vec<String>,
}

/// The names in a folder, sorted.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        // Other names are none of nsqd's.
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// The file with the list of topics: `nsqd.dat`, or what versions before 1.0 called `nsqd.NODE.dat`. Versions
/// around 1.0 left a link of that name to `nsqd.dat`; one that leads nowhere is no list.
pub(super) fn list(dir: &Path, names: &[String], name: &str) -> Option<String> {
    if names.iter().any(|found| found == name) {
        return Some(name.to_owned());
    }
    let leads_nowhere = |name: &str| {
        std::fs::metadata(dir.join(name)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    older_lists(names).find(|name| !leads_nowhere(name)).map(str::to_owned)
}

/// Names that versions before 1.0 gave to the list.
pub(super) fn older_lists(names: &[String]) -> impl Iterator<Item = &str> {
    let is_older = |found: &&str| {
        let node = found.strip_prefix("nsqd.").and_then(|rest| rest.strip_suffix(".dat"));
        node.is_some_and(|node| !node.is_empty() && node.bytes().all(|byte| byte.is_ascii_digit()))
    };
    names.iter().map(String::as_str).filter(is_older)
}

impl Queues {
    /// Sorts the files among `names`.
    pub(super) fn among(dir: &Path, names: &[String]) -> Self {
        let mut queues = Self::default();
        for name in names {
            if name.ends_with(BAD) && name.contains(INFIX) {
                queues.bad.push(name.clone());
                continue;
            }
            let Some((queue, rest)) = name.strip_suffix(".dat").and_then(|name| name.rsplit_once(INFIX))
            else {
                continue;
            };
            if rest == "meta" {
                queues.queues.entry(queue.to_owned()).or_default().meta = Some(dir.join(name));
            } else if let Ok(number) = rest.parse() {
                queues.queues.entry(queue.to_owned()).or_default().files.insert(number, dir.join(name));
            }
        }
        queues
    }

    /// The files of a queue.
    pub(super) fn find(&self, queue: &str) -> Queue {
        self.queues.get(queue).cloned().unwrap_or_default()
    }

    /// Files of these queues, the bad ones among them.
    pub(super) fn files_of<'a>(&'a self, queues: &'a [String]) -> impl Iterator<Item = &'a str> {
        let of_queues = queues.iter().filter_map(|name| self.queues.get(name));
        let paths = of_queues.flat_map(|queue| queue.files.values().chain(&queue.meta));
        let whole = paths.filter_map(|path| path.file_name()?.to_str());
        whole.chain(self.bad.iter().map(String::as_str))
    }

    /// What is there and will not be read.
    pub(super) fn complaints(&self, known: &[String]) -> Vec<String> {
        let bad =
            self.bad.iter().map(|name| format!("{name}: nsqd had given up on this file; not taken over"));
        let unknown =
            self.queues.iter().filter(|(name, queue)| !known.contains(name) && !queue.files.is_empty());
        let unknown = unknown.map(|(name, _)| {
            format!("{name}{INFIX}*: the list of topics and channels does not have it; not taken over")
        });
        bad.chain(unknown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_names() {
        let names = [
            "a.b.diskqueue.000007.dat",
            "a.b.diskqueue.1234567.dat",
            "a.b.diskqueue.meta.dat",
            "a.b:c.diskqueue.000000.dat",
            "a.b:c.diskqueue.000000.dat.bad",
            "a.diskqueue.x.dat",
            "nsqd.dat",
            "topics.json",
        ]
        .map(str::to_owned);
        let dir = Path::new("somewhere");
        let queues = Queues::among(dir, &names);
        let found = queues.find("a.b");
        assert_eq!(found.files.keys().copied().collect::<Vec<_>>(), [7, 1_234_567]);
        assert_eq!(found.meta, Some(dir.join("a.b.diskqueue.meta.dat")));
        assert_eq!(queues.find("a.b:c").files.len(), 1);
        assert_eq!(queues.find("a"), Queue::default());
        let complaints = queues.complaints(&["a.b".to_owned()]);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].starts_with("a.b:c.diskqueue.000000.dat.bad: "), "{complaints:?}");
    }

    #[test]
    fn the_list_may_be_of_an_older_version() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("nsqd.12.dat"), "").unwrap();
        let found = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            list(dir.path(), &names, "nsqd.dat")
        };
        assert_eq!(found(&["nsqd.12.dat", "nsqd.dat"]).as_deref(), Some("nsqd.dat"));
        assert_eq!(found(&["nsqd.12.dat"]).as_deref(), Some("nsqd.12.dat"));
        for none in ["nsqd.dat.imported", "nsqd.x.dat", "nsqd..dat"] {
            std::fs::write(dir.path().join(none), "").unwrap();
            assert_eq!(found(&[none]), None, "{none}");
        }
    }
}
