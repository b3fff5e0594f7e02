//! Rules about the transport of the body: where it ends, how it is cut, what codes it.

use super::{Code, Detector, FindingPlace, Findings, Look, Phase, Severity, refused};
use crate::frame::{FrameKind, Framing};
use crate::inspect::{Facts, chunked};
use crate::journal::EndCause;
use crate::text;

#[derive(Default)]
pub(super) struct BodyDetector {
    /// Number of frames that the reads so far completed.
    frames: usize,
}

impl Detector for BodyDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Reads]
    }

    fn read(&mut self, facts: &Facts, findings: &mut Findings) {
        let first = std::mem::replace(&mut self.frames, facts.frames().len());
        // The pieces of a bare body are this program's own.
        if facts.bare.is_some() {
            return;
        }
        let Some((before, _)) = facts.reads().last_two() else { return };
        let cut = before.decoded;
        let (head, tail) = facts.body().split_at((cut as usize).min(facts.body().len()));
        // Mostly a read begins with a frame, after the end of a line.
        let begins_in_read = facts.frames().get(first).is_none_or(|frame| frame.offset >= cut);
        if begins_in_read && head.last().is_none_or(u8::is_ascii) {
            return;
        }
        // Frames that were held back until the framing was certain arrived earlier, whole or in pieces; a
        // frame that begins in this read arrived with it.
        let new = facts.frames().range(first..facts.frames().len());
        let begun = new.take_while(|f| f.offset < cut).map(|f| (f, facts.reads_of(&f).len()));
        if let Some((index, (frame, reads))) = (first..).zip(begun).find(|(_, (_, n))| *n > 1) {
            let place = FindingPlace { frame: Some(index as u32), offset: Some(frame.offset) };
            findings.raise_once(
                Code::FrameSplitAcrossReads,
                place,
                format!("Frame {index} arrived in {reads} reads"),
            );
        }
        // Between the texts of binary messages any byte may look like part of a character.
        if splits_character(head, tail) && !is_binary(facts) {
            let place = FindingPlace { frame: Some(first as u32), offset: Some(cut) };
            let place = if first < facts.frames().len() {
                place
            } else {
                FindingPlace { frame: None, ..place }
            };
            findings.raise_once(
                Code::Utf8Split,
                place,
                format!("A read ended inside a character, before byte {cut} of the body"),
            );
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        transport(facts, findings);
        let cut = super::cut(facts);
        if let Some(why) = facts.coding_error.as_ref().filter(|_| !cut && !super::ours(facts)) {
            let name = facts.coding().map_or("?", |c| c.name());
            findings.raise(
                Code::BadContentEncoding,
                FindingPlace::default(),
                format!(
                    "Content-Encoding {} cannot be decoded: {}",
                    text::preview(name, 40),
                    text::preview(why, 120)
                ),
            );
        }
        after_end(facts, findings);
        inner_chunks(facts, findings);
    }
}

/// Returns whether the frames are messages with a length, between whose texts any byte may appear.
fn is_binary(facts: &Facts) -> bool {
    matches!(facts.framing(), Some(Framing::EventStream | Framing::WebSocket))
}

/// Checks whether the body has the chunks of a transfer coding in it, as if that was applied twice.
fn inner_chunks(facts: &Facts, findings: &mut Findings) {
    // Chunk sizes are neither fields, comments nor JSON: without such lines there is nothing to search for.
    let odd = match facts.sse() {
        Some(sse) => sse.ignored_fields.total() > 0,
        None => !is_binary(facts),
    };
    let first = facts.frames().first().filter(|_| odd && facts.coding_error.is_none());
    if first.is_none() {
        return;
    }
    if let Some(chunks) = chunked::find(facts.body()) {
        let place = FindingPlace { frame: None, offset: Some(chunks.offset as u64) };
        let message = format!(
            "HTTP chunk sizes inside the body: {} (chunked encoding applied twice)",
            text::count(chunks.count, "chunk")
        );
        findings.raise(Code::ChunkSizeInBody, place, message);
    }
}

/// Returns whether the border of two reads is inside a character: continuation bytes after it, and a lead
/// byte not far before it that needs them.
fn splits_character(head: &[u8], tail: &[u8]) -> bool {
    if !tail.first().is_some_and(|b| (0x80..0xc0).contains(b)) {
        return false;
    }
    let lead = head.iter().rev().take(3).position(|b| !(0x80..0xc0).contains(b));
    lead.is_some_and(|back| {
        let wants = match head[head.len() - 1 - back] {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        wants > back
    })
}

/// Reports how the connection of a body ended.
fn transport(facts: &Facts, findings: &mut Findings) {
    let Some((cause, detail)) = &facts.end else { return };
    let lower = detail.to_ascii_lowercase();
    // What was sent before the connection broke may be the whole answer: then nothing is lost.
    let whole = facts.answer().sentinel.is_some() && facts.answer().finished();
    let named = match cause {
        EndCause::Closed if facts.web_socket().is_some() => return,
        EndCause::Closed if !refused(facts) && facts.wire_len() > 0 => {
            let message =
                "The body ends with the connection: neither Content-Length nor chunked encoding";
            Some((Code::EofDelimited, message.to_owned()))
        }
        EndCause::Reset if facts.head.is_none() => {
            let (code, message) = reset_before_head(&lower);
            return findings.raise_end_in(Phase::Head, code, Severity::Error, message, detail);
        }
        _ if facts.head.is_none() => return,
        cause => broken_off(facts, *cause, &lower, if whole { " (after [DONE])" } else { "" }),
    };
    let Some((code, message)) = named else { return };
    let severity = if whole { code.severity().min(Severity::Warn) } else { code.severity() };
    let place = FindingPlace { frame: None, offset: Some(facts.body().len() as u64) };
    findings.raise_end(code, severity, place, message, detail);
}

/// Returns whether an HTTP/2 error, in lower case, ends the connection and not one stream.
fn ends_connection(lower: &str) -> bool {
    lower.contains("goaway") || lower.contains("connection error received")
}

/// A reset before the response headers, by the error in small letters.
fn reset_before_head(lower: &str) -> (Code, &'static str) {
    if ends_connection(lower) {
        (Code::Http2Goaway, "Server closed the HTTP/2 connection before it took the request")
    } else if lower.contains("stream error") {
        (Code::Http2Reset, "Server reset the HTTP/2 stream before the response headers")
    } else {
        (Code::ConnectionReset, "Connection reset before the response headers were complete")
    }
}

/// A body that broke off: by the error in small letters; `after` says whether it was whole.
fn broken_off(facts: &Facts, cause: EndCause, lower: &str, after: &str) -> Option<(Code, String)> {
    let got = text::count(facts.wire_len(), "byte");
    let http2 = facts.head.as_ref().is_some_and(|h| h.version.starts_with("HTTP/2"))
        || lower.contains("http2");
    Some(match cause {
        EndCause::Protocol if lower.contains("chunk") => {
            (Code::BadChunkSize, format!("Invalid chunk size after {got} of body"))
        }
        EndCause::Reset | EndCause::Protocol | EndCause::Truncated
            if http2 && ends_connection(lower) =>
        {
            (Code::Http2Goaway, format!("Server closed the HTTP/2 connection after {got}{after}"))
        }
        EndCause::Reset | EndCause::Protocol
            if http2 && cause == EndCause::Reset || lower.contains("stream error") =>
        {
            (Code::Http2Reset, format!("Server reset the HTTP/2 stream after {got}{after}"))
        }
        EndCause::Protocol => (Code::BodyProtocolError, format!("Body violates HTTP after {got}")),
        EndCause::Reset => {
            (Code::ConnectionReset, format!("Connection reset after {got} of body{after}"))
        }
        EndCause::Truncated if http2 => {
            (Code::Http2Reset, format!("HTTP/2 stream truncated after {got}{after}"))
        }
        EndCause::Truncated => cut_short(facts, &got, after),
        _ => return None,
    })
}

/// A body of HTTP/1 that is shorter than it was announced.
fn cut_short(facts: &Facts, got: &str, after: &str) -> (Code, String) {
    let header = |name: &str| facts.head.as_ref().and_then(|h| h.header(name));
    match header("content-length") {
        Some(length) => (
            Code::ContentLengthShort,
            format!(
                "Content-Length said {} bytes; {} arrived{after}",
                digits(length),
                text::group(facts.wire_len())
            ),
        ),
        None if header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close")) => (
            Code::TruncatedChunkedConnClose,
            format!(
                "Chunked body truncated after {got}{after}; Node accepts it as complete (Connection: close)"
            ),
        ),
        None => (
            Code::TruncatedChunked,
            format!(
                "Connection closed mid-body after {got}{after} (chunked encoding not terminated)"
            ),
        ),
    }
}

/// Reports what follows `[DONE]` or the terminal event and is not the answer's text (that is `done-early`).
fn after_end(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    let (done, what) = match (answer.sentinel, answer.terminal) {
        (Some(done), terminal) if terminal.is_none_or(|t| t <= done) => (done, "[DONE]"),
        (None, Some(terminal)) => (terminal, "the terminal event"),
        _ => return,
    };
    if facts.answer().deltas().last().is_some_and(|d| d.frame > done) {
        return;
    }
    let body = facts.body();
    let from = done as usize + 1;
    let mut after = (from..).zip(facts.frames().range(from..facts.frames().len()));
    let odd = after.find(|(_, f)| match f.kind {
        FrameKind::Comment => false,
        // Events may follow a terminal event; after [DONE] none is read.
        FrameKind::Event | FrameKind::Message | FrameKind::Line | FrameKind::Ws
            if answer.sentinel.is_none() =>
        {
            false
        }
        FrameKind::Event => f.data(body).is_none_or(|d| !d.starts_with("[DONE]")),
        _ => f.bytes(body).iter().any(|b| !b.is_ascii_whitespace()),
    });
    if let Some((index, frame)) = odd {
        let bytes = body.len() as u64 - frame.offset;
        findings.raise(
            Code::BytesAfterEnd,
            FindingPlace { frame: Some(index as u32), offset: Some(frame.offset) },
            format!("{} received after {what}", text::count(bytes, "byte")),
        );
    }
}

/// A number of a header with separators, as far as it is one.
fn digits(value: &str) -> String {
    value.parse().map_or_else(|_| text::preview(value, 20), text::group)
}

#[cfg(test)]
mod tests {
    use super::splits_character;

    #[test]
    fn only_a_border_inside_a_character_splits_it() {
        let text = "a那é😀".as_bytes();
        let inside: Vec<_> =
            (1..text.len()).filter(|i| splits_character(&text[..*i], &text[*i..])).collect();
        assert_eq!(inside, [2, 3, 5, 7, 8, 9]);
        assert!(!splits_character(b"a", b"\x82x"));
        assert!(!splits_character(b"\xc3\xa9", b"\x82"));
    }
}
