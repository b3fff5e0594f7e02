use super::*;
use crate::tap::http2::frame::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE};

/// A client whose requests all lead to the same place, but for those under `/no`.
#[derive(Default)]
struct Watcher {
    seen: Vec<StreamPart>,
    asked: Vec<RequestStart>,
}

impl RequestHandler for Watcher {
    fn choose(&mut self, asked: &RequestStart) -> RequestChoice {
        self.asked.push(asked.clone());
        if asked.path.as_ref().is_some_and(|p| p.starts_with("/no")) {
            return RequestChoice::Refuse;
        }
        RequestChoice::To(RequestTarget {
            authority: "up.example:8443".into(),
            scheme: "https",
            path: asked.path.as_ref().map(|p| format!("/v1{p}")),
        })
    }

    fn seen(&mut self, seen: StreamPart) {
        self.seen.push(seen);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&FrameHead::new(payload.len(), kind, flags, stream).0[..], payload].concat()
}

/// Fields, each put into the sender's table.
fn indexed(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        let (name, value) = (name.to_string().into(), value.to_string().into());
        let at = out.len();
        hpack::write(&HeaderField { name, value, never_indexed: false }, &mut out);
        out[at] = 0x40;
    }
    out
}

fn get(path: &str) -> Vec<u8> {
    indexed(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "tap")])
}

/// The frames that were forwarded, the header blocks read with one table.
fn forwarded(wire: &[u8]) -> Vec<String> {
    let mut reader = FrameReader::of_client();
    let mut decoder = HpackDecoder::new();
    let mut reported = Vec::new();
    reader.feed(wire, &mut |found| match found {
        Http2Found::Block(block) => {
            let read = decoder.block(&block.coded).unwrap();
            let raw = String::from_utf8(fields::raw(&read.fields).to_vec()).unwrap();
            let raw = raw.trim_end().replace("\r\n", "|");
            reported.push(format!(
                "{} {raw} {:?} {:x?} {}",
                block.stream(),
                block.priority,
                read.sizes,
                block.ends_stream()
            ));
        }
        Http2Found::End(head, _) => {
            reported.push(format!("{} {} {}", head.stream(), head.kind(), head.len()))
        }
        Http2Found::Lost(why, _) => panic!("{why}"),
        _ => {}
    });
    reported
}

#[test]
fn only_where_a_request_leads_to_is_changed() {
    let first = [&[5, 0, 0, 0, 1, 9][..], &[0x3f, 0xe1, 0x1f], &get("/a"), &[0; 5]].concat();
    let (one, two) = first.split_at(20);
    // The second request is all references into the table.
    let second = [0xc1, 0xc0, 0xbf, 0xbe];
    let wire = [
        PREFACE,
        &frame(frame::SETTINGS, 0, 0, &[0, 1, 0, 0, 0x10, 0]),
        &frame(
            HEADERS,
            END_STREAM | 0x28,
            1,
            &[one, &two[..two.len() - 5], &[0; 5]].concat()[..20],
        ),
        &frame(CONTINUATION, END_HEADERS, 1, b""),
    ];
    // Padding belongs to the first frame, so the original length is written there.
    let padded = [&[5, 0, 0, 0, 1, 9][..], &[0x3f, 0xe1, 0x1f], &get("/a")[..6], &[0; 5]].concat();
    let rest = &get("/a")[6..];
    let wire = [
        wire[0],
        wire[1],
        &frame(HEADERS, END_STREAM | 0x28, 1, &padded),
        &frame(CONTINUATION, END_HEADERS, 1, rest),
        &frame(HEADERS, END_HEADERS, 3, &second),
        &frame(DATA, 0, 3, b"body"),
        &frame(HEADERS, END_HEADERS | END_STREAM, 3, &indexed(&[("t", "u")])),
        &frame(6, 0, 0, &[0; 8]),
    ]
    .concat();
    for size in [1, 7, 1000] {
        let (mut requests, mut watcher) = (Http2Requests::new(true), Watcher::default());
        let mut out = Vec::new();
        for piece in wire.chunks(size) {
            requests.feed(piece, &mut out, &mut watcher);
        }
        let request = ":method: GET|:scheme: https|:path: /v1/a|:authority: up.example:8443";
        assert_eq!(
            forwarded(&out),
            [
                "0 4 6".to_owned(),
                format!("1 {request} Some([0, 0, 0, 1, 9]) [3f, e1, 1f] true"),
                format!("3 {request} None [] false"),
                "3 0 4".to_owned(),
                "3 t: u None [] true".to_owned(),
                "0 6 8".to_owned(),
            ],
            "{size}"
        );
        let StreamPart::Head(1, raw, _) = &watcher.seen[0] else { panic!("{:?}", watcher.seen) };
        assert_eq!(
            &raw[..],
            b":method: GET\r\n:scheme: http\r\n:path: /a\r\n:authority: tap\r\n\r\n"
        );
        assert_eq!(watcher.seen[1], StreamPart::End(1));
        assert!(matches!(watcher.seen.last(), Some(StreamPart::End(3))));
    }
    // If nothing has to be changed, nothing is.
    let mut out = Vec::new();
    Http2Requests::new(false).feed(&wire, &mut out, &mut Watcher::default());
    assert_eq!(out, wire);
}

#[test]
fn a_request_that_leads_nowhere_is_not_forwarded_and_the_tables_stay_equal() {
    let no = [&[0x3f, 0xe1, 0x1f][..], &get("/no")].concat();
    let wire = [
        PREFACE,
        &frame(HEADERS, END_HEADERS, 1, &no),
        &frame(DATA, 0, 1, b"secret"),
        &frame(HEADERS, END_HEADERS | END_STREAM, 3, &get("/a")),
        &frame(DATA, END_STREAM, 1, b"more"),
        &frame(frame::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        &frame(frame::RST_STREAM, 0, 1, &[0, 0, 0, 8]),
        &frame(frame::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
    ]
    .concat();
    let (mut requests, mut watcher) = (Http2Requests::new(true), Watcher::default());
    let mut out = Vec::new();
    requests.feed(&wire, &mut out, &mut watcher);
    let reported = forwarded(&out);
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(
        reported[0].starts_with("3 :method: GET|") && reported[0].ends_with("[3f, e1, 1f] true")
    );
    assert_eq!(reported[1], "0 8 4");
    assert_eq!(watcher.seen[..1], [StreamPart::Refused(6)]);
    assert!(watcher.seen.contains(&StreamPart::Refused(4)));
}

#[test]
fn what_cannot_be_read_goes_on_and_is_reported_once() {
    let wire = [
        PREFACE,
        &frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff]),
        &frame(HEADERS, END_HEADERS, 3, &get("/a")),
        &frame(DATA, END_STREAM, 3, b"x"),
    ]
    .concat();
    let (mut requests, mut watcher) = (Http2Requests::new(true), Watcher::default());
    let mut out = Vec::new();
    requests.feed(&wire, &mut out, &mut watcher);
    assert_eq!(out, wire);
    assert_eq!(watcher.seen.len(), 1);
    assert!(matches!(&watcher.seen[0], StreamPart::Lost(_)) && watcher.asked.is_empty());
}

#[test]
fn a_long_block_is_written_in_frames_that_every_server_takes() {
    let long = "v".repeat(50_000);
    let block = [get("/a"), indexed(&[("x-long", &long)])].concat();
    let mut wire = [PREFACE, &frame(HEADERS, 0, 1, &block[..100])].concat();
    wire.extend(frame(CONTINUATION, END_HEADERS, 1, &block[100..]));
    let mut out = Vec::new();
    Http2Requests::new(true).feed(&wire, &mut out, &mut Watcher::default());
    let mut at = PREFACE.len();
    let mut kinds = Vec::new();
    while at < out.len() {
        let head = FrameHead(out[at..at + 9].try_into().unwrap());
        assert!(head.len() <= 16_384);
        kinds.push((head.kind(), head.has(END_HEADERS)));
        at += 9 + head.len();
    }
    assert_eq!(kinds, [(1, false), (9, false), (9, false), (9, true)]);
    assert!(forwarded(&out)[0].contains(&long));
}
