//! Secrets in the beginning of a client's message: what names them may not have arrived yet, so more is masked and
//! held back than in a message that is there whole.

use std::ops::Range;

use crate::journal::{Secrets, Span};
use crate::transport::request::mask_body;

/// The longest word at the end that is held back, since it may be the beginning of a secret.
const WORD: usize = 512;

/// Returns the spans of secrets in a beginning, and how many bytes at its end are to be held back.
pub(super) fn secrets_in(beginning: &[u8], secrets: &mut Secrets) -> (Vec<Span>, usize) {
    let in_word = |b: &&u8| !b" \t\r\n\"',;<>()[]{}".contains(b);
    let word = beginning.iter().rev().take(WORD).take_while(in_word).count();
    let Some(Closed { text, unnamed }) = closed(beginning) else {
        return (mask_body(beginning, secrets).1, word);
    };
    let mut found = mask_body(&text, secrets).1;
    found.extend(unnamed.into_iter().map(|span| (span.start as u64, span.len() as u64)));
    (found, word)
}

/// JSON that was completed.
#[derive(Debug, PartialEq, Eq)]
struct Closed {
    /// The beginning, or less of it, and what closes it.
    text: Vec<u8>,
    /// Values of pairs like `{"value": …, "name": …}` whose name is not there.
    unnamed: Vec<Range<usize>>,
}

/// Closes what is open in the beginning of an object or an array; `None` for anything else.
fn closed(beginning: &[u8]) -> Option<Closed> {
    let first = beginning.iter().find(|b| !b.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'[') {
        return None;
    }
    let mut open = Vec::new();
    let mut values: Vec<(usize, Range<usize>)> = Vec::new();
    // How far the text can be closed, the current key, and whether a value follows.
    let (mut whole, mut key, mut is_value) = (0, 0..0, false);
    let mut at = 0;
    while at < beginning.len() {
        match beginning[at] {
            b'"' => {
                let in_object = open.last() == Some(&b'}');
                let end = end_of_string(beginning, at);
                let text = at + 1..end.unwrap_or(beginning.len());
                if in_object && !is_value {
                    key = text;
                    at = end.unwrap_or(beginning.len());
                } else {
                    if matches!(&beginning[key.clone()], b"value" | b"v" | b"val") {
                        values.push((open.len(), text));
                    }
                    let Some(end) = end else {
                        return Some(finished(beginning, beginning.len(), true, &open, values));
                    };
                    at = end;
                    whole = at + 1;
                }
            }
            b':' => is_value = true,
            b',' => (is_value, key) = (false, 0..0),
            bracket @ (b'{' | b'[') => {
                open.push(if bracket == b'{' { b'}' } else { b']' });
                (is_value, key, whole) = (false, 0..0, at + 1);
            }
            b'}' | b']' => {
                values.retain(|(depth, _)| *depth < open.len());
                open.pop();
                (is_value, key, whole) = (false, 0..0, at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    Some(finished(beginning, whole, false, &open, values))
}

/// The place of the quote that ends the string which begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut next = at + 1;
    while let Some(skip) = memchr::memchr2(b'"', b'\\', bytes.get(next..)?) {
        next += skip;
        if bytes[next] == b'"' {
            return Some(next);
        }
        next += 2;
    }
    None
}

fn finished(
    beginning: &[u8],
    whole: usize,
    in_string: bool,
    open: &[u8],
    values: Vec<(usize, Range<usize>)>,
) -> Closed {
    let mut text = beginning[..whole].to_vec();
    if in_string {
        // Half an escape or half a character cannot be closed; it is in the word that is held back.
        if let Some(at) = text.iter().rposition(|b| *b == b'\\').filter(|at| at + 6 > text.len()) {
            let slashes = text[..=at].iter().rev().take_while(|b| **b == b'\\').count();
            text.truncate(at + usize::from(slashes % 2 == 0));
        }
        let valid = std::str::from_utf8(&text).map_or_else(|e| e.valid_up_to(), str::len);
        if text.len() - valid < 4 {
            text.truncate(valid);
        }
        text.push(b'"');
    }
    text.extend(open.iter().rev());
    Closed { text, unnamed: values.into_iter().map(|(_, span)| span).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> (String, usize) {
        let mut secrets = Secrets::default();
        let (spans, hold) = secrets_in(text.as_bytes(), &mut secrets);
        let mut bytes = text.as_bytes().to_vec();
        for (at, len) in spans {
            let end = bytes.len().min((at + len) as usize);
            bytes[at as usize..end].fill(b'*');
        }
        bytes.truncate(bytes.len() - hold);
        (String::from_utf8(bytes).unwrap(), hold)
    }

    #[test]
    fn every_beginning_is_json_when_it_is_closed() {
        let whole = r#" {"a": [1, true, {"b\"": "c\u00e9\\", "d": null}], "é": "ü\n", "e": {}} "#;
        for (cut, _) in whole.char_indices().skip(2) {
            let text = closed(&whole.as_bytes()[..cut]).unwrap().text;
            let read = serde_json::from_slice::<serde_json::Value>(&text);
            assert!(read.is_ok(), "{} {read:?}", String::from_utf8_lossy(&text));
        }
        assert_eq!((closed(b"data"), closed(b" ")), (None, None));
    }

    #[test]
    fn no_beginning_shows_a_secret_that_the_whole_hides() {
        for whole in [
            r#"{"type":"x","authorization":"Bearer tok-zyxwvutsrq","n":1}"#,
            r#"{"headers":[{"value":"tok-zyxwvutsrq","name":"x-api-key"}]}"#,
            r#"{"headers":[["x-api-key","tok-zyxwvutsrq1"]]}"#,
            r#"{"text":"use sk-tok-zyxwvutsrq0123456789abcd, please"}"#,
            "authorization: Bearer tok-zyxwvutsrq0123 and more",
        ] {
            assert!(!masked(whole).0.contains("tok-zyxw"), "{whole} {}", masked(whole).0);
            for cut in 1..whole.len() {
                let (shown, _) = masked(&whole[..cut]);
                assert!(!shown.contains("tok-"), "{shown}");
            }
        }
        // What is not a secret is shown.
        let (shown, hold) = masked(r#"{"type":"input","audio":"AAAA BBBB"#);
        assert_eq!((shown.as_str(), hold), (r#"{"type":"input","audio":"AAAA "#, 4));
    }
}
