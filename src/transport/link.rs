//! A connection to an upstream, plain or through TLS, and how connections are broken off.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Clock;
use super::stamp::{Stamped, Stamps};
use crate::journal::{EndCause, Micros};

/// Time that an address has to answer before the next one is tried as well (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// A connection to an upstream.
pub(crate) enum Link {
    Plain(Stamped),
    /// Through TLS, and maybe another one below: that to a proxy.
    Tls(Box<TlsStream<Link>>),
}

/// The steps of connecting, with their times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dialed {
    pub(crate) resolved: Option<(Micros, Vec<String>)>,
    pub(crate) connected: Option<(Micros, String)>,
    pub(crate) tls: Option<(Micros, String)>,
}

/// Reason that there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoLink {
    pub(crate) cause: EndCause,
    pub(crate) why: String,
}

impl NoLink {
    /// `place` is what could not be reached, as people know it.
    pub(super) fn new(cause: EndCause, place: &str, why: impl std::fmt::Display) -> Self {
        Self { cause, why: format!("{place}: {why}") }
    }
}

/// Connects to a host and port; `dialed` receives the steps that were reached, even if it fails.
///
/// # Errors
/// The name has no address, or none of them answers.
pub(crate) async fn connect(
    (host, port): (&str, u16),
    place: &str,
    clock: Clock,
    dialed: &mut Dialed,
) -> Result<Link, NoLink> {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((plain, port))
        .await
        .map_err(|e| NoLink::new(EndCause::Dns, place, e))?
        .collect();
    if plain.parse::<std::net::IpAddr>().is_err() {
        let all = addresses.iter().map(|a| a.ip().to_string()).collect();
        dialed.resolved = Some((clock.now(), all));
    }
    let stream = first(addresses, place).await?;
    let peer = stream.peer_addr().map_or(place.to_owned(), |p| p.to_string());
    dialed.connected = Some((clock.now(), peer));
    // A socket that refuses this is already closed, which the first read shows.
    let _ = stream.set_nodelay(true);
    Ok(Link::Plain(Stamped::new(stream)))
}

/// Returns the first connection that is made: each address is tried when the one before it has failed
/// or kept silent for a while.
async fn first(addresses: Vec<SocketAddr>, place: &str) -> Result<TcpStream, NoLink> {
    let mut last = NoLink::new(EndCause::Dns, place, "the name has no address");
    let mut rest = addresses.into_iter();
    let mut tries = tokio::task::JoinSet::new();
    loop {
        match rest.next() {
            Some(address) => drop(tries.spawn(TcpStream::connect(address))),
            None if tries.is_empty() => return Err(last),
            None => {}
        }
        let patience = async {
            match rest.len() {
                0 => std::future::pending().await,
                _ => tokio::time::sleep(NEXT_ADDRESS).await,
            }
        };
        tokio::select! {
            biased;
            done = tries.join_next() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(e))) => last = NoLink::new(EndCause::Refused, place, e),
                // A cancelled task says nothing about the address.
                Some(Err(_)) | None => {}
            },
            () = patience => {}
        }
    }
}

/// Puts TLS on a connection to `host`.
///
/// # Errors
/// The handshake fails, or the host's name cannot be in a certificate.
pub(crate) async fn secure(
    link: Link,
    host: &str,
    place: &str,
    tls: &Arc<rustls::ClientConfig>,
    clock: Clock,
    dialed: &mut Dialed,
) -> Result<Link, NoLink> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let failed = |why: &dyn std::fmt::Display| NoLink::new(EndCause::Tls, place, why);
    let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
    let stream =
        TlsConnector::from(Arc::clone(tls)).connect(name, link).await.map_err(|e| failed(&e))?;
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().map_or_else(String::new, |v| format!("{v:?}"));
    let alpn = session.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
    let detail =
        format!("TLS handshake done ({version}, {})", alpn.as_deref().unwrap_or("no ALPN"));
    dialed.tls = Some((clock.now(), detail));
    Ok(Link::Tls(Box::new(stream)))
}

impl Link {
    /// The socket below.
    fn socket(&self) -> &TcpStream {
        match self {
            Link::Plain(stream) => stream.socket(),
            Link::Tls(stream) => stream.get_ref().0.socket(),
        }
    }

    /// Returns whether both sides agreed on HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Link::Plain(_) => false,
            Link::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Returns where the stamps of its reads are found.
    pub(crate) fn stamps(&self) -> Stamps {
        match self {
            Link::Plain(stream) => stream.stamps(),
            Link::Tls(stream) => stream.get_ref().0.stamps(),
        }
    }

    /// Closes it with a reset.
    pub(crate) fn reset(self) {
        reset(self.socket());
    }
}

/// Makes the coming close of a socket a reset.
pub(crate) fn reset(socket: &TcpStream) {
    // A socket that refuses this is already broken.
    let _ = socket.set_zero_linger();
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Link::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Link::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Link::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Link::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Link::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
