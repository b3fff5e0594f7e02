//! Saved sessions and requests, as lists show them.

use std::path::PathBuf;

use crate::journal::{ExchangeId, Micros};

/// A session in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSession {
    /// Its file.
    pub path: PathBuf,
    /// It is kept for good: autosave does not prune it.
    pub pinned: bool,
    /// The file's size in bytes.
    pub size: u64,
    /// Time at which it was begun, RFC 3339 in UTC; empty if the file does not say.
    pub created: String,
    /// Its exchanges; or why they are not known.
    pub exchanges: Result<Vec<SavedExchange>, UnreadSession>,
}

/// Reason that the exchanges of a saved session are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadSession {
    /// Reading it for a list would take too long.
    #[error("large; open it to read it")]
    Large,
    /// It cannot be read; the text names the file.
    #[error("{0}")]
    Failed(String),
}

/// One exchange of a saved session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedExchange {
    /// Its number.
    pub id: ExchangeId,
    /// The host that was asked; empty where no request is known.
    pub host: String,
    /// The model that was asked for.
    pub model: String,
    /// `ok`, `degraded` or `failed`.
    pub outcome: &'static str,
    /// The verdict.
    pub verdict: String,
    /// Microseconds from the request to the first token (TTFT).
    pub first_token: Option<Micros>,
}

/// A request in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// Its file.
    pub path: PathBuf,
    /// Destination and description in one line, or the reason that the file cannot be used.
    pub about: Result<String, String>,
    /// The environments that it names.
    pub environments: Vec<String>,
}

/// A request that was sent, in a saved session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// The session's file.
    pub path: PathBuf,
    /// Time at which the session was begun, RFC 3339 in UTC.
    pub created: String,
    /// The exchange.
    pub exchange: SavedExchange,
    /// The last text of the user in it; empty where there is none.
    pub prompt: String,
}

/// An exchange of a saved session in which a text was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHit {
    /// The session's file.
    pub path: PathBuf,
    /// Time at which the session was begun, RFC 3339 in UTC.
    pub created: String,
    /// The exchange.
    pub exchange: SavedExchange,
    /// In how many places of it.
    pub places: usize,
}
