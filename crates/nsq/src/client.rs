//! The other side of the wire: a producer and a consumer of our own, for the tools. They speak to any nsqd.
//!
//! ```text
//! Producer ── order ──▶ task of one connection ── PUB, MPUB ──▶ nsqd         answers in order
//!
//! lookupds ──▶ discovery ──▶ Consumer's task ── RDY ──▶ subscription ── FIN, REQ ──▶ nsqd
//!                                ▲                           │
//!                                └──── what became of it ─── messages ──▶ whoever receives
//! ```
//! Read in this order: [`Config`] (every option, by go-nsq's names), `connection` (IDENTIFY, TLS,
//! compression), [`Producer`], `ready` (who may have how many in flight; backing off), [`Message`],
//! `subscription`, `discovery`, `outage`, [`Consumer`].
//!
//! **Invariants**: a message that is dropped without a word is requeued; never more than `max_in_flight` are
//! asked for; every channel is bounded.

mod config;
mod connection;
mod consumer;
mod discovery;
mod message;
mod outage;
mod producer;
mod ready;
mod subscription;

use base::ErrorKind;

pub use config::Config;
pub use consumer::{Consumer, Sources};
pub use message::Message;
pub(crate) use outage::Outage;
pub use producer::Producer;

/// What can go wrong with an nsqd.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or does not become what was agreed on.
    #[error("({address}) error connecting to nsqd - {reason}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// It says no: a code and a text.
    #[error("({address}) {text}")]
    Refused {
        /// Who.
        address: String,
        /// What it says.
        text: String,
    },
    /// The connection broke: whether the last orders were carried out is not known.
    #[error("({address}) connection lost - {reason}")]
    Lost {
        /// To where.
        address: String,
        /// Why.
        reason: String,
    },
    /// Our own side has stopped.
    #[error("stopped")]
    Stopped,
}

/// What nsqd answers to a publication that it understood and could not keep.
const NOT_KEPT: [&str; 3] = ["E_PUB_FAILED", "E_MPUB_FAILED", "E_DPUB_FAILED"];

impl Error {
    /// Whether nsqd may have what was published all the same, or a part of it.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Refused { text, .. } => NOT_KEPT.contains(&code(text)),
            Self::Lost { .. } => true,
            Self::Connect { .. } | Self::Stopped => false,
        }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } => ErrorKind::Invalid,
            Self::Connect { .. } | Self::Lost { .. } | Self::Stopped => ErrorKind::Unavailable,
        }
    }
}

/// The word that a refusal begins with.
fn code(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(code, _)| code)
}

/// A number from 0 to 1, for what many should not do at once.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
