//! The list of an account's stats with figures and sparklines.
//!
//! Figures are computed for the rows of the page only, unless the sort needs them of all; then they are
//! kept for a few seconds.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use moka::sync::Cache;
use stats::timeframe::{Span, Timeframe, Unit};
use stats::{AccountId, Series, StatId};

use crate::catalog::{Catalog, StatInfo};
use crate::charts::Charts;
use crate::{Error, natural};

/// Rows on a page if the query does not say.
const PER_PAGE: usize = 50;
/// Most rows on a page.
const PER_PAGE_MAX: usize = 500;
/// How long the figures of a whole account are good for sorting.
const FIGURES_FOR: Duration = Duration::from_secs(10);
/// Accounts whose figures are kept.
const ACCOUNTS_KEPT: u64 = 16;
/// Stats whose series are in memory at once while an account's figures are computed.
const STATS_AT_ONCE: usize = 500;
/// Hours in a sparkline.
const SPARK: usize = 24;

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// By name, case ignored.
    #[default]
    Name,
    /// Latest received first.
    Received,
    /// Greatest figure of the last 24 h first.
    Figure,
    /// Greatest change against the 24 h before first.
    Change,
}

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Words that must all be in the name, case ignored.
    pub search: String,
    /// In which order.
    pub sort: Sort,
    /// From 1.
    pub page: usize,
    /// Rows a page; 0: 50. At most 500.
    pub per_page: usize,
}

/// One line of the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub stat: StatInfo,
    /// Of the last 24 hours: total of a counter, mean of a value; `None` without data.
    pub figure: Option<f64>,
    /// Of the 24 hours before.
    pub previous: Option<f64>,
    /// 24 hourly figures as a chart [draws](Series::drawn) them, oldest first.
    pub spark: Vec<Option<f64>>,
}

/// Some rows, and how many there are.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order asked for.
    pub rows: Vec<Row>,
    /// Stats that match the search.
    pub matches: usize,
    /// Stats of the account.
    pub total: usize,
    /// From 1; the last one if a later one was asked for.
    pub page: usize,
    /// At least 1.
    pub pages: usize,
}

#[derive(Clone, Copy, Default)]
struct Figures {
    figure: Option<f64>,
    previous: Option<f64>,
}

type OfAccount = Arc<HashMap<StatId, Figures>>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Listing {
    catalog: Catalog,
    charts: Charts,
    figures: Cache<AccountId, OfAccount>,
    /// Held while the figures of an account are computed: who wants the same then finds them.
    computing: Arc<tokio::sync::Mutex<()>>,
}

impl Listing {
    pub(crate) fn new(catalog: Catalog, charts: Charts) -> Self {
        let figures = Cache::builder().max_capacity(ACCOUNTS_KEPT).time_to_live(FIGURES_FOR).build();
        Self { catalog, charts, figures, computing: Arc::default() }
    }

    /// One page of an account's stats, trash left out.
    ///
    /// # Errors
    /// What [`Charts::series_of`] says.
    pub async fn page(&self, account: AccountId, query: Query) -> Result<Page, Error> {
        let mut stats = self.catalog.of_account(account);
        let total = stats.len();
        let search = query.search.to_lowercase();
        let words: Vec<&str> = search.split_whitespace().collect();
        stats.retain(|stat| has_all(&stat.name, &words));
        self.sort(account, &mut stats, query.sort).await?;
        let per_page = if query.per_page == 0 { PER_PAGE } else { query.per_page.min(PER_PAGE_MAX) };
        let matches = stats.len();
        let pages = matches.div_ceil(per_page).max(1);
        let page = query.page.clamp(1, pages);
        let shown: Vec<StatInfo> = stats.into_iter().skip((page - 1) * per_page).take(per_page).collect();
        let series = self.two_days(&shown).await?;
        let rows = shown.into_iter().zip(series).map(|(stat, series)| row(stat, &series)).collect();
        Ok(Page { rows, matches, total, page, pages })
    }

    /// At most `limit` stats whose names have all words of `search`, the latest received first, trash left out; no
    /// figures are computed.
    pub fn names(&self, account: AccountId, search: &str, limit: usize) -> Vec<StatInfo> {
        let search = search.to_lowercase();
        let words: Vec<&str> = search.split_whitespace().collect();
        let mut stats = self.catalog.of_account(account);
        stats.retain(|stat| has_all(&stat.name, &words));
        stats.sort_by_key(|stat| std::cmp::Reverse(stat.received_at));
        stats.truncate(limit);
        stats
    }

    async fn sort(&self, account: AccountId, stats: &mut [StatInfo], sort: Sort) -> Result<(), Error> {
        match sort {
            Sort::Name => stats.sort_by_cached_key(|stat| natural::key(&stat.name)),
            Sort::Received => stats.sort_by_key(|stat| std::cmp::Reverse(stat.received_at)),
            Sort::Figure | Sort::Change => {
                let figures = self.figures_of(account).await?;
                let key = |stat: &StatInfo| {
                    let of_stat = figures.get(&stat.id).copied().unwrap_or_default();
                    if sort == Sort::Figure { of_stat.figure } else { change(of_stat) }
                };
                stats.sort_by(|a, b| greatest_first(key(a), key(b)));
            }
        }
        Ok(())
    }

    async fn figures_of(&self, account: AccountId) -> Result<OfAccount, Error> {
        if let Some(kept) = self.figures.get(&account) {
            return Ok(kept);
        }
        let _turn = self.computing.lock().await;
        if let Some(kept) = self.figures.get(&account) {
            return Ok(kept);
        }
        let stats = self.catalog.of_account(account);
        let mut figures = HashMap::with_capacity(stats.len());
        for some in stats.chunks(STATS_AT_ONCE) {
            for (stat, series) in some.iter().zip(self.two_days(some).await?) {
                figures.insert(stat.id, figures_of_days(&series));
            }
        }
        let figures = Arc::new(figures);
        self.figures.insert(account, Arc::clone(&figures));
        Ok(figures)
    }

    /// The last 48 hours of each, hourly, up to now.
    async fn two_days(&self, stats: &[StatInfo]) -> Result<Vec<Series>, Error> {
        let ids: Vec<StatId> = stats.iter().map(|stat| stat.id).collect();
        let hourly = Timeframe {
            span: Span { n: 2 * SPARK as u32, unit: Unit::Hour },
            step: Span { n: 1, unit: Unit::Hour },
            compare: None,
        };
        let window = self.charts.window(hourly, None);
        match self.charts.series_of(&ids, window).await {
            // One was purged while we looked: tell which by asking for each.
            Err(Error::NotFound(_)) => {
                let mut all = Vec::with_capacity(stats.len());
                for stat in stats {
                    all.push(match self.charts.series(stat.id, window).await {
                        Err(Error::NotFound(_)) => Series::empty(stat.kind, window),
                        other => other?,
                    });
                }
                Ok(all)
            }
            other => other,
        }
    }
}

/// `words` in lower case.
fn has_all(name: &str, words: &[&str]) -> bool {
    if words.is_empty() {
        return true;
    }
    let name = name.to_lowercase();
    words.iter().all(|word| name.contains(word))
}

fn figures_of_days(series: &Series) -> Figures {
    let figure = |buckets: &[Option<stats::Bucket>]| {
        stats::bucket::total(buckets.iter().flatten()).map(|bucket| bucket.figure(series.kind))
    };
    let (before, last) = series.buckets.split_at(series.buckets.len() - SPARK.min(series.buckets.len()));
    Figures { figure: figure(last), previous: figure(before) }
}

fn row(stat: StatInfo, series: &Series) -> Row {
    let Figures { figure, previous } = figures_of_days(series);
    let spark = series.drawn().split_off(series.buckets.len().saturating_sub(SPARK));
    Row { stat, figure, previous, spark }
}

/// As a fraction of what it was.
fn change(figures: Figures) -> Option<f64> {
    stats::number::change(figures.figure?, figures.previous?)
}

fn greatest_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
