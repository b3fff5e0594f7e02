use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::Options;
use super::*;
use crate::journal::{EndCause, Entry, Head, What};

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn usage(choices: &str, input: u64) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":{choices},\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":2,\"total_tokens\":9}}}}\n\n"
    )
}

/// A sound stream with reasoning, comments and usage.
fn sound() -> Vec<String> {
    vec![
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        ": keep-alive\n\n".into(),
        chunk(r#"{"reasoning":"Hm. "}"#, "null"),
        chunk(r#"{"reasoning":"Well."}"#, "null"),
        chunk(r#"{"content":"Good "}"#, "null"),
        chunk(r#"{"content":"morning."}"#, "null"),
        chunk("{}", "\"stop\""),
        usage("[]", 7),
        "data: [DONE]\n\n".into(),
    ]
}

fn inspected(status: u16, kind: &str, pieces: &[String], end: EndCause) -> Inspection {
    let mut i = Inspection::new(Arc::new(Options::default()));
    let mut at = 1000;
    let mut push = |what| {
        at += 20_000;
        i.push(&Entry { x: 0, at: Some(at), what });
    };
    push(What::Request(Box::new(crate::journal::Request {
        dialect: "openai-chat".into(),
        ..Default::default()
    })));
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    push(What::Head(Head { interim: false, status, version: "HTTP/1.1".into(), headers }));
    for piece in pieces {
        let bytes = Bytes::copy_from_slice(piece.as_bytes());
        push(What::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    }
    push(What::End { cause: end, detail: String::new() });
    i
}

fn stream(pieces: &[String]) -> Inspection {
    inspected(200, "text/event-stream", pieces, EndCause::Complete)
}

/// The codes of the differences, gravest first.
#[track_caller]
fn codes(a: &Inspection, b: &Inspection) -> Vec<&'static str> {
    compare(a, b, Expect::Same).differences.iter().map(|d| d.rule.code).collect()
}

fn edited(edit: impl Fn(usize, &str) -> Option<String>) -> Vec<String> {
    sound().iter().enumerate().filter_map(|(i, f)| edit(i, f)).collect()
}

#[test]
fn a_stream_does_not_differ_from_itself() {
    let a = stream(&sound());
    let got = compare(&a, &stream(&sound()), Expect::Same);
    assert_eq!(got.differences, []);
    assert_eq!(got.verdict, "No difference: the bodies are equal, byte for byte.");
    assert!(got.paths.iter().all(|p| p.counts[0] == p.counts[1]));
}

#[test]
fn reasoning_that_is_lost_renamed_or_inlined_is_told_apart() {
    let a = stream(&sound());
    let dropped = edited(|_, f| (!f.contains("reasoning")).then(|| f.to_owned()));
    assert_eq!(codes(&a, &stream(&dropped)), ["gw-reasoning-dropped"]);
    let renamed = edited(|_, f| Some(f.replace("\"reasoning\"", "\"reasoning_content\"")));
    assert_eq!(codes(&a, &stream(&renamed)), ["gw-reasoning-renamed"]);
    let inlined = edited(|i, f| {
        Some(match i {
            2 => chunk(r#"{"content":"<think>Hm. "}"#, "null"),
            3 => chunk(r#"{"content":"Well.</think>"}"#, "null"),
            _ => f.to_owned(),
        })
    });
    assert_eq!(codes(&a, &stream(&inlined)), ["gw-reasoning-to-think-tags"]);
}

#[test]
fn an_end_that_was_made_up_is_fatal() {
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let a = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    let mut b = cut;
    b.extend([chunk("{}", "\"stop\""), "data: [DONE]\n\n".into()]);
    let got = compare(&a, &stream(&b), Expect::Same);
    assert_eq!(got.differences[0].rule.code, "gw-fabricated-finish");
    assert_eq!(got.worst(), Some(Severity::Fatal));
    assert!(got.verdict.starts_with("B made an end up"), "{}", got.verdict);
}

#[test]
fn an_error_that_is_swallowed_or_told_otherwise() {
    let body = r#"{"error":{"message":"no such model","type":"invalid_request_error"}}"#.to_owned();
    let a = inspected(404, "application/json", std::slice::from_ref(&body), EndCause::Complete);
    let empty = ["data: [DONE]\n\n".to_owned()];
    assert_eq!(codes(&a, &stream(&empty))[0], "gw-error-swallowed");
    let b = inspected(500, "application/json", &[body], EndCause::Complete);
    assert_eq!(codes(&a, &b), ["gw-error-rewrapped"]);
    assert_eq!(codes(&stream(&sound()), &b)[0], "ends-differ");
}

#[test]
fn usage_is_checked_in_all_ways() {
    let a = stream(&sound());
    let without = edited(|_, f| (!f.contains("prompt_tokens")).then(|| f.to_owned()));
    assert_eq!(codes(&a, &stream(&without)), ["gw-usage-dropped"]);
    assert_eq!(codes(&stream(&without), &a), ["gw-fabricated-usage"]);
    let other = edited(|i, f| Some(if i == 7 { usage("[]", 3) } else { f.to_owned() }));
    assert_eq!(codes(&a, &stream(&other)), ["gw-usage-wrong"]);
    let shape = r#"[{"index":0,"delta":{}}]"#;
    let reshaped = edited(|i, f| Some(if i == 7 { usage(shape, 7) } else { f.to_owned() }));
    assert_eq!(codes(&a, &stream(&reshaped)), ["gw-usage-chunk-reshaped"]);
}

#[test]
fn what_is_cosmetic_is_info() {
    let a = stream(&sound());
    let silent = edited(|i, f| (i != 1).then(|| f.to_owned()));
    assert_eq!(codes(&a, &stream(&silent)), ["gw-comment-stripped"]);
    let glued = edited(|i, f| match i {
        4 => None,
        5 => Some(chunk(r#"{"content":"Good morning."}"#, "null")),
        _ => Some(f.to_owned()),
    });
    assert_eq!(codes(&a, &stream(&glued)), ["gw-rechunked"]);
    let renamed = edited(|_, f| Some(f.replace("\"model\":\"m\"", "\"model\":\"alias\"")));
    assert_eq!(codes(&a, &stream(&renamed)), ["gw-model-rewritten"]);
    let other = edited(|_, f| Some(f.replace("\"id\":\"c1\"", "\"id\":\"c2\"")));
    assert_eq!(codes(&a, &stream(&other)), ["gw-id-rewritten"]);
    let nulls = edited(|_, f| Some(f.replace(",\"finish_reason\":null", "")));
    assert_eq!(codes(&a, &stream(&nulls)), ["gw-null-stripped"]);
    let order = edited(|_, f| {
        Some(f.replace("\"created\":1,\"model\":\"m\"", "\"model\":\"m\",\"created\":1"))
    });
    assert_eq!(codes(&a, &stream(&order)), ["gw-key-order"]);
    let got = compare(&a, &stream(&order), Expect::Same);
    assert_eq!(got.verdict, "The same answer in other words: gw-key-order.");
}

#[test]
fn two_models_may_say_different_things() {
    let a = stream(&sound());
    let b = edited(|_, f| Some(f.replace("morning", "evening")));
    assert_eq!(codes(&a, &stream(&b)), ["gw-content-changed"]);
    let got = compare(&a, &stream(&b), Expect::Different);
    assert_eq!(got.differences, []);
    assert!(got.verdict.starts_with("Both came to the same kind of end"), "{}", got.verdict);
}

#[test]
fn the_place_of_a_difference_is_told() {
    let b = edited(|_, f| Some(f.replace("morning.", "morning!")));
    let got = compare(&stream(&sound()), &stream(&b), Expect::Same);
    let first = &got.differences[0];
    assert_eq!(first.frames, (Some(5), Some(5)));
    assert!(first.message.contains("from character 12 on"), "{}", first.message);
}

proptest! {
    /// Whatever byte of a recording is changed, the comparison tells that something differs.
    #[test]
    fn every_change_of_a_byte_is_found(at in 0usize..10_000, byte in any::<u8>()) {
        let body = sound().concat().into_bytes();
        let at = at % body.len();
        let mut other = body.clone();
        other[at] = byte;
        prop_assume!(other != body);
        let of = |bytes: &[u8]| {
            let mut i = Inspection::new(Arc::new(Options::default()));
            let bare = What::Bare {
                status: None, content_type: None, dialect: None, named_sse: true,
            };
            i.push(&Entry { x: 0, at: None, what: bare });
            let bytes = Bytes::copy_from_slice(bytes);
            let len = bytes.len() as u32;
            i.push(&Entry { x: 0, at: None, what: What::Body { len, bytes, masked: Vec::new() } });
            let end = What::End { cause: EndCause::Unknown, detail: String::new() };
            i.push(&Entry { x: 0, at: None, what: end });
            i
        };
        let got = compare(&of(&body), &of(&other), Expect::Same);
        prop_assert!(!got.differences.is_empty(), "byte {} of {:?}", at, byte);
    }
}
