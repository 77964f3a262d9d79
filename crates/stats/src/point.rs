//! A number on its way through the log.
//!
//! A payload is a format byte and then points, one after the other, each of them: flags (bit 0: it is a
//! value; bit 1: the number is an integer), account (varint), length of the name (varint), name, number
//! (zigzag varint, or eight bytes of IEEE 754, little endian), time (zigzag varint of milliseconds).

use base::Timestamp;

use crate::varint::{put, take, unzigzag, zigzag};
use crate::{AccountId, Kind, StatName};

/// One number for one stat.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point<'a> {
    /// Whose.
    pub account: AccountId,
    /// The stat's name, already checked (see [`crate::StatName`]).
    pub name: &'a str,
    /// What the sender takes the stat for.
    pub kind: Kind,
    /// The number: finite.
    pub number: f64,
    /// When it counts.
    pub time: Timestamp,
}

/// Why a record's payload is not a batch of points.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PointError {
    /// The format byte is one this build does not know.
    #[error("unknown point format {0}")]
    Format(u8),
    /// It ends in the middle, or a field is out of its range.
    #[error("the point at byte {0} is damaged")]
    Damaged(usize),
}

/// The only format so far.
const FORMAT: u8 = 1;
/// Flag: the stat is taken for a value.
const VALUE: u8 = 1;
/// Flag: the number is written as an integer.
const INTEGER: u8 = 2;
/// Integers of up to 48 bits are never longer than the eight bytes of a float.
const INTEGER_MAX: f64 = (1u64 << 48) as f64;

/// Appends one point to a payload. The first byte of an empty payload becomes the format byte.
///
/// # Panics
/// If the name is longer than [`StatName::BYTES_MAX`] or the number is not finite: both were checked
/// where they came in, and a point that cannot be read back must never reach the log.
pub fn encode(point: &Point<'_>, to: &mut Vec<u8>) {
    assert!(point.name.len() <= StatName::BYTES_MAX, "the name was checked by StatName::new");
    assert!(point.number.is_finite(), "the edge refuses numbers that are not finite");
    if to.is_empty() {
        to.push(FORMAT);
    }
    let integer = point.number as i64;
    let is_integer = point.number.abs() < INTEGER_MAX && (integer as f64).to_bits() == point.number.to_bits();
    let kind = if point.kind == Kind::Value { VALUE } else { 0 };
    to.push(kind | if is_integer { INTEGER } else { 0 });
    put(u64::from(point.account.0), to);
    put(point.name.len() as u64, to);
    to.extend_from_slice(point.name.as_bytes());
    if is_integer {
        put(zigzag(integer), to);
    } else {
        to.extend_from_slice(&point.number.to_le_bytes());
    }
    put(zigzag(point.time.millis()), to);
}

/// Walks the points of a payload; stops after the first error. Borrows names from the payload.
pub fn decode(payload: &[u8]) -> Points<'_> {
    match payload.split_first() {
        None => Points { rest: &[], size: 0, refused: None },
        Some((&FORMAT, rest)) => Points { rest, size: payload.len(), refused: None },
        Some((&format, _)) => Points { rest: &[], size: 0, refused: Some(PointError::Format(format)) },
    }
}

/// See [`decode`].
#[derive(Clone, Debug)]
pub struct Points<'a> {
    rest: &'a [u8],
    /// Length of the payload, in bytes: says where the rest begins.
    size: usize,
    refused: Option<PointError>,
}

impl<'a> Iterator for Points<'a> {
    type Item = Result<Point<'a>, PointError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return self.refused.take().map(Err);
        }
        let at = self.size - self.rest.len();
        let mut rest = self.rest;
        if let Some(point) = take_point(&mut rest) {
            self.rest = rest;
            return Some(Ok(point));
        }
        self.rest = &[];
        Some(Err(PointError::Damaged(at)))
    }
}

#[inline]
fn take_point<'a>(from: &mut &'a [u8]) -> Option<Point<'a>> {
    let (&flags, rest) = from.split_first()?;
    *from = rest;
    if flags & !(VALUE | INTEGER) != 0 {
        return None;
    }
    let account = AccountId(u32::try_from(take(from)?).ok()?);
    let length = usize::try_from(take(from)?).ok().filter(|length| *length <= StatName::BYTES_MAX)?;
    let (name, rest) = from.split_at_checked(length)?;
    *from = rest;
    let name = std::str::from_utf8(name).ok()?;
    let number = if flags & INTEGER != 0 {
        unzigzag(take(from)?) as f64
    } else {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        f64::from_le_bytes(*bytes)
    };
    let time = Timestamp::from_millis(unzigzag(take(from)?));
    let kind = if flags & VALUE != 0 { Kind::Value } else { Kind::Counter };
    number.is_finite().then_some(Point { account, name, kind, number, time })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    struct Owned(u32, String, Kind, f64, i64);

    impl Owned {
        fn point(&self) -> Point<'_> {
            let Self(account, name, kind, number, time) = self;
            let (account, time) = (AccountId(*account), Timestamp::from_millis(*time));
            Point { account, name, kind: *kind, number: *number, time }
        }
    }

    fn owned() -> impl Strategy<Value = Owned> {
        use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
        let number = prop_oneof![
            NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE,
            (-1000i64..1000).prop_map(|n| n as f64)
        ];
        let kind = prop_oneof![Just(Kind::Counter), Just(Kind::Value)];
        (any::<u32>(), ".{0,255}", kind, number, any::<i64>())
            .prop_map(|(account, name, kind, number, time)| Owned(account, name, kind, number, time))
    }

    fn payload(points: &[Owned]) -> Vec<u8> {
        let mut payload = Vec::new();
        points.iter().for_each(|point| encode(&point.point(), &mut payload));
        payload
    }

    proptest! {
        #[test]
        fn points_come_back_bit_for_bit(points in prop::collection::vec(owned(), 0..20)) {
            let payload = payload(&points);
            let back: Vec<_> = decode(&payload).map(|point| point.expect("whole")).collect();
            prop_assert_eq!(back.len(), points.len());
            for (back, point) in back.iter().zip(&points) {
                prop_assert_eq!(back, &point.point());
                prop_assert_eq!(back.number.to_bits(), point.3.to_bits());
            }
        }

        #[test]
        fn any_bytes_end_in_points_or_one_error(bytes in prop::collection::vec(any::<u8>(), 0..300), valid: bool) {
            let mut bytes = bytes;
            if valid && !bytes.is_empty() {
                bytes[0] = FORMAT;
            }
            let mut points = decode(&bytes);
            let errors = points.by_ref().filter(Result::is_err).count();
            prop_assert!(errors <= 1);
            prop_assert!(points.next().is_none());
        }

        #[test]
        fn a_torn_payload_keeps_its_whole_points(points in prop::collection::vec(owned(), 1..5), cut in 1usize..9) {
            let whole = payload(&points);
            let last = payload(&points[points.len() - 1..]).len() - 1;
            let torn = &whole[..whole.len() - cut.min(last - 1)];
            let results: Vec<_> = decode(torn).collect();
            prop_assert_eq!(results.len(), points.len());
            prop_assert_eq!(results[points.len() - 1], Err(PointError::Damaged(whole.len() - last)));
        }
    }

    #[test]
    fn the_format_is_stable_and_small() {
        let owned = Owned(2, "signups".into(), Kind::Counter, 1.0, 1_363_118_126_000);
        let point = owned.point();
        let mut payload = Vec::new();
        encode(&point, &mut payload);
        assert_eq!(payload, b"\x01\x02\x02\x07signups\x02\xe0\xce\xdf\x82\xac\x4f");
        assert_eq!(decode(&payload).collect::<Vec<_>>(), [Ok(point)]);
        assert_eq!(decode(&[]).count(), 0);
        assert_eq!(decode(&[9, 1, 2]).collect::<Vec<_>>(), [Err(PointError::Format(9))]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_damage() {
        let mut payload = vec![FORMAT, VALUE, 2, 1, b'a'];
        payload.extend_from_slice(&f64::NAN.to_le_bytes());
        payload.push(0);
        assert_eq!(decode(&payload).collect::<Vec<_>>(), [Err(PointError::Damaged(1))]);
    }
}
