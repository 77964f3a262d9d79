//! EZ keys that nobody has: shown to the owner, who may have mistyped one.

use base::Timestamp;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// How many are remembered: the latest.
const KEYS_MAX: usize = 100;
/// How much of a key is kept, in characters.
const KEY_CHARS: usize = 64;

/// An EZ key that nobody has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownKey {
    /// Its first 64 characters.
    pub key: String,
    /// How often it came since it was last forgotten.
    pub count: u64,
    /// When it came last.
    pub last_at: Timestamp,
}

#[derive(Default)]
pub(super) struct UnknownKeys(Mutex<HashMap<String, (u64, Timestamp)>>);

impl UnknownKeys {
    pub(super) fn count(&self, key: &str, now: Timestamp) {
        let key = match key.char_indices().nth(KEY_CHARS) {
            Some((end, _)) => &key[..end],
            None => key,
        };
        let mut keys = self.0.lock();
        if let Some((count, last_at)) = keys.get_mut(key) {
            *count += 1;
            *last_at = now;
            return;
        }
        if keys.len() >= KEYS_MAX {
            let oldest = keys.iter().min_by_key(|(_, (_, last_at))| *last_at).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| keys.remove(&oldest));
        }
        keys.insert(key.to_owned(), (1, now));
    }

    pub(super) fn list(&self) -> Vec<UnknownKey> {
        let keys = self.0.lock();
        let mut list: Vec<UnknownKey> = keys
            .iter()
            .map(|(key, (count, last_at))| UnknownKey { key: key.clone(), count: *count, last_at: *last_at })
            .collect();
        list.sort_by(|a, b| b.last_at.cmp(&a.last_at).then_with(|| a.key.cmp(&b.key)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_hundred_are_kept() {
        let keys = UnknownKeys::default();
        for n in 0..150 {
            keys.count(&format!("key {n}"), Timestamp::from_seconds(n));
            keys.count("often", Timestamp::from_seconds(n));
        }
        let list = keys.list();
        assert_eq!(list.len(), KEYS_MAX);
        assert_eq!(list.iter().find(|k| k.key == "often").map(|k| k.count), Some(150));
        assert!(list.iter().all(|k| k.key != "key 50"), "the oldest are forgotten");
        keys.count(&"é".repeat(1_000), Timestamp::from_seconds(999));
        assert_eq!(keys.list()[0].key.chars().count(), KEY_CHARS);
    }
}
