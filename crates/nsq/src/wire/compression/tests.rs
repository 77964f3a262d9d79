use std::io::{Read, Write};

use proptest::prelude::*;

use super::*;

fn pairs() -> [(Encoder, Decoder); 3] {
    [snappy(), deflate(1), deflate(6)]
}

/// Everything that comes out when `input` arrives in pieces of `step` bytes.
fn decoded(decoder: &mut Decoder, input: &[u8], step: usize) -> Result<Vec<u8>, Corrupt> {
    let (mut arrived, mut all) = (BytesMut::new(), Vec::new());
    for piece in input.chunks(step) {
        arrived.extend_from_slice(piece);
        loop {
            let mut plain = BytesMut::new();
            decoder.decode(&mut arrived, &mut plain, 4_096)?;
            all.extend_from_slice(&plain);
            if plain.is_empty() {
                break;
            }
        }
    }
    Ok(all)
}

/// Bytes that do not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn what_is_sent_can_be_read_at_once_whatever_its_size() {
    let writes: Vec<Vec<u8>> =
        vec![b"OK".to_vec(), noise(70_000), vec![b'x'; 1 << 20], noise(1), noise(3 << 20), vec![0; 65_536]];
    for (mut encoder, mut decoder) in pairs() {
        for write in &writes {
            let mut out = BytesMut::new();
            encoder.encode(write, &mut out);
            let step = 1 + out.len() / 7;
            let read = decoded(&mut decoder, &out, step).unwrap();
            let same = read.iter().zip(write).take_while(|(a, b)| a == b).count();
            assert!(read == *write, "{encoder:?}: {} of {}, same to {same}", read.len(), write.len());
        }
    }
}

#[test]
fn a_small_input_does_not_become_any_amount_of_memory() {
    for (mut encoder, mut decoder) in pairs() {
        let mut out = BytesMut::new();
        encoder.encode(&vec![0; 8 << 20], &mut out);
        let mut plain = BytesMut::new();
        decoder.decode(&mut out, &mut plain, 10_000).unwrap();
        assert!((10_000..10_000 + (64 << 10)).contains(&plain.len()), "{}", plain.len());
    }
}

#[test]
fn others_read_what_we_write_and_we_what_they_write() {
    let text = noise(200_000);
    let (mut encoder, mut decoder) = snappy();
    let mut out = BytesMut::new();
    encoder.encode(&text, &mut out);
    assert!(out.starts_with(b"\xff\x06\0\0sNaPpY"));
    let mut read = Vec::new();
    snap::read::FrameDecoder::new(&out[..]).read_to_end(&mut read).unwrap();
    assert!(read == text);
    let mut theirs = snap::write::FrameEncoder::new(Vec::new());
    theirs.write_all(&text).unwrap();
    assert!(decoded(&mut decoder, &theirs.into_inner().unwrap(), 1_000).unwrap() == text);

    let (mut encoder, mut decoder) = deflate(6);
    let mut out = BytesMut::new();
    encoder.encode(b"_heartbeat_", &mut out);
    assert!(out.ends_with(b"\0\0\xff\xff"), "flushed: {out:?}");
    let mut read = [0; 11];
    flate2::read::DeflateDecoder::new(&out[..]).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"_heartbeat_");
    let mut theirs = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    theirs.write_all(&text).unwrap();
    theirs.flush().unwrap();
    assert!(decoded(&mut decoder, theirs.get_ref(), 1_000).unwrap() == text);
}

#[test]
fn broken_streams_are_told_apart_from_short_ones() {
    let check = |input: &[u8], why: &str| {
        let told = decoded(&mut snappy().1, input, input.len());
        assert_eq!(told.unwrap_err().to_string(), format!("cannot decompress: {why}"));
    };
    check(b"\x01\x05\0\0....x", "a snappy stream that does not say that it is one");
    check(b"\xff\x06\0\0sNaPpX", "a snappy stream of another kind");
    check(b"\xff\x06\0\0sNaPpY\x01\x05\0\0....x", "a snappy chunk whose checksum is wrong");
    check(b"\xff\x06\0\0sNaPpY\x02\x05\0\0", "a snappy chunk of an unknown kind");
    check(b"\xff\x06\0\0sNaPpY\0\x03\0\0", "a snappy chunk of a size that cannot be");
    check(b"\xff\x06\0\0sNaPpY\0\xff\xff\xff", "a snappy chunk of a size that cannot be");
    let padded = b"\xff\x06\0\0sNaPpY\xfe\x03\0\0abc\xff\x06\0\0sNaPpY\x80\x01\0\0z";
    assert_eq!(decoded(&mut snappy().1, padded, 1).unwrap(), b"");
    let ended = [0x01, 0x01, 0x00, 0xfe, 0xff, b'x'];
    assert_eq!(decoded(&mut deflate(1).1, &ended, 1), Err(Corrupt("the deflate stream has ended")));
    assert_eq!(decoded(&mut deflate(1).1, &[0xff; 8], 8), Err(Corrupt("not a deflate stream")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever arrives, in whatever pieces, a decoder neither panics nor hangs.
    #[test]
    fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..50, named: bool) {
        for (_, mut decoder) in pairs() {
            if named {
                let _ = decoded(&mut decoder, b"\xff\x06\0\0sNaPpY", 10);
                bytes.iter_mut().step_by(7).for_each(|byte| *byte &= 1);
            }
            let _ = decoded(&mut decoder, &bytes, step);
        }
    }

    /// Writes of any sizes come out as one stream.
    #[test]
    fn writes_come_out_in_order(writes in prop::collection::vec(prop::collection::vec(0_u8..4, 1..3_000), 1..5), step in 1_usize..3_000) {
        for (mut encoder, mut decoder) in pairs() {
            let mut out = BytesMut::new();
            writes.iter().for_each(|write| encoder.encode(write, &mut out));
            prop_assert_eq!(decoded(&mut decoder, &out, step).unwrap(), writes.concat());
        }
    }
}
