//! Detection of keys in a line that is typed, so that no screen shows them.

use std::ops::Range;

use crate::journal::{Secrets, credential, in_addresses, is_secret_name};
use crate::text::{Newlines, visible};
use crate::transport::request::mask_body;

/// The stretches of a line that are secrets: what follows a secret header's or field's name or
/// `Bearer `, up to the next quote, and the secret parts of an address.
pub(crate) fn of(line: &str) -> Vec<Range<usize>> {
    let quote = |c: char| matches!(c, '"' | '\'');
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut found = in_addresses(line);
    for (colon, _) in line.match_indices(':') {
        let before = line[..colon].trim_end_matches(quote);
        // The name itself is ASCII; what precedes it may be anything.
        let at = before.trim_end_matches(is_name).len();
        if !is_secret_name(&before[at..]) {
            continue;
        }
        let rest = line[colon + 1..].trim_start_matches(|c: char| c == ' ' || quote(c));
        let from = line.len() - rest.len();
        // A header that is typed alone ends with the line.
        let alone = before[..at].trim().is_empty();
        let to = rest.find(quote).filter(|_| !alone).map_or(line.len(), |n| from + n);
        found.push(from..to);
    }
    let low = line.to_ascii_lowercase();
    for (at, scheme) in low.match_indices("bearer ") {
        let from = at + scheme.len();
        let from = from + low[from..].len() - low[from..].trim_start().len();
        found.push(from..low[from..].find(quote).map_or(low.len(), |n| from + n));
    }
    found.retain(|span| span.start < span.end && !is_variable(credential(&line[span.clone()])));
    found
}

/// A request body as it may leave the editor, for the clipboard or a file: its credentials are stars, the
/// names of variables stay.
pub(crate) fn starred_body(body: &[u8]) -> Vec<u8> {
    let (_, spans) = mask_body(body, &mut Secrets::default());
    let mut starred = body.to_vec();
    for (offset, length) in spans {
        let secret = &mut starred[offset as usize..][..length as usize];
        if !std::str::from_utf8(secret).is_ok_and(is_variable) {
            secret.fill(b'*');
        }
    }
    starred
}

/// Returns whether a text is the name of a variable, to be filled in later.
fn is_variable(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// A header's value as it may be shown: what a header of a secret name holds is not.
pub(crate) fn shown_value(name: &str, value: &str) -> String {
    let names_variable = value.starts_with('$') || is_variable(credential(value));
    if is_secret_name(name) && !value.is_empty() && !names_variable {
        return "********".to_owned();
    }
    visible(value, Newlines::Show).into_owned()
}

/// An address as it may be shown: user, password and some parameters are secrets.
pub(crate) fn shown_url(url: &str) -> String {
    let mut shown = url.to_owned();
    for span in in_addresses(url).into_iter().rev() {
        shown.replace_range(span, "********");
    }
    visible(&shown, Newlines::Show).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{of, starred_body};

    #[test]
    fn a_body_leaves_the_editor_without_its_credentials() {
        let starred = |body: &str| String::from_utf8(starred_body(body.as_bytes())).unwrap();
        let own = r#"{"model":"m","metadata":{"client_secret":"Zq7bdyXw04vLmKp93"}}"#;
        assert_eq!(starred(own), own.replace("Zq7bdyXw04vLmKp93", "*****************"));
        for kept in [r#"{"client_secret": "${OWN}"}"#, "not JSON", r#"{"messages": []}"#] {
            assert_eq!(starred(kept), kept);
        }
    }

    #[track_caller]
    fn shown(line: &str, want: &str) {
        let secret = of(line);
        let hide = |(i, c)| if secret.iter().any(|s| s.contains(&i)) { '•' } else { c };
        assert_eq!(line.char_indices().map(hide).collect::<String>(), want);
    }

    #[test]
    fn keys_are_found_where_they_are_written() {
        shown("Authorization: Bearer ab", "Authorization: •••••••••");
        shown("x-api-key:ab", "x-api-key:••");
        shown("Api-Key: a'b", "Api-Key: •••");
        shown("Api-Key: é1", "Api-Key: ••");
        shown("curl -H 'X-Api-Key: ab' -d '{}'", "curl -H 'X-Api-Key: ••' -d '{}'");
        shown("echo Bearer ab", "echo Bearer ••");
        shown("https://h/x?key=ab&y=1", "https://h/x?key=••&y=1");
        shown("X-Trace: 7", "X-Trace: 7");
        shown("日本: 7", "日本: 7");
        shown("authorization: Bearer ${MY_KEY}", "authorization: Bearer ${MY_KEY}");
        shown("日本 x-api-key: ab", "日本 x-api-key: ••");
    }
}
