//! The lab: the embedded provider, which plays scenarios.
//!
//! It is a real HTTP/1.1 server on a real socket, and it controls every single write: a frame may arrive in two
//! halves, a body may end in the middle, a connection may be reset. A scenario is a file in `assets/scenarios`,
//! chosen by the model's name (`lab/NAME`); it says what happens in no dialect's words, and a speaker turns it
//! into bytes.
//!
//! ```text
//! request ─▶ answer ─▶ scenario ─▶ script ─▶ play ─▶ wire
//!                      (data)     (speaker)  (time, framing)
//! ```
//!
//! [`start`] runs it in a separate thread, [`serve`] wherever you like.

mod answer;
mod ask;
mod envelope;
mod page;
mod play;
mod plays;
mod random;
pub(crate) mod request;
mod scenario;
mod script;
mod speaker;
mod step;
mod text;
mod turn;
pub(crate) mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use scenario::{Scenario, abouts, find, scenarios};

use page::WholeAnswer;
use request::ReceiveError;
use wire::{AfterAnswer, Wire};

/// The largest number of connections that are served at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// Speed and randomness of a lab.
#[derive(Clone, Copy, Debug)]
pub struct LabOptions {
    /// Factor of every delay: 1 is the speed of an ordinary model, 0 is no
    /// delay at all. (A stall is none of the delays: it stays.)
    pub pace: f64,
    /// With a seed, the n-th answer of a lab is the same in every run, to the
    /// byte. Without, chance is chance.
    pub seed: Option<u64>,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self { pace: 1.0, seed: None }
    }
}

/// A lab in a separate thread. Dropping it stops the thread and breaks every
/// connection off.
#[derive(Debug)]
pub struct RunningLab {
    /// The address that it listens on: 127.0.0.1 and a free port.
    pub addr: SocketAddr,
    active: Arc<AtomicUsize>,
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl RunningLab {
    /// Returns how many scenarios are being played at this moment.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// The base URL for clients, such as `http://127.0.0.1:4321/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }
}

impl Drop for RunningLab {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            // The thread ends at its next step; a panic in it has been reported on
            // standard error, and must not become a second one here.
            drop(thread.join());
        }
    }
}

/// Starts a lab on a free port of 127.0.0.1.
///
/// It gets a separate thread and runtime, so that it never disturbs the
/// reader whose timing is measured.
///
/// # Errors
///
/// If no port, no thread or no runtime is to be had.
pub fn start(options: LabOptions) -> io::Result<RunningLab> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A tokio listener belongs to a runtime, so it is made inside.
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let lab = Arc::new(Lab::new(options));
    let active = lab.active.clone();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let thread = std::thread::Builder::new()
        .name("lab".to_owned())
        .spawn(move || runtime.block_on(run(listener, lab, stop)))?;
    Ok(RunningLab { addr, active, cancel, thread: Some(thread) })
}

/// Serves on this listener until `cancel`, which also breaks off what is being
/// played.
pub async fn serve(listener: TcpListener, options: LabOptions, cancel: CancellationToken) {
    run(listener, Arc::new(Lab::new(options)), cancel).await;
}

async fn run(listener: TcpListener, lab: Arc<Lab>, cancel: CancellationToken) {
    // Dropped on return, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        let room = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            () = cancel.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, lab.clone()));
                }
                // The client was quick to leave, or we are out of files, which
                // passes: no reason to stop, none to spin either.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
}

/// One connection from its first request to its end.
async fn converse(stream: TcpStream, lab: Arc<Lab>) {
    let mut wire = Wire::new(stream);
    loop {
        let after = match request::read(&mut wire).await {
            Ok(request) => answer::answer(&mut wire, &lab, &request).await,
            Err(ReceiveError::Gone) => return,
            Err(ReceiveError::Refuse(status, message)) => {
                WholeAnswer::error(status, message, None).send_last(&mut wire).await;
                Ok(AfterAnswer::Close)
            }
        };
        match after {
            Ok(AfterAnswer::Keep) => {}
            Ok(AfterAnswer::Close) => return wire.close().await,
            Ok(AfterAnswer::Reset) => return wire.reset().await,
            Err(wire::Gone) => return,
        }
    }
}

/// The state that all connections of a lab share.
#[derive(Debug)]
struct Lab {
    pace: f64,
    seed: u64,
    /// True if the seed was specified, rather than drawn.
    seeded: bool,
    /// Scenarios begun.
    played: AtomicU64,
    /// Scenarios begun and not ended.
    active: Arc<AtomicUsize>,
}

impl Lab {
    fn new(options: LabOptions) -> Self {
        // A factor that is not a finite number would make every delay meaningless.
        let sane = options.pace.is_finite() && options.pace >= 0.0;
        Self {
            pace: if sane { options.pace } else { 1.0 },
            seed: options.seed.unwrap_or_else(random::fresh_seed),
            seeded: options.seed.is_some(),
            played: AtomicU64::new(0),
            active: Arc::default(),
        }
    }

    /// Counts an exchange as active until the value is dropped.
    fn open(&self) -> OpenConnection {
        self.active.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.active.clone())
    }
}

struct OpenConnection(Arc<AtomicUsize>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A head, from the status line to the blank line.
fn head(status: u16, reason: &str, headers: &[(&str, String)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    head.into_bytes()
}

/// The usual phrase of a status.
fn reason(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    status.and_then(|it| it.canonical_reason()).unwrap_or("Unknown")
}
