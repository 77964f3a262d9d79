//! JSON posts: one number, or a bulk of them in `data`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::params::Params;

/// A JSON body as far as it is understood before looking at each item.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    /// What stands beside `data`, or the whole single post.
    pub(crate) params: Params<'a>,
    /// The items of a bulk, unread; `None` for a single post.
    pub(crate) items: Option<Vec<&'a RawValue>>,
}

/// Why a body is no document.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("the JSON is broken at byte {offset}: {reason}")]
    Broken { offset: usize, reason: String },
    #[error("too many items: the limit is {0} a request")]
    TooMany(usize),
}

/// Reads a document. Commas before a closing bracket are tolerated: StatHat's own example has one.
/// `spare` holds the text without them where there are any.
pub(crate) fn parse<'a>(
    text: &'a str,
    items_max: usize,
    spare: &'a mut String,
) -> Result<Document<'a>, JsonError> {
    let error = match serde_json::from_str::<Document<'a>>(text) {
        Ok(document) => return document.limited(items_max),
        Err(error) => error,
    };
    if error.is_data() {
        return Err(broken(text, &error));
    }
    match without_trailing_commas(text) {
        None => Err(broken(text, &error)),
        Some(softened) => {
            *spare = softened;
            let spare: &'a str = spare;
            serde_json::from_str::<Document<'a>>(spare)
                .map_err(|error| broken(spare, &error))?
                .limited(items_max)
        }
    }
}

/// Reads one item of a bulk; in words why it is none.
pub(crate) fn item<'a>(raw: &'a RawValue) -> Result<Params<'a>, &'static str> {
    if !raw.get().starts_with('{') {
        return Err("an item of `data` is not an object");
    }
    match serde_json::from_str::<Document<'a>>(raw.get()) {
        Ok(Document { params, items: None }) => Ok(params),
        Ok(_) => Err("an item of `data` has a `data` of its own"),
        Err(_) => Err("an item of `data` is not an object of numbers and texts"),
    }
}

impl Document<'_> {
    fn limited(self, items_max: usize) -> Result<Self, JsonError> {
        match &self.items {
            Some(items) if items.len() > items_max => Err(JsonError::TooMany(items_max)),
            _ => Ok(self),
        }
    }
}

/// Where and why, without serde's line and column.
fn broken(text: &str, error: &serde_json::Error) -> JsonError {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let said = error.to_string();
    let reason = said.split(" at line ").next().unwrap_or_default();
    JsonError::Broken { offset: (line_start + error.column()).min(text.len()), reason: reason.to_owned() }
}

/// The text with a space for every comma that only a closing bracket follows; `None` if there is none.
fn without_trailing_commas(text: &str) -> Option<String> {
    let mut comma = None;
    let mut trailing = Vec::new();
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b',' => comma = Some(at),
            b']' | b'}' => trailing.extend(comma.take()),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            other => {
                comma = None;
                in_string = other == b'"';
            }
        }
    }
    if trailing.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in trailing {
        out.push_str(&text[from..at]);
        out.push(' ');
        from = at + 1;
    }
    out.push_str(&text[from..]);
    Some(out)
}

/// A scalar as text: a string's content, a number as it is written, nothing for `null` and for what
/// is no scalar.
fn scalar(raw: &RawValue) -> Cow<'_, str> {
    let text = raw.get();
    if text == "null" || text.starts_with(['{', '[']) {
        return Cow::Borrowed("");
    }
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // A lone surrogate is no text: it stays as it is written.
    serde_json::from_str::<String>(text).map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document<'de>, A::Error> {
                let mut document = Document::default();
                while let Some(Name(name)) = map.next_key()? {
                    if name == "data" && document.items.is_none() {
                        document.items = Some(map.next_value::<Vec<&'de RawValue>>()?);
                    } else if document.params.field(name.as_bytes()).is_some() {
                        let raw = map.next_value::<&'de RawValue>()?;
                        document.params.set(name.as_bytes(), || scalar(raw));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(document)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Document<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<&'de RawValue>()? {
                    items.push(item);
                }
                Ok(Document { params: Params::default(), items: Some(items) })
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Document<'de>, E> {
                Err(E::custom("expected an object"))
            }
        }

        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &str) {
        let mut spare = String::new();
        let got = match parse(text, 3, &mut spare) {
            Err(error) => error.to_string(),
            Ok(document) => {
                let show = |p: &Params<'_>| {
                    [&p.ezkey, &p.stat, &p.count, &p.value, &p.t]
                        .map(|field| field.as_deref().unwrap_or("-").to_owned())
                        .join("|")
                };
                let items = document.items.unwrap_or_default();
                let items = items.iter().map(|raw| match item(raw) {
                    Ok(params) => format!(" [{}]", show(&params)),
                    Err(message) => format!(" [{message}]"),
                });
                show(&document.params) + &items.collect::<String>()
            }
        };
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn single_posts_and_bulks_are_read() {
        check(r#"{"ezkey":"k","stat":"a b","count":2}"#, "k|a b|2|-|-");
        check(r#"{"email":"k","stat":"a","value":"1.5","t":1363118126}"#, "k|a|-|1.5|1363118126");
        check(
            r#"{"ezkey":"k","data":[{"stat":"a","count":1},{"stat":"b~c,d","value":-0.5}]}"#,
            "k|-|-|-|- [-|a|1|-|-] [-|b~c,d|-|-0.5|-]",
        );
        check(
            r#"{"data":[{"stat":"a","data":[{"stat":"b"}]}]}"#,
            "-|-|-|-|- [an item of `data` has a `data` of its own]",
        );
        check(r#"[{"stat":"a"}]"#, "-|-|-|-|- [-|a|-|-|-]");
        check(r#"{"stat":"\u00e9\n\"","count":null,"value":1e999}"#, "-|é\n\"|-|1e999|-");
        check(r#"{"stat":"x","stat":"y","other":{"deep":[1]}}"#, "-|x|-|-|-");
        check(r#"{"stat":"\ud800"}"#, "-|\\ud800|-|-|-");
    }

    #[test]
    fn trailing_commas_are_tolerated_and_texts_left_alone() {
        check(
            "{\"ezkey\":\"k\",\"data\":[{\"stat\":\"a,]\",\"count\":1,},\n]\t,\n}",
            "k|-|-|-|- [-|a,]|1|-|-]",
        );
        check(r#"{"stat":"\",}"}"#, "-|\",}|-|-|-");
    }

    #[test]
    fn what_is_broken_is_said_with_its_place() {
        check(
            r#"{"ezkey":"k","data":[{"stat":"a"#,
            "the JSON is broken at byte 31: EOF while parsing a string",
        );
        check("{\n\"ezkey\":\n}", "the JSON is broken at byte 12: expected value");
        check("{\"ezkey\":NaN}", "the JSON is broken at byte 10: expected value");
        check("[1,2,3,4]", "too many items: the limit is 3 a request");
        check("{\"data\":[1,{}]}", "-|-|-|-|- [an item of `data` is not an object] [-|-|-|-|-]");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\]{},:\"a-d0-9\\\\ ]{0,60}") {
            let mut spare = String::new();
            if let Ok(Document { items: Some(items), .. }) = parse(&text, 10, &mut spare) {
                for raw in items {
                    let _ = item(raw);
                }
            }
        }

        #[test]
        fn any_name_survives(stat in ".+", count in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let text = serde_json::json!({"stat": stat, "count": count}).to_string();
            let mut spare = String::new();
            let document = parse(&text, 1, &mut spare).expect("valid JSON");
            prop_assert_eq!(document.params.stat.as_deref(), Some(stat.as_str()));
            prop_assert_eq!(document.params.count.as_deref().map(str::parse), Some(Ok(count)));
        }
    }
}
