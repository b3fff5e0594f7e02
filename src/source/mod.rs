//! Sources of entries: the network, a file, a pipe; and the one clock.

mod client;
mod clock;
pub mod curl;
mod engine;
pub mod file;
mod recorder;
pub mod request;
mod tls;

pub use clock::Clock;
pub use engine::Engine;
pub use recorder::{Autosave, Recorder};

use crate::journal::{Entry, ExchangeId};

/// What is to be sent, as the editor or the command line has it: text that nobody has
/// interpreted yet. `Config::resolve` turns it into a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Name of the provider.
    pub provider: String,
    /// The model; empty for the provider's default.
    pub model: String,
    /// The exact address, instead of the provider's base URL and path.
    pub url: Option<String>,
    /// The dialect, instead of the provider's.
    pub dialect: Option<String>,
    /// The method; `POST` where it is empty.
    pub method: String,
    /// Headers beside the provider's; one of the same name replaces it.
    pub headers: Vec<(String, String)>,
    /// The body, sent byte for byte.
    pub body: Vec<u8>,
}

/// What the sources tell whoever listens.
#[derive(Debug, Clone)]
pub enum News {
    /// An entry, in order of arrival.
    Entry(Entry),
    /// The journal file could not be written any more, or lags behind; the stream goes on.
    Trouble {
        /// The exchange that was running, if any.
        x: Option<ExchangeId>,
        /// What happened.
        text: String,
    },
}
