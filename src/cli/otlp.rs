//! `tap --otlp URL`: each call goes to a collector or a backend as a span, as soon as it is over.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::exit::alarm;
use crate::inspect::Inspection;
use crate::journal::ExchangeId;
use crate::report::{self, RecordingOrigin};
use crate::transport::Clock;

/// Number of requests that may wait for a slow backend. More are dropped and counted.
const WAITING: usize = 256;

/// Time that a backend has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reason that spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum OtlpError {
    #[error("{address:?} is not an address: {why}")]
    Address { address: String, why: url::ParseError },
    #[error("{0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Tls(#[from] crate::transport::TlsError),
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

/// The sender of spans, on a separate thread.
pub(super) struct Exporter {
    origin: RecordingOrigin,
    queue: Option<SyncSender<Value>>,
    thread: JoinHandle<()>,
    dropped: u64,
}

impl Exporter {
    /// Sends to this address; one without a path gets `/v1/traces`.
    pub(super) fn start(address: &str, clock: &Clock) -> Result<Self, OtlpError> {
        let bad = |why| OtlpError::Address { address: address.to_owned(), why };
        let mut url = url::Url::parse(address).map_err(bad)?;
        if url.path() == "/" {
            url.set_path("/v1/traces");
        }
        let tls = crate::transport::tls_config(&Default::default())?;
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(PATIENCE).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("otlp".into())
            .spawn(move || send_all(&runtime, &client, &url, &waiting))?;
        let program = format!("{} {}", env!("CARGO_PKG_VERSION"), std::process::id());
        let origin = RecordingOrigin { created: clock.created(), program };
        Ok(Self { origin, queue: Some(queue), thread, dropped: 0 })
    }

    /// A call, with the calls that were made for it.
    pub(super) fn export(
        &mut self,
        call: (ExchangeId, &Inspection),
        attempts: &[(ExchangeId, &Inspection)],
    ) {
        let request = report::otlp_call(call, attempts, &self.origin);
        let sent = self.queue.as_ref().map(|queue| queue.try_send(request));
        self.dropped += u64::from(!matches!(sent, Some(Ok(()))));
    }

    /// Waits until everything is sent.
    pub(super) fn close(mut self) {
        self.queue = None;
        // A panic in it was reported by the panic hook.
        let _ = self.thread.join();
        if self.dropped > 0 {
            let calls = crate::text::count(self.dropped, "call");
            alarm(&format!("--otlp: {calls} not sent, the backend is too slow"));
        }
    }
}

/// The headers of the standard's variable, such as keys: `name=value,…`, percent-encoded.
fn headers() -> Vec<(String, String)> {
    let given = std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy();
        Some((name.trim().to_owned(), value.into_owned()))
    };
    given.split(',').filter_map(pair).collect()
}

fn send_all(
    runtime: &tokio::runtime::Runtime,
    client: &reqwest::Client,
    url: &url::Url,
    waiting: &Receiver<Value>,
) {
    let headers = headers();
    let mut warned = false;
    while let Ok(request) = waiting.recv() {
        let mut post = client.post(url.clone()).header("content-type", "application/x-protobuf");
        for (name, value) in &headers {
            post = post.header(name, value);
        }
        let post = post.body(report::protobuf(&request));
        // Its timer begins when it is sent, which has to be inside of the runtime.
        let sent = runtime.block_on(async { post.send().await });
        let why = match sent {
            Ok(response) if response.status().is_success() => continue,
            Ok(response) => format!("HTTP {}", response.status().as_u16()),
            // The address may hold a password.
            Err(e) => e.without_url().to_string(),
        };
        if !std::mem::replace(&mut warned, true) {
            let place = url.host_str().unwrap_or_default();
            alarm(&format!("--otlp {place}: {why}; further failures are not reported"));
        }
    }
}
