//! nsqd's protocol V2 without any socket: bytes in, commands or frames out.
//!
//! ```text
//! client ── "  V2" ── IDENTIFY\n<len><json> ── SUB t c\n ── RDY 1\n ─────────▶ server   (Parser)
//! client ◀── size | type | data ────────────────────────────────────────────── server   (Frames)
//! ```
//!
//! Read [`frame`] first (what a server sends), then [`command`] (what a client sends), [`parser`] (how
//! bytes become commands), [`refusal`] (every error text), [`encode`] (the client's side) and [`compression`]
//! (of either side).
//!
//! **Invariant**: nothing here waits, allocates by a length it was merely told, or panics on any input.

pub mod command;
pub mod compression;
pub mod encode;
pub mod extra;
pub mod frame;
mod number;
pub mod parser;
mod quote;
pub mod refusal;
mod tls;

pub use command::{Batch, Command, Name, RawId};
pub use extra::Extra;
pub use frame::{Frame, FrameReader, MessageView};
pub use parser::{Limits, Parser, Phase, Session};
pub use refusal::Refusal;
pub use tls::TlsVersion;

/// What a client of protocol V2 sends before anything else.
pub const MAGIC: [u8; 4] = *b"  V2";

/// The data of the frame that asks a client whether it lives.
pub const HEARTBEAT: &[u8] = b"_heartbeat_";

/// The data of the frame that says yes.
pub const OK: &[u8] = b"OK";

/// The data of the frame that answers `CLS`.
pub const CLOSE_WAIT: &[u8] = b"CLOSE_WAIT";
