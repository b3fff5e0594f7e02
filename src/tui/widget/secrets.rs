//! Where a line that is typed holds a key, so that no screen shows it.

use std::ops::Range;

use crate::journal::{HEADERS, PARAMETERS};

/// The stretches of a line that are secrets: what follows a listed header's name or `Bearer `, up
/// to the next quote, and the value of a listed parameter of an address.
pub(crate) fn of(line: &str) -> Vec<Range<usize>> {
    let low = line.to_ascii_lowercase();
    let mut found = Vec::new();
    let quote: fn(char) -> bool = |c| matches!(c, '"' | '\'');
    let mut after = |name: &str, end: fn(char) -> bool| {
        for (at, name) in low.match_indices(name) {
            let from = at + name.len();
            let from = from + low[from..].len() - low[from..].trim_start().len();
            // A header that is typed alone ends with the line.
            let alone = low[..at].trim().is_empty();
            let to = low[from..].find(end).filter(|_| !alone).map_or(low.len(), |n| from + n);
            if from < to {
                found.push(from..to);
            }
        }
    };
    for header in HEADERS.iter().chain(&["api-key"]) {
        after(&format!("{}:", header.to_ascii_lowercase()), quote);
    }
    after("bearer ", quote);
    for parameter in PARAMETERS {
        for before in ['?', '&'] {
            let name = format!("{before}{}=", parameter.to_ascii_lowercase());
            after(&name, |c| matches!(c, '&' | '"' | '\'' | ' ' | '#'));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::of;

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
    }
}
