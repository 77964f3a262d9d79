//! web

pub mod chart;
