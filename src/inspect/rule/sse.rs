//! Rules about server-sent events: what the HTML standard drops or clients trip over.

use super::{
    Family, Out, Phase, Place, Rule, Seen, Severity, cut, ours, refused, rule, unless_healthy,
};
use crate::frame::sse::{Block, Line, TrailingKind};
use crate::frame::{Framing, Kind, MAX_FRAME};
use crate::inspect::Inspection;
use crate::json::Tape;
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "sse-bom",
        means: "The body begins with a byte order mark, which the standard allows once.",
        example: "EF BB BF data: {…}⏎⏎",
        breaks: "eventsource-stream 0.2.3 panics; openai-python drops the first event in silence.",
        remedy: "Have the server write UTF-8 without the mark (a .NET StreamWriter's default).",
        evidence: "replayed against the clients, jpopesculian/eventsource-stream#10, vm0-ai/vm0#24687",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-crlf",
        means: "Lines end with CR LF, which the standard allows.",
        example: "data: {…}␍⏎␍⏎",
        breaks: "Hand-written clients that split at LF LF.",
        remedy: "Use a parser that knows all three line ends.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-cr-only",
        severity: Severity::Warn,
        means: "Lines end with CR alone, which the standard allows and hardly anybody sends.",
        example: "data: a␍␍data: b␍␍",
        breaks: "eventsource-stream loses the last event; line readers see one endless line.",
        remedy: "Have the server send LF.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-mixed-newlines",
        means: "Lines end in more than one way: two programs wrote this stream.",
        example: "data: {…}␍⏎␍⏎data: [DONE]⏎⏎",
        breaks: "Hand-written clients that settle on the first line end.",
        remedy: "Useful to see where a gateway adds its own frames.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-no-space",
        means: "No space after `data:`, which the standard allows.",
        example: "data:{\"id\":\"c1\"}⏎⏎",
        breaks: "Old parsers that look for \"data: \" with the space lose everything.",
        remedy: "Strip one optional space in the client.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-two-spaces",
        severity: Severity::Error,
        means: "More than one space after `data:`; the standard strips one, the rest is data.",
        example: "data:  [DONE]⏎⏎",
        breaks: "openai-python, openai-node, the AI SDK, LiteLLM and langchain-openai read \" [DONE]\" as JSON and fail after a complete answer.",
        remedy: "Somebody added \"data: \" to a line that began with a space: find the double framing.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-comment",
        means: "Comment lines, mostly to keep the connection alive.",
        example: ": OPENROUTER PROCESSING⏎⏎",
        breaks: "Clients that parse every block as JSON; openai-go turned the blank event into \"unexpected end of JSON input\".",
        remedy: "Skip lines that begin with a colon; do not count them as a first token.",
        evidence: "coddy-project/coddy-agent#106",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-empty-data",
        severity: Severity::Error,
        means: "An event whose data is empty: the standard dispatches it, and it is no JSON.",
        example: "data: ⏎⏎",
        breaks: "openai-python, openai-node, LiteLLM and langchain-openai die at that frame; the AI SDK reports it and goes on.",
        remedy: "Have the server keep alive with comments instead.",
        evidence: "replayed against the clients, coddy-project/coddy-agent#106",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-multiline-data",
        means: "One event's data on several data lines, which the standard joins with LF.",
        example: "data: {\"a\":⏎data: 1}⏎⏎",
        breaks: "Clients that parse line by line.",
        remedy: "Join the lines before parsing.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-missing-blank",
        severity: Severity::Fatal,
        means: "The blank line between two events is missing, so the standard joins them into one that is no JSON.",
        example: "data: {\"a\":1}⏎data: {\"b\":2}⏎⏎",
        breaks: "Every client: a JSON error (\"Extra data\") and both texts lost.",
        remedy: "Find who writes one LF instead of two; often a line-wise proxy.",
        evidence: "replayed against the clients, ggml-org/llama.cpp#14268",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-single-newline-frames",
        severity: Severity::Fatal,
        phase: Phase::End,
        means: "There is no blank line in the whole body, so by the standard it holds no event at all.",
        example: "data: {\"a\":1}⏎data: {\"b\":2}⏎data: [DONE]⏎",
        breaks: "openai-python and openai-node give no chunks and no error; LiteLLM makes up a finish \"stop\".",
        remedy: "Have the server end every event with two line ends; a println! of lines is not SSE.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-no-final-blank",
        severity: Severity::Warn,
        phase: Phase::End,
        means: "The last event has no blank line after it; the standard throws it away.",
        example: "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}⏎ EOF",
        breaks: "openai-python, openai-node, langchain-openai and eventsource-stream lose the event, and with it the finish; LiteLLM hides that with a made-up one.",
        remedy: "Have the server end the last event like the others.",
        evidence: "replayed against the clients, darshi1337/apogee#139",
        ..Rule::DEFAULT
    },
    Rule {
        code: "truncated-mid-frame",
        severity: Severity::Fatal,
        phase: Phase::End,
        means: "The body ends inside a frame.",
        example: "data: {\"id\":\"c1\",\"choi EOF",
        breaks: "openai-python and openai-node drop the piece in silence; LiteLLM makes up a finish \"stop\".",
        remedy: "Somebody closed the stream in order and too early: a gateway's byte or time limit.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-event-type-mismatch",
        severity: Severity::Warn,
        means: "The event's name and the `type` inside its JSON contradict each other.",
        example: "event: content_block_delta⏎data: {\"type\":\"message_stop\"}⏎⏎",
        breaks: "Clients differ in which of the two they believe.",
        remedy: "A gateway rewrote one of them; compare a direct call.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-id-retry",
        means: "The stream sets event ids or a reconnection time.",
        example: "id: 7⏎retry: 3000⏎data: {…}⏎⏎",
        breaks: "Clients that reconnect by the standard would send the POST, and pay, again.",
        remedy: "Never reconnect a completion; ignore both fields.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-giant-frame",
        severity: Severity::Error,
        means: "A frame that is longer than the line limit of common clients (an image, a whole reasoning trace, tool arguments).",
        example: "data: {\"choices\":[{\"delta\":{\"images\":[\"data:image/png;base64,…\"]}}]}⏎⏎",
        breaks: "aiohttp: \"Chunk too big\"; Go's bufio.Scanner: \"token too long\".",
        remedy: "Raise the client's line limit (64 KiB to 1 MiB are usual).",
        evidence: "googleapis/python-genai#2248, open-webui/open-webui#24928, SamSaffron/term-llm#347, NVIDIA/TensorRT-LLM#13952",
        ..Rule::DEFAULT
    },
    Rule {
        code: "invalid-utf8",
        severity: Severity::Error,
        means: "Bytes that are not UTF-8; event streams and JSON are UTF-8.",
        example: "data: {\"content\":\"FF FE\"}⏎⏎",
        breaks: "openai-python, LiteLLM and langchain-openai die with UnicodeDecodeError; Node replaces; eventsource-stream delivers nothing more until the end.",
        remedy: "The server cut a character between two tokens, or speaks another charset: look at the bytes.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "event-only-frame",
        means: "An event with a name and no data, which the standard does not dispatch.",
        example: "event: ping⏎⏎",
        breaks: "Nobody who follows the standard.",
        remedy: "Nothing to do; give it data if clients are to see it.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "limit-frame",
        severity: Severity::Error,
        phase: Phase::Session,
        means: "A frame is longer than this program takes in one piece (256 MiB); its bytes are kept, its content is not read.",
        example: "data: … 300 MiB without a blank line",
        breaks: "This program, and probably every client.",
        remedy: "A body that is no event stream, or one without blank lines: export it raw and look.",
        see: "It takes a frame of 256 MiB; the lab sends none as large.",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Sse {
    /// Replacements that were found in frames. The framer counts as it goes; only while its count
    /// is ahead are a frame's bytes looked at again.
    invalid: u64,
    /// The longest frame over the limit, and how many there are.
    giant: Option<(u32, u64, u64)>,
}

/// The same block, looked at by its own bytes.
pub(super) fn block<'a>(seen: &Seen<'a>) -> Block<'a> {
    let mut frame = *seen.frame;
    frame.offset = 0;
    Block::of(&frame, seen.bytes)
}

impl Family for Sse {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        if refused(now) {
            return;
        }
        let sse = now.sse();
        match sse {
            Some(sse) => {
                if sse.invalid_utf8 > self.invalid {
                    self.invalid_utf8(now, seen, out);
                }
            }
            None => self.invalid_utf8(now, seen, out),
        }
        if seen.frame.len > out.options.giant_frame && sse.is_some() {
            let (_, len, n) = self.giant.unwrap_or_default();
            let longest =
                if seen.frame.len > len { seen.index } else { self.giant.map_or(0, |g| g.0) };
            self.giant = Some((longest, len.max(seen.frame.len), n + 1));
        }
        if seen.frame.kind == Kind::Incomplete && seen.frame.len == MAX_FRAME as u64 {
            let message = format!(
                "A frame is longer than {} bytes; it is kept, not read.",
                text::group(MAX_FRAME as u64)
            );
            out.raise_once(rule!("limit-frame"), seen.place(), message);
        }
        if sse.is_none() {
            return;
        }
        if seen.index == 0 && seen.bytes.starts_with(b"\xef\xbb\xbf") {
            out.raise(rule!("sse-bom"), seen.place(), "The body begins with a byte order mark.");
        }
        match (seen.frame.kind, seen.data) {
            (Kind::Event, Some(data)) => event(seen, data, out),
            (Kind::Comment, _) => comment(seen, out),
            (Kind::Block, _) if block(seen).lines().any(|l| l.name == b"event") => {
                let name = block(seen).event().into_owned();
                let message = format!(
                    "Event \"{}\" has no data and is not dispatched.",
                    text::preview(&name, 40)
                );
                out.raise_once(rule!("event-only-frame"), seen.place(), message);
            }
            _ => {}
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if refused(now) {
            return;
        }
        let Some(sse) = now.sse() else { return };
        let ends = sse.line_endings;
        let kinds = [ends.lf, ends.crlf, ends.cr].iter().filter(|n| **n > 0).count();
        let nowhere = Place::default();
        if kinds > 1 {
            let message = format!(
                "Lines end in more than one way: {} LF, {} CR LF, {} CR.",
                ends.lf, ends.crlf, ends.cr
            );
            out.raise(rule!("sse-mixed-newlines"), nowhere, message);
        } else if ends.crlf > 0 {
            out.raise(
                rule!("sse-crlf"),
                nowhere,
                format!("All {} lines end with CR LF.", ends.crlf),
            );
        } else if ends.cr > 0 {
            let severity = unless_healthy(now, Severity::Warn);
            let message = format!("All {} lines end with CR alone.", ends.cr);
            out.raise_as(rule!("sse-cr-only"), severity, nowhere, message);
        }
        if !sse.final_id().is_empty() || sse.final_retry.is_some() {
            let message = format!(
                "The stream sets {}.",
                match &sse.final_retry {
                    Some(ms) => format!("a reconnection time of {} ms", text::preview(ms, 20)),
                    None =>
                        format!("event ids, the last is \"{}\"", text::preview(sse.final_id(), 40)),
                }
            );
            out.raise(rule!("sse-id-retry"), nowhere, message);
        }
        if sse.comments.total() > 0 && out.tally.of("sse-comment") == 0 {
            let first = text::preview(&sse.comments.items[0], 40);
            out.raise(
                rule!("sse-comment"),
                nowhere,
                format!("Comments stand inside events: \"{first}\"."),
            );
        }
        if let Some((index, len, n)) = self.giant {
            let severity = unless_healthy(now, Severity::Error);
            let place = Place {
                frame: Some(index),
                offset: now.frames().get(index as usize).map(|f| f.offset),
            };
            let more =
                if n > 1 { format!(" ({n} frames are over the limit)") } else { String::new() };
            let message = format!("Frame {index} is {} bytes long{more}.", text::group(len));
            out.raise_as(rule!("sse-giant-frame"), severity, place, message);
        }
        tail(now, out);
    }
}

impl Sse {
    fn invalid_utf8(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        // What could not be decompressed is no text.
        if seen.frame.kind == Kind::Incomplete && now.coding_error.is_some() {
            return;
        }
        // Of binary messages only the payload is text.
        let (from, text) = match seen.frame.data_span() {
            _ if now.framing() != Some(Framing::EventStream) => (0, seen.bytes),
            Some(span) => {
                let from = span.start - seen.frame.offset as usize;
                (from, seen.bytes.get(from..from + span.len()).unwrap_or_default())
            }
            None => return,
        };
        let Err(error) = std::str::from_utf8(text) else { return };
        let here = text.utf8_chunks().filter(|c| !c.invalid().is_empty()).count() as u64;
        self.invalid += here;
        let at = from + error.valid_up_to();
        // A cut at the very end of the body is the cut's fault.
        if seen.frame.kind == Kind::Incomplete && error.error_len().is_none() {
            return;
        }
        let bytes: Vec<_> = seen.bytes[at..].iter().take(4).map(|b| format!("{b:02x}")).collect();
        let place = Place { frame: Some(seen.index), offset: Some(seen.frame.offset + at as u64) };
        let message =
            format!("Frame {} has bytes that are not UTF-8 ({}…).", seen.index, bytes.join(" "));
        out.raise(rule!("invalid-utf8"), place, message);
    }
}

fn event(seen: &Seen<'_>, data: &str, out: &mut Out<'_>) {
    if let Some(span) = seen.frame.data_span() {
        let at = span.start - seen.frame.offset as usize;
        if !data.is_empty() && at > 0 && seen.bytes[at - 1] == b':' {
            out.raise_once(rule!("sse-no-space"), seen.place(), "No space follows \"data:\".");
        }
    } else if seen.json_error.is_some() {
        let payload = |l: &Line<'_>| {
            l.name == b"data" && (l.value.starts_with(b"{") || l.value.starts_with(b"[DONE]"))
        };
        let lines = block(seen).lines().filter(payload).count();
        if lines > 1 {
            let message = format!(
                "No blank line between {lines} events: the standard makes one of them, which is no JSON."
            );
            out.raise(rule!("sse-missing-blank"), seen.place(), message);
        }
    } else if seen.json.is_some() {
        out.raise_once(
            rule!("sse-multiline-data"),
            seen.place(),
            "An event's data stands on several lines.",
        );
    }
    if data.starts_with(' ') && !data.trim().is_empty() {
        if data.trim_start().starts_with("[DONE]") {
            let message = "Two spaces before [DONE]: clients read \" [DONE]\" as JSON and fail after a complete answer.";
            out.raise(rule!("sse-two-spaces"), seen.place(), message);
        } else if out.tally.of("sse-two-spaces") == 0 {
            let message = "More than one space follows \"data:\"; JSON parsers skip it.";
            out.raise_as(rule!("sse-two-spaces"), Severity::Info, seen.place(), message);
        }
    }
    if data.trim().is_empty() {
        if seen.event == "message" {
            let message = format!("Frame {} is an event with empty data.", seen.index);
            out.raise(rule!("sse-empty-data"), seen.place(), message);
        } else {
            let message = format!("Event \"{}\" has empty data.", text::preview(seen.event, 40));
            out.raise_as(rule!("sse-empty-data"), Severity::Info, seen.place(), message);
        }
    }
    if !matches!(seen.event, "message" | "error")
        && let Some(kind) = seen.json.and_then(|j| j.str("type"))
        && kind != seen.event
    {
        let (name, kind) = (text::preview(seen.event, 40), text::preview(&kind, 40));
        let message = format!("The event is named \"{name}\", its JSON says type \"{kind}\".");
        out.raise_once(rule!("sse-event-type-mismatch"), seen.place(), message);
    }
}

fn comment(seen: &Seen<'_>, out: &mut Out<'_>) {
    if out.tally.of("sse-comment") > 0 {
        return;
    }
    let first = block(seen).lines().next().map(|l| String::from_utf8_lossy(l.value).into_owned());
    let message = format!(
        "Comments come between the events: \"{}\".",
        text::preview(&first.unwrap_or_default(), 40)
    );
    out.raise_once(rule!("sse-comment"), seen.place(), message);
}

/// What follows the last blank line.
fn tail(now: &Inspection, out: &mut Out<'_>) {
    let Some((index, frame)) = now.frames().iter().enumerate().next_back() else { return };
    let kind = now.sse().map_or(TrailingKind::None, |s| s.trailing.kind);
    let left = matches!(kind, TrailingKind::Fields | TrailingKind::PartialLine);
    if !left || frame.kind != Kind::Incomplete || ours(now) || now.coding_error.is_some() {
        return;
    }
    // After [DONE] it belongs to nothing (`bytes-after-end`); told already, it needs no second name.
    let told = ["sse-raw-json", "sse-unknown-field"];
    let told = now.answer().sentinel.is_some()
        || out.tally.of("wrong-content-type") > 0
        || out.findings.iter().any(|f| f.frame == Some(index as u32) && told.contains(&f.code()));
    if told {
        return;
    }
    let place = Place { frame: Some(index as u32), offset: Some(frame.offset) };
    let block = Block::of(frame, now.body());
    let lines = block.lines().filter(|l| l.name == b"data").count();
    let data = block.data();
    let last = data.rsplit('\n').next().unwrap_or_default();
    let complete = last.starts_with("[DONE]") || Tape::new().parse(last).is_ok();
    let events = now.frames().iter().any(|f| f.kind == Kind::Event);
    if cut(now) {
        let message =
            format!("The cut is inside frame {index}, {} into it.", text::count(frame.len, "byte"));
        out.raise_as(rule!("truncated-mid-frame"), Severity::Info, place, message);
    } else if !events && lines > 1 {
        let message = format!(
            "{lines} data lines and no blank line anywhere: by the standard not one event came."
        );
        out.raise(rule!("sse-single-newline-frames"), place, message);
    } else if complete {
        let (what, severity) = if last.starts_with("[DONE]") {
            // Whoever has the finish misses nothing.
            let finished = now.answer().finished();
            ("[DONE]", if finished { Severity::Info } else { Severity::Warn })
        } else {
            ("the last event", Severity::Warn)
        };
        let message = format!("No blank line follows {what}: the standard drops it.");
        out.raise_as(rule!("sse-no-final-blank"), severity, place, message);
    } else {
        let bytes = frame.bytes(now.body());
        let ends =
            text::visible_bytes(&bytes[bytes.len().saturating_sub(24)..], text::Newlines::Show)
                .into_owned();
        let message = format!("The body ends inside frame {index}, after `{ends}`.");
        out.raise(rule!("truncated-mid-frame"), place, message);
    }
}
