//! `export` and what it writes opened again: the real binary on real sessions of the lab.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::program::Program;

const KEY: &str = "sk-proj-8Qm4Zt7Lw2Xk9Rv5Hd3Nc";

/// What the tests here do again and again.
trait Exports {
    fn json(&self, args: &[&str]) -> Value;
    fn session(&self, model: &str, more: &[&str]) -> String;
    fn har(&self, session: &str) -> String;
}

impl Exports for Program {
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(args)).unwrap()
    }

    /// A session of one exchange with the lab.
    fn session(&self, model: &str, more: &[&str]) -> String {
        let name = format!("{}.jsonl", model.replace('/', "-"));
        let model = format!("lab/{model}");
        let args = ["send", "-p", "lab", "-m", &model, "--pace", "0", "--save", &name, "hi"];
        self.text(&[&args[..], more].concat());
        name
    }

    /// What `export --to har` writes, as a file.
    fn har(&self, session: &str) -> String {
        let name = format!("{session}.har");
        std::fs::write(self.path(&name), self.text(&["export", session, "--to", "har"])).unwrap();
        name
    }
}

/// The program with a key in its environment.
fn with_key() -> Program {
    Program::with(&[("OPENAI_API_KEY", KEY)])
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// No run of a secret, and no control character but line feeds.
#[track_caller]
fn is_clean(what: &str, text: &str) {
    for run in KEY.as_bytes().windows(8) {
        let run = std::str::from_utf8(run).unwrap();
        assert!(!text.contains(run), "{what} holds {run}:\n{text}");
    }
    let bad: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert!(bad.is_empty(), "{what} has {bad:?}");
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{feff}']), "{what} has bidi or zero width");
}

/// The page without its code blocks. Panics where one is left open.
fn outside_of_fences(page: &str) -> String {
    let (mut out, mut open) = (String::new(), None::<usize>);
    for line in page.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        match open {
            None if ticks >= 3 && !line[ticks..].contains('`') => open = Some(ticks),
            None => out.push_str(&format!("{line}\n")),
            Some(n) if ticks >= n && line[ticks..].trim().is_empty() => open = None,
            Some(_) => {}
        }
    }
    assert_eq!(open, None, "a code block is open at the end of\n{page}");
    out
}

/// Scenarios of every framing and kind of end, with the options they need.
const SCENARIOS: &[(&str, &[&str])] = &[
    ("hello", &[]),
    ("reasoning-delta", &[]),
    ("tool-calls", &[]),
    ("empty-stream", &[]),
    ("done-after-error", &[]),
    ("truncated-mid-frame", &[]),
    ("connection-reset", &[]),
    ("closed-before-head", &[]),
    ("http-422", &[]),
    ("http-5xx-html", &[]),
    ("gzip-sse", &[]),
    ("bad-content-encoding", &[]),
    ("invalid-utf8", &[]),
    ("utf8-split", &[]),
    ("hostile-control-characters", &[]),
    ("redirected", &["--location"]),
    ("answer", &["--dialect", "bedrock-converse"]),
    ("answer", &["--dialect", "gemini-array"]),
    ("answer", &["--dialect", "ollama"]),
];

#[test]
fn a_har_of_ours_gives_back_every_line() {
    for (scenario, more) in SCENARIOS {
        let p = with_key();
        let session = p.session(scenario, more);
        let har = p.har(&session);
        let (was, is) =
            (p.text(&["show", &session, "-o", "ndjson"]), p.text(&["show", &har, "-o", "ndjson"]));
        assert!(was.lines().count() > 2, "{scenario}: {was}");
        assert_eq!(was, is, "{scenario} {more:?}");
        is_clean(scenario, &p.text(&["export", &har, "--to", "markdown"]));
        // Exporting an archive again yields the same archive.
        assert_eq!(
            p.text(&["export", &har, "--to", "har"]),
            lossy(&std::fs::read(p.path(&har)).unwrap())
        );
    }
}

/// The members that HAR 1.2 requires of an entry, by path; every number of `timings` is at least
/// -1, and where it must be known 0.
fn is_har(har: &Value) {
    let log = &har["log"];
    assert_eq!(log["version"], "1.2");
    assert!(log["creator"]["name"].is_string() && log["creator"]["version"].is_string());
    for e in log["entries"].as_array().unwrap() {
        let date = e["startedDateTime"].as_str().unwrap();
        assert!(date.len() >= 20 && date.ends_with('Z') && &date[10..11] == "T", "{date}");
        assert!(e["time"].as_f64().unwrap() >= 0.0 && e["cache"].is_object());
        let (asked, answered) = (&e["request"], &e["response"]);
        for (of, member) in [
            (asked, "method"),
            (asked, "url"),
            (asked, "httpVersion"),
            (answered, "statusText"),
            (answered, "httpVersion"),
            (answered, "redirectURL"),
        ] {
            assert!(of[member].is_string(), "{member} in {e}");
        }
        for of in [asked, answered] {
            assert!(of["headersSize"].is_i64() && of["bodySize"].is_number(), "{e}");
            for list in ["cookies", "headers"] {
                for pair in of[list].as_array().unwrap() {
                    assert!(pair["name"].is_string() && pair["value"].is_string());
                }
            }
        }
        assert!(asked["queryString"].is_array() && answered["status"].is_number());
        if let Some(body) = asked.get("postData") {
            assert!(body["mimeType"].is_string() && body["text"].is_string());
        }
        let content = &answered["content"];
        assert!(content["size"].is_u64() && content["mimeType"].is_string());
        for phase in ["blocked", "dns", "connect", "ssl"] {
            assert!(e["timings"][phase].as_f64().unwrap() >= -1.0, "{}", e["timings"]);
        }
        for phase in ["send", "wait", "receive"] {
            assert!(e["timings"][phase].as_f64().unwrap() >= 0.0, "{}", e["timings"]);
        }
    }
}

#[test]
fn a_har_has_what_the_format_and_viewers_want() {
    for (scenario, more) in SCENARIOS {
        let p = with_key();
        let session = p.session(scenario, more);
        let har = p.json(&["export", &session, "--to", "har"]);
        is_har(&har);
        let entry = &har["log"]["entries"][0];
        if *scenario == "hello" {
            let events = entry["_eventSourceMessages"].as_array().unwrap();
            assert_eq!(events.last().unwrap()["data"], "[DONE]");
            assert_eq!(events[0]["eventName"], "message");
            assert!(events[0]["time"].as_f64().unwrap() > 1.7e9);
        }
        if more.contains(&"bedrock-converse") {
            assert_eq!(entry["response"]["content"]["encoding"], "base64");
            assert_eq!(entry["_webSocketMessages"][0]["opcode"], 2);
        }
    }
    // A bare body has no request and no date, but still makes a valid archive.
    let p = with_key();
    p.write("b.sse", "data: {}\n\n");
    is_har(&p.json(&["export", "b.sse", "--to", "har"]));
    p.har("b.sse");
    assert_eq!(
        p.text(&["show", "b.sse", "-o", "ndjson"]),
        p.text(&["show", "b.sse.har", "-o", "ndjson"])
    );
}

/// What Chrome and Firefox write, shortened: no reads, no times, the body decoded.
fn foreign(content: Value, more: Value) -> Value {
    let mut entry = json!({
        "startedDateTime": "2026-01-02T03:04:05.678Z",
        "time": 12.5,
        "request": {
            "method": "POST",
            "url": format!("https://api.example.com/v1/chat/completions?api_key={KEY}"),
            "httpVersion": "http/2.0",
            "headers": [
                {"name": ":authority", "value": "api.example.com"},
                {"name": "Authorization", "value": format!("Bearer {KEY}")},
                {"name": "Cookie", "value": "session=cookiecookiecookie"}
            ],
            "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 10,
            "postData": {"mimeType": "application/json", "text": "{\"model\":\"m-1\",\"messages\":[]}"}
        },
        "response": {
            "status": 200, "statusText": "", "httpVersion": "http/2.0", "cookies": [],
            "headers": [
                {"name": "content-type", "value": "text/event-stream"},
                {"name": "content-encoding", "value": "br"},
                {"name": "content-length", "value": "77"}
            ],
            "content": content, "redirectURL": "", "headersSize": -1, "bodySize": -1
        },
        "cache": {}, "timings": {"send": 0, "wait": 1, "receive": 2}
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

fn archive(entries: &[Value]) -> String {
    // Some tools begin a file with a byte order mark.
    format!(
        "\u{feff}{}",
        json!({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}})
    )
}

const BODY: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

#[test]
fn a_har_of_others_has_bodies_and_no_times() {
    use base64::Engine as _;
    let p = with_key();
    let quoted = BODY.replace("Hello", &format!("your key {KEY} is wrong"));
    let packed = base64::engine::general_purpose::STANDARD.encode(BODY);
    let plain = |url: &str, mime: &str| {
        json!({
            "request": {"method": "GET", "url": url, "headers": []},
            "response": {"status": 200, "headers": [], "content": {"size": 1, "mimeType": mime, "text": "x"}}
        })
    };
    let entries = [
        plain("https://example.com/app.js", "application/javascript"),
        foreign(json!({"size": 1, "mimeType": "text/event-stream", "text": quoted}), json!({})),
        plain("https://example.com/logo.png", "image/png"),
        foreign(
            json!({"size": 1, "mimeType": "text/event-stream", "text": packed, "encoding": "base64"}),
            json!({}),
        ),
    ];
    p.write("chrome.har", archive(&entries));
    let out = p.run(&["show", "chrome.har", "-o", "json"]);
    assert!(lossy(&out.stderr).contains("2 entries of 4 skipped"), "{}", lossy(&out.stderr));
    let mut summaries: Vec<Value> =
        lossy(&out.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(summaries.pop().unwrap()["type"], "tally");
    assert_eq!(summaries.len(), 2);
    is_clean("show", &lossy(&out.stdout));
    for s in &summaries {
        assert_eq!((&s["status"], &s["dialect"]), (&json!(200), &json!("openai-chat")), "{s}");
        assert_eq!(s["ending"]["transport"], "undecidable");
        assert_eq!(s["finish"]["0"], "stop");
        assert!(s["counts"]["chunks"].is_null() && s["timing"]["end"].is_null(), "{s}");
        let codes: Vec<_> = s["findings"].as_array().unwrap().iter().map(|f| &f["code"]).collect();
        assert!(!codes.contains(&&json!("bad-content-encoding")), "{codes:?}");
    }
    assert_eq!(summaries[1]["content"]["0"], "Hello");
    assert_eq!(
        summaries[0]["content"]["0"],
        format!("your key {} is wrong", "*".repeat(KEY.len()))
    );
    for format in ["markdown", "har", "ndjson"] {
        let words = p.text(&["export", "chrome.har", "--to", format]);
        is_clean(format, &words);
        assert!(!words.contains("cookiecookie"), "{format}: {words}");
    }
    assert_eq!(p.text(&["export", "chrome.har", "--to", "raw", "--exchange", "1"]), BODY);
    let again = p.json(&["export", "chrome.har", "--to", "har"]);
    is_har(&again);
    assert_eq!(again["log"]["entries"][0]["startedDateTime"], "2026-01-02T03:04:05.678Z");
}

#[test]
fn a_har_without_a_stream_shows_what_there_is_and_one_without_bodies_its_events() {
    let p = with_key();
    let page = json!({
        "request": {"method": "GET", "url": "https://example.com/", "headers": []},
        "response": {"status": 503, "headers": [], "content": {"size": 1, "mimeType": "text/html", "text": "<html>"}}
    });
    p.write("page.har", archive(&[page]));
    assert_eq!(p.json(&["show", "page.har", "-o", "json"])["status"], 503);
    let events = json!([
        {"time": 1.5, "eventName": "message", "eventId": "", "data": BODY.lines().next().unwrap()[6..]},
        {"time": 1.6, "eventName": "end", "eventId": "7", "data": "a\nb"}
    ]);
    let entry = foreign(
        json!({"size": 0, "mimeType": "text/event-stream"}),
        json!({"_eventSourceMessages": events}),
    );
    p.write("events.har", archive(&[entry]));
    let out = p.run(&["show", "events.har", "-o", "ndjson"]);
    assert!(lossy(&out.stderr).contains("put together from its events"), "{}", lossy(&out.stderr));
    let frames: Vec<Value> = lossy(&out.stdout)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .filter(|l: &Value| l["type"] == "frame")
        .collect();
    assert_eq!((&frames[1]["event"], &frames[1]["id"]), (&json!("end"), &json!("7")));
    assert_eq!(frames[1]["data"], "a\nb");
}

#[test]
fn a_har_that_is_broken_names_the_file_and_the_place() {
    let p = with_key();
    let bad64 = foreign(
        json!({"mimeType": "text/event-stream", "text": "!", "encoding": "base64"}),
        json!({}),
    );
    for (name, text, why) in [
        ("cut.har", "{\"log\":{\"entries\":[".to_owned(), "line 1"),
        ("empty.har", archive(&[]), "without any entry"),
        ("other.json", "{\"log\":{\"entries\":[{\"request\":5}]}}".to_owned(), "is no HAR"),
        ("packed.har", archive(&[bad64]), "base64"),
        ("deep.har", format!("{{\"log\":{{\"entries\":{}", "[".repeat(100_000)), "line 1"),
    ] {
        p.write(name, text);
        let out = p.run(&["show", name]);
        let words = lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{name}: {words}");
        assert!(words.contains(name) && words.contains(why), "{name}: {words}");
    }
    // An archive of this program that was edited is read like one of another program.
    let session = p.session("hello", &[]);
    let har = p.text(&["export", &session, "--to", "har"]).replacen("\\n\\n", "", 1);
    p.write("edited.har", har);
    let out = p.run(&["show", "edited.har", "-o", "json"]);
    assert!(lossy(&out.stderr).contains("read without times"), "{}", lossy(&out.stderr));
    assert!(serde_json::from_slice::<Value>(&out.stdout).unwrap()["timing"]["end"].is_null());
}

#[test]
fn a_report_begins_with_the_verdict_and_is_short() {
    for (scenario, more) in SCENARIOS.iter().filter(|s| s.0 != "redirected") {
        let p = with_key();
        let session = p.session(scenario, more);
        let page = p.text(&["export", &session, "--to", "markdown"]);
        is_clean(scenario, &page);
        outside_of_fences(&page);
        let lines = page.lines().count();
        assert!(lines <= 120, "{scenario}: {lines} lines\n{page}");
        let s = p.json(&["show", &session, "-o", "json"]);
        let first = page.lines().next().unwrap();
        let begin =
            format!("**{}** ({}): ", s["outcome"].as_str().unwrap(), s["reason"].as_str().unwrap());
        assert!(first.starts_with(&begin), "{scenario}: {first}");
        assert_eq!(
            first[begin.len()..].replace('\\', ""),
            s["verdict"].as_str().unwrap().replace('\\', "")
        );
        assert!(page.contains("curl -N -X POST") && page.contains("### Timing and end"), "{page}");
    }
}

#[test]
fn the_frame_of_the_verdict_comes_first_with_its_bytes() {
    let p = with_key();
    let session = p.session("done-after-error", &[]);
    let page = p.text(&["export", &session, "--to", "markdown"]);
    let at = page.find("### Frames that decide").unwrap();
    let first = page[at..].lines().nth(2).unwrap();
    assert!(first.starts_with("frame 6 · event") && first.ends_with("**the verdict points here**"));
    assert!(page[at..].lines().nth(5).unwrap().starts_with("data: {\"error\""), "{page}");
    assert!(page.contains("- **error** `error-object` (frame 6)") && page.contains("who stumbles"));
    assert!(page.contains("sselens send -p lab -m lab/"), "{page}");
}

#[test]
fn tool_calls_stand_below_the_answers_heading_and_nothing_is_told_thrice() {
    let p = with_key();
    let page = |scenario| {
        let session = p.session(scenario, &[]);
        p.text(&["export", &session, "--to", "markdown"])
    };
    let tools = page("tool-calls");
    assert!(tools.contains("### Answer\n\n- tool call 0: `get_weather("), "{tools}");
    assert!(tools.contains("\n\n### Timing and end"), "{tools}");
    let reset = page("connection-reset");
    // Once in the verdict and once in its finding.
    assert_eq!(reset.matches("Connection reset by peer").count(), 2, "{reset}");
}

#[test]
fn hostile_text_stays_text() {
    let p = with_key();
    let evil = "```\\n<img src=x onerror=alert(1)>\\n`````` @octocat fixes #1 [x](http://e.invalid) | \\u001b[2J";
    let error =
        format!("data: {{\"error\":{{\"message\":\"{evil}\",\"type\":\"</details>\"}}}}\n\n");
    let content = BODY.replace("Hello", evil);
    let raw = "```\n<script>\n~~~~\n````````\n\x1b]0;pwned\x07\x08\u{202e}\n\n";
    p.write("evil.sse", format!("{content}{error}{raw}"));
    let page = p.text(&["export", "evil.sse", "--to", "markdown"]);
    is_clean("evil", &page);
    let outside = outside_of_fences(&page);
    // The rest may only be inside inline code, or escaped.
    let mut plain = String::new();
    for line in outside.lines() {
        let mut rest = line;
        while let Some(at) = rest.find('`') {
            if rest[..at].ends_with('\\') {
                plain.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let ticks = rest[at..].chars().take_while(|c| *c == '`').count();
            let inside = &rest[at + ticks..];
            let end =
                inside.find(&"`".repeat(ticks)).unwrap_or_else(|| panic!("open code: {line}"));
            rest = &inside[end + ticks..];
        }
        plain.push_str(rest);
        plain.push('\n');
    }
    let unescaped = plain.replace("\\<", "").replace("\\[", "");
    assert!(!unescaped.contains('<') && !unescaped.contains("[x]"), "{plain}");
    assert!(!plain.contains("@octocat") && !plain.contains("#1"), "{plain}");
    assert!(page.contains("octocat") && page.contains("onerror"), "{page}");
}

/// A server that quotes the whole request, keys and all.
fn parrot() -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url =
        format!("http://{}/v1/chat/completions?api_key={KEY}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !lossy(&seen).ends_with("]}") {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "{}", lossy(&seen));
            seen.extend_from_slice(&buffer[..n]);
        }
        let quoted = serde_json::to_string(&lossy(&seen)).unwrap();
        let body = format!("data: {{\"error\":{{\"message\":{quoted}}}}}\n\n");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: s=";
        write!(stream, "{head}{KEY}\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
        // The keys in it are cut between reads.
        for piece in body.as_bytes().chunks(11) {
            stream.write_all(piece).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
    });
    (url, thread)
}

#[test]
fn no_export_has_a_secret() {
    let p = with_key();
    let (url, server) = parrot();
    let own = "Authorization: Bearer sk-own-0Jf6Ty1Bu8Wq3Pe";
    let body = format!("{{\"model\":\"m\",\"api_key\":\"{KEY}\",\"messages\":[]}}");
    p.write("body.json", body);
    let args = ["send", "--url", &url, "-H", own, "-b", "body.json", "--save", "s", "-q"];
    let out = p.run(&args);
    server.join().unwrap();
    assert_eq!(out.status.code(), Some(1), "{}", lossy(&out.stderr));
    for format in ["markdown", "har", "ndjson", "curl", "raw", "sse"] {
        let words = p.text(&["export", "s", "--to", format]);
        is_clean(format, &words);
        assert!(!words.contains("sk-own-0"), "{format}: {words}");
        assert!(words.contains("***") || format == "curl", "{format}: {words}");
    }
    // Bytes that were held back until a later read are counted where they arrived.
    let har = p.har("s");
    assert_eq!(p.text(&["show", "s", "-o", "ndjson"]), p.text(&["show", &har, "-o", "ndjson"]));
    let page = p.text(&["export", "s", "--to", "markdown"]);
    assert!(page.contains("authorization: Bearer $API_KEY"), "{page}");
    assert!(page.contains("put them back where the `*` stand"), "{page}");
}

#[test]
fn large_bodies_make_no_large_report() {
    let p = with_key();
    let frame = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "ä".repeat(4000)
    );
    p.write("large.sse", frame.repeat(500));
    let page = p.text(&["export", "large.sse", "--to", "markdown"]);
    assert!(page.len() < 8_000, "{} bytes", page.len());
    assert!(page.contains("its first 600") && page.contains("characters …]"), "{page}");
    let ask = format!(
        "{{\"model\":\"lab/hello\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}",
        "x".repeat(50_000)
    );
    p.write("ask.json", ask);
    p.text(&["send", "-p", "lab", "-b", "ask.json", "--pace", "0", "--save", "s"]);
    let page = p.text(&["export", "s", "--to", "markdown"]);
    assert!(page.len() < 8_000 && page.contains("--data-binary @body.json"), "{page}");
}

#[test]
fn two_places_asked_at_once_are_compared() {
    let p = with_key();
    let args = ["lab:lab/reasoning-delta", "lab:lab/empty-stream", "hi", "--pace", "0"];
    p.text(&[&["compare"], &args[..], &["--same", "--save", "c"]].concat());
    let page = p.text(&["export", "c", "--to", "markdown"]);
    assert!(page.starts_with("**A and B compared:** "), "{page}");
    outside_of_fences(&page);
    for part in [
        "| | A | B | difference |",
        "only in A",
        "## A, exchange 0",
        "## B, exchange 1",
        "`empty-stream`",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    // A single exchange is reported like any other.
    let one = p.text(&["export", "c", "--to", "markdown", "--exchange", "1"]);
    assert!(one.starts_with("**failed** (closed): "), "{one}");
}

#[test]
fn many_exchanges_are_a_matrix() {
    let p = with_key();
    let mut all = String::new();
    for (x, scenario) in ["hello", "hello", "http-422", "hello", "http-422"].iter().enumerate() {
        let session = p.session(scenario, &[]);
        let text = std::fs::read_to_string(p.path(&session)).unwrap();
        let lines = text.lines().skip(usize::from(x > 0));
        for line in lines {
            all.push_str(&line.replacen("\"x\":0", &format!("\"x\":{x}"), 1));
            all.push('\n');
        }
    }
    p.write("many", all);
    let page = p.text(&["export", "many", "--to", "markdown"]);
    assert!(page.starts_with("**2 of 5 exchanges failed.**\n"), "{page}");
    assert!(page.contains("| 3 | 0 % (0–56 %) | 3 × ok (complete) |"), "{page}");
    assert!(
        page.contains("| 2 | 100 % (34–100 %) | 2 × failed (http) `http-422-param` |"),
        "{page}"
    );
    assert_eq!(page.matches("## Exchange").count(), 1, "{page}");
    // The table has one example of each kind, and no more rows.
    assert!(page.contains("| 2 | `lab · lab/http-422` | 422 | failed |"), "{page}");
    assert!(!page.contains("| 4 | `lab"), "{page}");
    // One exchange after the other in the archive; the session may have had them interleaved.
    let har = p.har("many");
    let sorted = |file: &str| {
        let words = p.text(&["show", file, "-o", "json"]);
        let mut lines: Vec<_> = words.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted("many"), sorted(&har));
    // A format for a single exchange asks which one, in a list with a line for each.
    let out = p.run(&["export", "many", "--to", "curl"]);
    assert_eq!(out.status.code(), Some(2));
    let words = lossy(&out.stderr);
    assert_eq!(words.lines().count(), 6, "{words}");
    assert!(words.lines().skip(1).all(|l| l.chars().count() <= 100), "{words}");
    assert!(words.lines().nth(3).is_some_and(|l| l.ends_with('…')), "{words}");
}

#[test]
fn the_reference_page_is_what_the_program_prints() {
    let p = with_key();
    let printed = p.text(&["explain", "--markdown"]);
    let kept = include_str!("../../assets/docs/findings.md");
    assert!(
        printed == kept,
        "assets/docs/findings.md is stale; write it anew with\n  \
         cargo run -- explain --markdown > assets/docs/findings.md"
    );
    outside_of_fences(&printed);
    // The same words as `explain CODE`, except for Markdown's escapes.
    let bare =
        |s: &str| s.replace(['\\', '`'], "").split_whitespace().collect::<Vec<_>>().join(" ");
    let page = bare(&printed);
    for rule in sselens::rule::Code::all().map(sselens::rule::Code::rule) {
        assert!(printed.contains(&format!("\n## {}\n", rule.name)), "{}", rule.name);
        for words in [rule.what, rule.example, rule.breaks, rule.fix, rule.seen_in, rule.reproduce]
        {
            assert!(page.contains(&bare(words)), "{}: {words}", rule.name);
        }
    }
    let out = p.run(&["explain", "empty-stream", "--markdown"]);
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn the_page_is_whole_in_itself_and_obeys_nothing_from_the_wire() {
    let p = Program::new();
    let session = p.session("hostile-control-characters", &["-H", &format!("x-api-key: {KEY}")]);
    let page = p.text(&["export", &session, "--to", "html"]);
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("default-src 'none'"));
    // The page loads nothing from the network.
    for loads in ["<script src", "<img", "<iframe", "@import", "url(", "<link rel=\"style"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(!page.contains(KEY) && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    for part in ["class=\"band ", "<svg ", "Findings", "Answer", "Request body", "data-filter"] {
        assert!(page.contains(part), "{part}");
    }
    // Markup of the wire stays text.
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"<script>alert(1)</script>\"}}]}\n\n";
    std::fs::write(p.path("x.sse"), body).unwrap();
    let page = p.text(&["export", "x.sse", "--to", "html"]);
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"));
}

#[test]
fn a_program_sends_the_same_request_again() {
    use std::process::Command;
    let p = Program::new();
    let session = p.session("hello", &["-H", &format!("x-api-key: {KEY}")]);
    for to in ["python", "node", "fetch"] {
        let program = p.text(&["export", &session, "--to", to]);
        assert!(!program.contains(KEY), "{to}");
        assert!(program.contains("API_KEY"), "{to}: {program}");
    }
    // Run the languages that need no installation, against a server that keeps what it receives.
    let ready = |program: &str| Command::new(program).arg("--version").output().is_ok();
    for (to, file, runs) in [("python", "again.py", "python3"), ("fetch", "again.mjs", "node")] {
        if !ready(runs) {
            continue;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/odd/address?a=b%20c", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut heads = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut read = Vec::new();
                let mut piece = [0; 4096];
                while !read.ends_with(b"}") {
                    let n = stream.read(&mut piece).unwrap();
                    read.extend_from_slice(&piece[..n]);
                }
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone";
                stream.write_all(answer).unwrap();
                heads.push(String::from_utf8(read).unwrap());
            }
            heads
        });
        std::fs::write(p.path("odd.json"), "{\"text\": \"é \\\"q\\\" \\u001b\"}").unwrap();
        let name = format!("{to}.jsonl");
        let send = ["send", "--url", &url, "-b", "odd.json", "-H", "x-a: it's", "--save", &name];
        p.run(&[&send[..], &["-q"]].concat());
        std::fs::write(p.path(file), p.text(&["export", &name, "--to", to])).unwrap();
        let ran = Command::new(runs).arg(p.path(file)).env("API_KEY", "k").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "done", "{ran:?}");
        let [first, again] = server.join().unwrap().try_into().unwrap();
        let line = |head: &str| head.lines().next().unwrap().to_owned();
        let json = |text: &str| -> Value {
            serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
        };
        assert_eq!((line(&first), json(&first)), (line(&again), json(&again)), "{to}");
        assert!(again.to_ascii_lowercase().contains("x-a: it's"), "{to}");
    }
}

#[test]
fn spans_have_the_conventions_attributes_and_an_event_for_each_finding() {
    let p = Program::new();
    let session = p.session("reasoning-only", &[]);
    let line = p.text(&["export", &session, "--to", "otlp"]);
    assert_eq!(line.lines().count(), 1);
    let request: Value = serde_json::from_str(&line).unwrap();
    let span = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    let hex = |key: &str, length: usize| {
        let id = span[key].as_str().unwrap();
        assert!(id.len() == length && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    };
    hex("traceId", 32);
    hex("spanId", 16);
    let nanos = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let (start, end) = (nanos(&span["startTimeUnixNano"]), nanos(&span["endTimeUnixNano"]));
    assert!(start > 1_700_000_000_000_000_000 && end > start, "{start} {end}");
    let attribute = |key: &str| {
        let all = span["attributes"].as_array().unwrap();
        all.iter().find(|a| a["key"] == key).map(|a| a["value"].clone())
    };
    let text = |text: &str| Some(json!({ "stringValue": text }));
    assert_eq!(attribute("gen_ai.request.model"), text("lab/reasoning-only"));
    assert_eq!(attribute("error.type"), text("reasoning-only"));
    assert_eq!(attribute("http.response.status_code"), Some(json!({"intValue": "200"})));
    assert!(attribute("gen_ai.response.finish_reasons").is_some());
    assert_eq!(span["status"]["code"], 2);
    let events = span["events"].as_array().unwrap();
    assert!(events.iter().any(|e| e["name"] == "finding reasoning-only"), "{events:?}");
    assert!(events.iter().all(|e| (start..=end).contains(&nanos(&e["timeUnixNano"]))));
    // The same recording has the same ids.
    assert_eq!(line, p.text(&["export", &session, "--to", "otlp"]));
}
