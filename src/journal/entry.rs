//! Entries and what they hold.

use crate::rule::Code;
use bytes::Bytes;

/// The code of a note that the redirect was followed, as an exchange of its own. Its text says what
/// that cost the request; it is empty where the same request went to the same origin.
pub const REDIRECT_FOLLOWED: &str = "redirect-followed";

/// The number of an exchange in its session, counted from 0.
pub type ExchangeId = u32;

/// A moment: microseconds since the session's epoch, on a monotonic clock.
pub type Micros = u64;

/// Header fields in order of appearance, names in lower case.
/// Values that are not UTF-8 have their odd bytes replaced.
pub type Headers = Vec<(String, String)>;

/// One thing that happened on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The exchange it belongs to.
    pub exchange: ExchangeId,
    /// Time at which it happened; `None` if it was not measured (a bare body opened from a file).
    pub at: Option<Micros>,
    /// The event.
    pub kind: EntryKind,
}

/// An event. The order within an exchange is the order of this list, with `Body` repeating.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    /// The request was handed to the HTTP client.
    Request(Box<Request>),
    /// A bare body begins. The request is unknown, and of the head only what the user said is known.
    Bare {
        /// The status, if specified.
        status: Option<u16>,
        /// The content type, if specified.
        content_type: Option<String>,
        /// The dialect, if specified.
        dialect: Option<String>,
        /// The file is named like an SSE body.
        named_sse: bool,
    },
    /// The host name was resolved.
    Resolved {
        /// The addresses, in the resolver's order.
        addresses: Vec<String>,
    },
    /// The TCP connection (or the tunnel of a proxy) is established.
    Connected {
        /// The peer, `address:port`, if known.
        peer: Option<String>,
    },
    /// The TLS handshake is done.
    Tls {
        /// Protocol version and negotiated application protocol, if known.
        detail: String,
    },
    /// A response head: status line and headers.
    Head(Head),
    /// One read of the body.
    Body {
        /// Number of bytes that arrived with this read.
        len: u32,
        /// The bytes that are settled by now. They may lag behind `len` by a few, when the end of
        /// a read could begin a secret (see [`super::Masker`]); the next entry then has them.
        bytes: Bytes,
        /// Spans of the body, by offset, that were replaced by `*`.
        masked: Vec<super::Span>,
    },
    /// One read of what the client sent after its connection had become a WebSocket. `Body` has
    /// what the server sent.
    Sent {
        /// Number of bytes that it delivered.
        len: u32,
        /// The bytes, as far as they are settled.
        bytes: Bytes,
        /// Spans of what the client sent, by offset, whose text was replaced by `*`.
        masked: Vec<super::Span>,
    },
    /// Trailer fields after a chunked body.
    Trailers(Headers),
    /// Something that this side did, or that went wrong here while the stream continued.
    Note {
        /// The name of the rule whose finding it becomes ([`EntryKind::note`]), or
        /// [`REDIRECT_FOLLOWED`]. Text, since a newer program may have written one that is not known
        /// here.
        code: String,
        /// A sentence.
        text: String,
        /// Start of a time in which this side did not read.
        since: Option<Micros>,
    },
    /// The exchange is over.
    End {
        /// The way it ended.
        cause: EndCause,
        /// The words of the system or of HTTP, innermost cause last; empty when there is nothing to say.
        detail: String,
    },
}

impl EntryKind {
    /// A note that becomes a finding of `code`.
    pub fn note(code: Code, text: impl Into<String>) -> Self {
        Self::Note { code: code.name().to_owned(), text: text.into(), since: None }
    }

    /// A note about a time in which nothing was read, which ends with the entry.
    pub fn pause(code: Code, since: Micros, text: impl Into<String>) -> Self {
        Self::Note { code: code.name().to_owned(), text: text.into(), since: Some(since) }
    }
}

/// On which side of a gateway a call was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Between a client and the gateway.
    Client,
    /// Between the gateway and a provider.
    Upstream,
}

/// A request as it was sent, secrets masked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// Method, upper case.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The headers that were set; the client adds `host` and `content-length`.
    pub headers: Headers,
    /// The exact bytes of the head, where they were seen (by the tap); secrets masked. Of HTTP/2, whose
    /// bytes are compressed, its fields with those like `:path`, a line each.
    pub raw: Bytes,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The configured dialect, `auto` where it is to be recognized.
    pub dialect: String,
    /// The model asked for.
    pub model: String,
    /// Spans of the body that were replaced by `*`.
    pub masked: Vec<super::Span>,
    /// Things that the user ought to know about how it was sent (`TLS certificates are not verified`).
    pub warnings: Vec<String>,
    /// On which side of a gateway, where both are recorded.
    pub side: Option<Side>,
}

/// A response head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// An interim (1xx) head, with the real one to follow.
    pub interim: bool,
    /// The status code.
    pub status: u16,
    /// `HTTP/1.1`, `HTTP/2.0`, …
    pub version: String,
    /// The header fields.
    pub headers: Headers,
    /// The exact bytes of the head, where they were seen (by the tap); secrets masked. Of HTTP/2, whose
    /// bytes are compressed, its fields with those like `:status`, a line each.
    pub raw: Bytes,
}

impl Head {
    /// Returns the bytes of an HTTP/1 head, where they were seen.
    pub fn wire(&self) -> Option<&Bytes> {
        Some(&self.raw).filter(|raw| !raw.is_empty() && !self.version.starts_with("HTTP/2"))
    }

    /// The first value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// The way an exchange ended, as far as the transport shows. Its meaning in the dialect is a verdict of
/// `inspect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// The body reached the end that its transfer coding announced.
    Complete,
    /// The connection was closed, and nothing had announced where the body ends: whether it is
    /// whole cannot be known here.
    Closed,
    /// The connection was not observed (a bare body).
    Unknown,
    /// The user stopped it.
    Cancelled,
    /// A bound of the user's was hit.
    Limit(Limit),
    /// A time limit ran out.
    Timeout(Timeout),
    /// The host name has no address.
    Dns,
    /// No connection.
    Refused,
    /// The proxy in between did not connect to the server.
    ProxyRefused,
    /// The TLS handshake failed.
    Tls,
    /// The bytes were not HTTP.
    Protocol,
    /// The connection was reset.
    Reset,
    /// The connection was closed inside the body.
    Truncated,
    /// The connection was closed before any byte of the answer.
    ClosedBeforeHead,
    /// The connection was closed inside the head.
    ClosedInsideHead,
}

/// The bound that was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `--max-body`.
    Body,
    /// Something that this program cannot read and other clients can.
    Http,
}

/// The time limit that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Until the connection is established.
    Connect,
    /// Between two reads.
    Idle,
    /// For the whole exchange.
    Total,
}

impl EndCause {
    /// Every cause with its name in files.
    pub const NAMES: &'static [(EndCause, &'static str)] = &[
        (EndCause::Complete, "complete"),
        (EndCause::Closed, "closed"),
        (EndCause::Unknown, "unknown"),
        (EndCause::Cancelled, "cancelled"),
        (EndCause::Limit(Limit::Body), "limit-body"),
        (EndCause::Limit(Limit::Http), "limit-http"),
        (EndCause::Timeout(Timeout::Connect), "timeout-connect"),
        (EndCause::Timeout(Timeout::Idle), "timeout-idle"),
        (EndCause::Timeout(Timeout::Total), "timeout-total"),
        (EndCause::Dns, "dns"),
        (EndCause::Refused, "refused"),
        (EndCause::ProxyRefused, "proxy-refused"),
        (EndCause::Tls, "tls"),
        (EndCause::Protocol, "protocol"),
        (EndCause::Reset, "reset"),
        (EndCause::Truncated, "truncated"),
        (EndCause::ClosedBeforeHead, "closed-before-head"),
        (EndCause::ClosedInsideHead, "closed-inside-head"),
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(c, _)| *c == self).map_or("unknown", |(_, n)| n)
    }

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(c, _)| *c)
    }
}
