//! The reasons that an exchange failed, from the errors of hyper, of HTTP/2 and the system.

use std::error::Error as StdError;
use std::io;

use crate::journal::EndCause;

/// Reason that an exchange stopped before its body's own end.
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

/// Returns the HTTP/2 error among an error's causes, if there is one.
fn http2<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a h2::Error> {
    causes(error).find_map(|e| e.downcast_ref::<h2::Error>())
}

/// The server's own word, as a frame of HTTP/2, that it ends the stream or the connection.
fn is_refused_by_server(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_reset() || error.is_go_away())
}

/// Names an error that occurred before the head.
pub(super) fn before_head(error: &hyper::Error) -> Stop {
    let detail = chain(error);
    let cause = match io_kind(error) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => EndCause::Reset,
        _ => match http2(error) {
            Some(e) if is_refused_by_server(e) => EndCause::Reset,
            Some(e) if !e.is_io() => EndCause::Protocol,
            _ if error.is_parse() => EndCause::Protocol,
            _ => EndCause::ClosedBeforeHead,
        },
    };
    Stop { cause, detail }
}

/// Names an error that occurred inside the body.
pub(super) fn in_body(error: &hyper::Error) -> Stop {
    let detail = chain(error);
    let cause = match (io_kind(error), http2(error)) {
        (Some(io::ErrorKind::ConnectionReset), _) => EndCause::Reset,
        (_, Some(e)) if is_refused_by_server(e) => EndCause::Reset,
        (_, Some(e)) if !e.is_io() => EndCause::Protocol,
        // `peer closed connection without sending TLS close_notify`
        _ => EndCause::Truncated,
    };
    Stop { cause, detail }
}
