//! The bounds of assets/docs/limits.md that are about memory: what an input of each kind costs at its
//! peak, as a factor of its bytes. Times are for the benches; a machine that is busy has none.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::support::program::Program;

const CHUNK: &str = "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":INDEX,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}";

/// The most memory that a run had, in bytes.
fn peak(program: &Program, args: &[&str]) -> u64 {
    let mut command = program.command(args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        // The kernel keeps the peak, so the last value read before the end is the peak.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        most = most.max(kilobytes.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.code().is_some_and(|c| c < 2), "{args:?}: {status}");
            return most;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn event(index: usize) -> String {
    format!("data: {}\n\n", CHUNK.replace("INDEX", &index.to_string()))
}

fn session(bytes: usize) -> String {
    let mut out = String::from("{\"sselens\":\"session\",\"format\":1}\n");
    out += "{\"type\":\"request\",\"x\":0,\"at\":0.1,\"method\":\"POST\",\"url\":\"http://h/\",\"text\":\"{}\"}\n";
    let text = serde_json::to_string(&event(0)).unwrap();
    let len = event(0).len();
    for i in 0..bytes / len {
        let _ =
            writeln!(out, "{{\"type\":\"body\",\"x\":0,\"at\":{i},\"len\":{len},\"text\":{text}}}");
    }
    out
}

fn archive(bytes: usize) -> String {
    let text = event(0).repeat(bytes / event(0).len());
    serde_json::json!({"log": {"version": "1.2", "entries": [{
        "startedDateTime": "2026-01-01T00:00:00Z",
        "request": {"method": "POST", "url": "http://h/", "headers": []},
        "response": {"status": 200, "headers": [],
                     "content": {"mimeType": "text/event-stream", "text": text}}
    }]}})
    .to_string()
}

/// A kind of input: its file, how it is made, and the most that a byte of it may cost.
type Kind = (&'static str, fn(usize) -> String, f64);

const KINDS: &[Kind] = &[
    ("k.sse", |n| event(0).repeat(n / event(0).len()), 5.0),
    ("k.ndjson", |n| format!("{CHUNK}\n").replace("INDEX", "0").repeat(n / CHUNK.len()), 5.0),
    ("line.sse", |n| event(0).replace("word ", &"x".repeat(n)), 6.0),
    ("none.txt", |n| "x".repeat(n), 4.0),
    ("k.jsonl", session, 5.0),
    ("k.har", archive, 6.0),
];

#[test]
fn what_a_byte_of_each_kind_costs_is_bounded() {
    const SMALL: usize = 2 << 20;
    const LARGE: usize = 10 << 20;
    for (name, make, most) in KINDS {
        let program = Program::new();
        let of = |size: usize| {
            program.write(name, make(size));
            peak(&program, &["show", name, "-o", "json"])
        };
        let (small, large) = (of(SMALL), of(LARGE));
        let factor = large.saturating_sub(small) as f64 / (LARGE - SMALL) as f64;
        println!("{name}: {factor:.2} bytes a byte");
        assert!(factor > 0.5, "{name}: {factor:.2}: it was not measured");
        assert!(factor <= *most, "{name}: {factor:.2} bytes for each byte, {most} are allowed");
    }
}

#[test]
fn a_choice_costs_no_more_than_a_few_of_its_frames() {
    let program = Program::new();
    let of = |count: usize| {
        let body: String = (0..count).map(event).collect();
        program.write("c.sse", &body);
        (peak(&program, &["show", "c.sse", "-o", "json"]), body.len())
    };
    let (few, many) = (of(2_500), of(25_000));
    let factor = (many.0 - few.0) as f64 / (many.1 - few.1) as f64;
    println!("choices: {factor:.2} bytes a byte");
    assert!(factor <= 12.0, "{factor:.2}");
}
