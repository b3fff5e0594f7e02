//! Data that was read and is not yet written or printed, bounded in bytes.
//!
//! A reader that is quicker than the disk or than whoever reads standard output would fill the memory. At the
//! bound it pauses, so that the server is slowed down as by any slow client, and the recording says when and
//! for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::journal::{Entry, EntryKind};

/// Number of bytes that may wait by default.
const MOST: u64 = 64 << 20;

/// Cost of an entry in addition to its bytes.
const ENTRY: u64 = 160;

/// Entries that wait for a consumer. A clone is the same.
#[derive(Debug, Clone)]
pub struct Backlog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: AtomicU64,
    most: AtomicU64,
    less: Notify,
}

/// Returns how many bytes an entry is counted with.
fn size(entry: &Entry) -> u64 {
    let bytes = match &entry.kind {
        EntryKind::Body { bytes, .. } | EntryKind::Sent { bytes, .. } => bytes.len(),
        EntryKind::Request(request) => request.body.len(),
        _ => 0,
    };
    bytes as u64 + ENTRY
}

impl Default for Backlog {
    fn default() -> Self {
        let (bytes, most) = (AtomicU64::new(0), AtomicU64::new(MOST));
        Self(Arc::new(Inner { bytes, most, less: Notify::new() }))
    }
}

impl Backlog {
    /// Sets how many bytes may wait.
    pub fn bound(&self, most: u64) {
        self.0.most.store(most, Ordering::Relaxed);
    }

    fn most(&self) -> u64 {
        self.0.most.load(Ordering::Relaxed)
    }

    /// Counts an entry that begins to wait.
    pub fn add(&self, entry: &Entry) {
        self.0.bytes.fetch_add(size(entry), Ordering::Relaxed);
    }

    /// Takes off an entry that was dealt with.
    pub fn done(&self, entry: &Entry) {
        let before = self.0.bytes.fetch_sub(size(entry), Ordering::Relaxed);
        if before.saturating_sub(size(entry)) <= self.most() / 2 {
            self.0.less.notify_waiters();
        }
    }

    /// Returns how many bytes wait.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Returns whether no more should be read.
    pub fn is_full(&self) -> bool {
        self.bytes() > self.most()
    }

    /// Waits until half of what may wait is free.
    pub async fn room(&self) {
        loop {
            let less = self.0.less.notified();
            if self.bytes() <= self.most() / 2 {
                return;
            }
            less.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_backlog_waits_for_room() {
        let entry = Entry {
            exchange: 0,
            at: None,
            kind: EntryKind::Body {
                len: 1 << 20,
                bytes: vec![0; 1 << 20].into(),
                masked: Vec::new(),
            },
        };
        let backlog = Backlog::default();
        while !backlog.is_full() {
            backlog.add(&entry);
        }
        assert!(backlog.bytes() < MOST + (2 << 20));
        let other = backlog.clone();
        let waits = tokio::spawn(async move { other.room().await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        while backlog.bytes() > MOST / 2 {
            backlog.done(&entry);
        }
        waits.await.unwrap();
    }
}
