use proptest::prelude::*;

use super::*;

fn sse_hint() -> Hint {
    Hint { content_type: Some("text/event-stream; charset=utf-8".into()), named_sse: false }
}

/// Returns the frames of `body`, fed in reads that end at `cuts`.
fn frames(hint: Hint, body: &[u8], cuts: &[usize]) -> (Vec<Frame>, Framer) {
    let mut framer = Framer::new(hint);
    let mut out = Frames::default();
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (body.len() + 1)).collect();
    ends.sort_unstable();
    for end in ends {
        framer.push(&body[..end], &mut out);
    }
    framer.finish(body, &mut out);
    (out.iter().collect(), framer)
}

fn kinds(hint: Hint, body: &str) -> Vec<(FrameKind, String)> {
    let (frames, _) = frames(hint, body.as_bytes(), &[]);
    frames
        .iter()
        .map(|f| (f.kind, String::from_utf8(f.bytes(body.as_bytes()).to_vec()).unwrap()))
        .collect()
}

/// The standard's algorithm written as it reads, one character after the other: what [`Sse`] is
/// held against.
fn standard(body: &[u8]) -> (Vec<(String, String, String)>, String, Option<String>) {
    let text = String::from_utf8_lossy(body).into_owned();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                lines.push(std::mem::take(&mut line));
            }
            '\n' => lines.push(std::mem::take(&mut line)),
            c => line.push(c),
        }
    }
    let (mut events, mut data, mut event, mut id_buffer, mut last_id, mut retry) =
        (Vec::new(), String::new(), String::new(), String::new(), String::new(), None);
    for line in lines {
        if line.is_empty() {
            last_id.clone_from(&id_buffer);
            if !data.is_empty() {
                data.pop();
                let name = if event.is_empty() { "message".into() } else { event.clone() };
                events.push((name, std::mem::take(&mut data), last_id.clone()));
            }
            event.clear();
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => data += &format!("{value}\n"),
            "event" => event = value.into(),
            "id" if !value.contains('\0') => id_buffer = value.into(),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                let digits = value.trim_start_matches('0');
                retry = Some(if digits.is_empty() { "0".to_owned() } else { digits.into() });
            }
            _ => {}
        }
    }
    (events, last_id, retry)
}

fn events(frames: &[Frame], framer: &Framer, body: &[u8]) -> Vec<(String, String, String)> {
    let sse = framer.sse().unwrap();
    let of = |f: &Frame| {
        let block = sse::SseBlock::of(f, body);
        (block.event().into_owned(), f.data(body).unwrap().into_owned(), sse.id(f).to_owned())
    };
    frames.iter().filter(|f| f.kind == FrameKind::Event).map(of).collect()
}

fn tiles(frames: &[Frame], body: &[u8]) -> bool {
    let mut at = 0;
    frames.iter().all(|f| {
        let fits = f.offset == at && f.len > 0;
        at = f.end();
        fits
    }) && at == body.len() as u64
}

#[test]
fn blocks_have_their_kinds() {
    let body =
        "\ndata: a\n: c\n\n: only\n:\n\nevent: ping\n\nid: 7\nretry: 010\ndata: b\n\nx\n\ndata: t";
    assert_eq!(
        kinds(sse_hint(), body).iter().map(|k| k.0).collect::<Vec<_>>(),
        [
            FrameKind::Block,
            FrameKind::Event,
            FrameKind::Comment,
            FrameKind::Block,
            FrameKind::Event,
            FrameKind::Block,
            FrameKind::Incomplete
        ]
    );
    let (frames, framer) = frames(sse_hint(), body.as_bytes(), &[]);
    let sse = framer.sse().unwrap();
    assert_eq!(sse.comments.items, [" c", " only", ""]);
    assert_eq!(sse.blocks_without_data, 2);
    assert_eq!(sse.final_retry.as_deref(), Some("10"));
    assert_eq!(sse.final_id(), "7");
    assert_eq!(sse.id(&frames[1]), "");
    assert_eq!(sse.trailing, sse::Trailing { bytes: 7, kind: sse::TrailingKind::PartialLine });
    assert_eq!(sse.ignored_fields.items[0].name, "x");
}

#[test]
fn a_cr_dispatches_at_once_and_a_late_lf_opens_the_next_frame() {
    let mut framer = Framer::new(sse_hint());
    let mut out = Frames::default();
    framer.push(b"data: a\r\n\r", &mut out);
    assert_eq!(out.len(), 1);
    framer.finish(b"data: a\r\n\r\n", &mut out);
    assert_eq!((out.at(1).kind, out.at(1).len), (FrameKind::Incomplete, 1));
    let sse = framer.sse().unwrap();
    assert_eq!(sse.line_endings, sse::LineEndings { lf: 0, cr: 0, crlf: 2 });
    assert_eq!(sse.trailing, sse::Trailing::default());
}

#[test]
fn the_bytes_decide_the_framing() {
    let json = |t: &str| Hint { content_type: Some(t.into()), named_sse: false };
    for (hint, body, framing) in [
        (sse_hint(), "<html>", Framing::Whole),
        (sse_hint(), "{\"error\":1}", Framing::Whole),
        (sse_hint(), "{\"a\":1}\n{\"b\":1}\n", Framing::Ndjson),
        (sse_hint(), "{\"error\":1}\n\ndata: [DONE]\n\n", Framing::Sse),
        (sse_hint(), "\n\n", Framing::Sse),
        (sse_hint(), "upstream overloaded", Framing::Sse),
        (json("application/json"), "data: {}\n\n", Framing::Sse),
        (json("application/json"), "{\n \"a\": 1\n}", Framing::Whole),
        (json("application/json"), "null", Framing::Whole),
        (json("application/x-ndjson"), "{\"a\":", Framing::Ndjson),
        (json("text/plain"), ": hi\n\n", Framing::Sse),
        (Hint::default(), "{\"a\":1}\n{\"b\":1}\n", Framing::Ndjson),
        (Hint::default(), "{\"a\":1}\n", Framing::Whole),
        (Hint::default(), " [\r\n{\"a\":1}]", Framing::Array),
        (Hint::default(), "[ ]", Framing::Array),
        (Hint::default(), "[1]", Framing::Whole),
        (sse_hint(), "[{}]", Framing::Whole),
        (Hint::default(), "\u{feff}data: x\n\n", Framing::Sse),
        (Hint::default(), "upstream overloaded", Framing::Whole),
        (Hint { named_sse: true, ..Hint::default() }, "foo\n\n", Framing::Sse),
        (Hint::default(), "", Framing::Whole),
    ] {
        for cut in 0..body.len() {
            let (frames, framer) = frames(hint.clone(), body.as_bytes(), &[cut]);
            assert_eq!(framer.framing(), Some(framing), "{body:?} cut at {cut}");
            assert!(tiles(&frames, body.as_bytes()));
        }
    }
}

#[test]
fn a_byte_order_mark_is_told_and_not_read() {
    let (_, framer) = frames(sse_hint(), "\u{feff}data: x".as_bytes(), &[1, 2]);
    assert!(framer.sse().unwrap().bom);
    let body = "\u{feff}{\"a\":1}".as_bytes();
    let (frames, _) = frames(Hint::default(), body, &[]);
    assert_eq!(frames[0].data(body).unwrap(), "{\"a\":1}");
}

#[test]
fn ndjson_lines_end_at_their_line_end() {
    let hint = Hint { content_type: Some("application/x-ndjson".into()), named_sse: false };
    assert_eq!(
        kinds(hint.clone(), "{\"a\":1}\r\n\n{\"b\":2}"),
        [
            (FrameKind::Line, "{\"a\":1}\r\n".into()),
            (FrameKind::Line, "\n".into()),
            (FrameKind::Line, "{\"b\":2}".into()),
        ]
    );
    assert_eq!(kinds(hint, "{}\n{\"b\"")[1].0, FrameKind::Incomplete);
}

#[test]
fn elements_take_what_stands_before_them() {
    let of = |body: &str| -> Vec<(FrameKind, String)> { kinds(Hint::default(), body) };
    let element = |s: &str| (FrameKind::Element, s.to_owned());
    assert_eq!(
        of("[{\"a\":\"]},\\\"\"}\r\n,\n{\"b\":[{}]}, 7 ,\"x,]\"\n]\n"),
        [
            element("[{\"a\":\"]},\\\"\"}"),
            element("\r\n,\n{\"b\":[{}]}"),
            element(", 7"),
            element(" ,\"x,]\"\n]\n"),
        ]
    );
    // Leftover text that is not an element, and a second element without its comma.
    assert_eq!(
        of("[{}\n{},{\"b\""),
        [element("[{}"), element("\n{}"), (FrameKind::Incomplete, ",{\"b\"".into())]
    );
    assert_eq!(of("[{},"), [element("[{}"), (FrameKind::Incomplete, ",".into())]);
    assert_eq!(of("[{}\n"), [element("[{}\n")]);
    assert_eq!(of("[]\n"), [(FrameKind::Body, "[]\n".into())]);
    assert_eq!(of("[{\"a"), [(FrameKind::Incomplete, "[{\"a".into())]);
}

#[test]
fn an_elements_data_is_its_value() {
    let body = b"[ {\"a\":1}\n,{\"b\":2} ]";
    let (frames, framer) = frames(Hint::default(), body, &[]);
    let data: Vec<_> = frames.iter().map(|f| f.data(body).unwrap().into_owned()).collect();
    assert_eq!(data, ["{\"a\":1}", "{\"b\":2}"]);
    assert_eq!(framer.array_is_closed(), Some(true));
}

/// The frames of an SSE body read by the shortcut or by the general way alone, and all that the framer
/// counted.
fn read_sse<const SHORTCUT: bool>(body: &[u8], cuts: &[usize]) -> (Vec<Frame>, String) {
    let (mut sse, mut frames) = (sse::Sse::default(), Frames::default());
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (body.len() + 1)).collect();
    ends.sort_unstable();
    for end in ends.into_iter().chain([body.len()]) {
        match SHORTCUT {
            true => sse.push(&body[..end], &mut frames),
            false => sse.read::<false>(&body[..end], &mut frames),
        }
    }
    sse.finish(body, &mut frames);
    (frames.iter().collect(), format!("{sse:?}"))
}

/// The same, each plain event taken without being looked at, as far as all of it has arrived; `known` are the
/// frames.
fn take_sse(body: &[u8], cuts: &[usize], known: &[Frame]) -> (Vec<Frame>, String) {
    let (mut sse, mut frames) = (sse::Sse::default(), Frames::default());
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (body.len() + 1)).collect();
    ends.sort_unstable();
    for end in ends.into_iter().chain([body.len()]) {
        while let Some(begin) = sse.next_frame() {
            let is_next = |f: &&Frame| f.offset as usize == begin && f.end() as usize <= end;
            let next = known.iter().find(is_next);
            let plain = next.and_then(|f| Some((f, sse::PlainEvent::of(f.bytes(body))?)));
            let Some((frame, plain)) = plain else { break };
            frames.push(sse.take_plain(plain, frame.len as usize));
        }
        sse.read::<false>(&body[..end], &mut frames);
    }
    sse.finish(body, &mut frames);
    (frames.iter().collect(), format!("{sse:?}"))
}

/// Asserts that every way to read a body makes the same frames, and counts the same.
fn assert_read_alike(body: &[u8], cuts: &[usize]) {
    let (frames, counted) = read_sse::<false>(body, cuts);
    let taken = take_sse(body, cuts, &frames);
    assert_eq!(read_sse::<true>(body, cuts), (frames.clone(), counted.clone()));
    assert_eq!(taken, (frames, counted));
}

#[test]
fn a_plain_event_has_a_name_or_none_and_one_line_of_data() {
    let data = |event: &str| {
        let plain = sse::PlainEvent::of(event.as_bytes())?;
        let frame = sse::Sse::default().take_plain(plain, event.len());
        Some((frame.is_named(), event[frame.data_span()?].to_owned()))
    };
    assert_eq!(data("data: a b\n\n"), Some((false, "a b".to_owned())));
    assert_eq!(data("event: x\ndata:  a\n\n"), Some((true, " a".to_owned())));
    assert_eq!(data("data:\n\n"), Some((false, String::new())));
    for other in [
        "data\n\n",
        "data: a\n",
        "data: a\r\n\r\n",
        "data: a\ndata: b\n\n",
        "data: a\nevent: x\n\n",
        "id: 1\ndata: a\n\n",
        ": c\ndata: a\n\n",
        "event: x\nevent: y\ndata: a\n\n",
        "event: x\n\n",
        "\ndata: a\n\n",
        "\u{feff}data: a\n\n",
    ] {
        assert_eq!(data(other), None, "{other:?}");
    }
    assert_eq!(sse::PlainEvent::of(b"data: \xe9\n\n"), None);
}

/// Every stream that is recorded beside the tests.
fn recorded() -> Vec<Vec<u8>> {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = ["corpus", "client_sim/chat", "client_sim/anthropic", "client_sim/responses"];
    let files = folders.iter().flat_map(|f| std::fs::read_dir(tests.join(f)).unwrap());
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn no_shortcut_changes_a_frame_of_a_recording() {
    let recorded = recorded();
    assert!(recorded.len() > 600);
    for body in recorded {
        let crlf = String::from_utf8_lossy(&body).replace('\n', "\r\n").into_bytes();
        for body in [body, crlf] {
            let step = body.len() / 40 + 1;
            for cut in (0..=body.len()).step_by(step) {
                let cuts = [cut, cut + step / 2];
                assert_read_alike(&body, &cuts);
            }
        }
    }
}

/// Streams of whole events, some damaged: a byte changed, lost, or put in.
fn damaged_stream() -> impl Strategy<Value = Vec<u8>> {
    let event = prop_oneof![
        6 => Just("data: {\"choices\":[{\"delta\":{\"content\":\" é\"}}]}\n\n"),
        3 => Just("event: content_block_delta\ndata: {\"type\":\"x\"}\n\n"),
        1 => Just("id: 7\ndata: x\n\n"), 1 => Just("data: a\ndata: b\n\n"),
        1 => Just(": keep-alive\n\n"), 1 => Just("data:y\r\n\r\n"), 1 => Just("data\n\n"),
        1 => Just("data: z\nretry: 5\n\n"), 1 => Just("\u{feff}data: x\n\n"),
    ];
    let byte = prop_oneof![
        Just(b'\n'),
        Just(b'\r'),
        Just(b':'),
        Just(b' '),
        Just(0xe9),
        Just(0),
        Just(b'd')
    ];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, byte), 0..6);
    (prop::collection::vec(event, 1..12), damage).prop_map(|(events, damage)| {
        let mut body = events.concat().into_bytes();
        for (at, how, byte) in damage {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
            if body.is_empty() {
                body.push(byte);
            }
        }
        body
    })
}

#[test]
fn one_long_line_in_single_bytes_is_linear() {
    // A quadratic scan of 8 MB would take the better part of an hour.
    let mut body = b"data: ".to_vec();
    body.resize(8 << 20, b'x');
    body.extend_from_slice(b"\n\n");
    for hint in [sse_hint(), Hint::default()] {
        let mut framer = Framer::new(hint);
        let mut out = Frames::default();
        for end in 0..body.len() {
            framer.push(&body[..end], &mut out);
        }
        framer.finish(&body, &mut out);
        assert_eq!(out.len(), 1);
    }
}

#[test]
fn one_long_element_in_single_bytes_is_linear() {
    let mut body = b"[{\"a\":\"".to_vec();
    body.resize(8 << 20, b'x');
    body.extend_from_slice(b"\"}]");
    let mut framer = Framer::new(Hint::default());
    let mut out = Frames::default();
    for end in 0..body.len() {
        framer.push(&body[..end], &mut out);
    }
    framer.finish(&body, &mut out);
    assert_eq!(out.len(), 1);
}

/// Streamed arrays, whole and broken.
fn array() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just("{"), 3 => Just("}"), 2 => Just("["), 2 => Just("]"), 3 => Just(","),
        3 => Just("\""), 1 => Just("\\"), 1 => Just("7"), 1 => Just("\r\n"), 1 => Just(" "),
        2 => Just("{\"a\":[1,\"}\"]}"), 1 => Just("é"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|p| format!("[{{{}", p.concat()).into_bytes())
}

/// Streams made of what matters to the standard's parser.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(&b"\n"[..]), 2 => Just(&b"\r\n"[..]), 2 => Just(&b"\r"[..]), 3 => Just(&b"data:"[..]),
        2 => Just(&b"data: "[..]), 1 => Just(&b"event: x"[..]), 1 => Just(&b"id: "[..]),
        1 => Just(&b"retry: 0"[..]), 1 => Just(&b"7"[..]), 1 => Just(&b":"[..]), 1 => Just(&b" "[..]),
        1 => Just(&b"\0"[..]), 1 => Just("é😀".as_bytes()), 1 => Just(&b"\xe9\x82"[..]),
        1 => Just(&b"\xef\xbb\xbf"[..]), 1 => Just(&b"{\"a\":1}"[..]), 1 => Just(&b"foo"[..]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn events_are_the_standards(mut body in stream(), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        // A comment line makes it SSE beyond doubt.
        body.splice(0..0, *b":\n");
        let (frames, framer) = frames(sse_hint(), &body, &cuts);
        prop_assert!(tiles(&frames, &body));
        let (expected, id, retry) = standard(&body);
        prop_assert_eq!(events(&frames, &framer, &body), expected);
        prop_assert_eq!(framer.sse().unwrap().final_id(), id);
        prop_assert_eq!(&framer.sse().unwrap().final_retry, &retry);
    }

    #[test]
    fn the_shortcut_makes_the_same_frames(
        body in prop_oneof![stream(), damaged_stream()],
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        bytewise in any::<bool>(),
    ) {
        let cuts = if bytewise { (0..body.len()).collect() } else { cuts };
        assert_read_alike(&body, &cuts);
    }

    /// The chunking law. A cut between CR and LF may move that LF into the next frame; the cuts
    /// here leave pairs whole, the test above takes every cut.
    #[test]
    fn cuts_change_no_frame(body in stream(), cuts in prop::collection::vec(any::<usize>(), 0..8), label in any::<bool>()) {
        let hint = if label { sse_hint() } else { Hint::default() };
        let cuts: Vec<usize> = cuts.iter().map(|c| c % (body.len() + 1))
            .filter(|c| *c == 0 || !(body[c - 1] == b'\r' && body.get(*c) == Some(&b'\n'))).collect();
        let (whole, a) = frames(hint.clone(), &body, &[]);
        let (cut, b) = frames(hint, &body, &cuts);
        prop_assert_eq!(&whole, &cut);
        prop_assert!(tiles(&whole, &body));
        prop_assert_eq!(a.framing(), b.framing());
        prop_assert_eq!(a.sse().map(|s| (s.line_endings, s.trailing, s.invalid_utf8, s.blocks_without_data)),
                        b.sse().map(|s| (s.line_endings, s.trailing, s.invalid_utf8, s.blocks_without_data)));
    }

    #[test]
    fn cuts_change_no_element(body in array(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let (whole, a) = frames(Hint::default(), &body, &[]);
        let (cut, b) = frames(Hint::default(), &body, &cuts);
        prop_assert_eq!(&whole, &cut);
        prop_assert!(tiles(&whole, &body));
        prop_assert_eq!(a.array_is_closed(), b.array_is_closed());
    }
}
