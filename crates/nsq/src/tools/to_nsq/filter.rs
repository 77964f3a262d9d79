//! Which messages pass, and with which fields. A message that is no JSON object passes no filter.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Number, Value};

use super::Options;

/// What of the JSON is asked for.
pub(super) struct Filter {
    field: String,
    value: String,
    /// The value as a number, where it is one.
    number: Option<f64>,
    whitelist: Vec<String>,
}

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Passed {
    AsIs,
    /// With some fields only.
    As(Bytes),
    Not,
    /// It lacks the field whose value was to be compared: something is wrong, it is to come again.
    Unfit,
}

impl Filter {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            field: options.require_json_field.clone(),
            number: options.require_json_value.parse().ok(),
            value: options.require_json_value.clone(),
            whitelist: options.whitelist_json_fields.clone(),
        }
    }

    pub(super) fn pass(&self, body: &Bytes) -> Passed {
        if self.field.is_empty() && self.whitelist.is_empty() {
            return Passed::AsIs;
        }
        let Ok(json) = serde_json::from_slice::<Map<String, Value>>(body) else {
            tracing::error!("Unable to decode json: {}", body.escape_ascii());
            return Passed::Not;
        };
        if !self.field.is_empty() {
            match json.get(&self.field) {
                None if self.value.is_empty() => return Passed::Not,
                None => {
                    tracing::error!("missing field to check required value");
                    return Passed::Unfit;
                }
                Some(found) if !self.value.is_empty() && !self.is_wanted(found) => return Passed::Not,
                Some(_) => {}
            }
        }
        if self.whitelist.is_empty() {
            return Passed::AsIs;
        }
        let kept: BTreeMap<&str, Value> = self
            .whitelist
            .iter()
            .filter_map(|name| Some((name.as_str(), plain(json.get(name)?.clone()))))
            .collect();
        Passed::As(serde_json::to_vec(&kept).expect("what was JSON is JSON").into())
    }

    fn is_wanted(&self, found: &Value) -> bool {
        match found {
            Value::String(text) => *text == self.value,
            Value::Number(number) => self.number.is_some() && number.as_f64() == self.number,
            _ => false,
        }
    }
}

/// Whole numbers without a fraction, as Go writes them.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                Value::Number(Number::from(float as i64))
            }
            _ => Value::Number(number),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_by_their_fields() {
        let check = |field: &str, value: &str, whitelist: &[&str], body: &str, expected: Passed| {
            let filter = Filter::new(&Options {
                require_json_field: field.to_owned(),
                require_json_value: value.to_owned(),
                whitelist_json_fields: whitelist.iter().map(|name| (*name).to_owned()).collect(),
                ..Options::default()
            });
            assert_eq!(filter.pass(&Bytes::copy_from_slice(body.as_bytes())), expected, "{body}");
        };
        let kept = |json: &'static str| Passed::As(Bytes::from(json));
        check("", "", &[], "no json", Passed::AsIs);
        check("a", "", &[], "no json", Passed::Not);
        check("a", "", &[], "[1]", Passed::Not);
        check("a", "", &[], r#"{"a":null}"#, Passed::AsIs);
        check("a", "", &[], r#"{"b":1}"#, Passed::Not);
        check("a", "x", &[], r#"{"b":1}"#, Passed::Unfit);
        check("a", "x", &[], r#"{"a":"x"}"#, Passed::AsIs);
        check("a", "x", &[], r#"{"a":"y"}"#, Passed::Not);
        check("a", "7", &[], r#"{"a":7.0}"#, Passed::AsIs);
        check("a", "7", &[], r#"{"a":"7"}"#, Passed::AsIs);
        check("a", "7", &[], r#"{"a":8}"#, Passed::Not);
        check("a", "x", &[], r#"{"a":7}"#, Passed::Not);
        check("a", "true", &[], r#"{"a":true}"#, Passed::Not);
        check("", "", &["b", "a", "z"], r#"{"a":1.0,"b":{"c":[1]},"x":2}"#, kept(r#"{"a":1,"b":{"c":[1]}}"#));
        check("a", "", &["a"], r#"{"a":1.5,"b":2}"#, kept(r#"{"a":1.5}"#));
        check("", "", &["q"], r#"{"a":1}"#, kept("{}"));
    }
}
