//! Text of a body that is not a stream: a web page's words, or its JSON.

use std::borrow::Cow;

use super::{Code, FindingPlace, Findings};
use crate::inspect::Facts;
use crate::json::Tape;
use crate::text;

/// Returns whether a body is a web page.
pub(super) fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Returns whether a line begins a web page.
pub(super) fn begins_page(line: &[u8]) -> bool {
    const TAGS: &[&str] = &["<!doctype html", "<html", "<head", "<body", "<center", "<h1"];
    let line = line.trim_ascii_start();
    TAGS.iter().any(|tag| {
        line.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag.as_bytes()))
    })
}

/// Says that a web page begins at a place in the stream.
pub(super) fn in_stream(facts: &Facts, place: FindingPlace, findings: &mut Findings) {
    let offset = place.offset.and_then(|offset| usize::try_from(offset).ok());
    let page = offset.and_then(|offset| facts.body().get(offset..)).unwrap_or_default();
    let words = text::preview(&page_words(page), 80);
    let frame = place.frame.unwrap_or_default();
    let message = format!("A web page in the middle of the stream (frame {frame}): \"{words}\"");
    findings.raise(Code::HtmlInStream, place, message);
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
    // Data that is not JSON leaves an empty tape.
    let _ = tape.parse(&source);
    (tape, source)
}
