//! Rules about lines that are no fields: what the standard ignores and where errors hide.

use super::head::media_type;
use super::page::{begins_page, in_stream};
use super::sse::block;
use super::{Code, Detector, FindingPlace, Findings, FrameView, Severity, cut, refused};
use crate::dialect::{self, Payload, error_text};
use crate::frame::sse::SseLine;
use crate::frame::{FrameKind, Framing};
use crate::inspect::Facts;
use crate::json::Tape;
use crate::text;

#[derive(Default)]
pub(super) struct RawDetector {
    /// Ignored fields that were found in frames. The framer counts them as it goes; only while its
    /// count is ahead are a frame's lines looked at again.
    ignored: u64,
    /// Place where a web page has begun: its lines are not separate findings.
    page: Option<FindingPlace>,
}

impl Detector for RawDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        let in_data = view.data.is_some_and(|data| begins_page(data.as_bytes()));
        let is_page = facts.sse().is_none() && begins_page(view.bytes);
        if view.index > 0 && view.frame.kind != FrameKind::Body && (in_data || is_page) {
            self.page.get_or_insert(view.place());
        }
        match facts.sse() {
            Some(sse) => {
                if sse.ignored_fields.total() > self.ignored
                    || view.frame.kind == FrameKind::Incomplete
                {
                    self.ignored_fields(facts, view, findings);
                }
            }
            None => {
                let lines = view.index == 0 && facts.framing() == Some(Framing::Ndjson);
                if lines && media_type(facts) == "text/event-stream" {
                    let message =
                        "Labeled as an event stream, but the body is one JSON object per line";
                    findings.raise(Code::NdjsonInSse, view.place(), message);
                }
            }
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if !refused(facts) {
            document(facts, findings);
            if let Some(place) = self.page {
                in_stream(facts, place, findings);
            }
        }
    }
}

impl RawDetector {
    /// Lines that the standard ignores: an error may hide there.
    fn ignored_fields(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let whole = view.bytes.ends_with(b"\n") || view.bytes.ends_with(b"\r");
        let block = block(view);
        let mut raw = false;
        for line in block.lines() {
            let last = line.offset + line.raw.len() == view.bytes.len() && !whole;
            let known = matches!(line.name, b"" | b"data" | b"event");
            let ignored = !known && (is_ignored(&line) || !matches!(line.name, b"id" | b"retry"));
            let page = view.index > 0 && begins_page(line.raw);
            if !ignored || (last && !line.raw.starts_with(b"{") && !page) {
                continue;
            }
            self.ignored += 1;
            if matches!(line.name, b"id" | b"retry") || raw {
                continue;
            }
            let place = FindingPlace {
                frame: Some(view.index),
                offset: Some(view.frame.offset + line.offset as u64),
            };
            if page {
                self.page.get_or_insert(place);
            }
            if self.page.is_some() {
                continue;
            }
            if matches!(line.raw.trim_ascii_start().first(), Some(b'{' | b'[')) {
                // Pretty-printed JSON continues over the next lines, which are no separate findings.
                raw = true;
                raw_json(view, &line, last, place, findings);
            } else if is_misspelled_data(line.name) {
                misspelled(facts, &line, place, findings);
            } else {
                unknown_field(&line, place, findings);
            }
        }
    }
}

/// Returns whether an `id` or `retry` has no effect.
fn is_ignored(line: &SseLine<'_>) -> bool {
    match line.name {
        b"id" => line.value.contains(&0),
        b"retry" => line.value.is_empty() || !line.value.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Returns whether a field's name was meant as `data`: every client compares it exactly.
fn is_misspelled_data(name: &[u8]) -> bool {
    let odd = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    name != b"data"
        && std::str::from_utf8(name).is_ok_and(|n| n.trim_matches(odd).eq_ignore_ascii_case("data"))
}

/// A `data` line that no client reads, because of how its name is written.
fn misspelled(facts: &Facts, line: &SseLine<'_>, place: FindingPlace, findings: &mut Findings) {
    let value = String::from_utf8_lossy(line.value);
    let name = text::preview(&String::from_utf8_lossy(line.name), 20);
    let mut tape = Tape::new();
    let json = tape.parse(&value).ok().and_then(|()| tape.root(&value));
    let json = json.filter(|j| j.kind() == crate::json::Kind::Object);
    let payload =
        Payload { kind: FrameKind::Event, event: "message", data: &value, json, id: None };
    // A known dialect may have payloads that do not identify it on their own.
    let lost = json.is_some()
        && (facts.dialect().is_some()
            || dialect::recognize(&payload).is_some()
            || json.is_some_and(|j| j.get("error").is_some()));
    let (severity, what) = if lost {
        (Severity::Error, "its text is lost")
    } else {
        (Severity::Warn, "it is ignored")
    };
    if findings.tally.of(Code::SseFieldMisspelled) > 0 && !lost {
        return;
    }
    let message = format!("Field \"{name}\" is not \"data\": {what} in every client");
    findings.raise_as(Code::SseFieldMisspelled, severity, place, message);
}

fn unknown_field(line: &SseLine<'_>, place: FindingPlace, findings: &mut Findings) {
    let value = String::from_utf8_lossy(line.value);
    let name = text::preview(&String::from_utf8_lossy(line.name), 60);
    if line.name.eq_ignore_ascii_case(b"error") {
        let mut tape = Tape::new();
        let words = match tape.parse(&value).ok().and_then(|()| tape.root(&value)) {
            Some(json) => error_text(json).into_owned(),
            None => value.into_owned(),
        };
        let message = format!(
            "Error in the field \"error:\", which no client reads: \"{}\"",
            text::preview(&words, 160)
        );
        return findings.raise(Code::SseUnknownField, place, message);
    }
    // It is usually one field that occurs in every frame.
    if findings.again(Code::SseUnknownField) {
        return;
    }
    let message = if value.is_empty() {
        format!("Line that is not a field: \"{name}\"")
    } else {
        format!("Field that no client reads: \"{name}\" with \"{}\"", text::preview(&value, 60))
    };
    findings.raise_as(Code::SseUnknownField, Severity::Info, place, message);
}

fn raw_json(
    view: &FrameView<'_>,
    line: &SseLine<'_>,
    last: bool,
    place: FindingPlace,
    findings: &mut Findings,
) {
    let mut tape = Tape::new();
    let rest = String::from_utf8_lossy(&view.bytes[line.offset..]);
    let one = String::from_utf8_lossy(line.raw);
    let json = if tape.parse(&one).is_ok() {
        tape.root(&one)
    } else if tape.parse(&rest).is_ok() {
        tape.root(&rest)
    } else {
        None
    };
    if last && json.is_none() {
        return;
    }
    let message = match json.and_then(|j| j.get("error")) {
        Some(error) => {
            let words = error_text(error);
            format!(
                "Error as JSON without \"data:\", which no client reads: \"{}\"",
                text::preview(&words, 160)
            )
        }
        None => {
            format!("JSON without \"data:\", which no client reads: `{}`", text::preview(&one, 60))
        }
    };
    findings.raise(Code::SseRawJson, place, message);
}

/// One JSON document under text/event-stream.
fn document(facts: &Facts, findings: &mut Findings) {
    if facts.framing() != Some(Framing::Whole)
        || media_type(facts) != "text/event-stream"
        || cut(facts)
    {
        return;
    }
    let source = String::from_utf8_lossy(facts.body());
    let mut tape = Tape::new();
    let Some(json) = tape.parse(&source).ok().and_then(|()| tape.root(&source)) else { return };
    let place = FindingPlace { frame: Some(0), offset: Some(0) };
    let words = match facts.answer().errors.first() {
        Some(error) => format!(": \"{}\"", text::preview(&error.message, 160)),
        None => format!(" (`{}`)", text::preview(json.source(), 60)),
    };
    let message = format!("Labeled as an event stream, but the body is one JSON document{words}");
    findings.raise(Code::SseRawJson, place, message);
}
