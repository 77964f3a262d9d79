//! What an account without stats sees: how to send the first number, in the visitor's language.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::Serialize;

use crate::ask::Ask;
use crate::failure::Failure;

/// The page.
#[derive(Serialize)]
pub struct View {
    snippets: Vec<Snippet>,
}

/// One way to send a number.
#[derive(Serialize)]
pub struct Snippet {
    /// `curl`, `Python`..
    pub language: &'static str,
    /// What to copy.
    pub code: String,
}

/// What a key needs to be escaped, within a form and within quotes of a shell.
const OUTSIDE_A_FORM: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// With the account's key and the address the visitor came by.
pub fn view(ask: &Ask) -> Result<View, Failure> {
    Ok(View { snippets: snippets(&ask.address, &ask.me()?.ez_key) })
}

/// One-liners that count 1 for the stat `hello`.
pub fn snippets(address: &str, ez_key: &str) -> Vec<Snippet> {
    let url = format!("{address}/ez");
    let encoded = percent_encoding::utf8_percent_encode(ez_key, OUTSIDE_A_FORM);
    let quoted = ez_key.replace('\\', "\\\\").replace('"', "\\\"");
    let php = ez_key.replace('\\', "\\\\").replace('\'', "\\'");
    vec![
        Snippet { language: "curl", code: format!("curl -d \"stat=hello&count=1&ezkey={encoded}\" {url}") },
        Snippet {
            language: "JavaScript",
            code: format!(
                "await fetch(\"{url}\", {{\n  method: \"POST\",\n  body: new URLSearchParams({{ ezkey: \"{quoted}\", stat: \"hello\", count: 1 }}),\n}});"
            ),
        },
        Snippet {
            language: "Python",
            code: format!(
                "from urllib.parse import urlencode\nfrom urllib.request import urlopen\n\nurlopen(\"{url}\", urlencode({{\"ezkey\": \"{quoted}\", \"stat\": \"hello\", \"count\": 1}}).encode())"
            ),
        },
        Snippet {
            language: "Go",
            code: format!(
                "http.PostForm(\"{url}\", url.Values{{\n\t\"ezkey\": {{\"{quoted}\"}},\n\t\"stat\":  {{\"hello\"}},\n\t\"count\": {{\"1\"}},\n}})"
            ),
        },
        Snippet {
            language: "PHP",
            code: format!(
                "file_get_contents('{url}?' . http_build_query(\n  ['ezkey' => '{php}', 'stat' => 'hello', 'count' => 1]));"
            ),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_the_address_and_the_key() {
        for Snippet { language, code } in snippets("http://127.0.0.1:8080", "me@example.com") {
            assert!(code.contains("http://127.0.0.1:8080/ez"), "{language}");
            assert!(code.contains("me@example.com"), "{language}");
        }
    }

    #[test]
    fn a_key_cannot_break_out_of_its_quotes() {
        let snippets = snippets("http://h", "it's \"me\"");
        assert!(snippets[0].code.contains("ezkey=it%27s%20%22me%22\""), "{}", snippets[0].code);
        assert!(snippets[2].code.contains("\"it's \\\"me\\\"\""), "{}", snippets[2].code);
        assert!(snippets[4].code.contains("'it\\'s \"me\"'"), "{}", snippets[4].code);
    }
}
