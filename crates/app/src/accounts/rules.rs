//! What an email, an EZ key and a password must look like.

use crate::Error;

/// Characters of an email at most.
pub const EMAIL_MAX: usize = 254;
/// Characters of an EZ key at most.
pub const EZ_KEY_MAX: usize = 64;
/// Characters of a password at least.
pub const PASSWORD_MIN: usize = 8;
/// Bytes of a password at most.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Printable characters that an EZ key must not have: clients put keys into URLs, form bodies and
/// JSON without encoding them, and `~` separates stats.
pub const EZ_KEY_REFUSED: &str = " \"#%&+=\\~";

/// The email as it is kept: trimmed, in lower case. One `@` with something on both sides, no blanks;
/// whether it exists, a mail would tell.
pub(super) fn email(email: &str) -> Result<String, Error> {
    let email = email.trim();
    let parts = email.split_once('@');
    let sound = parts.is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !host.starts_with('.')
    });
    let clean = !email.contains(|c: char| c.is_whitespace() || c.is_control());
    if !sound || !clean || email.chars().count() > EMAIL_MAX {
        return Err(Error::Invalid(format!("this is not an email address: {email:?}")));
    }
    Ok(email.to_lowercase())
}

/// Whether an account can have this email.
pub fn is_email(text: &str) -> bool {
    email(text).is_ok()
}

pub(super) fn ez_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > EZ_KEY_MAX {
        return Err(Error::Invalid(format!("an EZ key has 1 to {EZ_KEY_MAX} characters")));
    }
    if let Some(refused) = key.chars().find(|c| !(' '..='~').contains(c) || EZ_KEY_REFUSED.contains(*c)) {
        return Err(Error::Invalid(format!(
            "an EZ key cannot have {refused:?}: use ASCII letters, digits and marks other than blank {}",
            EZ_KEY_REFUSED.trim_start()
        )));
    }
    Ok(())
}

pub(super) fn password(password: &str) -> Result<(), Error> {
    if password.chars().count() < PASSWORD_MIN {
        return Err(Error::Invalid(format!("a password has at least {PASSWORD_MIN} characters")));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::Invalid(format!("a password has at most {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails() {
        for (given, kept) in
            [("a@b", "a@b"), (" Ann+x@Example.COM\n", "ann+x@example.com"), ("ö@ü.de", "ö@ü.de")]
        {
            assert_eq!(email(given).unwrap(), kept);
        }
        for bad in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@.b", "a\u{0}@b"] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(email(&format!("{}@b", "a".repeat(252))).is_ok());
        assert!(email(&format!("{}@b", "a".repeat(253))).is_err());
    }

    #[test]
    fn ez_keys() {
        for good in ["a", "k@example.com", "A-Z_09.!$'()*,/:;<>?@[]^`{|}", &"x".repeat(64)] {
            assert!(ez_key(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a~b",
            "a&b",
            "a=b",
            "a+b",
            "a%41",
            "a#b",
            "a\"b",
            "a\\b",
            "é",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(ez_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords() {
        assert!(password("1234567").is_err());
        assert!(password("äöüßäöüß").is_ok());
        assert!(password(&"x".repeat(1_025)).is_err());
    }
}
