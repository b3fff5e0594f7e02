//! Stopping takes effect at once, whatever waits to be printed, and what arrived is saved.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What may be read ahead, in bytes.
const BACKLOG: u64 = 2 << 20;

/// A server that sends frames as quickly as they are taken, without an end.
fn flood() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let _ = peer.read(&mut [0; 4096]);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let frame = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "word ".repeat(3000)
        );
        let _ = peer.write_all(head.as_bytes());
        while peer.write_all(frame.as_bytes()).is_ok() {}
    });
    format!("http://{at}/v1/chat/completions")
}

fn send(dir: &Path, output: &str) -> Child {
    // A debug build on a busy machine takes long for 64 MiB.
    std::fs::write(dir.join("c.toml"), format!("[limits]\nmax_backlog = {BACKLOG}\n")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_sselens"))
        .args(["send", "--url", &flood(), "-o", output, "--max-body", "0", "--save", "s", "hi"])
        .args(["--config", "c.toml"])
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
}

/// Waits for the end, and returns the status and how long it took.
fn ended(child: &mut Child) -> (Option<i32>, Duration) {
    #[expect(clippy::disallowed_methods, reason = "a test measures")]
    let from = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), from.elapsed());
        }
        if from.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the session's file has `least` bytes and does not grow any more.
fn settled(file: &Path, least: u64) -> u64 {
    let length = || file.metadata().map_or(0, |m| m.len());
    let (mut before, mut same) = (0, 0);
    for _ in 0..1200 {
        std::thread::sleep(Duration::from_millis(50));
        same = if length() == before && before >= least { same + 1 } else { 0 };
        before = length();
        if same == 10 {
            return before;
        }
    }
    panic!("the file grows on and on: {before} bytes");
}

fn show(dir: &Path) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_sselens"))
        .args(["show", "s", "-o", "json"])
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .output()
        .unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Nobody reads standard output: the read pauses at the bound, says so, and a signal ends it all.
#[test]
fn an_unread_standard_output_bounds_what_is_read_and_a_signal_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = send(dir.path(), "ndjson");
    let length = settled(&dir.path().join("s"), 1 << 20);
    // JSON is longer than the bytes in it; the pipe and the sockets take some, too.
    assert!(length < 3 * BACKLOG, "{length} bytes were read ahead");
    signal(&child, "-TERM");
    let (status, took) = ended(&mut child);
    assert_eq!(status, Some(143));
    assert!(took < Duration::from_millis(1500), "{took:?}");
    let summary = show(dir.path());
    assert_eq!(summary["reason"], "cancelled");
    let findings = summary["findings"].as_array().unwrap();
    let behind = findings.iter().find(|f| f["code"] == "journal-behind");
    assert!(
        behind.is_some_and(|f| f["message"].as_str().unwrap().contains("paused")),
        "{findings:?}"
    );
}

/// Somebody reads slowly: Ctrl-C does not wait for what is queued.
#[test]
fn a_signal_does_not_wait_for_what_is_queued() {
    for output in ["ndjson", "raw", "text"] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = send(dir.path(), output);
        let mut out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut some = vec![0; 1 << 12];
            while out.read(&mut some).is_ok_and(|n| n > 0) {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        while dir.path().join("s").metadata().map_or(0, |m| m.len()) < 1 << 20 {
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(&child, "-INT");
        let (status, took) = ended(&mut child);
        assert_eq!(status, Some(130), "{output}");
        assert!(took < Duration::from_millis(1500), "{output}: {took:?}");
        reader.join().unwrap();
        assert_eq!(show(dir.path())["reason"], "cancelled", "{output}");
    }
}

/// The second signal ends the program without waiting for anything.
#[test]
fn a_second_signal_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = send(dir.path(), "ndjson");
    settled(&dir.path().join("s"), 1 << 20);
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, "-INT");
    let (status, took) = ended(&mut child);
    assert_eq!(status, Some(130));
    assert!(took < Duration::from_millis(400), "{took:?}");
}

/// Stopped and continued, as by Ctrl-Z: that time is named, and no stall of the server's; nor did
/// anybody collect what arrived meanwhile.
#[test]
fn a_stopped_program_is_no_stall_of_the_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let chunk = |text: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":\
             [{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let _ = peer.read(&mut [0; 4096]);
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\r\n";
        peer.write_all(head.as_bytes()).unwrap();
        for i in 0..60 {
            peer.write_all(chunk(&format!("word {i} "), "null").as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(80));
        }
        peer.write_all(chunk("", "\"stop\"").as_bytes()).unwrap();
        peer.write_all(b"data: [DONE]\n\n").unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.toml"), "[findings]\nstall = 1.5\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sselens"))
        .args(["send", "--url", &format!("http://{at}/v1/chat/completions"), "-m", "m", "hi"])
        .args(["--config", "c.toml", "--save", "s", "-o", "json"])
        .current_dir(dir.path())
        .env_clear()
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while dir.path().join("s").metadata().map_or(0, |m| m.len()) < 2000 {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "-STOP");
    std::thread::sleep(Duration::from_millis(3500));
    signal(&child, "-CONT");
    server.join().unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.wait().unwrap();
    for summary in [serde_json::from_str(&out).unwrap(), show(dir.path())] {
        let findings: &Vec<Value> = summary["findings"].as_array().unwrap();
        let codes: Vec<_> = findings.iter().map(|f| f["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"suspended"), "{findings:#?}");
        for wrong in ["idle-stall", "burst-delivery", "slow-first-byte"] {
            assert!(!codes.contains(&wrong), "{findings:#?}");
        }
    }
}
