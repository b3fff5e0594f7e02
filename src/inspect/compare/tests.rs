use std::sync::Arc;

use bytes::Bytes;

use super::super::InspectOptions;
use super::*;
use crate::journal::{EndCause, Entry, EntryKind, Head};

pub(super) fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

pub(super) fn usage(choices: &str, input: u64) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":{choices},\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":2,\"total_tokens\":9}}}}\n\n"
    )
}

/// A sound stream with reasoning, comments and usage.
pub(super) fn sound() -> Vec<String> {
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

pub(super) fn inspected(status: u16, kind: &str, pieces: &[String], end: EndCause) -> Inspection {
    spoken("openai-chat", status, kind, pieces, end)
}

/// The same, of an endpoint that speaks this dialect.
pub(super) fn spoken(
    dialect: &str,
    status: u16,
    kind: &str,
    pieces: &[String],
    end: EndCause,
) -> Inspection {
    let mut i = Inspection::new(Arc::new(InspectOptions::default()));
    let mut at = 1000;
    let mut push = |what| {
        at += 20_000;
        i.push(&Entry { exchange: 0, at: Some(at), kind: what });
    };
    push(EntryKind::Request(Box::new(crate::journal::Request {
        dialect: dialect.into(),
        ..Default::default()
    })));
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    push(EntryKind::Head(Head { status, version: "HTTP/1.1".into(), headers, ..Head::default() }));
    for piece in pieces {
        let bytes = Bytes::copy_from_slice(piece.as_bytes());
        push(EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    }
    push(EntryKind::End { cause: end, detail: String::new() });
    i
}

pub(super) fn stream(pieces: &[String]) -> Inspection {
    inspected(200, "text/event-stream", pieces, EndCause::Complete)
}

/// The codes of the differences, gravest first.
#[track_caller]
pub(super) fn codes(a: &Inspection, b: &Inspection) -> Vec<&'static str> {
    compare(a, b, Expect::Same).differences.iter().map(|d| d.code.name()).collect()
}

pub(super) fn edited(edit: impl Fn(usize, &str) -> Option<String>) -> Vec<String> {
    sound().iter().enumerate().filter_map(|(i, f)| edit(i, f)).collect()
}

#[test]
fn a_stream_does_not_differ_from_itself() {
    let a = stream(&sound());
    let got = compare(&a, &stream(&sound()), Expect::Same);
    assert_eq!(got.differences, []);
    assert_eq!(got.verdict, "No difference: the bodies are identical");
    assert!(got.paths.iter().all(|p| p.counts[0] == p.counts[1]));
}

#[test]
fn events_without_a_blank_line_between_them_do_not_differ_from_themselves() {
    let event = chunk(r#"{"content":"Hi"}"#, "null");
    let joined = format!("{}\n{event}", event.trim_end());
    let pieces = [joined, "data: [DONE]\n\n".to_owned()];
    let a = stream(&pieces);
    assert!(!a.answer().deltas().is_empty() && a.answer().sentinel.is_some());
    assert_eq!(compare(&a, &stream(&pieces), Expect::Same).differences, []);
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
    assert_eq!(got.differences[0].code.name(), "gw-fabricated-finish");
    assert_eq!(got.worst(), Some(Severity::Fatal));
    assert!(got.verdict.starts_with("B fabricated the end"), "{}", got.verdict);
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
    let other = edited(|_, f| Some(f.replace("\"id\":\"c1\"", "\"id\":\"chatcmpl-2\"")));
    assert_eq!(codes(&a, &stream(&other)), ["gw-id-rewritten"]);
    let nulls = edited(|_, f| Some(f.replace(",\"finish_reason\":null", "")));
    assert_eq!(codes(&a, &stream(&nulls)), ["gw-null-stripped"]);
    let order = edited(|_, f| {
        Some(f.replace("\"created\":1,\"model\":\"m\"", "\"model\":\"m\",\"created\":1"))
    });
    assert_eq!(codes(&a, &stream(&order)), ["gw-key-order"]);
    let got = compare(&a, &stream(&order), Expect::Same);
    assert_eq!(got.verdict, "Same answer from A and B. What differs: a different key order");
}

#[test]
fn two_models_may_say_different_things() {
    let a = stream(&sound());
    let b = edited(|_, f| Some(f.replace("morning", "evening")));
    assert_eq!(codes(&a, &stream(&b)), ["gw-content-changed"]);
    let got = compare(&a, &stream(&b), Expect::Different);
    assert_eq!(got.differences, []);
    assert!(got.verdict.starts_with("Both completed, finish"), "{}", got.verdict);
}

#[test]
fn a_stream_that_is_only_behind_is_not_accused() {
    let a = stream(&sound());
    let mut b = Inspection::new(Arc::new(InspectOptions::default()));
    let head = Head {
        status: 200,
        version: "HTTP/1.1".into(),
        headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
        ..Head::default()
    };
    b.push(&Entry { exchange: 0, at: Some(1), kind: EntryKind::Request(Box::default()) });
    b.push(&Entry { exchange: 0, at: Some(2), kind: EntryKind::Head(head) });
    for piece in sound().iter().take(4) {
        let bytes = Bytes::copy_from_slice(piece.as_bytes());
        let what = EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() };
        b.push(&Entry { exchange: 0, at: Some(3), kind: what });
        assert_eq!(codes(&a, &b), [] as [&str; 0]);
    }
    b.push(&Entry {
        exchange: 0,
        at: Some(9),
        kind: EntryKind::End { cause: EndCause::Truncated, detail: String::new() },
    });
    assert_ne!(codes(&a, &b), [] as [&str; 0]);
}

#[test]
fn the_place_of_a_difference_is_told() {
    let b = edited(|_, f| Some(f.replace("morning.", "morning!")));
    let got = compare(&stream(&sound()), &stream(&b), Expect::Same);
    let first = &got.differences[0];
    assert_eq!(first.frames, (Some(5), Some(5)));
    assert!(first.message.contains("from character 12 on"), "{}", first.message);
}

/// An Anthropic stream that says what `sound` says, with this finish word, text and usage.
pub(super) fn messages(word: &str, text: &str, output: u64) -> Inspection {
    let event =
        |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let delta = |i: u32, d: &str| {
        event("content_block_delta", &format!(",\"index\":{i},\"delta\":{{{d}}}"))
    };
    let begin = |i: u32, block: &str| {
        event("content_block_start", &format!(",\"index\":{i},\"content_block\":{{{block}}}"))
    };
    let stop = |i: u32| event("content_block_stop", &format!(",\"index\":{i}"));
    let pieces = [
        event(
            "message_start",
            r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}"#,
        ),
        begin(0, r#""type":"thinking","thinking":"","signature":"""#),
        delta(0, r#""type":"thinking_delta","thinking":"Hm. ""#),
        delta(0, r#""type":"thinking_delta","thinking":"Well.""#),
        delta(0, r#""type":"signature_delta","signature":"c2ln""#),
        stop(0),
        begin(1, r#""type":"text","text":"""#),
        delta(1, r#""type":"text_delta","text":"Good ""#),
        delta(1, &format!(r#""type":"text_delta","text":"{text}""#)),
        stop(1),
        event(
            "message_delta",
            &format!(
                r#","delta":{{"stop_reason":"{word}","stop_sequence":null}},"usage":{{"output_tokens":{output}}}"#
            ),
        ),
        event("message_stop", ""),
    ];
    spoken("anthropic", 200, "text/event-stream", &pieces, EndCause::Complete)
}

#[test]
fn a_dialect_of_its_own_is_no_fault() {
    let a = stream(&sound());
    let b = messages("end_turn", "morning.", 2);
    assert_eq!(b.dialect().map(|d| d.name()), Some("anthropic"));
    for (a, b) in [(&a, &b), (&b, &a)] {
        let got = compare(a, b, Expect::Same);
        assert_eq!(got.differences, []);
        assert!(got.foreign);
        assert!(got.verdict.starts_with("The same answer in two dialects"), "{}", got.verdict);
    }
}

#[test]
fn what_is_said_is_compared_across_dialects() {
    let a = stream(&sound());
    assert_eq!(codes(&a, &messages("max_tokens", "morning.", 2)), ["gw-finish-rewritten"]);
    // Chat has a finish reason for tool calls, so `tool_use` is a different end.
    assert_eq!(codes(&a, &messages("tool_use", "morning.", 2))[0], "gw-finish-rewritten");
    assert_eq!(codes(&a, &messages("end_turn", "evening.", 2)), ["gw-content-changed"]);
    assert_eq!(codes(&a, &messages("end_turn", "morning.", 3)), ["gw-usage-wrong"]);
    let silent = edited(|_, f| (!f.contains("reasoning")).then(|| f.to_owned()));
    let b = messages("end_turn", "morning.", 2);
    assert_eq!(codes(&b, &stream(&silent)), ["gw-reasoning-dropped"]);
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let cut = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    assert_eq!(codes(&cut, &b)[0], "gw-fabricated-finish");
}

#[test]
fn rates_are_measured_from_the_first_delta_to_the_last() {
    let a = stream(&sound());
    let rate = |c: &Comparison, name: &str, side: usize| {
        c.figures.iter().find(|f| f.name == name).unwrap().values[side].clone()
    };
    // Four deltas, one every 20 ms, and two tokens in the 60 ms from the first to the last.
    let got = compare(&a, &bare(&sound().concat().into_bytes(), true), Expect::Same);
    assert_eq!(rate(&got, "deltas per s", 0), Amount::Rate(50.0));
    assert_eq!(rate(&got, "tokens per s", 0), Amount::Rate(1e6 / 60_000.0));
    // Without times there is no rate, nor with a single delta.
    assert_eq!(rate(&got, "deltas per s", 1), Amount::None);
    assert_eq!(rate(&got, "tokens per s", 1), Amount::None);
    let one = stream(&[chunk(r#"{"content":"Good"}"#, "null"), usage("[]", 7)]);
    let got = compare(&one, &a, Expect::Same);
    assert_eq!(rate(&got, "deltas per s", 0), Amount::None);
    assert_eq!(rate(&got, "tokens per s", 0), Amount::None);
}

/// The same, as LiteLLM hands it on: with its marks in the head.
pub(super) fn marked(status: u16, kind: &str, pieces: &[String]) -> Inspection {
    let mut i = inspected(status, kind, pieces, EndCause::Complete);
    let head = i.facts.head.as_mut().unwrap();
    head.headers.push(("x-litellm-version".into(), "1.81.5".into()));
    i
}

pub(super) fn through(pieces: &[String]) -> Inspection {
    marked(200, "text/event-stream", pieces)
}

/// Returns what LiteLLM 1.106.2 sends when the upstream fails midway.
pub(super) fn litellm_error() -> String {
    "data: {\"error\": {\"message\": \"litellm.APIConnectionError: APIConnectionError: OpenAIException - Response payload is not completed\", \"type\": null, \"param\": null, \"code\": \"500\"}}\n\n".into()
}

#[test]
fn a_gateway_is_known_by_its_marks_in_whatever_order() {
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let a = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    let mut made_up = cut;
    made_up.extend([chunk("{}", "\"stop\""), "data: [DONE]\n\n".into()]);
    let b = through(&made_up);
    let got = compare(&a, &b, Expect::Same);
    assert!(got.verdict.starts_with("The gateway (B) fabricated the end"), "{}", got.verdict);
    assert_eq!(got.differences[0].frames, (None, Some(5)));
    let got = compare(&b, &a, Expect::Same);
    assert!(got.verdict.starts_with("The gateway (A) fabricated the end"), "{}", got.verdict);
    assert!(got.verdict.contains("but B was cut after 9 characters"), "{}", got.verdict);
    assert!(got.verdict.contains("(A: frame 5)"), "{}", got.verdict);
    assert_eq!(got.differences[0].frames, (Some(5), None));
    assert!(got.differences[0].a.contains("stop"), "{:?}", got.differences[0]);
}

#[test]
fn a_cut_that_the_gateway_tells_as_an_error_is_no_fault_of_its_own() {
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let a = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    let mut reported = cut;
    reported.push(litellm_error());
    let got = compare(&a, &through(&reported), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-error-rewrapped");
    assert_eq!(got.worst(), Some(Severity::Info));
    assert!(got.verdict.starts_with("The gateway (B) reports as"), "{}", got.verdict);
}

#[test]
fn an_error_that_only_the_gateway_has_is_told() {
    // As with `[done]`, two spaces before [DONE] or an event without data: a client that reads
    // leniently has the whole answer, and LiteLLM ends it with an error.
    let mut b: Vec<String> = sound().into_iter().take(7).collect();
    b.push(litellm_error());
    let got = compare(&stream(&sound()), &through(&b), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "ends-differ");
    assert!(got.verdict.starts_with("The gateway (B) failed with"), "{}", got.verdict);
    assert!(got.verdict.contains("A completed"), "{}", got.verdict);
}

#[test]
fn a_refused_request_that_has_an_answer_was_another_request() {
    let body = r#"{"detail":[{"loc":["body","tool_choice"],"msg":"no"}]}"#.to_owned();
    let a = inspected(422, "application/json", std::slice::from_ref(&body), EndCause::Complete);
    let got = compare(&a, &through(&sound()), Expect::Same);
    let reported: Vec<_> = got.differences.iter().map(|d| d.code.name()).collect();
    assert!(reported.contains(&"gw-params-dropped"), "{reported:?}");
    assert!(!reported.contains(&"gw-error-swallowed"), "{reported:?}");
    assert!(!reported.contains(&"gw-fabricated-finish"), "{reported:?}");
    let a = inspected(503, "application/json", &[body], EndCause::Complete);
    assert_eq!(codes(&a, &through(&sound()))[0], "ends-differ");
}

#[test]
fn an_error_that_no_client_reads_is_swallowed_all_the_same() {
    let mut a: Vec<String> = sound().into_iter().take(5).collect();
    a.push("{\"error\":{\"message\":\"backend unavailable\"}}\n".into());
    let mut b: Vec<String> = sound().into_iter().take(5).collect();
    b.extend([chunk("{}", "\"stop\""), "data: [DONE]\n\n".into()]);
    let codes = codes(&stream(&a), &through(&b));
    assert_eq!(codes[..2], ["gw-error-swallowed", "gw-fabricated-finish"]);
}

#[test]
fn a_422_that_became_a_nonetype_error_is_read_at_its_source() {
    let body = r#"{"detail":[{"type":"model_attributes_type","loc":["body","tool_choice"],"msg":"Input should be a valid dictionary","input":"auto"}]}"#;
    let a = inspected(422, "application/json", &[body.to_owned()], EndCause::Complete);
    let none = r#"{"error":{"message":"'NoneType' object has no attribute '__aiter__'","type":"None","param":"None","code":"500"}}"#;
    let got = compare(&a, &marked(500, "application/json", &[none.to_owned()]), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-error-rewrapped");
    assert!(got.verdict.starts_with("The gateway (B) lost the 422 of A"), "{}", got.verdict);
    assert!(got.verdict.contains("body.tool_choice"), "{}", got.verdict);
}

#[test]
fn models_that_change_on_the_way_are_told() {
    let switched = edited(|i, f| {
        Some(if i > 4 { f.replace("\"model\":\"m\"", "\"model\":\"n\"") } else { f.to_owned() })
    });
    let got = compare(&stream(&switched), &stream(&sound()), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-model-rewritten");
    assert!(got.differences[0].message.contains("\"m\", then \"n\""), "{:?}", got.differences);
}

#[test]
fn a_lost_refusal_is_not_cut_otherwise() {
    let say = |d: &str, f: &str| chunk(d, f);
    let refusal = [
        say(r#"{"refusal":"I "}"#, "null"),
        say(r#"{"refusal":"cannot."}"#, "null"),
        say("{}", "\"stop\""),
    ];
    let empty = [say("{}", "\"stop\"")];
    assert!(!codes(&stream(&refusal), &through(&empty)).contains(&"gw-rechunked"));
}

#[test]
fn members_that_are_lost_are_named() {
    let cited = edited(|_, f| {
        Some(f.replace("\"model\":\"m\"", "\"model\":\"m\",\"citations\":[{\"url\":\"u\"}]"))
    });
    let got = compare(&stream(&cited), &stream(&sound()), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-fields-dropped");
    assert_eq!(got.differences[0].a, "citations");
}

#[test]
fn lost_refusals_and_finishes_of_other_choices() {
    let say = |i: u32, delta: &str, finish: &str| {
        chunk(delta, finish).replace("\"index\":0", &format!("\"index\":{i}"))
    };
    let done = "data: [DONE]\n\n".to_owned();
    let refusal =
        [chunk(r#"{"refusal":"I cannot."}"#, "null"), chunk("{}", "\"stop\""), done.clone()];
    let empty = [chunk("{}", "\"stop\""), done.clone()];
    let got = compare(&stream(&refusal), &through(&empty), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-content-changed");
    assert!(got.verdict.starts_with("The gateway (B) has none of the refusal"), "{}", got.verdict);
    let two = [
        say(0, r#"{"content":"a"}"#, "null"),
        say(1, r#"{"content":"b"}"#, "null"),
        say(1, "{}", "\"stop\""),
        say(0, "{}", "\"stop\""),
        done.clone(),
    ];
    let one: Vec<_> =
        two.iter().enumerate().filter(|(i, _)| *i != 2).map(|x| x.1.clone()).collect();
    let got = compare(&stream(&two), &through(&one), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-finish-rewritten");
    assert!(got.verdict.contains("of choice 1 at A is lost"), "{}", got.verdict);
    let gap = [say(1, r#"{"content":"b"}"#, "null"), say(1, "{}", "\"stop\""), done.clone()];
    let moved = [say(1, r#"{"content":"b"}"#, "null"), say(0, "{}", "\"stop\""), done];
    let got = compare(&stream(&gap), &through(&moved), Expect::Same);
    assert!(got.verdict.contains("as that of choice 0"), "{}", got.verdict);
}

#[test]
fn only_done_is_a_guardrail_and_half_of_the_reasoning_is_dropped() {
    assert_eq!(
        codes(&stream(&sound()), &stream(&["data: [DONE]\n\n".into()]))[0],
        "gw-guardrail-emptied"
    );
    let half = edited(|i, f| (i != 3).then(|| f.to_owned()));
    let got = compare(&stream(&sound()), &stream(&half), Expect::Same);
    let codes: Vec<_> = got.differences.iter().map(|d| d.code.name()).collect();
    assert_eq!(codes, ["gw-reasoning-dropped"]);
    assert!(got.verdict.contains("4 of 9 characters"), "{}", got.verdict);
}

#[test]
fn an_answer_that_no_client_sees_has_no_end_that_one_sees() {
    let lines: Vec<String> = sound()
        .iter()
        .filter_map(|f| f.strip_prefix("data: ").map(|d| d.replace("\n\n", "\n")))
        .filter(|d| d.starts_with('{'))
        .collect();
    let empty = [chunk("{}", "\"stop\""), "data: [DONE]\n\n".to_owned()];
    let got = codes(&stream(&lines), &through(&empty));
    assert_eq!(got[..2], ["gw-fabricated-finish", "gw-content-changed"]);
}

#[test]
fn arguments_are_compared_as_json_and_a_mended_fault_is_no_loss() {
    let call = |arguments: &str| {
        chunk(
            &format!(
                r#"{{"tool_calls":[{{"index":0,"id":"c","type":"function","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
            ),
            "null",
        )
    };
    let whole = |arguments: &str| {
        [call(arguments), chunk("{}", "\"tool_calls\""), "data: [DONE]\n\n".to_owned()]
    };
    let got =
        compare(&stream(&whole(r#"{"a":1}"#)), &through(&whole(r#""{\"a\": 1}""#)), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Info), "{:?}", got.differences);
    assert!(got.verdict.contains("does not have the fault of A"), "{}", got.verdict);
    let got = codes(&stream(&whole(r#""{\"a\":1}""#)), &through(&whole(r#""{\"a\":2}""#)));
    assert_eq!(got[0], "gw-tools-changed");
}

#[test]
fn event_names_matter_where_clients_read_them() {
    let named = |list: &[String]| -> Vec<String> {
        list.iter().map(|f| f.replace("data: {", "event: x\ndata: {")).collect()
    };
    assert_eq!(codes(&stream(&named(&sound())), &stream(&sound())), ["gw-event-name-stripped"]);
    let one = edited(|i, f| Some(if i == 4 { format!("event: x\n{f}") } else { f.to_owned() }));
    let got = compare(&stream(&one), &stream(&sound()), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Info));
}

#[test]
fn what_a_retry_sent_is_compared_too() {
    let refused = |body: &str, from: u64, to: u64| {
        let mut i = Inspection::new(Arc::new(InspectOptions::default()));
        let request = crate::journal::Request {
            method: "POST".into(),
            url: "http://host/v1/chat/completions".into(),
            dialect: "openai-chat".into(),
            body: body.as_bytes().to_vec().into(),
            ..Default::default()
        };
        i.push(&Entry { exchange: 0, at: Some(from), kind: EntryKind::Request(Box::new(request)) });
        let head = Head { status: 422, version: "HTTP/1.1".into(), ..Head::default() };
        i.push(&Entry { exchange: 0, at: Some(to), kind: EntryKind::Head(head) });
        let end = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
        i.push(&Entry { exchange: 0, at: Some(to), kind: end });
        i
    };
    let body = r#"{"model":"m","messages":[],"stream_options":{"include_usage":true}}"#;
    let first = refused(body, 0, 1000);
    assert_eq!(codes(&first, &refused(body, 2000, 3000)), ["duplicate-request-after-422"]);
    // Two requests sent at the same time are no retry.
    assert_eq!(codes(&first, &refused(body, 10, 900)), [] as [&str; 0]);
    let without = refused(r#"{"model":"m","messages":[]}"#, 2000, 3000);
    let got = compare(&first, &without, Expect::Same);
    assert_eq!(got.differences[0].code.name(), "request-mutated");
    assert!(got.verdict.contains("only that of A has stream_options"), "{}", got.verdict);
}

#[test]
fn aliases_of_a_gateway_are_one_model_unless_it_names_another() {
    let of = |model: &str, headers: &[(&str, &str)]| {
        let mut i = stream(&sound());
        i.facts.request.as_mut().unwrap().model = model.into();
        let head = i.facts.head.as_mut().unwrap();
        head.headers.extend(headers.iter().map(|(k, v)| (k.to_string(), v.to_string())));
        i
    };
    let direct = of("gpt-4o", &[]);
    let guess = |b: &Inspection| Expect::guess(&direct, b);
    assert_eq!(guess(&of("openai/GPT-4o", &[])), Expect::Same);
    assert_eq!(guess(&of("claude", &[])), Expect::Different);
    assert_eq!(guess(&of("my-alias", &[("x-litellm-version", "1")])), Expect::Same);
    let named = |m| of("my-alias", &[("x-litellm-model-name", m)]);
    assert_eq!(guess(&named("openai/gpt-4o")), Expect::Same);
    assert_eq!(guess(&named("anthropic/claude")), Expect::Different);
}

/// A body without a head.
pub(super) fn bare(bytes: &[u8], named_sse: bool) -> Inspection {
    let mut i = Inspection::new(Arc::new(InspectOptions::default()));
    let what = EntryKind::Bare { status: None, content_type: None, dialect: None, named_sse };
    i.push(&Entry { exchange: 0, at: None, kind: what });
    let bytes = Bytes::copy_from_slice(bytes);
    let len = bytes.len() as u32;
    i.push(&Entry {
        exchange: 0,
        at: None,
        kind: EntryKind::Body { len, bytes, masked: Vec::new() },
    });
    let end = EntryKind::End { cause: EndCause::Unknown, detail: String::new() };
    i.push(&Entry { exchange: 0, at: None, kind: end });
    i
}
