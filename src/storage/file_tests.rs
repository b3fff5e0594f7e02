use super::*;

fn kinds(entries: &[Entry]) -> Vec<&'static str> {
    let kind = |e: &Entry| match &e.kind {
        EntryKind::Bare { .. } => "bare",
        EntryKind::Head(_) => "head",
        EntryKind::Body { .. } => "body",
        EntryKind::End { .. } => "end",
        _ => "?",
    };
    entries.iter().map(kind).collect()
}

#[test]
fn a_curl_capture_has_a_head() {
    let capture = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 200 \r\nContent-Type: text/event-stream\r\nset-cookie: s=1\r\n\r\ndata: x\n\n";
    for step in 1..capture.len() {
        let mut bare = Bare::new("x", &BodyHints::default());
        let mut entries = Vec::new();
        for piece in capture.chunks(step) {
            entries.extend(bare.feed(Bytes::copy_from_slice(piece), Some(1)));
        }
        entries.extend(bare.finish(Some(2)));
        let EntryKind::Head(interim) = &entries[1].kind else { panic!("{entries:?}") };
        assert!(interim.interim && interim.status == 100);
        let EntryKind::Head(head) = &entries[2].kind else { panic!("{entries:?}") };
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(head.header("set-cookie"), Some("***"));
        let all: Vec<u8> = entries
            .iter()
            .flat_map(|e| match &e.kind {
                EntryKind::Body { bytes, .. } => bytes.to_vec(),
                _ => vec![],
            })
            .collect();
        assert_eq!(all, b"data: x\n\n");
    }
}

#[test]
fn a_bare_body_has_no_times_and_no_head() {
    let hints = BodyHints { status: Some(422), ..BodyHints::default() };
    let r = read(&b"{\"a\":1}"[..], "x.json", &hints).unwrap();
    assert_eq!(kinds(&r.entries), ["bare", "body", "end"]);
    assert!(r.entries.iter().all(|e| e.at.is_none()));
    assert_eq!(kinds(&read(&b""[..], "x", &hints).unwrap().entries), ["bare", "end"]);
    assert_eq!(kinds(&read(&b"HTT"[..], "x", &hints).unwrap().entries), ["bare", "body", "end"]);
}

#[test]
fn damage_in_a_session_is_noted_where_it_lies() {
    let mut bytes = file::header("0", "").into_bytes();
    for x in 0..2 {
        let head = Head { status: 200, ..Head::default() };
        file::encode(&Entry { exchange: x, at: Some(9), kind: EntryKind::Head(head) }, &mut bytes);
        bytes.extend_from_slice(b"{odd\n{odd\n");
        let kind = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
        file::encode(&Entry { exchange: x, at: Some(10), kind }, &mut bytes);
        bytes.extend_from_slice(if x == 1 { b"{odd\n" } else { b"" });
    }
    let r = read(&bytes[..], "x", &BodyHints::default()).unwrap();
    let notes: Vec<_> = r
        .entries
        .iter()
        .enumerate()
        .filter_map(|(i, e)| match &e.kind {
            EntryKind::Note { code, text, .. } => {
                Some((i, e.exchange, code.as_str(), text.as_str()))
            }
            _ => None,
        })
        .collect();
    let [a, b, c] = notes[..] else { panic!("{notes:?}") };
    assert_eq!((a.0, a.1, b.1, c.1), (1, 0, 1, 1));
    assert!([a, b, c].iter().all(|n| n.2 == "session-damaged"), "{notes:?}");
    assert!(a.3.contains("lines 3, 4") && b.3.contains("lines 7, 8"), "{notes:?}");
    assert!(matches!(r.entries.last().unwrap().kind, EntryKind::End { .. }));
    assert!(r.warnings[0].contains("3, 4, 7, 8, 10"), "{:?}", r.warnings);
}

#[test]
fn a_session_without_an_end_gets_one() {
    let mut bytes = file::header("0", "").into_bytes();
    let head = Head { status: 200, ..Head::default() };
    file::encode(&Entry { exchange: 4, at: Some(9), kind: EntryKind::Head(head) }, &mut bytes);
    let r = read(&bytes[..], "x", &BodyHints::default()).unwrap();
    assert!(r.is_session);
    assert_eq!(kinds(&r.entries), ["head", "end"]);
    assert_eq!((r.entries[1].exchange, r.entries[1].at), (4, Some(9)));
}

#[test]
fn a_capture_that_is_shorter_than_its_head_promised_was_cut_off() {
    use crate::journal::EndCause::{Truncated, Unknown};
    let body = "data: x\n\n";
    for (headers, want) in [
        ("content-length: 9", Unknown),
        ("content-length: 10", Truncated),
        // curl may have decoded the body, and writes a chunked body without its chunks.
        ("content-length: 10\r\ncontent-encoding: gzip", Unknown),
        ("content-length: 10\r\ntransfer-encoding: chunked", Unknown),
        ("content-length: ten", Unknown),
        ("server: x", Unknown),
    ] {
        let capture = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}");
        let mut bare = Bare::new("x", &BodyHints::default());
        let mut entries = bare.feed(Bytes::from(capture), None);
        entries.extend(bare.finish(None));
        let Some(EntryKind::End { cause, .. }) = entries.last().map(|e| &e.kind) else { panic!() };
        assert_eq!(*cause, want, "{headers}");
    }
}

#[test]
fn the_beginning_of_a_long_file_has_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let hints = BodyHints::default();
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut session = file::header("0.1.0", "").into_bytes();
    for at in 0..20_000 {
        let bytes = Bytes::from(format!("data: {at}\n\n"));
        let kind = EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() };
        file::encode(&Entry { exchange: 0, at: Some(at), kind }, &mut session);
    }
    let long = path("long.jsonl", &session);
    let whole = open(&long, &hints).unwrap();
    let begun = beginning(&long, &hints).unwrap();
    assert!(begun.entries.len() > 1000 && begun.entries.len() < 19_000);
    assert_eq!(begun.entries, whole.entries[..begun.entries.len()]);
    assert_eq!(kinds(&whole.entries).last(), Some(&"end"));
    let short = path("short.jsonl", &session[..200_000]);
    assert!(beginning(&short, &hints).is_none());
    let body = path("body.sse", &b"data: x\n\n".repeat(100_000));
    let begun = beginning(&body, &hints).unwrap();
    assert_eq!(kinds(&begun.entries), ["bare", "body"]);
    // A line that never ends, and an archive.
    assert!(beginning(&path("line.sse", &vec![b'x'; 400_000]), &hints).is_none());
    let mut archive = b"{\"log\":{\"entries\":[\n".to_vec();
    archive.resize(400_000, b' ');
    assert!(beginning(&path("a.har", &archive), &hints).is_none());
}
