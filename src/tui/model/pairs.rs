//! The calls of clients of a gateway, and what it made of them.

use super::{Exchange, Model, SideExchange};
use crate::action::Draft;
use crate::inspect::around::{LATE, PairedBy, Pairs};
use crate::journal::{ExchangeId, Micros, Request, is_secret_name};
use crate::text::preview;

/// Headers that the program sets itself, or that concern one connection.
const OWN_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Both sides of a gateway for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) struct PairedCall {
    /// The client's call.
    pub client: ExchangeId,
    /// The calls upstream as far as the one that is compared, in order.
    pub upstream: Vec<ExchangeId>,
    /// By what they were found.
    pub by: PairedBy,
}

impl Model {
    /// Returns which exchanges a gateway made for which.
    pub(in crate::tui) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Decides what can be decided by now; the sides report separately.
    pub(super) fn settle_pairs(&mut self) {
        if self.pairs.waits() {
            self.pairs.settle(Some(self.now.saturating_sub(LATE)));
        }
    }

    /// Returns the time until more is known about pairs; `None` where all is known.
    pub(in crate::tui) fn pairs_wake_in(&self) -> Option<Micros> {
        self.pairs.waits().then_some(LATE)
    }

    /// The pair of the shown exchange, which is a client's call or one that was made for it.
    pub(in crate::tui) fn paired_call(&self) -> Option<PairedCall> {
        let shown = self.exchange().filter(|e| e.file.is_none())?.id;
        let client = self.pairs.owner(shown).map_or(shown, |(client, _)| client);
        let all = self.pairs.upstream(client);
        let upstream = match all.iter().position(|x| *x == shown) {
            Some(at) => all[..=at].to_vec(),
            None => all.to_vec(),
        };
        let by = upstream.iter().filter_map(|x| self.pairs.owner(*x)).map(|(_, by)| by).min()?;
        Some(PairedCall { client, upstream, by })
    }

    /// Compares both sides of the shown pair; returns whether there is one.
    pub(in crate::tui) fn compare_pair(&mut self) -> bool {
        let Some(PairedCall { client, mut upstream, .. }) = self.paired_call() else {
            return false;
        };
        let place = |x: ExchangeId| {
            let found = self.exchanges.iter().rfind(|e| e.id == x && e.file.is_none());
            found.map(|e| (e.id, e.live))
        };
        let last = upstream.pop().and_then(place);
        let (Some(client), Some(last)) = (place(client), last) else { return false };
        let earlier: Vec<SideExchange> = upstream.into_iter().filter_map(place).collect();
        self.compare_around(last, client, earlier);
        true
    }

    /// Puts the shown exchange's request into the editor and sends it.
    pub(in crate::tui) fn send_again(&mut self) {
        let Some(exchange) = self.exchange() else { return };
        let (id, file) = (exchange.id, exchange.file.clone());
        if self.is_running() {
            return self.notify("A stream is running: stop it first");
        }
        if exchange.inspection.web_socket().is_some() {
            return self
                .notify_error("A WebSocket cannot be sent again: its client speaks in turns");
        }
        if let Some(draft) = self.sent_draft(id, exchange.live).filter(|_| file.is_none()) {
            self.request.take(draft);
            return self.send();
        }
        let Some(request) = exchange.inspection.request.clone() else {
            return self.notify_error("Its request is not known: only a body was recorded");
        };
        if request.raw.is_empty() || self.providers().iter().any(|p| p.name == request.provider) {
            self.take_request();
        } else {
            self.request.take(as_tapped(&request));
        }
        self.send();
        let masked: Vec<_> = (request.headers.iter())
            .filter(|(name, value)| is_secret_name(name) && value.contains("***"))
            .map(|(name, _)| preview(name, 40))
            .collect();
        if !masked.is_empty() && self.request.draft().provider.is_empty() {
            self.notify(format!("Sent without {}, which is masked here", masked.join(", ")));
        }
    }
}

/// A request that a tap saw, for the place where it went; without what is masked in it.
fn as_tapped(request: &Request) -> Draft {
    let is_own = |name: &str| OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own));
    let headers = request.headers.iter();
    let headers = headers.filter(|(name, _)| !is_own(name) && !is_secret_name(name));
    Draft {
        model: request.model.clone(),
        url: Some(request.url.clone()),
        method: request.method.clone(),
        headers: headers.cloned().collect(),
        body: request.body.to_vec(),
        ..Draft::default()
    }
}

impl Exchange {
    /// Returns whether it ended with something above info, or runs.
    pub(in crate::tui) fn needs_attention(&self) -> bool {
        self.is_running() || self.inspection.outcome() != crate::inspect::Outcome::Ok
    }
}
