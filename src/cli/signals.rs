//! Signals, as something to wait for.

use super::Exit;

/// The signal for a file that grows beyond its limit. It has this number wherever there is one.
#[cfg(unix)]
const SIGXFSZ: std::ffi::c_int = 25;

/// Waits for SIGINT, SIGTERM or SIGHUP, and tells how the program is to end.
#[cfg(unix)]
pub(super) async fn wait() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    let of = |kind| signal(kind).ok();
    let (mut int, mut term, mut hup) =
        (of(SignalKind::interrupt()), of(SignalKind::terminate()), of(SignalKind::hangup()));
    // Unheard, a file that hits `ulimit -f` ends the process. Heard, the write fails, and is told.
    let _too_large = of(SignalKind::from_raw(SIGXFSZ));
    tokio::select! {
        () = next(&mut int) => Exit::Signal(2),
        () = next(&mut term) => Exit::Signal(15),
        () = next(&mut hup) => Exit::Signal(1),
    }
}

#[cfg(unix)]
async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn wait() -> Exit {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    Exit::Signal(2)
}
