//! A value as somebody wrote it, before anybody asked what it means.

use toml::de::DeValue;

/// From a flag or the environment always [`Raw::Text`]; a file knows more.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Raw {
    /// Not typed: read it as whatever the setting is.
    Text(String),
    /// Several of them (a repeated flag).
    Texts(Vec<String>),
    /// A quoted string of the file.
    String(String),
    /// An array of quoted strings of the file.
    Strings(Vec<String>),
    /// A whole number of the file.
    Integer(i64),
    /// `true` or `false` in the file.
    Flag(bool),
    /// Something no setting takes; what it is called.
    Other(&'static str),
}

impl Raw {
    /// What the file says.
    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::String(text.to_string()),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Self::Integer(number),
                Err(_) => Self::Other("a number that is too large"),
            },
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map_or(Self::Other("an array of other things than strings"), Self::Strings),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// For `expected ..., found ...`.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Text(text) | Self::String(text) => format!("`{text}`"),
            Self::Texts(texts) | Self::Strings(texts) => format!("[{}]", texts.join(", ")),
            Self::Integer(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}
