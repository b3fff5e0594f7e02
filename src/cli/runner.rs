//! Sends requests and follows them to their ends: the one loop of `send` and `compare`.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::exit::{Exit, Failure, alarm};
use super::output::Printer;
use super::progress::Progress;
use super::signals;
use crate::config::Config;
use crate::journal::{Entry, EntryKind, ExchangeId, Micros};
use crate::rule::Code;
use crate::storage::{Recorder, aside};
use crate::transport::request::Outgoing;
use crate::transport::{Backlog, Clock, Engine, News};

/// Outcome of the sending.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunEnd {
    /// The signal that ended it.
    pub signal: Option<Exit>,
    /// The session's file is not whole.
    pub save_failed: bool,
}

impl RunEnd {
    /// The file cannot be written any more. That is `untold` by a finding yet.
    fn lost(&mut self, untold: &mut Option<String>, text: String) {
        alarm(&text);
        self.save_failed = true;
        *untold = Some(text);
    }

    /// Waits until an exchange is saved: whether all of it could be is known before its end is reported.
    fn saved(
        &mut self,
        recorder: &Recorder,
        troubles: &mut mpsc::UnboundedReceiver<String>,
        untold: &mut Option<String>,
    ) {
        recorder.written();
        while let Ok(text) = troubles.try_recv() {
            self.lost(untold, text);
        }
    }

    /// The exit status, where nothing else happened than what was found.
    pub(super) fn exit(self, found: Exit) -> Exit {
        match self {
            RunEnd { signal: Some(signal), .. } => signal,
            RunEnd { save_failed: true, .. } => Exit::Found,
            _ => found,
        }
    }
}

/// A request that is dealt with: the exchanges that it took, the last of which has the answer.
#[derive(Debug, Clone)]
pub(super) struct Over {
    first: ExchangeId,
    hops: Vec<ExchangeId>,
}

impl Over {
    /// The exchange that has the answer.
    pub(super) fn last(&self) -> ExchangeId {
        self.hops.last().copied().unwrap_or(self.first)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = ExchangeId> + '_ {
        std::iter::once(self.first).chain(self.hops.iter().copied())
    }
}

/// The requests of a round, and what it is for.
pub(super) type RoundRequests<T> = (Vec<Outgoing>, T);

/// The work of a runner: rounds of one request, or of the two of a comparison.
pub(super) trait RoundSource {
    /// Purpose of a round.
    type Tag;

    /// Returns the round that is to begin at `now`; `None` when none is to begin yet, or any more.
    fn next(
        &mut self,
        progress: &mut Progress,
        now: Micros,
    ) -> Result<Option<RoundRequests<Self::Tag>>, Failure>;

    /// All requests of a round are dealt with.
    fn over(
        &mut self,
        printer: &mut Printer,
        progress: &mut Progress,
        tag: Self::Tag,
        over: Vec<Over>,
    ) -> Result<(), Failure>;

    /// Stops after a signal: nothing more is to begin.
    fn stop(&mut self) {}
}

/// One round, sent once.
pub(super) struct Once {
    requests: Option<Vec<Outgoing>>,
    /// The exchanges with the answers, in the order of the requests, when they are over.
    pub answers: Vec<ExchangeId>,
}

impl Once {
    /// These requests, at the same time.
    pub(super) fn of(requests: Vec<Outgoing>) -> Self {
        Self { requests: Some(requests), answers: Vec::new() }
    }
}

impl RoundSource for Once {
    type Tag = ();

    fn next(&mut self, _: &mut Progress, _: Micros) -> Result<Option<RoundRequests<()>>, Failure> {
        Ok(self.requests.take().map(|requests| (requests, ())))
    }

    fn over(
        &mut self,
        _: &mut Printer,
        _: &mut Progress,
        (): (),
        over: Vec<Over>,
    ) -> Result<(), Failure> {
        self.answers = over.iter().map(Over::last).collect();
        Ok(())
    }
}

/// A round under way.
struct OpenRound<T> {
    tag: T,
    /// By its place in the round.
    over: Vec<Option<Over>>,
}

/// The rounds under way.
struct Rounds<T> {
    open: HashMap<usize, OpenRound<T>>,
    /// The round of each exchange, and its place in the round.
    places: HashMap<ExchangeId, (usize, usize)>,
    begun: usize,
}

impl<T> Rounds<T> {
    fn new() -> Self {
        Self { open: HashMap::new(), places: HashMap::new(), begun: 0 }
    }

    fn begin(&mut self, (requests, tag): RoundRequests<T>, engine: &Engine) {
        self.open.insert(self.begun, OpenRound { tag, over: vec![None; requests.len()] });
        for (i, request) in requests.into_iter().enumerate() {
            self.places.insert(engine.send(request), (self.begun, i));
        }
        self.begun += 1;
    }

    /// A request is dealt with; returns its round when it was the last one of that.
    fn over(&mut self, x: ExchangeId, hops: Vec<ExchangeId>) -> Option<(T, Vec<Over>)> {
        let (round, i) = self.places.remove(&x)?;
        let open = self.open.get_mut(&round)?;
        open.over[i] = Some(Over { first: x, hops });
        if !open.over.iter().all(Option::is_some) {
            return None;
        }
        let done = self.open.remove(&round)?;
        Some((done.tag, done.over.into_iter().flatten().collect()))
    }
}

/// Returns whether a file could be created, but there is no room for its content.
pub(super) fn is_full(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// A recorder that keeps the session in `file`, too. What it cannot write any more it says in `trouble`.
fn recorder(
    file: &Path,
    clock: Clock,
    trouble: mpsc::UnboundedSender<String>,
) -> Result<Recorder, Failure> {
    let full = trouble.clone();
    let lost = move |text| drop(trouble.send(text));
    let recorder = Recorder::start(clock.created(), None, lost).map_err(|e| e.to_string())?;
    let kept = aside(file);
    match recorder.also(file) {
        Ok(_) => {
            if let Some(kept) = kept {
                let (file, kept) = (file.display(), kept.display());
                alarm(&format!("{file}: the session that was there is kept as {kept}"));
            }
        }
        // The file exists but the disk is full: report it as if that had happened a moment later.
        Err(e) if is_full(&e) => {
            let text = format!("{}: {e}; nothing is saved there", file.display());
            let _ = full.send(text);
        }
        Err(e) => return Err(format!("--save {}: {e}", file.display()).into()),
    }
    Ok(recorder)
}

/// Returns what to do before the program is ended from outside. What has arrived is saved, though nothing
/// reads what is printed.
fn last_words(
    still_runs: impl Fn() -> bool + Send + 'static,
    flush: Option<impl Fn(Duration) + Send + 'static>,
) -> impl Fn() + Send + 'static {
    move || {
        for _ in 0..20 {
            if !still_runs() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(flush) = &flush {
            flush(Duration::from_millis(450));
        }
    }
}

/// Prints an entry. Before it, prints why the session's file could not be written, if no exchange has
/// reported that yet.
fn print(
    entry: &Entry,
    untold: &mut Option<String>,
    printer: &mut Printer,
    progress: &mut Progress,
) -> Result<(), Failure> {
    if let Some(text) = untold.take_if(|_| !matches!(entry.kind, EntryKind::Request(_))) {
        let what = EntryKind::note(Code::SaveFailed, text);
        printer.take(&Entry { exchange: entry.exchange, at: entry.at, kind: what })?;
    }
    if let EntryKind::End { .. } = entry.kind {
        progress.report();
    }
    if !printer.take(entry)? {
        progress.stream(printer.running(entry.exchange));
    }
    Ok(())
}

/// The engine, the recorder and the signals of one command.
pub(super) struct Runner {
    clock: Clock,
    engine: Engine,
    heard: mpsc::UnboundedReceiver<News>,
    /// Reasons that the session's file can no longer be written.
    troubles: mpsc::UnboundedReceiver<String>,
    recorder: Option<Recorder>,
    runtime: tokio::runtime::Runtime,
    stopped: oneshot::Receiver<Exit>,
    /// Everything that was read and is not printed yet.
    backlog: Backlog,
    ended: RunEnd,
}

impl Runner {
    /// Starts the engine, and the recorder of a session that is to be kept in `save`.
    pub(super) fn start(save: Option<&Path>, config: &Config) -> Result<Self, Failure> {
        let clock = Clock::start();
        let (news, heard) = mpsc::unbounded_channel();
        let (trouble, troubles) = mpsc::unbounded_channel();
        let recorder = save.map(|file| recorder(file, clock, trouble)).transpose()?;
        let backlog = Backlog::default();
        let write = recorder.as_ref().map(Recorder::writer);
        let waiting = backlog.clone();
        let record = move |e: &Entry| {
            waiting.add(e);
            if let Some(write) = &write {
                write(e);
            }
        };
        let most = config.limits.max_backlog;
        backlog.bound(most - most / 4);
        let mut backlogs = vec![backlog.clone()];
        if let Some(recorder) = &recorder {
            recorder.backlog().bound(most / 4);
            backlogs.push(recorder.backlog());
        }
        let mut engine = Engine::new(clock, 0, news, record, backlogs);
        engine.run().map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let stop = engine.stopper();
        let last = last_words(engine.stopper(), recorder.as_ref().map(Recorder::flusher));
        let stopped = signals::listen(move || _ = stop(), last).map_err(|e| e.to_string())?;
        let ended = RunEnd::default();
        Ok(Self { clock, engine, heard, troubles, recorder, runtime, stopped, backlog, ended })
    }

    /// Returns whether a signal has arrived: nothing more is to be sent.
    pub(super) fn is_stopped(&self) -> bool {
        self.ended.signal.is_some()
    }

    /// The time since the runner was started, in microseconds.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Sends round after round until there are no more. A signal stops what runs and lets nothing
    /// more begin.
    pub(super) fn run<W: RoundSource>(
        &mut self,
        work: &mut W,
        printer: &mut Printer,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let Self { clock, engine, heard, troubles, recorder, runtime, stopped, backlog, ended } =
            self;
        let mut rounds = Rounds::new();
        // Why the session's file could not be written, as long as no exchange has reported it.
        let mut untold: Option<String> = None;
        let result = runtime.block_on(async {
            loop {
                while ended.signal.is_none() {
                    let Some(round) = work.next(progress, clock.now())? else { break };
                    rounds.begin(round, engine);
                }
                if rounds.open.is_empty() {
                    return Ok(());
                }
                let news = tokio::select! {
                    biased;
                    Ok(exit) = &mut *stopped, if ended.signal.is_none() => {
                        ended.signal = Some(exit);
                        printer.stop();
                        work.stop();
                        engine.cancel_all();
                        continue;
                    }
                    Some(text) = troubles.recv() => {
                        ended.lost(&mut untold, text);
                        continue;
                    }
                    news = heard.recv() => news,
                };
                let entry = match news {
                    Some(News::Entry(entry)) => {
                        backlog.done(&entry);
                        entry
                    }
                    Some(News::Over { x, hops }) => {
                        if let Some((tag, all)) = rounds.over(x, hops) {
                            work.over(printer, progress, tag, all)?;
                            progress.round(clock.now());
                        }
                        continue;
                    }
                    Some(News::Trouble { .. } | News::Notice { .. } | News::Tapped(_)) => continue,
                    None => return Ok(()),
                };
                if let (Some(recorder), EntryKind::End { .. }) = (&*recorder, &entry.kind) {
                    ended.saved(recorder, troubles, &mut untold);
                }
                print(&entry, &mut untold, printer, progress)?;
            }
        });
        progress.clear();
        result
    }

    /// Waits until all is written.
    pub(super) fn close(mut self) -> RunEnd {
        self.engine.close();
        if let Some(recorder) = self.recorder {
            recorder.close();
        }
        // The recorder may have failed on the very last bytes.
        while let Ok(text) = self.troubles.try_recv() {
            self.ended.lost(&mut None, text);
        }
        self.ended
    }
}
