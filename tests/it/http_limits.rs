//! What HTTP libraries accept of a response, in the client views and in the table, held against the answers of the real
//! clients: `tests/http_limits/clients.py` recorded `clients.json`.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use sselens::client_sim::{Client, ClientRun, clients};
use sselens::inspect::Inspection;
use sselens::journal::{EndCause, Entry, EntryKind, Head, Headers, Request};

use crate::support::program::Program;

fn recorded() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http_limits/clients.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A healthy stream of a dialect, with its content type.
fn stream(folder: &str) -> (Vec<u8>, &'static str) {
    if folder == "chat" {
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
                 \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let all = [
            chunk("{\"role\":\"assistant\",\"content\":\"Hello\"}", "null"),
            chunk("{}", "\"stop\""),
            "data: [DONE]\n\n".to_owned(),
        ];
        return (all.concat().into_bytes(), "text/event-stream");
    }
    let (end, kind) = match folder {
        "bedrock" => ("bin", "application/vnd.amazon.eventstream"),
        _ => ("sse", "text/event-stream"),
    };
    let file = format!("tests/client_sim/{folder}/hello.{end}");
    (std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap(), kind)
}

const DIALECTS: [(&str, &str); 7] = [
    ("chat", "openai-chat"),
    ("responses", "openai-responses"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("bedrock", "bedrock-converse"),
    ("cohere", "cohere-v2"),
    ("mistral", "mistral"),
];

/// A line of this many bytes, with its end.
fn line(size: usize) -> String {
    format!("x: {}\r\n", "y".repeat(size - 3))
}

fn many(count: usize) -> String {
    (0..count).map(|i| format!("x-{i}: y\r\n")).collect()
}

/// The interim head, the head and the trailers of a case of `clients.py`.
fn response(case: &str, kind: &str, body: usize) -> (Option<u16>, String, String) {
    let start = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n");
    let length = format!("content-length: {body}\r\n");
    let chunked = "transfer-encoding: chunked\r\n";
    let head = format!("{start}{length}");
    let sized = case.rsplit_once('-').and_then(|(what, n)| Some((what, n.parse::<usize>().ok()?)));
    let (more, trailers) = match sized {
        Some(("fields", n)) => (many(n - 2), String::new()),
        Some(("line", n)) => (line(n), String::new()),
        Some(("head", n)) => {
            let left = n - head.len() - 2;
            let lines: String =
                (0..left / 4000).map(|i| format!("x-{i:02}: {}\r\n", "y".repeat(3992))).collect();
            (lines + &line((left % 4000 - 2).max(4)), String::new())
        }
        Some(("trailers", n)) => (String::new(), many(n)),
        Some(("trailer", n)) => (String::new(), line(n)),
        _ => (String::new(), String::new()),
    };
    if !trailers.is_empty() {
        return (None, format!("{start}{chunked}\r\n"), trailers);
    }
    let odd = match case {
        "folded" => "x: a\r\n  b\r\n",
        "no-colon" => "nonsense\r\n",
        "space-before-colon" => "x : a\r\n",
        "control" => "x: a\u{1b}b\r\n",
        "length-twice" => &length,
        "length-and-chunked" => chunked,
        _ => "",
    };
    let interim = match case {
        "early-hints" => Some(103),
        "continue" => Some(100),
        _ => None,
    };
    let raw = match case {
        "http-1.0-chunked" => format!("{}{chunked}\r\n", start.replace("1.1", "1.0")),
        "line-feeds" => format!("{head}\r\n").replace("\r\n", "\n"),
        _ => format!("{head}{more}{odd}\r\n"),
    };
    (interim, raw, String::new())
}

fn headers(raw: &str) -> Headers {
    let lines = raw.lines().skip(usize::from(raw.starts_with("HTTP/")));
    let fields = lines.filter_map(|line| line.split_once(':'));
    fields.map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_owned())).collect()
}

/// The exchange of a case.
fn exchange(case: &str, folder: &str, dialect: &str) -> Inspection {
    let (body, kind) = stream(folder);
    let (interim, raw, trailers) = response(case, kind, body.len());
    let mut seen = Inspection::new(crate::support::options());
    let mut push = |kind| seen.push(&Entry { exchange: 0, at: Some(1), kind });
    push(EntryKind::Request(Box::new(Request {
        dialect: dialect.into(),
        body: Bytes::from_static(b"{\"stream\":true}"),
        ..Request::default()
    })));
    let head = |status, interim, raw: &str| {
        let version = raw.split(' ').next().unwrap().to_owned();
        let (headers, raw) = (headers(raw), Bytes::copy_from_slice(raw.as_bytes()));
        EntryKind::Head(Head { interim, status, version, headers, raw })
    };
    if let Some(status) = interim {
        push(head(status, true, &format!("HTTP/1.1 {status} x\r\n\r\n")));
    }
    push(head(200, false, &raw));
    push(EntryKind::Body { len: body.len() as u32, bytes: body.into(), masked: Vec::new() });
    if !trailers.is_empty() {
        push(EntryKind::Trailers(headers(&trailers)));
    }
    push(EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    seen
}

/// What is wrong with a row for a case, where the real client returned this.
fn disagreement(
    client: &'static Client,
    seen: &Inspection,
    real: Option<&Value>,
) -> Option<String> {
    let run = ClientRun::of(client, seen);
    let given = run.given();
    let has_text = given.content.values().any(|text| !text.is_empty());
    let said = given.error.as_ref().map(|e| (e.class, e.message.as_str()));
    let class = real.map(|real| real["class"].as_str().unwrap());
    let agrees = match (class, said) {
        (None, None) => has_text && !given.waits,
        (Some("(waits)"), None) => given.waits,
        (Some("(nothing)"), None) => !has_text,
        (Some(class), Some((said, words))) => {
            let real_words = real.unwrap()["message"].as_str().unwrap();
            let n = words.len().min(real_words.len());
            class == said && words.as_bytes()[..n] == real_words.as_bytes()[..n]
        }
        _ => false,
    };
    (!agrees).then(|| format!("the client gave {real:?}, the row says {said:?} {has_text}"))
}

#[test]
fn the_views_agree_with_what_the_real_clients_made_of_unusual_http() {
    let recorded = recorded();
    let (mut asked, mut failed, mut wrong) = (0, 0, Vec::new());
    for (folder, dialect) in DIALECTS {
        let mut exchanges = BTreeMap::new();
        for client in clients().filter(|client| client.dialect == dialect) {
            let real = &recorded["failed"][format!("{} {folder}", client.name)];
            assert!(real.is_object(), "{} was not asked for {folder}", client.name);
            for case in recorded["cases"].as_array().unwrap() {
                let case = case.as_str().unwrap();
                // The length of an extension is not recorded.
                if case.starts_with("extension-") {
                    continue;
                }
                let seen = exchanges.entry(case).or_insert_with(|| exchange(case, folder, dialect));
                asked += 1;
                failed += usize::from(real.get(case).is_some());
                if let Some(why) = disagreement(client, seen, real.get(case)) {
                    wrong.push(format!("{} {folder}/{case}: {why}", client.name));
                }
            }
        }
    }
    eprintln!("{asked} answers of clients, {failed} of them failures");
    assert!(asked > 1000 && failed > 200, "{asked} {failed}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// A view names the bound that its library has.
#[test]
fn the_views_say_why_and_a_finding_says_who() {
    let seen = exchange("fields-200", "chat", "openai-chat");
    let view = seen.clients().iter().find(|view| view.client == "litellm").unwrap();
    assert!(
        view.detail.contains("aiohttp 3.14.5 reads at most 128 header fields, and here are 200"),
        "{}",
        view.detail
    );
    assert!(
        seen.clients().iter().any(|v| v.client == "openai-python" && v.detail.contains("all 5"))
    );
    let found: Vec<_> = seen.findings().iter().map(|f| f.code.name()).collect();
    assert!(found.contains(&"client-fails"), "{found:?}");
    // Over HTTP/2 there are no such lines.
    let seen = exchange("plain", "chat", "openai-chat");
    assert!(seen.clients().iter().all(|view| !view.detail.contains("reads at most")));
}

#[test]
fn the_page_about_limits_has_the_table_that_the_program_prints() {
    let printed = Program::new().text(&["explain", "--http-limits"]);
    let page = include_str!("../../assets/docs/limits.md");
    assert!(
        page.contains(&printed),
        "assets/docs/limits.md is stale; it must have what `cargo run -- explain --http-limits` prints:\n{printed}"
    );
}
