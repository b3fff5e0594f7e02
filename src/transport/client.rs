//! The HTTP client: one exchange, as entries.
//!
//! Time is stamped at each read; whatever is done with an entry is done by others. One fresh connection
//! for each exchange, so that its phases are its own. HTTP/1 is read by the parser that the tap has too
//! ([`http1`]), so that heads are known to the byte, and whatever curl reads is read; HTTP/2 is hyper's.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::body_masker::BodyMasker;
use super::failure::Stop;
use super::link::{Dialed, Link, NoLink, connect, secure};
use super::outgoing::{HttpVersion, Outgoing};
use super::proxy::{self, Proxy, peer};
use super::receiver::{ExchangeLog, Receiver, WireState, sleep};
use super::{Backlog, Clock, http1, http2, tls};
use crate::journal::file::seconds;
use crate::journal::{EndCause, Entry, EntryKind, ExchangeId, Micros, REDIRECT_FOLLOWED, Timeout};
use crate::rule::Code;

/// Maximum number of redirects that are followed.
const MAX_REDIRECTS: usize = 10;

/// Interval of the checks that this program still runs while an exchange does.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A heartbeat that is so late was held up by a stop and not by a busy machine, in µs.
const STOPPED: Micros = 2_000_000;

/// Runs an exchange to its end, passing each entry to `tell`. A redirect that is followed is a separate
/// exchange: `next_id` numbers it. Returns the numbers of those, in order.
pub(super) async fn run(
    x: ExchangeId,
    outgoing: Outgoing,
    (clock, backlogs): (Clock, &[Backlog]),
    cancel: CancellationToken,
    next_id: impl Fn() -> ExchangeId,
    emit: impl Fn(Entry),
) -> Vec<ExchangeId> {
    let mut hops = Vec::new();
    let mut hop = (x, outgoing);
    loop {
        let (x, mut outgoing) = hop;
        outgoing.signed_at(clock.wall_clock());
        let exchange = ExchangeLog {
            x,
            clock,
            backlogs,
            emit: &emit,
            echoed: Cell::new(false),
            last: Cell::new(0),
        };
        let may_follow = outgoing.transport.location && hops.len() < MAX_REDIRECTS;
        let Some(next) = exchange.run(&outgoing, &cancel, may_follow).await else { return hops };
        hop = (next_id(), next);
        hops.push(hop.0);
    }
}

/// Returns the cost of a redirect, in words; empty if the very same request went to the same origin.
fn cost(before: &Outgoing, after: &Outgoing) -> String {
    let method =
        (after.method != before.method).then(|| format!("as a {} without the body", after.method));
    let origin = (after.url.origin() != before.url.origin())
        .then(|| "without credentials, to another origin".to_owned());
    let lost: Vec<_> = method.into_iter().chain(origin).collect();
    lost.join(" and ")
}

/// The request that follows a redirect. Credentials go to the same origin only.
fn redirected(outgoing: &Outgoing, (status, location): &(u16, String)) -> Option<Outgoing> {
    let url =
        outgoing.url.join(location).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    let mut next = outgoing.clone();
    if url.origin() != outgoing.url.origin() {
        next.sign = None;
        // Any header may hold a credential: only send another server those that every client sends.
        let plain = ["content-type", "accept", "accept-encoding", "user-agent"];
        let others: Vec<_> =
            next.headers.keys().filter(|k| !plain.contains(&k.as_str())).cloned().collect();
        for name in others {
            next.headers.remove(name);
        }
        next.request.headers.retain(|(k, _)| next.headers.contains_key(k.as_str()));
    }
    if matches!(status, 301..=303) {
        next.method = http::Method::GET;
        next.body = bytes::Bytes::new();
        next.request.method = "GET".into();
        next.request.body = bytes::Bytes::new();
        next.request.masked.clear();
    }
    next.go_to(url);
    Some(next)
}

impl<T: Fn(Entry)> ExchangeLog<'_, T> {
    /// Runs it; returns the request that follows a redirect, if one is to be followed.
    async fn run(
        &self,
        outgoing: &Outgoing,
        cancel: &CancellationToken,
        may_follow: bool,
    ) -> Option<Outgoing> {
        self.emit(self.clock.now(), EntryKind::Request(Box::new(outgoing.request.clone())));
        let mut wire = WireState {
            dialed: Dialed::default(),
            connected: false,
            headed: false,
            masker: BodyMasker::new(outgoing.secrets.clone()),
            follow: None,
        };
        let total = outgoing.limits.total_timeout;
        let stopped = tokio::select! {
            biased;
            () = cancel.cancelled() => Some(Stop::new(EndCause::Cancelled, "")),
            never = self.watch_for_stops() => match never {},
            () = sleep(total) => None,
            stop = self.exchange(outgoing, &mut wire) => Some(stop),
        };
        let at = self.clock.now();
        // Stopped before the headers: report how far it got.
        self.emit_dialed(&mut wire);
        let timeout = || Stop::new(EndCause::Timeout(Timeout::Total), wire.waited(outgoing));
        let stop = stopped.unwrap_or_else(timeout);
        let (bytes, masked) = wire.masker.finish();
        if !bytes.is_empty() {
            self.emit(at, EntryKind::Body { len: 0, bytes, masked });
        }
        let next = wire
            .follow
            .filter(|_| may_follow && stop.cause != EndCause::Cancelled)
            .and_then(|location| redirected(outgoing, &location));
        if let Some(next) = &next {
            let text = cost(outgoing, next);
            let code = REDIRECT_FOLLOWED.into();
            self.emit(at, EntryKind::Note { code, text, since: None });
        }
        let detail = outgoing.secrets.mask(&stop.detail);
        self.emit(at, EntryKind::End { cause: stop.cause, detail });
        next
    }

    /// Notes when this program was stopped, or the machine slept: nothing was read then, and that is
    /// no silence of the server's.
    async fn watch_for_stops(&self) -> Infallible {
        let mut before = (self.clock.now(), self.clock.slept());
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let (now, slept) = (self.clock.now(), self.clock.slept());
            let stopped = now.saturating_sub(before.0);
            if slept.saturating_sub(before.1) >= STOPPED {
                let long = seconds(slept.saturating_sub(before.1));
                let text = format!(
                    "The machine slept for {long:.1} s, {:.1} s into the session",
                    seconds(now)
                );
                self.emit(now, EntryKind::note(Code::Suspended, text));
            } else if stopped >= STOPPED {
                let text = format!(
                    "sselens was stopped for {:.1} s, from {:.1} s to {:.1} s: no stall of the stream",
                    seconds(stopped),
                    seconds(before.0),
                    seconds(now)
                );
                self.emit(now, EntryKind::pause(Code::Suspended, before.0, text));
            }
            before = (now, slept);
        }
    }

    async fn exchange(&self, outgoing: &Outgoing, wire: &mut WireState) -> Stop {
        let (link, proxy) = match self.link(outgoing, &mut wire.dialed).await {
            Ok(linked) => linked,
            Err(stop) => return stop,
        };
        self.emit_dialed(wire);
        let http2 = outgoing.transport.version == Some(HttpVersion::Http2) || link.is_http2();
        let mut receiver = Receiver {
            exchange: self,
            outgoing,
            room: outgoing.limits.max_body.unwrap_or(u64::MAX),
            wire,
        };
        match http2 {
            true => http2::run(link, &mut receiver).await,
            false => http1::run(link, proxy.as_ref(), &mut receiver).await,
        }
    }

    /// Makes the connection, and returns the proxy that requests are sent to as they are.
    async fn link(
        &self,
        outgoing: &Outgoing,
        dialed: &mut Dialed,
    ) -> Result<(Link, Option<Proxy>), Stop> {
        let place = peer(outgoing);
        let linking = link(outgoing, self.clock, &place, dialed);
        let limit = outgoing.limits.connect_timeout;
        let linked = tokio::select! {
            biased;
            linked = linking => linked,
            () = sleep(limit) => {
                let why = format!("{place}: no connection after {:.1} s", seconds(limit.unwrap_or(0)));
                return Err(Stop::new(EndCause::Timeout(Timeout::Connect), why));
            }
            () = sleep(outgoing.limits.idle_timeout) => {
                let why = format!("no connection to {place} yet");
                return Err(Stop::new(EndCause::Timeout(Timeout::Idle), why));
            }
        };
        linked.map_err(|NoLink { cause, why }| Stop::new(cause, why))
    }

    /// The phases before the head, reported when they are known to be over.
    fn emit_dialed(&self, wire: &mut WireState) {
        let Dialed { resolved, connected, tls } = std::mem::take(&mut wire.dialed);
        if let Some((at, addresses)) = resolved {
            self.emit(at, EntryKind::Resolved { addresses });
        }
        wire.connected |= connected.is_some();
        if let Some((at, peer)) = connected {
            self.emit(at, EntryKind::Connected { peer: Some(peer) });
        }
        if let Some((at, detail)) = tls {
            self.emit(at, EntryKind::Tls { detail });
        }
    }
}

/// Connects to the server, or to the proxy that is on the way and through it.
async fn link(
    outgoing: &Outgoing,
    clock: Clock,
    place: &str,
    dialed: &mut Dialed,
) -> Result<(Link, Option<Proxy>), NoLink> {
    let (url, transport) = (&outgoing.url, &outgoing.transport);
    let bad = |why: &dyn std::fmt::Display| NoLink::new(EndCause::Tls, place, why);
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let proxy = proxy::on_the_way(url, transport);
    if proxy.is_none() && transport.proxy.is_some() {
        return Err(NoLink::new(EndCause::Refused, place, "--proxy: not an address of a proxy"));
    }
    let Some(proxy) = proxy else {
        let link = connect((host, port), place, clock, dialed).await?;
        return match url.scheme() {
            "https" => {
                let tls = Arc::new(tls::config(transport).map_err(|e| bad(&e))?);
                Ok((secure(link, host, place, &tls, clock, dialed).await?, None))
            }
            _ => Ok((link, None)),
        };
    };
    let mut link = connect(proxy.place(), place, clock, dialed).await?;
    if proxy.is_secure() {
        let mut tls = tls::config(transport).map_err(|e| bad(&e))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (host, _) = proxy.place();
        link = secure(link, host, place, &Arc::new(tls), clock, dialed).await?;
    }
    if proxy.forwards(url) {
        return Ok((link, Some(proxy)));
    }
    let link = proxy.tunnel(link, (host, port), place).await?;
    match url.scheme() {
        "https" => {
            let tls = Arc::new(tls::config(transport).map_err(|e| bad(&e))?);
            // From here on, a failure is the server's own.
            let place = format!("{host}:{port}");
            Ok((secure(link, host, &place, &tls, clock, dialed).await?, None))
        }
        _ => Ok((link, None)),
    }
}
