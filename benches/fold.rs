//! Bytes → summary: frames, deltas, shape, every detector; against what a client does at the least, an
//! SSE parser and the JSON of each event, on the same reads.
//!
//! With the core alone the last step is left out, the JSON of the summary, which is written once a stream.
//!
//! The floor finds the text of each event by searching for its key, and joins it: no JSON is read and
//! nothing is kept. The peers keep nothing either.

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use eventsource_stream::Eventsource as _;
use serde::Deserialize;
use sselens::inspect::{InspectOptions, Inspection};
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};

mod support;
use support::{compare, drain};

const FRAMES: usize = 4_000;

/// One event of Chat Completions; `extra` is put at its end.
fn chat(i: usize, extra: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQr\",\"object\":\"chat.completion.chunk\",\"created\":\
         1795251234,\"model\":\"gpt-4.1-mini-2025-04-14\",\"system_fingerprint\":\"fp_012345\",\"choices\":\
         [{{\"index\":0,\"delta\":{{\"content\":\" word{i:05}\"}},\"logprobs\":null,\"finish_reason\":null}}],\
         \"usage\":null{extra}}}\n\n"
    )
}

/// The entries of a stream, one read for each event, as tokens arrive.
fn entries(dialect: &str, events: &[Bytes]) -> Vec<Entry> {
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let request = Request { dialect: dialect.into(), ..Request::default() };
    let mut kinds = vec![
        EntryKind::Request(Box::new(request)),
        EntryKind::Head(Head { status: 200, headers, ..Head::default() }),
    ];
    kinds.extend(events.iter().map(|read| EntryKind::Body {
        len: read.len() as u32,
        bytes: read.clone(),
        masked: Vec::new(),
    }));
    kinds.push(EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    (1..).zip(kinds).map(|(n, kind)| Entry { exchange: 0, at: Some(n * 1000), kind }).collect()
}

/// Folds the entries, and returns how many deltas they had.
fn fold(entries: &[Entry], in_full: bool) -> usize {
    let mut inspection =
        Inspection::new(Arc::new(InspectOptions { in_full, ..InspectOptions::default() }));
    entries.iter().for_each(|entry| inspection.push(entry));
    #[cfg(feature = "program")]
    black_box(
        sselens::report::summary(0, &inspection, sselens::report::FindingsDetail::Counted)
            .to_string(),
    );
    inspection.answer().deltas().len()
}

fn floor(events: &[Bytes], key: &str) -> usize {
    let find = memchr::memmem::Finder::new(key);
    let mut text = Vec::new();
    let mut deltas = 0;
    for event in events {
        let Some(at) = find.find(event) else { continue };
        let rest = &event[at + key.len()..];
        text.extend_from_slice(&rest[..memchr::memchr(b'"', rest).unwrap_or(rest.len())]);
        deltas += 1;
    }
    black_box(text);
    deltas
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    delta: Option<std::borrow::Cow<'a, str>>,
}

/// The same for Responses, whose deltas are texts.
fn typed_event(data: &str) -> usize {
    let Ok(event) = serde_json::from_str::<Event<'_>>(data) else { return 0 };
    usize::from(event.delta.is_some_and(|text| !text.is_empty()))
}

fn typed(data: &str) -> usize {
    let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(data) else { return 0 };
    let delta = chunk.choices.into_iter().next().map(|c| c.delta).or(chunk.delta);
    usize::from(delta.and_then(|d| d.content.or(d.text)).is_some_and(|text| !text.is_empty()))
}

fn value(data: &str) -> usize {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(data) else { return 0 };
    let text = json["choices"][0]["delta"]["content"].as_str();
    let text = text.or(json["delta"]["text"].as_str()).or(json["delta"].as_str());
    usize::from(text.is_some_and(|text| !text.is_empty()))
}

fn row(title: &str, dialect: &str, key: &str, events: Vec<Bytes>) {
    let typed: fn(&str) -> usize = if dialect == "openai-responses" { typed_event } else { typed };
    let entries = &*entries(dialect, &events);
    let events = &*events;
    let stream = || futures_util::stream::iter(events.iter().cloned().map(Ok::<_, std::io::Error>));
    compare(
        title,
        FRAMES,
        vec![
            ("floor: the key found, its text joined", Box::new(|| floor(events, key))),
            ("sselens", Box::new(|| fold(entries, false))),
            ("sselens, each frame in full", Box::new(|| fold(entries, true))),
            (
                "sseer + typed JSON",
                Box::new(|| {
                    let events = sseer::event_stream::EventStream::new(stream());
                    drain(events, |e| typed(&e.expect("an event").data))
                }),
            ),
            (
                "eventsource-stream + serde_json::Value",
                Box::new(|| drain(stream().eventsource(), |e| value(&e.expect("an event").data))),
            ),
        ],
    );
}

/// Events of Responses, with a number, an id and padding in each.
fn responses() -> Vec<Bytes> {
    const ITEM: &str = "msg_68a1b2c3d4e5f60718293a4b5c6d7e8f";
    let event = |name: &str, i: usize, rest: String| {
        let number = format!("\"sequence_number\":{i}");
        Bytes::from(format!("event: {name}\ndata: {{\"type\":\"{name}\",{number},{rest}}}\n\n"))
    };
    let response = "\"response\":{\"id\":\"resp_1\",\"output\":[]}".to_owned();
    let item = format!(
        "\"output_index\":0,\"item\":{{\"id\":\"{ITEM}\",\"type\":\"message\",\"content\":[]}}"
    );
    let of = format!("\"item_id\":\"{ITEM}\",\"output_index\":0,\"content_index\":0");
    let part = format!("{of},\"part\":{{\"type\":\"output_text\",\"text\":\"\"}}");
    let mut events = vec![
        event("response.created", 0, response),
        event("response.output_item.added", 1, item),
        event("response.content_part.added", 2, part),
    ];
    events.extend((0..FRAMES).map(|i| {
        let text = format!("\"delta\":\" word{i:05}\",\"logprobs\":[]");
        let padding = format!("\"obfuscation\":\"{:x}\"", i * 7_919 + 1);
        event("response.output_text.delta", i + 3, format!("{of},{text},{padding}"))
    }));
    events
}

fn main() {
    let done = Bytes::from("data: [DONE]\n\n");
    let stream = |event: &dyn Fn(usize) -> String| -> Vec<Bytes> {
        (0..FRAMES).map(|i| Bytes::from(event(i))).collect()
    };
    let mut one = stream(&|i| chat(i, ""));
    one.push(done.clone());
    let anthropic = stream(&|i| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\" word{i:05}\"}}}}\n\n"
        )
    });
    // For a profiler: `cargo bench --bench fold -- profile DIALECT` runs the fold alone.
    let mut args = std::env::args().skip_while(|a| a != "profile").skip(1);
    if let Some(dialect) = args.next() {
        let events = match dialect.as_str() {
            "anthropic" => anthropic,
            "openai-responses" => responses(),
            _ => one,
        };
        let entries = entries(&dialect, &events);
        (0..100).for_each(|_| {
            black_box(fold(&entries, false));
        });
        return;
    }
    row("Chat, one text differs", "openai-chat", "\"content\":\"", one);
    let mut escaped = stream(&|i| {
        let event = chat(i, "");
        if i % 5 == 0 { event.replace(" word", "\\n") } else { event }
    });
    escaped.push(done.clone());
    row("Chat, every fifth text with a line feed", "openai-chat", "\"content\":\"", escaped);
    let mut named = stream(&|i| chat(i, "").replace("AbCdEf", &format!("{i:06}")));
    named.push(done.clone());
    row("Chat, each event has its own id", "openai-chat", "\"content\":\"", named);
    let mut two = stream(&|i| chat(i, &format!(",\"obfuscation\":\"{:x}\"", i * 7_919)));
    two.push(done);
    row("Chat, two texts differ", "openai-chat", "\"content\":\"", two);
    row("Anthropic", "anthropic", "\"text\":\"", anthropic);
    row("Responses", "openai-responses", "\"delta\":\"", responses());
}
