//! What the auth server said of whom, while it holds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::nsqd::auth::Grants;

/// Most answers that are remembered.
const KNOWN_MAX: usize = 1_024;
/// How long a refusal is remembered: whoever asks on and on costs the auth server one question in that time.
const REFUSED_FOR: Duration = Duration::from_secs(2);

/// Whom the auth server is asked about.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) remote_ip: String,
    pub(super) tls: bool,
    pub(super) common_name: String,
    pub(super) secret: Vec<u8>,
}

/// What it said.
#[derive(Clone)]
pub(super) enum Said {
    Granted(Grants),
    Refused,
}

/// What it said of whom, and until when that holds.
#[derive(Default)]
pub(super) struct Known(HashMap<Caller, (Said, Instant)>);

impl Known {
    pub(super) fn get(&self, caller: &Caller, now: Instant) -> Option<Said> {
        let (said, until) = self.0.get(caller)?;
        (now < *until).then(|| said.clone())
    }

    /// Remembers an answer of now. Where there is no room, what would end first is forgotten: refusals
    /// before grants.
    pub(super) fn keep(&mut self, caller: Caller, said: Said, now: Instant) {
        let until = match &said {
            Said::Granted(grants) => grants.expires(),
            Said::Refused => now + REFUSED_FOR,
        };
        if self.0.len() >= KNOWN_MAX && !self.0.contains_key(&caller) {
            self.0.retain(|_, (_, until)| now < *until);
            if self.0.len() >= KNOWN_MAX
                && let Some(first) = self.0.iter().min_by_key(|(_, (_, until))| *until)
            {
                let first = first.0.clone();
                self.0.remove(&first);
            }
        }
        self.0.insert(caller, (said, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: usize) -> Caller {
        let secret = number.to_string().into_bytes();
        Caller { remote_ip: "127.0.0.1".to_owned(), tls: false, common_name: String::new(), secret }
    }

    fn granted(seconds: usize, now: Instant) -> Said {
        Said::Granted(Grants::read(format!(r#"{{"ttl":{seconds}}}"#).as_bytes(), now).expect("grants"))
    }

    #[test]
    fn a_refusal_is_remembered_for_a_moment() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.keep(caller(1), Said::Refused, now);
        let soon = now + REFUSED_FOR - Duration::from_millis(1);
        assert!(matches!(known.get(&caller(1), soon), Some(Said::Refused)));
        assert!(known.get(&caller(1), now + REFUSED_FOR).is_none());
        assert!(known.get(&caller(2), soon).is_none());
    }

    #[test]
    fn one_caller_too_many_costs_the_one_whose_time_ends_first() {
        let (mut known, now) = (Known::default(), Instant::now());
        for number in 0..KNOWN_MAX {
            known.keep(caller(number), granted(100 + number, now), now);
        }
        known.keep(caller(KNOWN_MAX), granted(5_000, now), now);
        assert!(known.get(&caller(0), now).is_none());
        assert!((1..=KNOWN_MAX).all(|number| known.get(&caller(number), now).is_some()));
        // Who is refused comes and goes; whose time is over makes room for more than one.
        known.keep(caller(5_001), Said::Refused, now);
        known.keep(caller(5_002), Said::Refused, now);
        assert!(known.get(&caller(5_001), now).is_none() && known.get(&caller(2), now).is_some());
        let later = now + Duration::from_secs(200);
        known.keep(caller(5_003), granted(5_000, later), later);
        assert!(known.0.len() < KNOWN_MAX && known.get(&caller(500), later).is_some());
    }
}
