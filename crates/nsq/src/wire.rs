//! nsqd's protocol V2 without any socket: bytes in, commands or frames out.
//!
//! ```text
//! client ── "  V2" ── IDENTIFY\n<len><json> ── SUB t c\n ── RDY 1\n ─────────▶ server   (Parser)
//! client ◀── size | type | data ────────────────────────────────────────────── server   (Frames)
//! ```
//!
//! Read [`frame`] first (what a server sends), then [`command`] (what a client sends), [`parser`] (how
//! bytes become commands), [`refusal`] (every error text) and [`encode`] (the client's side).
//!
//! **Invariant**: nothing here waits, allocates by a length it was merely told, or panics on any input.

pub mod command;
pub mod encode;
pub mod extra;
pub mod frame;
mod number;
pub mod parser;
mod quote;
pub mod refusal;

pub use command::{Batch, Command, Name, RawId};
pub use extra::Extra;
pub use frame::{Frame, FrameReader, MessageView};
pub use parser::{Limits, Parser, Phase, Session};
pub use refusal::Refusal;

/// What a client of protocol V2 sends before anything else.
pub const MAGIC: [u8; 4] = *b"  V2";

/// The data of the frame that asks a client whether it lives.
pub const HEARTBEAT: &[u8] = b"_heartbeat_";

/// The data of the frame that says yes.
pub const OK: &[u8] = b"OK";

/// The data of the frame that answers `CLS`.
pub const CLOSE_WAIT: &[u8] = b"CLOSE_WAIT";
