//! Colors and layout for JSON, by its tokens only: what is broken is shown as it is.

use std::ops::Range;

use super::text::Mark;
use crate::tui::theme::Role;

/// Largest number of levels that the layout indents; deeper levels stay at that column.
const MAX_INDENT: usize = 40;

/// A token.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    String,
    Number,
    Word,
    /// One of `{}[],:`.
    Sign(u8),
}

/// The tokens of `text` from `at` on, with their places; what is none is left out.
fn tokens(text: &str) -> impl Iterator<Item = (Token, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut i = 0;
    std::iter::from_fn(move || {
        while let Some(&b) = bytes.get(i) {
            let from = i;
            match b {
                b'"' => {
                    i += 1;
                    while i < bytes.len() && bytes[i] != b'"' && bytes[i] != b'\n' {
                        i += if bytes[i] == b'\\' && bytes.get(i + 1) != Some(&b'\n') {
                            2
                        } else {
                            1
                        };
                    }
                    i = (i + 1).min(bytes.len());
                    if bytes[from..i].ends_with(b"\n") {
                        i -= 1;
                    }
                    while !text.is_char_boundary(i) {
                        i += 1;
                    }
                    return Some((Token::String, from..i));
                }
                b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                    i += 1;
                    return Some((Token::Sign(b), from..i));
                }
                b'-' | b'0'..=b'9' => {
                    while matches!(
                        bytes.get(i),
                        Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
                    ) {
                        i += 1;
                    }
                    return Some((Token::Number, from..i));
                }
                b'a'..=b'z' | b'A'..=b'Z' => {
                    while matches!(bytes.get(i), Some(b'a'..=b'z' | b'A'..=b'Z')) {
                        i += 1;
                    }
                    return Some((Token::Word, from..i));
                }
                _ => i += 1,
            }
        }
        None
    })
}

/// The marks of JSON text that begins at byte `base` of a larger one.
pub(crate) fn marks(text: &str, base: usize, out: &mut Vec<Mark>) {
    let mut string: Option<Range<usize>> = None;
    for (token, range) in tokens(text) {
        // Only the token after a string shows whether it is a key.
        if let Some(before) = string.take() {
            let role = if token == Token::Sign(b':') { Role::JsonKey } else { Role::JsonString };
            out.push((base + before.start..base + before.end, role));
        }
        match token {
            Token::String => string = Some(range),
            Token::Number => out.push((base + range.start..base + range.end, Role::JsonNumber)),
            Token::Word => out.push((base + range.start..base + range.end, Role::JsonWord)),
            Token::Sign(_) => {}
        }
    }
    if let Some(last) = string {
        out.push((base + last.start..base + last.end, Role::JsonString));
    }
}

/// Returns JSON formatted with one field or element a line. Every token stays as it is spelled; only white
/// space between tokens changes.
pub(crate) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0usize;
    let mut at = 0;
    let mut opened = false;
    let mut fresh = true;
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
    };
    for (token, range) in tokens(text) {
        // Text that is neither a token nor white space is kept in its place.
        let between = text.get(at..range.start).unwrap_or_default().trim();
        at = range.end;
        let closes = matches!(token, Token::Sign(b'}' | b']'));
        if opened && !closes {
            newline(&mut out, depth);
        }
        if !between.is_empty() {
            out.push_str(between);
        }
        let source = &text[range];
        match token {
            Token::Sign(b'{' | b'[') => {
                out.push_str(source);
                depth += 1;
                opened = true;
                fresh = false;
                continue;
            }
            Token::Sign(b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if !opened {
                    newline(&mut out, depth);
                }
                out.push_str(source);
            }
            Token::Sign(b',') => {
                out.push(',');
                newline(&mut out, depth);
            }
            Token::Sign(_) => out.push_str(": "),
            Token::String | Token::Number | Token::Word => {
                // A second value after the first: bodies of more than one document.
                if depth == 0 && !fresh {
                    out.push('\n');
                }
                out.push_str(source);
            }
        }
        opened = false;
        fresh = false;
    }
    out.push_str(text.get(at..).unwrap_or_default().trim());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_marked_and_keys_told_from_strings() {
        let text = r#"{"a": ["b\"c", -1.5e3, true]}"#;
        let mut out = Vec::new();
        marks(text, 0, &mut out);
        let parts: Vec<_> = out.iter().map(|(r, role)| (&text[r.clone()], *role)).collect();
        assert_eq!(
            parts,
            [
                ("\"a\"", Role::JsonKey),
                (r#""b\"c""#, Role::JsonString),
                ("-1.5e3", Role::JsonNumber),
                ("true", Role::JsonWord)
            ]
        );
    }

    #[test]
    fn layout_keeps_every_token() {
        let text = r#"{"a":[1,2.50,{}],"b":{"c":[]}}"#;
        let expected =
            "{\n  \"a\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}";
        assert_eq!(pretty(text), expected);
        assert_eq!(pretty(expected), expected);
        assert_eq!(pretty("[1, oops é \"x"), "[\n  1,\n  oopsé\"x");
        assert_eq!(pretty("  "), "");
        let deep = "[".repeat(100_000);
        assert!(pretty(&deep).len() < 10_000_000);
        let mut out = Vec::new();
        for hostile in ["\"\\", "\"é\\", "\"\\\u{202e}", "\"a\nb\"", "-", "\\"] {
            marks(hostile, 0, &mut out);
            pretty(hostile);
        }
    }
}
