//! Password hashes: argon2id, slow by design, few at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::Error;

/// Hashings at once: each takes 19 MiB and tens of milliseconds of a core.
pub const HASHINGS_MAX: usize = 2;
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
    running: Semaphore,
    queued: AtomicUsize,
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self { running: Semaphore::new(HASHINGS_MAX), queued: AtomicUsize::new(0) }
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
        let _place = Place::of(&self.queued)?;
        let _turn = self.running.acquire().await.expect("this semaphore is never closed");
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::Unavailable(format!("hashing stopped: {error}")))
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn of(queued: &'a AtomicUsize) -> Result<Self, Error> {
        let place = Self(queued);
        if queued.fetch_add(1, Ordering::Relaxed) >= HASHINGS_QUEUED_MAX {
            return Err(Error::Busy {
                message: "too many sign-ins at once".to_owned(),
                retry_after_seconds: RETRY_AFTER_SECONDS,
            });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
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
        let turns = hashing.running.acquire_many(HASHINGS_MAX as u32).await.unwrap();
        let mut waiting: Vec<_> = (0..HASHINGS_QUEUED_MAX).map(|_| Box::pin(hashing.run(|| 1))).collect();
        for one in &mut waiting {
            assert!(futures_poll(one.as_mut()).is_pending());
        }
        assert!(matches!(hashing.run(|| 1).await, Err(Error::Busy { retry_after_seconds: 2, .. })));
        drop(waiting);
        drop(turns);
        assert_eq!(hashing.run(|| 1).await.unwrap(), 1);
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
