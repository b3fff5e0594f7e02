//! Killed at any instant, the program loses nothing that had arrived 100 ms before.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::program::program;

const ROUNDS: u64 = 12;

#[test]
#[expect(clippy::disallowed_methods, reason = "the test has a clock of its own")]
fn what_is_older_than_100_ms_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let file = dir.path().join(format!("s{round}"));
        let mut child = program(dir.path(), &[])
            .args([
                "send",
                "-p",
                "lab",
                "-m",
                "lab/answer",
                "-o",
                "ndjson",
                "--pace",
                "0.4",
                "--save",
            ])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // What the program reports as read, and when it reported it.
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if line.contains("\"type\":\"chunk\"") {
                    let chunk: serde_json::Value = serde_json::from_str(&line).unwrap();
                    let end = chunk["offset"].as_u64().unwrap() + chunk["len"].as_u64().unwrap();
                    log.lock().unwrap().push((Instant::now(), end));
                }
            }
        });
        // A busy machine may take long to start it; kill it only while the stream runs.
        let started = Instant::now();
        while heard.lock().unwrap().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(60), "no chunk came");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Instants spread over the stream, by a step that shares no period with it.
        std::thread::sleep(Duration::from_millis(200 + round * 137 % 900));
        let killed = Instant::now();
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        let heard = heard.lock().unwrap();
        let old = |at: &Instant| {
            killed.checked_duration_since(*at).is_some_and(|age| age > Duration::from_millis(100))
        };
        let owed = heard.iter().filter(|(at, _)| old(at)).map(|(_, end)| *end).max().unwrap_or(0);
        let recording =
            sselens::storage::file::open(&file, &sselens::storage::file::BodyHints::default())
                .unwrap();
        let kept: u64 = recording
            .entries
            .iter()
            .map(|e| match &e.kind {
                sselens::journal::EntryKind::Body { len, .. } => u64::from(*len),
                _ => 0,
            })
            .sum();
        assert!(kept >= owed, "round {round}: {kept} bytes kept, {owed} had arrived in time");
        assert!(!recording.entries.is_empty());
    }
}

/// The beginning of a frame of text that says that it is longer, as a client or a server sends it.
fn beginning(key: Option<[u8; 4]>, text: &str) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut out = vec![0x81, 126 | mask, 0x10, 0];
    out.extend(key.unwrap_or_default().iter().filter(|_| key.is_some()));
    let key = key.unwrap_or_default();
    out.extend(text.bytes().enumerate().map(|(i, b)| b ^ key[i % 4]));
    out
}

#[test]
fn the_beginning_of_a_message_survives_a_kill() {
    use std::io::{Read as _, Write as _};
    const SAID: &str = "the server said sk-abcdefgh12345678 and a beginning of many words, and";
    const ASKED: &str = r#"{"type":"session.update","authorization":"Bearer tok-zyxwvutsrq","text":"so many words and"#;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let yes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(yes).unwrap();
        stream.write_all(&beginning(None, SAID)).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let dir = tempfile::tempdir().unwrap();
    let tap =
        crate::support::RunningTap::start(dir.path(), &["--to", &upstream, "--save", "s.jsonl"]);
    let mut stream = std::net::TcpStream::connect(tap.url.trim_start_matches("http://")).unwrap();
    let ask = "GET /v1/realtime HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Bearer sk-abcdefgh12345678\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut got = Vec::new();
    while !got.ends_with(SAID.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
    let key = [1, 2, 3, 4];
    stream.write_all(&beginning(Some(key), ASKED)).unwrap();
    // Data older than 100 ms must be saved; a busy machine gets more time to read it in the first place.
    std::thread::sleep(Duration::from_millis(400));
    tap.kill();
    drop(stream);
    server.join().unwrap();
    let file = dir.path().join("s.jsonl");
    let hints = sselens::storage::file::BodyHints::default();
    let recording = sselens::storage::file::open(&file, &hints).unwrap();
    let (mut said, mut asked) = (Vec::new(), Vec::new());
    for entry in &recording.entries {
        match &entry.kind {
            sselens::journal::EntryKind::Body { bytes, .. } => said.extend_from_slice(bytes),
            sselens::journal::EntryKind::Sent { bytes, .. } => asked.extend_from_slice(bytes),
            _ => {}
        }
    }
    let said = String::from_utf8(said.split_off(4)).unwrap();
    // At most the beginning of a secret is held back, and the last word of a client's message.
    let owed = &SAID.replace("sk-abcdefgh12345678", &"*".repeat(19))[..SAID.len() - 7];
    assert_eq!(said, owed);
    let asked: Vec<u8> =
        asked.split_off(8).iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
    let owed = ASKED.replace("tok-zyxwvutsrq", &"*".repeat(14));
    let asked = String::from_utf8(asked).unwrap();
    assert!(owed.starts_with(&asked) && asked.len() + 7 >= owed.len(), "{asked}");
}
