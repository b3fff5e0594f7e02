use super::super::tests::script;

const AUTO: &str = "auto";

#[test]
fn deltas_are_the_answer_and_the_rest_repeats_them() {
    let s = script(
        AUTO,
        &[
            r#"{"type":"response.created","response":{"model":"m-1","status":"in_progress"}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"hm"}"#,
            r#"{"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":0,"text":"hm"}"#,
            r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hi"}"#,
            r#"{"type":"response.output_text.done","output_index":1,"content_index":0,"text":"Hi"}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"Hi"}]}}"#,
            r#"{"type":"response.completed","response":{"model":"m-1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3,"input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":5}}}}"#,
        ],
    );
    assert_eq!(
        s,
        [
            "model m-1",
            "reasoning 0 delta: hm",
            "content 0 delta: Hi",
            "usage response.usage 1 2 5 4 3",
            "finish 0 completed",
            "terminal"
        ]
    );
}

#[test]
fn what_never_came_in_deltas_is_read_where_it_is_whole() {
    let s = script(
        AUTO,
        &[
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
            r#"{"type":"response.output_text.done","output_index":1,"content_index":0,"text":"Hi"}"#,
            r#"{"type":"response.incomplete","response":{"status":"incomplete"}}"#,
        ],
    );
    assert_eq!(
        s,
        ["tool Some(0) item c f {}", "content 0 text: Hi", "finish 0 incomplete", "terminal"]
    );
    let s = script(
        "openai-responses",
        &[
            r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}}"#,
        ],
    );
    assert_eq!(s[0], "refusal 0 response.output[0].content[0].text: no");
}

#[test]
fn a_call_is_put_together_by_output_index() {
    let s = script(
        AUTO,
        &[
            r#"{"type":"response.output_item.added","output_index":2,"item":{"id":"x1","type":"function_call","call_id":"c","name":"f","arguments":""}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":2,"item_id":"x2","delta":"{\"a\""}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":2,"item_id":"x3","delta":":1}"}"#,
            r#"{"type":"response.function_call_arguments.done","output_index":2,"arguments":"{\"a\":1}"}"#,
            r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"}}"#,
        ],
    );
    assert_eq!(
        s,
        ["tool Some(2) item c f ", "tool Some(2) delta - - {\"a\"", "tool Some(2) delta - - :1}"]
    );
}

#[test]
fn errors_come_flat_and_nested_and_are_told_once() {
    for error in [
        r#"{"type":"error","sequence_number":2,"code":"c","message":"boom"}"#,
        r#"{"type":"error","sequence_number":2,"error":{"code":"c","message":"boom"}}"#,
    ] {
        let failed = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"c","message":"boom"}}}"#;
        assert_eq!(script(AUTO, &[error, failed]), ["error c: boom", "terminal"]);
        assert_eq!(script(AUTO, &[failed]), ["error c: boom", "finish 0 failed", "terminal"]);
    }
}
