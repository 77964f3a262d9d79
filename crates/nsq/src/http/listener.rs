//! Where requests come in: an address, a unix socket, or an address behind TLS.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::{TcpListener, UnixListener, UnixStream, lookup_host};

/// Connections that wait in the system to be accepted.
const BACKLOG: u32 = 1024;

/// A bound address that nobody serves yet.
#[derive(Debug)]
pub enum Listener {
    /// Plain HTTP.
    Tcp(TcpListener),
    /// Plain HTTP over a unix socket, whose file is removed when the listener is dropped.
    Unix(UnixListener, SocketFile),
    /// HTTPS.
    Tls(TcpListener, Arc<ServerConfig>),
}

/// The file of a unix socket; it goes with its owner.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody removed it: it is gone either way.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Binds `<addr>:<port>` (port 0: a free one; no address: all of them) or, where it has no port, the
    /// path of a unix socket.
    ///
    /// # Errors
    /// The system's, with the address in the text.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let bound = if is_unix(address) {
            if !address.contains('/') {
                tracing::warn!(
                    "`{address}` has no port, so it is taken for the path of a unix socket in the current folder; \
                     a TCP address is <addr>:<port>"
                );
            }
            bind_unix(Path::new(address)).await.map(|(listener, file)| Self::Unix(listener, file))
        } else {
            bind_tcp(address).await.map(Self::Tcp)
        };
        bound.map_err(|error| named(address, &error))
    }

    /// Binds `<addr>:<port>` for HTTPS.
    ///
    /// # Errors
    /// The system's, with the address in the text.
    pub async fn bind_tls(address: &str, config: Arc<ServerConfig>) -> io::Result<Self> {
        let listener = bind_tcp(address).await.map_err(|error| named(address, &error))?;
        Ok(Self::Tls(listener, config))
    }

    /// The real address, as it is logged: `127.0.0.1:4151` or the path.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string())
            }
            Self::Unix(_, file) => file.0.display().to_string(),
        }
    }

    /// The real port; none for a unix socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => listener.local_addr().ok().map(|at| at.port()),
            Self::Unix(..) => None,
        }
    }
}

/// Whether `address` names a unix socket: it has no port, or it is plainly a path.
pub fn is_unix(address: &str) -> bool {
    address.contains('/') || !address.contains(':')
}

/// An address as it is shown and told: an IPv4 peer of a socket for both is an IPv4 peer.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Binds `<addr>:<port>`; the address may be a name or absent.
///
/// # Errors
/// The system's.
pub async fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let mut last = None;
    let all: Vec<SocketAddr> = match address.strip_prefix(':') {
        // As Go: every address of the machine, IPv6 and IPv4.
        Some(port) => lookup_host(format!("[::]:{port}"))
            .await?
            .chain(lookup_host(format!("0.0.0.0:{port}")).await?)
            .collect(),
        None => lookup_host(address).await?.collect(),
    };
    for one in all {
        match bind_one(one) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "no such address")))
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // An address that was served a moment ago can be served again; one that is served cannot.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds the path of a unix socket; a file left by a process that is gone is taken over.
///
/// # Errors
/// The system's; `AddrInUse` when somebody listens there or the path is something else.
pub async fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path).await => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
    .map(|listener| (listener, SocketFile(path.to_owned())))
}

async fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = UnixStream::connect(path).await;
    is_socket && refused.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn named(address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("listen ({address}) failed - {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_is_a_path() {
        for (address, unix) in [
            ("127.0.0.1:4151", false),
            (":4151", false),
            ("[::1]:0", false),
            ("nsqd.sock", true),
            ("/run/a:b.sock", true),
            ("./nsqd.sock", true),
        ] {
            assert_eq!(is_unix(address), unix, "{address}");
        }
    }

    #[tokio::test]
    async fn an_abandoned_socket_is_taken_over_and_a_served_one_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("nsqd.sock").display().to_string();
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound, and its file left behind"));
        let listener = Listener::bind(&path).await.expect("taken over");
        assert_eq!((listener.address(), listener.port()), (path.clone(), None));
        let error = Listener::bind(&path).await.expect_err("served").to_string();
        assert!(error.starts_with(&format!("listen ({path}) failed - ")), "{error}");
        drop(listener);
        assert!(!Path::new(&path).exists());
        std::fs::write(&path, "a letter").expect("written");
        Listener::bind(&path).await.expect_err("not a socket");
    }

    #[tokio::test]
    async fn a_port_is_bound_once() {
        let listener = Listener::bind("127.0.0.1:0").await.expect("bound");
        let error = Listener::bind(&listener.address()).await.expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
