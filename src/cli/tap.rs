//! `sselens tap`: what another program sends and receives.

mod screen;
mod session;
mod setup;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::mpsc;

use self::session::TapSession;
use self::setup::Setup;
use super::args::{Global, TapArgs as Args};
use super::child::{Child, Output};
use super::exit::{Exit, Failure};
use super::signals::Signals;
use crate::journal::Side;
use crate::tap::{Tap, TapNews};

/// Number of entries that may wait to be written before the tap's observer has to wait.
const QUEUE: usize = 4096;

/// Time for which the tap continues after a program has ended: the ends of its connections have yet to
/// arrive.
const LAST_BYTES: Duration = Duration::from_millis(100);

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let on_screen = args.output.is_none() && args.command.is_empty() && args.otlp.is_none();
    if args.ui || on_screen && std::io::stdout().is_terminal() {
        return screen::run(global, args);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    // Register before anyone can read the address: a program stopped right after that still shuts down
    // cleanly.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()
    };
    let config = global.load()?;
    let setup = Setup::new(args, &config)?;
    let mut session = TapSession::new(global, args, &config)?;
    let (sender, mut news) = mpsc::channel(QUEUE);
    let taps = setup.start(&Arc::new(AtomicU32::new(0)), |side, options| {
        session.start(side, options, sender.clone())
    })?;
    drop(sender);
    taps.about.iter().for_each(|line| global.notify(line));
    if args.insecure {
        global.notify("!! TLS certificates are not verified (--insecure)");
    }
    let result = match args.command.first() {
        None => runtime.block_on(session.follow(&mut news, &taps.taps, signals.next())),
        Some(program) => {
            let (more, environment) = setup.environment(&program.to_string_lossy(), &taps.url);
            runtime.block_on(async {
                let output = Output::Terminal;
                let child = Child::start(&args.command, &more, &environment, output)?;
                session.follow(&mut news, &taps.taps, ended(child, signals)).await
            })
        }
    };
    drop_while_closing(taps.taps, news, &mut session, &runtime);
    let exit = result?;
    Ok(session.close(exit))
}

/// Waits for a program's end, and for what its connections still bring.
async fn ended(child: Child, signals: Signals) -> Exit {
    let exit = child.wait(signals).await;
    tokio::time::sleep(LAST_BYTES).await;
    exit
}

/// The taps are closed while what they still have to say is listened to.
fn drop_while_closing(
    taps: Vec<Tap>,
    mut news: mpsc::Receiver<(Side, TapNews)>,
    session: &mut TapSession<'_>,
    runtime: &tokio::runtime::Runtime,
) {
    let closing = std::thread::spawn(move || taps.into_iter().for_each(Tap::close));
    while let Some((side, news)) = runtime.block_on(news.recv()) {
        // The reader may be gone; the session's file is still written.
        let _ = session.take(side, news);
    }
    // A panic in it was reported by the panic hook.
    let _ = closing.join();
}
