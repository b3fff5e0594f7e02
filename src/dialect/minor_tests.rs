//! A short stream of each row, with what it reports.

use super::super::tests::{script, script_of_events};
use super::*;

fn named(dialect: &str, events: &[(&str, &str)]) -> Vec<String> {
    script_of_events(frame::FrameKind::Event, dialect, events)
}

#[test]
fn replicate_sends_plain_text() {
    let events = named(
        "replicate",
        &[
            ("output", "Two plus"),
            ("output", "{}"),
            ("logs", "step 1"),
            ("error", r#"{"detail":"CUDA out of memory"}"#),
            ("done", r#"{"reason":"error"}"#),
        ],
    );
    assert_eq!(
        events,
        [
            "content 0 : Two plus",
            "content 0 : {}",
            "other 0 : step 1",
            "error Object -: CUDA out of memory",
            "terminal",
        ]
    );
    let events = named("replicate", &[("done", r#"{"reason":"canceled"}"#)]);
    assert_eq!(events, ["error Object -: the prediction was canceled", "terminal"]);
}

#[test]
fn cody_sends_pieces_or_the_whole_so_far() {
    let events = named(
        "auto",
        &[
            ("completion", r#"{"delta_thinking":"hm"}"#),
            ("completion", r#"{"deltaText":"four","stopReason":"end_turn"}"#),
            ("error", r#"{"error":"529"}"#),
            ("done", "{}"),
        ],
    );
    assert_eq!(
        events,
        [
            "reasoning 0 delta_thinking: hm",
            "content 0 deltaText: four",
            "finish 0 end_turn",
            "error Object -: 529",
            "terminal",
        ]
    );
    let events = named(
        "auto",
        &[("completion", r#"{"completion":"fo"}"#), ("completion", r#"{"completion":"four"}"#)],
    );
    assert_eq!(events, ["content 0 completion: fo", "content 0 completion: ur"]);
}

#[test]
fn flowise_names_events_in_the_json() {
    let events = script(
        "auto",
        &[
            r#"{"event":"start","data":"fo"}"#,
            r#"{"event":"token","data":"four"}"#,
            r#"{"event":"error","data":"429"}"#,
            r#"{"event":"end","data":"[DONE]"}"#,
        ],
    );
    assert_eq!(events, ["content 0 data: four", "error Object -: 429", "terminal"]);
}

#[test]
fn tgi_ends_with_the_whole_text() {
    let events = script(
        "auto",
        &[
            r#"{"token":{"id":1,"text":"four","special":false},"generated_text":null,"details":null}"#,
            r#"{"token":{"id":2,"text":"</s>","special":true},"generated_text":"four","details":{"finish_reason":"eos_token","generated_tokens":2,"input_length":5}}"#,
            r#"{"error":"boom","error_type":"generation"}"#,
        ],
    );
    assert_eq!(
        events,
        [
            "content 0 token.text: four",
            "whole content 0: four",
            "usage details 5 2 - - -",
            "finish 0 eos_token",
            "terminal",
            "error Object generation: boom",
        ]
    );
}

#[test]
fn engines_repeat_their_text() {
    let events = script(
        "auto",
        &[
            r#"{"text":"Hel","meta_info":{"finish_reason":null}}"#,
            r#"{"text":"Hello","meta_info":{"finish_reason":{"type":"stop"},"prompt_tokens":5,"completion_tokens":2}}"#,
            "[DONE]",
        ],
    );
    assert_eq!(
        events,
        [
            "content 0 text: Hel",
            "content 0 text: lo",
            "usage meta_info 5 2 - - -",
            "finish 0 stop",
            "sentinel",
            "terminal",
        ]
    );
    let aborted =
        r#"{"text":"","meta_info":{"finish_reason":{"type":"abort","message":"no memory"}}}"#;
    assert_eq!(script("auto", &[aborted]), ["error Object abort: no memory"]);
    let events = script("auto", &[r#"{"text":["a: H","a: I"]}"#, r#"{"text":["a: Hi","a: I"]}"#]);
    assert_eq!(
        events,
        ["content 0 text[0]: a: H", "content 1 text[1]: a: I", "content 0 text[0]: i"]
    );
    let events = script(
        "auto",
        &[
            r#"{"model_name":"m","text_output":"Hello"}"#,
            r#"{"model_name":"m","text_output":" there"}"#,
            r#"{"error":"boom"}"#,
        ],
    );
    assert_eq!(
        events,
        ["content 0 text_output: Hello", "content 0 text_output:  there", "error Object -: boom"]
    );
}

#[test]
fn fastgpt_speaks_chat_among_its_own() {
    let events = named(
        "auto",
        &[
            ("flowNodeStatus", r#"{"status":"running","name":"AI"}"#),
            (
                "answer",
                r#"{"choices":[{"index":0,"delta":{"content":"four"},"finish_reason":"stop"}]}"#,
            ),
            ("error", r#"{"message":"429"}"#),
            ("answer", "[DONE]"),
        ],
    );
    assert_eq!(
        events,
        [
            "content 0 choices[0].delta.content: four",
            "finish 0 stop",
            "error Flat -: 429",
            "sentinel",
        ]
    );
}
