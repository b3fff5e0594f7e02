//! One connection of a client: where its requests lead.
//!
//! There is one connection to an upstream for one of the client; it is made when the first request line
//! says where to.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use bytes::Bytes;

use super::Shared;
use super::event::{CompletedResponses, ConnectionId, EventKind};
use super::request::{RequestLine, Requests};
use super::route::{Origin, Route, Upstream};
use crate::journal::Micros;
use crate::transport::link::{self, Dialed, Link, NoLink};

/// One connection of a client.
pub(super) struct Connection {
    pub(super) shared: Rc<Shared>,
    pub(super) id: ConnectionId,
    pub(super) progress: Arc<CompletedResponses>,
    pub(super) requests: Requests,
    /// Number of requests forwarded to the current upstream.
    pub(super) sent: AtomicU32,
    /// Time at which the first byte of the current request was read.
    pub(super) began: Option<Micros>,
    /// The response to the last request may make something else of the connection.
    pub(super) may_upgrade: bool,
    /// The bytes before the first request line.
    pub(super) lead: Vec<u8>,
    /// The way the client ended, where that was read before there was an upstream.
    pub(super) ended: Option<io::Result<()>>,
    /// The upstream of a connection that is decrypted: its requests go nowhere else.
    pub(super) decrypted: Option<Arc<Upstream>>,
}

/// Connects to an upstream; `dialed` records how far it got.
pub(super) async fn dial(
    origin: &Origin,
    shared: &Shared,
    tls: &Arc<rustls::ClientConfig>,
    dialed: &mut Dialed,
) -> Result<Link, NoLink> {
    let to = (origin.host.as_str(), origin.port);
    let place = format!("{}:{}", origin.host, origin.port);
    let link = link::connect(to, &place, shared.clock, dialed).await?;
    match origin.tls {
        true => link::secure(link, to.0, &place, tls, shared.clock, dialed).await,
        false => Ok(link),
    }
}

impl Connection {
    pub(super) fn emit(&self, kind: EventKind) {
        self.shared.emit(self.id, self.shared.clock.now(), kind);
    }

    pub(super) fn emit_at(&self, at: Micros, kind: EventKind) {
        self.shared.emit(self.id, at, kind);
    }

    /// Records that a client cannot be read.
    pub(super) fn unread(&self, upstream: &Arc<Upstream>, why: String) {
        let (url, upstream) = (format!("{}/", upstream.origin.url()), Arc::clone(upstream));
        let began = self.shared.clock.now();
        let x = self.shared.number(&upstream);
        self.emit(EventKind::Unread { x, url, upstream, began, why });
    }

    /// Returns where a request line leads.
    pub(super) fn route(&self, line: &RequestLine) -> Option<Route> {
        let target = &line.target;
        if let Some(upstream) = &self.decrypted {
            return Some(Route { upstream: Arc::clone(upstream), target: target.clone() });
        }
        let Some((scheme, rest)) = target.split_once("://").filter(|_| !target.starts_with('/'))
        else {
            return self.shared.routes.route(target);
        };
        // A client with a proxy setting sends the whole address.
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if self.shared.is_own(authority) {
            return self.shared.routes.route(path);
        }
        if !self.shared.may_proxy || !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        // A login in front of the host is not part of the name.
        let name = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let mut upstream = Upstream::at(name, &format!("http://{authority}")).ok()?;
        // A proxy for a whole program also sees requests that are not calls to providers, so do not record
        // those.
        upstream.is_recorded = self.shared.intercept.is_none();
        Some(Route { upstream: Arc::new(upstream), target: path.to_owned() })
    }

    /// A request begins; returns the bytes of its line as they are forwarded.
    pub(super) fn request(&mut self, line: &RequestLine, route: &Route) -> Bytes {
        let host = route.upstream.origin.authority();
        let at = self.shared.clock.now();
        let began = self.began.take().unwrap_or(at);
        self.emit_at(
            at,
            EventKind::Request {
                x: self.shared.number(&route.upstream),
                method: line.method.clone(),
                url: format!("{}{}", route.upstream.origin.url(), route.target),
                upstream: Arc::clone(&route.upstream),
                began,
            },
        );
        self.may_upgrade |= line.method == "CONNECT";
        // A decrypted client has already named the host itself.
        let host = self.decrypted.is_none().then_some(host.as_str());
        self.requests.go(line, &route.target, host)
    }

    /// Connects to an upstream, for HTTP/2 or not, and reports that.
    pub(super) async fn dial(&self, origin: &Origin, http2: bool) -> Option<Link> {
        let mut dialed = Dialed::default();
        let tls = if http2 { &self.shared.tls_http2 } else { &self.shared.tls };
        match dial(origin, &self.shared, tls, &mut dialed).await {
            Ok(link) => {
                self.emit(EventKind::Dialed(dialed));
                Some(link)
            }
            Err(no) => {
                self.emit(EventKind::NoLink(dialed, no));
                None
            }
        }
    }
}
