//! Reading recordings on a separate thread, with progress.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::action::{Attempt, Done, Opened};
use crate::inspect::InspectOptions;
use crate::journal::Entry;
use crate::storage::file::{self, BodyHints, OpenError};
use crate::transport::Clock;
use crate::tui::aside;

/// Time that the first screen waits for the whole recording that it is to show. After that it shows the
/// beginning.
const AT_ONCE: Duration = Duration::from_millis(25);

/// A step in reading a recording, or its result.
pub(super) enum LoadingStep {
    /// The beginning of a long one, of which more is being read.
    Begun(Opened),
    /// So many thousandths of the work are done.
    At { name: String, permille: u16 },
    /// All of it, with what the user ought to know.
    Over { opened: Opened, warnings: Vec<String> },
    /// The user stopped it.
    Stopped,
    /// It cannot be read, and here is why.
    Failed(OpenError),
}

impl LoadingStep {
    /// Returns what the screen shows of it.
    pub(super) fn report(self, opened_as: fn(Box<Opened>) -> Done) -> Vec<Done> {
        match self {
            LoadingStep::Begun(opened) => vec![Done::Begun(Box::new(opened))],
            LoadingStep::At { name, permille } => vec![Done::Loading { name, permille }],
            LoadingStep::Over { opened, warnings } => {
                let first = opened_as(Box::new(opened));
                std::iter::once(first).chain(warnings.into_iter().map(Done::Notice)).collect()
            }
            LoadingStep::Stopped => vec![Done::NotLoaded { ends: false }],
            LoadingStep::Failed(why) => {
                vec![Done::Failed { attempt: Attempt::Open, why: why.to_string() }]
            }
        }
    }
}

/// Reads and folds a recording; the last step it reports is `Over`, `Stopped` or `Failed`.
fn read(
    path: &Path,
    hints: &BodyHints,
    options: &Arc<InspectOptions>,
    change: impl FnOnce(&mut Vec<Entry>),
    stop: &AtomicBool,
    step: &mut dyn FnMut(LoadingStep),
) {
    let name = path.display().to_string();
    let total = path.metadata().map_or(0, |m| m.len()).max(1);
    let mut last = u16::MAX;
    // The screen draws no more often than this; more reports would only queue up.
    let mut at = |permille: u64, step: &mut dyn FnMut(LoadingStep)| {
        let permille = permille.min(1000) as u16;
        if permille / 5 != last / 5 {
            last = permille;
            step(LoadingStep::At { name: name.clone(), permille });
        }
        !stop.load(Ordering::Relaxed)
    };
    at(0, step);
    let recording = file::open_watched(path, hints, &mut |read| at(read * 500 / total, step));
    let mut recording = match recording {
        Ok(recording) => recording,
        Err(_) if stop.load(Ordering::Relaxed) => return step(LoadingStep::Stopped),
        Err(why) => return step(LoadingStep::Failed(why)),
    };
    change(&mut recording.entries);
    let all = recording.entries.len().max(1) as u64;
    let mut progress = |done: usize| at(500 + done as u64 * 500 / all, step);
    let name = path.display().to_string();
    let opened = Opened::watched(name, recording.entries, options, &mut progress);
    step(match opened {
        Some(opened) => LoadingStep::Over { opened, warnings: recording.warnings },
        None => LoadingStep::Stopped,
    });
}

/// Reads one recording at a time for the screen.
pub(super) struct Loader {
    options: Arc<InspectOptions>,
    stop: Arc<AtomicBool>,
}

impl Loader {
    pub(super) fn new(options: Arc<InspectOptions>) -> Self {
        Self { options, stop: Arc::default() }
    }

    /// Stops what is being read.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Lets [`Loader::stop`] stop a recording that began elsewhere.
    pub(super) fn adopt(&mut self, preload: &Preload) {
        self.stop = Arc::clone(&preload.stop);
    }

    /// Reads a recording; `change` may change its entries before they are folded.
    pub(super) fn load(
        &mut self,
        path: PathBuf,
        change: impl FnOnce(&mut Vec<Entry>) + Send + 'static,
        done: &UnboundedSender<Done>,
        opened_as: fn(Box<Opened>) -> Done,
    ) -> std::io::Result<()> {
        self.stop();
        self.stop = Arc::default();
        let (stop, options, done) =
            (Arc::clone(&self.stop), Arc::clone(&self.options), done.clone());
        let work = move || {
            let mut step = |step: LoadingStep| {
                step.report(opened_as).into_iter().for_each(|d| drop(done.send(d)));
            };
            read(&path, &BodyHints::default(), &options, change, &stop, &mut step);
        };
        aside("open", work)
    }
}

/// The recording that the program was started with, being read.
pub(super) struct Preload {
    pub(super) path: PathBuf,
    pub(super) steps: Receiver<LoadingStep>,
    stop: Arc<AtomicBool>,
    /// Reason that it cannot be read, for whoever ends the program.
    pub(super) failed: Arc<Mutex<Option<OpenError>>>,
}

/// The part of it that was read at once.
pub(super) enum Begun {
    /// All of it, with what the user ought to know.
    Opened(Opened, Vec<String>),
    /// Not to its end; the beginning, if it can be read alone.
    Reading(Preload, Option<Opened>),
}

impl Preload {
    pub(super) fn start(
        path: &Path,
        hints: BodyHints,
        options: &Arc<InspectOptions>,
    ) -> std::io::Result<Self> {
        let (sender, steps) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (path, failed) = (path.to_owned(), Arc::default());
        let (own, options, stopped) = (path.clone(), Arc::clone(options), Arc::clone(&stop));
        let work = move || {
            let mut step = |step| drop(sender.send(step));
            if let Some(recording) = file::beginning(&own, &hints) {
                let name = own.display().to_string();
                step(LoadingStep::Begun(Opened::new(name, recording.entries, &options)));
            }
            read(&own, &hints, &options, |_| {}, &stopped, &mut step);
        };
        aside("open", work)?;
        Ok(Self { path, steps, stop, failed })
    }

    /// Waits a moment for its end.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn wait(self) -> Result<Begun, OpenError> {
        let clock = Clock::start();
        let mut beginning = None;
        loop {
            let left = AT_ONCE.saturating_sub(Duration::from_micros(clock.now()));
            match self.steps.recv_timeout(left) {
                Ok(LoadingStep::Over { opened, warnings }) => {
                    return Ok(Begun::Opened(opened, warnings));
                }
                Ok(LoadingStep::Failed(why)) => return Err(why),
                Ok(LoadingStep::Begun(opened)) => beginning = Some(opened),
                Ok(LoadingStep::At { .. } | LoadingStep::Stopped) => {}
                Err(_) => return Ok(Begun::Reading(self, beginning)),
            }
        }
    }
}
