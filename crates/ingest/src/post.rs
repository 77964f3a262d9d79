//! One post: who sends which numbers, and what becomes of them.

use std::ops::Range;

use app::intake::{Fate, Sent};
use base::{ErrorKind, Timestamp};
use http::StatusCode;
use serde_json::value::RawValue;
use stats::{AccountId, Kind, StatName};

use crate::answer::{self, Answer, ItemFate, Refusal};
use crate::endpoint::Endpoint;
use crate::ingest::{Inner, Verdict, overloaded};
use crate::json;
use crate::metrics::Outcome;
use crate::number;
use crate::params::Params;
use crate::sink::Sink;

/// A bulk that says more than its items.
const BESIDE_DATA: &str = "a number stands beside `data`: make it an item, or send it by itself";

/// A post whose parameters are gathered.
pub(crate) struct Post<'a, S> {
    ingest: &'a Inner<S>,
    endpoint: Endpoint,
    params: &'a Params<'a>,
    now: Timestamp,
}

/// Why nothing is handed over.
enum Stop {
    /// The sender's mistake.
    Refused(Refusal),
    /// Nobody has the key; StatHat said nothing about it.
    UnknownKey,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<'a, S: Sink> Post<'a, S> {
    pub(crate) fn new(ingest: &'a Inner<S>, endpoint: Endpoint, params: &'a Params<'a>) -> Self {
        Self { ingest, endpoint, params, now: ingest.clock.now() }
    }

    /// Takes one number, for one stat or the several of a multi-post.
    pub(crate) fn single(self) -> Verdict<S::Accepted> {
        let mut sent = Vec::with_capacity(1);
        let read = match self.endpoint {
            Endpoint::Ez => self
                .ez_account()
                .and_then(|account| self.ez_points(account, self.params, &mut sent).map_err(Stop::from)),
            Endpoint::Counter => self.classic_point(Kind::Counter, &mut sent),
            Endpoint::Value => self.classic_point(Kind::Value, &mut sent),
        };
        match read {
            Err(stop) => self.stopped(stop),
            Ok(()) => self.submit(&sent, |fates| match item_fate(&sent, fates, 0..sent.len()) {
                Ok(None) => answer::taken(self.verbose()),
                Ok(Some(message)) => answer::partly(&message),
                Err(refusal) => answer::misuse(&refusal, self.strict()),
            }),
        }
    }

    /// Takes the items of a bulk, each by itself. Beside them no number may stand: it would be lost unnoticed.
    pub(crate) fn bulk(self, items: &[&RawValue]) -> Verdict<S::Accepted> {
        if self.endpoint != Endpoint::Ez {
            return self.stopped(Refusal::invalid("a bulk goes to /ez").into());
        }
        let Params { stat, count, value, .. } = self.params;
        if stat.is_some() || count.is_some() || value.is_some() {
            // Some clients write the empty bulk that they do not mean.
            if items.is_empty() {
                return self.single();
            }
            return self.stopped(Refusal::invalid(BESIDE_DATA).into());
        }
        let account = match self.ez_account() {
            Ok(account) => account,
            Err(stop) => return self.stopped(stop),
        };
        let mut sent = Vec::with_capacity(items.len());
        let mut read = Vec::with_capacity(items.len());
        for raw in items {
            let from = sent.len();
            let item = json::item(raw)
                .map_err(Refusal::invalid)
                .and_then(|params| self.ez_points(account, &params, &mut sent));
            read.push(item.map(|()| from..sent.len()));
        }
        let answer = |fates: &[Fate]| {
            let fates: Vec<ItemFate> = read
                .iter()
                .map(|item| match item {
                    Err(refusal) => Err(refusal.clone()),
                    Ok(range) => item_fate(&sent, fates, range.clone()),
                })
                .collect();
            answer::bulk(&fates, self.strict())
        };
        if sent.is_empty() {
            let outcome = if items.is_empty() { Outcome::Taken } else { Outcome::Misuse };
            return Verdict::now(outcome, answer(&[]));
        }
        self.submit(&sent, answer)
    }

    fn strict(&self) -> bool {
        self.ingest.config.strict_status
    }

    /// Whether a success has a body.
    fn verbose(&self) -> bool {
        match self.params.vb.as_deref() {
            Some("1") => true,
            Some("0") => false,
            _ => !self.ingest.config.quiet,
        }
    }

    fn stopped(&self, stop: Stop) -> Verdict<S::Accepted> {
        match stop {
            Stop::Refused(refusal) => Verdict::now(Outcome::Misuse, answer::misuse(&refusal, self.strict())),
            Stop::UnknownKey => {
                self.ingest.metrics.unknown_keys.inc();
                let answer = if self.strict() {
                    answer::misuse(&Refusal::new(StatusCode::UNAUTHORIZED, "nobody has this ezkey"), true)
                } else {
                    answer::taken(self.verbose())
                };
                Verdict::now(Outcome::UnknownKey, answer)
            }
        }
    }

    fn ez_account(&self) -> Result<AccountId, Stop> {
        let key = self.params.ezkey.as_deref().map(str::trim).unwrap_or_default();
        if key.is_empty() {
            return Err(Refusal::invalid("no ezkey specified").into());
        }
        match self.ingest.sink.by_ez_key(key) {
            None => {
                self.ingest.sink.count_unknown_key(key);
                Err(Stop::UnknownKey)
            }
            Some(account) if !account.enabled => {
                Err(Refusal::new(StatusCode::FORBIDDEN, "the EZ API is turned off for this account").into())
            }
            Some(account) => Ok(account.id),
        }
    }

    /// Appends the points of one EZ item; on an error none of them.
    fn ez_points(
        &self,
        account: AccountId,
        params: &Params<'_>,
        sent: &mut Vec<Sent>,
    ) -> Result<(), Refusal> {
        let stat = params.stat.as_deref().ok_or(Refusal::invalid("no stat specified"))?;
        let (kind, number) = match (&params.count, &params.value) {
            (Some(count), _) => (Kind::Counter, read_number("count", count)?),
            (None, Some(value)) => (Kind::Value, read_number("value", value)?),
            (None, None) => return Err(Refusal::invalid("no count or value specified")),
        };
        let time = self.time(params);
        let from = sent.len();
        for name in stats::name::expand(stat) {
            let refusal = match StatName::new(&name) {
                Err(error) => Refusal::invalid(error.to_string()),
                Ok(_) if sent.len() >= self.ingest.config.limits.points => Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("too many points: the limit is {} a request", self.ingest.config.limits.points),
                ),
                Ok(name) => {
                    sent.push(Sent { account, name, kind, number, time });
                    continue;
                }
            };
            sent.truncate(from);
            return Err(refusal);
        }
        if sent.len() == from { Err(Refusal::invalid("no stat specified after the `~`")) } else { Ok(()) }
    }

    fn classic_point(&self, kind: Kind, sent: &mut Vec<Sent>) -> Result<(), Stop> {
        let trimmed = |key: &'a Option<std::borrow::Cow<'a, str>>| key.as_deref().unwrap_or_default().trim();
        let (key, ukey) = (trimmed(&self.params.key), trimmed(&self.params.ukey));
        if key.is_empty() {
            return Err(Refusal::invalid("no key specified").into());
        }
        if ukey.is_empty() {
            return Err(Refusal::invalid("no ukey specified").into());
        }
        let (first, second, name) = match kind {
            Kind::Counter => (&self.params.count, &self.params.value, "count"),
            Kind::Value => (&self.params.value, &self.params.count, "value"),
        };
        let Some(number) = first.as_deref().or(second.as_deref()) else {
            return Err(Refusal::invalid(format!("no {name} specified")).into());
        };
        let number = read_number(name, number)?;
        let Some(stat) = self.ingest.sink.by_classic_keys(key, ukey) else {
            self.ingest.metrics.unknown_keys.inc();
            self.ingest.sink.count_unknown_key(key);
            let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "no stat has this key and ukey");
            return Err(refusal.into());
        };
        let time = self.time(self.params);
        sent.push(Sent { account: stat.account, name: stat.name, kind, number, time });
        Ok(())
    }

    /// When the number counts; what is no plausible time is counted.
    fn time(&self, params: &Params<'_>) -> Timestamp {
        let Some(t) = &params.t else { return self.now };
        let moment = number::moment(number::parse(t).ok(), self.now);
        if moment.odd {
            self.ingest.metrics.odd_timestamps.inc();
        }
        moment.time
    }

    /// Hands the points over and prepares the answer from their fates.
    fn submit(&self, sent: &[Sent], answer: impl FnOnce(&[Fate]) -> Answer) -> Verdict<S::Accepted> {
        let accepted = match self.ingest.sink.submit(sent) {
            Ok(accepted) => accepted,
            Err(error) => return self.not_submitted(&error),
        };
        let fates = S::fates(&accepted);
        debug_assert_eq!(fates.len(), sent.len(), "one fate a point");
        let taken = fates.iter().filter(|fate| matches!(fate, Fate::Taken)).count();
        let metrics = &self.ingest.metrics;
        metrics.points.inc_by(taken as u64);
        if taken < fates.len() {
            let mismatches = fates.iter().filter(|fate| matches!(fate, Fate::Mismatch { .. })).count();
            metrics.mismatches.inc_by(mismatches as u64);
        }
        let answer = answer(fates);
        let outcome = if taken == 0 { Outcome::Misuse } else { Outcome::Taken };
        Verdict { accepted: (taken > 0).then_some(accepted), answer, outcome }
    }

    fn not_submitted(&self, error: &app::Error) -> Verdict<S::Accepted> {
        let status = match error.kind() {
            ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Internal => {
                return Verdict::now(Outcome::Overload, overloaded(error));
            }
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
        };
        self.stopped(Refusal::new(status, error.to_string()).into())
    }
}

fn read_number(name: &'static str, text: &str) -> Result<f64, Refusal> {
    number::parse(text).map_err(|error| Refusal::invalid(format!("{name} {error}")))
}

/// What was not taken within a range of points, in words.
fn refusals<'a>(
    sent: &'a [Sent],
    fates: &'a [Fate],
    range: Range<usize>,
) -> impl Iterator<Item = Refusal> + 'a {
    sent[range.clone()].iter().zip(&fates[range]).filter_map(|(sent, fate)| match fate {
        Fate::Taken => None,
        Fate::Mismatch { is } => {
            let (is, post) = match is {
                Kind::Counter => ("counter", "count"),
                Kind::Value => ("value", "value"),
            };
            let message = format!("the stat `{}` is a {is}: post a {post}", sent.name.as_str());
            Some(Refusal::new(StatusCode::CONFLICT, message))
        }
        Fate::TooManyStats => {
            let name = sent.name.as_str();
            let message = format!("there is no stat `{name}`, and no room for more stats: delete some first");
            Some(Refusal::new(StatusCode::FORBIDDEN, message))
        }
    })
}

/// An item that is a multi-post is taken if any of its stats is.
fn item_fate(sent: &[Sent], fates: &[Fate], range: Range<usize>) -> ItemFate {
    let count = range.len();
    let mut refusals = refusals(sent, fates, range);
    let Some(first) = refusals.next() else { return Ok(None) };
    match count - 1 - refusals.count() {
        0 => Err(first),
        taken => Ok(Some(format!("{taken} of {count} stats were taken, the first other: {}", first.message))),
    }
}
