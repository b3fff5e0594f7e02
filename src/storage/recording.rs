//! A recording in memory, whichever form it was read from.

use bytes::Bytes;

use crate::journal::{Entry, EntryKind, Micros};

/// The user's hints about a bare body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BodyHints {
    /// `--status N`.
    pub status: Option<u16>,
    /// `--content-type T`.
    pub content_type: Option<String>,
    /// `--dialect NAME`: of a saved session it replaces what the requests say.
    pub dialect: Option<String>,
}

/// A recording that was opened.
#[derive(Debug, Default)]
pub struct Recording {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Warnings for the user about the file.
    pub warnings: Vec<String>,
    /// It was saved by this program, and has times.
    pub is_session: bool,
    /// Time of its epoch, RFC 3339 in UTC; empty where it is unknown.
    pub created: String,
    /// The version of this program that wrote it; empty where it was another.
    pub program: String,
}

/// The most bytes of a bare body that are taken at once as an entry.
pub(super) const PIECE: usize = 1 << 20;

/// A body's entries, of number 0.
pub(super) fn body(mut bytes: Bytes, at: Option<Micros>) -> Vec<Entry> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let bytes = bytes.split_to(bytes.len().min(PIECE));
        let what = EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() };
        entries.push(Entry { exchange: 0, at, kind: what });
    }
    entries
}
