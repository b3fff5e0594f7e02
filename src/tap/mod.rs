//! The tap: a reverse proxy that forwards bytes and records a copy.
//!
//! It is a pump with an observer, and not a client joined to a server: what the pump reads it writes,
//! and nothing of HTTP is undone and made again on the way. Only the target's prefix and the value of
//! `Host` change.
//!
//! ```text
//! client ⇄ connection ⇄ upstream        a thread that reads, stamps and forwards
//!              │ copies, with times
//!              ▼
//!          observer → entries           a thread that reads HTTP and masks secrets
//! ```

mod client;
mod connection;
mod event;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http2;
mod intercept;
pub mod launch;
mod observer;
mod pump;
mod record;
mod request;
mod route;
mod serve;
mod tunnel;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use intercept::{Intercept, InterceptError};
pub use observer::TapNews;
pub use route::{Origin, Route, Routes, Upstream, UpstreamError};

use crate::journal::{ExchangeId, Micros, Side};
use crate::transport::Clock;
use crate::transport::request::Transport;
use event::{CompletedResponses, ConnectionEvent, ConnectionId, EventKind, ObserverBacklog};

/// The most connections served at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;

/// The options of a tap.
#[derive(Debug, Clone)]
pub struct TapOptions {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The destinations of requests.
    pub routes: Routes,
    /// The way to verify certificates of upstreams.
    pub transport: Transport,
    /// The number of the next exchange; taps of one session share it.
    pub numbers: Arc<AtomicU32>,
    /// The hosts that are decrypted for clients that take the tap for a proxy.
    pub intercept: Option<Arc<Intercept>>,
    /// On which side of a gateway it is, where there is a tap on both.
    pub side: Option<Side>,
}

/// Reason that a tap cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The address cannot be listened on.
    #[error("--listen {listen}: {why}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's word.
        why: std::io::Error,
    },
    /// TLS to the upstreams cannot be configured.
    #[error(transparent)]
    Tls(#[from] crate::transport::TlsError),
    /// The system has no room for its threads.
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

/// A tap that runs. [`Tap::close`] breaks its connections off.
#[derive(Debug)]
pub struct Tap {
    /// The address that it listens on.
    pub addr: SocketAddr,
    cancel: CancellationToken,
    events: std::sync::mpsc::Sender<ConnectionEvent>,
    clock: Clock,
    threads: Vec<JoinHandle<()>>,
}

/// The state that all connections share.
struct Shared {
    clock: Clock,
    routes: Routes,
    tls: Arc<rustls::ClientConfig>,
    /// The same for HTTP/2.
    tls_http2: Arc<rustls::ClientConfig>,
    events: std::sync::mpsc::Sender<ConnectionEvent>,
    /// The observer's thread.
    observer: std::thread::Thread,
    /// Number of connections that wait for the observer.
    awaited: Cell<u32>,
    backlog: Arc<ObserverBacklog>,
    /// The next exchange's number. It is taken when a request line is read, so that the numbers of several taps
    /// are in the order of what happened.
    numbers: Arc<AtomicU32>,
    addr: SocketAddr,
    intercept: Option<Arc<Intercept>>,
    /// True if requests for other hosts are forwarded: only for clients on this machine.
    may_proxy: bool,
}

impl Tap {
    /// Starts listening; what happens is handed to `news`, in order, on a thread of the tap's.
    ///
    /// # Errors
    /// The address is taken, or the certificates cannot be read.
    pub fn start(
        options: TapOptions,
        clock: Clock,
        news: impl FnMut(TapNews) + Send + 'static,
    ) -> Result<Self, TapError> {
        let listen = options.listen;
        let bad = |why| TapError::Listen { listen, why };
        let listener = std::net::TcpListener::bind(listen).map_err(bad)?;
        listener.set_nonblocking(true).map_err(bad)?;
        let addr = listener.local_addr().map_err(bad)?;
        let mut tls = crate::transport::tls_config(&options.transport)?;
        // The client's HTTP version is also used upstream.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut tls_http2 = tls.clone();
        tls_http2.alpn_protocols = vec![b"h2".to_vec()];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (events, queue) = std::sync::mpsc::channel();
        let backlog = Arc::new(ObserverBacklog::default());
        let observer = observer::Observer::new(Arc::clone(&backlog), options.side, clock, news);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let observing = thread("observer").spawn(move || {
            crate::priority::step_back();
            observer.run(&queue);
        })?;
        let observer = observing.thread().clone();
        let asked = events.clone();
        let shared = move || Shared {
            clock,
            routes: options.routes,
            tls: Arc::new(tls),
            tls_http2: Arc::new(tls_http2),
            events,
            observer,
            awaited: Cell::new(0),
            backlog,
            numbers: options.numbers,
            addr,
            intercept: options.intercept,
            may_proxy: addr.ip().is_loopback(),
        };
        let pump = thread("pump").spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                match TcpListener::from_std(listener) {
                    Ok(listener) => accept(listener, Rc::new(shared()), stop).await,
                    Err(e) => drop(e),
                }
            });
            // A DNS lookup cannot be stopped, and its answer is no longer needed.
            runtime.shutdown_background();
        })?;
        Ok(Self { addr, cancel, events: asked, clock, threads: vec![pump, observing] })
    }

    /// The address for clients, such as `http://127.0.0.1:9200`.
    pub fn url(&self) -> String {
        let ip = match self.addr.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => std::net::Ipv4Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.addr.port()))
    }

    /// Asks for a [`TapNews::ReportedUntil`] of this time: it comes behind everything that was read before.
    pub fn ask_report(&self) {
        let (at, kind) = (self.clock.now(), EventKind::ReportAsked);
        // A tap that has ended reports nothing more.
        let _ = self.events.send(ConnectionEvent { connection: 0, at, kind });
    }

    /// Breaks all connections off, and returns when the ends of all exchanges were handed over.
    pub fn close(self) {
        let Self { cancel, events, threads, .. } = self;
        cancel.cancel();
        // The observer ends when nobody can send it anything.
        drop(events);
        for thread in threads {
            // A panic in it was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// One that waits for the observer, until it is dropped.
struct Awaited<'a>(&'a Cell<u32>);

impl<'a> Awaited<'a> {
    fn new(all: &'a Cell<u32>) -> Self {
        all.update(|n| n + 1);
        Self(all)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.update(|n| n - 1);
    }
}

async fn accept(listener: TcpListener, shared: Rc<Shared>, stop: CancellationToken) {
    let mut connections = tokio::task::JoinSet::new();
    let mut next: ConnectionId = 0;
    loop {
        let room = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    let serve = serve::serve(stream, Rc::clone(&shared), next);
                    connections.spawn_local(serve);
                    next += 1;
                }
                // The client was quick to leave, or there are no more files, which passes.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
}

impl Shared {
    /// Hands something over to the observer.
    fn emit(&self, connection: ConnectionId, at: Micros, kind: EventKind) {
        self.backlog.add(kind.len());
        // The observer lives as long as there is a sender.
        let _ = self.events.send(ConnectionEvent { connection, at, kind });
        if self.awaited.get() > 0 {
            self.observer.unpark();
        }
    }

    /// Waits until so many responses of a connection are complete; false if that cannot be known any more.
    async fn complete(&self, progress: &CompletedResponses, count: u32) -> bool {
        // Wake the observer, which gathers events unless something waits for it.
        let _awaited = Awaited::new(&self.awaited);
        self.observer.unpark();
        progress.reaches(count).await
    }

    /// The number of an exchange that begins.
    fn number(&self, upstream: &Upstream) -> ExchangeId {
        match upstream.is_recorded {
            true => self.numbers.fetch_add(1, Ordering::Relaxed),
            false => event::UNRECORDED,
        }
    }

    /// Waits until the observer is not too far behind.
    async fn room(&self) {
        self.backlog.room().await;
    }

    /// Returns whether an authority, `host:port`, is the tap's own.
    fn is_own(&self, authority: &str) -> bool {
        let authority = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest);
        let Some((host, port)) = authority.rsplit_once(':') else { return false };
        if port.parse() != Ok(self.addr.port()) {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<std::net::IpAddr>() {
            Ok(ip) => ip == self.addr.ip() || ip.is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}
