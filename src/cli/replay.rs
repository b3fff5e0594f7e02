//! `sselens replay`: a recording, served to real clients.

use std::sync::Arc;

use super::args::{Global, Match, ReplayArgs as Args};
use super::exit::{Exit, Failure};
use super::{input, listen};
use crate::replay::{Chooser, ChosenBy, Replay, apply, exchanges};

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        let why = format!(
            "--listen {}: other machines could read the recording; --allow-remote allows it",
            args.listen
        );
        return Err(why.into());
    }
    let recording = input::open(global, &args.file, &args.bare)?;
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
        apply(one, &args.fault).map_err(|why| format!("--fault: {why}"))?;
    }
    let by = match args.r#match {
        Match::Path => ChosenBy::Path,
        Match::Body => ChosenBy::Body,
        Match::Order => ChosenBy::Order,
        Match::Any => ChosenBy::Any,
    };
    let count = recorded.len();
    let quiet = global.clone();
    let notify = Arc::new(move |text: String| quiet.notify(&text));
    let replay = Arc::new(Replay::new(Chooser::new(recorded, by), args.pace, notify));
    let exchanges = crate::text::count(count as u64, "exchange");
    listen::until_signal(
        args.listen,
        |at| format!("replay of {exchanges} on http://{at} (Ctrl-C ends it)"),
        |listener, cancel| async move { replay.serve(listener, cancel).await },
    )
}
