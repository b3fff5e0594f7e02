//! HTTP/2 through the tap: frames are forwarded as they are read, and nothing of HTTP/2 is undone and made again
//! but the header blocks of requests, where they name the tap.
//!
//! Flow control, settings, pings and priorities are the two sides' own matter. A connection of a client has one to
//! an upstream; the first request says which. A request on it that leads to another one is answered 421.

mod fields;
mod frame;
mod hpack;
mod huffman;
mod pump;
mod requests;
mod streams;

use std::sync::Arc;

pub(super) use requests::StreamPart;
pub(super) use streams::Streams;

use super::route::Upstream;
use crate::journal::{ExchangeId, Micros};

/// An event that the pump passes to the observer.
#[derive(Debug)]
pub(super) enum Http2Event {
    /// The connection speaks HTTP/2.
    Begin,
    /// A request begins; `url` is where it goes to.
    Stream(Box<StreamStart>),
    /// More of the requests.
    Seen(StreamPart),
}

/// A request that begins.
#[derive(Debug)]
pub(super) struct StreamStart {
    pub(super) stream: u32,
    pub(super) x: ExchangeId,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) upstream: Arc<Upstream>,
    pub(super) began: Micros,
}
