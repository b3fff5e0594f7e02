use proptest::prelude::*;

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&FrameHead::new(payload.len(), kind, flags, stream).0[..], payload].concat()
}

/// Returns what was found, with the pieces of one payload joined, and all that would be forwarded.
fn found(wire: &[u8], cuts: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut reader = FrameReader::of_client();
    let (mut reported, mut forwarded) = (Vec::new(), Vec::new());
    let mut data = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([wire.len()]) {
        let read = &wire[from..to.max(from)];
        from = to.max(from);
        reader.feed(read, &mut |found| match found {
            Http2Found::Frame(head) => forwarded.extend_from_slice(&head.0),
            Http2Found::Payload(range) | Http2Found::Rest(range) => {
                forwarded.extend_from_slice(&read[range])
            }
            Http2Found::Data(_, range) => data.extend_from_slice(&read[range]),
            Http2Found::End(head, kept) => {
                let data = String::from_utf8_lossy(&std::mem::take(&mut data)).into_owned();
                reported.push(format!("{:?} {data} {kept:?}", head.0));
            }
            Http2Found::Block(block) => {
                forwarded.extend_from_slice(&block.raw);
                reported.push(format!(
                    "{} {:?} {:?} {}",
                    block.stream(),
                    block.priority,
                    block.coded,
                    block.ends_stream()
                ));
            }
            Http2Found::Lost(why, held) => {
                forwarded.extend_from_slice(&held);
                reported.push(why.to_string());
            }
        });
    }
    forwarded.extend_from_slice(&reader.rest());
    (reported, forwarded)
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        8 => (0..12u8, any::<u8>(), 0..6u32, payload.clone())
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload)),
        4 => (prop::sample::select(vec![0, END_HEADERS, END_STREAM | END_HEADERS]), payload.clone())
            .prop_map(|(flags, payload)| frame(HEADERS, flags, 1, &payload)),
        3 => (prop::sample::select(vec![0, END_HEADERS]), payload.clone())
            .prop_map(|(flags, payload)| frame(CONTINUATION, flags, 1, &payload)),
        4 => (0..8u8, payload.clone()).prop_map(|(padding, payload)| {
            let payload = [&[padding][..], &payload, &vec![0; padding.into()]].concat();
            frame(DATA, PADDED, 3, &payload)
        }),
        1 => payload,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Checks that the same is found however it is cut, and that every byte is forwarded.
    #[test]
    fn a_cut_changes_nothing_and_no_byte_is_lost(
        frames in prop::collection::vec(any_frame(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        broken in any::<bool>(),
    ) {
        let preface = if broken { &PREFACE[..20] } else { PREFACE };
        let wire = [preface, &frames.concat()].concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = found(&wire, &[]);
        prop_assert_eq!(&whole.1, &wire);
        prop_assert_eq!(found(&wire, &cuts), whole);
    }
}

#[test]
fn padding_and_priority_are_no_fields_and_no_data() {
    let wire = [
        PREFACE,
        &frame(HEADERS, PADDED | PRIORITY, 1, &[2, 0x80, 0, 0, 9, 7, b'a', b'b', 0, 0]),
        &frame(CONTINUATION, END_HEADERS, 1, b"cd"),
        &frame(DATA, PADDED | END_STREAM, 1, b"\x02hi\0\0"),
    ]
    .concat();
    let (reported, _) = found(&wire, &[]);
    assert_eq!(reported[0], format!("1 {:?} {:?} false", Some([0x80, 0, 0, 9, 7]), b"abcd"));
    assert!(reported[1].contains("] hi ["), "{reported:?}");
}

#[test]
fn what_breaks_the_rules_is_told_and_forwarded() {
    let headers = frame(HEADERS, 0, 1, b"x");
    for (frames, why) in [
        ([headers.clone(), frame(DATA, 0, 1, b"")].concat(), FrameError::Inside(DATA)),
        ([headers.clone(), frame(CONTINUATION, 4, 3, b"")].concat(), FrameError::Inside(9)),
        (frame(CONTINUATION, END_HEADERS, 1, b""), FrameError::Continuation),
        (frame(DATA, 0, 0, b"x"), FrameError::NoStream(DATA)),
        (frame(DATA, PADDED, 1, b"\x01"), FrameError::Padding),
        (frame(DATA, PADDED, 1, b""), FrameError::Padding),
        (frame(HEADERS, PADDED | END_HEADERS, 1, b"\x04abc"), FrameError::Padding),
        (frame(HEADERS, PRIORITY | END_HEADERS, 1, b"abc"), FrameError::Padding),
    ] {
        let wire = [PREFACE, &frames, b"and more"].concat();
        let (reported, forwarded) = found(&wire, &[]);
        assert_eq!(reported.last(), Some(&why.to_string()));
        assert_eq!(forwarded, wire);
    }
}

#[test]
fn a_flood_of_continuations_is_bounded() {
    let mut reader = FrameReader::of_server();
    let mut lost = None;
    let mut feed = |bytes: &[u8], reader: &mut FrameReader| {
        reader.feed(bytes, &mut |found| {
            if let Http2Found::Lost(why, held) = found {
                lost = Some((why, held.len()));
            }
        });
    };
    feed(&frame(SETTINGS, 0, 0, b""), &mut reader);
    feed(&frame(HEADERS, 0, 1, b"x"), &mut reader);
    for _ in 0..200_000 {
        feed(&frame(CONTINUATION, 0, 1, b""), &mut reader);
    }
    let (why, held) = lost.unwrap();
    assert!(why == FrameError::Long && held <= MAX_BLOCK + 9, "{why} {held}");
    // A frame that announces a large size is not waited for.
    let mut found = Vec::new();
    let mut reader = FrameReader::of_client();
    reader.feed(&[PREFACE, &FrameHead::new(1 << 23, HEADERS, 0, 1).0].concat(), &mut |f| {
        found.push(f)
    });
    assert!(matches!(found.last(), Some(Http2Found::Lost(FrameError::Long, _))));
}
