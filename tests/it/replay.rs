//! Replay: what is served is what was recorded.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sselens::replay::{By, Chooser, Replay, exchanges};

/// The program `replay`, on a port of its own; ended when it is dropped.
struct Running {
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

fn replay(dir: &Path, file: &Path, args: &[&str]) -> Running {
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
fn ask(running: &Running, target: &str, body: &str) -> Vec<u8> {
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
    if !String::from_utf8_lossy(head).to_ascii_lowercase().contains("transfer-encoding: chunked") {
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
    let chooser = Chooser::new(exchanges(entries), By::Any);
    let replay = Replay::new(chooser, pace, std::sync::Arc::new(|_| {}));
    let cancel = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(std::sync::Arc::new(replay).serve(listener, cancel.clone()));
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let request = b"POST /v1/x HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A stall lasts until the client gives up, and a reset is an end too.
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
