//! The screen: what it begins with, and who does what it asks for.

mod effects;
mod failure;
mod files;
mod loading;
mod pipe;
mod watch;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};

use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::effects::UiRunner;
use self::loading::{Begun, Preload};
use self::pipe::Pipe;
use self::watch::{Current, Watch};

use super::args::{Color, Global, UiArgs};
use super::exit::{Exit, Failure};
use super::request;
use crate::action::{Keymap, Opened};
use crate::config::{Config, Provider};
use crate::inspect::InspectOptions;
use crate::journal::{Entry, Request};
use crate::storage::draft::{self, KeptDraft};
use crate::storage::file::{BodyHints, OpenError};
use crate::storage::{AutosaveFolder, Recorder, curl};
use crate::transport::request::{Transport, compose, variables};
use crate::transport::{Clock, Draft, Engine, News};
use crate::tui::{
    self, Colors, Ended, Looks, ProviderInfo, Run, Startup, Tools, UnknownTheme, terminal,
};
use crate::{lab, report};

/// Said when there is no terminal to draw on.
const NO_TERMINAL: &str = "\
the screen needs a terminal, and standard output is not one.
Without one:
  sselens send -p lab 'Say hello'     one request, a report on standard output
  sselens show FILE                   analyze a recording
  sselens --help                      everything else";

/// Another source of exchanges for the session of the screen, such as a tap.
pub(super) type Source = Box<dyn FnOnce(Feed) -> Result<Feeding, Failure>>;

/// Destination of the exchanges of a source.
pub(super) struct Feed {
    pub(super) clock: Clock,
    /// The next exchange's number.
    pub(super) numbers: Arc<AtomicU32>,
    /// Records an entry and shows it.
    pub(super) entry: Arc<dyn Fn(Entry) + Send + Sync>,
    /// Shows a sentence, and whether it says that something failed.
    pub(super) notify: Arc<dyn Fn(String, bool) + Send + Sync>,
}

/// A source that runs.
pub(super) struct Feeding {
    /// A sentence about it, shown at once.
    pub(super) about: String,
    /// Ends it.
    pub(super) close: Box<dyn FnOnce()>,
}

pub(super) fn run(global: &Global, args: &UiArgs) -> Result<Exit, Failure> {
    run_with(global, args, None)
}

/// Runs the screen, with a source of exchanges beside the requests that it sends.
pub(super) fn run_with(
    global: &Global,
    args: &UiArgs,
    source: Option<Source>,
) -> Result<Exit, Failure> {
    needs_terminal()?;
    let mut config = Global { quiet: true, ..global.clone() }.load()?;
    let mut messages = config.notes.clone();
    let (draft, transport) = first_draft(global, args, &mut config, &mut messages)?;
    let live = args.file.as_deref() == Some(Path::new("-"));
    let options = Arc::new(config.options.clone());
    let (session, preload) = first_session(args, &draft, &options, &mut messages)?;
    let keys =
        Keymap::new(&config.keys, &crate::tui::pane_contexts()).map_err(|e| e.to_string())?;
    let looks = looks(global, &config).map_err(|e| e.to_string())?;
    let config = Arc::new(config);
    let (mut outlet, heard) = Outlet::open(global, &config);
    let drafts = draft_file(global, &config);
    let opened = whole(session.as_ref(), preload.as_ref());
    // A pipe is exchange 0.
    let first = next_number(&opened).max(u32::from(live));
    outlet.recorder.begin(opened);
    save_to(args.save.as_deref(), &mut outlet.recorder, &mut messages)?;
    let pipe = outlet.pipe(live);
    let engine = outlet.engine(first);
    let feeding = source.map(|source| outlet.feed(source, &engine)).transpose()?;
    messages.extend(feeding.iter().map(|f| f.about.clone()));
    let startup = Startup {
        providers: providers(&config),
        requests: config.requests.clone(),
        notify: config.notify,
        draft,
        session,
        keeps_drafts: drafts.is_some(),
        open: preload.as_ref().map(|p| p.path.clone()),
        options,
        keys,
        keymap: config.keymap,
        looks,
        messages,
        tools: tools(&config),
    };
    let failed = preload.as_ref().map(|p| Arc::clone(&p.failed));
    let current = Current::new(config);
    let watch =
        Watch { global: global.clone(), request: args.request.clone(), current: current.clone() };
    let Outlet { clock, recorder, .. } = outlet;
    let mut runner = UiRunner::new(current, transport, engine, recorder, pipe, args.lab.clone());
    runner.preload = preload;
    let shown = show(startup, heard, &mut runner, (watch, drafts), clock);
    if let Some(feeding) = feeding {
        (feeding.close)();
    }
    runner.close();
    exit(shown?, failed)
}

/// The entries of a recording that has been read; the recorder takes no other.
fn whole(session: Option<&Opened>, preload: Option<&Preload>) -> Arc<Vec<Entry>> {
    let whole = session.filter(|_| preload.is_none());
    whole.map(|s| Arc::clone(&s.entries)).unwrap_or_default()
}

/// Refuses to run without a terminal to draw on.
fn needs_terminal() -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::Usage(NO_TERMINAL.into()));
    }
    if super::args::is_dumb() {
        let why =
            NO_TERMINAL.replace("standard output is not one", "TERM=dumb says that this is none");
        return Err(Failure::Usage(why));
    }
    Ok(())
}

/// Returns how the program ends after its screen: from the screen's exit status, whether a thread panicked,
/// and why the recording could not be read, if so.
fn exit(
    (status, panicked): (u8, bool),
    failed: Option<Arc<Mutex<Option<OpenError>>>>,
) -> Result<Exit, Failure> {
    if panicked {
        return Ok(Exit::Panicked);
    }
    if let Some(why) = failed.and_then(|f| f.lock().ok()?.take()) {
        return Err(why.into());
    }
    Ok(if status == 0 { Exit::Ok } else { Exit::Signal(status.saturating_sub(128)) })
}

/// Destination of entries: the screen, and the recording.
struct Outlet {
    clock: Clock,
    news: UnboundedSender<News>,
    recorder: Recorder,
}

impl Outlet {
    fn open(global: &Global, config: &Config) -> (Self, UnboundedReceiver<News>) {
        let clock = Clock::start();
        let (news, heard) = unbounded_channel();
        let recorder = recorder(global, config, clock, news.clone());
        (Self { clock, news, recorder }, heard)
    }

    /// A function that records an entry and shows it, as that kind of news.
    fn report(&self, as_news: fn(Entry) -> News) -> impl Fn(Entry) + Send + Sync + 'static {
        let (news, record) = (self.news.clone(), self.recorder.writer());
        move |entry: Entry| {
            record(&entry);
            let _ = news.send(as_news(entry));
        }
    }

    /// The exchange that is piped in; `live` where there is one.
    fn pipe(&self, live: bool) -> Pipe {
        let open = Arc::new(AtomicBool::new(live));
        if live {
            pipe::read(self.clock, self.news.clone(), self.recorder.writer(), Arc::clone(&open));
        }
        Pipe { open, clock: self.clock, report: Box::new(self.report(News::Entry)) }
    }

    /// The engine, whose exchanges are numbered from `first` on.
    fn engine(&self, first: u32) -> Engine {
        let backlogs = vec![self.recorder.backlog()];
        Engine::new(self.clock, first, self.news.clone(), self.recorder.writer(), backlogs)
    }

    /// Starts a source, whose exchanges have their numbers from the engine.
    fn feed(&self, source: Source, engine: &Engine) -> Result<Feeding, Failure> {
        let news = self.news.clone();
        let notify = move |text, is_error| drop(news.send(News::Notice { text, is_error }));
        source(Feed {
            clock: self.clock,
            numbers: engine.counter(),
            entry: Arc::new(self.report(News::Tapped)),
            notify: Arc::new(notify),
        })
    }
}

/// The first request, and how it travels: what the arguments say, or what was being edited.
fn first_draft(
    global: &Global,
    args: &UiArgs,
    config: &mut Config,
    messages: &mut Vec<String>,
) -> Result<(Draft, Transport), Failure> {
    let mut asked = args.request.clone();
    let kept = kept_draft(global, args, config);
    if kept.is_none() && is_first_start(global, args, config) {
        asked.model = Some(FIRST_MODEL.to_owned());
    }
    let (mut draft, transport) = request::draft(global, &asked, None, config)?;
    if draft.provider.is_empty() && draft.url.is_none() {
        draft.provider.clone_from(&config.provider);
    }
    if let Some(kept) = kept {
        draft = kept;
        messages.push("Request restored; r resets it".to_owned());
    }
    if transport.insecure {
        messages.push("!! TLS certificates are NOT VERIFIED (--insecure)".into());
    }
    Ok((draft, transport))
}

/// The recording that the arguments name: whole, or its beginning while it is read.
fn first_session(
    args: &UiArgs,
    draft: &Draft,
    options: &Arc<InspectOptions>,
    messages: &mut Vec<String>,
) -> Result<(Option<Opened>, Option<Preload>), Failure> {
    let path = match args.file.as_deref() {
        None => return Ok((None, None)),
        // Piped input arrives as news.
        Some(path) if path == Path::new("-") => {
            return Ok((Some(Opened::new("standard input", Vec::new(), options)), None));
        }
        Some(path) => path,
    };
    let hints = BodyHints {
        dialect: draft.dialect.clone().filter(|d| d != "auto"),
        ..BodyHints::default()
    };
    // What can be read at once is shown at once; the rest loads while keys are already handled.
    let preload = Preload::start(path, hints, options).map_err(|e| e.to_string())?;
    Ok(match preload.wait()? {
        Begun::Opened(opened, warnings) => {
            messages.extend(warnings);
            (Some(opened), None)
        }
        Begun::Reading(preload, beginning) => (beginning, Some(preload)),
    })
}

/// Records the session into a file, too.
fn save_to(
    file: Option<&Path>,
    recorder: &mut Recorder,
    messages: &mut Vec<String>,
) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    recorder.run().map_err(|e| e.to_string())?;
    let kept = crate::storage::aside(file);
    recorder.also(file).map_err(|e| format!("--save {}: {e}", file.display()))?;
    messages.extend(kept.map(|kept| {
        let (file, kept) = (file.display(), kept.display());
        format!("{file}: the session that was there is kept as {kept}")
    }));
    Ok(())
}

/// Shows the screen until it ends; returns the exit status, and whether a thread panicked. The screen is drawn
/// before anything is started that it does not show.
fn show(
    startup: Startup,
    heard: UnboundedReceiver<News>,
    runner: &mut UiRunner,
    (watch, drafts): (Watch, Option<PathBuf>),
    clock: Clock,
) -> Result<(u8, bool), Failure> {
    let in_tmux = std::env::var_os("TMUX").is_some();
    let (mut screen, mut tty) =
        terminal::take(true, in_tmux).map_err(|e| format!("{NO_TERMINAL}\n({e})"))?;
    if startup.looks.asks_terminal() {
        tty.ask_background();
    }
    let Ok(first) = tui::first_drawing(&mut screen, &mut tty, clock, startup) else {
        return Ok((Ended::Vanished.status(), tty.panicked()));
    };
    runner.start(drafts).map_err(|e| e.to_string())?;
    let (reload, mut changes) = watch::start(watch);
    runner.reload = Some(reload);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let ended = runtime.block_on(async {
        let (input, answers) = terminal::input(&tty)?;
        let changes = stream::poll_fn(move |cx| changes.poll_recv(cx));
        let around = stream::select(answers, changes);
        let signals = stream::select(terminal::signals()?, around);
        let on = Run { terminal: &mut screen, console: &mut tty, effects: runner, clock };
        std::io::Result::Ok(tui::run_from(on, first, input, signals, heard).await)
    });
    let panicked = tty.panicked();
    drop(tty);
    runtime.shutdown_background();
    Ok((ended.map_err(|e| e.to_string())?.status(), panicked))
}

/// Model that the screen shows when it is started for the first time: a stream that breaks.
const FIRST_MODEL: &str = "lab/truncated-chunked";

/// Returns the file in which the request being edited is kept; `None` if nothing is kept.
fn draft_file(global: &Global, config: &Config) -> Option<PathBuf> {
    let folder =
        super::sessions::folder().filter(|_| config.autosave.enabled && !global.no_autosave);
    Some(folder?.parent()?.join("draft.json"))
}

/// Returns whether the arguments name nothing to send and nothing to open.
fn asks_nothing(args: &UiArgs) -> bool {
    let asked = &args.request;
    args.file.is_none()
        && [&asked.provider, &asked.model, &asked.url, &asked.curl].iter().all(|o| o.is_none())
        && [&asked.dialect, &asked.system, &asked.method].iter().all(|o| o.is_none())
        && asked.body.is_none()
        && asked.request.is_none()
        && asked.headers.is_empty()
}

/// The request as it was left, where the arguments name none and its provider still exists.
fn kept_draft(global: &Global, args: &UiArgs, config: &Config) -> Option<Draft> {
    let path = draft_file(global, config).filter(|_| asks_nothing(args))?;
    let kept = draft::load(&path)?;
    let KeptDraft { provider, model, url, dialect, method, headers, body, variables } = kept;
    // A request with its own address has no provider.
    if !provider.is_empty() || url.is_none() {
        config.provider(&provider).ok()?;
    }
    let body = body.into_bytes();
    Some(Draft { provider, url, dialect, method, headers, body, model, variables })
}

/// Returns whether nothing is asked for, and nothing was ever configured or recorded on this machine.
fn is_first_start(global: &Global, args: &UiArgs, config: &Config) -> bool {
    let recorded = super::sessions::folder()
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .is_some_and(|mut files| files.next().is_some());
    let file = crate::config::path(global.config.as_deref(), &config.environment);
    let lab = config.provider(&config.provider).is_ok_and(Provider::is_lab);
    asks_nothing(args) && lab && !recorded && !file.is_some_and(|f| f.exists())
}

/// The lowest number that no exchange of `entries` has.
fn next_number(entries: &[Entry]) -> u32 {
    entries.iter().map(|e| e.exchange + 1).max().unwrap_or(0)
}

/// The themes of the configuration, and which is shown.
fn looks(global: &Global, config: &Config) -> Result<Looks, UnknownTheme> {
    let colors = match global.color {
        Color::Never => Colors::None,
        _ => Colors::of_terminal(|name| std::env::var(name).ok()),
    };
    let light = std::env::var("COLORFGBG").ok().and_then(|c| tui::background::by_environment(&c));
    Looks::new(config.themes.clone(), colors, light)
}

fn recorder(
    global: &Global,
    config: &Config,
    clock: Clock,
    news: UnboundedSender<News>,
) -> Recorder {
    let autosave = super::sessions::folder()
        .filter(|_| config.autosave.enabled && !global.no_autosave)
        .map(|folder| AutosaveFolder {
            folder,
            keep_files: config.autosave.keep_files,
            keep_bytes: config.autosave.keep_bytes,
        });
    let trouble = move |text| drop(news.send(News::Trouble { x: None, text }));
    Recorder::new(clock.created(), autosave, trouble)
}

fn providers(config: &Config) -> Vec<ProviderInfo> {
    let of_lab = |(name, about): (&str, &str)| (["lab/", name].concat(), about.to_owned());
    let lab = || lab::abouts().map(of_lab).collect();
    let has_key = |p: &Provider| config.key(p).is_some() || config.aws_keys(p).is_some();
    // Providers that can be used right away come first.
    let mut all: Vec<_> = config.providers.values().collect();
    all.sort_by_cached_key(|p| match (has_key(p), &p.key_env) {
        _ if p.problem.is_some() => 2,
        (true, _) => 0,
        (false, None) => 1,
        (false, Some(_)) => {
            if p.is_local() {
                1
            } else {
                2
            }
        }
    });
    all.into_iter()
        .map(|p| ProviderInfo {
            name: p.name.clone(),
            dialect: p.dialect.clone(),
            base_url: p.base_url.clone(),
            path: p.path.clone(),
            model: p.model.clone(),
            // Local servers rarely need a key.
            key_variable: p.key_env.clone().filter(|_| has_key(p) || !p.is_local()),
            key_is_set: has_key(p),
            about: p.about.clone(),
            models: if p.is_lab() { lab() } else { Arc::default() },
        })
        .collect()
}

fn tools(config: &Arc<Config>) -> Tools {
    let (for_curl, for_body) = (Arc::clone(config), Arc::clone(config));
    let (for_parse, for_report) = (Arc::clone(config), Arc::clone(config));
    let for_variables = Arc::clone(config);
    Tools {
        parse_curl: Arc::new(move |command: &str| {
            curl::parse(command, &|name| for_parse.environment.key(name)).map(|curl| curl.draft)
        }),
        to_curl: Arc::new(move |r: &Request| {
            let key = for_curl.providers.get(&r.provider).and_then(|p| p.key_env.as_deref());
            report::curl(r, key)
        }),
        to_markdown: Arc::new(move |report: tui::BugReport<'_>| {
            report.markdown(&|name| for_report.providers.get(name)?.key_env.clone())
        }),
        body: Arc::new(move |p: &ProviderInfo, prompt: &str| {
            let draft =
                Draft { provider: p.name.clone(), model: p.model.clone(), ..Draft::default() };
            let draft = compose(&for_body, draft, prompt, None).unwrap_or_default();
            String::from_utf8(draft.body).unwrap_or_default()
        }),
        variables: Arc::new(move |draft: &Draft| variables(draft, &for_variables.environment)),
    }
}
