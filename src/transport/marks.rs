//! The moments before the head: hooks in the HTTP library's resolver, connector and TLS, each of which
//! only notes the time.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::Clock;
use crate::journal::Micros;

/// Moments before the head, noted by the hooks below.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks(pub(super) Arc<Mutex<MarksInner>>);

#[derive(Debug, Default)]
pub(super) struct MarksInner {
    pub(super) resolved: Option<(Micros, Vec<SocketAddr>)>,
    /// The TLS ClientHello is being made: the TCP connection stands.
    pub(super) hello: Option<Micros>,
    /// The connector is done: TCP, and TLS where there is any.
    pub(super) connected: Option<Micros>,
    /// All of this was reported.
    pub(super) told: bool,
}

impl Marks {
    pub(super) fn note(&self, note: impl FnOnce(&mut MarksInner)) {
        if let Ok(mut inner) = self.0.lock() {
            note(&mut inner);
        }
    }

    pub(super) fn connected(&self) -> bool {
        self.0.lock().is_ok_and(|m| m.connected.is_some())
    }
}

/// The system's resolver, with a mark when it has answered.
pub(super) struct Resolver {
    pub(super) clock: Clock,
    pub(super) marks: Marks,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (clock, marks) = (self.clock, self.marks.clone());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|e| Box::new(DnsError(e)) as Box<dyn StdError + Send + Sync>)?
                .collect();
            let at = clock.now();
            marks.note(|m| m.resolved = Some((at, addresses.clone())));
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// The name could not be resolved; a separate type, to tell it from other refusals.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct DnsError(io::Error);

/// Marks when a connection stands.
#[derive(Clone)]
pub(super) struct MarkLayer {
    pub(super) clock: Clock,
    pub(super) marks: Marks,
}

#[derive(Clone)]
pub(super) struct MarkService<S> {
    inner: S,
    layer: MarkLayer,
}

impl<S> Layer<S> for MarkLayer {
    type Service = MarkService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MarkService { inner, layer: self.clone() }
    }
}

impl<S, R> Service<R> for MarkService<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let MarkLayer { clock, marks } = self.layer.clone();
        let connecting = self.inner.call(request);
        Box::pin(async move {
            let connected = connecting.await;
            if connected.is_ok() {
                let at = clock.now();
                marks.note(|m| m.connected = Some(at));
            }
            connected
        })
    }
}

/// A session store that keeps nothing: it is asked when the ClientHello is made, which is the
/// moment between TCP and TLS.
#[derive(Debug)]
pub(super) struct HelloMark {
    pub(super) clock: Clock,
    pub(super) marks: Marks,
}

impl rustls::client::ClientSessionStore for HelloMark {
    fn set_kx_hint(&self, _: rustls::pki_types::ServerName<'static>, _: rustls::NamedGroup) {}

    fn kx_hint(&self, _: &rustls::pki_types::ServerName<'_>) -> Option<rustls::NamedGroup> {
        let at = self.clock.now();
        self.marks.note(|m| m.hello = Some(at));
        None
    }

    fn set_tls12_session(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        _: rustls::client::Tls12ClientSessionValue,
    ) {
    }

    fn tls12_session(
        &self,
        _: &rustls::pki_types::ServerName<'_>,
    ) -> Option<rustls::client::Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &rustls::pki_types::ServerName<'static>) {}

    fn insert_tls13_ticket(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        _: rustls::client::Tls13ClientSessionValue,
    ) {
    }

    fn take_tls13_ticket(
        &self,
        _: &rustls::pki_types::ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        None
    }
}
