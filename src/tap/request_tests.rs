//! Requests in pieces: what is forwarded does not depend on the cut.

use super::*;

/// Feeds `wire` in pieces to a connection whose requests all go to `up:1`, prefix `/p` cut; returns
/// what was forwarded and what was seen, data joined.
fn through(wire: &[u8], size: usize) -> (Vec<u8>, Vec<Seen>) {
    let mut requests = Requests::new();
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    for piece in wire.chunks(size) {
        requests.push(piece);
        loop {
            match requests.step() {
                Step::More => break,
                Step::Line(line) => {
                    let target = line.target.strip_prefix("/p").unwrap_or(&line.target);
                    let target = if target.is_empty() { "/" } else { target }.to_owned();
                    out.extend_from_slice(&requests.go(&line, &target, Some("up:1")));
                }
                Step::NoRequest(why) => requests.give_up(&why.to_string()),
                Step::Forward(bytes) => out.extend_from_slice(&bytes),
            }
            seen.extend(requests.seen());
        }
        seen.extend(requests.seen());
    }
    out.extend_from_slice(&requests.rest());
    let mut joined: Vec<Seen> = Vec::new();
    for s in seen {
        match (joined.last_mut(), &s) {
            (Some(Seen::Data(a)), Seen::Data(b)) => *a = [&a[..], &b[..]].concat().into(),
            _ => joined.push(s),
        }
    }
    (out, joined)
}

#[test]
fn only_the_prefix_and_the_host_change_however_it_is_cut() {
    let wire = b"POST /p/v1/x?q=/p HTTP/1.1\r\nhOsT:  127.0.0.1:9 \r\nX-Host: 127.0.0.1:9\r\n\
        Content-Length: 5\r\n\r\nhello\r\nGET /p/y HTTP/1.0\nA:  b\nHost: a\nHost: b\n\n\
        POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: u\r\n\r\nPUT";
    let expected = b"POST /v1/x?q=/p HTTP/1.1\r\nhOsT:  up:1 \r\nX-Host: 127.0.0.1:9\r\n\
        Content-Length: 5\r\n\r\nhello\r\nGET /y HTTP/1.0\nA:  b\nHost: up:1\nHost: b\n\n\
        POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: u\r\n\r\nPUT";
    let (_, whole) = through(wire, wire.len());
    for size in 1..wire.len() {
        let (out, seen) = through(wire, size);
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "{size}");
        assert_eq!(seen, whole, "{size}");
    }
    let ends = whole.iter().filter(|s| **s == Seen::End).count();
    assert_eq!(ends, 3);
    assert!(whole.iter().any(|s| matches!(s, Seen::Odd(why) if why.contains("second Host"))));
    assert!(whole.contains(&Seen::Data(Bytes::from_static(b"hello"))));
    assert!(whole.contains(&Seen::Trailers(b"T: u\r\n\r\n".to_vec())));
}

#[test]
fn what_is_no_request_goes_on_unchanged() {
    for wire in [
        &b"\x16\x03\x01garbage"[..],
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nmore\r\n",
        b"GET /x HTTP/3\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc",
        b"\r\n\r\n",
    ] {
        for size in [1, 2, 7, wire.len()] {
            let (out, seen) = through(wire, size);
            assert_eq!(out, wire);
            assert_eq!(
                seen.iter().filter(|s| matches!(s, Seen::Lost(_))).count(),
                usize::from(wire != b"\r\n\r\n"),
                "{seen:?}"
            );
        }
    }
}
