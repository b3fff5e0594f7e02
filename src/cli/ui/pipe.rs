//! Standard input as a live exchange.

use std::io::{BufRead, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use crate::journal::{EndCause, Entry, EntryKind};
use crate::storage::file::{self, Bare, BodyHints};
use crate::transport::{Clock, News};

/// Reads standard input to its end, as news. Keys are read from the terminal itself.
pub(super) fn read(
    clock: Clock,
    news: UnboundedSender<News>,
    record: impl Fn(&Entry) + Send + 'static,
    open: Arc<AtomicBool>,
) {
    let work = move || {
        let mut input = std::io::stdin().lock();
        let report = |entries: Vec<Entry>| {
            for entry in entries {
                record(&entry);
                let _ = news.send(News::Entry(entry));
            }
        };
        let mut buffer = vec![0; 64 << 10];
        let mut bare = Bare::new("", &BodyHints::default());
        let mut first = true;
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                // The user stopped it; its end was reported then.
                Ok(_) if !open.load(Ordering::SeqCst) => return,
                Ok(n) => {
                    let at = clock.now();
                    if std::mem::take(&mut first) && is_whole(&buffer[..n]) {
                        return report(whole(&buffer[..n], &mut input));
                    }
                    report(bare.feed(Bytes::copy_from_slice(&buffer[..n]), Some(at)));
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let _ =
                        news.send(News::Trouble { x: None, text: format!("standard input: {e}") });
                    break;
                }
            }
        }
        if open.swap(false, Ordering::SeqCst) {
            report(bare.finish(Some(clock.now())));
        }
    };
    // Without the thread there is nothing to show, and the screen says that nothing was received.
    let _ = std::thread::Builder::new().name("pipe".into()).spawn(work);
}

/// Returns whether a pipe begins like a saved session or an archive.
fn is_whole(begun: &[u8]) -> bool {
    let packed: Vec<u8> =
        begun.iter().take(64).filter(|b| !b.is_ascii_whitespace()).copied().collect();
    [&b"{\"sselens\""[..], b"{\"log\":{"].iter().any(|begin| packed.starts_with(begin))
}

/// A saved session or a HAR that somebody pipes in: no live stream, but no reason to refuse it.
fn whole(begun: &[u8], input: &mut impl BufRead) -> Vec<Entry> {
    file::read(begun.chain(input), "", &BodyHints::default()).map(|r| r.entries).unwrap_or_default()
}

/// Standard input as an exchange, number 0.
pub(super) struct Pipe {
    /// True if it is still being read.
    pub(super) open: Arc<AtomicBool>,
    pub(super) clock: Clock,
    /// Receiver of its entries.
    pub(super) report: Box<dyn Fn(Entry)>,
}

impl Pipe {
    /// Ends it, if it still runs. What arrives after that is ignored.
    pub(super) fn cancel(&self) {
        if self.open.swap(false, Ordering::SeqCst) {
            let what = EntryKind::End { cause: EndCause::Cancelled, detail: String::new() };
            (self.report)(Entry { exchange: 0, at: Some(self.clock.now()), kind: what });
        }
    }
}
