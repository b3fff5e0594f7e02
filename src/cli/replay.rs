//! `sselens replay`: a recording, served to real clients.

use std::io::Write as _;
use std::sync::Arc;

use super::args::{Global, Match, ReplayArgs as Args};
use super::exit::{Exit, Failure};
use super::{input, signals};
use crate::replay::{By, Chooser, Replay, apply, exchanges};

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        let why = format!(
            "--listen {}: other machines could read the recording; --allow-remote allows it",
            args.listen
        );
        return Err(why.into());
    }
    let recording = input::open(global, &args.file, &args.told)?;
    let mut recorded = exchanges(&recording.entries);
    for x in &args.exchange {
        if !recorded.iter().any(|r| r.number == *x) {
            let why = format!("there is no exchange {x} in {}", args.file.display());
            return Err(why.into());
        }
    }
    recorded.retain(|r| args.exchange.is_empty() || args.exchange.contains(&r.number));
    if recorded.is_empty() {
        return Err(format!("{} holds no exchange", args.file.display()).into());
    }
    for one in &mut recorded {
        apply(one, &args.fault)?;
    }
    let by = match args.r#match {
        Match::Path => By::Path,
        Match::Body => By::Body,
        Match::Order => By::Order,
        Match::Any => By::Any,
    };
    let count = recorded.len();
    let quiet = global.clone();
    let tell = Arc::new(move |text: String| quiet.notify(&text));
    let replay = Arc::new(Replay::new(Chooser::new(recorded, by), args.pace, tell));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .map_err(|e| format!("--listen {}: {e}", args.listen))?;
        let at = listener.local_addr().map_err(|e| e.to_string())?;
        let mut out = std::io::stdout();
        let exchanges = crate::text::count(count as u64, "exchange");
        writeln!(out, "replay of {exchanges} on http://{at} (Ctrl-C ends it)")?;
        out.flush()?;
        let cancel = tokio_util::sync::CancellationToken::new();
        tokio::select! {
            () = replay.serve(listener, cancel.clone()) => Ok(Exit::Ok),
            exit = signals::wait() => {
                cancel.cancel();
                Ok(exit)
            }
        }
    })
}
