use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn body(bytes: &[u8]) -> Entry {
    let what = EntryKind::Body {
        len: bytes.len() as u32,
        bytes: Bytes::copy_from_slice(bytes),
        masked: vec![],
    };
    Entry { exchange: 3, at: Some(1_234_567), kind: what }
}

fn round_trip(entries: &[Entry]) -> Session {
    let mut file = header("0.1.0", "2026-11-21T08:00:00Z").into_bytes();
    for e in entries {
        encode(e, &mut file);
    }
    read(&file[..]).unwrap()
}

#[test]
fn entries_come_back() {
    let headers = vec![("a".to_owned(), "b".to_owned())];
    let entries: Vec<Entry> = [
        EntryKind::Request(Box::new(Request {
            method: "POST".into(),
            url: "http://h/p".into(),
            headers: headers.clone(),
            body: Bytes::from_static(b"{}"),
            masked: vec![(0, 2)],
            warnings: vec!["w".into()],
            ..Request::default()
        })),
        EntryKind::Bare {
            status: Some(200),
            content_type: Some("t".into()),
            dialect: None,
            named_sse: true,
        },
        EntryKind::Resolved { addresses: vec!["127.0.0.1".into()] },
        EntryKind::Connected { peer: Some("127.0.0.1:1".into()) },
        EntryKind::Tls { detail: "TLSv1.3 h2".into() },
        EntryKind::Head(Head {
            interim: false,
            status: 200,
            version: "HTTP/1.1".into(),
            headers: headers.clone(),
            raw: b"HTTP/1.1 200 OK\r\nA: \xff\r\n\r\n"[..].into(),
        }),
        body(b"data: \xff\xfe caf\xc3").kind,
        EntryKind::Trailers(headers),
        EntryKind::Note { code: "save-failed".into(), text: "disk full".into(), since: None },
        EntryKind::pause(crate::rule::Code::Suspended, 5, "stopped"),
    ]
    .into_iter()
    .chain(
        EndCause::NAMES
            .iter()
            .map(|(cause, n)| EntryKind::End { cause: *cause, detail: (*n).into() }),
    )
    .enumerate()
    .map(|(i, what)| Entry {
        exchange: i as u32,
        at: (i != 1).then_some(i as u64 * 333_333),
        kind: what,
    })
    .collect();
    assert_eq!(round_trip(&entries).entries, entries);
}

#[test]
fn a_torn_last_line_is_reported() {
    let mut file = header("0.1.0", "").into_bytes();
    encode(&body(b"whole"), &mut file);
    encode(&body(b"torn"), &mut file);
    file.truncate(file.len() - 5);
    let session = read(&file[..]).unwrap();
    assert_eq!(session.entries, [body(b"whole")]);
    assert!(session.torn.unwrap().starts_with("line 3:"));
}

#[test]
fn damaged_lines_are_skipped_and_listed() {
    let mut file = header("0.1.0", "").into_bytes();
    encode(&body(b"one"), &mut file);
    file.extend_from_slice(b"{\"type\":\"end\",\"x\":0}\n");
    file.extend_from_slice(b"\xff\xfe\n");
    file.extend_from_slice(&[0; 512]);
    encode(&body(b"two"), &mut file);
    file.extend_from_slice(&[0; 512]);
    let session = read(&file[..]).unwrap();
    assert_eq!(session.entries, [body(b"one"), body(b"two")]);
    let lines: Vec<_> = session.damaged.iter().map(|d| (d.line, d.entries)).collect();
    assert_eq!(lines, [(3, 1), (4, 1), (5, 1)]);
    assert!(session.damaged[0].why.contains("cause"), "{:?}", session.damaged);
    assert!(session.torn.is_some());
}

#[test]
fn a_damaged_or_missing_header_is_one_damaged_line() {
    let mut file = header("0.1.0", "").into_bytes();
    let at = file.len();
    let request = Request { method: "POST".into(), ..Request::default() };
    let request = Entry { exchange: 0, at: None, kind: EntryKind::Request(Box::new(request)) };
    encode(&request, &mut file);
    encode(&body(b"one"), &mut file);
    let rest = &file[at..];
    let zeros = [0; 512];
    for first in
        [&b"garbage\n"[..], b"", &zeros, b"\n", &file[20..at], &[zeros.as_slice(), b"\n"].concat()]
    {
        let session = read(&[first, rest].concat()[..]).unwrap();
        assert_eq!(session.entries, [request.clone(), body(b"one")], "{first:?}");
        let lines: Vec<_> = session.damaged.iter().map(|d| d.line).collect();
        assert_eq!((lines, session.sessions), (vec![1], 1), "{:?}", session.damaged);
    }
    let printed = b"{\"type\":\"request\",\"x\":0,\"at\":0.1,\"method\":\"POST\",\"url\":\"\",\"body_len\":2}\n";
    assert!(matches!(read(&printed[..]), Err(ReadError::NotASession)));
}

#[test]
fn an_entry_behind_zeros_in_its_line_is_read() {
    let mut file = header("0.1.0", "").into_bytes();
    file.extend_from_slice(b"{\"type\":\"bo");
    file.extend_from_slice(&[0; 512]);
    encode(&body(b"one"), &mut file);
    let session = read(&file[..]).unwrap();
    assert_eq!(session.entries, [body(b"one")]);
    assert_eq!(
        (session.damaged[0].line, &*session.damaged[0].why),
        (2, "512 zero bytes before its entry")
    );
}

#[test]
fn numbers_and_times_out_of_all_proportion_are_damage_or_bounded() {
    let mut file = header("0.1.0", "").into_bytes();
    file.extend_from_slice(b"{\"type\":\"body\",\"x\":4294967295,\"text\":\"a\"}\n");
    file.extend_from_slice(b"{\"type\":\"body\",\"x\":0,\"at\":1e308,\"text\":\"a\"}\n");
    let session = read(&file[..]).unwrap();
    assert_eq!((session.entries.len(), session.damaged.len()), (1, 1));
    assert!(session.entries[0].at.unwrap() < u64::MAX / 8);
}

#[test]
fn sessions_one_after_the_other_are_read_as_one() {
    let mut file = Vec::new();
    for _ in 0..2 {
        file.extend(header("0.1.0", "").into_bytes());
        encode(&body(b"x"), &mut file);
    }
    let session = read(&file[..]).unwrap();
    let exchanges: Vec<_> = session.entries.iter().map(|e| e.exchange).collect();
    assert_eq!((session.sessions, &exchanges[..]), (2, &[3, 7][..]));
}

#[test]
fn a_line_is_written_as_ever() {
    let mut out = Vec::new();
    encode(&body(b"data: x\n\n"), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"type\":\"body\",\"x\":3,\"at\":1.234567,\"len\":9,\"text\":\"data: x\\n\\n\"}\n"
    );
}

#[test]
fn what_is_newer_or_no_session_is_said() {
    assert!(matches!(read(&b"data: x\n"[..]), Err(ReadError::NotASession)));
    let newer = b"{\"sselens\":\"session\",\"format\":99}\n";
    assert!(matches!(read(&newer[..]), Err(ReadError::TooNew(99))));
}

#[test]
fn unknown_entries_are_passed_over() {
    let mut file = header("0.1.0", "").into_bytes();
    file.extend_from_slice(b"{\"type\":\"later\",\"x\":0,\"new\":1}\n");
    assert!(read(&file[..]).unwrap().entries.is_empty());
}

#[test]
fn bytes_held_back_by_a_dead_writer_stand_as_stars() {
    let mut e = body(b"data: ab");
    if let EntryKind::Body { len, .. } = &mut e.kind {
        *len += 3;
    }
    let session = round_trip(&[e]);
    let EntryKind::Body { bytes, .. } = &session.entries[0].kind else { panic!() };
    assert_eq!(&bytes[..], b"data: ab***");
}

proptest! {
    #[test]
    fn any_bytes_and_times_survive(bytes in prop::collection::vec(any::<u8>(), 0..60), at in 0u64..1 << 50) {
        let mut entry = body(&bytes);
        entry.at = Some(at);
        let back = round_trip(std::slice::from_ref(&entry));
        prop_assert_eq!(&back.entries[..], std::slice::from_ref(&entry));
    }
}

#[test]
fn a_read_is_the_same_by_the_short_way_and_by_the_long_one() {
    let lines = [
        r#"{"type":"body","x":1,"at":0.5,"len":3,"text":"a\"b"}"#,
        r#"{"type":"body","x":1,"text":"caf\u00e9 \ud83d\ude00","later":{"a":[1]}}"#,
        r#"{"type":"body","x":1,"len":9,"pieces":["a",{"base64":"/w=="}],"masked":[[0,2]]}"#,
        r#"{"type":"body","x":1}"#,
        r#"{"type":"body","x":-1,"text":"a"}"#,
        r#"{"type":"body","text":"a"}"#,
        r#"{"type":"body","x":1,"text":3}"#,
        r#"{"type":"body","x":1,"text":"a""#,
        r#"{"type":"body","x":1,"pieces":[{"base64":"?"}]}"#,
    ];
    for line in lines {
        // The added space forces the slow path.
        let long = line.replacen("\"body\",", "\"body\" ,", 1);
        let of = |line: &str| read::decode(line.as_bytes(), &mut Store::default()).ok();
        assert_eq!(of(line), of(&long), "{line}");
    }
}
