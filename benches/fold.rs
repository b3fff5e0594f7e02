//! Bytes → summary, against what a client does at the least: `eventsource-stream` for the events
//! and `serde_json::Value` for their JSON, on the same stream of 270-byte frames. The fold keeps
//! every byte, counts every path and runs every rule on top; the goal is to be at least twice as
//! fast all the same. The last line has the ratio.

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use sselens::inspect::Inspection;
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};

const FRAMES: usize = 40_000;
const RUNS: usize = 9;

/// One read for each frame, as a stream of tokens arrives.
fn stream() -> Vec<bytes::Bytes> {
    let frame = |i: usize| {
        let json = format!(
            "{{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion.chunk\",\
             \"created\":1795251234,\"model\":\"gpt-4.1-mini-2025-04-14\",\"system_fingerprint\":\
             \"fp_0123456789\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{i:05}\"}},\
             \"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}"
        );
        bytes::Bytes::from(format!("data: {json}\n\n"))
    };
    (0..FRAMES).map(frame).chain([bytes::Bytes::from("data: [DONE]\n\n")]).collect()
}

fn fold(reads: &[bytes::Bytes]) -> usize {
    let mut inspection = Inspection::new(Arc::default());
    let mut at = 0;
    let mut push = |what| {
        at += 1000;
        inspection.push(&Entry { exchange: 0, at: Some(at), kind: what });
    };
    push(EntryKind::Request(Box::new(Request {
        dialect: "openai-chat".into(),
        ..Request::default()
    })));
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    push(EntryKind::Head(Head { status: 200, headers, ..Head::default() }));
    for read in reads {
        push(EntryKind::Body { len: read.len() as u32, bytes: read.clone(), masked: Vec::new() });
    }
    push(EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    sselens::report::summary(0, &inspection, sselens::report::Findings::Counted).to_string().len()
}

fn least(reads: &[bytes::Bytes]) -> usize {
    let stream = futures_util::stream::iter(reads.iter().cloned().map(Ok::<_, std::io::Error>));
    let mut events = stream.eventsource();
    let mut text = String::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        while let Some(event) = events.next().await {
            let event = event.expect("an event");
            if event.data == "[DONE]" {
                break;
            }
            let json: serde_json::Value = serde_json::from_str(&event.data).expect("JSON");
            text.push_str(json["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
    });
    text.len()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(run: impl Fn() -> usize) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

fn main() {
    let reads = stream();
    // For a profiler: `cargo bench --bench fold -- profile` runs the fold alone.
    if std::env::args().any(|a| a == "profile") {
        (0..50).for_each(|_| {
            black_box(fold(&reads));
        });
        return;
    }
    let bytes: usize = reads.iter().map(bytes::Bytes::len).sum();
    println!(
        "{FRAMES} frames of {} bytes, {:.1} MB, {RUNS} runs",
        bytes / FRAMES,
        bytes as f64 / 1e6
    );
    let (mut folds, mut leasts) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        // In turns, so that what else the machine does falls on both.
        folds.push(time(|| fold(&reads)));
        leasts.push(time(|| least(&reads)));
    }
    folds.sort_unstable();
    leasts.sort_unstable();
    let show = |name: &str, times: &[Duration]| {
        let median = times[times.len() / 2].as_secs_f64();
        println!("{name:<38} {:8.2} ms  {:7.0} MB/s", median * 1e3, bytes as f64 / 1e6 / median);
        median
    };
    let least = show("eventsource-stream + serde_json::Value", &leasts);
    let fold = show("the fold, to the summary", &folds);
    println!("the fold is {:.2}× as fast (goal: at least 2×)", least / fold);
}
