use super::super::tests::{script, script_of};
use crate::frame::FrameKind;

fn delta(members: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{{members}}}}}]}}"#)
}

fn emitted(members: &str) -> Vec<String> {
    script("auto", &[&delta(members)])
}

#[test]
fn thoughts_under_every_name() {
    let at = "reasoning 0 choices[0].delta.";
    let cases = [
        (r#""reasoning_content":"a""#, "reasoning_content: a"),
        (r#""reasoning":{"text":"a"}"#, "reasoning: a"),
        (r#""reasoning_text":"a","content":null"#, "reasoning_text: a"),
        (
            r#""reasoning_details":[{"type":"reasoning.summary","summary":"a"}]"#,
            "reasoning_details[0].summary: a",
        ),
        (
            r#""reasoning_details":[{"type":"reasoning.encrypted","data":"x"},{"type":"reasoning.text","text":"a"}]"#,
            "reasoning_details[1].text: a",
        ),
        (
            r#""thinking_blocks":[{"type":"thinking","thinking":"a","signature":"s"}]"#,
            "thinking_blocks[0].thinking: a",
        ),
        (
            r#""reasoning_steps":[{"thought":"a","type":"web_search"}]"#,
            "reasoning_steps[0].thought: a",
        ),
    ];
    for (members, emitted_as) in cases {
        assert_eq!(emitted(members), [format!("{at}{emitted_as}")]);
    }
}

#[test]
fn the_same_thought_in_another_field_counts_once() {
    let s = emitted(
        r#""reasoning_content":"a","thinking_blocks":[{"type":"thinking","thinking":"a"}],"reasoning":"b""#,
    );
    assert_eq!(
        s,
        [
            "reasoning 0 choices[0].delta.reasoning_content: a",
            "reasoning 0 choices[0].delta.reasoning: b",
            "reasoning 0 choices[0].delta.thinking_blocks[0].thinking (again): a",
        ]
    );
}

#[test]
fn what_comes_concisely_from_perplexity() {
    let s = script(
        "auto",
        &[
            r#"{"object":"chat.reasoning","model":"sonar-pro","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_steps":[{"thought":"I look.","type":"web_search"}]}}]}"#,
            r#"{"object":"chat.reasoning.done","choices":[{"index":0,"delta":{"role":"assistant","content":""},"message":{"role":"assistant","content":"","reasoning_steps":[{"thought":"I look."}]}}],"usage":{"prompt_tokens":1}}"#,
            r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"object":"chat.completion.done","choices":[{"index":0,"finish_reason":"stop","message":{"content":"Hi"},"delta":{"content":""}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        ],
    );
    assert_eq!(
        s,
        [
            "model sonar-pro",
            "reasoning 0 choices[0].delta.reasoning_steps[0].thought: I look.",
            "usage usage 1 - - - -",
            "content 0 choices[0].delta.content: Hi",
            "usage usage 1 2 - - 3",
            "finish 0 stop",
        ]
    );
}

#[test]
fn calls_of_every_kind() {
    let at = "choices[0].delta.tool_calls[0]";
    let cases = [
        (
            r#""tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":{"a": 1}}}]"#,
            format!("tool Some(0) {at} i f {{\"a\": 1}}"),
        ),
        (
            r#""tool_calls":[{"id":"i","type":"custom","custom":{"name":"f","input":"x y"}}]"#,
            format!("tool None {at} i f x y"),
        ),
        (
            r#""function_call":{"name":"f","arguments":"{}"}"#,
            "tool Some(0) choices[0].delta.function_call - f {}".to_owned(),
        ),
    ];
    for (members, emitted_as) in cases {
        assert_eq!(emitted(members), [emitted_as]);
    }
}

#[test]
fn errors_in_a_list_and_beside_it() {
    let s = script(
        "openai-chat",
        &[
            r#"[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"error":{"message":"boom","type":"t","code":"c"}}"#,
            r#"{"message":"no","type":"wrong","param":"p","code":"wrong_api_format"}"#,
        ],
    );
    assert_eq!(s, ["error Object 400: bad", "error Object t: boom", "error Flat wrong: no"]);
    let s = script(
        "openai-chat",
        &[
            r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502,"message":"upstream"}}]}"#,
            r#"{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            r#"{"choices":[],"base_resp":{"status_code":0,"status_msg":""}}"#,
        ],
    );
    assert_eq!(
        s,
        [
            "error WithChoices 502: upstream",
            "finish 0 error",
            "error Flat 1008: insufficient balance"
        ]
    );
    let whole = r#"{"choices":[{"index":0,"message":{"content":"Hi","reasoning_text":"hm"},"finish_reason":"stop"}]}"#;
    assert_eq!(
        script_of(FrameKind::Body, "openai-chat", &[whole]),
        [
            "reasoning 0 choices[0].message.reasoning_text: hm",
            "content 0 choices[0].message.content: Hi",
            "finish 0 stop"
        ]
    );
}
