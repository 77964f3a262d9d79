//! The client's side of the protocol: commands as bytes.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use super::command::RawId;

/// `IDENTIFY` with its JSON.
pub fn identify(out: &mut BytesMut, json: &[u8]) {
    line(out, &[b"IDENTIFY"]);
    body(out, json);
}

/// `AUTH` with its secret.
pub fn auth(out: &mut BytesMut, secret: &[u8]) {
    line(out, &[b"AUTH"]);
    body(out, secret);
}

/// `SUB`.
pub fn sub(out: &mut BytesMut, topic: &str, channel: &str) {
    line(out, &[b"SUB", topic.as_bytes(), channel.as_bytes()]);
}

/// `PUB`. Named with an underscore because `pub` is Rust's.
pub fn pub_(out: &mut BytesMut, topic: &str, message: &[u8]) {
    line(out, &[b"PUB", topic.as_bytes()]);
    body(out, message);
}

/// `DPUB`; the delay is cut to milliseconds.
pub fn dpub(out: &mut BytesMut, topic: &str, delay: Duration, message: &[u8]) {
    line(out, &[b"DPUB", topic.as_bytes(), delay.as_millis().to_string().as_bytes()]);
    body(out, message);
}

/// `MPUB`.
pub fn mpub<M: AsRef<[u8]>>(out: &mut BytesMut, topic: &str, messages: &[M]) {
    line(out, &[b"MPUB", topic.as_bytes()]);
    let bytes = 4 + messages.iter().map(|message| 4 + message.as_ref().len()).sum::<usize>();
    out.reserve(4 + bytes);
    out.put_u32(int32(bytes));
    out.put_u32(int32(messages.len()));
    for message in messages {
        body(out, message.as_ref());
    }
}

/// `RDY`.
pub fn rdy(out: &mut BytesMut, count: u32) {
    line(out, &[b"RDY", count.to_string().as_bytes()]);
}

/// `FIN`.
pub fn fin(out: &mut BytesMut, id: &RawId) {
    line(out, &[b"FIN", id]);
}

/// `REQ`; the delay is cut to milliseconds.
pub fn req(out: &mut BytesMut, id: &RawId, delay: Duration) {
    line(out, &[b"REQ", id, delay.as_millis().to_string().as_bytes()]);
}

/// `TOUCH`.
pub fn touch(out: &mut BytesMut, id: &RawId) {
    line(out, &[b"TOUCH", id]);
}

/// `CLS`.
pub fn cls(out: &mut BytesMut) {
    line(out, &[b"CLS"]);
}

/// `NOP`.
pub fn nop(out: &mut BytesMut) {
    line(out, &[b"NOP"]);
}

fn line(out: &mut BytesMut, words: &[&[u8]]) {
    for (place, word) in words.iter().enumerate() {
        if place > 0 {
            out.put_u8(b' ');
        }
        out.extend_from_slice(word);
    }
    out.put_u8(b'\n');
}

fn body(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(4 + bytes.len());
    out.put_u32(int32(bytes.len()));
    out.extend_from_slice(bytes);
}

fn int32(count: usize) -> u32 {
    u32::try_from(count).expect("bodies are far smaller than 4 GiB: servers limit them")
}
