//! The journal: what happened on the wire, entry by entry, and the file that keeps it.
//!
//! Nothing here interprets. An entry is a fact with its time; everything that the program says
//! about a stream is a fold over entries (`inspect`), and a file is a list of them.

mod credential;
mod entry;
pub mod file;
mod joined;
mod mask;
mod secrets;

pub use credential::{
    RUN, credential, in_addresses, is_secret_name, is_secret_parameter, is_secret_variable,
    redacted, starred,
};
pub use entry::{
    EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Limit, Micros, REDIRECT_FOLLOWED,
    Request, Side, Timeout,
};
pub use mask::{FoundRun, Masker, MessageMasker, SecretSearch};
pub use secrets::{Secrets, Span};
