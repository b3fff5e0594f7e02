//! What a body that is no stream says: a web page's words, or its JSON.

use std::borrow::Cow;

use crate::json::Tape;

/// Whether a body is a web page.
pub(super) fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// A page's title, or its beginning without tags.
pub(super) fn page_words(body: &[u8]) -> String {
    let page = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let mut inside = false;
    let mut plain = String::new();
    for c in title.map_or(page.as_ref(), |t| t.0).chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A body as JSON, with the text that it was read from; the tape is empty where it is none.
pub(super) fn parse(body: &[u8]) -> (Tape, Cow<'_, str>) {
    let source = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    let mut tape = Tape::new();
    // What is no JSON leaves an empty tape.
    let _ = tape.parse(&source);
    (tape, source)
}
