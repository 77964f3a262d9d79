//! Random names: short ones for people and URLs, long ones that nobody can guess.

/// Letters and digits without the ones that look alike (0 O I l).
const READABLE: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A random string of `length` letters and digits, each worth 5.86 bits, from the machine's
/// source of randomness.
///
/// # Panics
/// If the operating system has no randomness to give.
pub fn random(length: usize) -> String {
    let mut out = String::with_capacity(length);
    let mut bytes = [0u8; 64];
    while out.len() < length {
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
        // 232 = 4 × 58: bytes above it would favour the first letters.
        for byte in bytes.iter().filter(|b| **b < 232) {
            if out.len() == length {
                break;
            }
            out.push(char::from(READABLE[usize::from(*byte) % READABLE.len()]));
        }
    }
    out
}

/// A secret that cannot be guessed: 32 characters, 187 bits.
pub fn secret() -> String {
    random(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_have_the_length_asked_for_and_differ() {
        for length in [0, 1, 8, 200] {
            assert_eq!(random(length).len(), length);
        }
        assert_ne!(secret(), secret());
        assert!(secret().bytes().all(|b| READABLE.contains(&b)));
    }
}
