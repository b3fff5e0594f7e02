//! The making of entries from bytes that arrive, with secrets masked.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;

use super::body_masker::BodyMasker;
use super::failure::Stop;
use super::link::Dialed;
use super::outgoing::Outgoing;
use super::proxy::peer;
use super::{Backlog, Clock};
use crate::journal::file::seconds;
use crate::journal::{
    EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Limit, Micros, Timeout, is_secret_name,
};
use crate::rule::Code;

pub(super) struct ExchangeLog<'a, T> {
    pub(super) x: ExchangeId,
    pub(super) clock: Clock,
    pub(super) backlogs: &'a [Backlog],
    pub(super) emit: &'a T,
    /// It was noted that the server quotes a credential.
    pub(super) echoed: Cell<bool>,
    /// Time of the last entry: none is earlier.
    pub(super) last: Cell<Micros>,
}

impl<T: Fn(Entry)> ExchangeLog<'_, T> {
    pub(super) fn emit(&self, at: Micros, what: EntryKind) {
        let at = at.max(self.last.get());
        self.last.set(at);
        (self.emit)(Entry { exchange: self.x, at: Some(at), kind: what });
    }

    /// Notes, once, that the server quotes a credential that was sent.
    fn note_echo(&self, at: Micros, place: &str) {
        if !self.echoed.replace(true) {
            let text = format!("The server quotes a credential of yours in {place} (masked here)");
            self.emit(at, EntryKind::note(Code::CredentialEchoed, text));
        }
    }
}

/// A pause of reading.
struct Pause<'a, 'b, T: Fn(Entry)> {
    exchange: &'a ExchangeLog<'b, T>,
    from: Micros,
    bytes: u64,
}

impl<T: Fn(Entry)> Drop for Pause<'_, '_, T> {
    fn drop(&mut self) {
        let to = self.exchange.clock.now();
        let text = format!(
            "Reading paused from {:.3} s to {:.3} s: {} were read and not yet written or printed",
            seconds(self.from),
            seconds(to),
            crate::text::count(self.bytes, "byte"),
        );
        self.exchange.emit(to, EntryKind::pause(Code::JournalBehind, self.from, text));
    }
}

/// The known state of an exchange, however it is stopped.
pub(super) struct WireState {
    pub(super) dialed: Dialed,
    pub(super) connected: bool,
    /// Response headers arrived that are not interim ones.
    pub(super) headed: bool,
    pub(super) masker: BodyMasker,
    /// Status and location of a redirect.
    pub(super) follow: Option<(u16, String)>,
}

impl WireState {
    /// Returns what had not arrived when the time was over: nothing, once the head is there.
    pub(super) fn waited(&self, outgoing: &Outgoing) -> String {
        match (self.headed, self.connected) {
            (true, _) => String::new(),
            (false, true) => format!("no response headers from {}", peer(outgoing)),
            (false, false) => format!("no connection to {} yet", peer(outgoing)),
        }
    }
}

/// The receiver of what arrives: it becomes entries, secrets masked.
pub(super) struct Receiver<'a, 'b, T> {
    pub(super) exchange: &'a ExchangeLog<'b, T>,
    pub(super) outgoing: &'a Outgoing,
    pub(super) wire: &'a mut WireState,
    /// Number of bytes of a body that may still arrive.
    pub(super) room: u64,
}

impl<T: Fn(Entry)> Receiver<'_, '_, T> {
    pub(super) fn clock(&self) -> Clock {
        self.exchange.clock
    }

    /// Reads nothing while too much waits to be written or printed, and records that: this program's own
    /// silence must not be treated as the server's.
    pub(super) async fn pause_while_full(&self) {
        let backlogs = self.exchange.backlogs;
        let Some(full) = backlogs.iter().find(|backlog| backlog.is_full()) else { return };
        // The pause is reported on drop: when it ends, or when the exchange is stopped during it.
        let _pause =
            Pause { exchange: self.exchange, from: self.clock().now(), bytes: full.bytes() };
        full.room().await;
    }

    /// Waits as long as nothing may arrive, and reports what had not arrived by then.
    pub(super) async fn idle(&self) -> Stop {
        sleep(self.outgoing.limits.idle_timeout).await;
        Stop::new(EndCause::Timeout(Timeout::Idle), self.wire.waited(self.outgoing))
    }

    pub(super) fn head(&mut self, at: Micros, mut head: Head) {
        let secrets = &self.outgoing.secrets;
        let quotes = |(name, value): &(String, String)| {
            !is_secret_name(name) && !secrets.find(value.as_bytes()).is_empty()
        };
        let quoted = head.headers.iter().find(|field| quotes(field)).map(|(name, _)| name.clone());
        if !head.interim {
            self.wire.headed = true;
            let location = head.header("location").map(str::to_owned);
            let redirects = (300..400).contains(&head.status);
            self.wire.follow = location.filter(|_| redirects).map(|to| (head.status, to));
        }
        for (name, value) in &mut head.headers {
            *value = super::request::mask_header(name, value, secrets);
        }
        head.raw = super::request::mask_raw_head(&head.raw, secrets);
        if !head.interim {
            self.wire.masker.head(&head, secrets);
        }
        self.exchange.emit(at, EntryKind::Head(head));
        if let Some(name) = quoted {
            self.exchange.note_echo(at, &format!("the response header `{name}`"));
        }
    }

    /// Takes in bytes of the body.
    ///
    /// # Errors
    /// The limit on bodies is reached.
    pub(super) fn data(&mut self, at: Micros, mut data: Bytes) -> Result<(), Stop> {
        let over = data.len() as u64 > self.room;
        if over {
            data.truncate(self.room as usize);
        }
        self.room -= data.len() as u64;
        let len = data.len() as u32;
        let (bytes, masked) = self.wire.masker.feed(data);
        let echoes = !masked.is_empty() && !self.wire.masker.withholds_unsearched();
        self.exchange.emit(at, EntryKind::Body { len, bytes, masked });
        if echoes {
            self.exchange.note_echo(at, "the response body");
        }
        if let Some(text) = self.wire.masker.note() {
            self.exchange.emit(at, EntryKind::note(Code::BodyWithheld, text));
        }
        if over { Err(Stop::new(EndCause::Limit(Limit::Body), "")) } else { Ok(()) }
    }

    pub(super) fn trailers(&mut self, at: Micros, mut trailers: Headers) {
        for (name, value) in &mut trailers {
            *value = super::request::mask_header(name, value, &self.outgoing.secrets);
        }
        self.exchange.emit(at, EntryKind::Trailers(trailers));
    }

    pub(super) fn note(&self, at: Micros, code: Code, text: &str) {
        self.exchange.emit(at, EntryKind::note(code, self.outgoing.secrets.mask(text)));
    }
}

/// Sleeps so long; forever without a limit.
pub(super) async fn sleep(limit: Option<Micros>) {
    match limit {
        Some(micros) => tokio::time::sleep(Duration::from_micros(micros)).await,
        None => std::future::pending().await,
    }
}
