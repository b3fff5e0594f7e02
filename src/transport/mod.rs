//! Sources of entries: the network, a file, a pipe; and the one clock.

mod backlog;
mod body_masker;
mod body_size;
mod client;
mod engine;
mod failure;
pub(crate) mod http1;
mod http2;
pub(crate) mod link;
pub mod models;
mod outgoing;
mod proxy;
mod receiver;
pub mod request;
mod sign;
pub(crate) mod stamp;
mod tls;
mod unfinished;
pub(crate) mod web_socket;

pub use crate::clock::Clock;
pub use backlog::Backlog;
pub(crate) use body_masker::BodyMasker;
pub use body_size::{filler, pad};
pub use engine::Engine;
pub use proxy::ProxyError;
pub use tls::TlsError;
pub(crate) use tls::config as tls_config;

pub use crate::action::Draft;
use crate::journal::{Entry, ExchangeId};

/// A report from the sources to whoever listens.
#[derive(Debug, Clone)]
pub enum News {
    /// An entry, in order of arrival.
    Entry(Entry),
    /// The same, of what another program sends and receives.
    Tapped(Entry),
    /// The journal file could not be written any more, or lags behind; the stream continues.
    Trouble {
        /// The exchange that was running, if any.
        x: Option<ExchangeId>,
        /// Description of what happened.
        text: String,
    },
    /// Something that the user is to know, and that belongs to no exchange.
    Notice {
        /// A sentence.
        text: String,
        /// Something failed.
        is_error: bool,
    },
    /// A request that was sent is dealt with: its exchange is over, and so are those of the
    /// redirects that were followed from it.
    Over {
        /// The number of its first exchange.
        x: ExchangeId,
        /// The exchanges of the redirects that were followed, in order; the last one has the answer.
        hops: Vec<ExchangeId>,
    },
}
