//! Sockets that listen, several on one address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted, a socket; the system may allow fewer.
const BACKLOG: i32 = 4_096;

/// Binds `wanted` `count` times. The first socket of a given port is bound alone for a moment, so
/// that an address in use is an error: SO_REUSEPORT would share it with another process.
pub(super) fn bind(
    wanted: SocketAddr,
    all: &[SocketAddr],
    count: usize,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let only_v6 =
        wanted.is_ipv6() && all.iter().any(|other| other.is_ipv4() && other.port() == wanted.port());
    if wanted.port() != 0 {
        open(wanted, only_v6, false)?;
    }
    let first = open(wanted, only_v6, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        sockets.push(open(address, only_v6, true)?);
    }
    Ok((address, sockets))
}

fn open(address: SocketAddr, only_v6: bool, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if only_v6 {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:0";

    #[test]
    fn one_port_is_bound_for_every_core_and_for_nobody_else() {
        let wanted = LOCAL.parse().expect("an address");
        let (address, sockets) = bind(wanted, &[wanted], 3).expect("a free port");
        assert_ne!(address.port(), 0);
        assert!(sockets.iter().all(|socket| socket.local_addr().ok() == Some(address)));
        let error = bind(address, &[address], 2).expect_err("somebody listens there");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(sockets);
        bind(address, &[address], 2).expect("free again");
    }
}
