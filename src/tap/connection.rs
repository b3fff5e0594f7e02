//! One connection of a client: the pump.
//!
//! Bytes go on as they are read, in both directions at once, and a copy goes to the observer. A close
//! is forwarded as a close, a half-close as a half-close, a reset as a reset. There is one connection
//! to an upstream for one of the client; it is made when the first request line says where to.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Shared;
use super::client::Client;
use super::event::{ConnectionId, EventKind, Party, Progress};
use super::request::{Line, NoRequest, Requests, Seen, Step};
use super::route::{Origin, Route, Upstream};
use crate::journal::Micros;
use crate::transport::http1::head;
use crate::transport::link::{self, Dialed, Link, NoLink};
use crate::transport::stamp::{self, Stamps};

/// The most bytes of one read.
const READ: usize = 64 << 10;

/// How long what was written has to reach the other side's program before a reset: on some systems
/// a reset takes with it what was not read yet.
const BEFORE_RESET: Duration = Duration::from_millis(20);

/// How long a client that is gone may still have something to say to the upstream.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How the client's half ended, or paused.
enum Up {
    /// The client closed its sending side, and that was forwarded.
    Closed,
    /// The client reset the connection.
    Reset,
    /// The upstream does not take anything any more.
    Refused,
    /// The next request goes somewhere else.
    Elsewhere(Line, Route),
    /// What the client sends leads nowhere.
    Nowhere,
}

/// How the upstream's half ended.
enum Down {
    /// The upstream closed its sending side, and that was forwarded.
    Closed,
    /// The upstream reset the connection.
    Reset,
    /// The client does not take anything any more.
    Refused,
}

/// One connection of a client.
pub(super) struct Connection {
    pub(super) shared: Rc<Shared>,
    pub(super) id: ConnectionId,
    progress: Arc<Progress>,
    pub(super) requests: Requests,
    /// How many requests were forwarded to the upstream at hand.
    sent: AtomicU32,
    /// When the first byte of the request at hand was read.
    began: Option<Micros>,
    /// The response to the last request may make something else of the connection.
    may_upgrade: bool,
    /// What comes before the first request line.
    lead: Vec<u8>,
    /// How the client ended, where that was read before there was an upstream.
    ended: Option<io::Result<()>>,
    /// The upstream of a connection that is decrypted: its requests go nowhere else.
    pub(super) decrypted: Option<Arc<Upstream>>,
}

/// Serves a client from its first byte to its end.
pub(super) async fn serve(client: TcpStream, shared: Rc<Shared>, id: ConnectionId) {
    // A socket that refuses this is closed already, which the first read tells.
    let _ = client.set_nodelay(true);
    let progress = Arc::new(Progress::default());
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
    connection.run(Client::Plain(client)).await;
    connection.tell(EventKind::Closed);
}

/// Connects to an upstream; `dialed` gets how far it came.
pub(super) async fn dial(
    origin: &Origin,
    shared: &Shared,
    dialed: &mut Dialed,
) -> Result<Link, NoLink> {
    let to = (origin.host.as_str(), origin.port);
    let place = format!("{}:{}", origin.host, origin.port);
    let link = link::connect(to, &place, shared.clock, dialed).await?;
    match origin.tls {
        true => link::secure(link, to.0, &place, &shared.tls, shared.clock, dialed).await,
        false => Ok(link),
    }
}

/// What the first bytes ask for.
enum First {
    /// A request, with where it goes.
    Request(Line, Route),
    /// A tunnel to this place.
    Tunnel(String),
    /// Bytes that are not HTTP, for the only upstream.
    Opaque(Arc<Upstream>),
    /// Nothing: the connection is over.
    Nothing,
}

impl Connection {
    pub(super) fn tell(&self, kind: EventKind) {
        self.shared.tell(self.id, self.shared.clock.now(), kind);
    }

    fn tell_at(&self, at: Micros, kind: EventKind) {
        self.shared.tell(self.id, at, kind);
    }

    async fn run(&mut self, client: Client) {
        let mut client = client;
        let mut first = self.first(&mut client).await;
        loop {
            let origin = match &first {
                First::Nothing => return,
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
            let Some(mut link) = self.dial(&origin).await else {
                return link::reset(client.socket());
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
                (Some(Up::Reset), _) | (_, Some(Down::Refused)) => {
                    tokio::time::sleep(BEFORE_RESET).await;
                    return link.reset();
                }
                (Some(Up::Refused), _) | (_, Some(Down::Reset)) => {
                    tokio::time::sleep(BEFORE_RESET).await;
                    return link::reset(client.socket());
                }
                _ => return,
            }
        }
    }

    /// Waits for the first request line, and finds out where it leads to.
    async fn first(&mut self, client: &mut Client) -> First {
        let mut buffer = vec![0; READ];
        let mut inside_tunnel = false;
        loop {
            match self.requests.step() {
                Step::Line(line)
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
                Step::Line(line) => match self.route(&line) {
                    Some(route) => return First::Request(line, route),
                    None => {
                        self.no_route(client, &line).await;
                        return First::Nothing;
                    }
                },
                Step::NoRequest(why) => return self.no_request(&why),
                // Blank lines before the first request: whoever it is for gets them too.
                Step::Forward(bytes) => self.lead.extend_from_slice(&bytes),
                Step::More => {
                    let n = client.read(&mut buffer).await;
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
                match why {
                    NoRequest::Http2 => self.unread(&upstream, why),
                    _ => self.tell(EventKind::Trouble(format!("{why}; forwarded unread"))),
                }
                self.requests.become_opaque();
                First::Opaque(upstream)
            }
            None if *why == NoRequest::Http2 => {
                let text = format!("{why}; name an upstream with --to, and it is forwarded unread");
                self.tell(EventKind::Trouble(text));
                First::Nothing
            }
            None => {
                self.tell(EventKind::Trouble(format!("{why}; the connection is closed")));
                First::Nothing
            }
        }
    }

    /// Records that a client cannot be read.
    pub(super) fn unread(&self, upstream: &Arc<Upstream>, why: &NoRequest) {
        let (url, upstream) = (format!("{}/", upstream.origin.url()), Arc::clone(upstream));
        let (began, why) = (self.shared.clock.now(), why.to_string());
        self.tell(EventKind::Unread { url, upstream, began, why });
    }

    /// Takes the rest of a head away; false when the connection ends before.
    async fn swallow(&mut self, client: &mut Client, buffer: &mut [u8]) -> bool {
        while self.requests.swallow_head().is_none() {
            match client.read(buffer).await {
                Ok(n @ 1..) => self.requests.push(&buffer[..n]),
                _ => return false,
            }
            if self.requests.pending().len() > head::MAX_HEAD {
                return false;
            }
        }
        true
    }

    /// Where a request line leads to.
    fn route(&self, line: &Line) -> Option<Route> {
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
        let mut upstream = Upstream::at(authority, &format!("http://{authority}")).ok()?;
        // A proxy for a whole program sees more than its calls to providers.
        upstream.is_recorded = self.shared.intercept.is_none();
        Some(Route { upstream: Arc::new(upstream), target: path.to_owned() })
    }

    /// Says to the client that nothing is known about where its request goes.
    async fn no_route(&mut self, client: &mut Client, line: &Line) {
        let target = crate::text::preview(&line.target, 120);
        let why = format!(
            "no upstream for {} {target}: its path names no provider; name one with --to",
            crate::text::preview(&line.method, 20)
        );
        let body = format!("sselens tap: {why}\n");
        let answer = format!(
            "HTTP/1.1 421 Misdirected Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        self.tell(EventKind::Trouble(why));
        // A client that does not listen has left.
        let _ = client.write_all(answer.as_bytes()).await;
        let _ = client.shutdown().await;
        let mut rest = vec![0; READ];
        let drain = async { while matches!(client.read(&mut rest).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
    }

    /// A request begins; returns the bytes of its line as they are forwarded.
    fn request(&mut self, line: &Line, route: &Route) -> Bytes {
        let host = route.upstream.origin.authority();
        let at = self.shared.clock.now();
        let began = self.began.take().unwrap_or(at);
        self.tell_at(
            at,
            EventKind::Request {
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

    /// After a request for an upgrade the next bytes are unknown before its response is
    /// there; nor does the client, so it waits as well.
    async fn settle_upgrade(&mut self) {
        if std::mem::take(&mut self.may_upgrade) {
            let sent = self.sent.load(Ordering::Relaxed);
            if !self.progress.reaches(sent).await {
                self.requests.become_upgraded();
            }
        }
    }

    async fn dial(&self, origin: &Origin) -> Option<Link> {
        let mut dialed = Dialed::default();
        match dial(origin, &self.shared, &mut dialed).await {
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

    /// Forwards in both directions until both are at their ends, one breaks, or the next request
    /// goes elsewhere.
    async fn pump(
        &mut self,
        client: &mut Client,
        link: &mut Link,
        lead: Vec<u8>,
        origin: &Origin,
    ) -> (Option<Up>, Option<Down>) {
        match client {
            // Halves of a socket cost nothing.
            Client::Plain(client) => {
                let (from, to) = client.split();
                self.pump_halves(from, to, link, lead, origin).await
            }
            client @ Client::Decrypted(_) => {
                let (from, to) = tokio::io::split(client);
                self.pump_halves(from, to, link, lead, origin).await
            }
        }
    }

    async fn pump_halves(
        &mut self,
        from_client: impl AsyncRead + Unpin,
        to_client: impl AsyncWrite + Unpin,
        link: &mut Link,
        lead: Vec<u8>,
        origin: &Origin,
    ) -> (Option<Up>, Option<Down>) {
        let (shared, id) = (Rc::clone(&self.shared), self.id);
        let stamps = link.stamps();
        let (from_link, to_link) = tokio::io::split(link);
        let down = down(&shared, id, from_link, to_client, stamps);
        let up = self.up(from_client, to_link, lead, origin);
        tokio::pin!(up, down);
        let (mut up_end, mut down_end) = (None, None);
        loop {
            tokio::select! {
                end = &mut up, if up_end.is_none() => match end {
                    end @ (Up::Reset | Up::Elsewhere(..) | Up::Nowhere) => {
                        return (Some(end), down_end);
                    }
                    // What the upstream had to say before it refused is delivered first.
                    end => up_end = Some(end),
                },
                end = &mut down, if down_end.is_none() => match end {
                    Down::Reset => return (up_end, Some(Down::Reset)),
                    Down::Refused => {
                        if up_end.is_none() {
                            let _ = tokio::time::timeout(LAST_WORDS, &mut up).await;
                        }
                        return (up_end, Some(Down::Refused));
                    }
                    Down::Closed => down_end = Some(Down::Closed),
                },
            }
            if up_end.is_some() && down_end.is_some() {
                return (up_end, down_end);
            }
        }
    }

    /// The client's half.
    async fn up(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        lead: Vec<u8>,
        origin: &Origin,
    ) -> Up {
        // A request line goes out together with what follows it.
        let mut out = lead;
        let mut buffer = vec![0; READ];
        loop {
            let step = self.requests.step();
            let at = self.shared.clock.now();
            let parts: Vec<_> = self.requests.seen().collect();
            for part in parts {
                if let Seen::Head { headers, .. } = &part {
                    self.may_upgrade |= head::values(headers, "upgrade").next().is_some();
                }
                self.tell_at(at, EventKind::RequestPart(part));
            }
            match step {
                Step::Forward(bytes) if out.is_empty() => {
                    if forward(&mut to, &bytes).await.is_err() {
                        return Up::Refused;
                    }
                }
                Step::Forward(bytes) => out.extend_from_slice(&bytes),
                Step::NoRequest(why) => self.requests.give_up(&why.to_string()),
                Step::Line(line) => {
                    let Some(route) = self.route(&line) else {
                        let why = format!("no upstream for {} {}", line.method, line.target);
                        self.tell(EventKind::Trouble(crate::text::preview(&why, 160)));
                        return Up::Nowhere;
                    };
                    if route.upstream.origin != *origin {
                        let sent = self.sent.load(Ordering::Relaxed);
                        if !self.progress.reaches(sent).await {
                            return Up::Nowhere;
                        }
                        return Up::Elsewhere(line, route);
                    }
                    self.sent.fetch_add(1, Ordering::Relaxed);
                    out.extend_from_slice(&self.request(&line, &route));
                }
                Step::More => {
                    if !out.is_empty() {
                        if forward(&mut to, &out).await.is_err() {
                            return Up::Refused;
                        }
                        out.clear();
                    }
                    self.shared.room().await;
                    let read = match self.ended.take() {
                        Some(end) => end.map(|()| 0),
                        None => from.read(&mut buffer).await,
                    };
                    let at = self.shared.clock.now();
                    if let Ok(n @ 1..) = read {
                        if !self.requests.is_inside() {
                            self.began = Some(at);
                        }
                        self.settle_upgrade().await;
                        self.requests.push(&buffer[..n]);
                        continue;
                    }
                    // Half a line is held back for as long as its other half may come.
                    let rest = self.requests.rest();
                    if !rest.is_empty() && forward(&mut to, &rest).await.is_err() {
                        return Up::Refused;
                    }
                    return match read {
                        Err(e) => {
                            self.tell_at(at, EventKind::Reset(Party::Client, e.to_string()));
                            Up::Reset
                        }
                        Ok(_) => {
                            self.tell_at(at, EventKind::Fin(Party::Client));
                            match to.shutdown().await {
                                Ok(()) => Up::Closed,
                                Err(_) => Up::Refused,
                            }
                        }
                    };
                }
            }
        }
    }
}

/// The upstream's half.
async fn down(
    shared: &Shared,
    id: ConnectionId,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    stamps: Stamps,
) -> Down {
    let mut buffer = vec![0; READ];
    // Nothing comes before what came before it, whatever the wall clock does.
    let mut last = shared.clock.now();
    loop {
        shared.room().await;
        let read = from.read(&mut buffer).await;
        let now = shared.clock.now();
        let stamp = stamps.take().and_then(|stamp| stamp::at(stamp, &shared.clock, now));
        let at = stamp.unwrap_or(now).max(last);
        last = at;
        match read {
            Ok(0) => {
                shared.tell(id, at, EventKind::Fin(Party::Server));
                return match to.shutdown().await {
                    Ok(()) => Down::Closed,
                    Err(_) => Down::Refused,
                };
            }
            Ok(n) => {
                let bytes = Bytes::copy_from_slice(&buffer[..n]);
                shared.tell(id, at, EventKind::Response(bytes, stamp.is_some()));
                if forward(&mut to, &buffer[..n]).await.is_err() {
                    return Down::Refused;
                }
            }
            // TLS without its own goodbye: the connection was closed all the same.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                shared.tell(id, at, EventKind::Fin(Party::Server));
                return match to.shutdown().await {
                    Ok(()) => Down::Closed,
                    Err(_) => Down::Refused,
                };
            }
            Err(e) => {
                shared.tell(id, at, EventKind::Reset(Party::Server, e.to_string()));
                return Down::Reset;
            }
        }
    }
}

/// Writes these bytes, through TLS too.
async fn forward(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
