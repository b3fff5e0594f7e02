//! The observer: reads HTTP from the copies that the pump hands over, and makes entries of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::event::{
    CompletedResponses, ConnectionEvent, ConnectionId, ConnectionSide, EventKind, ObserverBacklog,
    UNRECORDED,
};
use super::http2;
use super::record::{self, ExchangeRecorder};
use super::request;
use crate::frame::web_socket::Sender;
use crate::journal::{EndCause, Entry, ExchangeId, Micros, Side};
use crate::rule::Code;
use crate::text::{count, preview};
use crate::transport::Clock;
use crate::transport::http1::head;
use crate::transport::http1::response::{ResponsePart, ResponsePosition, Responses};

/// The longest time for a message before its beginning is recorded, in microseconds.
const HELD: Micros = 40_000;

/// Interval between checks for such messages, where there may be any.
const LOOK: Duration = Duration::from_millis(20);

/// Time for which events are gathered before they are looked at. The pump wakes the observer only after a
/// pause, and waking another thread costs more than forwarding a frame.
const GATHER: Duration = Duration::from_millis(5);

/// A tap's report to its listener.
#[derive(Debug, Clone)]
pub enum TapNews {
    /// An entry, in order of arrival within its exchange.
    Entry(Entry),
    /// Something that belongs to no exchange.
    Trouble(String),
    /// All that the tap had read by this time has been handed on: the answer to [`super::Tap::ask_report`].
    ReportedUntil(Micros),
}

/// Hands an entry on, unless its exchange is not kept.
fn hand_on(entry: Entry, news: &mut impl FnMut(TapNews)) {
    if entry.exchange != UNRECORDED {
        news(TapNews::Entry(entry));
    }
}

/// Reads what all connections bring.
pub(super) struct Observer<F> {
    backlog: Arc<ObserverBacklog>,
    news: F,
    connections: HashMap<ConnectionId, ObservedConnection>,
    side: Option<Side>,
    clock: Clock,
    /// Time to look again for messages that take long, where there may be any.
    look_again: Option<Micros>,
}

struct ObservedConnection {
    progress: Arc<CompletedResponses>,
    responses: Responses,
    /// Those whose responses are not complete, in order of their requests.
    open: VecDeque<ExchangeRecorder>,
    /// Set if the client's bytes cannot be read.
    unread: Option<ExchangeRecorder>,
    /// Those whose responses are complete and whose requests are not, in the same order.
    settling: VecDeque<ExchangeRecorder>,
    /// The number of the last one that is complete.
    last: Option<ExchangeId>,
    /// The client closed or reset its side, in words.
    client_left: Option<&'static str>,
    upgraded: bool,
    /// The streams, where it speaks HTTP/2.
    http2: Option<http2::Streams>,
    seen: Vec<ResponsePart>,
}

impl ObservedConnection {
    fn new(progress: Arc<CompletedResponses>) -> Self {
        Self {
            progress,
            responses: Responses::new(),
            open: VecDeque::new(),
            unread: None,
            settling: VecDeque::new(),
            last: None,
            client_left: None,
            upgraded: false,
            http2: None,
            seen: Vec::new(),
        }
    }
}

impl<F: FnMut(TapNews)> Observer<F> {
    pub(super) fn new(
        backlog: Arc<ObserverBacklog>,
        side: Option<Side>,
        clock: Clock,
        news: F,
    ) -> Self {
        Self { backlog, news, connections: HashMap::new(), side, clock, look_again: None }
    }

    /// Takes in everything until the pump has ended.
    pub(super) fn run(mut self, queue: &Receiver<ConnectionEvent>) {
        let mut at = 0;
        loop {
            let next = match self.look_again {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => queue.recv_timeout(LOOK),
            };
            let first = match next {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let is_busy = first.is_some();
            for event in first.into_iter().chain(queue.try_iter()) {
                let len = event.kind.len();
                at = event.at;
                self.take(event);
                self.backlog.remove(len);
                self.unfinished();
            }
            self.unfinished();
            if is_busy {
                std::thread::park_timeout(GATHER);
            }
        }
        // The tap was stopped: end what is still running.
        for (_, mut connection) in self.connections.drain() {
            let mut out = |entry| hand_on(entry, &mut self.news);
            connection.over(at, "the tap was stopped", &mut out);
        }
    }

    /// Records the beginnings of messages that take long, so that they outlive the program.
    fn unfinished(&mut self) {
        let Some(then) = self.look_again else { return };
        let now = self.clock.now();
        if now < then {
            return;
        }
        self.look_again = None;
        for recording in self.connections.values_mut().flat_map(|c| &mut c.open) {
            recording.unfinished(now.saturating_sub(HELD), &mut |e| hand_on(e, &mut self.news));
            if recording.holds() {
                self.look_again = Some(now + LOOK.as_micros() as Micros);
            }
        }
    }

    /// Takes in one thing that happened.
    pub(super) fn take(&mut self, event: ConnectionEvent) {
        let ConnectionEvent { connection: id, at, kind } = event;
        match kind {
            EventKind::Open { responses } => {
                self.connections.insert(id, ObservedConnection::new(responses));
            }
            EventKind::Trouble(text) => (self.news)(TapNews::Trouble(text)),
            EventKind::ReportAsked => (self.news)(TapNews::ReportedUntil(at)),
            EventKind::Closed => {
                let Some(mut connection) = self.connections.remove(&id) else { return };
                let mut out = |entry| hand_on(entry, &mut self.news);
                let why = connection.client_left.unwrap_or("the connection was given up");
                connection.over(at, why, &mut out);
            }
            EventKind::Unread { x, url, upstream, began, why } => {
                let (method, side) = ("PRI", self.side);
                let call = record::RecordedCall { method, url: &url, upstream: &upstream, side };
                let mut recording = ExchangeRecorder::new(x, began, call);
                let Some(connection) = self.connections.get_mut(&id) else { return };
                let mut out = |entry| hand_on(entry, &mut self.news);
                recording.request(at, request::RequestPart::Lost(why), &mut out);
                connection.unread = Some(recording);
            }
            EventKind::Request { x, method, url, upstream, began } => {
                let side = self.side;
                let call =
                    record::RecordedCall { method: &method, url: &url, upstream: &upstream, side };
                let recording = ExchangeRecorder::new(x, began, call);
                let Some(connection) = self.connections.get_mut(&id) else { return };
                connection.responses.expect(recording.expected);
                connection.open.push_back(recording);
            }
            other => self.on_connection(id, at, other),
        }
    }

    /// Takes in what happens on a connection that is open.
    fn on_connection(&mut self, id: ConnectionId, at: Micros, kind: EventKind) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut out = |entry| hand_on(entry, &mut self.news);
        let Some(kind) = connection.http2(at, kind, self.side, &mut out) else {
            let troubles = connection.http2.as_mut().map(http2::Streams::troubles);
            for trouble in troubles.into_iter().flatten() {
                (self.news)(TapNews::Trouble(trouble));
            }
            return;
        };
        let trouble = connection.http1(at, kind, &mut out);
        if connection.open.front().is_some_and(ExchangeRecorder::holds) {
            self.look_again.get_or_insert(at + HELD);
        }
        if let Some(trouble) = trouble {
            (self.news)(TapNews::Trouble(trouble));
        }
    }
}

impl ObservedConnection {
    /// Takes in what belongs to HTTP/2; returns everything else.
    fn http2(
        &mut self,
        at: Micros,
        kind: EventKind,
        side: Option<Side>,
        out: &mut impl FnMut(Entry),
    ) -> Option<EventKind> {
        if let EventKind::Http2(http2::Http2Event::Begin) = kind {
            self.http2 = Some(http2::Streams::new());
            return None;
        }
        let Some(streams) = &mut self.http2 else { return Some(kind) };
        match kind {
            EventKind::Http2(http2::Http2Event::Stream(begun)) => {
                let http2::StreamStart { stream, x, method, url, upstream, began } = *begun;
                let call =
                    record::RecordedCall { method: &method, url: &url, upstream: &upstream, side };
                streams.begin((stream, x), began, call, out);
            }
            EventKind::Http2(http2::Http2Event::Seen(seen)) => streams.client(at, seen, out),
            EventKind::Dialed(dialed) if self.unread.is_none() => streams.dialed(dialed, out),
            EventKind::NoLink(dialed, no) if self.unread.is_none() => {
                streams.no_link(at, dialed, &no, out);
            }
            EventKind::Response(bytes, stamped) => streams.server(at, &bytes, stamped, out),
            EventKind::Fin(ConnectionSide::Server) => {
                streams.server_ended(at, None, self.client_left, out)
            }
            EventKind::Reset(ConnectionSide::Server, why) => {
                streams.server_ended(at, Some(&why), self.client_left, out);
            }
            other => return Some(other),
        }
        None
    }

    /// Takes in what belongs to HTTP/1; returns what is wrong and belongs to no exchange.
    fn http1(
        &mut self,
        at: Micros,
        kind: EventKind,
        out: &mut impl FnMut(Entry),
    ) -> Option<String> {
        match kind {
            EventKind::RequestPart(seen) => match seen {
                request::RequestPart::Lost(_) if self.upgraded => {}
                request::RequestPart::Passed(bytes) => self.passed(at, bytes, out),
                seen => self.request(at, seen, out),
            },
            EventKind::Dialed(dialed) => {
                if let Some(recording) = self.first() {
                    recording.dialed(dialed, out);
                }
            }
            EventKind::NoLink(dialed, no) => {
                let unread = self.unread.take();
                if let Some(mut recording) = self.open.pop_front().or(unread) {
                    recording.dialed(dialed, out);
                    recording.no_link(at, no, out);
                    self.settle(recording);
                }
            }
            EventKind::Response(bytes, stamped) => {
                if let Some(recording) = self.open.front_mut() {
                    recording.read(stamped);
                }
                return self.response(at, bytes, out);
            }
            EventKind::Fin(ConnectionSide::Client) => {
                self.client_left.get_or_insert("the client closed the connection");
            }
            EventKind::Reset(ConnectionSide::Client, _) => {
                self.client_left.get_or_insert("the client reset the connection");
            }
            EventKind::Fin(ConnectionSide::Server) => self.server_ended(at, None, out),
            EventKind::Reset(ConnectionSide::Server, why) => self.server_ended(at, Some(&why), out),
            EventKind::Open { .. }
            | EventKind::Http2(_)
            | EventKind::Closed
            | EventKind::Trouble(_)
            | EventKind::ReportAsked
            | EventKind::Unread { .. }
            | EventKind::Request { .. } => {}
        }
        None
    }

    /// The recording that what happens to the connection belongs to.
    fn first(&mut self) -> Option<&mut ExchangeRecorder> {
        self.open.front_mut().or(self.unread.as_mut())
    }

    /// Records a part of the request that is not complete yet; requests arrive one after the other.
    fn request(&mut self, at: Micros, seen: request::RequestPart, out: &mut impl FnMut(Entry)) {
        let mut all = self.settling.iter_mut().chain(&mut self.open);
        if let Some(recording) = all.find(|recording| !recording.has_request()) {
            recording.request(at, seen, out);
        }
        self.settling.retain(|recording| !recording.has_request());
    }

    /// Bytes of the client after an upgrade.
    fn passed(&mut self, at: Micros, bytes: bytes::Bytes, out: &mut impl FnMut(Entry)) {
        if let Some(recording) = self.open.front_mut().filter(|_| self.upgraded) {
            recording.message_bytes(Sender::Client, at, bytes, out);
        }
    }

    /// Keeps a recording whose end waits for the rest of its request.
    fn settle(&mut self, recording: ExchangeRecorder) {
        if !recording.has_request() {
            self.settling.push_back(recording);
        }
    }

    /// Ends everything under way: nothing more arrives.
    fn over(&mut self, at: Micros, why: &str, out: &mut impl FnMut(Entry)) {
        if let Some(streams) = &mut self.http2 {
            streams.over(at, why, out);
        }
        for mut recording in self.settling.drain(..) {
            recording.give_up(out);
        }
        if let Some(mut recording) = self.unread.take() {
            // How it went is not known here.
            recording.finish(at, EndCause::Unknown, "", out);
        }
        for mut recording in self.open.drain(..) {
            let closed = recording.is_closed_web_socket();
            let cause = if closed { EndCause::Closed } else { EndCause::Cancelled };
            recording.finish(at, cause, if closed { "" } else { why }, out);
            recording.give_up(out);
        }
    }

    /// One read from the upstream; a sentence about bytes that belong to no exchange under way.
    fn response(
        &mut self,
        at: Micros,
        bytes: bytes::Bytes,
        out: &mut impl FnMut(Entry),
    ) -> Option<String> {
        let mut seen = std::mem::take(&mut self.seen);
        self.responses.feed(bytes, &mut seen);
        let mut trouble = None;
        let mut parts = seen.drain(..).peekable();
        while let Some(part) = parts.next() {
            let Some(recording) = self.open.front_mut() else {
                if let (ResponsePart::Extra(bytes), Some(x)) = (part, self.last) {
                    trouble = Some(format!("after the end of exchange {x}: {}", extra(&bytes)));
                }
                continue;
            };
            match part {
                ResponsePart::Head { raw, head } => recording.response_head(at, raw, head, out),
                ResponsePart::Data(bytes) => recording.body(at, bytes, out),
                ResponsePart::Extension(e) => recording.extension(at, &e, out),
                ResponsePart::Trailers(t) => recording.trailers(at, head::trailers(&t), out),
                ResponsePart::Extra(_) => {}
                ResponsePart::Passed(bytes) => {
                    recording.message_bytes(Sender::Server, at, bytes, out)
                }
                ResponsePart::Upgraded => {
                    self.upgraded = true;
                    self.progress.lose();
                }
                ResponsePart::Lost(why) => {
                    recording.lose(why.text);
                    self.progress.lose();
                }
                ResponsePart::End => {
                    if let Some(ResponsePart::Extra(bytes)) = parts.peek() {
                        let text = format!("After the end of the body: {}", extra(bytes));
                        recording.note(at, Code::BytesAfterBody.name(), text, out);
                        parts.next();
                    }
                    self.complete(at, out);
                }
            }
        }
        drop(parts);
        self.seen = seen;
        trouble
    }

    /// The response at hand is complete.
    fn complete(&mut self, at: Micros, out: &mut impl FnMut(Entry)) {
        if let Some(mut recording) = self.open.pop_front() {
            recording.finish(at, EndCause::Complete, "", out);
            self.last = Some(recording.number());
            self.settle(recording);
            self.progress.one_more();
        }
    }

    /// The upstream closed its sending side, or reset the connection.
    fn server_ended(&mut self, at: Micros, reset: Option<&str>, out: &mut impl FnMut(Entry)) {
        let standing = self.responses.standing();
        self.progress.lose();
        for (i, mut recording) in std::mem::take(&mut self.open).into_iter().enumerate() {
            // The responses after the first one have not begun.
            let standing = if i == 0 { standing } else { ResponsePosition::BeforeHead };
            let lost = recording.lost().map(str::to_owned);
            let (cause, detail) = match (standing, reset) {
                (ResponsePosition::Opaque, Some(why))
                    if self.upgraded
                        && self.client_left.is_none()
                        && !recording.is_closed_web_socket() =>
                {
                    (EndCause::Reset, why.to_owned())
                }
                (ResponsePosition::Opaque, _) if self.upgraded => (EndCause::Closed, String::new()),
                (ResponsePosition::Opaque, _) => (EndCause::Protocol, lost.unwrap_or_default()),
                (ResponsePosition::UntilClose, None) => (EndCause::Closed, String::new()),
                (_, _) if self.client_left.is_some() => {
                    (EndCause::Cancelled, self.client_left.unwrap_or_default().to_owned())
                }
                (_, Some(why)) => (EndCause::Reset, why.to_owned()),
                (ResponsePosition::BeforeHead | ResponsePosition::Between, None) => {
                    (EndCause::ClosedBeforeHead, String::new())
                }
                (ResponsePosition::InsideHead, None) => (EndCause::ClosedInsideHead, String::new()),
                (ResponsePosition::InsideBody, None) => (EndCause::Truncated, String::new()),
            };
            recording.finish(at, cause, &detail, out);
            self.settle(recording);
        }
    }
}

/// Bytes that belong to nothing, for people.
fn extra(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    format!("{}: {:?}", count(bytes.len() as u64, "more byte"), preview(&text, 60))
}
