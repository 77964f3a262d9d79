//! A client of protocol V2, bare.

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::house::{House, SOON};

pub(crate) struct Wire(TcpStream);

impl Wire {
    /// Connected and introduced with this JSON.
    pub(crate) async fn open(house: &House, identify: &str) -> Self {
        let mut wire = Self(TcpStream::connect(&house.running.tcp_address).await.expect("connected"));
        wire.send(b"  V2").await;
        wire.command("IDENTIFY\n", Some(identify.as_bytes())).await;
        assert_eq!(wire.frame().await, (0, b"OK".to_vec()));
        wire
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// Sends a line and perhaps a body with its length.
    pub(crate) async fn command(&mut self, line: &str, body: Option<&[u8]>) {
        let mut bytes = BytesMut::from(line);
        if let Some(body) = body {
            bytes.put_u32(body.len() as u32);
            bytes.put_slice(body);
        }
        self.send(&bytes).await;
    }

    /// The next frame: its kind and its data.
    pub(crate) async fn frame(&mut self) -> (u32, Vec<u8>) {
        let read = async {
            let size = self.0.read_u32().await?;
            let kind = self.0.read_u32().await?;
            let mut data = vec![0; size as usize - 4];
            self.0.read_exact(&mut data).await?;
            Ok::<_, std::io::Error>((kind, data))
        };
        tokio::time::timeout(SOON, read).await.expect("in time").expect("a frame")
    }

    /// Sends what is answered with `OK`.
    pub(crate) async fn does(&mut self, line: &str, body: Option<&[u8]>) {
        self.command(line, body).await;
        assert_eq!(self.frame().await, (0, b"OK".to_vec()), "{line}");
    }

    /// The next message: its id and its body.
    pub(crate) async fn message(&mut self) -> (String, String) {
        let (kind, data) = self.frame().await;
        assert_eq!(kind, 2, "{}", String::from_utf8_lossy(&data));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&data[10..26]), text(&data[26..]))
    }
}
