//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The address from which a request came: a server hands it on beside the request. Behind a proxy it is the
/// proxy's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub SocketAddr);
