//! What a server answers to what it does not do: a code, a text, and whether it hangs up.
//!
//! The texts are those of nsqd 1.3.0 to the byte, because clients match on them.

use std::fmt;

/// A refused command. Shown as the data of the error frame: `CODE text`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// `E_INVALID` and the like.
    pub code: &'static str,
    /// What follows the code; empty for a bare code. Bytes, since a client's own words appear in it.
    pub text: Vec<u8>,
    /// Whether the connection ends with it.
    pub fatal: bool,
}

impl Refusal {
    /// One after which the connection ends.
    pub fn fatal(code: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self { code, text: text.into(), fatal: true }
    }

    /// One after which the connection goes on.
    pub fn mild(code: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self { code, text: text.into(), fatal: false }
    }

    /// `E_INVALID`, fatal.
    pub fn invalid(text: impl Into<Vec<u8>>) -> Self {
        Self::fatal("E_INVALID", text)
    }

    /// The client did not begin with [`super::MAGIC`].
    pub fn bad_protocol() -> Self {
        Self::fatal("E_BAD_PROTOCOL", "")
    }

    /// `IDENTIFY` whose values or size are wrong.
    pub fn identify(text: impl fmt::Display) -> Self {
        Self::fatal("E_BAD_BODY", format!("IDENTIFY {text}"))
    }

    /// `IDENTIFY` asks for what cannot be had, or an upgrade went wrong.
    pub fn identify_failed(text: impl fmt::Display) -> Self {
        Self::fatal("E_IDENTIFY_FAILED", text.to_string())
    }

    /// The channel did not take this subscriber.
    pub fn sub_failed(reason: impl fmt::Display) -> Self {
        Self::fatal("E_SUB_FAILED", format!("SUB failed {reason}"))
    }

    /// A message was not taken; `command` is `PUB`, `MPUB` or `DPUB`.
    pub fn publish_failed(command: &'static str, reason: impl fmt::Display) -> Self {
        let code = match command {
            "MPUB" => "E_MPUB_FAILED",
            "DPUB" => "E_DPUB_FAILED",
            _ => "E_PUB_FAILED",
        };
        Self::fatal(code, format!("{command} failed {reason}"))
    }

    /// `FIN`, `REQ` or `TOUCH` of a message this client does not hold.
    pub fn not_held(command: &'static str, id: &[u8; 16], reason: impl fmt::Display) -> Self {
        let code = match command {
            "FIN" => "E_FIN_FAILED",
            "REQ" => "E_REQ_FAILED",
            _ => "E_TOUCH_FAILED",
        };
        let mut text = format!("{command} ").into_bytes();
        text.extend_from_slice(id);
        text.extend_from_slice(format!(" failed {reason}").as_bytes());
        Self::mild(code, text)
    }

    /// `AUTH` where nobody is asked who they are.
    pub fn auth_disabled() -> Self {
        Self::fatal("E_AUTH_DISABLED", "AUTH disabled")
    }

    /// No authority could be asked, or it does not know the secret.
    pub fn auth_failed() -> Self {
        Self::fatal("E_AUTH_FAILED", "AUTH failed")
    }

    /// The authority knows the secret and allows nothing.
    pub fn nothing_authorized() -> Self {
        Self::fatal("E_UNAUTHORIZED", "AUTH no authorizations found")
    }

    /// A command that needs `AUTH` before it.
    pub fn auth_first(command: &str) -> Self {
        Self::fatal("E_AUTH_FIRST", format!("AUTH required before {command}"))
    }

    /// This client may not do that to this topic (and channel, which may be empty).
    pub fn unauthorized(command: &str, topic: &str, channel: &str) -> Self {
        Self::fatal("E_UNAUTHORIZED", format!("AUTH failed for {command} on \"{topic}\" \"{channel}\""))
    }

    /// The length of the frame's data.
    pub(super) fn data_len(&self) -> usize {
        self.code.len() + if self.text.is_empty() { 0 } else { 1 + self.text.len() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)?;
        if !self.text.is_empty() {
            write!(f, " {}", String::from_utf8_lossy(&self.text))?;
        }
        Ok(())
    }
}
