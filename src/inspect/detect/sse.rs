//! Rules about server-sent events: what the HTML standard drops or clients trip over.

use super::{
    Code, Detector, FindingPlace, Findings, FrameView, Severity, allowed, cut, ours, refused, tail,
};
use crate::dialect::{Confidence, Payload};
use crate::frame::sse::{Sse, SseBlock, SseLine, TrailingKind};
use crate::frame::{Frame, FrameKind, Framing, MAX_FRAME};
use crate::inspect::Facts;
use crate::json::Tape;
use crate::text;

#[derive(Default)]
pub(super) struct SseDetector {
    /// Replacements that were found in frames. The framer counts as it goes; only while its count
    /// is ahead are a frame's bytes looked at again.
    invalid: u64,
    /// The longest frame over the limit, and how many there are.
    giant: Option<(u32, u64, u64)>,
    /// Events with an id and empty data, before the dialect is certain: in some they are right.
    empty: Vec<FindingPlace>,
}

/// The same block, looked at by its own bytes.
pub(super) fn block<'a>(view: &FrameView<'a>) -> SseBlock<'a> {
    let mut frame = *view.frame;
    frame.offset = 0;
    SseBlock::of(&frame, view.bytes)
}

impl Detector for SseDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        let sse = facts.sse();
        match sse {
            Some(sse) => {
                if sse.invalid_utf8 > self.invalid {
                    self.invalid_utf8(facts, view, findings);
                }
            }
            None => self.invalid_utf8(facts, view, findings),
        }
        if view.frame.len > findings.options.giant_frame && sse.is_some() {
            let (_, len, n) = self.giant.unwrap_or_default();
            let longest =
                if view.frame.len > len { view.index } else { self.giant.map_or(0, |g| g.0) };
            self.giant = Some((longest, len.max(view.frame.len), n + 1));
        }
        if view.frame.kind == FrameKind::Incomplete && view.frame.len == MAX_FRAME as u64 {
            let message = format!(
                "A frame is longer than {} bytes; it is kept, not parsed",
                text::group(MAX_FRAME as u64)
            );
            findings.raise_once(Code::LimitFrame, view.place(), message);
        }
        if sse.is_none() {
            return;
        }
        if view.index == 0 && view.bytes.starts_with(b"\xef\xbb\xbf") {
            findings.raise(Code::SseBom, view.place(), "The body begins with a byte order mark");
        }
        match (view.frame.kind, view.data) {
            (FrameKind::Event, Some(data)) => self.event(facts, view, data, findings),
            (FrameKind::Comment, _) => comment(view, findings),
            (FrameKind::Block, _) if block(view).lines().any(|l| l.name == b"event") => {
                let name = block(view).event().into_owned();
                let message = format!(
                    "Event \"{}\" has no data and is not dispatched",
                    text::preview(&name, 40)
                );
                findings.raise_once(Code::EventOnlyFrame, view.place(), message);
            }
            _ => {}
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        let Some(sse) = facts.sse() else { return };
        let right = facts.dialect().is_some_and(|d| {
            let (kind, event) = (FrameKind::Event, "message");
            d.allows(&Payload { kind, event, data: "", json: None, id: None })
        });
        for place in std::mem::take(&mut self.empty) {
            if !right {
                empty_data(place, findings);
            }
        }
        line_ends(sse, findings);
        ids(sse, findings);
        if sse.comments.total() > 0 && findings.tally.of(Code::SseComment) == 0 {
            let first = text::preview(&sse.comments.items[0], 40);
            findings.raise(
                Code::SseComment,
                FindingPlace::default(),
                format!("Comments inside events: \"{first}\""),
            );
        }
        if let Some(giant) = self.giant {
            giant_frame(facts, giant, findings);
        }
        after_last_blank(facts, findings);
    }
}

impl SseDetector {
    fn event(&mut self, facts: &Facts, view: &FrameView<'_>, data: &str, findings: &mut Findings) {
        event(facts, view, data, findings);
        if !data.trim().is_empty() || view.event != "message" {
            return;
        }
        let settled = facts.recognized().is_some_and(|f| f.sign.confidence == Confidence::Certain)
            || !facts.dialect_is_guessed();
        let has_id = block(view).lines().any(|l| l.name == b"id");
        if has_id && !settled && self.empty.len() < MAX_EMPTY {
            self.empty.push(view.place());
        } else if !(allowed(facts, view) && settled) {
            empty_data(view.place(), findings);
        }
    }

    fn invalid_utf8(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        // Bytes that could not be decompressed are not text.
        if view.frame.kind == FrameKind::Incomplete && facts.coding_error.is_some() {
            return;
        }
        // In binary messages only the payload is text.
        let (from, text) = match view.frame.data_span() {
            _ if facts.framing() != Some(Framing::EventStream) => (0, view.bytes),
            Some(span) => {
                let from = span.start - view.frame.offset as usize;
                (from, view.bytes.get(from..from + span.len()).unwrap_or_default())
            }
            None => return,
        };
        let Err(error) = std::str::from_utf8(text) else { return };
        let here = text.utf8_chunks().filter(|c| !c.invalid().is_empty()).count() as u64;
        self.invalid += here;
        let at = from + error.valid_up_to();
        // A character cut at the very end of the body is due to the truncation.
        if view.frame.kind == FrameKind::Incomplete && error.error_len().is_none() {
            return;
        }
        // Bytes after the end are reported as `bytes-after-end`.
        if view.frame.kind == FrameKind::Incomplete
            && (facts.answer().sentinel.is_some() || facts.answer().terminal.is_some())
        {
            return;
        }
        let bytes: Vec<_> = view.bytes[at..].iter().take(4).map(|b| format!("{b:02x}")).collect();
        let place =
            FindingPlace { frame: Some(view.index), offset: Some(view.frame.offset + at as u64) };
        let message =
            format!("Frame {} has bytes that are not UTF-8 ({}…)", view.index, bytes.join(" "));
        findings.raise(Code::InvalidUtf8, place, message);
    }
}

/// Dialects with named events whose JSON has a `type` of something else.
const TYPES_APART: &[&str] = &["coze", "langgraph", "langserve", "openai-assistants", "replicate"];

/// Maximum number of events with empty data that wait to be judged.
const MAX_EMPTY: usize = 100;

fn empty_data(place: FindingPlace, findings: &mut Findings) {
    let frame = place.frame.unwrap_or_default();
    let message = format!("Frame {frame} is an event with empty data");
    findings.raise(Code::SseEmptyData, place, message);
}

fn event(facts: &Facts, view: &FrameView<'_>, data: &str, findings: &mut Findings) {
    if let Some(span) = view.frame.data_span() {
        let at = span.start - view.frame.offset as usize;
        if !data.is_empty() && at > 0 && view.bytes[at - 1] == b':' {
            findings.raise_once(Code::SseNoSpace, view.place(), "No space after \"data:\"");
        }
    } else if allowed(facts, view) {
        // Text may have as many lines as it likes.
    } else if view.json_error.is_some() {
        let payload = |l: &SseLine<'_>| {
            l.name == b"data" && (l.value.starts_with(b"{") || l.value.starts_with(b"[DONE]"))
        };
        let lines = block(view).lines().filter(payload).count();
        if lines > 1 {
            let message = format!(
                "No blank line between {lines} events: parsers read one event, which is not JSON"
            );
            findings.raise(Code::SseMissingBlank, view.place(), message);
        }
    } else if view.json.is_some() {
        findings.raise_once(
            Code::SseMultilineData,
            view.place(),
            "The data of an event spans several lines",
        );
    }
    if data.starts_with(' ') && !data.trim().is_empty() {
        if data.trim_start().starts_with("[DONE]") {
            let message = "Two spaces before [DONE]: clients parse \" [DONE]\" as JSON and fail";
            findings.raise(Code::SseTwoSpaces, view.place(), message);
        } else if findings.tally.of(Code::SseTwoSpaces) == 0 {
            let message = "More than one space after \"data:\"; JSON parsers skip it";
            findings.raise_as(Code::SseTwoSpaces, Severity::Info, view.place(), message);
        }
    }
    if data.trim().is_empty() && view.event != "message" && !allowed(facts, view) {
        let message = format!("Event \"{}\" has empty data", text::preview(view.event, 40));
        // OpenAI's SDKs parse the data of every event; other SDKs check the event name first.
        let parsed = facts.dialect().is_some_and(|d| d.name().starts_with("openai-"));
        let severity = if parsed { Code::SseEmptyData.severity() } else { Severity::Info };
        findings.raise_as(Code::SseEmptyData, severity, view.place(), message);
    }
    if facts.dialect().is_some_and(|d| !TYPES_APART.contains(&d.name()))
        && !matches!(view.event, "message" | "error")
        && let Some(kind) = view.json.and_then(|j| j.str("type"))
        && kind != view.event
    {
        let (name, kind) = (text::preview(view.event, 40), text::preview(&kind, 40));
        let message = format!("Event is named \"{name}\", but its JSON says type \"{kind}\"");
        findings.raise_once(Code::SseEventTypeMismatch, view.place(), message);
    }
}

fn comment(view: &FrameView<'_>, findings: &mut Findings) {
    if findings.tally.of(Code::SseComment) > 0 {
        return;
    }
    let first = block(view).lines().next().map(|l| String::from_utf8_lossy(l.value).into_owned());
    let message =
        format!("Comments between events: \"{}\"", text::preview(&first.unwrap_or_default(), 40));
    findings.raise_once(Code::SseComment, view.place(), message);
}

/// Line ends other than LF.
fn line_ends(sse: &Sse, findings: &mut Findings) {
    let ends = sse.line_endings;
    let kinds = [ends.lf, ends.crlf, ends.cr].iter().filter(|n| **n > 0).count();
    let (code, message) = if kinds > 1 {
        let message =
            format!("Mixed line endings: {} LF, {} CR LF, {} CR", ends.lf, ends.crlf, ends.cr);
        (Code::SseMixedNewlines, message)
    } else if ends.crlf > 0 {
        (Code::SseCrlf, format!("All {} lines end with CR LF", ends.crlf))
    } else if ends.cr > 0 {
        (Code::SseCrOnly, format!("All {} lines end with CR alone", ends.cr))
    } else {
        return;
    };
    findings.raise(code, FindingPlace::default(), message);
}

/// Ids of events, or a time to wait before connecting again.
fn ids(sse: &Sse, findings: &mut Findings) {
    if sse.final_id().is_empty() && sse.final_retry.is_none() {
        return;
    }
    let what = match &sse.final_retry {
        Some(ms) => format!("a reconnection time of {} ms", text::preview(ms, 20)),
        None => format!("event ids, the last is \"{}\"", text::preview(sse.final_id(), 40)),
    };
    findings.raise(Code::SseIdRetry, FindingPlace::default(), format!("The stream sets {what}"));
}

/// Frames over the limit: the longest, its length, and how many there are.
fn giant_frame(facts: &Facts, (index, len, n): (u32, u64, u64), findings: &mut Findings) {
    // Clients whose limit is that large receive the whole frame.
    let severity = match len {
        _ if !facts.is_healthy() => Severity::Error,
        // aiohttp, and google-genai over it, stop at a line longer than this.
        131_073.. => Severity::Warn,
        _ => Severity::Info,
    };
    let place = FindingPlace {
        frame: Some(index),
        offset: facts.frames().get(index as usize).map(|f| f.offset),
    };
    let more = if n > 1 { format!(" ({n} frames are over the limit)") } else { String::new() };
    let message = format!("Frame {index} is {} bytes long{more}", text::group(len));
    findings.raise_as(Code::SseGiantFrame, severity, place, message);
}

/// Reports what follows the last blank line.
fn after_last_blank(facts: &Facts, findings: &mut Findings) {
    let Some((index, frame)) = facts.frames().iter().enumerate().next_back() else { return };
    let kind = facts.sse().map_or(TrailingKind::None, |s| s.trailing.kind);
    let left = matches!(kind, TrailingKind::Fields | TrailingKind::PartialLine);
    if !left || frame.kind != FrameKind::Incomplete || ours(facts) || facts.coding_error.is_some() {
        return;
    }
    if is_named(facts, index as u32, findings) {
        return;
    }
    let place = FindingPlace { frame: Some(index as u32), offset: Some(frame.offset) };
    let block = SseBlock::of(&frame, facts.body());
    let lines = block.lines().filter(|l| l.name == b"data").count();
    let data = block.data();
    let last = data.rsplit('\n').next().unwrap_or_default();
    let complete = last.starts_with("[DONE]") || Tape::new().parse(last).is_ok();
    let events = facts.frames().iter().any(|f| f.kind == FrameKind::Event);
    if cut(facts) {
        let (into, inside) = (text::count(frame.len, "byte"), tail::place_of(facts, &frame));
        let message = format!("Truncated inside frame {index}, {into} into it, {inside}");
        findings.raise_as(Code::TruncatedMidFrame, Severity::Info, place, message);
    } else if !events && lines > 1 {
        let message = format!("{lines} data lines without any blank line: no event is dispatched");
        findings.raise(Code::SseSingleNewlineFrames, place, message);
    } else if complete {
        no_final_blank(facts, &frame, last.starts_with("[DONE]"), place, findings);
    } else {
        let message = match tail::prose(facts, &frame) {
            Some(words) => {
                format!("Text that is no event ends the stream (frame {index}): \"{words}\"")
            }
            None => {
                let inside = tail::place_of(facts, &frame);
                let ends = tail::last_bytes(facts, &frame);
                format!("Body ends in frame {index}, {inside}, after `{ends}`")
            }
        };
        findings.raise(Code::TruncatedMidFrame, place, message);
    }
}

/// Returns whether what is left at the end has been reported. After the end it belongs to nothing
/// (`bytes-after-end`), and what another finding names needs no second one.
fn is_named(facts: &Facts, index: u32, findings: &Findings) -> bool {
    let names = [Code::SseRawJson, Code::SseUnknownField];
    facts.answer().sentinel.is_some()
        || facts.answer().terminal.is_some()
        || findings.tally.of(Code::WrongContentType) > 0
        || findings.list.iter().any(|f| f.frame == Some(index) && names.contains(&f.code))
}

/// A last event that is complete but for its blank line.
fn no_final_blank(
    facts: &Facts,
    frame: &Frame,
    is_done: bool,
    place: FindingPlace,
    findings: &mut Findings,
) {
    let (message, severity) = match tail::unfinished_event(facts, frame).1 {
        // The reason for the failure is lost as well.
        Some(error) => {
            let error = text::preview(&error, 160);
            let message = format!(
                "The last event is an error without a blank line, which parsers drop: \"{error}\""
            );
            (message, Severity::Error)
        }
        None => {
            let what = if is_done { "[DONE]" } else { "the last event" };
            // A client that has the finish misses nothing.
            let severity = match is_done && facts.answer().finished() {
                true => Severity::Info,
                false => Severity::Warn,
            };
            (format!("No blank line after {what}: parsers drop it"), severity)
        }
    };
    findings.raise_as(Code::SseNoFinalBlank, severity, place, message);
}
