//! A WebSocket that is being recorded: both directions as on the wire, with the secrets in their messages
//! masked.
//!
//! What a client sends is masked with its own key, and either side may compress, so the bytes do not show what
//! they hold. A read is passed on once the messages in it are complete. A secret in a plain message is replaced
//! in place, so that it reads as `*`; a compressed message with one is withheld, and with it those that refer
//! to it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::unfinished;
use crate::frame::web_socket::{
    Deflate, Direction, Opcode, PayloadPart, Sender, WsFound, WsMessage,
};
use crate::inspect::switches;
use crate::journal::{Head, MessageMasker, Micros, RUN, Secrets, Span};
use crate::transport::request::mask_body;

/// A message that is longer than this is looked through before its end when an eighth of it is new.
const LONG: usize = 1 << 20;

/// The most bytes of a message that are held until it is complete; a longer one is withheld.
const MOST: usize = 64 << 20;

/// A read that can be passed on, with its time and what was masked in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) at: Micros,
    pub(crate) bytes: Bytes,
    pub(crate) masked: Vec<Span>,
}

/// One direction.
struct MaskedDirection {
    direction: Direction,
    masker: MessageMasker,
    held: VecDeque<(Micros, Bytes)>,
    /// Offset of the first byte that is held.
    from: u64,
    /// Spans to be masked in what is held.
    spans: Vec<(PayloadPart, u64)>,
    /// Later messages may refer to those before them.
    takeover: bool,
    /// A compressed message was withheld, and those that refer to it are.
    withheld: bool,
}

/// Both directions.
pub(crate) struct WebSocketMasker {
    client: MaskedDirection,
    server: MaskedDirection,
    /// Either side sent a close.
    pub(crate) closed: bool,
    /// A message was withheld, and that was not reported yet.
    pub(crate) news: bool,
}

impl WebSocketMasker {
    /// The recording of a connection that these response headers make a WebSocket.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let deflate = head.header("sec-websocket-extensions").and_then(Deflate::of);
        let side = |sender| MaskedDirection {
            direction: Direction::new(sender, deflate),
            masker: MessageMasker::default(),
            held: VecDeque::new(),
            from: 0,
            spans: Vec::new(),
            takeover: deflate.is_some_and(|d| d.takeover(sender)),
            withheld: false,
        };
        let (client, server) = (side(Sender::Client), side(Sender::Server));
        switches(head).then_some(Self { client, server, closed: false, news: false })
    }

    fn side(&mut self, sender: Sender) -> &mut MaskedDirection {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }

    /// Takes a read; returns the reads that are settled by it. What the client says may add to the
    /// secrets.
    pub(crate) fn take(
        &mut self,
        sender: Sender,
        at: Micros,
        bytes: Bytes,
        secrets: &mut Secrets,
    ) -> Vec<Settled> {
        let mut closed = false;
        let side = self.side(sender);
        let mut found = Vec::new();
        side.direction.feed(&bytes, &mut |f| found.push(f));
        side.held.push_back((at, bytes));
        let mut news = false;
        for found in found {
            if let WsFound::Message(message) = found {
                closed |= message.opcode == Opcode::Close;
                news |= side.look(sender, &message, secrets);
            }
        }
        let long = side.held.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MOST;
        if long || side.direction.is_lost() {
            news |= side.withhold(sender, secrets);
        }
        let settled = side.settle();
        self.closed |= closed;
        self.news |= news;
        settled
    }

    /// Returns whether there are bytes that were not passed on.
    pub(crate) fn holds(&self) -> bool {
        !(self.client.held.is_empty() && self.server.held.is_empty())
    }

    /// Returns the beginning of a message that takes longer than until `before`: what was received is to be kept
    /// whatever happens next. That of a compressed one cannot be looked through for secrets, and waits.
    pub(crate) fn unfinished(
        &mut self,
        sender: Sender,
        before: Micros,
        secrets: &mut Secrets,
    ) -> Vec<Settled> {
        let side = self.side(sender);
        let is_late = side.held.front().is_some_and(|(at, _)| *at <= before);
        if !is_late || side.direction.is_lost() {
            return Vec::new();
        }
        match side.direction.under_way().filter(|message| !message.compressed).cloned() {
            Some(message) => side.beginning(sender, &message, secrets),
            None => side.settle_to(side.direction.settled(), true),
        }
    }

    /// Returns what is left of a direction when nothing more arrives, its last message incomplete.
    pub(crate) fn finish(&mut self, sender: Sender, secrets: &mut Secrets) -> Vec<Settled> {
        let side = self.side(sender);
        let mut news = false;
        if let Some(message) = side.direction.finish() {
            news = match message.compressed {
                true => side.withhold(sender, secrets),
                false => side.look(sender, &message, secrets),
            };
        }
        let end = side.held_end();
        let settled = side.settle_to(end, false);
        self.news |= news;
        settled
    }
}

impl MaskedDirection {
    fn held_end(&self) -> u64 {
        self.from + self.held.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>()
    }

    /// Looks for secrets in a message; returns whether it is withheld.
    fn look(&mut self, sender: Sender, message: &WsMessage, secrets: &mut Secrets) -> bool {
        let mut found: Vec<Span> = match sender {
            Sender::Client => mask_body(&message.payload, secrets).1,
            Sender::Server => Vec::new(),
        };
        let here = self.masker.find(&message.payload, secrets);
        found.extend(here.into_iter().map(|s| (s.start as u64, s.len() as u64)));
        let withhold = message.compressed
            && (!found.is_empty()
                || self.withheld
                || message.is_opaque && (sender == Sender::Client || !secrets.is_empty()));
        if withhold {
            self.spans.extend(message.parts.iter().map(|part| (*part, 0)));
            self.withheld = self.takeover;
            return true;
        }
        for (at, len) in found {
            self.mask(&message.parts, at, len);
        }
        false
    }

    /// Masks a span of a payload that is on the wire in parts.
    fn mask(&mut self, parts: &[PayloadPart], at: u64, len: u64) {
        let mut before = 0;
        for part in parts {
            let from = at.max(before).min(before + part.len);
            let to = (at + len).max(before).min(before + part.len);
            if from < to {
                let skip = from - before;
                let piece =
                    PayloadPart { offset: part.offset + skip, len: to - from, key: part.key };
                self.spans.push((piece, skip));
            }
            before += part.len;
        }
    }

    /// Withholds the held bytes that belong to no message that could be looked at.
    fn withhold(&mut self, sender: Sender, secrets: &Secrets) -> bool {
        let end = self.held_end();
        let settled = self.direction.settled().max(self.from).min(end);
        let from = if self.direction.is_lost() { self.from } else { settled };
        let all = PayloadPart { offset: from, len: end - from, key: [0; 4] };
        // The client's message may be the secret itself; a server can only quote a known one.
        let any = all.len > 0 && (sender == Sender::Client || !secrets.is_empty());
        if any {
            self.spans.push((all, 0));
        }
        any
    }

    /// The reads that have no byte of an incomplete message.
    fn settle(&mut self) -> Vec<Settled> {
        let held: usize = self.held.iter().map(|(_, bytes)| bytes.len()).sum();
        let end = match self.direction.is_lost() || held > MOST {
            true => self.held_end(),
            false => self.direction.settled(),
        };
        self.settle_to(end, false)
    }

    /// The beginning of a message, its secrets masked as far as they are known.
    fn beginning(
        &mut self,
        sender: Sender,
        message: &WsMessage,
        secrets: &mut Secrets,
    ) -> Vec<Settled> {
        let payload = &message.payload;
        if payload.len() > LONG && (self.held_end() - self.from) < payload.len() as u64 / 8 {
            return Vec::new();
        }
        let (mut found, word) = match sender {
            Sender::Client => unfinished::secrets_in(payload, secrets),
            Sender::Server => (Vec::new(), 0),
        };
        let runs = self.masker.clone().find(payload, secrets);
        found.extend(runs.into_iter().map(|s| (s.start as u64, s.len() as u64)));
        // The next bytes may complete a secret that begins in the last ones.
        let run = if secrets.is_empty() { 0 } else { RUN - 1 };
        let whole = payload.len() - word.max(run).min(payload.len());
        let known = self.spans.clone();
        for (at, len) in found {
            self.mask(&message.parts, at, len);
        }
        let settled = self.settle_to(place(&message.parts, whole as u64), true);
        // The rest is searched again, together with what follows it.
        let from = self.from;
        self.spans = known;
        self.spans.retain(|(part, _)| part.offset + part.len > from);
        settled
    }

    /// The reads up to this offset; of the one that it is in its beginning, where reads may be split.
    fn settle_to(&mut self, end: u64, split: bool) -> Vec<Settled> {
        let mut out = Vec::new();
        while let Some((at, bytes)) = self.held.front_mut() {
            let room = usize::try_from(end.saturating_sub(self.from)).unwrap_or(usize::MAX);
            let len = bytes.len().min(room);
            if len < bytes.len() && (len == 0 || !split) {
                break;
            }
            let (at, piece) = (*at, bytes.split_to(len));
            if bytes.is_empty() {
                self.held.pop_front();
            }
            let (bytes, masked) = masked(piece, self.from, &self.spans);
            self.from += len as u64;
            out.push(Settled { at, bytes, masked });
        }
        let from = self.from;
        self.spans.retain(|(part, _)| part.offset + part.len > from);
        out
    }
}

/// Returns the place on the wire of a byte of a payload that is there in parts.
fn place(parts: &[PayloadPart], at: u64) -> u64 {
    let mut before = 0;
    for part in parts {
        if at <= before + part.len {
            return part.offset + at - before;
        }
        before += part.len;
    }
    parts.last().map_or(0, |part| part.offset + part.len)
}

/// A read that begins at `from`, with these spans masked, and where that was.
fn masked(bytes: Bytes, from: u64, spans: &[(PayloadPart, u64)]) -> (Bytes, Vec<Span>) {
    let end = from + bytes.len() as u64;
    let mut listed = Vec::new();
    let mut clean = Vec::new();
    for (part, skip) in spans {
        let (start, stop) = (part.offset.max(from), (part.offset + part.len).min(end));
        if start >= stop {
            continue;
        }
        if clean.is_empty() {
            clean = bytes.to_vec();
        }
        for at in start..stop {
            let key = part.key[((skip + at - part.offset) % 4) as usize];
            clean[(at - from) as usize] = b'*' ^ key;
        }
        listed.push((start, stop - start));
    }
    match clean.is_empty() {
        true => (bytes, listed),
        false => {
            listed.sort_unstable();
            (clean.into(), listed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{InspectOptions, Inspection};
    use crate::journal::{Entry, EntryKind};

    const KEY: [u8; 4] = [7, 77, 177, 200];

    fn head(extensions: &str) -> Head {
        let headers = [("upgrade", "WebSocket"), ("sec-websocket-extensions", extensions)];
        let headers = headers.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        Head { status: 101, headers, ..Head::default() }
    }

    fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
        let mask = if key.is_some() { 0x80 } else { 0 };
        let mut out = vec![first, 126 | mask];
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        out.extend(key.unwrap_or_default().iter().filter(|_| key.is_some()));
        let key = key.unwrap_or_default();
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ key[i % 4]));
        out
    }

    /// Returns the messages as they are when they are read again, and the bytes that were kept.
    fn recorded(
        extensions: &str,
        wires: &[(Sender, Vec<u8>)],
        size: usize,
    ) -> (Vec<String>, Vec<u8>) {
        let mut secrets = Secrets::default();
        secrets.add("sk-abcdefghij0123456789");
        let mut web_socket = WebSocketMasker::of(&head(extensions)).unwrap();
        let mut inspection = Inspection::new(std::sync::Arc::new(InspectOptions::default()));
        let mut kept = Vec::new();
        let mut push = |kind| inspection.push(&Entry { exchange: 0, at: Some(1), kind });
        push(EntryKind::Request(Box::default()));
        push(EntryKind::Head(head(extensions)));
        let mut take = |sender, settled: Vec<Settled>| {
            for Settled { bytes, masked, .. } in settled {
                kept.extend_from_slice(&bytes);
                let len = bytes.len() as u32;
                push(match sender {
                    Sender::Client => EntryKind::Sent { len, bytes, masked },
                    Sender::Server => EntryKind::Body { len, bytes, masked },
                });
            }
        };
        for (sender, wire) in wires {
            for piece in wire.chunks(size) {
                let bytes = Bytes::copy_from_slice(piece);
                take(*sender, web_socket.take(*sender, 1, bytes, &mut secrets));
            }
        }
        for sender in [Sender::Client, Sender::Server] {
            take(sender, web_socket.finish(sender, &mut secrets));
        }
        let (cause, detail) = (crate::journal::EndCause::Closed, String::new());
        inspection.push(&Entry {
            exchange: 0,
            at: Some(2),
            kind: EntryKind::End { cause, detail },
        });
        let body = inspection.body();
        let text = |f: crate::frame::Frame| String::from_utf8_lossy(f.bytes(body)).into_owned();
        (inspection.frames().iter().map(text).collect(), kept)
    }

    #[test]
    fn secrets_in_plain_messages_become_stars_that_can_be_read() {
        let asked = br#"{"type":"session.update","authorization":"Bearer tok-zyxwvutsrq","n":1}"#;
        let wires = [
            (Sender::Client, frame(0x81, asked, Some(KEY))),
            (Sender::Client, frame(0x01, b"a sk-abcdefg", Some(KEY))),
            (Sender::Client, frame(0x80, b"hij0123456789 b", Some(KEY))),
            (Sender::Server, frame(0x81, b"invalid: tok-zyxwvutsrq!", None)),
        ];
        let lengths: usize = wires.iter().map(|(_, w)| w.len()).sum();
        for size in [1, 3, 11, 1000] {
            let (reported, kept) = recorded("", &wires, size);
            assert_eq!(
                reported,
                [
                    r#"{"type":"session.update","authorization":"Bearer **************","n":1}"#,
                    "a *********************** b",
                    "invalid: **************!",
                ],
                "{size}"
            );
            assert_eq!(kept.len(), lengths);
        }
    }

    #[test]
    fn a_compressed_message_with_a_secret_is_withheld_and_what_refers_to_it() {
        use std::io::Write as _;
        let mut coder = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        let mut wire = Vec::new();
        for message in ["fine", "quotes sk-abcdefghij0123456789", "again"] {
            coder.write_all(message.as_bytes()).unwrap();
            coder.flush().unwrap();
            let mut bytes = std::mem::take(coder.get_mut());
            bytes.truncate(bytes.len() - 4);
            wire.extend(frame(0xc1, &bytes, None));
        }
        wire.extend(frame(0x81, b"plain", None));
        for size in [1, 10, 1000] {
            let wires = [(Sender::Server, wire.clone())];
            let (reported, kept) = recorded("permessage-deflate", &wires, size);
            assert_eq!((reported[0].as_str(), reported[3].as_str()), ("fine", "plain"));
            assert!(reported[1..3].iter().all(|t| t.bytes().all(|b| b == b'*')), "{reported:?}");
            assert_eq!(kept.len(), wire.len());
        }
    }

    #[test]
    fn the_beginning_of_a_message_that_takes_long_is_handed_on() {
        let mut secrets = Secrets::default();
        secrets.add("sk-abcdefghij0123456789");
        let text = "quotes sk-abcdefghij0123456789 and goes on and on";
        let wire = [frame(0x81, b"whole", None), frame(0x81, text.as_bytes(), None)].concat();
        for cut in 1..wire.len() {
            let mut web_socket = WebSocketMasker::of(&head("")).unwrap();
            let mut kept = Vec::new();
            let mut keep = |settled: Vec<Settled>| {
                kept.extend(settled.into_iter().flat_map(|s| s.bytes));
                kept.len()
            };
            let bytes = Bytes::copy_from_slice(&wire[..cut]);
            keep(web_socket.take(Sender::Server, 100, bytes, &mut secrets));
            assert!(web_socket.unfinished(Sender::Server, 99, &mut secrets).is_empty());
            let early = keep(web_socket.unfinished(Sender::Server, 100, &mut secrets));
            // All bytes except half a header, and a run that may continue.
            assert!(early + 7 >= cut, "{early} {cut}");
            let bytes = Bytes::copy_from_slice(&wire[cut..]);
            keep(web_socket.take(Sender::Server, 101, bytes, &mut secrets));
            assert!(!web_socket.holds());
            let expected =
                String::from_utf8_lossy(&wire).replace("sk-abcdefghij0123456789", &"*".repeat(23));
            assert_eq!(String::from_utf8_lossy(&kept), expected, "{cut}");
        }
    }

    /// However the bytes of a client arrive, and whenever what arrived is to be kept: no run of a secret is.
    #[test]
    fn no_cut_of_a_clients_messages_shows_a_secret() {
        let secret = "tok-zyxwvutsrq0123";
        let quoted = "\\\"api_key\\\":\\\"tok-zyxwvutsrq0123\\\"";
        for message in [
            format!(r#"{{"type":"session.update","api_key":"{secret}","n":1}}"#),
            format!(r#"{{"headers":{{"Authorization":"Bearer {secret}"}},"n":[1,2]}}"#),
            format!(r#"{{"headers":[{{"value":"{secret}","name":"x-api-key"}}]}}"#),
            format!(r#"{{"headers":[["x-api-key","{secret}"]],"x":"é"}}"#),
            format!(r#"{{"secrets":["none","{secret}"]}}"#),
            format!(r#"{{"authorization":{{"scheme":"x","value":"{secret}"}}}}"#),
            format!(r#"{{"arguments":"{{{quoted}}}"}}"#),
            format!(r#"{{"url":"wss://h/v1?model=m&api_key={secret}&x=1"}}"#),
            format!(r#"{{"url":"https://us:{secret}@h/v1"}}"#),
            format!("Authorization: Bearer {secret}\r\nnext: line"),
            format!("api_key={secret}&model=m"),
        ] {
            let fragments = [
                frame(0x01, &message.as_bytes()[..message.len() / 2], Some(KEY)),
                frame(0x89, b"ping", Some(KEY)),
                frame(0x80, &message.as_bytes()[message.len() / 2..], Some(KEY)),
            ];
            for wire in [frame(0x81, message.as_bytes(), Some(KEY)), fragments.concat()] {
                for late in [1, 2, 3, 7] {
                    let (mut secrets, mut web_socket) =
                        (Secrets::default(), WebSocketMasker::of(&head("")).unwrap());
                    let (mut kept, mut direction) =
                        (Vec::new(), Direction::new(Sender::Client, None));
                    let mut clear = Vec::new();
                    let mut keep = |settled: Vec<Settled>| {
                        for Settled { bytes, .. } in settled {
                            kept.extend_from_slice(&bytes);
                            direction.feed(&bytes, &mut |_| {});
                        }
                        clear = direction.under_way().map_or(Vec::new(), |m| m.payload.clone());
                        let shown = String::from_utf8_lossy(&clear);
                        let runs = secret.as_bytes().windows(RUN);
                        let run = |run: &[u8]| shown.contains(std::str::from_utf8(run).unwrap());
                        assert!(!runs.into_iter().any(run), "{message} {late}: {shown}");
                    };
                    for (i, byte) in wire.iter().enumerate() {
                        let at = i as u64;
                        keep(web_socket.take(
                            Sender::Client,
                            at,
                            Bytes::copy_from_slice(&[*byte]),
                            &mut secrets,
                        ));
                        if i % late == 0 {
                            keep(web_socket.unfinished(Sender::Client, at, &mut secrets));
                        }
                    }
                    keep(web_socket.finish(Sender::Client, &mut secrets));
                    assert_eq!(kept.len(), wire.len());
                    let mut direction = Direction::new(Sender::Client, None);
                    let mut shown = String::new();
                    direction.feed(&kept, &mut |found| {
                        if let WsFound::Message(message) = found {
                            shown += &String::from_utf8_lossy(&message.payload);
                        }
                    });
                    let runs =
                        secret.as_bytes().windows(RUN).map(|run| std::str::from_utf8(run).unwrap());
                    assert!(
                        !runs.into_iter().any(|run| shown.contains(run)),
                        "{message} {late}: {shown}"
                    );
                }
            }
        }
    }

    /// A client's bytes that cannot be read are not kept, though no secret is known: they may hold one.
    #[test]
    fn what_a_client_says_and_nobody_can_read_is_withheld() {
        let mut secrets = Secrets::default();
        let mut web_socket = WebSocketMasker::of(&head("permessage-deflate")).unwrap();
        let mut wire = frame(0xc1, b"api_key=tok-zyxwvutsrq0123", None);
        wire.extend([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        wire.extend_from_slice(b"api_key=tok-zyxwvutsrq0123");
        let mut settled =
            web_socket.take(Sender::Client, 1, Bytes::from(wire.clone()), &mut secrets);
        settled.extend(web_socket.finish(Sender::Client, &mut secrets));
        let kept: Vec<u8> = settled.into_iter().flat_map(|s| s.bytes).collect();
        assert_eq!(kept.len(), wire.len());
        assert!(!String::from_utf8_lossy(&kept).contains("zyxwvuts"));
    }

    #[test]
    fn the_beginning_of_a_message_is_kept_and_masked_too() {
        let wire = frame(0x81, b"cut sk-abcdefghij0123456789 off", Some(KEY));
        let wires = [(Sender::Client, wire[..wire.len() - 6].to_vec())];
        let (reported, _) = recorded("", &wires, 7);
        assert_eq!(reported, ["cut *********************"]);
    }
}
