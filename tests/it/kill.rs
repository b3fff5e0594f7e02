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
        // What the program says that it has read, and when it said so.
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
        // A busy machine may take long to start it; what is cut off must be a stream that runs.
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
