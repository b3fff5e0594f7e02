//! Credentials that a person or another program wrote into a session: what this program records has none.

use std::collections::HashMap;

use bytes::Bytes;

use crate::frame::web_socket::Sender;
use crate::journal::{Entry, EntryKind, ExchangeId, Headers, Secrets};
use crate::transport::BodyMasker;
use crate::transport::request::{mask_header, mask_raw_head, mask_recorded};
use crate::transport::web_socket::{Settled, WebSocketMasker};

/// One exchange, as far as it was read.
#[derive(Default)]
struct UnfinishedExchange {
    secrets: Secrets,
    masker: BodyMasker,
    web_socket: Option<WebSocketMasker>,
    /// The positions of its reads among the entries: those of the server, and those of a WebSocket's client.
    reads: [Vec<usize>; 2],
    /// The reads of a WebSocket that are settled, of each side.
    settled: [Vec<Settled>; 2],
}

/// Masks what the requests in these entries, and the messages of clients, say is secret: there, and in all else of the
/// same exchange.
pub(super) fn mask(entries: &mut [Entry]) {
    let mut exchanges = HashMap::<ExchangeId, UnfinishedExchange>::new();
    for i in 0..entries.len() {
        let Some(entry) = entries.get_mut(i) else { continue };
        exchanges.entry(entry.exchange).or_default().entry(i, entry);
    }
    for exchange in exchanges.into_values() {
        exchange.finish(entries);
    }
}

impl UnfinishedExchange {
    fn entry(&mut self, i: usize, entry: &mut Entry) {
        let at = entry.at.unwrap_or_default();
        match &mut entry.kind {
            EntryKind::Request(request) => {
                self.secrets.extend(&mask_recorded(request));
                self.masker = BodyMasker::new(self.secrets.clone());
                request.raw = raw_head(&request.raw, &self.secrets);
                for warning in &mut request.warnings {
                    *warning = self.secrets.mask(warning);
                }
            }
            EntryKind::Head(head) => {
                self.fields(&mut head.headers);
                head.raw = raw_head(&head.raw, &self.secrets);
                self.web_socket = WebSocketMasker::of(head).or(self.web_socket.take());
                self.masker.head(head, &self.secrets);
            }
            EntryKind::Trailers(headers) => self.fields(headers),
            EntryKind::Body { bytes, .. } if self.web_socket.is_some() => {
                self.message(Sender::Server, i, at, bytes.clone());
            }
            EntryKind::Sent { bytes, .. } => self.message(Sender::Client, i, at, bytes.clone()),
            EntryKind::Body { bytes, masked, .. } if !self.secrets.is_empty() => {
                self.reads[0].push(i);
                let (clean, spans) = self.masker.feed(std::mem::take(bytes));
                *bytes = clean;
                masked.extend(spans);
            }
            EntryKind::Note { text, .. } | EntryKind::End { detail: text, .. } => {
                *text = self.secrets.mask(text);
            }
            EntryKind::Resolved { addresses } => {
                for address in addresses {
                    *address = self.secrets.mask(address);
                }
            }
            EntryKind::Connected { peer: Some(text) } | EntryKind::Tls { detail: text } => {
                *text = self.secrets.mask(text);
            }
            EntryKind::Connected { peer: None }
            | EntryKind::Bare { .. }
            | EntryKind::Body { .. } => {}
        }
    }

    fn fields(&self, headers: &mut Headers) {
        for (name, value) in headers.iter_mut().filter(|(_, value)| !is_masked(value.as_bytes())) {
            *value = mask_header(name, value, &self.secrets);
        }
    }

    /// Takes a read of a WebSocket.
    fn message(&mut self, sender: Sender, i: usize, at: u64, bytes: Bytes) {
        let Some(web_socket) = &mut self.web_socket else { return };
        let side = usize::from(sender == Sender::Client);
        self.reads[side].push(i);
        self.settled[side].extend(web_socket.take(sender, at, bytes, &mut self.secrets));
    }

    /// Nothing more of it is there: what was held back is put where it was taken from.
    fn finish(mut self, entries: &mut [Entry]) {
        for sender in [Sender::Server, Sender::Client] {
            let side = usize::from(sender == Sender::Client);
            let Some(web_socket) = &mut self.web_socket else { break };
            self.settled[side].extend(web_socket.finish(sender, &mut self.secrets));
            // All reads are settled by now, in order.
            for (i, settled) in self.reads[side].iter().zip(std::mem::take(&mut self.settled[side]))
            {
                if let Some(
                    EntryKind::Body { bytes, masked, .. } | EntryKind::Sent { bytes, masked, .. },
                ) = entries.get_mut(*i).map(|entry| &mut entry.kind)
                {
                    *bytes = settled.bytes;
                    masked.extend(settled.masked);
                }
            }
            self.reads[side].clear();
        }
        let (rest, spans) = self.masker.finish();
        let last = self.reads[0].last().and_then(|i| entries.get_mut(*i));
        if let Some(EntryKind::Body { bytes, masked, .. }) = last.map(|entry| &mut entry.kind)
            && !rest.is_empty()
        {
            *bytes = [&bytes[..], &rest].concat().into();
            masked.extend(spans);
        }
    }
}

/// A head whose lines that were masked already stay as they are: what was left of a value is left.
fn raw_head(raw: &Bytes, secrets: &Secrets) -> Bytes {
    if raw.is_empty() {
        return raw.clone();
    }
    let clean = mask_raw_head(raw, secrets);
    let lines = |bytes: &Bytes| {
        bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let pairs = lines(raw).into_iter().zip(lines(&clean));
    pairs.flat_map(|(was, is)| if is_masked(&was) { was } else { is }).collect::<Vec<u8>>().into()
}

/// Returns whether a secret was masked in it before.
fn is_masked(value: &[u8]) -> bool {
    memchr::memmem::find(value, b"**").is_some()
}
