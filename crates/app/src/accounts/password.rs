//! Password hashes: argon2id, slow by design, few at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::Error;

/// Hashings that run or wait; further ones are told to come back.
pub const HASHINGS_QUEUED_MAX: usize = 16;
/// When to come back, in seconds.
const RETRY_AFTER_SECONDS: u32 = 2;

/// Verified for emails that have no password, so that the answer takes as long. A hash of nothing
/// known, with the same cost as real ones.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Tm9ib2R5J3Mgc2FsdA$\
                      Wm9vbSB0aGUgZWFnbGUgb3ZlciBhbGwgdGhlIGhpbGw";

/// Where hashing takes its turn.
pub(super) struct Hashing {
    running: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
}

/// Hashings at once: half of the cores, so that the others go on serving. Each takes 19 MiB and tens of
/// milliseconds of a core.
fn at_once() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self { running: Arc::new(Semaphore::new(at_once())), queued: Arc::default() }
    }

    /// The hash in PHC form, with a random salt.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        let hashed = self.run(move || {
            let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
            Ok::<_, argon2::password_hash::Error>(hash.to_string())
        });
        hashed.await?.map_err(|error| Error::Unavailable(format!("the password cannot be hashed: {error}")))
    }

    /// Whether the password has this hash; false, after the same time, if there is none.
    pub(super) async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, Error> {
        let password = password.to_owned();
        self.run(move || {
            let known = hash.is_some();
            let text = hash.as_deref().unwrap_or(NOBODY);
            let Ok(hash) = PasswordHash::new(text) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && known
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = Place::of(&self.queued)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.expect("this semaphore is never closed");
        // Place and turn go with the work: it runs to its end even if who asked has hung up.
        let work = move || {
            let _held = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::Unavailable(format!("hashing stopped: {error}")))
    }
}

/// A place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn of(queued: &Arc<AtomicUsize>) -> Result<Self, Error> {
        let place = Self(Arc::clone(queued));
        if queued.fetch_add(1, Ordering::Relaxed) >= HASHINGS_QUEUED_MAX {
            return Err(Error::Busy {
                message: "too many sign-ins at once".to_owned(),
                retry_after_seconds: RETRY_AFTER_SECONDS,
            });
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let hashing = Hashing::new();
        let hash = hashing.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hashing.hash("correct horse").await.unwrap(), "salted");
        assert!(hashing.verify("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!hashing.verify("wrong horse", Some(hash)).await.unwrap());
        assert!(!hashing.verify("wrong horse", None).await.unwrap());
        assert!(!hashing.verify("wrong horse", Some("garbage".to_owned())).await.unwrap());
    }

    #[test]
    fn nobody_costs_as_much_as_somebody() {
        let shape = |hash: &PasswordHash| {
            (hash.algorithm.to_string(), hash.version, hash.params.to_string(), hash.hash.map(|h| h.len()))
        };
        let somebody: PasswordHash = Argon2::default().hash_password(b"correct horse").unwrap();
        assert_eq!(shape(&PasswordHash::new(NOBODY).unwrap()), shape(&somebody));
    }

    #[tokio::test]
    async fn a_long_queue_is_busy_and_recovers() {
        let hashing = Hashing::new();
        let turns = hashing.running.acquire_many(at_once() as u32).await.unwrap();
        let mut waiting: Vec<_> = (0..HASHINGS_QUEUED_MAX).map(|_| Box::pin(hashing.run(|| 1))).collect();
        for one in &mut waiting {
            assert!(futures_poll(one.as_mut()).is_pending());
        }
        assert!(matches!(hashing.run(|| 1).await, Err(Error::Busy { retry_after_seconds: 2, .. })));
        drop(waiting);
        drop(turns);
        assert_eq!(hashing.run(|| 1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn who_hangs_up_does_not_free_a_turn_that_is_used() {
        let hashing = Hashing::new();
        let others = hashing.running.acquire_many(at_once() as u32 - 1).await.unwrap();
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let mut gone = Box::pin(hashing.run(move || finished.recv().is_ok()));
        assert!(futures_poll(gone.as_mut()).is_pending());
        drop(gone);
        assert_eq!(hashing.running.available_permits(), 0, "it still works");
        finish.send(()).unwrap();
        drop(others);
        assert_eq!(hashing.run(|| 1).await.unwrap(), 1);
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
