//! Who a client is and what it may do, as an authority of the operator's says.
//!
//! `AUTH` sends a secret; we ask `http://<authority>/auth` with it, and the answer holds for its TTL.
//! Then the authority is asked again, when the client next needs a permission.

mod authority;
mod grants;

pub use authority::{Authority, Denied, Query, url};
pub use grants::{Grants, Unfit};

#[cfg(test)]
mod tests;
