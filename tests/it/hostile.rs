//! Every decoder with hostile input: real bodies and the cases of our own corpus, damaged in their
//! bytes, frames and JSON. Nothing panics, the frames tile the body, and no number on the wire
//! decides how much memory is taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sselens::dialect::DIALECTS;
use sselens::inspect::compare::{Expect, compare};
use sselens::inspect::{InspectOptions, Inspection};
use sselens::journal::{EndCause, Entry, EntryKind};

use crate::needs::{Needs, recordings};
use crate::support::corpus::cases;

use crate::support::program::Program;

/// Larger bodies take too long to damage often.
const MAX_BODY: usize = 20_000;

/// A body, its content type and its dialect.
type Body = (Vec<u8>, Option<String>, String);

/// Our own cases, and the recorded streams where they lie beside this repository.
fn bodies() -> Vec<Body> {
    let mut bodies = Vec::new();
    let mut add = |body: Vec<u8>, content_type: Option<&str>, dialect: &str| {
        if body.len() <= MAX_BODY {
            bodies.push((body, content_type.map(str::to_owned), dialect.to_owned()));
        }
    };
    for case in cases() {
        if !case.body.is_empty() {
            add(case.body, case.content_type.as_deref(), &case.dialect);
        }
    }
    if Needs::Recordings.are_met() {
        let folder = recordings();
        let index = std::fs::read(folder.join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        for stream in index["streams"].as_array().unwrap() {
            let body = std::fs::read(folder.join(stream["file"].as_str().unwrap())).unwrap();
            let dialect = stream["dialect"].as_str().unwrap_or("openai-chat");
            add(body, stream["content_type"].as_str(), dialect);
        }
    }
    // Directories are listed in any order.
    bodies.sort();
    bodies
}

/// What stands where something else belongs.
fn foreign(which: usize) -> Value {
    match which % 14 {
        0 => json!(u64::MAX),
        1 => json!(4_000_000_000_u64),
        2 => json!(u32::MAX),
        3 => json!(-1),
        4 => json!(1e300),
        5 => json!("7"),
        6 => json!(""),
        7 => json!([]),
        8 => json!({}),
        9 => json!(null),
        10 => json!(true),
        11 => json!([[{"text": {"index": []}}], 1, "a"]),
        12 => json!({"index": u64::MAX, "text": ["a"], "type": {}, "content": [[]]}),
        _ => (0..100).fold(json!("deep"), |inner, i| {
            if i % 2 == 0 { json!([inner]) } else { json!({"content": inner}) }
        }),
    }
}

/// Puts something foreign in the place of the `at`th value.
fn replace(value: &mut Value, at: &mut usize, which: usize) -> bool {
    if *at == 0 {
        *value = foreign(which);
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|v| replace(v, at, which)),
        Value::Object(members) => members.values_mut().any(|v| replace(v, at, which)),
        _ => false,
    }
}

/// A payload with one value replaced; what is no JSON stays.
fn spoiled(payload: &[u8], at: usize, which: usize) -> Vec<u8> {
    let Ok(mut json) = serde_json::from_slice::<Value>(payload) else { return payload.to_vec() };
    replace(&mut json, &mut (at % 24), which);
    json.to_string().into_bytes()
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8)
            .fold(sum ^ u32::from(*byte), |s, _| (s >> 1) ^ (0xedb8_8320 & (s & 1).wrapping_neg()))
    });
    (!sum).to_be_bytes()
}

/// A body's frames, roughly: AWS's messages, or what ends with a blank line or a line.
fn pieces(body: &[u8], content_type: Option<&str>) -> Vec<Vec<u8>> {
    if content_type.is_some_and(|t| t.contains("amazon.eventstream")) {
        let mut pieces = Vec::new();
        let mut rest = body;
        while let Some(len) = rest.first_chunk::<4>().map(|l| u32::from_be_bytes(*l) as usize) {
            if len < 16 || len > rest.len() {
                break;
            }
            pieces.push(rest[..len].to_vec());
            rest = &rest[len..];
        }
        pieces.push(rest.to_vec());
        return pieces;
    }
    body.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

/// A piece with its JSON spoiled, and made whole around it.
fn spoil(piece: &[u8], message: bool, at: usize, which: usize) -> Vec<u8> {
    if message && piece.len() >= 16 {
        let headers = u32::from_be_bytes(*piece[4..].first_chunk().unwrap()) as usize;
        let Some(payload) = piece.get(12 + headers..piece.len() - 4) else { return piece.to_vec() };
        let payload = spoiled(payload, at, which);
        let total = (16 + headers + payload.len()) as u32;
        let mut out = [&total.to_be_bytes()[..], &piece[4..8]].concat();
        out.extend(crc(&out));
        out.extend(&piece[12..12 + headers]);
        out.extend(payload);
        out.extend(crc(&out));
        return out;
    }
    let from = piece.iter().position(|b| matches!(b, b'{' | b'[')).unwrap_or(piece.len());
    [&piece[..from], &spoiled(piece[from..].trim_ascii_end(), at, which), b"\n"].concat()
}

/// Damages a body in as many places as there are instructions.
fn damaged(body: &Body, how: &[(u8, usize, usize)]) -> Vec<u8> {
    let (bytes, content_type, _) = body;
    let message = content_type.as_deref().is_some_and(|t| t.contains("amazon.eventstream"));
    let mut pieces = pieces(bytes, content_type.as_deref());
    for (kind, place, what) in how.iter().filter(|h| h.0 < 6) {
        let n = pieces.len().max(1);
        match (kind, pieces.get(place % n).cloned()) {
            (_, None) => {}
            (0, Some(piece)) => pieces.insert(what % n, piece),
            (1, Some(_)) => pieces.swap(place % n, what % n),
            (2, Some(_)) => drop(pieces.remove(place % n)),
            (_, Some(piece)) => pieces[place % n] = spoil(&piece, message, *what, what / 24),
        }
    }
    let mut bytes = pieces.concat();
    for (kind, place, what) in how.iter().filter(|h| h.0 >= 6) {
        let at = place % bytes.len().max(1);
        match kind {
            _ if bytes.is_empty() => {}
            6 => bytes[at] ^= 1 << (what % 8),
            7 => bytes[at] = *what as u8,
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn inspect(body: &[u8], content_type: Option<&str>, dialect: &str) -> Inspection {
    inspect_reads(body, body.len(), content_type, dialect)
}

/// The same of a body that comes in reads of so many bytes.
fn inspect_reads(
    body: &[u8],
    read: usize,
    content_type: Option<&str>,
    dialect: &str,
) -> Inspection {
    let mut inspection = Inspection::new(Arc::new(InspectOptions::default()));
    let bare = EntryKind::Bare {
        status: Some(200),
        content_type: content_type.map(str::to_owned),
        dialect: Some(dialect.to_owned()),
        named_sse: false,
    };
    let reads = body.chunks(read.max(1)).map(|bytes| EntryKind::Body {
        len: bytes.len() as u32,
        bytes: Bytes::copy_from_slice(bytes),
        masked: vec![],
    });
    let end = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
    for what in [bare].into_iter().chain(reads).chain([end]) {
        inspection.push(&Entry { exchange: 0, at: None, kind: what });
    }
    inspection
}

fn check(body: &[u8], content_type: Option<&str>, dialect: &str) {
    let inspection = inspect(body, content_type, dialect);
    let mut at = 0;
    for frame in inspection.frames().iter() {
        assert_eq!(frame.offset, at, "a gap or an overlap");
        at = frame.end();
    }
    assert_eq!(at, inspection.body().len() as u64, "bytes without a frame");
    let answer = inspection.answer();
    for delta in answer.deltas().iter() {
        assert!(answer.text_of(&delta).len() == answer.range_of(&delta).len());
    }
    assert!(!inspection.verdict().is_empty());
}

#[test]
fn no_decoder_stumbles_over_hostile_bodies() {
    let bodies = bodies();
    let place = any::<usize>();
    let damage = prop::collection::vec((0_u8..9, place, any::<usize>()), 1..6);
    let which = (0..bodies.len(), 0..DIALECTS.len(), damage);
    let cases = std::env::var("CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&which, |(body, other, how)| {
        let (_, content_type, dialect) = &bodies[body];
        let bytes = damaged(&bodies[body], &how);
        check(&bytes, content_type.as_deref(), dialect);
        // A body read as another dialect is hostile even if it is not damaged.
        check(&bytes, content_type.as_deref(), DIALECTS[other].name());
        Ok(())
    });
    run.unwrap();
}

/// Each value of one body of each dialect, as a number that no vector can have as its size.
#[test]
fn no_number_on_the_wire_takes_memory() {
    let mut of_dialect = BTreeMap::new();
    let mut small: Vec<_> =
        bodies().into_iter().filter(|b| (600..3000).contains(&b.0.len())).collect();
    small.sort_by_key(|body| std::cmp::Reverse(body.0.len()));
    for body in small {
        of_dialect.insert(body.2.clone(), body);
    }
    assert!(of_dialect.len() > 10, "{:?}", of_dialect.keys());
    let before = peak();
    for body in of_dialect.values() {
        for place in 0..pieces(&body.0, body.1.as_deref()).len() {
            for at in 0..24 {
                let which = (place + at) % 3;
                let bytes = damaged(body, &[(3, place, at + 24 * which)]);
                check(&bytes, body.1.as_deref(), &body.2);
            }
        }
    }
    if let (Some(before), Some(after)) = (before, peak()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 200 << 10, "{grown} KiB");
    }
}

/// As many tool calls as fit are told apart in no more than linear time.
#[test]
fn many_tool_calls_take_linear_time() {
    let mut body = String::new();
    for i in 0..60_000 {
        body.push_str(&format!(
            "data: {{\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":{i},\"id\":\"c{i}\",\"function\":{{\"name\":\"f\",\"arguments\":\"1\"}}}}]}},\"finish_reason\":null}}]}}\n\n"
        ));
    }
    let (tell, reported) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let inspection = inspect(body.as_bytes(), Some("text/event-stream"), "openai-chat");
        tell.send(inspection.answer().tools().len())
    });
    // Takes a second or three; comparing each call with all before it took two minutes.
    assert_eq!(reported.recv_timeout(Duration::from_secs(40)), Ok(60_000));
}

fn chunk(choices: &str) -> String {
    format!("data: {{\"object\":\"chat.completion.chunk\",\"choices\":[{choices}]}}\n\n")
}

fn joined(n: usize, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(",")
}

// In the tests below, comparing everything with everything would take from minutes to years.

#[test]
fn many_blanks_before_a_body_take_linear_time() {
    for begin in ["", "["] {
        let blanks = format!("{begin}{}", " ".repeat(4 << 20));
        let inspection = inspect_reads(blanks.as_bytes(), 64, None, "auto");
        assert_eq!(inspection.frames().len(), 1);
    }
}

#[test]
fn many_items_beside_many_keys_take_linear_time() {
    let keys = joined(9_000, |i| format!("\"k{i}\":0"));
    let body =
        format!("data: {{\"x\":{{{keys}}}}}\n\ndata: {{\"x\":[0{}]}}\n\n", ",0".repeat(1 << 20));
    let inspection = inspect(body.as_bytes(), Some("text/event-stream"), "auto");
    assert_eq!(inspection.shape().count("x[]"), (1 << 20) + 1);
}

#[test]
fn many_choices_and_members_are_compared_in_linear_time() {
    let stream = |from: usize| {
        let choices = joined(30_000, |i| {
            format!("{{\"index\":{i},\"delta\":{{\"content\":\"a\"}},\"finish_reason\":\"stop\"}}")
        });
        let keys = joined(100_000, |i| format!("\"k{}\":null", i + from));
        let keys = chunk("{\"index\":0,\"delta\":{\"content\":\"a\"}}")
            .replace("\"choices\"", &format!("{keys},\"choices\""));
        let body = keys + &chunk(&choices);
        inspect(body.as_bytes(), Some("text/event-stream"), "openai-chat")
    };
    let (a, b) = (stream(0), stream(1));
    assert_eq!(a.answer().finish().count(), 30_000);
    let codes: Vec<_> =
        compare(&a, &b, Expect::Same).differences.iter().map(|d| d.code.name()).collect();
    assert!(codes.contains(&"gw-null-stripped"), "{codes:?}");
}

#[test]
fn many_pieces_of_one_calls_arguments_take_linear_time() {
    let call = |id: &str, arguments: &str, finish: &str| {
        chunk(&format!(
            "{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,{id}\"function\":{{\"name\":\"f\",\"arguments\":\"{arguments}\"}}}}]}},\"finish_reason\":{finish}}}"
        ))
    };
    // The first piece is already whole when the rest arrives, and each piece has its own finish.
    let first = call("\"id\":\"c\",", "{}", "null");
    let body = first + &call("", "{}", "\"tool_calls\"").repeat(80_000);
    let inspection = inspect_reads(body.as_bytes(), 150, Some("text/event-stream"), "openai-chat");
    assert_eq!(inspection.answer().tools()[0].arguments.len(), 2 * 80_001);
    let findings = inspection.findings();
    assert!(findings.iter().any(|f| f.code.name() == "tool-args-complete-too-early"));
}

#[test]
fn many_stray_blank_lines_take_linear_time() {
    let text = chunk("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}");
    for (end, read) in [("\n", 3), ("\r\n", 64 << 10), ("\r", 5)] {
        let blank = end.repeat(100_000);
        let body = format!("{blank}{text}{blank}data: [DONE]\n\n{blank}");
        let seen = inspect_reads(body.as_bytes(), read, Some("text/event-stream"), "openai-chat");
        assert_eq!(seen.answer().text(sselens::dialect::Channel::Content, 0), "a");
        assert_eq!(seen.frames().last().unwrap().end(), body.len() as u64);
    }
}

#[test]
fn many_choices_with_a_call_and_a_finish_each_take_linear_time() {
    let stream = |finish: &str| {
        let each = |i| {
            let call = format!(
                "{{\"index\":{i},\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"c{i}\",\"function\":{{\"name\":\"f\",\"arguments\":\"{{}}\"}}}}]}}}}"
            );
            let end = format!("{{\"index\":{i},\"delta\":{{}},\"finish_reason\":\"{finish}\"}}");
            chunk(&call) + &chunk(&end)
        };
        let body: String = (0..8_000).map(each).collect();
        inspect(body.as_bytes(), Some("text/event-stream"), "openai-chat")
    };
    let (a, b) = (stream("tool_calls"), stream("stop"));
    assert!(b.findings().iter().any(|f| f.code.name() == "tool-finish-stop"));
    assert!(!compare(&a, &b, Expect::Same).differences.is_empty());
}

/// Nested lists cost no stack, wherever text is looked for.
#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    for field in ["content", "reasoning", "reasoning_content", "reasoning_details", "tool_calls"] {
        let body = chunk(&format!("{{\"index\":0,\"delta\":{{\"{field}\":{deep}}}}}"));
        for dialect in DIALECTS {
            check(body.as_bytes(), Some("text/event-stream"), dialect.name());
        }
    }
}

/// The most memory that this process had, in KiB, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// What came first does not keep a dialect from being recognized later.
#[test]
fn a_dialect_is_recognized_after_any_number_of_other_frames() {
    let chunk = |text: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":\
             [{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    for count in [0, 255, 256, 257, 2000] {
        let body = format!(
            "{}{}{}data: [DONE]\n\n",
            "data: {\"a\":1}\n\n".repeat(count),
            chunk("hello", "null"),
            chunk("", "\"stop\"")
        );
        let summary = Program::new().show(body.as_bytes(), &[]);
        assert_eq!(summary["dialect"], "openai-chat", "{count}");
        assert_eq!(summary["content"]["0"], "hello", "{count}");
    }
}

#[test]
fn an_empty_event_stream_is_one_and_any_retry_is_a_number() {
    let labeled = ["--status", "200", "--content-type", "text/event-stream"];
    let summary = Program::new().show(b"", &labeled);
    assert_eq!(summary["sse"]["trailing"]["kind"], "none", "{}", summary["sse"]);
    let body = format!("retry: {}\ndata: x\n\n", "9".repeat(400));
    let summary = Program::new().show(body.as_bytes(), &labeled);
    assert_eq!(summary["sse"]["final_retry"], u64::MAX);
}

/// Times and numbers out of all proportion are no reason to panic, in any output.
#[test]
fn a_session_with_impossible_times_is_shown_and_exported() {
    let line = |kind: &str, at: &str, more: &str| {
        format!("{{\"type\":\"{kind}\",\"x\":0,\"at\":{at},{more}}}\n")
    };
    let chunk = "\"len\":9,\"text\":\"data: x\\n\\n\"";
    let head = "\"status\":200,\"headers\":[[\"content-type\",\"text/event-stream\"],[\"content-encoding\",\"x-foo\"]]";
    for (request, at, body, end) in
        [("0.1", "1e300", "-5", "1e18"), ("5", "3", "2", "1"), ("1e18", "0", "1e308", "0")]
    {
        let program = Program::new();
        let text = [
            "{\"sselens\":\"session\",\"format\":1}\n".to_owned(),
            line("request", request, "\"method\":\"POST\",\"url\":\"http://h/\",\"text\":\"{}\""),
            line("body", body, chunk),
            line("head", at, head),
            line("body", body, chunk),
            line("note", at, "\"code\":\"suspended\",\"text\":\"x\",\"since\":1e299"),
            line("end", end, "\"cause\":\"complete\""),
        ];
        program.write("s.jsonl", text.concat());
        for output in ["text", "json", "ndjson"] {
            let out = program.run(&["show", "s.jsonl", "-o", output]);
            assert!(out.status.code().is_some_and(|c| c < 2), "{output}: {out:?}");
        }
        let all =
            ["markdown", "html", "har", "curl", "python", "node", "otlp", "sse", "ndjson", "raw"];
        for to in all.into_iter().chain(["scenario"]) {
            let out = program.run(&["export", "s.jsonl", "--to", to]);
            let errors = String::from_utf8_lossy(&out.stderr);
            assert!(!errors.contains("panicked"), "{to}: {errors}");
        }
    }
}
