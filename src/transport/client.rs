//! The HTTP client: one exchange, as entries.
//!
//! Time is stamped right after each await that brings something; whatever is done with an entry is
//! done by others. One fresh connection for each exchange, so that its phases are its own. What
//! `reqwest` cannot show is out of sight: header case and order as sent, chunk extensions, interim
//! heads, bytes after the body's end.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::coded::Coded;
use super::failure::{Stop, before_head, chain, in_body, is_loopback, waited};
use super::marks::{HelloMark, MarkLayer, Marks, Resolver};
use super::request::{HttpVersion, Outgoing};
use super::{Backlog, Clock, tls};
use crate::journal::file::seconds;
use crate::journal::{
    EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Limit, Masker, Micros,
    REDIRECT_FOLLOWED, Timeout, is_secret_name,
};
use crate::rule::Code;
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// How many header fields, or trailers, are read.
const MAX_HEADERS: usize = 4096;

/// Runs an exchange to its end, handing each entry to `tell`. A redirect that is followed is an
/// separate exchange: `next_id` numbers it. Returns the numbers of those, in order.
pub(super) async fn run(
    x: ExchangeId,
    outgoing: Outgoing,
    (clock, backlogs): (Clock, &[Backlog]),
    cancel: CancellationToken,
    next_id: impl Fn() -> ExchangeId,
    tell: impl Fn(Entry),
) -> Vec<ExchangeId> {
    let mut hops = Vec::new();
    let mut hop = (x, outgoing);
    loop {
        let (x, mut outgoing) = hop;
        outgoing.signed_at(clock.wall_clock());
        let exchange = Exchange { x, clock, backlogs, tell: &tell, echoed: Cell::new(false) };
        let may_follow = outgoing.transport.location && hops.len() < MAX_REDIRECTS;
        let Some(next) = exchange.run(&outgoing, &cancel, may_follow).await else { return hops };
        hop = (next_id(), next);
        hops.push(hop.0);
    }
}

/// What a redirect cost, in words; empty where the very same request went to the same origin.
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
        // Any header may hold a credential: only what every client sends crosses over.
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

struct Exchange<'a, T> {
    x: ExchangeId,
    clock: Clock,
    backlogs: &'a [Backlog],
    tell: &'a T,
    /// It was noted that the server quotes a credential.
    echoed: Cell<bool>,
}

/// A pause of reading.
struct Pause<'a, 'b, T: Fn(Entry)> {
    exchange: &'a Exchange<'b, T>,
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
        self.exchange.tell(to, EntryKind::note(Code::JournalBehind, text));
    }
}

impl<T: Fn(Entry)> Exchange<'_, T> {
    fn tell(&self, at: Micros, what: EntryKind) {
        (self.tell)(Entry { exchange: self.x, at: Some(at), kind: what });
    }

    /// Runs it; gives the request that follows a redirect, where one is to be followed.
    async fn run(
        &self,
        outgoing: &Outgoing,
        cancel: &CancellationToken,
        may_follow: bool,
    ) -> Option<Outgoing> {
        self.tell(self.clock.now(), EntryKind::Request(Box::new(outgoing.request.clone())));
        let mut masker = Masker::new(outgoing.secrets.clone());
        let total = outgoing.limits.total_timeout;
        let marks = Marks::default();
        let mut follow = None;
        let stop = tokio::select! {
            biased;
            () = cancel.cancelled() => Stop::new(EndCause::Cancelled, ""),
            () = sleep(total) => Stop::new(EndCause::Timeout(Timeout::Total), waited(&marks, outgoing)),
            stop = self.exchange(outgoing, &marks, &mut masker, &mut follow) => stop,
        };
        let at = self.clock.now();
        // Stopped before the head: how far it had come.
        self.tell_marks(&marks, None);
        let (bytes, masked) = masker.finish();
        if !bytes.is_empty() {
            self.tell(at, EntryKind::Body { len: 0, bytes, masked });
        }
        let next = follow
            .filter(|_| may_follow && stop.cause != EndCause::Cancelled)
            .and_then(|location| redirected(outgoing, &location));
        if let Some(next) = &next {
            let text = cost(outgoing, next);
            self.tell(at, EntryKind::Note { code: REDIRECT_FOLLOWED.into(), text });
        }
        let detail = outgoing.secrets.mask(&stop.detail);
        self.tell(at, EntryKind::End { cause: stop.cause, detail });
        next
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        marks: &Marks,
        masker: &mut Masker,
        follow: &mut Option<(u16, String)>,
    ) -> Stop {
        let client = match client(outgoing, self.clock, marks) {
            Ok(client) => client,
            Err(stop) => return stop,
        };
        let request = client
            .request(outgoing.method.clone(), outgoing.url.clone())
            .headers(outgoing.headers.clone())
            .body(outgoing.body.clone());
        let idle = outgoing.limits.idle_timeout;
        let sent = tokio::select! {
            biased;
            sent = request.send() => sent,
            () = sleep(idle) => {
                return Stop::new(EndCause::Timeout(Timeout::Idle), waited(marks, outgoing));
            }
        };
        let at = self.clock.now();
        let response = match sent {
            Ok(response) => response,
            Err(e) => return before_head(&e, marks.connected(), outgoing),
        };
        self.tell_marks(
            marks,
            response
                .extensions()
                .get::<hyper_util::client::legacy::connect::HttpInfo>()
                .map(|i| i.remote_addr()),
        );
        let head = Head {
            status: response.status().as_u16(),
            version: format!("{:?}", response.version()),
            headers: headers(response.headers(), &outgoing.secrets),
            ..Head::default()
        };
        if (300..400).contains(&head.status)
            && let Some(location) = response.headers().get("location").and_then(|l| l.to_str().ok())
        {
            *follow = Some((head.status, location.to_owned()));
        }
        let announced = head.header("content-length").is_some()
            || head.header("transfer-encoding").is_some_and(|t| t.contains("chunked"))
            || response.version() >= http::Version::HTTP_2
            || matches!(head.status, 204 | 304)
            || outgoing.method == http::Method::HEAD;
        let coded = Coded::of(&head, &outgoing.secrets);
        self.tell(at, EntryKind::Head(head));
        if let Some((name, _)) = response.headers().iter().find(|(name, value)| {
            !is_secret_name(name.as_str()) && !outgoing.secrets.find(value.as_bytes()).is_empty()
        }) {
            self.note_echo(at, &format!("the response header `{name}`"));
        }
        let body = http::Response::from(response).into_body();
        self.body(body, outgoing, masker, coded, announced).await
    }

    async fn body(
        &self,
        mut body: reqwest::Body,
        outgoing: &Outgoing,
        masker: &mut Masker,
        mut coded: Option<Coded>,
        announced: bool,
    ) -> Stop {
        let mut room = outgoing.limits.max_body.unwrap_or(u64::MAX);
        loop {
            self.pause_while_full().await;
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = sleep(outgoing.limits.idle_timeout) => {
                    return Stop::new(EndCause::Timeout(Timeout::Idle), "");
                }
            };
            let at = self.clock.now();
            let frame = match frame {
                None if announced => return Stop::new(EndCause::Complete, ""),
                None => return Stop::new(EndCause::Closed, ""),
                Some(Err(e)) => return in_body(&e),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                // HTTP/2 ends some bodies with an empty frame.
                Ok(data) if data.is_empty() => {}
                Ok(mut data) => {
                    let over = data.len() as u64 >= room && data.len() as u64 > room;
                    if over {
                        data.truncate(room as usize);
                    }
                    room -= data.len() as u64;
                    let len = data.len() as u32;
                    let keep = coded.as_mut().map_or(data.len(), |c| c.keeps(&data));
                    let withheld = data.split_off(keep).len();
                    let (mut bytes, mut masked) = masker.feed(data);
                    if withheld > 0 {
                        let (stars, span) = masker.withhold(withheld);
                        bytes = [bytes, stars].concat().into();
                        masked.extend(span);
                    }
                    let echoes = !masked.is_empty();
                    self.tell(at, EntryKind::Body { len, bytes, masked });
                    if echoes {
                        self.note_echo(at, "the response body");
                    }
                    if let Some(text) = coded.as_mut().and_then(Coded::note) {
                        self.tell(at, EntryKind::note(Code::BodyWithheld, text));
                    }
                    if over {
                        return Stop::new(EndCause::Limit(Limit::Body), "");
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let trailers = headers(&trailers, &outgoing.secrets);
                        self.tell(at, EntryKind::Trailers(trailers));
                    }
                }
            }
        }
    }

    /// Notes, once, that the server quotes a credential that was sent.
    fn note_echo(&self, at: Micros, place: &str) {
        if !self.echoed.replace(true) {
            let text = format!("The server quotes a credential of yours in {place} (masked here)");
            self.tell(at, EntryKind::note(Code::CredentialEchoed, text));
        }
    }

    /// Reads nothing while too much waits to be written or printed, and records that: a silence of
    /// this program's own must not be taken for the server's.
    async fn pause_while_full(&self) {
        let Some(full) = self.backlogs.iter().find(|backlog| backlog.is_full()) else { return };
        // Reported when it is dropped: at the end of the pause, or when the exchange is stopped in it.
        let _pause = Pause { exchange: self, from: self.clock.now(), bytes: full.bytes() };
        full.room().await;
    }

    /// The phases before the head, reported when they are known to be over.
    fn tell_marks(&self, marks: &Marks, peer: Option<SocketAddr>) {
        let Ok(mut marks) = marks.0.lock() else { return };
        if std::mem::replace(&mut marks.told, true) {
            return;
        }
        if let Some((at, addresses)) = &marks.resolved {
            let addresses = addresses.iter().map(|a| a.ip().to_string()).collect();
            self.tell(*at, EntryKind::Resolved { addresses });
        }
        let tcp = marks.hello.or(marks.connected);
        if let Some(at) = tcp {
            self.tell(at, EntryKind::Connected { peer: peer.map(|p| p.to_string()) });
        }
        if let (Some(_), Some(at)) = (marks.hello, marks.connected) {
            self.tell(at, EntryKind::Tls { detail: "TLS handshake done".into() });
        }
    }
}

/// Sleeps so long; forever without a limit.
async fn sleep(limit: Option<Micros>) {
    match limit {
        Some(micros) => tokio::time::sleep(Duration::from_micros(micros)).await,
        None => std::future::pending().await,
    }
}

fn headers(map: &http::HeaderMap, secrets: &crate::journal::Secrets) -> Headers {
    map.iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), super::request::mask_header(name.as_str(), &value, secrets))
        })
        .collect()
}

fn client(outgoing: &Outgoing, clock: Clock, marks: &Marks) -> Result<reqwest::Client, Stop> {
    let transport = &outgoing.transport;
    let bad = |why: tls::TlsError| Stop::new(EndCause::Tls, why.to_string());
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true)
        // What curl reads is read: it has no limit but 300 KB of a head.
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .dns_resolver(Arc::new(Resolver { clock, marks: marks.clone() }))
        .connector_layer(MarkLayer { clock, marks: marks.clone() });
    if let Some(micros) = outgoing.limits.connect_timeout {
        builder = builder.connect_timeout(Duration::from_micros(micros));
    }
    builder = match transport.version {
        Some(HttpVersion::Http1) => builder.http1_only(),
        Some(HttpVersion::Http2) => builder.http2_prior_knowledge(),
        None => builder,
    };
    if let Some(proxy) = &transport.proxy {
        let proxy = reqwest::Proxy::all(proxy.as_str());
        builder = builder
            .proxy(proxy.map_err(|e| Stop::new(EndCause::Refused, format!("--proxy: {e}")))?);
    } else if is_loopback(&outgoing.url) {
        // A proxy of the environment is no way to this machine itself.
        builder = builder.no_proxy();
    }
    let mut tls = if outgoing.url.scheme() == "https" || transport.proxy.is_some() {
        tls::config(transport).map_err(bad)?
    } else {
        // Without this, reqwest would load the trust store, which may not be there, for http://.
        tls::config(&super::request::Transport { insecure: true, ..transport.clone() })
            .map_err(bad)?
    };
    tls.resumption =
        rustls::client::Resumption::store(Arc::new(HelloMark { clock, marks: marks.clone() }));
    builder
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|e| Stop::new(EndCause::Refused, chain(&e)))
}
