//! Descriptions of where inside a frame a body or a read ends.

use std::borrow::Cow;

use super::page::begins_page;
use super::{Code, FindingPlace, Findings, Severity, cut, gemini, ours, refused};
use crate::dialect::{self, DecodeEvent, Payload};
use crate::frame::sse::SseBlock;
use crate::frame::{Frame, FrameKind, Framing};
use crate::inspect::Facts;
use crate::json::Tape;
use crate::text;

/// Says where inside a frame its bytes end: `inside a JSON string`.
pub(super) fn place_of(facts: &Facts, frame: &Frame) -> String {
    let bytes = frame.bytes(facts.body());
    if ends_in_character(bytes) {
        return "inside a UTF-8 character".to_owned();
    }
    match facts.framing() {
        Some(Framing::Sse) => in_block(frame, facts.body()),
        _ => in_value(bytes),
    }
}

/// Returns whether the bytes end with the beginning of a character.
fn ends_in_character(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    let from = tail.iter().rposition(|b| *b >= 0xc0).unwrap_or(tail.len());
    std::str::from_utf8(&tail[from..]).is_err_and(|e| e.error_len().is_none())
}

fn in_block(frame: &Frame, body: &[u8]) -> String {
    let bytes = frame.bytes(body);
    let line = bytes.rsplit(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or_default();
    let block = SseBlock::of(frame, body);
    let has = |name: &[u8]| block.lines().any(|l| l.name == name);
    if line.is_empty() {
        return match (has(b"event"), has(b"data")) {
            (true, false) => "between its event: and data: lines".to_owned(),
            (_, true) => "before its blank line".to_owned(),
            _ => "between its lines".to_owned(),
        };
    }
    let Some(colon) = line.iter().position(|b| *b == b':') else {
        let name = text::preview(&String::from_utf8_lossy(line), 20);
        return format!("inside the field name `{name}`");
    };
    match &line[..colon] {
        b"data" => in_value(block.data().as_bytes()),
        b"" => "inside a comment".to_owned(),
        name => format!("inside its {}: line", text::preview(&String::from_utf8_lossy(name), 20)),
    }
}

/// Describes where inside a payload it ends.
fn in_value(data: &[u8]) -> String {
    let (mut string, mut escaped) = (false, false);
    for byte in data {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            _ => {}
        }
    }
    let json = data.iter().find(|b| !b.is_ascii_whitespace());
    let json = json.is_some_and(|b| matches!(b, b'{' | b'[' | b'"' | b'0'..=b'9' | b'a'..=b'k'));
    match (json, string) {
        (true, true) => "inside a JSON string".to_owned(),
        (true, false) => "inside its JSON".to_owned(),
        (false, _) if data.is_empty() => "before its data".to_owned(),
        (false, _) => "inside its data".to_owned(),
    }
}

/// Returns what an event that was never dispatched would have said: whether it ends the stream, and the error
/// that it is.
pub(super) fn unfinished_event(facts: &Facts, frame: &Frame) -> (bool, Option<String>) {
    let block = SseBlock::of(frame, facts.body());
    let (event, data) = (block.event(), block.data());
    let mut tape = Tape::new();
    let _ = tape.parse(&data);
    let (kind, json) = (FrameKind::Event, tape.root(&data));
    let payload = Payload { kind, event: &event, data: &data, json, id: None };
    let mut decoder = facts.dialect().map_or_else(dialect::unknown, |d| d.decoder());
    let (mut ends, mut error) = (false, None);
    decoder.decode(&payload, &mut |fact| match fact {
        DecodeEvent::Terminal => ends = true,
        DecodeEvent::Error(e) => error = Some(e.message.into_owned()),
        _ => {}
    });
    // A blocked prompt is Gemini's own kind of answer.
    (ends, error.filter(|_| gemini::blocked(facts, json).is_none()))
}

/// The last line of a frame, where it is words and no field: the name of a field has no space.
pub(super) fn prose(facts: &Facts, frame: &Frame) -> Option<String> {
    let bytes = frame.bytes(facts.body());
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim().rsplit(['\n', '\r']).next().unwrap_or_default();
    let name = line.split(':').next().unwrap_or_default();
    let is_prose = name.split_whitespace().count() > 1 && !line.starts_with(['{', '[', '"']);
    is_prose.then(|| text::preview(line, 80))
}

/// The last bytes of a frame, made visible.
pub(super) fn last_bytes<'a>(facts: &'a Facts, frame: &Frame) -> Cow<'a, str> {
    let bytes = frame.bytes(facts.body());
    text::visible_bytes(&bytes[bytes.len().saturating_sub(24)..], text::Newlines::Show)
}

/// The last line of a body of JSON lines, where it is cut.
pub(super) fn line(facts: &Facts, findings: &mut Findings) {
    if facts.framing() != Some(Framing::Ndjson) || refused(facts) || ours(facts) {
        return;
    }
    let Some((index, frame)) = facts.frames().iter().enumerate().next_back() else { return };
    if frame.kind != FrameKind::Incomplete || facts.coding_error.is_some() {
        return;
    }
    let place = FindingPlace { frame: Some(index as u32), offset: Some(frame.offset) };
    if index > 0 && begins_page(frame.bytes(facts.body())) {
        return;
    }
    let inside = place_of(facts, &frame);
    let ends = last_bytes(facts, &frame);
    let message = format!("Body ends in line {index}, {inside}, after `{ends}`");
    // A cut connection is reported as that; after its end, a stream has lost nothing.
    let mild = cut(facts) || facts.saw_own_end();
    let code = Code::TruncatedMidFrame;
    findings.raise_as(code, if mild { Severity::Info } else { code.severity() }, place, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_strings_and_values() {
        assert!(ends_in_character("é".as_bytes().split_last().unwrap().1));
        assert!(ends_in_character(b"a\xf0\x9f\x98"));
        assert!(!ends_in_character("aé".as_bytes()));
        assert!(!ends_in_character(b"a\xff"));
        assert!(!ends_in_character(b""));
        for (data, place) in [
            (r#"{"a":"b"#, "inside a JSON string"),
            (r#"{"a":"b\""#, "inside a JSON string"),
            (r#"{"a":"b","#, "inside its JSON"),
            (r#"{"a\\":"#, "inside its JSON"),
            ("[DON", "inside its JSON"),
            ("", "before its data"),
            ("plain", "inside its data"),
        ] {
            assert_eq!(in_value(data.as_bytes()), place, "{data}");
        }
    }
}
