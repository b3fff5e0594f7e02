//! The framers and the reader of WebSocket messages: however a body is cut, the same frames, which tile it.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sselens::frame::web_socket::{Deflate, Direction, WsFound, Sender};
use sselens::frame::{Framer, Frames, Hint};
use sselens_fuzz::mutate;

const TYPES: &[Option<&str>] = &[
    None,
    Some("text/event-stream"),
    Some("application/x-ndjson"),
    Some("application/json"),
    Some("application/vnd.amazon.eventstream"),
    Some("text/plain; charset=utf-8"),
];

/// The frames of a body that grows to each of these lengths.
fn frames(kind: Option<&str>, body: &[u8], ends: impl Iterator<Item = usize>) -> Frames {
    let content_type = kind.map(str::to_owned);
    let mut framer = Framer::new(Hint { content_type, named_sse: false });
    let mut frames = Frames::default();
    for end in ends {
        framer.push(&body[..end], &mut frames);
    }
    framer.finish(body, &mut frames);
    frames
}

/// What is read in one direction of a WebSocket.
fn messages<'a>(sender: Sender, deflate: bool, pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let deflate = deflate.then(|| Deflate::of("permessage-deflate")).flatten();
    let mut direction = Direction::new(sender, deflate);
    let mut found: Vec<WsFound> = Vec::new();
    for piece in pieces {
        direction.feed(piece, &mut |one| found.push(one));
    }
    format!("{found:?} {:?} {}", direction.finish(), direction.is_lost())
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 2)
});

fuzz_target!(|input: &[u8]| {
    let [which, cut, body @ ..] = input else { return };
    let size = usize::from(*cut).max(1);
    let which = usize::from(*which);
    if let Some(kind) = TYPES.get(which % (TYPES.len() + 4)) {
        let whole = frames(*kind, body, std::iter::empty());
        let mut end = 0;
        for frame in whole.iter() {
            assert_eq!(frame.offset, end, "frames tile the body");
            end = frame.end();
            let _ = frame.data(body);
        }
        assert_eq!(end, body.len() as u64);
        if !body.contains(&b'\r') {
            let singly = frames(*kind, body, 1..=body.len());
            assert!(whole == singly, "{whole:?}\n{singly:?}");
            let pieces = frames(*kind, body, (size..body.len()).step_by(size));
            assert!(whole == pieces, "{whole:?}\n{pieces:?}");
        }
    } else {
        let sender = if which % 2 == 0 { Sender::Client } else { Sender::Server };
        let deflate = which / 2 % 2 == 0;
        let whole = messages(sender, deflate, std::iter::once(body));
        assert_eq!(whole, messages(sender, deflate, body.chunks(1)));
        assert_eq!(whole, messages(sender, deflate, body.chunks(size)));
    }
});
