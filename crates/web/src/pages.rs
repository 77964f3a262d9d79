//! The pages, one file a noun: each handler reads what is asked, calls a use case, hands its view
//! model to the presenter.

pub mod account;
pub mod aliases;
pub mod card;
pub mod list;
pub mod shared;
pub mod signin;
pub mod stat;
pub mod trash;
pub mod welcome;
