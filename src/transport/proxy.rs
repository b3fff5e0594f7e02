//! Proxies: which one is on the way, and how a connection leads through it.

use std::io;

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tower::{Service, ServiceExt as _, service_fn};

use super::failure::{chain, is_loopback};
use super::link::{Link, NoLink};
use super::outgoing::{Outgoing, Transport};
use crate::journal::EndCause;

/// A proxy that is on the way.
pub(super) struct Proxy {
    uri: Uri,
    basic: Option<HeaderValue>,
    login: Option<(String, String)>,
}

/// The protocol that is spoken to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyKind {
    Http,
    Https,
    Socks4 { resolves: bool },
    Socks5 { resolves: bool },
}

/// Reason that a proxy's address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It cannot be parsed.
    #[error(transparent)]
    Address(#[from] url::ParseError),
    /// No such proxies are known.
    #[error("unknown proxy scheme {0:?} (http, https, socks4, socks4a, socks5, socks5h)")]
    Scheme(String),
    /// It names no host.
    #[error("no host in it")]
    NoHost,
}

/// Checks the address of a proxy.
///
/// # Errors
/// It cannot be parsed, or no such proxies are known.
pub(super) fn check(address: &str) -> Result<(), ProxyError> {
    let url = url::Url::parse(&with_scheme(address))?;
    kind(url.scheme()).ok_or_else(|| ProxyError::Scheme(url.scheme().to_owned()))?;
    url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyError::NoHost).map(drop)
}

/// A proxy without a scheme is one for HTTP.
fn with_scheme(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
}

fn kind(scheme: &str) -> Option<ProxyKind> {
    Some(match scheme {
        "http" => ProxyKind::Http,
        "https" => ProxyKind::Https,
        "socks4" => ProxyKind::Socks4 { resolves: false },
        "socks4a" => ProxyKind::Socks4 { resolves: true },
        "socks5" => ProxyKind::Socks5 { resolves: false },
        "socks5h" => ProxyKind::Socks5 { resolves: true },
        _ => return None,
    })
}

/// Returns the proxy on the way to an address: the one that is set, or the environment's.
pub(super) fn on_the_way(url: &url::Url, transport: &Transport) -> Option<Proxy> {
    let matcher = match &transport.proxy {
        Some(proxy) => Matcher::builder().all(with_scheme(proxy)).build(),
        // A proxy from the environment does not apply to this machine itself.
        None if is_loopback(url) => return None,
        None => Matcher::from_system(),
    };
    matcher.intercept(&url.as_str().parse().ok()?).map(|found| Proxy::of(&found))
}

/// Returns the destination of the connection, as host and port: the proxy, if there is one in between.
pub(super) fn peer(outgoing: &Outgoing) -> String {
    let url = &outgoing.url;
    let port = |url: &url::Url| url.port_or_known_default().map(|p| format!(":{p}"));
    let place = |url: &url::Url| {
        format!("{}{}", url.host_str().unwrap_or_default(), port(url).unwrap_or_default())
    };
    match on_the_way(url, &outgoing.transport) {
        Some(proxy) => {
            let (host, port) = proxy.place();
            format!("the proxy {host}:{port}")
        }
        None => place(url),
    }
}

impl Proxy {
    fn of(found: &Intercept) -> Self {
        let login = found.raw_auth().map(|(user, password)| (user.into(), password.into()));
        Self { uri: found.uri().clone(), basic: found.basic_auth().cloned(), login }
    }

    fn kind(&self) -> ProxyKind {
        self.uri.scheme_str().and_then(kind).unwrap_or(ProxyKind::Http)
    }

    /// Its host and port.
    pub(super) fn place(&self) -> (&str, u16) {
        let usual = match self.kind() {
            ProxyKind::Http => 80,
            ProxyKind::Https => 443,
            ProxyKind::Socks4 { .. } | ProxyKind::Socks5 { .. } => 1080,
        };
        (self.uri.host().unwrap_or_default(), self.uri.port_u16().unwrap_or(usual))
    }

    /// Returns whether the connection to it is through TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.kind() == ProxyKind::Https
    }

    /// Returns whether requests to an address go to it as they are, with the whole address in them.
    pub(super) fn forwards(&self, url: &url::Url) -> bool {
        matches!(self.kind(), ProxyKind::Http | ProxyKind::Https) && url.scheme() == "http"
    }

    /// Returns the credential of its user that it is shown.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.basic.as_ref()
    }

    /// Leads a connection to it on to a host and port.
    ///
    /// # Errors
    /// It refuses, or what it answers cannot be read.
    pub(super) async fn tunnel(
        self,
        link: Link,
        (host, port): (&str, u16),
        place: &str,
    ) -> Result<Link, NoLink> {
        let refused = |why: &dyn std::fmt::Display| NoLink::new(EndCause::ProxyRefused, place, why);
        let resolves = matches!(
            self.kind(),
            ProxyKind::Http
                | ProxyKind::Https
                | ProxyKind::Socks4 { resolves: true }
                | ProxyKind::Socks5 { resolves: true }
        );
        let host = match resolves {
            true => host.to_owned(),
            false => {
                let failed = |e| NoLink::new(EndCause::Dns, &format!("{host}:{port}"), e);
                let mut found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
                let none = || failed(io::Error::other("the name has no address"));
                let address = found.next().ok_or_else(none)?.ip();
                if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
            }
        };
        let to: Uri = format!("https://{host}:{port}/").parse().map_err(|e| refused(&e))?;
        let mut link = Some(TokioIo::new(link));
        let connector = service_fn(move |_: Uri| {
            let link = link.take().ok_or_else(|| io::Error::other("it is connected already"));
            async move { link }
        });
        let uri = self.uri.clone();
        match (self.kind(), self.login) {
            (ProxyKind::Socks5 { .. }, Some((user, password))) => {
                through(SocksV5::new(uri, connector).with_auth(user, password), to).await
            }
            (ProxyKind::Socks5 { .. }, None) => through(SocksV5::new(uri, connector), to).await,
            (ProxyKind::Socks4 { .. }, _) => through(SocksV4::new(uri, connector), to).await,
            (ProxyKind::Http | ProxyKind::Https, _) => {
                let tunnel = Tunnel::new(uri, connector);
                match self.basic {
                    Some(basic) => through(tunnel.with_auth(basic), to).await,
                    None => through(tunnel, to).await,
                }
            }
        }
        .map_err(|why| refused(&why))
    }
}

/// Calls a connector once; an error as text.
async fn through<S>(mut connector: S, to: Uri) -> Result<Link, String>
where
    S: Service<Uri, Response = TokioIo<Link>>,
    S::Error: std::error::Error + 'static,
{
    let ready = connector.ready().await.map_err(|e| chain(&e))?;
    ready.call(to).await.map(TokioIo::into_inner).map_err(|e| chain(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_checked_before_anything_is_sent() {
        for good in ["h:3128", "http://u:p@h", "https://h:1", "socks4a://h", "socks5h://[::1]:1080"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["ftp://h", "http://", "http://h:99999", "socks5://"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_proxy_on_the_way_is_the_one_that_is_set() {
        let url = url::Url::parse("http://127.0.0.1:1/x").unwrap();
        let with = |proxy: Option<&str>| Transport {
            proxy: proxy.map(Into::into),
            ..Transport::default()
        };
        assert!(on_the_way(&url, &with(None)).is_none());
        let proxy = on_the_way(&url, &with(Some("u:p@h"))).unwrap();
        assert_eq!((proxy.place(), proxy.forwards(&url)), (("h", 80), true));
        assert!(proxy.authorization().is_some());
        let socks = on_the_way(&url, &with(Some("socks5h://h"))).unwrap();
        assert_eq!((socks.place(), socks.forwards(&url)), (("h", 1080), false));
    }
}
