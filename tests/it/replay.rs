//! Replay: what is served is what was recorded.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sselens::replay::{Chooser, ChosenBy, Replay, exchanges};

/// The program `replay`, on a port of its own; ended when it is dropped.
pub(crate) struct Running {
    child: Child,
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.current_dir(dir).env_clear().env("HOME", dir).stdin(Stdio::null());
    command
}

pub(crate) fn replay(dir: &Path, file: &Path, args: &[&str]) -> Running {
    use std::io::BufRead as _;
    let mut command = program(dir);
    command.args(["replay", "--listen", "127.0.0.1:0", "-q"]).arg(file).args(args);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split_once("http://").unwrap_or_else(|| panic!("{line:?}")).1;
    let address = address.split_whitespace().next().unwrap().to_owned();
    Running { child, address }
}

/// Asks on a connection of its own, and returns every byte of the answer.
pub(crate) fn ask(running: &Running, target: &str, body: &str) -> Vec<u8> {
    let mut stream = std::net::TcpStream::connect(&running.address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The body of an answer, its chunks joined.
fn body(answer: &[u8]) -> Vec<u8> {
    chunks(answer).concat()
}

/// The chunks of an answer, or its body as one.
fn chunks(answer: &[u8]) -> Vec<Vec<u8>> {
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let (head, mut rest) = answer.split_at(at);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let coding = head.lines().find_map(|line| line.strip_prefix("transfer-encoding:"));
    if !coding.is_some_and(|coding| coding.contains("chunked")) {
        return vec![rest.to_vec()];
    }
    let mut out = Vec::new();
    while let Some(line) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        out.push(rest[line + 2..line + 2 + size].to_vec());
        rest = &rest[line + 4 + size..];
    }
    out
}

/// A session of one call to the lab.
fn recorded(dir: &Path, model: &str) -> PathBuf {
    let file = dir.join(format!("{}.jsonl", model.replace('/', "-")));
    let mut command = program(dir);
    command.args(["send", "-p", "lab", "-m", model, "--pace", "0", "-q", "--save"]).arg(&file);
    command.stdout(Stdio::null()).status().unwrap();
    file
}

fn raw(dir: &Path, file: &Path) -> Vec<u8> {
    program(dir).args(["export", "--to", "raw"]).arg(file).output().unwrap().stdout
}

/// Serves these entries inside of this process, and asks for them.
async fn served(entries: &[sselens::journal::Entry], pace: f64) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let chooser = Chooser::new(exchanges(entries), ChosenBy::Any);
    let replay = Replay::new(chooser, pace, std::sync::Arc::new(|_| {}));
    let cancel = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(std::sync::Arc::new(replay).serve(listener, cancel.clone()));
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let request = b"POST /v1/x HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A stall lasts until the client gives up, and a reset also counts as an end.
    let patience = std::time::Duration::from_millis(500);
    let _ = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await;
    cancel.cancel();
    serving.await.unwrap();
    answer
}

#[test]
fn every_body_of_the_corpus_is_served_as_it_was() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut served_bodies = 0;
    for case in crate::support::corpus::cases() {
        let entries = case.entries();
        let answer = runtime.block_on(served(&entries, 0.0));
        let recorded = &exchanges(&entries)[0];
        let expected = recorded.bytes();
        if expected.is_empty() && answer.is_empty() {
            continue;
        }
        served_bodies += 1;
        let bare = recorded.head.is_none();
        let status = recorded.head.as_ref().map_or(200, |h| h.1.status);
        let first = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(first.as_bytes()),
            "{}: {}",
            case.name,
            String::from_utf8_lossy(&answer)
        );
        if !matches!(status, 204 | 304) {
            assert_eq!(body(&answer), expected, "{} (bare: {bare})", case.name);
        }
    }
    assert!(served_bodies > 200, "{served_bodies}");
}

#[test]
fn a_client_receives_what_it_received_before() {
    let dir = tempfile::tempdir().unwrap();
    for model in ["lab/reasoning-delta", "lab/truncated-chunked", "lab/http-429"] {
        let file = recorded(dir.path(), model);
        let running = replay(dir.path(), &file, &["--pace", "0"]);
        let url = format!("http://{}/v1/chat/completions", running.address);
        let again = dir.path().join("again.jsonl");
        let mut command = program(dir.path());
        command.args(["send", "--url", &url, "-m", model, "-q", "--save"]).arg(&again);
        command.stdout(Stdio::null()).status().unwrap();
        let shown = |file: &Path| {
            let out = program(dir.path()).args(["show", "-o", "json"]).arg(file).output().unwrap();
            let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
            let of = |key: &str| value[key].clone();
            let codes: Vec<_> =
                value["findings"].as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
            // Where reads end and when they arrive may differ from run to run.
            let about_reads = |code: &serde_json::Value| {
                let code: sselens::rule::Code = code.as_str().unwrap().parse().unwrap();
                code.rule().depends_on_reads
            };
            let codes: Vec<_> = codes.into_iter().filter(|c| !about_reads(c)).collect();
            (of("status"), of("reason"), of("content"), of("reasoning"), of("finish"), codes)
        };
        assert_eq!(shown(&file), shown(&again), "{model}");
    }
}

#[test]
fn faults_arrive_on_the_wire() {
    let dir = tempfile::tempdir().unwrap();
    let file = recorded(dir.path(), "lab/answer");
    let expected = raw(dir.path(), &file);
    let with = |fault: &str| {
        let running = replay(dir.path(), &file, &["--pace", "0", "--fault", fault]);
        ask(&running, "/v1/chat/completions", "{}")
    };
    let cut = with("cut@byte:100");
    assert_eq!(body(&cut), &expected[..100]);
    assert!(!cut.ends_with(b"0\r\n\r\n"));
    let answer = String::from_utf8(with("status:503")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert_eq!(body(answer.as_bytes()), expected);
    let answer = with("chunk:1");
    assert_eq!(body(&answer), expected);
    assert!(chunks(&answer).iter().all(|chunk| chunk.len() == 1));
    let text = String::from_utf8(expected.clone()).unwrap();
    let answer = body(&with("no-done"));
    assert_eq!(String::from_utf8(answer).unwrap(), text.replace("data: [DONE]\n\n", ""));
    let begin = std::time::Duration::from_millis(700);
    let running = replay(dir.path(), &file, &["--fault", "delay:700ms", "--pace", "1"]);
    let mut stream = std::net::TcpStream::connect(&running.address).unwrap();
    stream.set_read_timeout(Some(begin / 2)).unwrap();
    stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(stream.read(&mut [0]).is_err(), "the headers were not late");
    let mut command = program(dir.path());
    let out = command.args(["replay", "--fault", "cut@frame:99999"]).arg(&file).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8(out.stderr).unwrap().contains("has no frame 99999"));
}

/// What came over a connection: every byte, with when it was read, and whether a reset ended it.
struct Wire {
    reads: Vec<(std::time::Duration, Vec<u8>)>,
    reset: bool,
}

impl Wire {
    fn bytes(&self) -> Vec<u8> {
        self.reads.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// How long it had taken until more than so many bytes had come.
    fn until(&self, bytes: usize) -> std::time::Duration {
        let mut sum = 0;
        let read = self.reads.iter().find(|(_, read)| {
            sum += read.len();
            sum > bytes
        });
        read.unwrap().0
    }
}

/// Asks on a raw socket, with every read apart.
fn asked(running: &Running) -> Wire {
    let began = sselens::clock::Clock::start();
    let mut stream = std::net::TcpStream::connect(&running.address).unwrap();
    let request = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    stream.write_all(request.as_bytes()).unwrap();
    let (mut reads, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = stream.read(&mut buffer);
        let at = std::time::Duration::from_micros(began.now());
        match read {
            Ok(0) => return Wire { reads, reset: false },
            Ok(n) => reads.push((at, buffer[..n].to_vec())),
            Err(_) => return Wire { reads, reset: true },
        }
    }
}

/// The bytes of a body as HTTP chunks of these contents; `whole` where the last chunk follows.
fn as_chunks(pieces: &[&[u8]], whole: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    if whole {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out
}

/// A recording of seven frames, one a read, and these.
fn seven_frames(dir: &Path) -> (PathBuf, Vec<String>) {
    use sselens::journal::{EndCause, Entry, EntryKind, Head, Request, file};
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let frames = vec![
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"reasoning":"hm"}"#, "null"),
        ": keep-alive\n\n".to_owned(),
        chunk(r#"{"content":"Hello"}"#, "null"),
        chunk(r#"{"content":" world"}"#, "null"),
        chunk("{}", "\"stop\""),
        "data: [DONE]\n\n".to_owned(),
    ];
    let headers = |list: &[(&str, &str)]| {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    let request = Request {
        method: "POST".into(),
        url: "http://h/v1/chat/completions".into(),
        body: "{}".into(),
        dialect: "openai-chat".into(),
        ..Request::default()
    };
    let head = Head {
        status: 200,
        version: "HTTP/1.1".into(),
        headers: headers(&[
            ("content-type", "text/event-stream"),
            ("transfer-encoding", "chunked"),
        ]),
        ..Head::default()
    };
    let mut kinds = vec![EntryKind::Request(Box::new(request)), EntryKind::Head(head)];
    kinds.extend(frames.iter().map(|frame| {
        let bytes = bytes::Bytes::from(frame.clone());
        EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() }
    }));
    kinds.push(EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    let mut session = file::header("0", "2026-01-01T00:00:00Z").into_bytes();
    for (at, kind) in (1..).zip(kinds) {
        file::encode(&Entry { exchange: 0, at: Some(at * 1_000), kind }, &mut session);
    }
    let path = dir.join("seven.jsonl");
    std::fs::write(&path, session).unwrap();
    (path, frames)
}

#[test]
fn each_fault_does_what_its_name_says_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (file, frames) = seven_frames(dir.path());
    let body = frames.concat();
    let pieces = |of: &[String]| of.iter().map(|f| f.as_bytes().to_vec()).collect::<Vec<_>>();
    let with = |faults: &[&str]| {
        let mut args = vec!["--pace", "0"];
        args.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
        asked(&replay(dir.path(), &file, &args))
    };
    let plain = with(&[]);
    let bytes = plain.bytes();
    let head_len = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let head = &bytes[..head_len];
    let wire = |pieces: &[Vec<u8>], whole: bool| {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        [head, &as_chunks(&pieces, whole)].concat()
    };
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let same = |fault: &str, got: &Wire, expected: Vec<u8>| {
        assert_eq!(show(&got.bytes()), show(&expected), "{fault}");
    };
    same("none", &plain, wire(&pieces(&frames), true));

    let (mut dropped, mut doubled, mut swapped) = (frames.clone(), frames.clone(), frames.clone());
    dropped.remove(3);
    doubled.insert(3, frames[3].clone());
    swapped.swap(3, 4);
    for (fault, expected) in
        [("drop@frame:3", dropped), ("duplicate@frame:3", doubled), ("swap@frame:3", swapped)]
    {
        let got = with(&[fault]);
        assert_eq!(show(&self::body(&got.bytes())), expected.concat(), "{fault}");
        assert!(
            got.bytes().starts_with(head) && got.bytes().ends_with(b"\r\n0\r\n\r\n"),
            "{fault}"
        );
    }
    // A cut closes the connection inside the chunked body, a reset resets it; what came before is whole.
    let before = pieces(&frames[..3]);
    let cut = with(&["cut@frame:3"]);
    same("cut@frame", &cut, wire(&before, false));
    assert!(!cut.reset);
    let reset = with(&["reset@frame:3"]);
    assert!(reset.reset && wire(&before, false).starts_with(&reset.bytes()));
    let at = frames[0].len() + 10;
    let halves = [frames[0].as_bytes().to_vec(), frames[1].as_bytes()[..10].to_vec()];
    same("cut@byte", &with(&[&format!("cut@byte:{at}")]), wire(&halves, false));
    // A split changes where chunks end and nothing else.
    let mut split = pieces(&frames);
    let tail = split[1].split_off(10);
    split.insert(2, tail);
    same("split", &with(&[&format!("split@byte:{at}")]), wire(&split, true));
    let ones: Vec<_> = body.bytes().map(|b| vec![b]).collect();
    same("chunk:1", &with(&["chunk:1"]), wire(&ones, true));
    let gathered = self::chunks(&with(&["buffer:100"]).bytes());
    assert_eq!(show(&gathered.concat()), body);
    let (last, all) = gathered.split_last().unwrap();
    assert!(all.iter().all(|c| c.len() >= 100) && !last.is_empty(), "{gathered:?}");
    // Headers and payloads.
    let status = with(&["status:502"]);
    let line = "HTTP/1.1 502 Bad Gateway\r\n";
    let rest = &show(head)[show(head).find("\r\n").unwrap() + 2..];
    same(
        "status",
        &status,
        [
            line.as_bytes(),
            rest.as_bytes(),
            &as_chunks(&pieces(&frames).iter().map(Vec::as_slice).collect::<Vec<_>>(), true),
        ]
        .concat(),
    );
    let renamed = self::body(&with(&["rename:delta.reasoning=delta.reasoning_content"]).bytes());
    assert_eq!(show(&renamed), body.replace("\"reasoning\":", "\"reasoning_content\":"));
    assert_eq!(show(&self::body(&with(&["no-done"]).bytes())), frames[..6].concat());
    let inserted = self::body(&with(&["insert@frame:3:: ping"]).bytes());
    assert_eq!(
        show(&inserted),
        [&frames[..3].concat(), ": ping\n\n", &frames[3..].concat()].concat()
    );
    // Two at once, each at its place of the recording.
    let both = self::body(&with(&["drop@frame:1", "duplicate@frame:4"]).bytes());
    let expected =
        [&frames[0], &frames[2], &frames[3], &frames[4], &frames[4], &frames[5], &frames[6]];
    assert_eq!(show(&both), expected.map(String::as_str).concat());
}

#[test]
fn stalls_and_delays_come_where_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (file, frames) = seven_frames(dir.path());
    let long = std::time::Duration::from_millis(400);
    let wait = |fault: &str| asked(&replay(dir.path(), &file, &["--pace", "1", "--fault", fault]));
    let stall = wait("stall@frame:3:400ms");
    let all = stall.bytes();
    let before = all.windows(frames[2].len()).position(|w| w == frames[2].as_bytes()).unwrap();
    // Times count from before the request, so that a busy machine only makes them longer.
    assert!(stall.until(before + frames[2].len() + 8) >= long);
    assert_eq!(body(&all), frames.concat().as_bytes());
    let delay = wait("delay:400ms");
    assert!(delay.until(0) >= long);
    assert_eq!(body(&delay.bytes()), frames.concat().as_bytes());
}

#[test]
fn a_recording_becomes_a_scenario_that_plays_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for model in ["lab/answer", "lab/truncated-chunked", "lab/bom"] {
        let file = recorded(dir.path(), model);
        let out =
            program(dir.path()).args(["export", "--to", "scenario"]).arg(&file).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let text = String::from_utf8(out.stdout).unwrap();
        let value: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
        let steps = value["answer"][0]["steps"].as_array().unwrap();
        let mut bytes = Vec::new();
        for step in steps.iter().filter_map(|s| s.get("raw")) {
            let raw = step.as_str().unwrap();
            let mut parts = raw.split("\\x");
            bytes.extend_from_slice(parts.next().unwrap().as_bytes());
            for part in parts {
                bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
        }
        assert_eq!(bytes, raw(dir.path(), &file), "{model}");
    }
}
