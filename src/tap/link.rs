//! A connection to an upstream, plain or through TLS, and how connections are broken off.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::route::Origin;
use super::stamp::{Stamped, Stamps};
use crate::journal::{EndCause, Micros};
use crate::transport::Clock;

/// A connection to an upstream.
pub(super) enum Link {
    Plain(Stamped),
    Tls(Box<TlsStream<Stamped>>),
}

/// What happened on the way to a connection, with its times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dialed {
    pub(super) resolved: Option<(Micros, Vec<String>)>,
    pub(super) connected: Option<(Micros, String)>,
    pub(super) tls: Option<(Micros, String)>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoLink {
    pub(super) cause: EndCause,
    pub(super) why: String,
}

/// Connects to an upstream; `dialed` gets how far it came, also where that is not to its end.
pub(super) async fn dial(
    origin: &Origin,
    tls: &Arc<rustls::ClientConfig>,
    clock: Clock,
    dialed: &mut Dialed,
) -> Result<Link, NoLink> {
    let place = format!("{}:{}", origin.host, origin.port);
    let failed = |cause, why: String| NoLink { cause, why: format!("{place}: {why}") };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((origin.host.as_str(), origin.port))
        .await
        .map_err(|e| failed(EndCause::Dns, e.to_string()))?
        .collect();
    if origin.host.parse::<std::net::IpAddr>().is_err() {
        let all = addresses.iter().map(|a| a.ip().to_string()).collect();
        dialed.resolved = Some((clock.now(), all));
    }
    let mut last = failed(EndCause::Dns, "the name has no address".into());
    let mut found = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                found = Some(stream);
                break;
            }
            Err(e) => last = failed(EndCause::Refused, e.to_string()),
        }
    }
    let Some(stream) = found else { return Err(last) };
    let peer = stream.peer_addr().map_or(place.clone(), |p| p.to_string());
    dialed.connected = Some((clock.now(), peer));
    // A socket that refuses this is closed already, which the first read tells.
    let _ = stream.set_nodelay(true);
    let stream = Stamped::new(stream);
    if !origin.tls {
        return Ok(Link::Plain(stream));
    }
    let name = ServerName::try_from(origin.host.clone())
        .map_err(|e| failed(EndCause::Tls, e.to_string()))?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|e| failed(EndCause::Tls, e.to_string()))?;
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

    /// Where the stamps of its reads are found.
    pub(super) fn stamps(&self) -> Stamps {
        match self {
            Link::Plain(stream) => stream.stamps(),
            Link::Tls(stream) => stream.get_ref().0.stamps(),
        }
    }

    /// Closes it with a reset.
    pub(super) fn reset(self) {
        reset(self.socket());
    }
}

/// Makes the coming close of a socket a reset.
pub(super) fn reset(socket: &TcpStream) {
    // One that refuses is broken already.
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
