//! The memory of the fold: what a million events take beside their own bytes.
//!
//! Each stream is folded in a separate process, whose largest resident size (`VmHWM`) is compared with
//! that before the first event. Events are made one after the other and dropped, so that what is left
//! is the inspection's. On systems other than Linux there is nothing to see.
//!
//! `cargo bench --bench memory --no-default-features --features core`

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]

use std::sync::Arc;

use bytes::Bytes;
use sselens::inspect::{InspectOptions, Inspection};
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};

/// How many events a stream has.
const EVENTS: u64 = 1_000_000;

/// The streams: the dialect, and one event of about the same size in each.
const STREAMS: [&str; 3] = ["openai-chat", "anthropic", "openai-responses"];

fn event(dialect: &str, i: u64) -> String {
    match dialect {
        "openai-chat" => format!(
            "data: {{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz\",\"object\":\"chat.completion.chunk\",\
             \"created\":1795251234,\"model\":\"gpt-4.1-mini-2025-04-14\",\"system_fingerprint\":\"fp_012345\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{i:06}\"}},\"logprobs\":null,\
             \"finish_reason\":null}}],\"usage\":null}}\n\n"
        ),
        "anthropic" => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\" word{i:06}\"}}}}\n\n"
        ),
        _ => format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\
             \"sequence_number\":{i},\"item_id\":\"msg_68a1b2c3d4e5f60718293a4b5c6d7e8f\",\"output_index\":0,\
             \"content_index\":0,\"delta\":\" word{i:06}\",\"logprobs\":[],\"obfuscation\":\"{:x}\"}}\n\n",
            i * 7_919 + 1
        ),
    }
}

/// Folds a stream, a read for each event, and prints what that took.
fn measure(dialect: &str) {
    let mut inspection = Inspection::new(Arc::new(InspectOptions::default()));
    let mut push = |at, kind| inspection.push(&Entry { exchange: 0, at: Some(at), kind });
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    push(
        0,
        EntryKind::Request(Box::new(Request { dialect: dialect.into(), ..Request::default() })),
    );
    push(1, EntryKind::Head(Head { status: 200, headers, ..Head::default() }));
    let before = largest().unwrap_or(0);
    let mut payload = 0;
    for i in 0..EVENTS {
        let bytes = Bytes::from(event(dialect, i));
        payload += bytes.len() as u64;
        push(1_000 * i, EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    }
    push(1_000 * EVENTS, EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    assert_eq!(inspection.answer().deltas().len() as u64, EVENTS, "{dialect}");
    let Some(after) = largest() else { return println!("{dialect}: no figure on this system") };
    let beside = (after - before).saturating_sub(payload) as f64 / EVENTS as f64;
    let each = payload as f64 / EVENTS as f64;
    println!("{dialect:<20} {each:>6.1} bytes an event, and {beside:>5.1} beside them");
}

/// The largest resident size of this process so far, in bytes.
fn largest() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

fn main() {
    if let Some(dialect) = std::env::args().find(|arg| STREAMS.contains(&arg.as_str())) {
        return measure(&dialect);
    }
    for dialect in STREAMS {
        let program = std::env::current_exe().expect("the bench");
        let done = std::process::Command::new(program).arg(dialect).status().expect("a process");
        assert!(done.success(), "{dialect}");
    }
}
