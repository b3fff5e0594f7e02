//! A connection's bytes in pieces, read as by the tap but for its sockets; for tests and for fuzzing.

use std::sync::Arc;

use super::event::{ConnectionEvent, ConnectionSide, EventKind};
use super::observer::{Observer, TapNews};
use super::request::{RequestLine, RequestPart, RequestStep, Requests};
use super::route::Upstream;
use crate::journal::{Entry, Micros};
use crate::transport::Clock;

/// Feeds pieces to a connection whose requests all go to `up:1`, prefix `/p` cut; returns what was forwarded and
/// what was seen, data joined.
pub(super) fn through<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<RequestPart>) {
    let mut requests = Requests::new();
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    for piece in pieces {
        out.extend(client_read(&mut requests, piece, |_, _| {}, |s| seen.push(s)));
    }
    out.extend_from_slice(&requests.rest());
    let mut joined: Vec<RequestPart> = Vec::new();
    for s in seen {
        match (joined.last_mut(), &s) {
            (Some(RequestPart::Data(a)), RequestPart::Data(b)) => {
                *a = [&a[..], &b[..]].concat().into()
            }
            _ => joined.push(s),
        }
    }
    (out, joined)
}

/// Returns what is forwarded of a client's bytes, and what is seen in them as text, except for the words
/// about bytes that are no request: those quote what there was by then.
#[cfg(fuzzing)]
pub(crate) fn forwarded<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, String) {
    let (out, seen) = through(pieces);
    let quoted = |s: &RequestPart| match s {
        RequestPart::Lost(_) => RequestPart::Lost(String::new()),
        other => other.clone(),
    };
    (out, format!("{:?}", seen.iter().map(quoted).collect::<Vec<_>>()))
}

/// One read of the client; returns what is forwarded of it.
fn client_read(
    requests: &mut Requests,
    piece: &[u8],
    mut line: impl FnMut(&RequestLine, &str),
    mut seen: impl FnMut(RequestPart),
) -> Vec<u8> {
    let mut out = Vec::new();
    requests.push(piece);
    loop {
        match requests.step() {
            RequestStep::More => break,
            RequestStep::Line(found) => {
                let target = found.target.strip_prefix("/p").unwrap_or(&found.target);
                let target = if target.is_empty() { "/" } else { target }.to_owned();
                line(&found, &target);
                out.extend_from_slice(&requests.go(&found, &target, Some("up:1")));
            }
            RequestStep::NoRequest(why) => requests.give_up(&why.to_string()),
            RequestStep::Forward(bytes) => out.extend_from_slice(&bytes),
        }
        requests.seen().for_each(&mut seen);
    }
    requests.seen().for_each(seen);
    out
}

/// The entries of a connection on which the client and the server send these pieces in turns; at the end the server
/// closes.
pub(crate) fn recorded<'a>(
    mut client: impl Iterator<Item = &'a [u8]>,
    mut server: impl Iterator<Item = &'a [u8]>,
) -> Vec<Entry> {
    let Ok(upstream) = Upstream::at("up", "http://up:1") else { return Vec::new() };
    let upstream = Arc::new(upstream);
    let (mut requests, mut entries) = (Requests::new(), Vec::new());
    let take = |news| {
        if let TapNews::Entry(entry) = news {
            entries.push(entry);
        }
    };
    let mut observer = Observer::new(Arc::default(), None, Clock::start(), take);
    let (mut at, mut x) = (0, 0);
    let mut emit = |at: Micros, kind| observer.take(ConnectionEvent { connection: 0, at, kind });
    emit(at, EventKind::Open { responses: Arc::default() });
    loop {
        let (asked, answered) = (client.next(), server.next());
        if asked.is_none() && answered.is_none() {
            break;
        }
        at += 1;
        let mut events = Vec::new();
        let found = std::cell::RefCell::new(&mut events);
        let request = |line: &RequestLine, target: &str| {
            let (method, url) = (line.method.clone(), format!("http://up:1{target}"));
            let upstream = Arc::clone(&upstream);
            let kind = EventKind::Request { x, method, url, upstream, began: at };
            x += 1;
            found.borrow_mut().push(kind);
        };
        let part = |seen| found.borrow_mut().push(EventKind::RequestPart(seen));
        client_read(&mut requests, asked.unwrap_or_default(), request, part);
        events.into_iter().for_each(|kind| emit(at, kind));
        if let Some(bytes) = answered {
            emit(at, EventKind::Response(bytes::Bytes::copy_from_slice(bytes), false));
        }
    }
    emit(at, EventKind::Fin(ConnectionSide::Server));
    emit(at, EventKind::Closed);
    entries
}
