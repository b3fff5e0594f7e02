//! AWS `application/vnd.amazon.eventstream`: binary messages, each with its length and two CRCs.
//!
//! `u32 total | u32 headers | u32 CRC of these eight bytes | headers | payload | u32 CRC of all
//! before it`, all big-endian. Nothing but the lengths says where a message ends, so a prelude
//! whose CRC is wrong ends the framing: what follows cannot be divided, and is one frame.

use super::{Frame, FrameKind, Frames, MAX_FRAME};

/// Bytes of the prelude with its CRC.
pub(super) const PRELUDE: usize = 12;

/// The message CRC at the end.
const TRAILER: usize = 4;

/// The longest message. AWS documents 16 MiB of payload and 128 KiB of headers; with room.
const MAX_MESSAGE: usize = 32 << 20;

/// The big-endian number at `at`.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(four) as usize)
}

/// The message's and its headers' length, if `bytes` begin with a prelude whose lengths are
/// possible and whose CRC is right.
pub(super) fn prelude(bytes: &[u8]) -> Option<(usize, usize)> {
    let (total, headers) = (number(bytes, 0)?, number(bytes, 4)?);
    let possible =
        total <= MAX_MESSAGE && headers.checked_add(PRELUDE + TRAILER).is_some_and(|n| n <= total);
    let right = crc32fast::hash(bytes.get(..8)?) as usize == number(bytes, 8)?;
    (possible && right).then_some((total, headers))
}

#[derive(Debug, Default, Clone)]
pub(super) struct EventStream {
    /// Start of the message that is not whole yet.
    at: usize,
    /// Its prelude is damaged: nothing after it can be divided.
    lost: bool,
}

impl EventStream {
    pub(super) fn push(&mut self, body: &[u8], frames: &mut Frames) {
        while !self.lost && body.len() - self.at >= PRELUDE {
            let rest = &body[self.at..];
            let Some((total, headers)) = prelude(rest) else {
                self.lost = true;
                return;
            };
            if rest.len() < total {
                return;
            }
            let start = PRELUDE + headers;
            let data = (start as u32, (total - start - TRAILER) as u32);
            let frame = Frame::new(FrameKind::Message, self.at, self.at + total);
            frames.push(Frame { data: Some(data), ..frame });
            self.at += total;
        }
    }

    pub(super) fn finish(&mut self, body: &[u8], frames: &mut Frames) {
        while self.at < body.len() {
            let end = body.len().min(self.at + MAX_FRAME);
            frames.push(Frame::new(FrameKind::Incomplete, self.at, end));
            self.at = end;
        }
    }
}

/// A defect in a frame of such a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The prelude's CRC is wrong, or its lengths are impossible.
    Prelude,
    /// The message's CRC is wrong.
    Message,
    /// The body ends before the message does: (bytes there, bytes announced, if that is known).
    Short(u64, Option<u64>),
}

/// One message, by the bytes of its frame.
#[derive(Debug, Clone, Copy)]
pub struct EventStreamMessage<'a> {
    bytes: &'a [u8],
}

impl<'a> EventStreamMessage<'a> {
    /// The message that a frame's bytes are, whole or not.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Its headers whose values are text, in order; they end where they cannot be read on.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let end = prelude(self.bytes).map_or(PRELUDE, |(_, headers)| PRELUDE + headers);
        let mut rest = self.bytes.get(PRELUDE..end).unwrap_or_default();
        std::iter::from_fn(move || {
            let (name, value, after) = header(rest)?;
            rest = after;
            Some((name, value))
        })
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The text of one header.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|h| h.0 == name).map(|h| h.1)
    }

    /// Returns the event's type: its `:event-type` or `:exception-type`; `error` for an error that has
    /// neither, and `message` otherwise.
    pub fn event(&self) -> &'a str {
        let mut error = false;
        for (name, value) in self.headers() {
            match name {
                ":event-type" | ":exception-type" => return value,
                ":message-type" => error |= value == "error",
                _ => {}
            }
        }
        if error { "error" } else { "message" }
    }

    /// Returns its bytes without what may follow it; all bytes where it is not whole.
    pub fn whole(&self) -> &'a [u8] {
        let total = prelude(self.bytes).map_or(self.bytes.len(), |(total, _)| total);
        self.bytes.get(..total).unwrap_or(self.bytes)
    }

    /// Its payload; empty where it is not whole.
    pub fn payload(&self) -> &'a [u8] {
        let Some((total, headers)) = prelude(self.bytes) else { return &[] };
        self.bytes.get(PRELUDE + headers..total - TRAILER).unwrap_or_default()
    }

    /// Returns the damage, if there is any.
    pub fn damage(&self) -> Option<Damage> {
        let have = self.bytes.len();
        if have < PRELUDE {
            return Some(Damage::Short(have as u64, None));
        }
        let Some((total, _)) = prelude(self.bytes) else { return Some(Damage::Prelude) };
        if have < total {
            return Some(Damage::Short(have as u64, Some(total as u64)));
        }
        let covered = total - TRAILER;
        let right =
            number(self.bytes, covered) == Some(crc32fast::hash(&self.bytes[..covered]) as usize);
        (!right).then_some(Damage::Message)
    }
}

/// Returns the first header: its name, its value if that is text, and the bytes after it.
fn header(bytes: &[u8]) -> Option<(&str, Option<&str>, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(*len as usize)?;
    let (kind, rest) = rest.split_first()?;
    let name = std::str::from_utf8(name).ok()?;
    // The types of the format: two booleans, four integers, bytes, text, a time, a UUID.
    let len = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (len, rest) = rest.split_at_checked(2)?;
            let len = usize::from(len[0]) << 8 | usize::from(len[1]);
            let (value, rest) = rest.split_at_checked(len)?;
            let text = std::str::from_utf8(value).ok().filter(|_| *kind == 7);
            return Some((name, text, rest));
        }
        _ => return None,
    };
    Some((name, None, rest.get(len..)?))
}

#[cfg(test)]
pub(crate) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let total = (PRELUDE + head.len() + payload.len() + TRAILER) as u32;
    let mut bytes = [total.to_be_bytes(), (head.len() as u32).to_be_bytes()].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Framer, Framing, Hint};

    fn frames(body: &[u8], cut: usize) -> (Frames, Option<Framing>) {
        let mut framer = Framer::new(Hint::default());
        let mut frames = Frames::default();
        for end in (cut..body.len()).step_by(cut) {
            framer.push(&body[..end], &mut frames);
        }
        framer.finish(body, &mut frames);
        (frames, framer.framing())
    }

    fn two() -> Vec<u8> {
        let first = message(&[(":message-type", "event"), (":event-type", "a")], b"{}");
        let second = message(&[(":message-type", "exception"), (":exception-type", "b")], b"\xff");
        [first, second].concat()
    }

    #[test]
    fn messages_are_frames_however_they_are_cut() {
        let body = two();
        let whole = frames(&body, body.len());
        assert_eq!(whole.1, Some(Framing::EventStream));
        let reported: Vec<_> =
            whole.0.iter().map(|f| EventStreamMessage::of(f.bytes(&body)).event()).collect();
        assert_eq!(reported, ["a", "b"]);
        assert_eq!(whole.0.at(0).data(&body).as_deref(), Some("{}"));
        assert!(whole.0.iter().all(|f| EventStreamMessage::of(f.bytes(&body)).damage().is_none()));
        for cut in 1..body.len() {
            assert_eq!(frames(&body, cut), whole, "{cut}");
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_shows() {
        let body = two();
        let first = frames(&body, body.len()).0.at(0).len as usize;
        for len in first + 1..body.len() {
            let (frames, _) = frames(&body[..len], len);
            let damage = EventStreamMessage::of(frames.at(1).bytes(&body[..len])).damage();
            assert!(matches!(damage, Some(Damage::Short(..))), "{len}: {damage:?}");
            assert_eq!(frames.iter().map(|f| f.len).sum::<u64>(), len as u64);
        }
        for at in first..body.len() {
            let mut body = body.clone();
            body[at] ^= 0x10;
            let (frames, _) = frames(&body, body.len());
            let damage = EventStreamMessage::of(frames.at(1).bytes(&body)).damage();
            assert!(matches!(damage, Some(Damage::Prelude | Damage::Message)), "{at}: {damage:?}");
            assert_eq!(frames.len(), 2);
        }
    }

    #[test]
    fn odd_headers_end_the_list_and_do_no_harm() {
        for junk in [&b"\x05ab"[..], b"\x01a\x07\xff\xff", b"\x01a\x63", b"\x01a\x02"] {
            let mut bytes = message(&[], &[junk, b"xx"].concat());
            bytes[7] = junk.len() as u8;
            let crc = crc32fast::hash(&bytes[..8]).to_be_bytes();
            bytes[8..12].copy_from_slice(&crc);
            assert_eq!(EventStreamMessage::of(&bytes).headers().count(), 0);
            assert_eq!(EventStreamMessage::of(&bytes).event(), "message");
        }
    }
}
