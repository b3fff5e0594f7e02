//! Server-sent events → frames, against the SSE parsers of the ecosystem on the same reads.
//!
//! The floor is what no parser that keeps the body can do without: a scan for the blank lines, and a
//! copy. The framer keeps every byte, comment, offset and tail on top; a peer keeps an event at a
//! time. The body's memory is warm for the floor and for the framer alike, as the memory that a peer
//! fills again and again is.
//!
//! `cargo bench --bench framing --no-default-features --features core`

use bytes::Bytes;
use eventsource_stream::Eventsource as _;
use sselens::frame::{FrameKind, Framer, Frames, Hint};

mod support;
use support::{Contender, compare, drain};

/// One event of about 270 bytes, as Chat Completions sends them.
fn chat(i: usize) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQr\",\"object\":\"chat.completion.chunk\",\"created\":\
         1795251234,\"model\":\"gpt-4.1-mini-2025-04-14\",\"system_fingerprint\":\"fp_012345\",\"choices\":\
         [{{\"index\":0,\"delta\":{{\"content\":\" word{i:05}\"}},\"logprobs\":null,\"finish_reason\":null}}],\
         \"usage\":null}}\n\n"
    )
}

fn anthropic(i: usize) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":\
         {{\"type\":\"text_delta\",\"text\":\" word{i:05}\"}}}}\n\n"
    )
}

/// One event of 64 KiB, as one that restates the whole answer.
fn large(i: usize) -> String {
    format!("data: {{\"text\":\"{i:05}{}\"}}\n\n", "lorem ipsum ".repeat(5460))
}

/// `events` of a kind, cut into reads of `size` bytes; 0 for a read each.
fn reads(event: fn(usize) -> String, events: usize, size: usize) -> Vec<Bytes> {
    let events: Vec<Bytes> = (0..events).map(|i| Bytes::from(event(i))).collect();
    if size == 0 {
        return events;
    }
    let body = Bytes::from(events.concat());
    (0..body.len()).step_by(size).map(|at| body.slice(at..body.len().min(at + size))).collect()
}

fn floor(reads: &[Bytes], body: &mut Vec<u8>) -> usize {
    body.clear();
    let (mut events, mut from) = (0, 0);
    for read in reads {
        body.extend_from_slice(read);
        while let Some(i) = memchr::memchr(b'\n', &body[from..]) {
            from += i + 1;
            // The line end of the blank line follows, in this read or in the next.
            if body.get(from - 2) == Some(&b'\n') {
                events += 1;
            } else if body.get(from) == Some(&b'\n') {
                events += 1;
                from += 1;
            }
        }
        from = body.len();
    }
    events
}

fn framer(reads: &[Bytes], body: &mut Vec<u8>, frames: &mut Frames) -> usize {
    body.clear();
    frames.clear();
    let mut framer =
        Framer::new(Hint { content_type: Some("text/event-stream".into()), ..Hint::default() });
    for read in reads {
        body.extend_from_slice(read);
        framer.push(body, frames);
    }
    framer.finish(body, frames);
    frames.iter().filter(|f| f.kind == FrameKind::Event).count()
}

fn sse_core(reads: &[Bytes]) -> usize {
    let mut decoder = sse_core::SseDecoder::new();
    let mut events = 0;
    for read in reads {
        let mut read = read.clone();
        while let Some(event) = decoder.next(&mut read) {
            events += usize::from(event.is_ok());
        }
    }
    events
}

fn sse_parse(reads: &[Bytes]) -> usize {
    let mut parser = sse_parse::SseParser::new();
    let mut events = 0;
    for read in reads {
        parser.feed(read);
        while parser.next_event().is_some() {
            events += 1;
        }
    }
    events
}

fn row(title: &str, event: fn(usize) -> String, events: usize, size: usize) {
    let reads = &*reads(event, events, size);
    let stream = || futures_util::stream::iter(reads.iter().cloned().map(Ok::<_, std::io::Error>));
    let (mut plain, mut body, mut frames) = (Vec::new(), Vec::new(), Frames::default());
    let ok = |is_ok: bool| usize::from(is_ok);
    let mut contenders: Vec<Contender<'_>> = vec![
        ("floor: blank lines found, body copied", Box::new(move || floor(reads, &mut plain))),
        ("sselens", Box::new(move || framer(reads, &mut body, &mut frames))),
        (
            "sse-stream",
            Box::new(|| drain(sse_stream::SseByteStream::new(stream()), |e| ok(e.is_ok()))),
        ),
        ("sse-core", Box::new(|| sse_core(reads))),
        ("sse-parse", Box::new(|| sse_parse(reads))),
        (
            "sseer",
            Box::new(|| drain(sseer::event_stream::EventStream::new(stream()), |e| ok(e.is_ok()))),
        ),
        ("eventsource-stream", Box::new(|| drain(stream().eventsource(), |e| ok(e.is_ok())))),
    ];
    // It copies its buffer with each read, so that a long event in single bytes takes minutes.
    if size == 1 && reads.len() > events << 12 {
        contenders.pop();
    }
    compare(title, events, contenders);
}

fn main() {
    // An answer of some length, which is in the processor's cache as it is when it was just received.
    row("270-byte events, one read each", chat, 1_000, 0);
    row("270-byte events, reads of 16 KiB", chat, 1_000, 16 << 10);
    row("Anthropic events, one read each", anthropic, 1_000, 0);
    row("Anthropic events, reads of 16 KiB", anthropic, 1_000, 16 << 10);
    row("64-KiB events, one read each", large, 8, 0);
    row("64-KiB events, reads of 16 KiB", large, 8, 16 << 10);
    row("270-byte events, reads of one byte", chat, 1_000, 1);
    row("64-KiB events, reads of one byte", large, 2, 1);
    // More than the cache holds: a peer forgets it, what keeps it writes it to memory.
    row("270-byte events, one read each, 2 MB", chat, 8_000, 0);
    row("270-byte events, reads of 16 KiB, 2 MB", chat, 8_000, 16 << 10);
    row("64-KiB events, one read each, 4 MB", large, 60, 0);
    row("64-KiB events, reads of 16 KiB, 4 MB", large, 60, 16 << 10);
}
