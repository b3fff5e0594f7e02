//! Requests to the real lab, over a socket: it answers or closes, does not panic, and answers the next one.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sselens::lab::{LabOptions, RunningLab, start};

static LAB: OnceLock<RunningLab> = OnceLock::new();

/// What the lab says to these bytes, as far as it says it at once.
fn ask(lab: &RunningLab, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(lab.addr).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(20))).ok()?;
    // A lab that has answered already and closed does not take the rest.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = (&stream).take(256 << 10).read_to_end(&mut answer);
    Some(answer)
}

fuzz_target!(|input: &[u8]| {
    let lab = LAB.get_or_init(|| start(LabOptions { pace: 0.0, seed: Some(1) }).expect("a port"));
    let Some(answer) = ask(lab, input) else { return };
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.") || input.contains(&b'{'), "{answer:?}");
    if input.len() % 64 == 0 {
        let page = b"GET /v1/models HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n";
        // Its turn may come late on a busy machine.
        let answers = (0..100).filter_map(|_| ask(lab, page)).any(|a| a.starts_with(b"HTTP/1.1 200"));
        assert!(answers, "the lab does not answer any more");
    }
});
