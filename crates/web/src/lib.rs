//! The pages: a router that parses requests, calls interactors of `app`, and presents view models as
//! HTML, JSON, SVG or PNG. Handlers are six to ten lines.
//!
//! ```text
//! request ─► ask (who, which form) ─► pages::<noun> ─► app ─► view model ─► presenter ─► HTML | JSON
//!                                          └─► figures, chart: series as columns and pictures
//! ```
//! Read in this order: [`router()`] (every path), [`ask`] (a request as handlers see it), [`pages`],
//! [`figures`] and [`timeframes`] (what they show), [`presenter`] and [`templates`] (how), [`live`]
//! (server-sent events), [`failure`] (the one place where kinds of failure become statuses),
//! [`session`] and [`security`], [`assets`] (what `build.rs` made of `ui/`), [`chart`] (pictures),
//! [`image`] (`/c.svg` and `/c.png`), [`export`] (`/x` and `/a1`, StatHat's export API). [`nsqadmin`] is a
//! site of its own in the same clothes.
//!
//! **Invariants**: every page works without scripts; nothing is loaded from another host; no inline
//! script or style; what is shown of one account is never kept in a shared cache; every stream and
//! list has a named limit.

pub mod ask;
pub mod assets;
pub mod chart;
pub mod config;
pub mod export;
pub mod failure;
pub mod figures;
pub mod filters;
pub mod image;
pub mod live;
pub mod nsqadmin;
pub mod pages;
pub mod presenter;
pub mod router;
pub mod security;
pub mod session;
pub mod templates;
pub mod timeframes;

pub use config::Config;
pub use router::router;
