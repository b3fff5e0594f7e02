//! Does what the screen asks for. Nothing here blocks: what may take its time has a thread.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use tokio::sync::mpsc::UnboundedSender;

use super::loading::{Loader, Preload, Step};
use super::next_number;
use super::pipe::Pipe;
use super::watch::Current;
use crate::action::{Attempt, Done, Effect, Pair};
use crate::cli::args::LabOptions;
use crate::cli::{request, sessions};
use crate::lab;
use crate::storage::draft::{DraftKeeper, KeptDraft};
use crate::storage::request_file::{self, RequestFileError};
use crate::storage::{Recorder, is_live};
use crate::transport::request::{Outgoing, RequestError, Transport, key_in_words, resolve};
use crate::transport::{Draft, Engine, models};
use crate::tui::EffectRunner;

/// Why an effect failed.
#[derive(Debug, thiserror::Error)]
enum EffectError {
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: std::io::Error },
    #[error("{} already exists; it was left unchanged", .0.display())]
    Exists(PathBuf),
    #[error("{} is being recorded; it was not moved", .0.display())]
    Recorded(PathBuf),
    #[error("{} is being recorded; it was not deleted", .0.display())]
    Live(PathBuf),
    #[error(transparent)]
    Request(#[from] RequestFileError),
    #[error(transparent)]
    Models(#[from] models::ModelsError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("{name}: {why}")]
    Side { name: char, why: SendError },
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

impl EffectError {
    /// Turns an error about a file into one that names it.
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |why| Self::File { path: path.to_owned(), why }
    }
}

/// Why a request cannot be sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the lab: {0}")]
    Lab(std::io::Error),
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Writes a file, unless there is one.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // What was received can hold what the key's owner alone should see.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            std::io::Error::new(e.kind(), "already exists: choose another name")
        }
        _ => e,
    })?;
    file.write_all(bytes)
}

/// Writes a request to a file, and says what of it is not in there.
fn store(
    path: PathBuf,
    draft: &Draft,
    key: Option<(String, String)>,
    replaces: bool,
) -> Result<Done, EffectError> {
    let key = key.as_ref().map(|(name, value)| (name.as_str(), value.clone()));
    let written = request_file::write(&path, draft, key);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(EffectError::file(folder))?;
    }
    let bytes = written.text.as_bytes();
    let result = if replaces { std::fs::write(&path, bytes) } else { write_new(&path, bytes) };
    result.map_err(EffectError::file(&path))?;
    let mut about = format!("Request saved to {}", path.display());
    if !written.replaced.is_empty() {
        let names: Vec<String> = written.replaced.iter().map(|n| format!("${{{n}}}")).collect();
        about.push_str(&format!("; {} in place of credentials", names.join(", ")));
    }
    if written.starred {
        about.push_str("; credentials in its address or body are stars");
    }
    Ok(Done::RequestStored(path, about))
}

/// How many names are offered for what is typed.
const MAX_COMPLETIONS: usize = 50;

/// What a file's name may become: the entries of its folder that begin so, folders with a slash.
fn completions(typed: &str) -> Vec<String> {
    let (folder, begun) = typed.rsplit_once('/').map_or(("", typed), |(f, name)| (f, name));
    let place = match (folder, typed.starts_with('/')) {
        ("", true) => Path::new("/"),
        ("", false) => Path::new("."),
        (folder, _) => Path::new(folder),
    };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let before = &typed[..typed.len() - begun.len()];
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let slash = if entry.path().is_dir() { "/" } else { "" };
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            (name.starts_with(begun) && !hidden).then(|| format!("{before}{name}{slash}"))
        })
        .collect();
    names.sort();
    names.truncate(MAX_COMPLETIONS);
    names
}

/// Reads a whole file.
fn read(path: &Path) -> Result<Vec<u8>, EffectError> {
    std::fs::read(path).map_err(EffectError::file(path))
}

/// What an effect attempts.
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
pub(super) struct Runner {
    config: Current,
    /// Has the configuration read again.
    pub(super) reload: Option<Sender<bool>>,
    transport: Transport,
    engine: Engine,
    recorder: Recorder,
    pipe: Pipe,
    /// Runs from the first request to it on.
    lab: Option<lab::Running>,
    lab_options: LabOptions,
    loader: Loader,
    /// Keeps the request being edited; `None` with `--no-autosave`.
    pub(super) drafts: Option<DraftKeeper>,
    /// The recording that the program was started with, while it is read.
    pub(super) preload: Option<Preload>,
}

impl Runner {
    pub(super) fn new(
        config: Current,
        transport: Transport,
        engine: Engine,
        recorder: Recorder,
        pipe: Pipe,
        lab_options: LabOptions,
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
    fn compare(&mut self, pair: Box<Pair>) -> Result<Done, EffectError> {
        let named = |name| move |why| EffectError::Side { name, why };
        let a = self.resolve(&pair.drafts[0]).map_err(named('A'))?;
        let b = self.resolve(&pair.drafts[1]).map_err(named('B'))?;
        let ids = [self.engine.send(a), self.engine.send(b)];
        Ok(Done::Comparing { pair, ids })
    }

    /// Reads a recording to stand beside the session's exchanges. Its clock is another one, and it
    /// is in a file already: the session's own file does without.
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
        self.loader.load(path, renumber, done, Done::Beside)
    }

    /// Goes on reading the recording that the program was started with, or begins with another.
    fn load(&mut self, path: PathBuf, done: &UnboundedSender<Done>) -> std::io::Result<()> {
        let Some(preload) = self.preload.take().filter(|p| p.path == path) else {
            return self.loader.load(path, |_| {}, done, Done::Loaded);
        };
        self.loader.adopt(&preload);
        let done = done.clone();
        let forward = move || {
            while let Ok(step) = preload.steps.recv() {
                let report = match step {
                    Step::Failed(why) => {
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
            Ok(Done::Said(format!("saved to {}, {length} so far", path.display())))
        })
    }
}

impl EffectRunner for Runner {
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>) {
        let attempt = attempt(&effect);
        let result = match effect {
            Effect::Send(draft) => self.resolve(&draft).map_err(Into::into).map(|outgoing| {
                self.engine.send(outgoing);
            }),
            Effect::Compare(pair) => self.compare(pair).map(|answer| drop(done.send(answer))),
            Effect::CompareWith { draft, path } => aside(done, attempt, move || {
                let body = read(&path)?;
                Ok(Done::BodyBeside { draft, body })
            }),
            Effect::LoadBeside(path) => self.load_beside(path, done).map_err(Into::into),
            Effect::Cancel(x) => {
                if x == 0 {
                    self.pipe.cancel();
                }
                self.engine.cancel(x);
                Ok(())
            }
            Effect::SaveSession(path) => self.save(path, done),
            Effect::WriteFile { path, bytes } => aside(done, attempt, move || {
                write_new(&path, &bytes).map_err(EffectError::file(&path))?;
                Ok(Done::Said(format!("wrote {}", path.display())))
            }),
            Effect::LoadRequest(path) => {
                aside(done, attempt, move || read(&path).map(Done::Request))
            }
            Effect::KeepDraft(draft) => {
                self.keep_draft(*draft);
                Ok(())
            }
            Effect::ReloadConfig { if_changed } => {
                // Without the thread there is nobody to read it.
                let _ = self.reload.as_ref().map(|reload| reload.send(if_changed));
                Ok(())
            }
            Effect::ListModels(provider) => self.list_models(provider, done),
            Effect::ListRequests => {
                let folder = self.config.get().requests.clone();
                aside(done, attempt, move || Ok(Done::Requests(request_file::list(&folder))))
            }
            Effect::OpenRequest { path, environment } => aside(done, attempt, move || {
                let draft = request_file::read(&path, environment.as_deref())?;
                Ok(Done::RequestOpened(Box::new(draft)))
            }),
            Effect::StoreRequest { path, draft, replaces } => {
                let key = key_in_words(&draft, &self.config.get());
                aside(done, attempt, move || store(path, &draft, key, replaces))
            }
            Effect::ListSessions => {
                let options = Arc::new(self.config.get().options.clone());
                aside(done, attempt, move || Ok(Done::Sessions(sessions::list(&options))))
            }
            Effect::DeleteSession(path) => aside(done, attempt, move || {
                if is_live(&path) {
                    return Err(EffectError::Live(path));
                }
                std::fs::remove_file(&path).map_err(EffectError::file(&path))?;
                Ok(Done::Said(format!("deleted {}", path.display())))
            }),
            Effect::PinSession(path) => {
                let options = Arc::new(self.config.get().options.clone());
                aside(done, attempt, move || {
                    if is_live(&path) {
                        return Err(EffectError::Recorded(path));
                    }
                    sessions::pin(&path).map_err(EffectError::file(&path))?;
                    Ok(Done::Sessions(sessions::list(&options)))
                })
            }
            Effect::SearchSessions(text) => {
                let options = Arc::new(self.config.get().options.clone());
                aside(done, attempt, move || {
                    Ok(Done::SessionHits(sessions::search(&text, &options)))
                })
            }
            Effect::CompletePath(typed) => aside(done, attempt, move || {
                let names = completions(&typed);
                Ok(Done::Completions { typed, names })
            }),
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
            // The loop does these itself.
            Effect::Copy { .. }
            | Effect::EditOutside(_)
            | Effect::Notify(_)
            | Effect::Redraw
            | Effect::Suspend
            | Effect::Quit => Ok(()),
        };
        if let Err(why) = result {
            let _ = done.send(Done::Failed { attempt, why: why.to_string() });
        }
    }
}
