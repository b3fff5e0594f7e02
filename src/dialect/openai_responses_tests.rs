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
        ["tool Some(2) item c f -", "tool Some(2) delta - - {\"a\"", "tool Some(2) delta - - :1}"]
    );
}

#[test]
fn errors_come_flat_and_nested_and_are_told_once() {
    for (shape, error) in [
        ("Flat", r#"{"type":"error","sequence_number":2,"code":"c","message":"boom"}"#),
        ("Object", r#"{"type":"error","sequence_number":2,"error":{"code":"c","message":"boom"}}"#),
        ("Flat", r#"{"type":"response.error","code":"c","message":"boom"}"#),
    ] {
        let failed = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"c","message":"boom"}}}"#;
        let events = format!("error {shape} c: boom");
        assert_eq!(script(AUTO, &[error, failed]), [events.as_str(), "terminal"]);
        assert_eq!(
            script(AUTO, &[failed]),
            ["error Object c: boom", "finish 0 failed", "terminal"]
        );
    }
}

#[test]
fn arguments_that_stand_at_the_beginning_too_count_once() {
    let added = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#;
    let delta =
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}"#;
    let done = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#;
    assert_eq!(
        script(AUTO, &[added, delta, done]),
        ["tool Some(0) item c f -", "tool Some(0) delta - - {}"]
    );
    assert_eq!(
        script(AUTO, &[added, done]),
        ["tool Some(0) item c f -", "tool Some(0) item c f {}"]
    );
}

#[test]
fn the_last_event_has_what_of_its_kind_never_came() {
    let s = script(
        AUTO,
        &[
            r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"hm"}"#,
            r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]},{"type":"message","content":[{"type":"output_text","text":"Hi"}]},{"type":"tool_search_call","call_id":"c","arguments":{"q":1}}]}}"#,
        ],
    );
    assert_eq!(
        s,
        [
            "reasoning 0 delta: hm",
            "content 0 response.output[1].content[0].text: Hi",
            "tool Some(2) response.output[2] c tool_search_call {\"q\":1}",
            "finish 0 completed",
            "terminal"
        ]
    );
}

#[test]
fn what_the_server_runs_is_not_the_answer() {
    let s = script(
        AUTO,
        &[
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"code_interpreter_call","id":"ci","code":""}}"#,
            r#"{"type":"response.code_interpreter_call_code.delta","output_index":0,"delta":"print(1)"}"#,
            r#"{"type":"response.shell_call_command.delta","output_index":1,"delta":"ls"}"#,
            r#"{"type":"response.custom_tool_call_input.delta","output_index":2,"delta":"x"}"#,
        ],
    );
    assert_eq!(
        s,
        [
            "tool Some(0) item ci code_interpreter_call -",
            "other 0 delta: print(1)",
            "other 0 delta: ls",
            "tool Some(2) delta - - x"
        ]
    );
}

#[test]
fn a_thought_under_two_names_counts_once() {
    let item = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"content":[{"type":"reasoning_text","text":"hm"}]}}"#;
    let delta = r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"hm"}"#;
    assert_eq!(script(AUTO, &[delta, item]), ["reasoning 0 delta: hm"]);
    assert_eq!(
        script(AUTO, &[item]),
        ["reasoning 0 item.summary[0].text: hm", "reasoning 0 item.content[0].text (again): hm"]
    );
}
