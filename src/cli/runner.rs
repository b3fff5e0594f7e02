//! Sends requests and follows them to their ends: the one loop of `send` and `compare`.

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;

use tokio::sync::mpsc;

use super::output::Printer;
use super::progress::Progress;
use super::{Exit, Failure, SAVE_FAILED, alarm, signals};
use crate::journal::{Entry, EntryKind, ExchangeId};
use crate::storage::Recorder;
use crate::transport::request::Outgoing;
use crate::transport::{Clock, Engine, News};

/// How the sending ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ended {
    /// The signal that ended it.
    pub signal: Option<Exit>,
    /// The session's file is not whole.
    pub save_failed: bool,
}

impl Ended {
    /// The file cannot be written any more. That is `untold` by a finding yet.
    fn lost(&mut self, untold: &mut Option<String>, text: String) {
        alarm(&text);
        self.save_failed = true;
        *untold = Some(text);
    }

    /// The exit status, where nothing else happened than what was found.
    pub(super) fn exit(self, found: Exit) -> Exit {
        match self {
            Ended { signal: Some(signal), .. } => signal,
            Ended { save_failed: true, .. } => Exit::Found,
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

/// What is sent at the same time, and what it is for.
pub(super) struct Round<T> {
    /// One request, or the two of a comparison.
    pub requests: Vec<Outgoing>,
    /// What it is for.
    pub tag: T,
}

/// A round under way.
struct Open<T> {
    tag: T,
    /// By its place in the round.
    over: Vec<Option<Over>>,
}

/// Whether a file could be made, but there is no room for what should stand in it.
pub(super) fn is_full(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// The engine, the recorder and the signals of one command.
pub(super) struct Runner {
    clock: Clock,
    engine: Engine,
    heard: mpsc::UnboundedReceiver<News>,
    /// Why the session's file cannot be written any more.
    troubles: mpsc::UnboundedReceiver<String>,
    recorder: Option<Recorder>,
    runtime: tokio::runtime::Runtime,
    stopped: Pin<Box<dyn Future<Output = Exit>>>,
    ended: Ended,
}

impl Runner {
    /// Starts the engine, and the recorder of a session that is to be kept in `save`.
    pub(super) fn start(save: Option<&Path>) -> Result<Self, Failure> {
        let clock = Clock::start();
        let (news, heard) = mpsc::unbounded_channel();
        let (trouble, troubles) = mpsc::unbounded_channel();
        let recorder = match save {
            Some(file) => {
                let full = trouble.clone();
                let lost = move |text| drop(trouble.send(text));
                let recorder =
                    Recorder::start(clock.created(), None, lost).map_err(|e| e.to_string())?;
                match recorder.also(file) {
                    Ok(_) => {}
                    // The file is there, and the disk is full: as if that had come a moment later.
                    Err(e) if is_full(&e) => {
                        let text = format!("{}: {e}; nothing is saved there", file.display());
                        let _ = full.send(text);
                    }
                    Err(e) => return Err(format!("--save {}: {e}", file.display()).into()),
                }
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
        let stopped = Box::pin(signals::wait());
        let ended = Ended::default();
        Ok(Self { clock, engine, heard, troubles, recorder, runtime, stopped, ended })
    }

    /// Whether a signal has come: nothing more is to be sent.
    pub(super) fn is_stopped(&self) -> bool {
        self.ended.signal.is_some()
    }

    /// The time since the runner was started, in microseconds.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Sends round after round, `parallel` of them at a time, and tells of each when all its
    /// requests are dealt with. A signal stops what runs and lets nothing more begin.
    pub(super) fn run<T>(
        &mut self,
        rounds: impl IntoIterator<Item = Round<T>>,
        parallel: usize,
        printer: &mut Printer,
        progress: &mut Progress,
        mut over: impl FnMut(&mut Printer, &mut Progress, T, Vec<Over>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self { clock, engine, heard, troubles, recorder, runtime, stopped, ended, .. } = self;
        let mut rounds = rounds.into_iter().fuse();
        let mut open: HashMap<usize, Open<T>> = HashMap::new();
        // Which round an exchange is of, and at which place.
        let mut places: HashMap<ExchangeId, (usize, usize)> = HashMap::new();
        let mut begun = 0;
        // The session's file could not be written, and no exchange has told so yet.
        let mut untold: Option<String> = None;
        let result = runtime.block_on(async {
            loop {
                while ended.signal.is_none() && open.len() < parallel.max(1) {
                    let Some(Round { requests, tag }) = rounds.next() else { break };
                    open.insert(begun, Open { tag, over: vec![None; requests.len()] });
                    for (i, request) in requests.into_iter().enumerate() {
                        places.insert(engine.send(request), (begun, i));
                    }
                    begun += 1;
                }
                if open.is_empty() {
                    return Ok(());
                }
                let news = tokio::select! {
                    biased;
                    exit = stopped.as_mut(), if ended.signal.is_none() => {
                        ended.signal = Some(exit);
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
                    Some(News::Entry(entry)) => entry,
                    Some(News::Over { x, hops }) => {
                        let Some((round, i)) = places.remove(&x) else { continue };
                        let Some(now) = open.get_mut(&round) else { continue };
                        now.over[i] = Some(Over { first: x, hops });
                        if now.over.iter().all(Option::is_some)
                            && let Some(done) = open.remove(&round)
                        {
                            let all = done.over.into_iter().flatten().collect();
                            over(printer, progress, done.tag, all)?;
                            progress.round(clock.now());
                        }
                        continue;
                    }
                    Some(News::Trouble { .. }) => continue,
                    None => return Ok(()),
                };
                let is_end = matches!(entry.kind, EntryKind::End { .. });
                if let Some(recorder) = recorder.as_ref().filter(|_| is_end) {
                    // Whether all of it could be saved is known before its end is told.
                    recorder.written();
                    while let Ok(text) = troubles.try_recv() {
                        ended.lost(&mut untold, text);
                    }
                }
                if let Some(text) = untold.take_if(|_| !matches!(entry.kind, EntryKind::Request(_)))
                {
                    let what = EntryKind::Note { code: SAVE_FAILED.into(), text };
                    printer.take(&Entry { exchange: entry.exchange, at: entry.at, kind: what })?;
                }
                if is_end {
                    progress.report();
                }
                if !printer.take(&entry)? {
                    progress.stream(printer.running(entry.exchange));
                }
            }
        });
        progress.clear();
        result
    }

    /// Waits until all is written.
    pub(super) fn close(mut self) -> Ended {
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
