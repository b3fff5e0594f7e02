//! `sselens send`: one request without the screen.

use std::io::{IsTerminal as _, Write as _};

use tokio::sync::mpsc;

use super::args::{Format, Global, Send};
use super::output::Printer;
use super::{Exit, Failure, SAVE_FAILED, request, signals};
use crate::inspect::Inspection;
use crate::journal::{Entry, What};
use crate::source::request::resolve;
use crate::source::{Clock, Engine, News, Recorder};
use crate::{lab, text};

pub(super) fn run(global: &Global, args: &Send) -> Result<Exit, Failure> {
    let mut config = super::load(global)?;
    let (draft, transport) =
        request::draft(global, &args.request, args.prompt.as_deref(), &mut config)?;
    let mut printer = Printer::new(global, &args.output, &config)?;
    let lab = if request::wants_lab(&draft, &config) {
        Some(lab::start(args.lab.options()).map_err(|e| format!("the lab: {e}"))?)
    } else {
        None
    };
    let outgoing = resolve(&draft, &config, &transport, lab.as_ref().map(|l| l.addr))?;
    for warning in &outgoing.request.warnings {
        global.say(&format!("!! {warning}"));
    }
    let clock = Clock::start();
    let (news, mut heard) = mpsc::unbounded_channel();
    let trouble = {
        let news = news.clone();
        move |text: String| {
            let _ = news.send(News::Trouble { x: None, text });
        }
    };
    let recorder = match &args.save {
        Some(file) => {
            let recorder =
                Recorder::start(clock.created(), None, trouble).map_err(|e| e.to_string())?;
            recorder.also(file).map_err(|e| format!("--save {}: {e}", file.display()))?;
            Some(recorder)
        }
        None => None,
    };
    let write = recorder.as_ref().map(Recorder::writer);
    let record = move |e: &Entry| {
        if let Some(write) = &write {
            write(e);
        }
    };
    let engine = Engine::start(clock, 0, news, record).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let mut progress = Progress::new(global, args.output.output);
    let result = runtime.block_on(async {
        let mut stopped = signals_first();
        let mut signal = None;
        let mut save_failed = false;
        engine.send(outgoing);
        loop {
            let news = tokio::select! {
                biased;
                exit = &mut stopped, if signal.is_none() => {
                    signal = Some(exit);
                    engine.cancel_all();
                    continue;
                }
                news = heard.recv() => news,
            };
            let entry = match news {
                Some(News::Entry(entry)) => entry,
                Some(News::Over { .. }) | None => break,
                Some(News::Trouble { x, text }) => {
                    global.say(&text);
                    save_failed = true;
                    let what = What::Note { code: SAVE_FAILED.into(), text };
                    Entry { x: x.unwrap_or(0), at: Some(clock.now()), what }
                }
            };
            match printer.take(&entry) {
                Ok(true) => progress.clear(),
                Ok(false) => progress.show(printer.running(entry.x)),
                Err(e) => return Err(Failure::from(e)),
            }
        }
        progress.clear();
        Ok((signal, save_failed))
    });
    progress.clear();
    engine.close();
    if let Some(recorder) = recorder {
        recorder.close();
    }
    let (signal, mut save_failed) = result?;
    // The recorder may have failed on the very last bytes.
    while let Ok(news) = heard.try_recv() {
        if let News::Trouble { text, .. } = news {
            global.say(&text);
            save_failed = true;
        }
    }
    Ok(match signal {
        Some(exit) => exit,
        None if save_failed => Exit::Found,
        None => printer.exit(),
    })
}

fn signals_first() -> std::pin::Pin<Box<dyn Future<Output = Exit>>> {
    Box::pin(signals::wait())
}

/// A line on a terminal that says how far it is.
struct Progress {
    on: bool,
    shown: bool,
    frames: usize,
}

impl Progress {
    fn new(global: &Global, format: Format) -> Self {
        let elsewhere =
            !matches!(format, Format::Raw | Format::Ndjson) || !std::io::stdout().is_terminal();
        let on = !global.quiet && std::io::stderr().is_terminal() && elsewhere;
        Self { on, shown: false, frames: 0 }
    }

    fn show(&mut self, now: Option<&Inspection>) {
        let Some(now) = now.filter(|_| self.on) else { return };
        if self.shown && now.frames().len() == self.frames {
            return;
        }
        self.frames = now.frames().len();
        self.shown = true;
        let line = format!(
            "{}, {}",
            text::count(self.frames as u64, "frame"),
            text::count(now.wire_len(), "byte")
        );
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    }

    fn clear(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            self.shown = false;
        }
    }
}
