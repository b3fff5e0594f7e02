//! Frames that repeat the one before are not judged again; the result is that of judging each in full.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use sselens::inspect::{InspectOptions, Inspection};
use sselens::journal::Entry;

use crate::streams::{everything, mutate, repeated};
use crate::support::corpus::{Case, case, cases};

fn inspect(entries: &[Entry], in_full: bool) -> Inspection {
    let mut inspection =
        Inspection::new(Arc::new(InspectOptions { in_full, ..InspectOptions::default() }));
    entries.iter().for_each(|entry| inspection.push(entry));
    inspection
}

/// The reads, a millisecond apart, of a body that is cut at `cuts`.
fn reads(len: usize, cuts: &[usize]) -> Vec<(u64, usize)> {
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (len + 1)).collect();
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.clone());
    let sizes = starts.zip(ends.iter().copied().chain([len])).map(|(from, to)| to - from);
    (30..).zip(sizes).collect()
}

/// Asserts that a body is judged the same in both ways.
fn assert_same(case: &Case, body: &[u8], cuts: &[usize]) {
    let entries = case.entries_of(body, &reads(body.len(), cuts));
    let (short, full) =
        (everything(&inspect(&entries, false)), everything(&inspect(&entries, true)));
    assert_eq!(short, full, "{}: {}", case.name, String::from_utf8_lossy(body));
}

/// What is no case: the bodies for the client views, and the recordings of `../shared` where it exists.
fn bodies() -> Vec<Case> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        ("tests/client_sim/chat", "openai-chat"),
        ("tests/client_sim/anthropic", "anthropic"),
        ("tests/client_sim/responses", "openai-responses"),
        ("../shared/corpus", "auto"),
    ];
    let mut found = Vec::new();
    for (folder, dialect) in folders {
        let Ok(files) = std::fs::read_dir(root.join(folder)) else { continue };
        for path in files.map(|file| file.unwrap().path()) {
            if path.extension().is_some_and(|e| e != "json" && e != "md") {
                let mut case = case("sound--auto");
                (case.name, case.dialect) = (path.display().to_string(), dialect.into());
                case.body = std::fs::read(&path).unwrap();
                found.push(case);
            }
        }
    }
    found
}

#[test]
fn every_case_is_judged_the_same() {
    for case in cases() {
        let entries = case.entries();
        assert_eq!(
            everything(&inspect(&entries, false)),
            everything(&inspect(&entries, true)),
            "{}",
            case.name
        );
        let body = repeated(&case.body, 5);
        assert_same(&case, &body, &[]);
        assert_same(&case, &body, &(0..body.len()).step_by(97).collect::<Vec<_>>());
    }
}

/// How many damaged streams are compared. `SSELENS_MUTATIONS=1000000` takes an hour.
fn mutations() -> u32 {
    std::env::var("SSELENS_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

#[test]
fn every_recording_is_judged_the_same() {
    let bodies = bodies();
    assert!(bodies.len() > 100);
    for case in bodies {
        assert_same(&case, &case.body, &[]);
        if case.body.len() < 40_000 {
            let body = repeated(&case.body, 4);
            assert_same(&case, &body, &(0..body.len()).step_by(211).collect::<Vec<_>>());
        }
    }
}

#[test]
fn damaged_streams_are_judged_the_same() {
    let small = |c: &Case| !c.body.is_empty() && c.body.len() < 8_000;
    let cases: Vec<Case> = cases().into_iter().chain(bodies()).filter(small).collect();
    let streams = (
        any::<Index>(),
        1..9usize,
        prop::option::of(any::<u64>()),
        prop::collection::vec(any::<usize>(), 0..6),
    );
    proptest!(ProptestConfig::with_cases(mutations()), |((case, times, seed, cuts) in streams)| {
        let case = &cases[case.index(cases.len())];
        let body = repeated(&case.body, times);
        let body = seed.map_or(body.clone(), |seed| mutate(&body, seed));
        assert_same(case, &body, &cuts);
    });
}

#[test]
fn a_stream_of_one_skeleton_is_judged_the_same() {
    // Findings that every frame raises again: reasoning in a separate field, no `object`; two equal texts;
    // pieces of a call.
    let call = "\"tool_calls\":[{\"index\":0,\"type\":null,\"function\":{\"arguments\":\"@\"}}]";
    for delta in [
        "\"content\":\"@\"",
        "\"reasoning\":\"@\",\"content\":null",
        "\"reasoning\":\"@\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"@\"}]",
        "\"content\":\"@\",\"reasoning\":\"other @\"",
        call,
    ] {
        let frame = |n: usize| {
            let text = ["word ", "é", "<think>", "the same words again ", "x"][n % 5];
            let delta = delta.replace('@', text);
            let (id, created) = (n / 50, 1_770_000_000 + n % 3);
            format!(
                "data: {{\"id\":\"c{id}\",\"created\":{created},\"choices\":[{{\"index\":0,\"delta\":\
                 {{{delta}}}}}],\"obfuscation\":\"{n}\"}}\n\n"
            )
        };
        let body: String = (0..400).map(frame).collect();
        let case = case("answer-as-reasoning");
        assert_same(&case, body.as_bytes(), &[]);
        assert_same(&case, body.as_bytes(), &(0..body.len()).step_by(60).collect::<Vec<_>>());
    }
}

/// Events that repeat one another with a text that differs, of each dialect that has them, and the member of it
/// before which others can stand.
const REPEATING: &[(&str, &str)] = &[
    (
        "",
        r#"{"id":"ID","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{@"content":"TEXT"},"finish_reason":null}]}"#,
    ),
    (
        "",
        r#"{"id":"ID","object":"chat.completion.chunk","created":1,"model":"m",@"choices":[{"index":0,"delta":{"content":"TEXT"}}]}"#,
    ),
    (
        "",
        r#"{"id":"ID","choices":[{@"index":0,"delta":{"reasoning_content":"TEXT"},"finish_reason":null}]}"#,
    ),
    (
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{@"type":"text_delta","text":"TEXT"}}"#,
    ),
    (
        "content_block_delta",
        r#"{"type":"content_block_delta",@"index":0,"delta":{"type":"input_json_delta","partial_json":"TEXT"}}"#,
    ),
    (
        "response.output_text.delta",
        r#"{"type":"response.output_text.delta",@"item_id":"ID","output_index":0,"content_index":0,"sequence_number":NUMBER,"delta":"TEXT"}"#,
    ),
    (
        "",
        r#"{"candidates":[{@"content":{"parts":[{"text":"TEXT"}],"role":"model"}}],"responseId":"ID"}"#,
    ),
    ("", r#"{"type":"content-delta",@"index":0,"delta":{"message":{"content":{"text":"TEXT"}}}}"#),
];

/// Members that say something, and stand where they may not or again and again.
const MEMBERS: &[&str] = &[
    "",
    r#""role":"assistant","#,
    r#""role":"","#,
    r#""finish_reason":"","#,
    r#""finishReason":"","#,
    r#""stop_reason":"","#,
    r#""stop_reason":"end_turn","#,
    r#""usage":null,"#,
    r#""usage":{"prompt_tokens":1,"completion_tokens":2},"#,
    r#""error":null,"#,
    r#""refusal":"no","#,
    r#""tool_calls":[],"#,
    r#""logprobs":{"content":[]},"#,
    r#""index":1,"#,
    r#""type":"x","#,
    r#""model":"n","#,
];

const TEXTS: &[&str] = &["word", " ", "<think>", "Hello", "\\n"];

#[test]
fn streams_with_a_member_too_many_are_judged_the_same() {
    let frame = (any::<Index>(), any::<Index>(), 1..5usize, 0..3u8, any::<Index>());
    let streams = (any::<Index>(), prop::collection::vec(frame, 1..6), any::<bool>());
    proptest!(ProptestConfig::with_cases(mutations() / 2), |((kind, runs, mixed) in streams)| {
        let mut body = String::new();
        let mut number = 0;
        for (other, member, times, id, text) in runs {
            let (event, form) = REPEATING[if mixed { other } else { kind }.index(REPEATING.len())];
            for n in 0..times {
                number += 1;
                let text = TEXTS[text.index(TEXTS.len())];
                let data = form
                    .replace('@', MEMBERS[member.index(MEMBERS.len())])
                    .replace("ID", &format!("c{}", if n % 2 == 1 && id == 2 { 0 } else { id }))
                    .replace("NUMBER", &number.to_string())
                    .replace("TEXT", text);
                if !event.is_empty() {
                    body += &format!("event: {event}\n");
                }
                body += &format!("data: {data}\n\n");
            }
        }
        let mut case = case("answer-as-reasoning");
        case.dialect = "auto".into();
        assert_same(&case, body.as_bytes(), &[]);
    });
}

/// A fuzzer's stream, damaged, in which Anthropic's events follow while blocks of Cohere's are open: their index
/// spaces are of another table.
#[test]
fn blocks_of_one_dialect_are_open_when_another_begins() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let body = std::fs::read(root.join("tests/streams/another-dialect.sse")).unwrap();
    let body = repeated(&body, 3);
    assert_same(&case("sound--auto"), &body, &[body.len() / 2]);
}
