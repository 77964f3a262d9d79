//! Where points go: the application's intake, or a stand-in for tests.

use std::future::Future;

use app::intake::{Accepted, ClassicStat, EzAccount, Fate, Intake, Sent};

/// What ingest needs of the application. [`Intake`] is the one that counts.
pub trait Sink: Clone + Send + Sync + 'static {
    /// Points handed over and not yet known to be durable.
    type Accepted: Send;

    /// Whose EZ key, without waiting.
    fn by_ez_key(&self, key: &str) -> Option<EzAccount>;

    /// Which stat, without waiting.
    fn by_classic_keys(&self, stat_key: &str, user_key: &str) -> Option<ClassicStat>;

    /// Remembers a key that nobody has.
    fn count_unknown_key(&self, key: &str);

    /// Hands points over before it returns. Err: nothing was taken.
    fn submit(&self, sent: &[Sent]) -> Result<Self::Accepted, app::Error>;

    /// What became of each point, in the order given.
    fn fates(accepted: &Self::Accepted) -> &[Fate];

    /// Resolves once the points are as durable as configured.
    fn settle(accepted: Self::Accepted) -> impl Future<Output = Result<(), app::Error>> + Send;
}

impl Sink for Intake {
    type Accepted = Accepted;

    fn by_ez_key(&self, key: &str) -> Option<EzAccount> {
        Self::by_ez_key(self, key)
    }

    fn by_classic_keys(&self, stat_key: &str, user_key: &str) -> Option<ClassicStat> {
        Self::by_classic_keys(self, stat_key, user_key)
    }

    fn count_unknown_key(&self, key: &str) {
        Self::count_unknown_key(self, key);
    }

    fn submit(&self, sent: &[Sent]) -> Result<Accepted, app::Error> {
        Self::submit(self, sent)
    }

    fn fates(accepted: &Accepted) -> &[Fate] {
        &accepted.fates
    }

    fn settle(accepted: Accepted) -> impl Future<Output = Result<(), app::Error>> + Send {
        accepted.settle()
    }
}
