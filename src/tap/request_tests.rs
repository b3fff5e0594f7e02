//! Requests in pieces: what is forwarded does not depend on the cut.

use super::*;

use crate::journal::{Entry, EntryKind};
use crate::tap::fuzzing::{recorded, through as in_pieces};

fn through(wire: &[u8], size: usize) -> (Vec<u8>, Vec<RequestPart>) {
    in_pieces(wire.chunks(size))
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
    let ends = whole.iter().filter(|s| **s == RequestPart::End).count();
    assert_eq!(ends, 3);
    assert!(
        whole.iter().any(|s| matches!(s, RequestPart::Odd(why) if why.contains("second Host")))
    );
    assert!(whole.contains(&RequestPart::Data(Bytes::from_static(b"hello"))));
    assert!(whole.contains(&RequestPart::Trailers(b"T: u\r\n\r\n".to_vec())));
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
                seen.iter().filter(|s| matches!(s, RequestPart::Lost(_))).count(),
                usize::from(wire != b"\r\n\r\n"),
                "{seen:?}"
            );
        }
    }
}

#[test]
fn a_connection_is_recorded_the_same_however_it_is_cut() {
    let client = b"POST /p/v1/x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /p/y HTTP/1.1\r\n\r\n";
    let server =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: u\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut";
    let bodies = |entries: &[Entry], x| {
        let body = entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::Body { bytes, .. } if entry.exchange == x => Some(&bytes[..]),
            _ => None,
        });
        String::from_utf8_lossy(&body.collect::<Vec<_>>().concat()).into_owned()
    };
    for size in 1..server.len() {
        let entries = recorded(client.chunks(client.len()), server.chunks(size));
        assert_eq!(
            (bodies(&entries, 0), bodies(&entries, 1)),
            ("abc".into(), "cut".into()),
            "{size}"
        );
        let ends = entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::End { cause, .. } => Some(cause.name()),
            _ => None,
        });
        assert_eq!(ends.collect::<Vec<_>>(), ["complete", "truncated"], "{size}");
    }
}
