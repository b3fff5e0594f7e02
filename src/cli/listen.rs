//! The common part of the commands that serve: listen, say where, and serve until a signal.

use std::io::Write as _;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure};
use super::signals::Signals;

/// Listens at `listen` and serves there until a signal; `greeting` makes the line for standard
/// output from the address.
pub(super) fn until_signal<F: Future<Output = ()>>(
    listen: SocketAddr,
    greeting: impl FnOnce(SocketAddr) -> String,
    serve: impl FnOnce(TcpListener, CancellationToken) -> F,
) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(listen).await.map_err(|e| format!("--listen {listen}: {e}"))?;
        let at = listener.local_addr().map_err(|e| e.to_string())?;
        // Register before anyone can read the address: a program stopped right after that still shuts down
        // cleanly.
        let mut signals = Signals::new();
        let mut out = std::io::stdout();
        writeln!(out, "{}", greeting(at))?;
        out.flush()?;
        let cancel = CancellationToken::new();
        tokio::select! {
            () = serve(listener, cancel.clone()) => Ok(Exit::Ok),
            exit = signals.next() => {
                cancel.cancel();
                Ok(exit)
            }
        }
    })
}
