//! The lab in every dialect that it speaks: the requests are those that the program itself makes,
//! over raw sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sselens::dialect;
use sselens::dialect::request::{ChatRequest, Notes};
use sselens::lab::{self, LabOptions, RunningLab, scenarios};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn start() -> Outcome<RunningLab> {
    Ok(lab::start(LabOptions { pace: 0.0, seed: Some(1) })?)
}

/// The path and body of a request in this dialect.
fn request(dialect: &str, model: &str) -> Outcome<(String, String)> {
    let side = dialect::find(dialect).ok_or("no such dialect")?.request().ok_or("no requests")?;
    let path = side.path.replace("{model}", &dialect::in_address(model));
    let body = (side.write)(&ChatRequest::minimal(model, "hi", None), &mut Notes::default());
    Ok((format!("/{dialect}/v1{path}"), serde_json::to_string_pretty(&body)?))
}

/// Status, head and body of the answer to one request, however it ends.
fn post(addr: SocketAddr, path: &str, body: &str) -> Outcome<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    // A reset is an end too.
    drop(stream.read_to_end(&mut bytes));
    let at = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    Ok((head, bytes.split_off((at + 4).min(bytes.len()))))
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[test]
fn every_scenario_comes_to_an_end_in_every_dialect_that_it_plays_in() -> Outcome {
    let lab = start()?;
    for scenario in scenarios().iter().filter(|it| !it.name.ends_with("-stall")) {
        let dialects = scenario.dialects();
        assert!(!dialects.is_empty(), "{}", scenario.name);
        for dialect in dialects {
            let (path, body) = request(dialect, &format!("lab/{}", scenario.name))?;
            let (head, body) = post(lab.addr, &path, &body)?;
            let body = text(&body);
            let name = &scenario.name;
            assert!(!body.contains("has no form in"), "{name} in {dialect}: {body}");
            assert!(
                !head.contains(" 404 ") && !head.contains(" 405 "),
                "{name} in {dialect}: {head}"
            );
        }
    }
    assert_eq!(lab.active(), 0);
    Ok(())
}

#[test]
fn hello_begins_and_ends_in_the_words_of_the_dialect() -> Outcome {
    let lab = start()?;
    for (dialect, first, last) in [
        ("openai-chat", "data: {\"id\":\"chatcmpl-lab", "data: [DONE]\n\n"),
        ("openai-completions", "data: {\"id\":\"cmpl-lab", "data: [DONE]\n\n"),
        (
            "openai-responses",
            "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,",
            "}}}\n\n",
        ),
        (
            "anthropic",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_lab",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        ("mistral", "data: {\"id\":\"1ab01ab01ab01ab0", "data: [DONE]\n\n"),
    ] {
        let (path, body) = request(dialect, "lab/hello")?;
        let (head, body) = post(lab.addr, &path, &body)?;
        assert!(head.contains("content-type: text/event-stream; charset=utf-8"), "{head}");
        let body = text(&body);
        let frame = body.split_once("\r\n").ok_or("no chunk")?.1;
        assert!(frame.starts_with(first), "{dialect}: {frame}");
        assert!(body.ends_with(&format!("{last}\r\n0\r\n\r\n")), "{dialect}: {body}");
    }
    Ok(())
}

#[test]
fn a_scenario_without_a_form_in_the_dialect_says_where_it_has_one() -> Outcome {
    let lab = start()?;
    let sentence =
        "The scenario lab/delta-null has no form in anthropic; it plays in: openai-chat.";
    let (path, body) = request("anthropic", "lab/delta-null")?;
    let (head, body) = post(lab.addr, &path, &body)?;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let error: serde_json::Value = serde_json::from_slice(&body)?;
    let expected = serde_json::json!({
        "type": "error", "error": { "type": "invalid_request_error", "message": sentence },
    });
    assert_eq!(error, expected);
    // Several choices, and other content than text.
    for (dialect, name) in [("anthropic", "choices-two"), ("openai-completions", "tool-calls")] {
        let (path, body) = request(dialect, &format!("lab/{name}"))?;
        assert!(post(lab.addr, &path, &body)?.0.starts_with("HTTP/1.1 400 "), "{name}");
    }
    Ok(())
}

#[test]
fn refusals_and_errors_have_the_form_of_the_dialect() -> Outcome {
    let lab = start()?;
    let get = |dialect: &str, model: &str| -> Outcome<(String, serde_json::Value)> {
        let (path, body) = request(dialect, model)?;
        let (head, body) = post(lab.addr, &path, &body)?;
        Ok((head, serde_json::from_slice(&body)?))
    };
    let (head, error) = get("anthropic", "lab/helo")?;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(error["error"]["type"], "not_found_error");
    let (head, error) = get("anthropic", "lab/http-429")?;
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("retry-after: 20"), "{head}");
    assert_eq!(error["error"]["type"], "rate_limit_error");
    let (_, error) = get("openai-responses", "lab/http-429")?;
    assert_eq!(error["error"]["code"], "rate_limit_exceeded");
    let (_, error) = get("mistral", "lab/http-429")?;
    assert_eq!(error["object"], "error");
    let (head, body) = post(lab.addr, "/anthropic/v1/messages", "[]")?;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(text(&body).starts_with("{\"type\":\"error\""), "{}", text(&body));
    Ok(())
}

#[test]
fn the_front_page_lists_every_endpoint() -> Outcome {
    let lab = start()?;
    let mut stream = TcpStream::connect(lab.addr)?;
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    for path in ["POST /v1/chat/completions\n", "POST /anthropic/v1/messages\n", "/mistral/v1/chat"]
    {
        assert!(page.contains(path), "{page}");
    }
    Ok(())
}

#[test]
fn hello_in_the_other_framings_and_without_a_stream() -> Outcome {
    let lab = start()?;
    for (dialect, content_type, first, last) in [
        (
            "gemini",
            "text/event-stream",
            "data: {\"candidates\":[{\"content\":{\"parts\":[",
            "}\n\n",
        ),
        ("gemini-array", "application/json", "[{\"candidates\":[{\"content\":", "\r\n]"),
        ("ollama", "application/x-ndjson", "{\"model\":\"lab/hello\",\"created_at\":\"20", "}\n"),
        (
            "cohere-v2",
            "text/event-stream",
            "event: message-start\ndata: {\"id\":\"lab-",
            "data: [DONE]\n\n",
        ),
    ] {
        let (path, body) = request(dialect, "lab/hello")?;
        let (head, body) = post(lab.addr, &path, &body)?;
        assert!(head.contains(&format!("content-type: {content_type}")), "{dialect}: {head}");
        let body = text(&body);
        let frame = body.split_once("\r\n").ok_or("no chunk")?.1;
        assert!(frame.starts_with(first), "{dialect}: {frame}");
        assert!(body.ends_with(&format!("{last}\r\n0\r\n\r\n")), "{dialect}: {body}");
    }
    for (path, member) in [
        ("/v1beta/models/lab/hello:generateContent", "/candidates/0/content/parts/0/text"),
        ("/v1beta/models/lab%2Fhello:generateContent", "/candidates/0/content/parts/0/text"),
        ("/api/chat", "/message/content"),
        ("/api/generate", "/response"),
        ("/cohere-v2/v2/chat", "/message/content/0/text"),
        ("/model/lab%2Fhello/converse", "/output/message/content/0/text"),
        ("/model/lab%2Fhello/invoke", "/content/0/text"),
    ] {
        let body = r#"{"model":"lab/hello","stream":false}"#;
        let (head, body) = post(lab.addr, path, body)?;
        assert!(head.contains("content-type: application/json"), "{path}: {head}");
        let whole: serde_json::Value = serde_json::from_slice(&body)?;
        let words = whole.pointer(member).and_then(|it| it.as_str()).unwrap_or_default();
        assert!(words.starts_with("Hello! This stream"), "{path}: {whole}");
    }
    Ok(())
}

#[test]
fn messages_of_bedrock_are_sound_and_name_their_errors() -> Outcome {
    let lab = start()?;
    for (dialect, name) in [("bedrock-converse", "messageStart"), ("bedrock-invoke", "chunk")] {
        let (path, body) = request(dialect, "lab/hello")?;
        let (head, body) = post(lab.addr, &path, &body)?;
        assert!(head.contains("content-type: application/vnd.amazon.eventstream"), "{head}");
        assert!(text(&body).contains(&format!(":event-type\u{7}\0{}", named(name))), "{dialect}");
        let (path, body) = request(dialect, "lab/error-object")?;
        let (_, body) = post(lab.addr, &path, &body)?;
        let exception = format!(":exception-type\u{7}\0{}", named("modelStreamErrorException"));
        assert!(text(&body).contains(&exception), "{dialect}");
        // Before a stream: the lab's own refusals, and a scenario's.
        for (model, status, kind) in [
            ("lab/helo", 404, "ResourceNotFoundException"),
            ("lab/http-429", 429, "ThrottlingException"),
        ] {
            let (path, body) = request(dialect, model)?;
            let (head, body) = post(lab.addr, &path, &body)?;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains(&format!("x-amzn-errortype: {kind}")), "{head}");
            let error: serde_json::Value = serde_json::from_slice(&body)?;
            assert!(error["message"].is_string(), "{error}");
        }
    }
    Ok(())
}

/// A header's value of this text: its length, then itself.
fn named(text: &str) -> String {
    format!("{}{text}", char::from(u8::try_from(text.len()).unwrap_or(0)))
}

#[test]
fn errors_of_the_others_have_their_forms() -> Outcome {
    let lab = start()?;
    for (dialect, member, words) in [
        ("gemini", "/error/status", "RESOURCE_EXHAUSTED"),
        ("gemini-array", "/error/status", "RESOURCE_EXHAUSTED"),
        ("ollama", "/error", "Rate limit reached for requests per minute"),
        ("cohere-v2", "/message", "Rate limit reached for requests per minute"),
    ] {
        let (path, body) = request(dialect, "lab/http-429")?;
        let (head, body) = post(lab.addr, &path, &body)?;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        let error: serde_json::Value = serde_json::from_slice(&body)?;
        assert_eq!(error.pointer(member).and_then(|it| it.as_str()), Some(words), "{dialect}");
    }
    // Gemini's error among the events is not an event.
    let (path, body) = request("gemini", "lab/error-object")?;
    let body = text(&post(lab.addr, &path, &body)?.1);
    assert!(body.contains("\r\n{\n  \"error\": {\n    \"code\": 500,\n"), "{body}");
    let (path, body) = request("ollama", "lab/error-object")?;
    let body = text(&post(lab.addr, &path, &body)?.1);
    assert!(body.contains("\r\n{\"error\":\"boom\"}\n"), "{body}");
    Ok(())
}
