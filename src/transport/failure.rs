//! Why an exchange failed, from the HTTP library's errors.

use std::error::Error as StdError;
use std::io;

use super::marks::{DnsError, Marks};
use super::request::Outgoing;
use crate::journal::{EndCause, Limit, Timeout};

/// Why an exchange stopped before its body's own end.
pub(super) struct Stop {
    pub(super) cause: EndCause,
    pub(super) detail: String,
}

impl Stop {
    pub(super) fn new(cause: EndCause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into() }
    }
}

pub(super) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// An error and its causes, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An error with its causes as text, repetitions left out. The address is left out too: it may
/// hold a secret, and the request has it.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        let text = text.split(" for url (").next().unwrap_or(&text).to_owned();
        if !text.is_empty() && !parts.iter().any(|p| p.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    causes(error).filter_map(|e| e.downcast_ref::<io::Error>()).last().map(io::Error::kind)
}

/// Names an error that came before the head.
pub(super) fn before_head(error: &reqwest::Error, connected: bool, outgoing: &Outgoing) -> Stop {
    let mut detail = chain(error);
    let has = |needle: &str| detail.contains(needle);
    let is_tls = causes(error).any(|e| e.is::<rustls::Error>())
        || has("invalid peer certificate")
        || (error.is_connect() && has("tls handshake eof"));
    if let Some(limit) = library_limit(&detail) {
        return limit;
    }
    let cause = if causes(error).any(|e| e.is::<DnsError>()) || has("dns error") {
        EndCause::Dns
    } else if is_tls {
        EndCause::Tls
    } else if error.is_timeout() {
        EndCause::Timeout(if connected { Timeout::Total } else { Timeout::Connect })
    } else if error.is_connect() && !connected {
        EndCause::Refused
    } else if matches!(
        io_kind(error),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    ) {
        EndCause::Reset
    } else if has("connection closed before message completed") {
        // The library says the same for no byte at all and for half a head.
        EndCause::ClosedBeforeHead
    } else if has("invalid HTTP")
        || has("http2 error")
        || has("parse")
        || has("message head is too large")
    {
        EndCause::Protocol
    } else {
        EndCause::ClosedBeforeHead
    };
    if matches!(cause, EndCause::Dns | EndCause::Refused | EndCause::Timeout(Timeout::Connect)) {
        // Where it was tried says more than which part of the library says so.
        let words = detail.trim_start_matches("error sending request: ");
        let words = words.trim_start_matches("client error (Connect): ");
        detail = format!("{}: {words}", peer(outgoing));
    }
    Stop { cause, detail }
}

/// What had not come when the time was over: nothing, once the head is there.
pub(super) fn waited(marks: &Marks, outgoing: &Outgoing) -> String {
    match marks.0.lock() {
        Ok(marks) if marks.told => String::new(),
        Ok(marks) if marks.connected.is_some() => {
            format!("no response headers from {}", peer(outgoing))
        }
        _ => format!("no connection to {} yet", peer(outgoing)),
    }
}

/// Where the connection goes to, as host and port: the proxy, where one is on the way.
fn peer(outgoing: &Outgoing) -> String {
    let url = &outgoing.url;
    let port = |url: &url::Url| url.port_or_known_default().map(|p| format!(":{p}"));
    let place = |url: &url::Url| {
        format!("{}{}", url.host_str().unwrap_or_default(), port(url).unwrap_or_default())
    };
    let proxy = match &outgoing.transport.proxy {
        Some(proxy) if proxy.contains("://") => Some(proxy.clone()),
        Some(proxy) => Some(format!("http://{proxy}")),
        None if is_loopback(url) => None,
        // The one of the environment, as the HTTP library finds it.
        None => url.as_str().parse().ok().and_then(|uri| {
            let matcher = hyper_util::client::proxy::matcher::Matcher::from_system();
            matcher.intercept(&uri).map(|proxy| proxy.uri().to_string())
        }),
    };
    match proxy.and_then(|proxy| url::Url::parse(&proxy).ok()) {
        Some(proxy) => format!("the proxy {}", place(&proxy)),
        None => place(url),
    }
}

/// What curl reads and the HTTP library cannot, in words; nothing where the error is the server's.
fn library_limit(detail: &str) -> Option<Stop> {
    let what = match detail {
        d if d.contains("message head is too large") => {
            "more than 4,096 header fields or 400 kB of headers"
        }
        d if d.contains("unexpected transfer-encoding") => "chunked encoding under HTTP/1.0",
        d if d.contains("chunk extensions over limit") => "a chunk extension of more than 16 KiB",
        d if d.contains("chunk trailers bytes over limit") => "more than 16 KiB of trailers",
        d if d.contains("chunk trailers count overflow") => "more than 4,096 trailers",
        _ => return None,
    };
    Some(Stop::new(EndCause::Limit(Limit::Http), what))
}

/// Names an error that came inside the body.
pub(super) fn in_body(error: &reqwest::Error) -> Stop {
    let detail = chain(error);
    if let Some(limit) = library_limit(&detail) {
        return limit;
    }
    let has = |needle: &str| detail.contains(needle);
    let cause = if error.is_timeout() {
        EndCause::Timeout(Timeout::Idle)
    } else if matches!(io_kind(error), Some(io::ErrorKind::ConnectionReset))
        || has("stream error received")
        || has("Connection reset")
    {
        EndCause::Reset
    } else if has("Invalid chunk size")
        || has("Invalid chunk")
        || has("invalid chunk")
        || has("protocol error")
    {
        EndCause::Protocol
    } else {
        // `unexpected EOF during chunk size line`, `end of file before message length reached`,
        // `peer closed connection without sending TLS close_notify`
        EndCause::Truncated
    };
    Stop { cause, detail }
}
