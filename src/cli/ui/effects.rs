//! Does what the screen asks for. Nothing here blocks: what may take its time has a thread.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use tokio::sync::mpsc::UnboundedSender;

use super::failure::{EffectError, SendError};
use super::files;
use super::loading::{Loader, LoadingStep, Preload};
use super::next_number;
use super::pipe::Pipe;
use super::watch::Current;
use crate::action::{Attempt, Done, DraftPair, Effect, Opened};
use crate::cli::args::LabFlags;
use crate::cli::request;
use crate::journal::ExchangeId;
use crate::lab;
use crate::storage::Recorder;
use crate::storage::draft::{DraftKeeper, KeptDraft};
use crate::transport::request::{Outgoing, Transport, resolve};
use crate::transport::{Draft, Engine, models};
use crate::tui::EffectRunner;

/// Returns what an effect attempts.
fn attempt(effect: &Effect) -> Attempt {
    match effect {
        Effect::Send(_) | Effect::Compare(_) | Effect::CompareWith { .. } => Attempt::Send,
        Effect::LoadFile(_) | Effect::LoadBeside(_) => Attempt::Open,
        _ => Attempt::Other,
    }
}

/// Does a piece of work on a thread, and reports its result.
fn aside(
    done: &UnboundedSender<Done>,
    attempt: Attempt,
    work: impl FnOnce() -> Result<Done, EffectError> + Send + 'static,
) -> Result<(), EffectError> {
    let done = done.clone();
    let failed = move |why: EffectError| Done::Failed { attempt, why: why.to_string() };
    let work = move || drop(done.send(work().unwrap_or_else(failed)));
    std::thread::Builder::new().name("work".into()).spawn(work)?;
    Ok(())
}

/// Does what the screen asks for.
pub(super) struct UiRunner {
    config: Current,
    /// Has the configuration read again.
    pub(super) reload: Option<Sender<bool>>,
    transport: Transport,
    engine: Engine,
    recorder: Recorder,
    pipe: Pipe,
    /// Runs from the first request to it on.
    lab: Option<lab::RunningLab>,
    lab_options: LabFlags,
    loader: Loader,
    /// Keeps the request being edited; `None` with `--no-autosave`.
    drafts: Option<DraftKeeper>,
    /// The recording that the program was started with, while it is read.
    pub(super) preload: Option<Preload>,
}

impl UiRunner {
    pub(super) fn new(
        config: Current,
        transport: Transport,
        engine: Engine,
        recorder: Recorder,
        pipe: Pipe,
        lab_options: LabFlags,
    ) -> Self {
        let loader = Loader::new(Arc::new(config.get().options.clone()));
        let (lab, preload, drafts) = (None, None, None);
        Self {
            config,
            reload: None,
            transport,
            engine,
            recorder,
            pipe,
            lab,
            lab_options,
            loader,
            drafts,
            preload,
        }
    }

    /// Starts the threads that it needs: who records, who sends, and who keeps drafts at a path.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(&mut self, drafts: Option<PathBuf>) -> std::io::Result<()> {
        self.recorder.run()?;
        self.engine.run()?;
        self.drafts = drafts.and_then(|path| DraftKeeper::start(path).ok());
        Ok(())
    }

    /// Ends what runs and writes what is left.
    pub(super) fn close(self) {
        self.loader.stop();
        self.engine.close();
        self.recorder.close();
        if let Some(drafts) = self.drafts {
            drafts.close();
        }
    }

    /// Keeps the request being edited, if its body is text.
    fn keep_draft(&self, draft: Draft) {
        let (Some(drafts), Ok(body)) = (&self.drafts, String::from_utf8(draft.body)) else {
            return;
        };
        let Draft { provider, model, url, dialect, method, headers, variables, .. } = draft;
        drafts.keep(KeptDraft { provider, model, url, dialect, method, headers, body, variables });
    }

    /// Starts the embedded provider, if it is asked and does not run yet.
    fn start_lab(&mut self, draft: &Draft) -> Result<(), SendError> {
        if self.lab.is_none() && request::wants_lab(draft, &self.config.get()) {
            self.lab = Some(lab::start(self.lab_options.options()).map_err(SendError::Lab)?);
        }
        Ok(())
    }

    fn resolve(&mut self, draft: &Draft) -> Result<Outgoing, SendError> {
        self.start_lab(draft)?;
        let lab = self.lab.as_ref().map(|l| l.addr);
        Ok(resolve(draft, &self.config.get(), &self.transport, lab)?)
    }

    fn list_models(
        &mut self,
        provider: String,
        done: &UnboundedSender<Done>,
    ) -> Result<(), EffectError> {
        let draft = Draft { provider: provider.clone(), ..Draft::default() };
        self.start_lab(&draft)?;
        let lab = self.lab.as_ref().map(|l| l.addr);
        let (config, transport) = (self.config.get(), &self.transport);
        let outgoing = models::request(&provider, &config, transport, lab)?;
        aside(done, Attempt::Other, move || {
            let models = models::models(&outgoing)?;
            Ok(Done::Models { provider, models })
        })
    }

    /// Sends both or none: all that can be refused is refused before the first goes out.
    fn compare(&mut self, pair: Box<DraftPair>) -> Result<Done, EffectError> {
        let named = |name| move |why| EffectError::Side { name, why };
        let a = self.resolve(&pair.drafts[0]).map_err(named('A'))?;
        let b = self.resolve(&pair.drafts[1]).map_err(named('B'))?;
        let ids = [self.engine.send(a), self.engine.send(b)];
        Ok(Done::Comparing { pair, ids })
    }

    fn send(&mut self, draft: &Draft) -> Result<(), EffectError> {
        let outgoing = self.resolve(draft)?;
        self.engine.send(outgoing);
        Ok(())
    }

    /// Stops an exchange; number 0 may be what is piped in.
    fn cancel(&self, x: ExchangeId) {
        if x == 0 {
            self.pipe.cancel();
        }
        self.engine.cancel(x);
    }

    /// Reads a recording to show beside the session's exchanges. Its clock is another one, and it is in a
    /// file already, so it is not added to the session's own file.
    fn load_beside(&mut self, path: PathBuf, done: &UnboundedSender<Done>) -> std::io::Result<()> {
        let numbers = self.engine.numbers();
        let renumber = move |entries: &mut Vec<crate::journal::Entry>| {
            let old: BTreeSet<u32> = entries.iter().map(|e| e.exchange).collect();
            let first = numbers(old.len() as u32);
            let new: BTreeMap<u32, u32> = old.into_iter().zip(first..).collect();
            for entry in entries {
                entry.exchange = new.get(&entry.exchange).copied().unwrap_or(first);
            }
        };
        // The entries are not needed. Freeing them takes long, so it happens on the thread that read them.
        let beside = |mut opened: Box<Opened>| {
            opened.entries = Arc::default();
            Done::Beside(opened)
        };
        self.loader.load(path, renumber, done, beside)
    }

    /// Continues reading the recording that the program was started with, or begins with another.
    fn load(&mut self, path: PathBuf, done: &UnboundedSender<Done>) -> std::io::Result<()> {
        let Some(preload) = self.preload.take().filter(|p| p.path == path) else {
            return self.loader.load(path, |_| {}, done, Done::Loaded);
        };
        self.loader.adopt(&preload);
        let done = done.clone();
        let forward = move || {
            while let Ok(step) = preload.steps.recv() {
                let report = match step {
                    LoadingStep::Failed(why) => {
                        if let Ok(mut failed) = preload.failed.lock() {
                            *failed = Some(why);
                        }
                        vec![Done::NotLoaded { ends: true }]
                    }
                    step => step.report(Done::Loaded),
                };
                report.into_iter().for_each(|d| drop(done.send(d)));
            }
        };
        std::thread::Builder::new().name("open".into()).spawn(forward).map(drop)
    }

    fn save(&self, path: PathBuf, done: &UnboundedSender<Done>) -> Result<(), EffectError> {
        let write = self.recorder.saver();
        aside(done, Attempt::Other, move || {
            if path.exists() {
                return Err(EffectError::Exists(path));
            }
            let length = write(&path).map_err(EffectError::file(&path))?;
            let length = crate::text::count(length, "byte");
            Ok(Done::Notice(format!("saved to {}, {length} so far", files::place(&path))))
        })
    }
}

impl EffectRunner for UiRunner {
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>) {
        let attempt = attempt(&effect);
        let result = match effect {
            Effect::Send(draft) => self.send(&draft),
            Effect::Compare(pair) => self.compare(pair).map(|answer| drop(done.send(answer))),
            Effect::LoadBeside(path) => self.load_beside(path, done).map_err(Into::into),
            Effect::Cancel(x) => {
                self.cancel(x);
                Ok(())
            }
            Effect::SaveSession(path) => self.save(path, done),
            Effect::KeepDraft(draft) => {
                self.keep_draft(*draft);
                Ok(())
            }
            Effect::ReloadConfig { if_changed } => {
                // If the thread could not be started, no receiver exists.
                let _ = self.reload.as_ref().map(|reload| reload.send(if_changed));
                Ok(())
            }
            Effect::ListModels(provider) => self.list_models(provider, done),
            Effect::LoadFile(path) => self.load(path, done).map_err(Into::into),
            Effect::StopLoading => {
                self.loader.stop();
                Ok(())
            }
            Effect::BeginSession(entries) => {
                self.engine.number_from(next_number(&entries));
                self.recorder.begin(entries);
                Ok(())
            }
            effect => match files::work(effect, &self.config.get()) {
                Some(work) => aside(done, attempt, work),
                // The main loop handles this effect itself.
                None => Ok(()),
            },
        };
        if let Err(why) = result {
            let _ = done.send(Done::Failed { attempt, why: why.to_string() });
        }
    }
}
