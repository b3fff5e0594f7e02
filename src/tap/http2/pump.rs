//! The pump of an HTTP/2 connection.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::Shared;
use super::super::client::{self, ClientSocket};
use super::super::connection::Connection;
use super::super::event::{ConnectionId, EventKind};
use super::super::pump::{self, Down, READ, Times, Up};
use super::super::request::{self, RequestLine};
use super::super::route::{Route, Upstream};
use super::frame::{self, FrameHead};
use super::hpack::{self, HeaderField};
use super::requests::{
    self, Http2Requests, MOST_REFUSED, RequestChoice, RequestStart, RequestTarget, StreamPart,
};
use super::{Http2Event, StreamStart};
use crate::journal::Micros;
use crate::transport::link::{Link, reset};

/// The longest time for the first request to say where the connection leads; some clients wait for the server
/// to say something first.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// The client's half.
struct Half<'a> {
    connection: &'a mut Connection,
    /// The upstream that the connection leads to, when that is known.
    upstream: Option<Arc<Upstream>>,
    /// Time of the current read, and of the beginning of the header block in it.
    at: Micros,
    began: Micros,
    /// Channel for what is said to the client beside the server.
    aside: UnboundedSender<Vec<u8>>,
    /// Number of streams that were refused, and the first of them.
    refused: usize,
    first_refused: Option<u32>,
    /// A request was forwarded.
    has_begun: bool,
}

impl Connection {
    /// Serves a client that has begun with HTTP/2, to its end.
    pub(in crate::tap) async fn http2(&mut self, mut client: ClientSocket) {
        self.emit(EventKind::Http2(Http2Event::Begin));
        let mut requests = Http2Requests::new(self.decrypted.is_none());
        let upstream = self.decrypted.clone().or_else(|| self.shared.routes.sole().map(Arc::clone));
        let (aside, asides) = unbounded_channel();
        let began = self.began.unwrap_or_default();
        let pending = self.requests.rest();
        let mut half = Half {
            connection: self,
            upstream,
            at: began,
            began,
            aside,
            refused: 0,
            first_refused: None,
            has_begun: false,
        };
        let mut out = Vec::new();
        half.take(&mut requests, began, &pending, &mut out);
        let Some(upstream) = half.leads_to(&mut client, &mut requests, &mut out).await else {
            if let Some(stream) = half.first_refused {
                client::last_word(&mut client, &nowhere(stream)).await;
            }
            return;
        };
        let Some(mut link) = half.connection.dial(&upstream.origin, true).await else {
            return reset(client::socket(&client));
        };
        let ends = match &mut client {
            ClientSocket::Left(client) => {
                let (from, to) = client.split();
                half.pump(requests, (from, to), &mut link, out, asides).await
            }
            client @ ClientSocket::Right(_) => {
                let halves = tokio::io::split(client);
                half.pump(requests, halves, &mut link, out, asides).await
            }
        };
        pump::break_off(ends, &client, link).await;
    }
}

impl Half<'_> {
    /// Takes in a read of the client; what is forwarded of it is added to `out`.
    fn take(&mut self, requests: &mut Http2Requests, at: Micros, bytes: &[u8], out: &mut Vec<u8>) {
        if !requests.is_holding() {
            self.began = at;
        }
        self.at = at;
        requests.feed(bytes, out, self);
    }

    /// Waits until it is known where the connection leads to; `None` where it leads nowhere.
    async fn leads_to(
        &mut self,
        client: &mut ClientSocket,
        requests: &mut Http2Requests,
        out: &mut Vec<u8>,
    ) -> Option<Arc<Upstream>> {
        let usual = self.usual();
        let mut buffer = vec![0; READ];
        while self.upstream.is_none() {
            if self.first_refused.is_some() {
                return None;
            }
            if !requests.is_new() {
                break;
            }
            let read = client::read(client, &mut buffer);
            let read = match usual {
                Some(_) => match tokio::time::timeout(FIRST_REQUEST, read).await {
                    Ok(read) => read,
                    Err(_) => break,
                },
                None => read.await,
            };
            let at = self.connection.shared.clock.now();
            match read {
                Ok(n @ 1..) => self.take(requests, at, &buffer[..n], out),
                end => {
                    self.connection.ended = Some(end.map(drop));
                    break;
                }
            }
        }
        self.upstream = self.upstream.take().or(usual);
        if self.upstream.is_none() {
            let text = "an HTTP/2 connection without a request that can be read: closed; name an upstream \
                        with --to, and it is forwarded";
            self.connection.emit(EventKind::Trouble(text.to_owned()));
        }
        self.upstream.clone()
    }

    async fn pump(
        &mut self,
        requests: Http2Requests,
        (from_client, to_client): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
        link: &mut Link,
        lead: Vec<u8>,
        asides: UnboundedReceiver<Vec<u8>>,
    ) -> (Option<Up>, Option<Down>) {
        let shared = std::rc::Rc::clone(&self.connection.shared);
        let (id, times) = (self.connection.id, Times::new(link.stamps(), &shared));
        let (from_link, to_link) = tokio::io::split(link);
        let reset = Cell::new(false);
        let down = down(&shared, id, from_link, to_client, (times, &reset), asides);
        let to = pump::UpstreamWriter { to: to_link, reset: &reset };
        pump::both(self.up(requests, from_client, to, lead), down).await
    }

    async fn up(
        &mut self,
        mut requests: Http2Requests,
        mut from: impl AsyncRead + Unpin,
        mut to: pump::UpstreamWriter<'_, impl AsyncWrite + Unpin>,
        lead: Vec<u8>,
    ) -> Up {
        let mut out = lead;
        let mut buffer = vec![0; READ];
        loop {
            if !out.is_empty() && to.forward(&out).await.is_err() {
                return Up::Refused;
            }
            out.clear();
            if self.refused > MOST_REFUSED {
                return Up::Nowhere;
            }
            self.connection.shared.room().await;
            let read = match self.connection.ended.take() {
                Some(end) => end.map(|()| 0),
                None => client::read(&mut from, &mut buffer).await,
            };
            let at = self.connection.shared.clock.now();
            if let Ok(n @ 1..) = read {
                self.take(&mut requests, at, &buffer[..n], &mut out);
                continue;
            }
            let rest = requests.rest();
            if !rest.is_empty() && to.forward(&rest).await.is_err() {
                return Up::Refused;
            }
            return self.connection.up_ended(at, read.map(drop), &mut to).await;
        }
    }

    /// Answers a stream that leads nowhere.
    fn refuse(&mut self, asked: &RequestStart) {
        self.refused += 1;
        self.first_refused.get_or_insert(asked.stream);
        let mut answer = head(asked.stream, &[(":status", "421")], frame::END_STREAM);
        if !asked.is_complete {
            answer.extend_from_slice(&FrameHead::new(4, frame::RST_STREAM, 0, asked.stream).0);
            answer.extend_from_slice(&[0; 4]);
        }
        // If the writing half is gone, the connection is over, and there is nobody to answer.
        let _ = self.aside.send(answer);
    }

    /// Returns the upstream for bytes that name none.
    fn usual(&self) -> Option<Arc<Upstream>> {
        self.upstream.as_ref().or(self.connection.shared.routes.only()).map(Arc::clone)
    }

    /// Returns where a request leads.
    fn route(&self, asked: &RequestStart) -> Option<Route> {
        match &asked.path {
            Some(path) => {
                let (method, target) = (asked.method.clone(), path.clone());
                self.connection.route(&RequestLine { method, target, raw: Vec::new() })
            }
            None => Some(Route { upstream: self.usual()?, target: String::new() }),
        }
    }
}

impl requests::RequestHandler for Half<'_> {
    fn choose(&mut self, asked: &RequestStart) -> RequestChoice {
        let what = || {
            let path = asked.path.as_deref().unwrap_or_default();
            request::shown(&asked.method, path)
        };
        let other = |route: &Route| {
            self.upstream.as_ref().is_some_and(|known| known.origin != route.upstream.origin)
        };
        let route = match self.route(asked) {
            Some(route) if !other(&route) => route,
            found => {
                let why = match found {
                    Some(route) => format!(
                        "{} is for {}, and its HTTP/2 connection leads to another upstream: answered 421",
                        what(),
                        route.upstream.name
                    ),
                    None => format!(
                        "no upstream for {}: its path names no provider; name one with --to",
                        what()
                    ),
                };
                self.connection.emit(EventKind::Trouble(why));
                self.refuse(asked);
                return RequestChoice::Refuse;
            }
        };
        let Route { upstream, target } = route;
        self.upstream.get_or_insert_with(|| Arc::clone(&upstream));
        self.has_begun = true;
        let stream = StreamStart {
            stream: asked.stream,
            x: self.connection.shared.number(&upstream),
            method: asked.method.clone(),
            url: format!("{}{target}", upstream.origin.url()),
            upstream: Arc::clone(&upstream),
            began: self.began,
        };
        self.connection.emit_at(self.at, EventKind::Http2(Http2Event::Stream(Box::new(stream))));
        if self.connection.decrypted.is_some() {
            return RequestChoice::AsItIs;
        }
        RequestChoice::To(RequestTarget {
            authority: upstream.origin.authority(),
            scheme: if upstream.origin.tls { "https" } else { "http" },
            path: asked.path.as_ref().map(|_| target),
        })
    }

    fn seen(&mut self, seen: StreamPart) {
        match seen {
            StreamPart::Refused(len) => {
                let mut update = FrameHead::new(4, frame::WINDOW_UPDATE, 0, 0).0.to_vec();
                update.extend_from_slice(&len.to_be_bytes());
                let _ = self.aside.send(update);
            }
            StreamPart::Lost(why) if !self.has_begun && self.usual().is_some() => {
                if let Some(upstream) = self.usual() {
                    self.connection.unread(&upstream, why);
                }
            }
            seen => self.connection.emit_at(self.at, EventKind::Http2(Http2Event::Seen(seen))),
        }
    }
}

/// Header fields in one frame.
fn head(stream: u32, all: &[(&'static str, &'static str)], flags: u8) -> Vec<u8> {
    let mut coded = Vec::new();
    for (name, value) in all {
        let (name, value) = (name.as_bytes().into(), value.as_bytes().into());
        hpack::write(&HeaderField { name, value, never_indexed: false }, &mut coded);
    }
    let flags = flags | frame::END_HEADERS;
    let mut out = FrameHead::new(coded.len(), frame::HEADERS, flags, stream).0.to_vec();
    out.extend_from_slice(&coded);
    out
}

/// All that a client hears whose first request leads nowhere.
fn nowhere(stream: u32) -> Vec<u8> {
    let body = b"sselens tap: the path names no provider; name one with --to\n";
    let mut out = FrameHead::new(0, frame::SETTINGS, 0, 0).0.to_vec();
    out.extend_from_slice(&FrameHead::new(0, frame::SETTINGS, frame::ACK, 0).0);
    let fields = [(":status", "421"), ("content-type", "text/plain; charset=utf-8")];
    out.extend_from_slice(&head(stream, &fields, 0));
    out.extend_from_slice(&FrameHead::new(body.len(), frame::DATA, frame::END_STREAM, stream).0);
    out.extend_from_slice(body);
    out.extend_from_slice(&FrameHead::new(8, frame::GOAWAY, 0, 0).0);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out
}

/// The gaps between the frames of a server, where something can be said.
#[derive(Default)]
struct FrameGaps {
    head: [u8; 9],
    have: usize,
    /// Number of bytes left of the payload.
    left: usize,
    /// True if a frame was complete, and no header block is under way.
    is_open: bool,
}

impl FrameGaps {
    fn is_here(&self) -> bool {
        self.is_open && self.have == 0 && self.left == 0
    }

    /// Takes in a read; returns the last gap in it.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let (mut at, mut last) = (0, None);
        while at < bytes.len() {
            if self.left > 0 {
                let used = self.left.min(bytes.len() - at);
                self.left -= used;
                at += used;
            } else {
                let used = (self.head.len() - self.have).min(bytes.len() - at);
                self.head[self.have..self.have + used].copy_from_slice(&bytes[at..at + used]);
                self.have += used;
                at += used;
            }
            if self.have == self.head.len() {
                let head = FrameHead(self.head);
                (self.have, self.left) = (0, head.len());
                self.is_open = !head.is_of_block() || head.has(frame::END_HEADERS);
            }
            if self.is_here() {
                last = Some(at);
            }
        }
        last
    }
}

/// The upstream's half.
async fn down(
    shared: &Shared,
    id: ConnectionId,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (mut times, reset): (Times, &Cell<bool>),
    mut asides: UnboundedReceiver<Vec<u8>>,
) -> Down {
    let mut buffer = vec![0; READ];
    let mut gaps = FrameGaps::default();
    loop {
        shared.room().await;
        let read = tokio::select! {
            Some(aside) = asides.recv(), if gaps.is_here() => {
                if pump::forward(&mut to, &aside).await.is_err() {
                    return Down::Refused;
                }
                continue;
            }
            read = client::read(&mut from, &mut buffer) => read,
        };
        let (at, stamped) = times.of_read(shared);
        match read {
            Ok(n @ 1..) => {
                let bytes = &buffer[..n];
                let gap = gaps.feed(bytes).unwrap_or(0);
                let aside =
                    if gap > 0 { asides.try_recv().unwrap_or_default() } else { Vec::new() };
                let (before, after) = match aside.is_empty() {
                    true => (bytes, &bytes[n..]),
                    false => bytes.split_at(gap),
                };
                let delivered = async {
                    pump::deliver(shared, id, (at, stamped), before, &mut to).await?;
                    if !aside.is_empty() {
                        pump::forward(&mut to, &aside).await?;
                        pump::deliver(shared, id, (at, stamped), after, &mut to).await?;
                    }
                    std::io::Result::Ok(())
                };
                if delivered.await.is_err() {
                    return Down::Refused;
                }
            }
            end => {
                let end = pump::ended(end, reset);
                return pump::down_ended(shared, id, at, end, &mut to).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_behind_frames_and_not_inside_header_blocks() {
        let frame = |len: usize, kind: u8, flags: u8| {
            [&FrameHead::new(len, kind, flags, 1).0[..], &vec![7; len]].concat()
        };
        let wire = [
            frame(6, frame::SETTINGS, 0),
            frame(3, frame::HEADERS, 0),
            frame(0, frame::CONTINUATION, 0),
            frame(2, frame::CONTINUATION, frame::END_HEADERS),
            frame(0, frame::DATA, 0),
            frame(20, frame::DATA, frame::END_STREAM),
        ]
        .concat();
        let expected = [15, 47, 56, 85];
        let mut one = FrameGaps::default();
        assert!(!one.is_here());
        let found: Vec<_> =
            (0..wire.len()).filter(|i| one.feed(&wire[*i..=*i]).is_some()).map(|i| i + 1).collect();
        assert_eq!(found, expected);
        for (i, end) in expected.iter().enumerate() {
            let next = expected.get(i + 1).map_or(wire.len(), |n| n - 1).max(*end);
            assert_eq!(FrameGaps::default().feed(&wire[..next]), Some(expected[..=i][i]), "{next}");
        }
    }
}
