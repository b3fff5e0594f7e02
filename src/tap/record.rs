//! One exchange that is being recorded: what was seen of it becomes entries, secrets masked.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::request;
use super::route::Upstream;
use crate::frame::web_socket::Sender;
use crate::journal::{
    EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Micros, Request, Secrets, Side,
};
use crate::rule::Code;
use crate::transport::BodyMasker;
use crate::transport::http1::{head, response};
use crate::transport::link::{Dialed, NoLink};
use crate::transport::request::{mask_header, mask_raw_head, mask_recorded, model_of};
use crate::transport::web_socket::{Settled, WebSocketMasker};

/// The most bytes of a request's body that are kept.
const MAX_BODY: usize = 256 << 20;

/// A note about whose clock the times of the reads are.
pub(super) const CLOCK: &str = "read-clock";

/// The known facts of an exchange when its request line was read.
pub(super) struct RecordedCall<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) upstream: &'a Arc<Upstream>,
    pub(super) side: Option<Side>,
}

/// An exchange under way.
pub(super) struct ExchangeRecorder {
    x: ExchangeId,
    began: Micros,
    /// The request, until it was passed on.
    request: Option<Request>,
    body: BytesMut,
    /// Entries that wait for the request.
    held: Vec<Entry>,
    secrets: Secrets,
    masker: BodyMasker,
    /// The messages, where the connection became a WebSocket.
    web_socket: Option<WebSocketMasker>,
    /// The kind of request that the response is to.
    pub(super) expected: response::Expected,
    /// Reason that the server's bytes cannot be followed any more.
    lost: Option<String>,
    extensions: u64,
    /// Reads of the response, and those whose time is the kernel's.
    reads: (u64, u64),
    over: bool,
    /// The way it ended, where that was seen before the request was complete.
    ending: Option<(Micros, EndCause, String)>,
}

impl ExchangeRecorder {
    pub(super) fn new(x: ExchangeId, began: Micros, call: RecordedCall<'_>) -> Self {
        let RecordedCall { method, url, upstream, side } = call;
        let provider = match upstream.provider.is_empty() {
            true => &upstream.name,
            false => &upstream.provider,
        };
        let request = Request {
            method: method.to_owned(),
            url: url.to_owned(),
            provider: provider.clone(),
            dialect: upstream.dialect.clone(),
            side,
            ..Request::default()
        };
        let expected = response::Expected { head: method == "HEAD", connect: method == "CONNECT" };
        Self {
            x,
            began,
            request: Some(request),
            body: BytesMut::new(),
            held: Vec::new(),
            secrets: Secrets::default(),
            masker: BodyMasker::default(),
            web_socket: None,
            expected,
            lost: None,
            extensions: 0,
            reads: (0, 0),
            over: false,
            ending: None,
        }
    }

    /// Its number.
    pub(super) fn number(&self) -> ExchangeId {
        self.x
    }

    fn entry(&self, at: Micros, kind: EntryKind) -> Entry {
        Entry { exchange: self.x, at: Some(at), kind }
    }

    /// Hands an entry on, behind the request.
    fn emit(&mut self, at: Micros, kind: EntryKind, out: &mut impl FnMut(Entry)) {
        let entry = self.entry(at, kind);
        match self.request {
            Some(_) => self.held.push(entry),
            None => out(entry),
        }
    }

    pub(super) fn note(
        &mut self,
        at: Micros,
        code: &str,
        text: String,
        out: &mut impl FnMut(Entry),
    ) {
        let text = self.secrets.mask(&text);
        self.emit(at, EntryKind::Note { code: code.into(), text, since: None }, out);
    }

    /// More of the request.
    pub(super) fn request(
        &mut self,
        at: Micros,
        seen: request::RequestPart,
        out: &mut impl FnMut(Entry),
    ) {
        match seen {
            request::RequestPart::Head { raw, headers } => {
                if let Some(request) = &mut self.request {
                    (request.raw, request.headers) = (raw, headers);
                }
            }
            request::RequestPart::Data(bytes) => {
                let room = MAX_BODY.saturating_sub(self.body.len());
                self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            request::RequestPart::Extension(e) => {
                let e = String::from_utf8_lossy(&e).into_owned();
                let text = format!("A chunk of the request has the extension {e:?}");
                self.note(at, Code::ChunkExtension.name(), text, out);
            }
            request::RequestPart::Trailers(t) => {
                let t = head::trailers(&t).len();
                let text = format!("The request has a trailer section of {t} fields");
                self.note(at, Code::ChunkExtension.name(), text, out);
            }
            request::RequestPart::Passed(_) => {}
            request::RequestPart::Odd(why) => self.note(at, Code::TapUnread.name(), why, out),
            request::RequestPart::End => self.emit_request(out),
            request::RequestPart::Lost(why) => {
                let text = format!("The request was forwarded and not read to its end: {why}");
                self.note(at, Code::TapUnread.name(), text, out);
                self.emit_request(out);
            }
        }
    }

    /// Returns whether all of the request was seen.
    pub(super) fn has_request(&self) -> bool {
        self.request.is_none()
    }

    /// Nothing more is to be seen of it: what waited for the rest of the request waits no longer.
    pub(super) fn give_up(&mut self, out: &mut impl FnMut(Entry)) {
        self.emit_request(out);
    }

    /// Passes on the request, which is as complete as it gets, and what waited for it.
    fn emit_request(&mut self, out: &mut impl FnMut(Entry)) {
        let Some(mut request) = self.request.take() else { return };
        request.body = std::mem::take(&mut self.body).freeze();
        request.model =
            model_of(&request.body).or_else(|| model_in(&request.url)).unwrap_or_default();
        self.secrets = mask_recorded(&mut request);
        request.raw = mask_raw_head(&request.raw, &self.secrets);
        self.masker = BodyMasker::new(self.secrets.clone());
        out(self.entry(self.began, EntryKind::Request(Box::new(request))));
        // Data that arrived with an early response has not been masked yet.
        for entry in std::mem::take(&mut self.held) {
            let at = entry.at.unwrap_or(self.began);
            match entry.kind {
                EntryKind::Body { bytes, .. } if self.web_socket.is_some() => {
                    self.message_bytes(Sender::Server, at, bytes, out);
                }
                EntryKind::Sent { bytes, .. } => {
                    self.message_bytes(Sender::Client, at, bytes, out);
                }
                EntryKind::Body { bytes, .. } => self.body(at, bytes, out),
                EntryKind::Head(head) => self.head(at, head, out),
                EntryKind::Trailers(headers) => self.trailers(at, headers, out),
                EntryKind::Note { code, text, .. } => self.note(at, &code, text, out),
                EntryKind::End { cause, detail } => self.end(at, cause, &detail, out),
                kind => out(Entry { kind, ..entry }),
            }
        }
        if let Some((at, cause, detail)) = self.ending.take() {
            self.finish(at, cause, &detail, out);
        }
    }

    /// Records how the connection was made.
    pub(super) fn dialed(&mut self, dialed: Dialed, out: &mut impl FnMut(Entry)) {
        if let Some((at, addresses)) = dialed.resolved {
            self.emit(at, EntryKind::Resolved { addresses }, out);
        }
        if let Some((at, peer)) = dialed.connected {
            self.emit(at, EntryKind::Connected { peer: Some(peer) }, out);
        }
        if let Some((at, detail)) = dialed.tls {
            self.emit(at, EntryKind::Tls { detail }, out);
        }
    }

    /// There is no connection.
    pub(super) fn no_link(&mut self, at: Micros, no: NoLink, out: &mut impl FnMut(Entry)) {
        self.finish(at, no.cause, &no.why, out);
    }

    /// A response head, as it is on the wire.
    pub(super) fn response_head(
        &mut self,
        at: Micros,
        raw: Bytes,
        head: response::ParsedHead,
        out: &mut impl FnMut(Entry),
    ) {
        let interim = (100..200).contains(&head.status) && head.status != 101;
        let head = Head {
            interim,
            status: head.status,
            version: head.version,
            headers: head.headers,
            raw,
        };
        self.head(at, head, out);
    }

    fn head(&mut self, at: Micros, mut head: Head, out: &mut impl FnMut(Entry)) {
        if self.request.is_none() {
            self.masker.head(&head, &self.secrets);
            mask(&mut head.headers, &self.secrets);
            head.raw = mask_raw_head(&head.raw, &self.secrets);
        }
        self.web_socket = WebSocketMasker::of(&head).or(self.web_socket.take());
        self.emit(at, EntryKind::Head(head), out);
    }

    /// Bytes of a WebSocket. Of another protocol nothing is recorded.
    pub(super) fn message_bytes(
        &mut self,
        sender: Sender,
        at: Micros,
        bytes: Bytes,
        out: &mut impl FnMut(Entry),
    ) {
        let Some(web_socket) = &mut self.web_socket else { return };
        if self.request.is_some() {
            // What to mask is known only once the request is complete.
            let (len, masked) = (bytes.len() as u32, Vec::new());
            let kind = match sender {
                Sender::Client => EntryKind::Sent { len, bytes, masked },
                Sender::Server => EntryKind::Body { len, bytes, masked },
            };
            return self.emit(at, kind, out);
        }
        let settled = web_socket.take(sender, at, bytes, &mut self.secrets);
        self.settled(at, sender, settled, out);
    }

    /// Returns whether there are bytes of a WebSocket that were not passed on.
    pub(super) fn holds(&self) -> bool {
        self.request.is_none() && self.web_socket.as_ref().is_some_and(WebSocketMasker::holds)
    }

    /// Records what arrived until `before` of messages that are not complete.
    pub(super) fn unfinished(&mut self, before: Micros, out: &mut impl FnMut(Entry)) {
        for sender in [Sender::Client, Sender::Server] {
            if let Some(web_socket) = self.web_socket.as_mut().filter(|_| self.request.is_none()) {
                let settled = web_socket.unfinished(sender, before, &mut self.secrets);
                self.settled(before, sender, settled, out);
            }
        }
    }

    /// Returns whether the WebSocket that the connection became was closed by a close frame.
    pub(super) fn is_closed_web_socket(&self) -> bool {
        self.web_socket.as_ref().is_some_and(|w| w.closed)
    }

    fn settled(
        &mut self,
        at: Micros,
        sender: Sender,
        settled: Vec<Settled>,
        out: &mut impl FnMut(Entry),
    ) {
        for Settled { at, bytes, masked } in settled {
            let len = bytes.len() as u32;
            let kind = match sender {
                Sender::Client => EntryKind::Sent { len, bytes, masked },
                Sender::Server => EntryKind::Body { len, bytes, masked },
            };
            out(self.entry(at, kind));
        }
        let news = self.web_socket.as_mut().is_some_and(|w| std::mem::take(&mut w.news));
        if news {
            let text = "A compressed message quotes a secret of yours, where it cannot be masked: it is \
                        not kept, and neither is what refers to it";
            self.note(at, Code::BodyWithheld.name(), text.into(), out);
        }
    }

    /// Bytes of the response's body.
    pub(super) fn body(&mut self, at: Micros, bytes: Bytes, out: &mut impl FnMut(Entry)) {
        let len = bytes.len() as u32;
        if self.request.is_some() {
            return self.emit(at, EntryKind::Body { len, bytes, masked: Vec::new() }, out);
        }
        let (bytes, masked) = self.masker.feed(bytes);
        out(self.entry(at, EntryKind::Body { len, bytes, masked }));
        if let Some(text) = self.masker.note() {
            self.note(at, Code::BodyWithheld.name(), text, out);
        }
    }

    /// A chunk of the response has an extension; it is noted once.
    pub(super) fn extension(&mut self, at: Micros, e: &[u8], out: &mut impl FnMut(Entry)) {
        self.extensions += 1;
        if self.extensions == 1 {
            let e = crate::text::preview(&String::from_utf8_lossy(e), 60);
            self.note(
                at,
                Code::ChunkExtension.name(),
                format!("A chunk has the extension {e:?}"),
                out,
            );
        }
    }

    pub(super) fn trailers(
        &mut self,
        at: Micros,
        mut headers: Headers,
        out: &mut impl FnMut(Entry),
    ) {
        if self.request.is_none() {
            mask(&mut headers, &self.secrets);
        }
        self.emit(at, EntryKind::Trailers(headers), out);
    }

    /// One read of the response, and whether its time is the kernel's.
    pub(super) fn read(&mut self, stamped: bool) {
        self.reads.0 += 1;
        self.reads.1 += u64::from(stamped);
    }

    /// The server's bytes cannot be followed any more.
    pub(super) fn lose(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// Returns why the server's bytes cannot be followed any more.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    fn end(&mut self, at: Micros, cause: EndCause, detail: &str, out: &mut impl FnMut(Entry)) {
        for sender in [Sender::Client, Sender::Server] {
            if let Some(web_socket) = &mut self.web_socket {
                let settled = web_socket.finish(sender, &mut self.secrets);
                self.settled(at, sender, settled, out);
            }
        }
        let (bytes, masked) = self.masker.finish();
        if !bytes.is_empty() {
            out(self.entry(at, EntryKind::Body { len: 0, bytes, masked }));
        }
        let detail = self.secrets.mask(detail);
        out(self.entry(at, EntryKind::End { cause, detail }));
    }

    /// The exchange is over. What it sends must be masked by what the request holds, so while parts of
    /// the request are still to be seen (a server may answer before it has read all of it), the end
    /// waits for them, or for [`give_up`](Self::give_up).
    pub(super) fn finish(
        &mut self,
        at: Micros,
        cause: EndCause,
        detail: &str,
        out: &mut impl FnMut(Entry),
    ) {
        if self.request.is_some() {
            self.ending.get_or_insert_with(|| (at, cause, detail.to_owned()));
            return;
        }
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if let (reads @ 1.., stamped) = self.reads {
            let clock = match stamped {
                n if n == reads => "the kernel's (SO_TIMESTAMPNS)".to_owned(),
                0 => "the program's, after the read".to_owned(),
                n => format!("the kernel's (SO_TIMESTAMPNS) for {n}, the program's for the others"),
            };
            let text = format!("The times of {}: {clock}", crate::text::count(reads, "read"));
            self.note(at, CLOCK, text, out);
        }
        self.end(at, cause, detail, out);
    }
}

fn mask(headers: &mut Headers, secrets: &Secrets) {
    for (name, value) in headers {
        *value = mask_header(name, value, secrets);
    }
}

/// Returns the model in an address: `/models/M:method`, `/model/M/converse`, `/deployments/M/`.
fn model_in(url: &str) -> Option<String> {
    let path = url.split('?').next()?;
    let after = ["/models/", "/model/", "/deployments/"]
        .iter()
        .find_map(|before| path.split_once(before).map(|(_, rest)| rest))?;
    let model = after.split(['/', ':']).next().filter(|m| !m.is_empty())?;
    Some(percent_encoding::percent_decode_str(model).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::model_in;

    #[test]
    fn a_model_is_found_in_an_address() {
        for (url, model) in [
            ("http://h/v1beta/models/gemini-2.5:streamGenerateContent?a", Some("gemini-2.5")),
            ("http://h/model/a%2Fb/converse-stream", Some("a/b")),
            ("http://h/openai/deployments/gpt/chat/completions", Some("gpt")),
            ("http://h/v1/models/", None),
            ("http://h/v1/messages", None),
        ] {
            assert_eq!(model_in(url).as_deref(), model);
        }
    }
}
