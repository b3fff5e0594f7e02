//! One connection of a client: where its requests lead, from its first byte to its end.
//!
//! There is one connection to an upstream for one of the client; it is made when the first request line
//! says where to.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Shared;
use super::client::{self, ClientSocket};
use super::event::{CompletedResponses, ConnectionId, EventKind};
use super::pump::{READ, Up, break_off};
use super::request::{NoRequest, RequestLine, RequestStep, Requests};
use super::route::{Origin, Route, Upstream};
use crate::journal::Micros;
use crate::transport::http1::head;
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
    lead: Vec<u8>,
    /// The way the client ended, where that was read before there was an upstream.
    pub(super) ended: Option<io::Result<()>>,
    /// The upstream of a connection that is decrypted: its requests go nowhere else.
    pub(super) decrypted: Option<Arc<Upstream>>,
}

/// Serves a client from its first byte to its end.
pub(super) async fn serve(client: TcpStream, shared: Rc<Shared>, id: ConnectionId) {
    // A socket that refuses this is closed already, which the first read tells.
    let _ = client.set_nodelay(true);
    let progress = Arc::new(CompletedResponses::default());
    let mut connection = Connection {
        shared,
        id,
        progress,
        requests: Requests::new(),
        sent: AtomicU32::new(0),
        began: None,
        may_upgrade: false,
        lead: Vec::new(),
        ended: None,
        decrypted: None,
    };
    let opened = EventKind::Open { responses: Arc::clone(&connection.progress) };
    connection.tell(opened);
    connection.run(ClientSocket::Left(client)).await;
    connection.tell(EventKind::Closed);
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

/// The meaning of a connection's first bytes.
enum First {
    /// A request, with where it goes.
    Request(RequestLine, Route),
    /// A tunnel to this place.
    Tunnel(String),
    /// HTTP/2.
    Http2,
    /// Bytes that are not HTTP, for the only upstream.
    Opaque(Arc<Upstream>),
    /// Nothing: the connection is over.
    Nothing,
}

impl Connection {
    pub(super) fn tell(&self, kind: EventKind) {
        self.shared.tell(self.id, self.shared.clock.now(), kind);
    }

    pub(super) fn tell_at(&self, at: Micros, kind: EventKind) {
        self.shared.tell(self.id, at, kind);
    }

    async fn run(&mut self, client: ClientSocket) {
        let mut client = client;
        let mut first = self.first(&mut client).await;
        loop {
            let origin = match &first {
                First::Nothing => return,
                First::Http2 => return self.http2(client).await,
                First::Tunnel(place) => match self.decrypt(client, place).await {
                    Some(decrypted) => {
                        client = decrypted;
                        first = self.first(&mut client).await;
                        continue;
                    }
                    None => return,
                },
                First::Opaque(upstream) => upstream.origin.clone(),
                First::Request(_, route) => route.upstream.origin.clone(),
            };
            let mut lead = std::mem::take(&mut self.lead);
            let requests = match &first {
                First::Request(line, route) => {
                    lead.extend_from_slice(&self.request(line, route));
                    1
                }
                _ => 0,
            };
            let Some(mut link) = self.dial(&origin, false).await else {
                return link::reset(client::socket(&client));
            };
            self.sent.store(requests, Ordering::Relaxed);
            let (up, down) = self.pump(&mut client, &mut link, lead, &origin).await;
            match (up, down) {
                (Some(Up::Elsewhere(line, route)), None) => {
                    // The old connection is closed, and its responses were complete.
                    drop(link);
                    self.tell(EventKind::Closed);
                    self.progress = Arc::default();
                    self.tell(EventKind::Open { responses: Arc::clone(&self.progress) });
                    first = First::Request(line, route);
                }
                ends => return break_off(ends, &client, link).await,
            }
        }
    }

    /// Waits for the first request line, and finds out where it leads to.
    async fn first(&mut self, client: &mut ClientSocket) -> First {
        let mut buffer = vec![0; READ];
        let mut inside_tunnel = false;
        loop {
            match self.requests.step() {
                RequestStep::Line(line)
                    if line.method == "CONNECT" && !inside_tunnel && self.decrypted.is_none() =>
                {
                    if !self.swallow(client, &mut buffer).await {
                        return First::Nothing;
                    }
                    if !self.shared.is_own(&line.target) {
                        return First::Tunnel(line.target);
                    }
                    let yes = b"HTTP/1.1 200 Connection established\r\n\r\n";
                    if client.write_all(yes).await.is_err() {
                        return First::Nothing;
                    }
                    inside_tunnel = true;
                }
                RequestStep::Line(line) => match self.route(&line) {
                    Some(route) => return First::Request(line, route),
                    None => {
                        self.no_route(client, &line).await;
                        return First::Nothing;
                    }
                },
                RequestStep::NoRequest(NoRequest::Http2) if self.lead.is_empty() => {
                    return First::Http2;
                }
                RequestStep::NoRequest(why) => return self.no_request(&why),
                // Blank lines before the first request: whoever it is for gets them too.
                RequestStep::Forward(bytes) => self.lead.extend_from_slice(&bytes),
                RequestStep::More => {
                    let n = client::read(client, &mut buffer).await;
                    let at = self.shared.clock.now();
                    match n {
                        Ok(0) | Err(_) if !self.requests.is_inside() && self.lead.is_empty() => {
                            return First::Nothing;
                        }
                        // Half a request line: whoever it is for gets it.
                        end @ (Ok(0) | Err(_)) => {
                            self.ended = Some(end.map(drop));
                            return self.no_request(&NoRequest::Incomplete);
                        }
                        Ok(n) => {
                            self.began.get_or_insert(at);
                            self.requests.push(&buffer[..n]);
                        }
                    }
                }
            }
        }
    }

    fn no_request(&mut self, why: &NoRequest) -> First {
        match self.shared.routes.only() {
            Some(upstream) => {
                let upstream = Arc::clone(upstream);
                self.tell(EventKind::Trouble(format!("{why}; forwarded unread")));
                self.requests.become_opaque();
                First::Opaque(upstream)
            }
            None => {
                self.tell(EventKind::Trouble(format!("{why}; the connection is closed")));
                First::Nothing
            }
        }
    }

    /// Records that a client cannot be read.
    pub(super) fn unread(&self, upstream: &Arc<Upstream>, why: String) {
        let (url, upstream) = (format!("{}/", upstream.origin.url()), Arc::clone(upstream));
        let began = self.shared.clock.now();
        let x = self.shared.number(&upstream);
        self.tell(EventKind::Unread { x, url, upstream, began, why });
    }

    /// Takes the rest of a head away; false when the connection ends before.
    async fn swallow(&mut self, client: &mut ClientSocket, buffer: &mut [u8]) -> bool {
        while self.requests.swallow_head().is_none() {
            match client::read(client, buffer).await {
                Ok(n @ 1..) => self.requests.push(&buffer[..n]),
                _ => return false,
            }
            if self.requests.pending().len() > head::MAX_HEAD {
                return false;
            }
        }
        true
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
        // A client behind a proxy setting sends the whole address.
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
        // A login before the host is no name.
        let name = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let mut upstream = Upstream::at(name, &format!("http://{authority}")).ok()?;
        // A proxy for a whole program sees more than its calls to providers.
        upstream.is_recorded = self.shared.intercept.is_none();
        Some(Route { upstream: Arc::new(upstream), target: path.to_owned() })
    }

    /// Says to the client that nothing is known about where its request goes.
    async fn no_route(&mut self, client: &mut ClientSocket, line: &RequestLine) {
        let what = line.shown();
        let why = format!("no upstream for {what}: its path names no provider; name one with --to");
        let body = format!("sselens tap: {why}\n");
        let answer = format!(
            "HTTP/1.1 421 Misdirected Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        self.tell(EventKind::Trouble(why));
        client::last_word(client, answer.as_bytes()).await;
    }

    /// A request begins; returns the bytes of its line as they are forwarded.
    pub(super) fn request(&mut self, line: &RequestLine, route: &Route) -> Bytes {
        let host = route.upstream.origin.authority();
        let at = self.shared.clock.now();
        let began = self.began.take().unwrap_or(at);
        self.tell_at(
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
        // A client that was decrypted has named the host itself.
        let host = self.decrypted.is_none().then_some(host.as_str());
        self.requests.go(line, &route.target, host)
    }

    /// Connects to an upstream, for HTTP/2 or not, and reports that.
    pub(super) async fn dial(&self, origin: &Origin, http2: bool) -> Option<Link> {
        let mut dialed = Dialed::default();
        let tls = if http2 { &self.shared.tls_http2 } else { &self.shared.tls };
        match dial(origin, &self.shared, tls, &mut dialed).await {
            Ok(link) => {
                self.tell(EventKind::Dialed(dialed));
                Some(link)
            }
            Err(no) => {
                self.tell(EventKind::NoLink(dialed, no));
                None
            }
        }
    }
}
