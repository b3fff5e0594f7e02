//! The lab in a conversation: what an agent needs to complete a turn with a tool, over the socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use sselens::lab::{self, LabOptions, RunningLab};

fn start() -> RunningLab {
    lab::start(LabOptions { pace: 0.0, seed: Some(1) }).unwrap()
}

/// Everything that the lab answers to one request.
fn ask(lab: &RunningLab, method: &str, path: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(lab.addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let body = if method == "GET" { String::new() } else { body.to_string() };
    let head =
        format!("{method} {path} HTTP/1.0\r\nHost: lab\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Of each dialect: path, tools, a first conversation, and the tool's result that is added to it.
fn dialects() -> Vec<(&'static str, &'static str, Value, &'static str, Value, Value)> {
    let schema =
        json!({"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}});
    let user = json!({"role": "user", "content": "hi"});
    vec![
        (
            "/v1/chat/completions",
            "tools",
            json!([{"type": "function", "function": {"name": "list_files", "parameters": schema}}]),
            "messages",
            user.clone(),
            json!({"role": "tool", "tool_call_id": "c", "content": "ok"}),
        ),
        (
            "/v1/responses",
            "tools",
            json!([{"type": "function", "name": "list_files", "parameters": schema}]),
            "input",
            user.clone(),
            json!({"type": "function_call_output", "call_id": "c", "output": "ok"}),
        ),
        (
            "/v1/messages",
            "tools",
            json!([{"name": "list_files", "input_schema": schema}]),
            "messages",
            user.clone(),
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok"}]}),
        ),
        (
            "/v1beta/models/lab-tool-calls:streamGenerateContent?alt=sse",
            "tools",
            json!([{"functionDeclarations": [{"name": "list_files", "parameters": schema}]}]),
            "contents",
            json!({"role": "user", "parts": [{"text": "hi"}]}),
            json!({"role": "user", "parts": [{"functionResponse": {"name": "list_files"}}]}),
        ),
        (
            "/api/chat",
            "tools",
            json!([{"type": "function", "function": {"name": "list_files", "parameters": schema}}]),
            "messages",
            user,
            json!({"role": "tool", "content": "ok"}),
        ),
    ]
}

#[test]
fn a_declared_tool_is_called_and_its_result_is_answered_in_text() {
    let lab = start();
    for (path, key, tools, conversation, text, result) in dialects() {
        let mut body =
            json!({"model": "lab-tool-calls", "stream": true, key: tools, conversation: [text]});
        let first = ask(&lab, "POST", path, &body);
        assert!(first.contains("list_files"), "{path}: {first}");
        assert!(!first.contains("get_weather") && !first.contains("completes"), "{path}: {first}");
        body[conversation].as_array_mut().unwrap().push(result);
        let second = ask(&lab, "POST", path, &body);
        assert!(second.contains("completes"), "{path}: {second}");
        assert!(!second.contains("list_files"), "{path}: {second}");
    }
}

#[test]
fn without_declared_tools_the_scenario_is_played_as_written() {
    let lab = start();
    let body = json!({"model": "lab/tool-calls", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    assert!(ask(&lab, "POST", "/v1/chat/completions", &body).contains("get_weather"));
}

#[test]
fn clients_find_models_versions_and_token_counts() {
    let lab = start();
    let page = |answer: String| -> Value {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let tags = page(ask(&lab, "GET", "/api/tags", &Value::Null));
    let models = tags["models"].as_array().unwrap();
    assert_eq!(models.len(), lab::scenarios().len());
    let model = models.iter().find(|m| m["name"] == "lab-hello:latest").unwrap();
    let hello = json!({"model": model["name"], "messages": [{"role": "user", "content": "hi"}]});
    assert!(ask(&lab, "POST", "/api/chat", &hello).contains("\"done\":true"));
    assert!(page(ask(&lab, "GET", "/api/version", &Value::Null))["version"].is_string());
    assert!(page(ask(&lab, "GET", "/v1/models", &Value::Null))["data"].is_array());
    let body = json!({"model": "lab-hello", "messages": [{"role": "user", "content": "Good morning, how are you?"}]});
    assert_eq!(page(ask(&lab, "POST", "/v1/messages/count_tokens", &body))["input_tokens"], 6);
    let body = json!({"contents": [{"parts": [{"text": "Good morning, how are you?"}]}]});
    let path = "/v1beta/models/lab-hello:countTokens";
    assert_eq!(page(ask(&lab, "POST", path, &body))["totalTokens"], 6);
}
