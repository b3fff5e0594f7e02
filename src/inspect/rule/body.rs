//! Rules about the transport of the body: where it ends, how it is cut, what codes it.

use super::connect::said;
use super::{Family, Out, Phase, Place, Rule, Severity, refused, rule};
use crate::frame::{Frame, Framing, Kind};
use crate::inspect::Inspection;
use crate::journal::EndCause;
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "truncated-chunked",
        severity: Severity::Fatal,
        phase: Phase::Body,
        means: "The connection was closed before the chunked body's last chunk: the answer is cut.",
        example: "…data: {…}⏎⏎ FIN, and no 0⏎⏎",
        breaks: "LiteLLM 1.81 loses the text already sent and makes up finish \"stop\"; its proxy 1.85 ends the cut text with \"stop\" and [DONE]; openai-python reports a connection error.",
        remedy: "Find who closed: the provider, or a gateway whose own timeout ran out. Compare a direct call.",
        evidence: "replayed against the clients, bytedance/deer-flow#1923, preloop/preloop#117",
        ..Rule::DEFAULT
    },
    Rule {
        code: "truncated-chunked-conn-close",
        severity: Severity::Fatal,
        phase: Phase::Body,
        means: "A chunked body was cut, and the head said Connection: close, which lets Node take the cut for the end.",
        example: "Connection: close⏎Transfer-Encoding: chunked⏎ … FIN, and no 0⏎⏎",
        breaks: "Node's fetch accepts the body as complete: openai-node ends without an error. reqwest always errs.",
        remedy: "As for truncated-chunked; do not trust a Node client's success here, look for finish and [DONE].",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "content-length-short",
        severity: Severity::Error,
        phase: Phase::Body,
        means: "The body ended before the length that its head announced.",
        example: "Content-Length: 5000⏎ … 503 bytes, FIN",
        breaks: "openai-node throws \"terminated\"; openai-python stops at [DONE] and never notices; LiteLLM 1.81 loses all text.",
        remedy: "A proxy that rewrote the body and kept the length, or a server that died: compare a direct call.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "connection-reset",
        severity: Severity::Fatal,
        phase: Phase::Body,
        means: "The connection was reset while the answer was coming.",
        example: "…data: {…}⏎⏎ RST",
        breaks: "LiteLLM 1.81 and its proxy 1.85 make up finish \"stop\"; openai-python errs; Node as with a cut body.",
        remedy: "A reset comes from a crash, a load balancer's idle limit or a firewall: look at the time since the last byte.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http2-goaway",
        severity: Severity::Error,
        phase: Phase::Body,
        means: "The server ended the whole HTTP/2 connection while this stream was open.",
        example: "GOAWAY(last_stream_id=1, INTERNAL_ERROR)",
        breaks: "Node reports NGHTTP2_INTERNAL_ERROR; others a broken connection.",
        remedy: "Usually a deploy or a drained load balancer: repeat it; if it repeats, try --http1.",
        evidence: "nodejs/node#55888",
        see: "The lab speaks HTTP/1.1 only: it needs an HTTP/2 server that is shut down while it streams.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http2-reset",
        severity: Severity::Error,
        phase: Phase::Body,
        means: "The server reset this HTTP/2 stream in the middle of the body.",
        example: "RST_STREAM(INTERNAL_ERROR)",
        breaks: "In dialects without a sentinel (Gemini) the cut text can pass as complete.",
        remedy: "The error code names the side that gave up; try --http1 to see whether the HTTP/2 hop is at fault.",
        evidence: "SamSaffron/term-llm#954",
        see: "The lab speaks HTTP/1.1 only: it needs an HTTP/2 server or gateway whose upstream fails while it streams.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "bad-chunk-size",
        severity: Severity::Error,
        phase: Phase::Body,
        means: "A chunk of the chunked body does not begin with a hexadecimal size.",
        example: "ZZ⏎data: {…}",
        breaks: "Every client errs at this byte.",
        remedy: "The server or a middleware writes its own chunk headers, or counts them wrong.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "body-protocol-error",
        severity: Severity::Error,
        phase: Phase::Body,
        means: "The body broke the rules of HTTP in another way than those with a name of their own.",
        example: "trailers after an HTTP/2 END_STREAM",
        breaks: "Every client.",
        remedy: "The library's words say which rule; try --http1 or --http2 to change the hop.",
        see: "What the lab can break in HTTP/1.1 has codes of its own; the rest is HTTP/2's, which it does not speak.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "eof-delimited",
        phase: Phase::Body,
        means: "The body has neither a length nor chunks: it ends where the connection ends, so a cut cannot be told from an end.",
        example: "HTTP/1.1 200 OK⏎Content-Type: text/event-stream⏎⏎data: … FIN",
        breaks: "Nobody by itself; but only [DONE] and the finish reason tell a client that all came.",
        remedy: "Rely on finish and [DONE]; have the server use chunked coding.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "bad-content-encoding",
        severity: Severity::Error,
        phase: Phase::Body,
        means: "The body is not coded as its Content-Encoding header says.",
        example: "Content-Encoding: gzip⏎⏎data: {…}⏎⏎",
        breaks: "openai-node and the AI SDK hang; openai-python and reqwest fail at once.",
        remedy: "A proxy copied the header and not the coding, or undid it: switch compression off for streams.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "bytes-after-end",
        phase: Phase::End,
        means: "After [DONE] there came more that is no part of the answer.",
        example: "data: [DONE]⏎⏎data: {\"usage\":…}⏎⏎",
        breaks: "Most clients stop reading at [DONE] and never see it.",
        remedy: "Harmless unless something is missing that should have come before.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "frame-split-across-reads",
        phase: Phase::Body,
        reads: true,
        means: "One frame came in more than one read. That is how TCP works.",
        example: "data: {\"choi | ces\":[…]}⏎⏎",
        breaks: "Clients that parse each read by itself.",
        remedy: "Buffer up to the blank line in the client; the server does nothing wrong.",
        evidence: "jtsang4/claude-to-chatgpt#22, elastic/kibana#217990",
        ..Rule::DEFAULT
    },
    Rule {
        code: "utf8-split",
        phase: Phase::Body,
        reads: true,
        means: "A read ended inside a character. That is how TCP works.",
        example: "E9 | 82 A3",
        breaks: "Clients that decode each read by itself put U+FFFD into the text: the most repeated bug of Rust LLM clients; one project found 34 of 228 stored answers damaged.",
        remedy: "Decode whole lines, or use an incremental decoder; the server does nothing wrong.",
        evidence: "librefang/librefang#3448, api7/aisix#111, astrid-runtime/astrid#171, deeplethe/utopia#764, mrpulor-gh/nuphus#41, vllm-project/vllm#38732",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Body {
    /// How many frames the reads so far completed.
    frames: usize,
}

impl Family for Body {
    fn read(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let first = std::mem::replace(&mut self.frames, now.frames().len());
        // The pieces of a bare body are this program's own.
        if now.told.is_some() {
            return;
        }
        let [.., before, _] = now.reads() else { return };
        let cut = before.decoded;
        // What waited for the framing to be certain came before, whole or in pieces.
        let reads = |f: &Frame| if f.offset < cut { now.reads_of(f).len() } else { 1 };
        let done = now.frames()[first..].iter().map(|f| (f, reads(f)));
        if let Some((index, (frame, reads))) = (first..).zip(done).find(|(_, (_, n))| *n > 1) {
            let place = Place { frame: Some(index as u32), offset: Some(frame.offset) };
            out.raise_once(
                rule!("frame-split-across-reads"),
                place,
                format!("Frame {index} came in {reads} reads."),
            );
        }
        let (head, tail) = now.body().split_at((cut as usize).min(now.body().len()));
        // Between the texts of binary messages any byte may look like part of a character.
        if now.framing() != Some(Framing::EventStream) && splits_character(head, tail) {
            let place = Place { frame: Some(first as u32), offset: Some(cut) };
            let place =
                if first < now.frames().len() { place } else { Place { frame: None, ..place } };
            out.raise_once(
                rule!("utf8-split"),
                place,
                format!("A read ended inside a character, before byte {cut} of the body."),
            );
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        transport(now, out);
        let cut = super::cut(now);
        if let Some(why) = now.coding_error.as_ref().filter(|_| !cut && !super::ours(now)) {
            let name = now.coding().map_or("?", |c| c.name());
            out.raise(
                rule!("bad-content-encoding"),
                Place::default(),
                format!(
                    "Content-Encoding: {} could not be undone: {}.",
                    text::preview(name, 40),
                    text::preview(why, 120)
                ),
            );
        }
        after_end(now, out);
    }
}

/// Whether the border of two reads lies inside a character: continuation bytes after it, and a
/// lead byte not far before it that wants them.
fn splits_character(head: &[u8], tail: &[u8]) -> bool {
    if !tail.first().is_some_and(|b| (0x80..0xc0).contains(b)) {
        return false;
    }
    let lead = head.iter().rev().take(3).position(|b| *b >= 0xc0);
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

fn transport(now: &Inspection, out: &mut Out<'_>) {
    let Some((cause, detail)) = &now.end else { return };
    let words = said(detail);
    let place = Place { frame: None, offset: Some(now.body().len() as u64) };
    let got = text::count(now.wire_len(), "byte");
    let header = |name: &str| now.head.as_ref().and_then(|h| h.header(name));
    let lower = detail.to_ascii_lowercase();
    let http2 = now.head.as_ref().is_some_and(|h| h.version.starts_with("HTTP/2"))
        || lower.contains("http2");
    // What was sent before the cut may be all there was: then nothing is lost.
    let whole = now.answer().sentinel.is_some() && now.answer().finished();
    let grave = |rule: &Rule| if whole { rule.severity.min(Severity::Warn) } else { rule.severity };
    let after = if whole { ", though [DONE] had come" } else { "" };
    let (rule, message) = match cause {
        EndCause::Closed if !refused(now) && now.wire_len() > 0 => (
            rule!("eof-delimited"),
            "The body ends where the connection ends: nothing announced its length.".to_owned(),
        ),
        _ if now.head.is_none() && *cause == EndCause::Reset => {
            let message = format!("The connection was reset before any answer{words}.");
            return out.raise_as(
                rule!("connection-reset"),
                Severity::Error,
                Place::default(),
                message,
            );
        }
        _ if now.head.is_none() => return,
        EndCause::Protocol if lower.contains("chunk") => (
            rule!("bad-chunk-size"),
            format!("After {got} of body a chunk has no valid size{words}."),
        ),
        EndCause::Reset | EndCause::Protocol | EndCause::Truncated
            if http2
                && (lower.contains("goaway") || lower.contains("connection error received")) =>
        {
            (
                rule!("http2-goaway"),
                format!("The server ended the HTTP/2 connection after {got}{after}{words}."),
            )
        }
        EndCause::Reset | EndCause::Protocol
            if http2 && *cause == EndCause::Reset || lower.contains("stream error") =>
        {
            (
                rule!("http2-reset"),
                format!("The server reset the HTTP/2 stream after {got}{after}{words}."),
            )
        }
        EndCause::Protocol => (
            rule!("body-protocol-error"),
            format!("The body broke the rules of HTTP after {got}{words}."),
        ),
        EndCause::Reset => (
            rule!("connection-reset"),
            format!("The connection was reset after {got} of body{after}{words}."),
        ),
        EndCause::Truncated if http2 => {
            (rule!("http2-reset"), format!("The HTTP/2 stream was cut after {got}{after}{words}."))
        }
        EndCause::Truncated => match header("content-length") {
            Some(length) => (
                rule!("content-length-short"),
                format!(
                    "The head announced {} bytes, and {} came{after}.",
                    text::preview(length, 20),
                    now.wire_len()
                ),
            ),
            None if header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close")) => (
                rule!("truncated-chunked-conn-close"),
                format!(
                    "The chunked body was cut after {got}{after}, and Connection: close lets Node take that for the end."
                ),
            ),
            None => (
                rule!("truncated-chunked"),
                format!(
                    "The connection was closed inside the chunked body, after {got}{after}{words}."
                ),
            ),
        },
        _ => return,
    };
    out.raise_as(rule, grave(rule), place, message);
}

/// What follows `[DONE]` and is not the answer's text (that is `done-early`).
fn after_end(now: &Inspection, out: &mut Out<'_>) {
    let Some(done) = now.answer().sentinel else { return };
    if now.answer().deltas().last().is_some_and(|d| d.frame > done) {
        return;
    }
    let body = now.body();
    let odd = now.frames().iter().enumerate().skip(done as usize + 1).find(|(_, f)| match f.kind {
        Kind::Comment => false,
        Kind::Event => f.data(body).is_none_or(|d| !d.starts_with("[DONE]")),
        _ => f.bytes(body).iter().any(|b| !b.is_ascii_whitespace()),
    });
    if let Some((index, frame)) = odd {
        let bytes = body.len() as u64 - frame.offset;
        out.raise(
            rule!("bytes-after-end"),
            Place { frame: Some(index as u32), offset: Some(frame.offset) },
            format!("{} came after [DONE].", text::count(bytes, "byte")),
        );
    }
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
