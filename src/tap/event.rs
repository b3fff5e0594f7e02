//! The events that the pump passes to the observer: copies, in the order in which things happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use super::http2;
use super::request::RequestPart;
use super::route::Upstream;
use crate::journal::{ExchangeId, Micros};
use crate::transport::link::{Dialed, NoLink};

/// The number of a client's connection, counted from 0.
pub(super) type ConnectionId = u64;

/// The number of exchanges that are forwarded and not kept.
pub(super) const UNRECORDED: ExchangeId = ExchangeId::MAX;

/// One thing that happened on a connection.
#[derive(Debug)]
pub(super) struct ConnectionEvent {
    pub(super) connection: ConnectionId,
    pub(super) at: Micros,
    pub(super) kind: EventKind,
}

#[derive(Debug)]
pub(super) enum EventKind {
    /// The connection's first upstream, or another one.
    Open { responses: Arc<CompletedResponses> },
    /// A request line was read and is forwarded; `url` is where to.
    Request { x: ExchangeId, method: String, url: String, upstream: Arc<Upstream>, began: Micros },
    /// A client that cannot be read; `why` is a sentence. What it sends is forwarded.
    Unread { x: ExchangeId, url: String, upstream: Arc<Upstream>, began: Micros, why: String },
    /// More of the request.
    RequestPart(RequestPart),
    /// More of the client's half of an HTTP/2 connection.
    Http2(http2::Http2Event),
    /// The connection to the upstream exists.
    Dialed(Dialed),
    /// It does not.
    NoLink(Dialed, NoLink),
    /// One read from the upstream, and whether its time is the kernel's.
    Response(Bytes, bool),
    /// One side closed its sending side.
    Fin(ConnectionSide),
    /// One side reset the connection; the words are the system's.
    Reset(ConnectionSide, String),
    /// Nothing more happens on this connection, or with this upstream of it.
    Closed,
    /// Something that belongs to no exchange, for people.
    Trouble(String),
    /// Somebody wants to know when everything before this has been reported.
    ReportAsked,
}

impl EventKind {
    /// Returns how many bytes of the wire it holds.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Response(bytes, _)
            | Self::Http2(http2::Http2Event::Seen(
                http2::StreamPart::Data(_, bytes)
                | http2::StreamPart::Head(_, bytes, _)
                | http2::StreamPart::Trailers(_, bytes),
            ))
            | Self::RequestPart(RequestPart::Data(bytes) | RequestPart::Passed(bytes)) => {
                bytes.len()
            }
            _ => 0,
        }
    }
}

/// One side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionSide {
    Client,
    Server,
}

/// Number of complete responses of a connection, reported by the observer to the pump.
#[derive(Debug, Default)]
pub(super) struct CompletedResponses {
    complete: AtomicU32,
    lost: AtomicBool,
    changed: Notify,
}

impl CompletedResponses {
    pub(super) fn one_more(&self) {
        self.complete.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// The end of a response is not known any more.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Waits until so many are complete; false if that cannot be known any more.
    pub(super) async fn reaches(&self, count: u32) -> bool {
        loop {
            if self.complete.load(Ordering::Relaxed) >= count {
                return true;
            }
            if self.lost.load(Ordering::Relaxed) {
                return false;
            }
            self.changed.notified().await;
        }
    }
}

/// Number of bytes read and not yet looked at by the observer, and the bound of that.
#[derive(Debug, Default)]
pub(super) struct ObserverBacklog {
    bytes: AtomicUsize,
    less: Notify,
}

/// The most bytes that wait for the observer before the pump pauses.
const MOST: usize = 64 << 20;

impl ObserverBacklog {
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before > MOST && before - bytes <= MOST {
            self.less.notify_waiters();
        }
    }

    /// Waits until there is room; whether it had to.
    pub(super) async fn room(&self) -> bool {
        let mut waited = false;
        loop {
            let less = self.less.notified();
            if self.bytes.load(Ordering::Relaxed) <= MOST {
                return waited;
            }
            waited = true;
            // Check again after a while: a notification can arrive between the check and the wait.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(50), less).await;
        }
    }
}
