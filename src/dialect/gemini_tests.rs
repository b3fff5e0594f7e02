use super::super::tests::{script, script_of};
use crate::frame::FrameKind;

const STREAM: &[&str] = &[
    r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]},"index":0}],"modelVersion":"m","usageMetadata":{"trafficType":"ON_DEMAND"}}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"Hi"},{"text":"","thoughtSignature":"x"}]},"index":1}]}"#,
    r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"thoughtsTokenCount":3,"cachedContentTokenCount":4,"totalTokenCount":5}}"#,
];

const EVENTS: &[&str] = &[
    "model m",
    "reasoning 0 candidates[0].content.parts[0].text: hm",
    "content 1 candidates[0].content.parts[0].text: Hi",
    "finish 0 STOP",
    "usage usageMetadata 1 2 3 4 5",
];

#[test]
fn thought_and_text_are_parts() {
    assert_eq!(script("auto", STREAM), EVENTS);
    assert_eq!(script("gemini", STREAM), EVENTS);
}

#[test]
fn elements_of_an_array_are_the_other_dialect() {
    assert_eq!(script_of(FrameKind::Element, "auto", STREAM), EVENTS);
}

#[test]
fn calls_come_whole_or_in_pieces() {
    let call = |call: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{call}}}]}}}}]}}"#)
    };
    let lines = [
        call(r#"{"name":"f","args":{"a": 1}}"#),
        call(r#"{"name":"g","id":"i","willContinue":true}"#),
        call(r#"{"partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}"#),
        call("{}"),
        call(r#"{"name":"f","args":{}}"#),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let path = "candidates[0].content.parts[0].functionCall";
    assert_eq!(
        script("auto", &lines),
        [
            format!("tool Some(0) {path} - f {{\"a\": 1}}"),
            format!("tool Some(1) {path} i g -"),
            format!("tool Some(1) {path} - - -"),
            format!("tool Some(2) {path} - f {{}}"),
        ]
    );
}

#[test]
fn errors_and_a_blocked_prompt() {
    let s = script(
        "gemini",
        &[
            r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#,
            r#"[{"error":{"code":400,"message":"bad"}}]"#,
            r#"{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"Reasons"}}"#,
        ],
    );
    assert_eq!(
        s,
        [
            "error Object UNAVAILABLE: overloaded",
            "error Object 400: bad",
            "error Object SAFETY: the prompt was blocked: Reasons"
        ]
    );
}

#[test]
fn code_assist_wraps_its_responses() {
    let wrapped: Vec<_> =
        STREAM.iter().map(|r| format!(r#"{{"response":{r},"traceId":"t"}}"#)).collect();
    let wrapped: Vec<&str> = wrapped.iter().map(String::as_str).collect();
    assert_eq!(script("auto", &wrapped), EVENTS);
}
