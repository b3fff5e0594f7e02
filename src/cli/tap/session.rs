//! Saves, prints and sums up what the taps record.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::super::args::{FailOn, Format, Global, OutputArgs, TapArgs as Args, TapFormat};
use super::super::around::{Around, GatewayPair};
use super::super::exit::{Exit, Failure, alarm};
use super::super::otlp::Exporter;
use super::super::output::Printer;
use super::super::runner::is_full;
use crate::config::Config;
use crate::inspect::{Inspection, Severity};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros, Side};
use crate::report::{self, Palette};
use crate::rule::Code;
use crate::storage::Recorder;
use crate::tap::{Tap, TapError, TapNews, TapOptions};
use crate::text;
use crate::transport::Clock;

/// Interval between questions to the taps how far they have reported, while a call around a gateway is not complete on
/// both sides.
const PAIRS: Duration = Duration::from_millis(100);

/// The most lines that wait for the end of a program that has the terminal.
const MOST_LINES: usize = 10_000;

/// The records of the taps so far, and where they go.
pub(super) struct TapSession<'a> {
    global: &'a Global,
    clock: Clock,
    recorder: Option<Recorder>,
    troubles: mpsc::UnboundedReceiver<String>,
    printer: Printer,
    /// Exporter that sends each call as a span.
    exporter: Option<Exporter>,
    /// Both sides of a gateway.
    around: Option<Around>,
    /// The worst difference between them.
    worst: Option<Severity>,
    ndjson: bool,
    /// Lines that wait: a program has the terminal.
    waiting: Option<VecDeque<String>>,
    save_failed: bool,
    /// The session's file could not be written, and no exchange has reported it yet.
    untold: Option<String>,
    fail_on: Option<FailOn>,
}

impl<'a> TapSession<'a> {
    pub(super) fn new(global: &'a Global, args: &Args, config: &Config) -> Result<Self, Failure> {
        let clock = Clock::start();
        let (trouble, troubles) = mpsc::unbounded_channel();
        let recorder = match &args.save {
            Some(file) => {
                let lost = trouble.clone();
                let notify = move |text| drop(trouble.send(text));
                let recorder =
                    Recorder::start(clock.created(), None, notify).map_err(|e| e.to_string())?;
                match recorder.also(file) {
                    Ok(_) => {}
                    Err(e) if is_full(&e) => {
                        // The receiver is alive here.
                        let _ = lost.send(format!("{}: {e}; nothing is saved", file.display()));
                    }
                    Err(e) => return Err(format!("--save {}: {e}", file.display()).into()),
                }
                Some(recorder)
            }
            None => None,
        };
        let exporter = args.otlp.as_deref().map(|url| Exporter::start(url, &clock)).transpose();
        let exporter = exporter.map_err(|why| format!("--otlp {why}"))?;
        let format = match args.output {
            Some(TapFormat::Ndjson) => Format::Ndjson,
            Some(TapFormat::Text) | None => Format::Text,
        };
        let fail_on = args.fail_on.unwrap_or(FailOn::Error);
        let output = OutputArgs { output: format, force: false, fail_on };
        let printer = Printer::new(global, &output, config)?;
        let reports =
            args.output == Some(TapFormat::Text) && args.around.is_none() && args.otlp.is_none();
        Ok(Self {
            global,
            clock,
            recorder,
            troubles,
            // A separate report takes the place of a line.
            printer: if reports { printer } else { printer.keeping() },
            exporter,
            around: args.around.is_some().then(Around::default),
            worst: None,
            ndjson: format == Format::Ndjson,
            waiting: (!args.command.is_empty() && std::io::stderr().is_terminal())
                .then(VecDeque::new),
            save_failed: false,
            untold: None,
            fail_on: args.fail_on,
        })
    }

    /// Starts a tap whose entries are saved before they arrive as news.
    pub(super) fn start(
        &self,
        side: Side,
        options: TapOptions,
        notify: mpsc::Sender<(Side, TapNews)>,
    ) -> Result<Tap, TapError> {
        let write = self.recorder.as_ref().map(Recorder::writer);
        Tap::start(options, self.clock, move |news: TapNews| {
            if let (Some(write), TapNews::Entry(entry)) = (&write, &news) {
                write(entry);
            }
            // The receiver is gone when the program is about to end.
            let _ = notify.blocking_send((side, news));
        })
    }

    /// Takes in what the taps report until `stop` resolves. The program of the tap is started before this
    /// call: this thread lets those that forward and write go first.
    pub(super) async fn follow(
        &mut self,
        news: &mut mpsc::Receiver<(Side, TapNews)>,
        taps: &[Tap],
        stop: impl Future<Output = Exit>,
    ) -> Result<Exit, Failure> {
        crate::priority::step_back();
        tokio::pin!(stop);
        let mut ask = tokio::time::interval(PAIRS);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                exit = &mut stop => return Ok(exit),
                Some(text) = self.troubles.recv() => self.lost(text),
                _ = ask.tick(), if self.around.as_ref().is_some_and(Around::waits) => {
                    taps.iter().for_each(Tap::ask_report);
                }
                news = news.recv() => match news {
                    Some((side, news)) => self.take(side, news)?,
                    None => return Ok(Exit::Ok),
                },
            }
        }
    }

    /// Reports something on standard error, or later if a program has the terminal.
    fn notify(&mut self, line: String) {
        match &mut self.waiting {
            Some(waiting) => {
                if waiting.len() == MOST_LINES {
                    waiting.pop_front();
                }
                waiting.push_back(line);
            }
            None => self.global.notify(&line),
        }
    }

    /// The file cannot be written any more.
    fn lost(&mut self, text: String) {
        alarm(&text);
        self.save_failed = true;
        self.untold = Some(text);
    }

    pub(super) fn take(&mut self, side: Side, news: TapNews) -> Result<(), Failure> {
        let entry = match news {
            TapNews::Entry(entry) => entry,
            TapNews::Trouble(text) => {
                self.notify(text);
                return Ok(());
            }
            TapNews::ReportedUntil(at) if side == Side::Upstream => return self.pairs(at),
            TapNews::ReportedUntil(_) => return Ok(()),
        };
        if let (Some(recorder), EntryKind::End { .. }) = (&self.recorder, &entry.kind) {
            // Find out whether everything could be saved before the exchange's end is reported.
            recorder.written();
            while let Ok(text) = self.troubles.try_recv() {
                self.lost(text);
            }
        }
        if let Some(text) = self.untold.take_if(|_| !matches!(entry.kind, EntryKind::Request(_))) {
            let kind = EntryKind::note(Code::SaveFailed, text);
            self.printer.take(&Entry { exchange: entry.exchange, at: entry.at, kind })?;
        }
        if let Some(around) = &mut self.around {
            around.entry(side, &entry);
        }
        let (x, ended) = (entry.exchange, entry.at);
        if self.printer.take(&entry)?
            && let Some(seen) = self.printer.withdraw(x)
        {
            self.notify(line(x, &seen));
            match (&mut self.around, &mut self.exporter) {
                (Some(around), _) => around.over(side, x, ended, seen),
                (None, Some(exporter)) => exporter.export((x, &seen), &[]),
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Reports the calls of clients that are complete on both sides; that of the gateway's calls is reported until
    /// `until`.
    fn pairs(&mut self, until: Micros) -> Result<(), Failure> {
        let ready = self.around.as_mut().map(|around| around.ready(until)).unwrap_or_default();
        ready.iter().try_for_each(|pair| self.pair(pair))
    }

    /// A call with what the gateway did for it.
    fn pair(&mut self, pair: &GatewayPair) -> Result<(), Failure> {
        self.worst = self.worst.max(pair.worst());
        if let Some(exporter) = &mut self.exporter {
            let tries: Vec<_> = pair.tries.iter().map(|(x, seen)| (*x, seen)).collect();
            exporter.export((pair.client, &pair.answer), &tries);
        }
        if self.ndjson {
            self.printer.pair(pair)?;
        }
        self.notify(pair.text());
        Ok(())
    }

    /// Waits until all is written, and returns the exit status.
    pub(super) fn close(mut self, exit: Exit) -> Exit {
        if let Some(recorder) = self.recorder.take() {
            recorder.close();
        }
        while let Ok(text) = self.troubles.try_recv() {
            self.lost(text);
        }
        let rest = self.around.as_mut().map(Around::rest).unwrap_or_default();
        for pair in rest {
            // The reader may be gone.
            let _ = self.pair(&pair);
        }
        if let Some(exporter) = self.exporter.take() {
            exporter.close();
        }
        if let Some(around) = self.around.take().filter(|a| a.pairs > 1) {
            let mut out = text::Page::default();
            // Writing to memory does not fail.
            let _ = report::often(&around.often, Palette { color: false }, &mut out);
            for line in out.as_str().lines().filter(|l| !l.trim().is_empty()) {
                self.notify(line.to_owned());
            }
        }
        for line in self.waiting.take().into_iter().flatten() {
            self.global.notify(&line);
        }
        // A reader that has left is no failure.
        let _ = std::io::stdout().flush();
        let found = self.fail_on.is_some_and(|least| {
            self.printer.exit() == Exit::Found || self.worst >= Some(least.severity())
        });
        match exit {
            Exit::Ok | Exit::Child(0) if self.save_failed || found => Exit::Found,
            other => other,
        }
    }
}

/// One call in one line.
fn line(x: ExchangeId, seen: &Inspection) -> String {
    let request = seen.request.as_deref();
    let method = request.map_or("?", |r| r.method.as_str());
    let url = request.and_then(|r| url::Url::parse(&r.url).ok());
    let path = url.as_ref().map_or("", |u| u.path());
    let model = request.map(|r| r.model.as_str()).filter(|m| !m.is_empty());
    let status = seen.status().map_or_else(|| "–".to_owned(), |s| s.to_string());
    let time = seen.timing.request.zip(seen.timing.end).map(|(from, to)| to.saturating_sub(from));
    let mut line = format!("#{x}  {} {}", text::preview(method, 12), text::preview(path, 60));
    if let Some(model) = model {
        line += &format!("  {}", text::preview(model, 40));
    }
    line += &format!("  {status}");
    if let Some(time) = time {
        line += &format!("  {:.2} s", time as f64 / 1e6);
    }
    format!("{line}  {}", seen.verdict())
}
