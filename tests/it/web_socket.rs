//! WebSockets through the tap: another implementation of the protocol on both sides, recorded messages,
//! and the same lines when the session is opened again.

use std::net::TcpListener;

use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, accept_hdr};

use crate::support::RunningTap;

const KEY: &str = "sk-abcdefgh12345678";

/// The events of a turn of Realtime.
fn realtime() -> Vec<String> {
    [
        r#"{"type":"response.created","event_id":"e2","response":{"id":"r","status":"in_progress","output":[]}}"#,
        r#"{"type":"response.output_text.delta","event_id":"e3","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"Grüße"}"#,
        r#"{"type":"response.output_text.done","event_id":"e4","response_id":"r","item_id":"i","output_index":0,"content_index":0,"text":"Grüße"}"#,
        r#"{"type":"response.done","event_id":"e5","response":{"id":"r","status":"completed","output":[{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"Grüße"}]}],"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}"#,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The events of a turn of Responses.
fn responses() -> Vec<String> {
    let item = r#"{"id":"m","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello","annotations":[]}]}"#;
    let response = |status: &str, output: &str| {
        format!(
            r#"{{"id":"resp_1","object":"response","created_at":1,"model":"gpt-5","status":"{status}","output":[{output}],"usage":{{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}}"#
        )
    };
    vec![
        format!(
            r#"{{"type":"response.created","sequence_number":0,"response":{}}}"#,
            response("in_progress", "")
        ),
        r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"m","type":"message","role":"assistant","status":"in_progress","content":[]}}"#.into(),
        r#"{"type":"response.content_part.added","sequence_number":2,"item_id":"m","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}"#.into(),
        r#"{"type":"response.output_text.delta","sequence_number":3,"item_id":"m","output_index":0,"content_index":0,"delta":"Hello","logprobs":[]}"#.into(),
        r#"{"type":"response.output_text.done","sequence_number":4,"item_id":"m","output_index":0,"content_index":0,"text":"Hello","logprobs":[]}"#.into(),
        r#"{"type":"response.content_part.done","sequence_number":5,"item_id":"m","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[]}}"#.into(),
        format!(
            r#"{{"type":"response.output_item.done","sequence_number":6,"output_index":0,"item":{item}}}"#
        ),
        format!(
            r#"{{"type":"response.completed","sequence_number":7,"response":{}}}"#,
            response("completed", item)
        ),
    ]
}

/// A server that says hello, answers each message with these events, and closes when asked to.
fn server(greeting: &'static str, events: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            #[expect(clippy::result_large_err, reason = "the library's own signature")]
            let seen = |request: &Request, response: Response| {
                assert_eq!(request.headers()["authorization"], format!("Bearer {KEY}"));
                Ok(response)
            };
            let mut socket = accept_hdr(stream.unwrap(), seen).unwrap();
            if !greeting.is_empty() {
                socket.send(Message::text(greeting)).unwrap();
            }
            while let Ok(message) = socket.read() {
                if message.is_text() {
                    socket.send(Message::Ping("there?".into())).unwrap();
                    for event in &events {
                        socket.send(Message::text(event.as_str())).unwrap();
                    }
                }
            }
        }
    });
    at
}

/// Says `messages` through the tap, one after each answer, and closes.
fn talk(tap: &str, path: &str, messages: &[&str], last: &str) {
    let address = format!("{}{path}", tap.replace("http://", "ws://"));
    let request = tungstenite::ClientRequestBuilder::new(address.parse().unwrap())
        .with_header("Authorization", format!("Bearer {KEY}"));
    let (mut socket, response) = tungstenite::connect(request).unwrap();
    assert_eq!(response.status(), 101);
    for message in messages {
        socket.send(Message::text(*message)).unwrap();
        loop {
            let answer = socket.read().unwrap();
            if answer.to_text().is_ok_and(|text| text.contains(last)) {
                break;
            }
        }
    }
    let close = CloseFrame { code: 1000.into(), reason: "bye".into() };
    socket.close(Some(close)).unwrap();
    while socket.read().is_ok() {}
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// What the frames are: direction, opcode, and the event's type or the text.
fn frames(lines: &[serde_json::Value]) -> Vec<String> {
    let reported = |l: &serde_json::Value| {
        assert_eq!(l["kind"], "ws");
        let data = l["data"].as_str().unwrap();
        let json = serde_json::from_str::<serde_json::Value>(data).unwrap_or_default();
        let what = json["type"].as_str().unwrap_or(data);
        format!("{} {} {what}", l["direction"].as_str().unwrap(), l["opcode"].as_str().unwrap())
    };
    lines.iter().filter(|l| l["type"] == "frame").map(reported).collect()
}

/// Taps `path` while it is talked to, and returns the lines and the folder with `s.jsonl`.
fn tapped(
    upstream: &str,
    path: &str,
    messages: &[&str],
    last: &str,
) -> (Vec<serde_json::Value>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--to", upstream, "-o", "ndjson", "--save", "s.jsonl"];
    let tap = RunningTap::start(dir.path(), &args);
    talk(&tap.url, path, messages, last);
    let (_, out, err) = tap.stop();
    let saved = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    for text in [&out, &saved, &err] {
        assert!(!text.contains("sk-abcdefgh"), "{text}");
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
    let shown = command.args(["show", "s.jsonl", "-o", "ndjson"]).current_dir(dir.path());
    let shown = String::from_utf8(shown.output().unwrap().stdout).unwrap();
    assert_eq!(lines(&shown), lines(&out));
    (lines(&out), dir)
}

#[test]
fn realtime_is_recorded_in_both_directions_and_reads_the_same_again() {
    let hello =
        r#"{"type":"session.created","event_id":"e1","session":{"id":"s","model":"gpt-realtime"}}"#;
    let upstream = server(hello, realtime());
    let asked = r#"{"type":"response.create","response":{"instructions":"greet"}}"#;
    let path = "/v1/realtime?model=gpt-realtime";
    let (lines, dir) = tapped(&upstream, path, &[asked, asked], "response.done");
    let turn = [
        "sent text response.create",
        "received ping there?",
        "received text response.created",
        "received text response.output_text.delta",
        "received text response.output_text.done",
        "received text response.done",
    ];
    let mut reported = frames(&lines);
    assert_eq!(reported.remove(0), "received text session.created");
    // The library answers a ping when it is next used.
    reported.retain(|t| t != "sent pong there?");
    assert_eq!(reported[..12], [turn, turn].concat());
    assert_eq!(reported[12], "sent close bye");
    let summary = lines.last().unwrap();
    assert_eq!(summary["dialect"], "openai-realtime", "{summary}");
    assert_eq!(
        (&summary["outcome"], &summary["reason"], &summary["ending"]["transport"]),
        (&"ok".into(), &"complete".into(), &"clean".into()),
        "{lines:#?}"
    );
    // The answers of all turns are joined.
    assert_eq!(summary["content"]["0"], "GrüßeGrüße");
    assert_eq!((&summary["status"], &summary["model"]), (&101.into(), &"gpt-realtime".into()));
    // What the server sent is the body, as on the wire.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
    let raw = command.args(["export", "s.jsonl", "--to", "raw"]).current_dir(dir.path()).output();
    let raw = raw.unwrap().stdout;
    assert!(raw.starts_with(b"\x81\x56{\"type\":\"session.created\""), "{raw:?}");
    assert_eq!(raw.len(), summary["counts"]["bytes"].as_u64().unwrap() as usize);
}

#[test]
fn responses_over_a_web_socket_are_read_and_an_archive_restores_them() {
    let upstream = server("", responses());
    let asked = r#"{"type":"response.create","model":"gpt-5","input":"hi"}"#;
    let (lines, dir) = tapped(&upstream, "/v1/responses", &[asked], "response.completed");
    let summary = lines.last().unwrap();
    assert_eq!(summary["dialect"], "openai-responses", "{summary}");
    assert_eq!((&summary["outcome"], &summary["model"]), (&"ok".into(), &"gpt-5".into()));
    assert_eq!(summary["content"]["0"], "Hello", "{summary}");
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
        let out = command.args(args).current_dir(dir.path()).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let har = run(&["export", "s.jsonl", "--to", "har"]);
    std::fs::write(dir.path().join("s.har"), &har).unwrap();
    let har: serde_json::Value = serde_json::from_str(&har).unwrap();
    let messages = har["log"]["entries"][0]["_webSocketMessages"].as_array().unwrap();
    let kinds: Vec<_> = messages.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "send");
    assert_eq!(kinds[1..], vec!["receive"; 8]);
    assert_eq!(run(&["show", "s.har", "-o", "ndjson"]), run(&["show", "s.jsonl", "-o", "ndjson"]));
}

#[test]
fn a_recorded_web_socket_is_replayed_to_another_client_in_its_turns() {
    use std::io::BufRead as _;
    let hello = r#"{"type":"session.created","event_id":"e1","session":{"id":"s","model":"m"}}"#;
    let messages = [r#"{"type":"response.create","n":1}"#, r#"{"type":"response.create","n":2}"#];
    let path = "/v1/realtime?model=m";
    let (original, dir) = tapped(&server(hello, realtime()), path, &messages, "response.done");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.args(["replay", "s.jsonl", "--listen", "127.0.0.1:0", "--pace", "0", "-q"]);
    command.current_dir(dir.path()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let at = line.split_whitespace().find(|w| w.starts_with("http://")).unwrap().to_owned();
    // The second message is answered only after it arrived; the key is this client's own.
    let (again, _) = tapped(&at, path, &messages, "response.done");
    child.kill().unwrap();
    child.wait().unwrap();
    let data = |lines: &[serde_json::Value]| -> Vec<String> {
        // The library answers pings at any time.
        frames(lines).into_iter().filter(|f| !f.contains(" pong ")).collect()
    };
    assert_eq!(data(&again), data(&original));
}

#[test]
fn a_server_without_web_sockets_refuses_through_the_tap_as_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let tap = RunningTap::start(dir.path(), &["--to", "lab", "-o", "ndjson"]);
    let address = format!("{}/v1/responses", tap.url.replace("http://", "ws://"));
    let refused = tungstenite::connect(address).unwrap_err();
    let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
    assert!(response.status().is_client_error(), "{response:?}");
    let (_, out, _) = tap.stop();
    assert_eq!(lines(&out).last().unwrap()["status"], response.status().as_u16());
}
