//! The pump: bytes are forwarded as they are read, in both directions at once, and a copy is passed to the
//! observer. A close is forwarded as a close, a half-close as a half-close, a reset as a reset.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::Shared;
use super::client::{self, ClientSocket};
use super::connection::Connection;
use super::event::{ConnectionId, ConnectionSide, EventKind};
use super::request::{RequestLine, RequestPart, RequestStep};
use super::route::{Origin, Route};
use crate::journal::Micros;
use crate::transport::http1::head;
use crate::transport::link::{self, Link};
use crate::transport::stamp::{self, Stamps};

/// The most bytes of one read.
pub(super) const READ: usize = 64 << 10;

/// Time for written bytes to reach the other side's program before a reset: on some systems a reset discards
/// what was not read yet.
const BEFORE_RESET: Duration = Duration::from_millis(20);

/// Time in which a client that is gone may still have something to say to the upstream.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The way the client's half ended, or paused.
pub(super) enum Up {
    /// The client closed its sending side, and that was forwarded.
    Closed,
    /// The client reset the connection.
    Reset,
    /// The upstream does not take anything any more.
    Refused,
    /// The next request goes somewhere else.
    Elsewhere(RequestLine, Route),
    /// The client's bytes lead nowhere.
    Nowhere,
}

/// The way the upstream's half ended.
pub(super) enum Down {
    /// The upstream closed its sending side, and that was forwarded.
    Closed,
    /// The upstream reset the connection.
    Reset,
    /// The client does not take anything any more.
    Refused,
}

impl Connection {
    /// After a request for an upgrade the next bytes are unknown before its response is
    /// there; nor does the client, so it waits as well.
    async fn settle_upgrade(&mut self) {
        if std::mem::take(&mut self.may_upgrade) {
            let sent = self.sent.load(Ordering::Relaxed);
            if !self.shared.complete(&self.progress, sent).await {
                self.requests.become_upgraded();
            }
        }
    }

    /// Forwards in both directions until both are at their ends, one breaks, or the next request
    /// goes elsewhere.
    pub(super) async fn pump(
        &mut self,
        client: &mut ClientSocket,
        link: &mut Link,
        lead: Vec<u8>,
        origin: &Origin,
    ) -> (Option<Up>, Option<Down>) {
        match client {
            // Splitting a plain socket costs nothing.
            ClientSocket::Left(client) => {
                let (from, to) = client.split();
                self.pump_halves(from, to, link, lead, origin).await
            }
            client @ ClientSocket::Right(_) => {
                let (from, to) = tokio::io::split(client);
                self.pump_halves(from, to, link, lead, origin).await
            }
        }
    }

    async fn pump_halves(
        &mut self,
        from_client: impl AsyncRead + Unpin,
        to_client: impl AsyncWrite + Unpin,
        link: &mut Link,
        lead: Vec<u8>,
        origin: &Origin,
    ) -> (Option<Up>, Option<Down>) {
        let (shared, id) = (Rc::clone(&self.shared), self.id);
        let times = Times::new(link.stamps(), &shared);
        let (from_link, to_link) = tokio::io::split(link);
        let reset = Cell::new(false);
        let down = down(&shared, id, from_link, to_client, times, &reset);
        both(
            self.up(from_client, UpstreamWriter { to: to_link, reset: &reset }, lead, origin),
            down,
        )
        .await
    }

    /// The client's half.
    async fn up(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: UpstreamWriter<'_, impl AsyncWrite + Unpin>,
        lead: Vec<u8>,
        origin: &Origin,
    ) -> Up {
        // A request line goes out together with what follows it.
        let mut out = lead;
        let mut buffer = vec![0; READ];
        loop {
            let step = self.requests.step();
            let at = self.shared.clock.now();
            self.emit_seen(at);
            match step {
                RequestStep::Forward(bytes) if out.is_empty() => {
                    if to.forward(&bytes).await.is_err() {
                        return Up::Refused;
                    }
                }
                RequestStep::Forward(bytes) => out.extend_from_slice(&bytes),
                RequestStep::NoRequest(why) => self.requests.give_up(&why.to_string()),
                RequestStep::Line(line) => match self.begin(line, origin).await {
                    Ok(bytes) => out.extend_from_slice(&bytes),
                    Err(up) => return up,
                },
                RequestStep::More => {
                    if !out.is_empty() {
                        if to.forward(&out).await.is_err() {
                            return Up::Refused;
                        }
                        out.clear();
                    }
                    self.shared.room().await;
                    let read = match self.ended.take() {
                        Some(end) => end.map(|()| 0),
                        None => client::read(&mut from, &mut buffer).await,
                    };
                    let at = self.shared.clock.now();
                    if let Ok(n @ 1..) = read {
                        if !self.requests.is_inside() {
                            self.began = Some(at);
                        }
                        self.settle_upgrade().await;
                        self.requests.push(&buffer[..n]);
                        continue;
                    }
                    // Half a line is held back as long as the rest may arrive.
                    let rest = self.requests.rest();
                    if !rest.is_empty() && to.forward(&rest).await.is_err() {
                        return Up::Refused;
                    }
                    return self.up_ended(at, read.map(drop), &mut to).await;
                }
            }
        }
    }

    /// Hands over what was seen of requests.
    fn emit_seen(&mut self, at: Micros) {
        let parts: Vec<_> = self.requests.seen().collect();
        for part in parts {
            if let RequestPart::Head { headers, .. } = &part {
                self.may_upgrade |= head::values(headers, "upgrade").next().is_some();
            }
            self.emit_at(at, EventKind::RequestPart(part));
        }
    }

    /// A request begins: the bytes that it is forwarded with, or why that does not happen here.
    async fn begin(&mut self, line: RequestLine, origin: &Origin) -> Result<Bytes, Up> {
        let Some(route) = self.route(&line) else {
            let why = format!("no upstream for {}", line.shown());
            self.emit(EventKind::Trouble(why));
            return Err(Up::Nowhere);
        };
        if route.upstream.origin != *origin {
            let sent = self.sent.load(Ordering::Relaxed);
            if !self.shared.complete(&self.progress, sent).await {
                return Err(Up::Nowhere);
            }
            return Err(Up::Elsewhere(line, route));
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(self.request(&line, &route))
    }

    /// The client closed its sending side, or reset the connection: that is forwarded.
    pub(super) async fn up_ended(
        &self,
        at: Micros,
        end: io::Result<()>,
        to: &mut UpstreamWriter<'_, impl AsyncWrite + Unpin>,
    ) -> Up {
        if let Err(e) = end {
            self.emit_at(at, EventKind::Reset(ConnectionSide::Client, e.to_string()));
            return Up::Reset;
        }
        self.emit_at(at, EventKind::Fin(ConnectionSide::Client));
        match to.to.shutdown().await {
            Ok(()) => Up::Closed,
            Err(_) => Up::Refused,
        }
    }
}

/// Forwards in both directions until both are at their ends, or one breaks or pauses.
pub(super) async fn both(
    up: impl Future<Output = Up>,
    down: impl Future<Output = Down>,
) -> (Option<Up>, Option<Down>) {
    tokio::pin!(up, down);
    let (mut up_end, mut down_end) = (None, None);
    loop {
        tokio::select! {
            end = &mut up, if up_end.is_none() => match end {
                end @ (Up::Reset | Up::Elsewhere(..) | Up::Nowhere) => {
                    return (Some(end), down_end);
                }
                // What the upstream sent before it refused is delivered first.
                end => up_end = Some(end),
            },
            end = &mut down, if down_end.is_none() => match end {
                Down::Reset => return (up_end, Some(Down::Reset)),
                Down::Refused => {
                    if up_end.is_none() {
                        let _ = tokio::time::timeout(LAST_WORDS, &mut up).await;
                    }
                    return (up_end, Some(Down::Refused));
                }
                Down::Closed => down_end = Some(Down::Closed),
            },
        }
        if up_end.is_some() && down_end.is_some() {
            return (up_end, down_end);
        }
    }
}

/// Makes of how one side ended how the other one does: a reset of a reset.
pub(super) async fn break_off(
    ends: (Option<Up>, Option<Down>),
    client: &ClientSocket,
    upstream: Link,
) {
    match ends {
        (Some(Up::Reset), _) | (_, Some(Down::Refused)) => {
            tokio::time::sleep(BEFORE_RESET).await;
            upstream.reset();
        }
        (Some(Up::Refused), _) | (_, Some(Down::Reset)) => {
            tokio::time::sleep(BEFORE_RESET).await;
            link::reset(client::socket(client));
        }
        _ => {}
    }
}

/// The times of the reads from an upstream.
pub(super) struct Times {
    stamps: Stamps,
    /// The last time: none is earlier than the one before it, whatever the wall clock does.
    last: Micros,
}

impl Times {
    pub(super) fn new(stamps: Stamps, shared: &Shared) -> Self {
        Self { stamps, last: shared.clock.now() }
    }

    /// Returns when the last read was received, and whether the kernel says so.
    pub(super) fn of_read(&mut self, shared: &Shared) -> (Micros, bool) {
        let now = shared.clock.now();
        let stamp = self.stamps.take().and_then(|stamp| stamp::at(stamp, &shared.clock, now));
        self.last = stamp.unwrap_or(now).max(self.last);
        (self.last, stamp.is_some())
    }
}

/// The upstream's half.
async fn down(
    shared: &Shared,
    id: ConnectionId,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut times: Times,
    reset: &Cell<bool>,
) -> Down {
    let mut buffer = vec![0; READ];
    loop {
        shared.room().await;
        let read = client::read(&mut from, &mut buffer).await;
        let at = times.of_read(shared);
        match read {
            Ok(n @ 1..) => {
                if deliver(shared, id, at, &buffer[..n], &mut to).await.is_err() {
                    return Down::Refused;
                }
            }
            end => {
                let end = ended(end, reset);
                return down_ended(shared, id, at.0, end, &mut to).await;
            }
        }
    }
}

/// Forwards a read of the upstream, and reports it.
pub(super) async fn deliver(
    shared: &Shared,
    id: ConnectionId,
    (at, stamped): (Micros, bool),
    bytes: &[u8],
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    // Write what can be written at once before anything else: waking the observer takes longer. A slow client
    // does not keep the bytes from being recorded.
    let mut forwarding = std::pin::pin!(forward(to, bytes));
    let at_once = forwarding.as_mut().now_or_never();
    shared.emit(id, at, EventKind::Response(Bytes::copy_from_slice(bytes), stamped));
    match at_once {
        Some(forwarded) => forwarded,
        None => forwarding.await,
    }
}

/// The upstream closed its sending side, or reset the connection: a close is forwarded.
pub(super) async fn down_ended(
    shared: &Shared,
    id: ConnectionId,
    at: Micros,
    end: io::Result<()>,
    to: &mut (impl AsyncWrite + Unpin),
) -> Down {
    if let Err(e) = end {
        shared.emit(id, at, EventKind::Reset(ConnectionSide::Server, e.to_string()));
        return Down::Reset;
    }
    shared.emit(id, at, EventKind::Fin(ConnectionSide::Server));
    match to.shutdown().await {
        Ok(()) => Down::Closed,
        Err(_) => Down::Refused,
    }
}

/// The upstream, as the client's half writes to it.
pub(super) struct UpstreamWriter<'a, W> {
    pub(super) to: W,
    /// It has reset the connection. The system says so once: to a write, and a read finds a close then.
    pub(super) reset: &'a Cell<bool>,
}

impl<W: AsyncWrite + Unpin> UpstreamWriter<'_, W> {
    /// Writes these bytes.
    pub(super) async fn forward(&mut self, bytes: &[u8]) -> io::Result<()> {
        let forwarded = forward(&mut self.to, bytes).await;
        if forwarded.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset) {
            self.reset.set(true);
        }
        forwarded
    }
}

/// Returns how the upstream ended, from the results of a read and of the writes before it.
pub(super) fn ended(read: io::Result<usize>, reset: &Cell<bool>) -> io::Result<()> {
    match read {
        Ok(_) if reset.get() => Err(io::ErrorKind::ConnectionReset.into()),
        other => other.map(drop),
    }
}

/// Writes these bytes, through TLS too.
pub(super) async fn forward(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
