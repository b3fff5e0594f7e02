//! The server's half of a connection, read from a copy: nothing waits for what is found here.

use std::collections::VecDeque;

use bytes::Bytes;

use super::framing::{BodyFraming, BodyPart, BodyReader};
use super::head;
pub(crate) use super::head::ResponseHead as ParsedHead;

/// A known part of a response. The parts are in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ResponsePart {
    /// A head, an interim one (1xx) too: its bytes, and what they say.
    Head { raw: Bytes, head: ParsedHead },
    /// Bytes of the body.
    Data(Bytes),
    /// The extension of a chunk.
    Extension(Vec<u8>),
    /// The trailer section.
    Trailers(Vec<u8>),
    /// The response is complete.
    End,
    /// Bytes that belong to no response.
    Extra(Bytes),
    /// The connection speaks another protocol from here on, after a 101 or a `CONNECT`.
    Upgraded,
    /// Bytes of that protocol.
    Passed(Bytes),
    /// The bytes cannot be followed from here on.
    Lost(Lost),
}

/// Reason that bytes cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// A sentence, with the bytes where they are a head's.
    pub(crate) text: String,
    /// It is a bound of this program, and no mistake of the server.
    pub(crate) is_limit: bool,
}

impl Lost {
    fn mistake(text: String) -> Self {
        Self { text, is_limit: false }
    }
}

/// A request that a response is expected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Expected {
    /// It was a `HEAD`: the response has no body, whatever its head says.
    pub(crate) head: bool,
    /// It was a `CONNECT`: a success makes a tunnel.
    pub(crate) connect: bool,
}

#[derive(Debug)]
enum ResponseState {
    Head(Vec<u8>, usize),
    Body(BodyReader),
    /// Another protocol.
    Upgraded,
    Opaque,
}

/// Reads responses off a connection, one after the other.
#[derive(Debug)]
pub(crate) struct Responses {
    state: ResponseState,
    expected: VecDeque<Expected>,
}

/// The position among the responses of a connection when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponsePosition {
    /// Between two responses.
    Between,
    /// Before the head: no byte of the expected response has arrived.
    BeforeHead,
    /// Inside its head.
    InsideHead,
    /// Inside its body.
    InsideBody,
    /// Inside a body that ends with the connection.
    UntilClose,
    /// Unknown.
    Opaque,
}

impl Responses {
    pub(crate) fn new() -> Self {
        Self { state: ResponseState::Head(Vec::new(), 0), expected: VecDeque::new() }
    }

    /// One more request is under way.
    pub(crate) fn expect(&mut self, expected: Expected) {
        self.expected.push_back(expected);
    }

    /// Returns the position among the responses.
    pub(crate) fn standing(&self) -> ResponsePosition {
        match &self.state {
            ResponseState::Head(raw, _) if !raw.is_empty() => ResponsePosition::InsideHead,
            ResponseState::Head(..) if self.expected.is_empty() => ResponsePosition::Between,
            ResponseState::Head(..) => ResponsePosition::BeforeHead,
            ResponseState::Body(body) if body.is_until_close() => ResponsePosition::UntilClose,
            ResponseState::Body(_) => ResponsePosition::InsideBody,
            ResponseState::Upgraded | ResponseState::Opaque => ResponsePosition::Opaque,
        }
    }

    /// The bytes of a head that is not complete.
    pub(crate) fn pending(&self) -> &[u8] {
        match &self.state {
            ResponseState::Head(raw, _) => raw,
            ResponseState::Body(_) | ResponseState::Upgraded | ResponseState::Opaque => &[],
        }
    }

    /// Takes in a read.
    pub(crate) fn feed(&mut self, mut bytes: Bytes, seen: &mut Vec<ResponsePart>) {
        while !bytes.is_empty() {
            match &mut self.state {
                ResponseState::Opaque => return,
                ResponseState::Upgraded => return seen.push(ResponsePart::Passed(bytes)),
                ResponseState::Body(body) => {
                    let used = body.feed(&bytes, |part| {
                        seen.push(match part {
                            BodyPart::Data(range) => ResponsePart::Data(bytes.slice(range)),
                            BodyPart::Extension(e) => ResponsePart::Extension(e),
                            BodyPart::Trailers(t) => ResponsePart::Trailers(t),
                            BodyPart::End => ResponsePart::End,
                            BodyPart::Lost { why, is_limit } => {
                                ResponsePart::Lost(Lost { text: why, is_limit })
                            }
                        });
                    });
                    if body.is_lost() {
                        self.state = ResponseState::Opaque;
                    } else if body.is_done() {
                        self.state = ResponseState::Head(Vec::new(), 0);
                    }
                    let _ = bytes.split_to(used);
                }
                ResponseState::Head(..) if self.expected.is_empty() => {
                    seen.push(ResponsePart::Extra(bytes));
                    return;
                }
                ResponseState::Head(raw, looked) => {
                    if raw.is_empty() && matches!(bytes.first(), Some(b'\r' | b'\n')) {
                        // Blank lines before a response belong to no response.
                        let _ = bytes.split_to(1);
                        continue;
                    }
                    let before = raw.len();
                    raw.extend_from_slice(&bytes);
                    let Some(end) = head::end(raw, *looked) else {
                        *looked = raw.len();
                        let http = raw.len().min(5);
                        if raw.len() > head::MAX_HEAD || raw[..http] != b"HTTP/"[..http] {
                            let is_limit = raw.len() > head::MAX_HEAD;
                            let shown = head::shown(raw);
                            let text = match is_limit {
                                true => format!("more than 1 MiB of response headers: {shown}"),
                                false => format!("the response does not begin with HTTP/: {shown}"),
                            };
                            seen.push(ResponsePart::Lost(Lost { text, is_limit }));
                            self.state = ResponseState::Opaque;
                        }
                        return;
                    };
                    let _ = bytes.split_to(end - before);
                    raw.truncate(end);
                    let raw = Bytes::from(std::mem::take(raw));
                    self.state = self.after_head(raw, seen);
                }
            }
        }
    }

    /// The state after a head that is complete.
    fn after_head(&mut self, raw: Bytes, seen: &mut Vec<ResponsePart>) -> ResponseState {
        let head = match head::response(&raw) {
            Ok(head) => head,
            Err(why) => {
                let text = format!("{why}: {}", head::shown(&raw));
                seen.push(ResponsePart::Lost(Lost::mistake(text)));
                return ResponseState::Opaque;
            }
        };
        let status = head.status;
        if (100..200).contains(&status) && status != 101 {
            seen.push(ResponsePart::Head { raw, head });
            return ResponseState::Head(Vec::new(), 0);
        }
        let to = self.expected.pop_front().unwrap_or_default();
        let upgraded = status == 101 || to.connect && (200..300).contains(&status);
        let framing = head::response_framing(&head, to.head);
        seen.push(ResponsePart::Head { raw, head });
        if upgraded {
            seen.push(ResponsePart::Upgraded);
            return ResponseState::Upgraded;
        }
        match framing {
            Ok(BodyFraming::None | BodyFraming::Length(0)) => {
                seen.push(ResponsePart::End);
                ResponseState::Head(Vec::new(), 0)
            }
            Ok(framing) => ResponseState::Body(BodyReader::new(framing)),
            Err(why) => {
                seen.push(ResponsePart::Lost(Lost::mistake(why.to_string())));
                ResponseState::Opaque
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fuzzing::facts;
    use super::*;

    fn read(
        wire: &[u8],
        size: usize,
        expected: &[Expected],
    ) -> (Vec<ResponsePart>, ResponsePosition) {
        super::super::fuzzing::read(wire.chunks(size), expected)
    }

    fn kinds(seen: &[ResponsePart]) -> String {
        let kind = |s: &ResponsePart| match s {
            ResponsePart::Head { head, .. } => format!("{}", head.status),
            ResponsePart::Data(d) => format!("{:?}", String::from_utf8_lossy(d)),
            ResponsePart::Extra(d) => format!("extra {:?}", String::from_utf8_lossy(d)),
            ResponsePart::Extension(_) => "extension".into(),
            ResponsePart::Trailers(_) => "trailers".into(),
            ResponsePart::End => "end".into(),
            ResponsePart::Upgraded => "upgraded".into(),
            ResponsePart::Passed(d) => format!("passed {:?}", String::from_utf8_lossy(d)),
            ResponsePart::Lost(why) => why.text.clone(),
        };
        seen.iter().map(kind).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn responses_follow_each_other_however_they_are_cut() {
        let wire = b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
            HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n\
            HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\na\n\n0\n\nmore";
        let requests = [
            Expected::default(),
            Expected { head: true, connect: false },
            Expected::default(),
            Expected::default(),
        ];
        for size in 1..wire.len() {
            let (seen, standing) = read(wire, size, &requests);
            let reported = "103 200 \"ok\" end 200 end 204 end 200 \"a\\n\" end extra \"more\"";
            assert_eq!(kinds(&seen), reported, "{size}");
            assert_eq!(standing, ResponsePosition::Between);
        }
    }

    #[test]
    fn where_it_stands_is_known_at_any_byte() {
        let one = [Expected::default()];
        let at = |wire: &[u8]| read(wire, 3, &one).1;
        assert_eq!(at(b""), ResponsePosition::BeforeHead);
        assert_eq!(at(b"HTTP/1.1 2"), ResponsePosition::InsideHead);
        assert_eq!(
            at(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            ResponsePosition::InsideBody
        );
        assert_eq!(at(b"HTTP/1.0 200 OK\r\n\r\nabc"), ResponsePosition::UntilClose);
        assert_eq!(at(b"HTTP/1.1 101 Go\r\n\r\n\x81\x05hello"), ResponsePosition::Opaque);
        assert_eq!(at(b"SSH-2.0\r\n"), ResponsePosition::Opaque);
    }

    use proptest::prelude::*;

    /// Pieces of responses, sound and broken.
    const PIECES: &[&str] = &[
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\n",
        "HTTP/1.1 103 Early\r\n",
        "HTTP/1.1 101 Go\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "X: a\r\n b\r\n",
        "X : \x1b\r\n",
        "\r\n",
        "\n",
        "5\r\nhello\r\n",
        "5;a=b\nhello\n",
        "ffffffffffffffff\r\n",
        "0\r\n",
        "hello",
        "",
    ];

    proptest! {
        /// Checks that the same is seen in bytes however they are cut, and that nothing is fabricated: data
        /// and what follows the end are bytes that arrived.
        #[test]
        fn any_bytes_are_seen_the_same_however_they_are_cut(
            pieces in prop::collection::vec((0..PIECES.len(), any::<u8>()), 0..24),
            size in 1_usize..40,
            to_head in any::<bool>(),
        ) {
            let mut wire = Vec::new();
            for (piece, byte) in pieces {
                match PIECES[piece] {
                    "" => wire.push(byte),
                    text => wire.extend_from_slice(text.as_bytes()),
                }
            }
            let expected = [Expected { head: to_head, connect: false }, Expected::default()];
            let (whole, standing) = read(&wire, wire.len().max(1), &expected);
            let (cut, cut_standing) = read(&wire, size, &expected);
            prop_assert_eq!(facts(&whole), facts(&cut));
            prop_assert_eq!(standing, cut_standing);
            let data: usize = whole
                .iter()
                .map(|s| match s {
                    ResponsePart::Data(d) | ResponsePart::Extra(d) => d.len(),
                    _ => 0,
                })
                .sum();
            prop_assert!(data <= wire.len());
        }
    }
}
