//! The engine: a separate thread that only reads.
//!
//! Drawing on the reader's thread makes time stamps late by hundreds of microseconds, so the
//! exchanges live on a runtime here. Each entry goes two ways at once: to the recorder, which
//! writes it to disk, and to whoever listens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::outgoing::Outgoing;
use super::{Backlog, Clock, News, client};
use crate::journal::{Entry, ExchangeId};

/// Runs exchanges. [`Engine::close`] cancels them and waits for their ends.
#[derive(Debug)]
pub struct Engine {
    jobs: mpsc::UnboundedSender<ExchangeJob>,
    next: Arc<AtomicU32>,
    running: Arc<Mutex<HashMap<ExchangeId, CancellationToken>>>,
    all: CancellationToken,
    thread: Option<JoinHandle<()>>,
    /// Starts the thread, until there is one.
    waiting: Option<Start>,
}

/// The maker of the reader thread.
struct Start(Box<dyn FnOnce() -> std::io::Result<JoinHandle<()>> + Send>);

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Start")
    }
}

#[derive(Debug)]
struct ExchangeJob {
    x: ExchangeId,
    outgoing: Outgoing,
    cancel: CancellationToken,
}

impl Engine {
    /// Makes one whose requests wait for [`Engine::run`]. `first` is the number of the first exchange; `record`
    /// gets each entry before `news` does and must not block. Reading pauses while one of the backlogs is full.
    pub fn new(
        clock: Clock,
        first: ExchangeId,
        news: mpsc::UnboundedSender<News>,
        record: impl Fn(&Entry) + Send + Sync + 'static,
        backlogs: Vec<Backlog>,
    ) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel::<ExchangeJob>();
        let next = Arc::new(AtomicU32::new(first));
        let running = Arc::<Mutex<HashMap<ExchangeId, CancellationToken>>>::default();
        let (ids, over) = (Arc::clone(&next), Arc::clone(&running));
        let record = Arc::new(record);
        let backlogs = Arc::<[Backlog]>::from(backlogs);
        let read = move |runtime: tokio::runtime::Runtime| {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                let mut tasks = tokio::task::JoinSet::new();
                loop {
                    let job = tokio::select! {
                        job = queue.recv() => job,
                        Some(_) = tasks.join_next() => continue,
                    };
                    let Some(ExchangeJob { x, outgoing, cancel }) = job else { break };
                    let (ids, over) = (Arc::clone(&ids), Arc::clone(&over));
                    let (news, record) = (news.clone(), Arc::clone(&record));
                    let backlogs = Arc::clone(&backlogs);
                    tasks.spawn_local(async move {
                        let emit = |entry: Entry| {
                            record(&entry);
                            // The receiver is gone when the program is about to end.
                            let _ = news.send(News::Entry(entry));
                        };
                        let next_id = || ids.fetch_add(1, Ordering::Relaxed);
                        let hops =
                            client::run(x, outgoing, (clock, &backlogs), cancel, next_id, emit)
                                .await;
                        tracing::debug!(x, ?hops, "dealt with");
                        if let Ok(mut over) = over.lock() {
                            over.remove(&x);
                        }
                        let _ = news.send(News::Over { x, hops });
                    });
                }
                // No more requests: those still running were cancelled, and report their end.
                while tasks.join_next().await.is_some() {}
            });
            // A DNS lookup cannot be stopped, and its answer is no longer needed.
            runtime.shutdown_background();
        };
        let start = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            std::thread::Builder::new().name("reader".into()).spawn(move || read(runtime))
        };
        let waiting = Some(Start(Box::new(start)));
        Self { jobs, next, running, all: CancellationToken::new(), thread: None, waiting }
    }

    /// Starts the reader thread, if there is none yet.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn run(&mut self) -> std::io::Result<()> {
        if let Some(Start(start)) = self.waiting.take() {
            self.thread = Some(start()?);
        }
        Ok(())
    }

    /// Sends a request; its entries follow as news, and [`News::Over`] when it is dealt with. Returns the
    /// exchange's number.
    pub fn send(&self, outgoing: Outgoing) -> ExchangeId {
        let x = self.next.fetch_add(1, Ordering::Relaxed);
        let cancel = self.all.child_token();
        if let Ok(mut running) = self.running.lock() {
            running.insert(x, cancel.clone());
        }
        tracing::debug!(x, request = ?outgoing, "sending");
        // The thread lives as long as this sender.
        let _ = self.jobs.send(ExchangeJob { x, outgoing, cancel });
        x
    }

    /// Numbers later exchanges from at least `first` on.
    pub fn number_from(&self, first: ExchangeId) {
        self.next.fetch_max(first, Ordering::Relaxed);
    }

    /// A function that takes `count` numbers that no other exchange gets; it returns the first.
    pub fn numbers(&self) -> impl FnOnce(u32) -> ExchangeId + Send + 'static {
        let next = Arc::clone(&self.next);
        move |count| next.fetch_add(count, Ordering::Relaxed)
    }

    /// The counter of exchange numbers, for what else begins exchanges in the same session.
    pub fn counter(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.next)
    }

    /// Stops an exchange: its connection is dropped at once, and its end is reported.
    pub fn cancel(&self, x: ExchangeId) {
        if let Ok(running) = self.running.lock()
            && let Some(token) = running.get(&x)
        {
            token.cancel();
        }
    }

    /// Stops all exchanges.
    pub fn cancel_all(&self) {
        if let Ok(running) = self.running.lock() {
            running.values().for_each(CancellationToken::cancel);
        }
    }

    /// A function that stops all exchanges, from any thread; it returns whether some still run.
    pub fn stopper(&self) -> impl Fn() -> bool + Send + 'static {
        let running = Arc::clone(&self.running);
        move || {
            let Ok(running) = running.lock() else { return false };
            running.values().for_each(CancellationToken::cancel);
            !running.is_empty()
        }
    }

    /// Stops all exchanges, and returns when the ends of all have been reported.
    pub fn close(self) {
        let Self { jobs, all, thread, .. } = self;
        all.cancel();
        drop(jobs);
        if let Some(thread) = thread {
            // A panic of the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}
