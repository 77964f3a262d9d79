//! The list of an account's stats with figures and sparklines (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use stats::AccountId;

use crate::Error;
use crate::catalog::StatInfo;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    #[default]
    Name,
    /// Latest received first.
    Received,
    /// Greatest figure of the last 24 h first.
    Figure,
    /// Greatest change against the 24 h before first.
    Change,
}

#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Words that must all be in the name, case ignored.
    pub search: String,
    pub sort: Sort,
    /// From 1.
    pub page: usize,
    pub per_page: usize,
}

/// One line of the list.
#[derive(Clone, Debug)]
pub struct Row {
    pub stat: StatInfo,
    /// Of the last 24 hours: total of a counter, mean of a value; `None` without data.
    pub figure: Option<f64>,
    /// Of the 24 hours before.
    pub previous: Option<f64>,
    /// 24 hourly figures, oldest first.
    pub spark: Vec<Option<f64>>,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Stats that match the search.
    pub matches: usize,
    /// Stats of the account.
    pub total: usize,
    pub page: usize,
    pub pages: usize,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Listing;

impl Listing {
    pub async fn page(&self, account: AccountId, query: Query) -> Result<Page, Error> {
        todo!()
    }
}
