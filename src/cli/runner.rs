//! Sends requests and follows them to their ends: the one loop of `send` and `compare`.

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;

use tokio::sync::mpsc;

use super::args::Global;
use super::output::Printer;
use super::progress::Progress;
use super::{Exit, Failure, SAVE_FAILED, signals};
use crate::journal::{Entry, ExchangeId, What};
use crate::source::request::Outgoing;
use crate::source::{Clock, Engine, News, Recorder};

/// How the sending ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ended {
    /// The signal that ended it.
    pub signal: Option<Exit>,
    /// The session's file is not whole.
    pub save_failed: bool,
}

impl Ended {
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

/// The engine, the recorder and the signals of one command.
pub(super) struct Runner<'a> {
    global: &'a Global,
    clock: Clock,
    engine: Engine,
    heard: mpsc::UnboundedReceiver<News>,
    recorder: Option<Recorder>,
    runtime: tokio::runtime::Runtime,
    stopped: Pin<Box<dyn Future<Output = Exit>>>,
    ended: Ended,
}

impl<'a> Runner<'a> {
    /// Starts the engine, and the recorder of a session that is to be kept in `save`.
    pub(super) fn start(global: &'a Global, save: Option<&Path>) -> Result<Self, Failure> {
        let clock = Clock::start();
        let (news, heard) = mpsc::unbounded_channel();
        let trouble = {
            let news = news.clone();
            move |text: String| drop(news.send(News::Trouble { x: None, text }))
        };
        let recorder = match save {
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
        let stopped = Box::pin(signals::wait());
        let ended = Ended::default();
        Ok(Self { global, clock, engine, heard, recorder, runtime, stopped, ended })
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
        let Self { global, clock, engine, heard, runtime, stopped, ended, .. } = self;
        let mut rounds = rounds.into_iter().fuse();
        let mut open: HashMap<usize, Open<T>> = HashMap::new();
        // Which round an exchange is of, and at which place.
        let mut places: HashMap<ExchangeId, (usize, usize)> = HashMap::new();
        let mut begun = 0;
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
                    Some(News::Trouble { x, text }) => {
                        global.say(&text);
                        ended.save_failed = true;
                        // A finding of one that runs; afterwards nobody reports it any more.
                        let Some(x) = x.or_else(|| printer.first_running()) else { continue };
                        let what = What::Note { code: SAVE_FAILED.into(), text };
                        Entry { x, at: Some(clock.now()), what }
                    }
                    None => return Ok(()),
                };
                if matches!(entry.what, What::End { .. }) {
                    progress.report();
                }
                if !printer.take(&entry)? {
                    progress.stream(printer.running(entry.x));
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
        while let Ok(news) = self.heard.try_recv() {
            if let News::Trouble { text, .. } = news {
                self.global.say(&text);
                self.ended.save_failed = true;
            }
        }
        self.ended
    }
}
