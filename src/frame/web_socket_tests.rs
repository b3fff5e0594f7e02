use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(n as u8 | mask),
        n @ 126..65536 => {
            out.push(126 | mask);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127 | mask);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend(key.unwrap_or_default().iter().filter(|_| key.is_some()));
    let key = key.unwrap_or_default();
    out.extend(payload.iter().enumerate().map(|(i, b)| b ^ key[i % 4]));
    out
}

/// Returns what is found in `wire`, fed in pieces of `size`.
fn read(direction: &mut Direction, wire: &[u8], size: usize) -> Vec<WsFound> {
    let mut found = Vec::new();
    for piece in wire.chunks(size) {
        direction.feed(piece, &mut |f| found.push(f));
    }
    found
}

fn texts(found: &[WsFound]) -> Vec<String> {
    let text = |f: &WsFound| match f {
        WsFound::Message(m) => {
            format!("{} {}", m.opcode.name(), String::from_utf8_lossy(&m.payload))
        }
        WsFound::Fault(fault) => format!("! {fault}"),
    };
    found.iter().map(text).collect()
}

/// The messages of one side as permessage-deflate sends them.
fn deflated(messages: &[&str], takeover: bool) -> Vec<Vec<u8>> {
    let fresh = || flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    let mut coder = fresh();
    let mut out = Vec::new();
    for message in messages {
        if !takeover {
            coder = fresh();
        }
        coder.write_all(message.as_bytes()).unwrap();
        coder.flush().unwrap();
        let mut bytes = std::mem::take(coder.get_mut());
        assert_eq!(bytes.split_off(bytes.len() - 4), [0, 0, 0xff, 0xff]);
        out.push(bytes);
    }
    out
}

#[test]
fn masks_fragments_and_control_frames_are_read_however_they_are_cut() {
    let key = Some([1, 2, 3, 4]);
    let long = "x".repeat(70_000);
    let wire = [
        frame(0x01, b"Hel", key),
        frame(0x89, b"are you there", key),
        frame(0x80, b"lo", key),
        frame(0x82, b"\xff\x00", key),
        frame(0x81, long.as_bytes(), key),
        frame(0x81, "y".repeat(300).as_bytes(), key),
        frame(0x88, b"\x03\xe8bye", key),
    ]
    .concat();
    for size in [1, 2, 3, 7, 100, wire.len()] {
        let mut client = Direction::new(Sender::Client, None);
        let found = read(&mut client, &wire, size);
        assert_eq!(found.len(), 6, "{size}");
        let reported = texts(&found);
        assert_eq!(&reported[..2], ["ping are you there", "text Hello"]);
        assert!(reported[3].len() == 70_005 && reported[4].len() == 305);
        let WsFound::Message(hello) = &found[1] else { panic!() };
        assert_eq!(
            hello.parts.iter().map(|p| (p.offset, p.len)).collect::<Vec<_>>(),
            [(6, 3), (34, 2)]
        );
        let WsFound::Message(close) = &found[5] else { panic!() };
        assert_eq!(close.close(), Some((Some(1000), "bye".into())));
        assert_eq!((client.settled(), client.finish()), (wire.len() as u64, None));
    }
}

#[test]
fn compressed_messages_refer_to_each_other_or_not() {
    let messages =
        ["{\"type\":\"a\",\"delta\":\"hello\"}", "{\"type\":\"a\",\"delta\":\"hello\"}", ""];
    for (header, takeover) in [
        ("permessage-deflate", true),
        ("foo, permessage-deflate; client_max_window_bits=12; server_no_context_takeover", false),
    ] {
        let wire: Vec<u8> = deflated(&messages, takeover)
            .iter()
            .flat_map(|m| {
                let (a, b) = m.split_at(m.len() / 2);
                [frame(0x41, a, None), frame(0x80, b, None)].concat()
            })
            .collect();
        for size in [1, 5, wire.len()] {
            let mut server = Direction::new(Sender::Server, Deflate::of(header));
            let reported = texts(&read(&mut server, &wire, size));
            assert_eq!(reported, messages.map(|m| format!("text {m}")), "{header}");
        }
    }
    assert_eq!(Deflate::of("x-webkit-deflate-frame"), None);
    let none = Deflate::of("permessage-deflate; client_no_context_takeover").unwrap();
    assert!(!none.takeover(Sender::Client) && none.takeover(Sender::Server));
}

#[test]
fn a_masked_span_ends_the_inflating_of_what_refers_to_it() {
    let deflate = Deflate::of("permessage-deflate");
    let wires: Vec<_> =
        deflated(&["one secret", "two"], true).iter().map(|m| frame(0xc1, m, None)).collect();
    let mut server = Direction::new(Sender::Server, deflate);
    server.mask(&[(4, 2)]);
    let found = read(&mut server, &wires.concat(), 9);
    let opaque = |f: &WsFound| matches!(f, WsFound::Message(m) if m.is_opaque && m.compressed);
    assert!(found.len() == 2 && found.iter().all(opaque), "{found:?}");
}

#[test]
fn what_is_against_the_standard_is_told_and_read_on() {
    let key = Some([9, 8, 7, 6]);
    let of = |sender, wire: Vec<u8>| texts(&read(&mut Direction::new(sender, None), &wire, 2));
    let server = |wire: Vec<u8>| of(Sender::Server, wire);
    assert_eq!(of(Sender::Client, frame(0x81, b"a", None)), ["! frame without a mask", "text a"]);
    assert_eq!(server(frame(0x81, b"a", key)), ["! masked frame", "text a"]);
    let reserved = "! reserved bits set without an extension";
    assert_eq!(server(frame(0xc1, b"a", None)), [reserved, "text a"]);
    assert_eq!(server(frame(0x83, b"a", None)), ["! reserved opcode 3", "reserved a"]);
    let long = frame(0x89, &[b'p'; 126], None);
    assert_eq!(server(long)[0], "! control frame of 126 bytes");
    assert_eq!(server(frame(0x09, b"", None))[0], "! fragmented control frame");
    let orphan = server(frame(0x80, b"a", None));
    assert_eq!(orphan, ["! continuation frame without a message", "binary a"]);
    let inside = [frame(0x01, b"a", None), frame(0x81, b"b", None)].concat();
    assert_eq!(server(inside), ["! new message inside a fragmented one", "text a", "text b"]);
    let bad = server(frame(0x81, b"\xff", None));
    assert_eq!(bad[0], "! text message that is not UTF-8");
    let huge = [&[0x82, 127][..], &u64::MAX.to_be_bytes(), b"abc"].concat();
    let mut lost = Direction::new(Sender::Server, None);
    assert_eq!(texts(&read(&mut lost, &huge, 3)), ["! frame of 18446744073709551615 bytes"]);
    assert!(lost.is_lost());
}

#[test]
fn what_is_left_at_the_end_is_a_message_too() {
    let wire = [frame(0x81, b"whole", None), frame(0x01, b"half", None)].concat();
    let mut server = Direction::new(Sender::Server, None);
    read(&mut server, &wire[..wire.len() - 1], 4);
    assert_eq!(server.settled(), 7);
    assert_eq!(server.finish().unwrap().payload, b"hal");
}

proptest! {
    /// Whatever the bytes are, the cut changes nothing, and nothing panics.
    #[test]
    fn any_bytes_are_read_the_same_for_any_cut(
        wire in prop::collection::vec(prop::sample::select(vec![0x81, 0xc1, 0x01, 0x80, 0x88, 0x89, 0x03, 0x85, 126, 127, 0, 1, 2, 255]), 0..80),
        size in 1_usize..9,
        compressed in any::<bool>(),
    ) {
        let deflate = Deflate::of("permessage-deflate").filter(|_| compressed);
        let mut whole = Direction::new(Sender::Server, deflate);
        let mut pieces = Direction::new(Sender::Server, deflate);
        let found = read(&mut whole, &wire, wire.len().max(1));
        prop_assert_eq!(&found, &read(&mut pieces, &wire, size));
        prop_assert_eq!(whole.settled(), pieces.settled());
        let total: u64 = found.iter().map(|f| match f {
            WsFound::Message(m) => m.wire_len(),
            WsFound::Fault(_) => 0,
        }).sum();
        prop_assert!(total <= wire.len() as u64);
    }
}
