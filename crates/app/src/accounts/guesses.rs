//! Wrong passwords: who gave one for an email waits before the next is looked at.
//!
//! Counted for an email *and* an address, so that nobody can lock the owner out from elsewhere. A try counts as
//! wrong from its beginning on, so that many at once are no way around.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use base::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::Error;

/// Wrong passwords that cost nothing but the time of their hashing: people mistype.
pub const FREE_TRIES: u32 = 3;
/// The longest that one waits after a wrong password. The first wait is a second, each further one twice as long.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// After so long without another try, those before are forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// Emails and addresses that are remembered at most; beyond them the one that was tried longest ago is forgotten.
pub const REMEMBERED_MAX: usize = 10_000;

/// An email's digest, however long it is, and an address.
type Whom = ([u8; 32], IpAddr);

#[derive(Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Timestamp,
}

impl Tries {
    /// How long after the last one the next is looked at.
    fn wait(self) -> Duration {
        let Some(doublings) = self.wrong.checked_sub(FREE_TRIES) else { return Duration::ZERO };
        let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        WAIT_MAX.min(Duration::from_secs(seconds))
    }
}

/// The wrong passwords of late.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<Whom, Tries>>);

/// A password that is being looked at.
pub(super) struct Guess<'a> {
    all: &'a Guesses,
    whom: Whom,
}

impl Guesses {
    /// Counts a try as wrong, until it is found [`right`](Guess::right); `now` is a steady clock's.
    ///
    /// # Errors
    /// [`Error::Guessing`] while the last wrong one is to be waited for. Such a try does not prolong the wait.
    pub(super) fn begin(&self, email: &str, from: IpAddr, now: Timestamp) -> Result<Guess<'_>, Error> {
        let whom = (Sha256::digest(email.trim().to_lowercase()).into(), network(from));
        let mut all = self.0.lock();
        let before = all.get(&whom).copied().filter(|tries| tries.last + FORGOTTEN_AFTER > now);
        if let Some(tries) = before {
            let until = tries.last + tries.wait();
            if until > now {
                let retry_after_seconds = u32::try_from((until - now).as_millis().div_ceil(1_000));
                return Err(Error::Guessing { retry_after_seconds: retry_after_seconds.unwrap_or(u32::MAX) });
            }
        } else if all.len() >= REMEMBERED_MAX {
            make_room(&mut all, now);
        }
        let wrong = before.map_or(0, |tries| tries.wrong).saturating_add(1);
        all.insert(whom, Tries { wrong, last: now });
        Ok(Guess { all: self, whom })
    }
}

impl Guess<'_> {
    /// It was right: those before it are forgotten.
    pub(super) fn right(self) {
        self.all.0.lock().remove(&self.whom);
    }

    /// Nobody looked at it: it does not count.
    pub(super) fn unseen(self) {
        let mut all = self.all.0.lock();
        // Others may have begun or ended meanwhile: theirs stay.
        let left = all.get(&self.whom).map_or(0, |tries| tries.wrong.saturating_sub(1));
        match all.get_mut(&self.whom) {
            Some(tries) if left > 0 => tries.wrong = left,
            _ => {
                all.remove(&self.whom);
            }
        }
    }
}

fn make_room(all: &mut HashMap<Whom, Tries>, now: Timestamp) {
    all.retain(|_, tries| tries.last + FORGOTTEN_AFTER > now);
    if all.len() >= REMEMBERED_MAX
        && let Some(oldest) = all.iter().min_by_key(|(_, tries)| tries.last).map(|(whom, _)| *whom)
    {
        all.remove(&oldest);
    }
}

/// An IPv6 network of 64 bits counts as one address: whoever has one, has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn home() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    /// What a wrong try at a second is told: 0, or when to come back.
    fn wrong(guesses: &Guesses, from: IpAddr, second: i64) -> u32 {
        match guesses.begin("ann@example.com", from, at(second)) {
            Ok(_) => 0,
            Err(Error::Guessing { retry_after_seconds }) => retry_after_seconds,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn each_wrong_one_makes_the_wait_twice_as_long_up_to_a_minute() {
        let guesses = Guesses::default();
        let mut second = 0;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(wrong(&guesses, home(), second), 0);
            let wait = wrong(&guesses, home(), second);
            if wait == 0 {
                // That was a free one too.
                continue;
            }
            waits.push(wait);
            assert_eq!(
                wrong(&guesses, home(), second + i64::from(wait) - 1),
                1,
                "asking does not prolong it"
            );
            second += i64::from(wait);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
        assert_eq!(wrong(&guesses, home(), second + 3_600), 0);
        assert_eq!(wrong(&guesses, home(), second + 3_600), 0, "they are forgotten");
    }

    #[test]
    fn a_network_waits_by_itself() {
        let guesses = Guesses::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..FREE_TRIES {
            assert_eq!(wrong(&guesses, address("2001:db8::1"), 0), 0);
        }
        assert_eq!(wrong(&guesses, address("2001:db8::2"), 0), 1, "the same network");
        assert_eq!(wrong(&guesses, address("2001:db8:0:1::1"), 0), 0, "another");
        for _ in 0..FREE_TRIES {
            assert_eq!(wrong(&guesses, home(), 0), 0);
        }
        assert_eq!(wrong(&guesses, address("::ffff:192.0.2.1"), 0), 1, "the same address, written otherwise");
    }

    #[test]
    fn what_nobody_looked_at_does_not_count_and_what_is_right_clears() {
        let guesses = Guesses::default();
        for _ in 0..9 {
            guesses.begin("ann@example.com", home(), at(0)).unwrap().unseen();
        }
        assert!(guesses.0.lock().is_empty());
        for _ in 1..FREE_TRIES {
            assert_eq!(wrong(&guesses, home(), 0), 0);
        }
        guesses.begin(" Ann@Example.com", home(), at(0)).unwrap().right();
        for _ in 0..FREE_TRIES {
            assert_eq!(wrong(&guesses, home(), 0), 0);
        }
        assert_eq!(wrong(&guesses, home(), 0), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guesses = Guesses::default();
        for number in 0..REMEMBERED_MAX as i64 + 5 {
            let _ = guesses.begin(&format!("{number}@example.com"), home(), at(number / 100)).unwrap();
        }
        assert_eq!(guesses.0.lock().len(), REMEMBERED_MAX);
    }
}
