//! The order in which people look for names: `metric 40` before `metric 120`, capitals like small letters.

/// What to sort a name by: two keys compare as the names do.
///
/// A number becomes `0`, a letter that counts its digits, and the digits: a longer one is greater, and among other
/// characters it stands where digits do. Names that differ in capitals or leading zeros only have the same first part.
pub fn key(name: &str) -> (String, String) {
    let lower = name.to_lowercase();
    let mut natural = String::with_capacity(lower.len() + 2);
    let mut rest = lower.as_str();
    while let Some(first) = rest.chars().next() {
        let (taken, after) = if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            let number = number.trim_start_matches('0');
            natural.push('0');
            natural.extend(u32::try_from(number.len() + 1).ok().and_then(char::from_u32));
            (number, after)
        } else {
            rest.split_at(first.len_utf8())
        };
        natural.push_str(taken);
        rest = after;
    }
    (natural, lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_stand_in_their_order_among_names() {
        let sorted = [
            "",
            "!",
            "0",
            "00",
            "2",
            "a",
            "Metric",
            "metric 7",
            "Metric 40",
            "metric 40 b",
            "metric 040 c",
            "metric 120",
            "metric a",
            "v1.9",
            "v1.10",
            "v1.10.1",
            "z",
            "é",
        ];
        let mut shuffled: Vec<&str> = sorted.iter().rev().copied().collect();
        shuffled.sort_by_cached_key(|name| key(name));
        assert_eq!(shuffled, sorted);
    }

    proptest! {
        #[test]
        fn numbers_of_one_name_are_in_the_order_of_their_worth(a in any::<u64>(), b in any::<u64>()) {
            let of = |number: u64| key(&format!("metric {number} of all"));
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
        }
    }
}
