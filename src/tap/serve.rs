//! A connection of a client, from its first byte to its end.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Shared;
use super::client::{self, ClientSocket};
use super::connection::Connection;
use super::event::{CompletedResponses, ConnectionId, EventKind};
use super::pump::{READ, Up, break_off};
use super::request::{NoRequest, RequestLine, RequestStep, Requests};
use super::route::{Route, Upstream};
use crate::transport::http1::head;
use crate::transport::link;

/// Serves a client from its first byte to its end.
pub(super) async fn serve(client: TcpStream, shared: Rc<Shared>, id: ConnectionId) {
    // A socket that refuses this is already closed, which the first read shows.
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
    connection.emit(opened);
    connection.run(ClientSocket::Left(client)).await;
    connection.emit(EventKind::Closed);
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
                    self.emit(EventKind::Closed);
                    self.progress = Arc::default();
                    self.emit(EventKind::Open { responses: Arc::clone(&self.progress) });
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
                // Blank lines before the first request go to the same upstream as that request.
                RequestStep::Forward(bytes) => self.lead.extend_from_slice(&bytes),
                RequestStep::More => {
                    let n = client::read(client, &mut buffer).await;
                    let at = self.shared.clock.now();
                    match n {
                        Ok(0) | Err(_) if !self.requests.is_inside() && self.lead.is_empty() => {
                            return First::Nothing;
                        }
                        // Half a request line goes to the only upstream, if there is just one.
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
                self.emit(EventKind::Trouble(format!("{why}; forwarded unread")));
                self.requests.become_opaque();
                First::Opaque(upstream)
            }
            None => {
                self.emit(EventKind::Trouble(format!("{why}; the connection is closed")));
                First::Nothing
            }
        }
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
        self.emit(EventKind::Trouble(why));
        client::last_word(client, answer.as_bytes()).await;
    }
}
