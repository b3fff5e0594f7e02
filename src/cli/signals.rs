//! Signals: the first ends what runs, in order; the second ends the program at once.
//!
//! They are received on a separate thread, because the main thread may be inside a write to a
//! standard output without a reader.

use std::time::Duration;

use tokio::sync::oneshot;

use super::exit::Exit;

/// The signal for a file that grows beyond its limit. It has this number wherever there is one.
#[cfg(unix)]
const SIGXFSZ: std::ffi::c_int = 25;

/// Time that the main thread may take to end in order.
const GRACE: Duration = Duration::from_millis(400);

/// Begins to listen. On the first signal `stop` is called and the receiver hears of it; where the
/// program has not ended a moment later, `last` is called and the process exits.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(super) fn listen(
    stop: impl Fn() + Send + 'static,
    last: impl Fn() + Send + 'static,
) -> std::io::Result<oneshot::Receiver<Exit>> {
    let (heard, hears) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Handlers are in place before anything is sent.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            let exit = signals.next().await;
            // The order matters: what stops because of the signal must find that it was received.
            let _ = heard.send(exit);
            stop();
            tokio::select! {
                _second = signals.next() => {}
                () = tokio::time::sleep(GRACE) => last(),
            }
            std::process::exit(i32::from(exit.code()));
        });
    })?;
    Ok(hears)
}

/// SIGINT, SIGTERM and SIGHUP. They are heard from the moment it is made, inside a runtime.
#[cfg(unix)]
pub(super) struct Signals {
    all: Vec<(u8, tokio::signal::unix::Signal)>,
    /// Unheard, a file that hits `ulimit -f` ends the process. Heard, the write fails, and that is reported.
    _too_large: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (2, SignalKind::interrupt()),
            (15, SignalKind::terminate()),
            (1, SignalKind::hangup()),
        ];
        Self {
            all: kinds.into_iter().filter_map(|(n, kind)| Some((n, signal(kind).ok()?))).collect(),
            _too_large: signal(SignalKind::from_raw(SIGXFSZ)).ok(),
        }
    }

    /// Waits for the next one, where nothing blocks the thread that waits; returns how the program is to end.
    pub(super) async fn next(&mut self) -> Exit {
        std::future::poll_fn(|context| {
            for (n, signal) in &mut self.all {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(Exit::Signal(*n));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) async fn next(&mut self) -> Exit {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Exit::Signal(2)
    }
}
