//! Hazard characters planted in every field of a session and of a HAR, searched for in everything
//! that is printed for people and scripts.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sselens::text::is_hazard;

/// One of each kind: terminal sequences, C0, DEL, C1, bidi, separators, annotations, tags, fillers.
const HAZARDS: &str = "\u{1b}]52;c;QQ==\u{7}\u{1b}[31m\u{9b}2J\r\u{8}\u{b}\u{7f}\u{202e}\u{2066}\u{2028}\u{2029}\
                       \u{fff9}\u{e0041}\u{200b}\u{feff}\u{61c}\u{ad}\u{180e}\u{3164}";

/// The entries of an exchange; each text in it is a field to be attacked.
fn exchange() -> Vec<Value> {
    let body = "event: message\nid: 1\nfield: x\n: comment\ndata: {\"id\":\"c\",\"model\":\"gpt-4o\",\
                \"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"},\
                \"finish_reason\":null}]}\n\ndata: {\"error\":{\"message\":\"m\",\"type\":\"t\"}}\n\n";
    vec![
        json!({"sselens": "session", "format": 1, "version": "0", "created": "2026-01-01T00:00:00Z"}),
        json!({"type": "request", "x": 0, "at": 0.1, "method": "POST", "url": "http://h/v1/chat/completions",
               "headers": [["content-type", "application/json"]], "provider": "openai",
               "dialect": "openai-chat", "model": "gpt-4o", "warnings": ["a warning"], "side": "client",
               "raw": ["POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n\r\n"],
               "text": "{\"model\":\"gpt-4o\",\"messages\":[]}"}),
        json!({"type": "resolved", "x": 0, "at": 0.11, "addresses": ["1.1.1.1"]}),
        json!({"type": "connected", "x": 0, "at": 0.12, "peer": "1.1.1.1:1"}),
        json!({"type": "tls", "x": 0, "at": 0.13, "peer": "TLS"}),
        json!({"type": "head", "x": 0, "at": 0.15, "status": 103, "interim": true, "version": "HTTP/1.1",
               "headers": [["link", "</a>"]], "raw": ["HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]}),
        json!({"type": "head", "x": 0, "at": 0.2, "status": 200, "version": "HTTP/1.1",
               "headers": [["content-type", "text/event-stream"], ["server", "s"]],
               "raw": ["HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nserver: s\r\n\r\n"]}),
        json!({"type": "body", "x": 0, "at": 0.3, "len": body.len(), "text": body}),
        json!({"type": "trailers", "x": 0, "at": 0.4, "headers": [["x-t", "v"]]}),
        json!({"type": "note", "x": 0, "at": 0.4, "code": "journal-behind", "text": "a note"}),
        json!({"type": "end", "x": 0, "at": 0.5, "cause": "complete", "text": "d"}),
    ]
}

/// The places of all strings in a value.
fn strings(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| strings(v, &format!("{at}/{i}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(k, v)| strings(v, &format!("{at}/{k}"), found));
        }
        _ => {}
    }
}

fn run(dir: &Path, args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_sselens"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let seen = [out.stdout, out.stderr].concat();
    let text = String::from_utf8(seen).unwrap();
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    text
}

#[track_caller]
fn assert_harmless(text: &str, place: &str) {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| *c != '\n' && is_hazard(*c)) {
        let before = text[..at].chars().rev().take(60).collect::<Vec<_>>();
        let before: String = before.into_iter().rev().collect();
        panic!("{place}: {c:?} after {before:?}");
    }
}

/// Everything that prints a recording, but for what gives its bytes back.
const COMMANDS: &[&[&str]] = &[
    &["show", "a"],
    &["show", "a", "-o", "ndjson"],
    &["show", "a", "--lens", "openai-python", "-o", "text"],
    &["show", "a", "--lens", "all"],
    &["export", "a", "--to", "markdown"],
    &["export", "a", "--to", "html"],
    &["export", "a", "--to", "scenario"],
    &["export", "a", "--to", "python"],
    &["export", "a", "--to", "har"],
    &["compare", "a", "plain"],
    &["sessions", "a"],
];

#[test]
fn no_field_of_a_recording_acts_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |entries: &[Value]| entries.iter().map(|e| format!("{e}\n")).collect::<String>();
    let plain = exchange();
    std::fs::write(dir.path().join("plain"), lines(&plain)).unwrap();
    let mut printed = 0;
    for (i, entry) in plain.iter().enumerate() {
        let mut places = Vec::new();
        strings(entry, "", &mut places);
        for place in places.iter().filter(|p| !matches!(p.as_str(), "/type" | "/sselens")) {
            let mut entries = plain.clone();
            let field = entries[i].pointer_mut(place).unwrap();
            let text = field.as_str().unwrap();
            // In a body each line is a separate field.
            let text: String = match place.as_str() {
                "/text" => text
                    .lines()
                    .map(|line| format!("{line}{}\n", HAZARDS.replace('\r', "")))
                    .collect(),
                "/raw/0" => text.replace("\r\n", &format!("{}\r\n", HAZARDS.replace('\r', ""))),
                _ => format!("{text}{HAZARDS}"),
            };
            *field = text.into();
            std::fs::write(dir.path().join("a"), lines(&entries)).unwrap();
            for args in COMMANDS {
                let seen = run(dir.path(), args);
                assert_harmless(&seen, &format!("entry {i} {place}: {args:?}"));
                printed += usize::from(seen.contains("U+202E") || seen.contains("\\u202e"));
            }
        }
    }
    assert!(printed > 100, "the fields are shown: {printed}");
}

#[test]
fn no_field_of_an_archive_and_no_name_of_a_file_acts_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let har = json!({"log": {"version": "1.2", "entries": [{
        "startedDateTime": "2026-01-01T00:00:00Z",
        "request": {"method": format!("POST{HAZARDS}"), "url": format!("http://h/{HAZARDS}"),
            "headers": [{"name": format!("a{HAZARDS}"), "value": HAZARDS}],
            "postData": {"mimeType": "text/plain", "text": HAZARDS}},
        "response": {"status": 200, "statusText": HAZARDS, "httpVersion": HAZARDS,
            "headers": [{"name": format!("b{HAZARDS}"), "value": HAZARDS}],
            "content": {"mimeType": "text/event-stream", "text": format!("data: {HAZARDS}\n\n")}}
    }]}});
    std::fs::write(dir.path().join("a"), har.to_string()).unwrap();
    std::fs::write(dir.path().join("plain"), har.to_string()).unwrap();
    for args in COMMANDS {
        assert_harmless(&run(dir.path(), args), &format!("{args:?}"));
    }
    let odd = "x\u{1b}]0;t\u{7}\u{202e}\u{9b}";
    for args in [
        &["show", odd][..],
        &["send", "-p", odd, "hi"],
        &["explain", odd],
        &[odd],
        &["repair", odd],
    ] {
        assert_harmless(&run(dir.path(), args), &format!("{args:?}"));
    }
}
