//! The connections there are, for statistics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::stats::ClientStats;

/// A connection as statistics see it.
pub trait Client: Send + Sync {
    /// Itself; of what it published only this topic, if one is named. What it consumes is filled in by
    /// whoever knows the channel.
    fn stats(&self, topic: Option<&str>) -> ClientStats;

    /// Whether it ever published.
    fn has_published(&self) -> bool;
}

/// All open connections by number. Cheap to clone; every clone is the same list.
#[derive(Clone, Default)]
pub struct Clients(Arc<List>);

#[derive(Default)]
struct List {
    last: AtomicU64,
    open: RwLock<BTreeMap<u64, Arc<dyn Client>>>,
}

/// Keeps a connection in the list until it is dropped.
#[derive(Debug)]
pub struct Listed {
    clients: Clients,
    id: u64,
}

impl Clients {
    /// A number that no connection had before.
    pub fn next_id(&self) -> u64 {
        self.0.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lists a connection under its number.
    pub fn list(&self, id: u64, client: Arc<dyn Client>) -> Listed {
        self.0.open.write().insert(id, client);
        Listed { clients: self.clone(), id }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.open.read().len()
    }

    /// The connection of this number.
    pub fn find(&self, id: u64) -> Option<Arc<dyn Client>> {
        self.0.open.read().get(&id).cloned()
    }

    /// Those that published, oldest first.
    pub fn producers(&self) -> Vec<Arc<dyn Client>> {
        self.0.open.read().values().filter(|client| client.has_published()).cloned().collect()
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clients({})", self.count())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.clients.0.open.write().remove(&self.id);
    }
}
