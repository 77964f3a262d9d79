//! A small blocking HTTP/1.1 client: it shows exactly what goes over the wire.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer than this in a test that passes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers larger than this are a fault.
const BODY_BYTES_MAX: usize = 16 << 20;

/// One kept-alive connection.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: eyrie\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// As whoever has this cookie.
    pub(crate) fn get_as(&mut self, cookie: &str, target: &str) -> io::Result<Answer> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: eyrie\r\nCookie: {cookie}\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// A form, the way every StatHat client posts.
    pub(crate) fn post(&mut self, target: &str, form: &str) -> io::Result<Answer> {
        self.post_as(target, "application/x-www-form-urlencoded", form)
    }

    pub(crate) fn post_as(&mut self, target: &str, kind: &str, body: &str) -> io::Result<Answer> {
        let length = body.len();
        self.send(
            format!(
                "POST {target} HTTP/1.1\r\nHost: eyrie\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )?;
        self.answer()
    }

    /// Raw bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads the head of an answer; `UnexpectedEof` where the peer closed instead.
    pub(crate) fn head(&mut self) -> io::Result<Answer> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {status_line}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Answer { status, headers, body: String::new() })
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let bytes = if answer.header("transfer-encoding") == Some("chunked") {
            self.chunks()?
        } else {
            let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            self.exactly(length)?
        };
        answer.body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
            body.extend(self.exactly(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        assert!(length <= BODY_BYTES_MAX, "an answer of {length} bytes");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}

/// One GET on a connection of its own.
pub(crate) fn get(from: SocketAddr, target: &str) -> Answer {
    Connection::open(from).and_then(|mut c| c.get(target)).unwrap_or_else(|e| panic!("GET {target}: {e}"))
}

/// One GET of somebody signed in, on a connection of its own.
pub(crate) fn get_as(from: SocketAddr, cookie: &str, target: &str) -> Answer {
    let answer = Connection::open(from).and_then(|mut c| c.get_as(cookie, target));
    answer.unwrap_or_else(|e| panic!("GET {target}: {e}"))
}

/// One form post on a connection of its own.
pub(crate) fn post(to: SocketAddr, target: &str, form: &str) -> Answer {
    Connection::open(to).and_then(|mut c| c.post(target, form)).unwrap_or_else(|e| panic!("{target}: {e}"))
}

/// Percent-encodes everything but letters, digits and `-._`.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
