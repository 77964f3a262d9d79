//! What becomes of a session: bits, bytes, sizes and pieces of it are changed.

use super::random::Random;

/// Numbers near which things go wrong, as they stand before bodies.
const SIZES: [u32; 12] =
    [0, 1, 2, 299, 300, 301, 1_000, 1_001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0001_0000];
const PIECES: [&[u8]; 10] = [
    b"\n",
    b" ",
    b"\r\n",
    b"\0\0\0\x01x",
    b"  V2",
    b"PUB t\n",
    b"NOP\n",
    b"CLS\n",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
];

/// Longest line that is made of a short one.
const LINE_BYTES: usize = 20_000;

/// Changes `bytes` some times; one in four stays as it is.
pub(super) fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    if random.once_in(4) {
        return;
    }
    for _ in 0..=random.below(6) {
        once(random, bytes);
    }
}

fn once(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    if at == bytes.len() {
        bytes.extend_from_slice(random.pick(&PIECES));
        return;
    }
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = u8::try_from(random.below(256)).expect("a byte"),
        2 => {
            let size = random.pick(&SIZES).to_be_bytes();
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&size[..end - at]);
        }
        3 => drop(bytes.drain(random.range(bytes.len()))),
        4 => {
            let piece = bytes[random.range(bytes.len())].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        5 => drop(bytes.splice(at..at, random.pick(&PIECES).iter().copied())),
        6 => bytes.truncate(at),
        7 if random.once_in(8) => drop(bytes.splice(at..at, std::iter::repeat_n(b'A', LINE_BYTES))),
        _ => {
            let len = bytes.len();
            bytes[at..].rotate_left(random.below(len - at));
        }
    }
}

/// `bytes` in pieces of every size, in order.
pub(super) fn pieces<'a>(random: &mut Random, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let most = random.pick(&[1, 3, 17, 1_000, usize::MAX]);
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(1 + random.below(bytes.len().min(most)));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
