//! The screen: what it begins with, and who does what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::args::{Color, Global, LabOptions, Ui};
use super::{Exit, Failure, request};
use crate::action::{Done, Effect, Keymap, Pair};
use crate::config::{Config, Provider};
use crate::journal::{EndCause, Entry, EntryKind, Request};
use crate::storage::file::{Bare, Told};
use crate::storage::{Autosave, Recorder, curl, file};
use crate::transport::request::{Outgoing, Transport, compose, resolve};
use crate::transport::{Clock, Draft, Engine, News};
use crate::tui::{self, Deeds, ProviderInfo, Run, Startup, Theme, Tools, terminal};
use crate::{lab, report};

/// Said when there is no terminal to draw on.
const NO_TERMINAL: &str = "\
the screen needs a terminal, and there is none here.
Without one:
  sselens send -p lab 'Say hello'     one request, a report on standard output
  sselens show FILE                   analyze a recording
  sselens --help                      everything else";

pub(super) fn run(global: &Global, args: &Ui) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::Usage(NO_TERMINAL.into()));
    }
    let mut config = super::load(&Global { quiet: true, ..global.clone() })?;
    let mut messages = config.notes.clone();
    let (mut draft, transport) = request::draft(global, &args.request, None, &mut config)?;
    if draft.provider.is_empty() && draft.url.is_none() {
        draft.provider.clone_from(&config.provider);
    }
    if transport.insecure {
        messages.push("!! TLS certificates are NOT VERIFIED (--insecure)".into());
    }
    let live = args.file.as_deref() == Some(Path::new("-"));
    let session = match args.file.as_deref().filter(|_| !live) {
        Some(path) => {
            Some((path.display().to_string(), Arc::new(open(path, &draft, &mut messages)?)))
        }
        // What is piped in comes as news.
        None if live => Some(("standard input".to_owned(), Arc::default())),
        None => None,
    };
    let keys = Keymap::new(&config.keys).map_err(|e| e.to_string())?;
    let theme = theme(global, &config)?;
    let config = Arc::new(config);
    let clock = Clock::start();
    let (news, heard) = unbounded_channel();
    let recorder = recorder(global, &config, clock, news.clone())?;
    let opened = session.as_ref().map(|s| Arc::clone(&s.1)).unwrap_or_default();
    // A pipe is exchange 0.
    let first = next_number(&opened).max(u32::from(live));
    recorder.begin(opened);
    let piped = Arc::new(AtomicBool::new(live));
    let tell = {
        let (news, record) = (news.clone(), recorder.writer());
        move |entry: Entry| {
            record(&entry);
            let _ = news.send(News::Entry(entry));
        }
    };
    if live {
        pipe(clock, news.clone(), recorder.writer(), Arc::clone(&piped));
    }
    let engine = Engine::start(clock, first, news, recorder.writer()).map_err(|e| e.to_string())?;
    let startup = Startup {
        providers: providers(&config),
        draft,
        session,
        options: Arc::new(config.options.clone()),
        keys,
        theme,
        messages,
        tools: tools(&config),
    };
    let pipe = Pipe { open: piped, clock, tell: Box::new(tell) };
    let options = args.lab.clone();
    let mut desk = Desk { config, transport, engine, recorder, pipe, lab: None, options };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let in_tmux = std::env::var_os("TMUX").is_some();
    let (mut screen, mut tty) =
        terminal::take(true, in_tmux).map_err(|e| format!("{NO_TERMINAL}\n({e})"))?;
    let ended = runtime.block_on(async {
        let signals = terminal::signals()?;
        let input = terminal::input()?;
        let on = Run { terminal: &mut screen, screen: &mut tty, deeds: &mut desk, clock };
        std::io::Result::Ok(tui::run(on, startup, input, signals, heard).await)
    });
    let panicked = tty.panicked();
    drop(tty);
    desk.engine.close();
    desk.recorder.close();
    runtime.shutdown_background();
    let status = ended.map_err(|e| e.to_string())?.status();
    if panicked {
        return Ok(Exit::Panicked);
    }
    Ok(if status == 0 { Exit::Ok } else { Exit::Signal(status.saturating_sub(128)) })
}

/// The lowest number that no exchange of `entries` has.
fn next_number(entries: &[Entry]) -> u32 {
    entries.iter().map(|e| e.exchange + 1).max().unwrap_or(0)
}

fn open(path: &Path, draft: &Draft, messages: &mut Vec<String>) -> Result<Vec<Entry>, Failure> {
    let told = Told { dialect: draft.dialect.clone().filter(|d| d != "auto"), ..Told::default() };
    let recording = file::open(path, &told)?;
    messages.extend(recording.warnings);
    Ok(recording.entries)
}

fn theme(global: &Global, config: &Config) -> Result<Theme, Failure> {
    let name = config.themes.chosen.as_deref().unwrap_or("dark");
    let known = || config.themes.by_name.keys().cloned().collect::<Vec<_>>().join(", ");
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let color = !no_color && global.color != Color::Never;
    let unknown = || format!("no theme is called {name:?}; there are {}", known());
    Ok(Theme::choose(&config.themes, name, color).ok_or_else(unknown)?)
}

fn recorder(
    global: &Global,
    config: &Config,
    clock: Clock,
    news: UnboundedSender<News>,
) -> Result<Recorder, Failure> {
    let folder =
        directories::ProjectDirs::from("", "", "sselens").map(|d| d.data_dir().join("sessions"));
    let autosave =
        folder.filter(|_| config.autosave.enabled && !global.no_autosave).map(|folder| Autosave {
            folder,
            keep_files: config.autosave.keep_files,
            keep_bytes: config.autosave.keep_bytes,
        });
    let trouble = move |text| drop(news.send(News::Trouble { x: None, text }));
    Ok(Recorder::start(clock.created(), autosave, trouble).map_err(|e| e.to_string())?)
}

fn providers(config: &Config) -> Vec<ProviderInfo> {
    let lab =
        || lab::abouts().map(|(name, about)| (format!("lab/{name}"), about.to_owned())).collect();
    let has_key = |p: &Provider| config.key(p).is_some() || config.aws_keys(p).is_some();
    // Those that can be asked as things are come first.
    let mut all: Vec<_> = config.providers.values().collect();
    all.sort_by_key(|p| match (has_key(p), &p.key_env) {
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
            // On this machine a key is rarely asked for.
            key_variable: p.key_env.clone().filter(|_| has_key(p) || !p.is_local()),
            key_is_set: has_key(p),
            about: p.about.clone(),
            models: if p.is_lab() { lab() } else { Vec::new() },
        })
        .collect()
}

fn tools(config: &Arc<Config>) -> Tools {
    let (for_curl, for_body) = (Arc::clone(config), Arc::clone(config));
    let (for_parse, for_report) = (Arc::clone(config), Arc::clone(config));
    Tools {
        parse_curl: Arc::new(move |command: &str| {
            curl::parse(command, &|name| for_parse.environment.key(name)).map(|curl| curl.draft)
        }),
        to_curl: Arc::new(move |r: &Request| {
            let key = for_curl.providers.get(&r.provider).and_then(|p| p.key_env.as_deref());
            report::curl(r, key)
        }),
        to_markdown: Arc::new(move |report: tui::Report<'_>| {
            report.markdown(&|name| for_report.providers.get(name)?.key_env.clone())
        }),
        body: Arc::new(move |p: &ProviderInfo, prompt: &str| {
            let draft =
                Draft { provider: p.name.clone(), model: p.model.clone(), ..Draft::default() };
            let draft = compose(&for_body, draft, prompt, None).unwrap_or_default();
            String::from_utf8(draft.body).unwrap_or_default()
        }),
    }
}

/// Writes a file, unless there is one.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| match e
            .kind()
        {
            std::io::ErrorKind::AlreadyExists => {
                std::io::Error::new(e.kind(), "exists already: give another name")
            }
            _ => e,
        })?;
    file.write_all(bytes)
}

/// Reads standard input to its end, as news. Keys come from the terminal itself.
fn pipe(
    clock: Clock,
    news: UnboundedSender<News>,
    record: impl Fn(&Entry) + Send + 'static,
    open: Arc<AtomicBool>,
) {
    let work = move || {
        let mut input = std::io::stdin().lock();
        let tell = |entries: Vec<Entry>| {
            for entry in entries {
                record(&entry);
                let _ = news.send(News::Entry(entry));
            }
        };
        let mut buffer = vec![0; 64 << 10];
        let mut bare = Bare::new("", &Told::default());
        let mut first = true;
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                // The user stopped it; its end was told then.
                Ok(_) if !open.load(Ordering::SeqCst) => return,
                Ok(n) => {
                    let at = clock.now();
                    if std::mem::take(&mut first) && is_whole(&buffer[..n]) {
                        return tell(whole(&buffer[..n], &mut input));
                    }
                    tell(bare.feed(Bytes::copy_from_slice(&buffer[..n]), Some(at)));
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let _ =
                        news.send(News::Trouble { x: None, text: format!("standard input: {e}") });
                    break;
                }
            }
        }
        if open.swap(false, Ordering::SeqCst) {
            tell(bare.finish(Some(clock.now())));
        }
    };
    // Without the thread there is nothing to show, and the screen says that nothing came.
    let _ = std::thread::Builder::new().name("pipe".into()).spawn(work);
}

/// Whether a pipe begins like a saved session or an archive.
fn is_whole(begun: &[u8]) -> bool {
    let packed: Vec<u8> =
        begun.iter().take(64).filter(|b| !b.is_ascii_whitespace()).copied().collect();
    [&b"{\"sselens\""[..], b"{\"log\":{"].iter().any(|begin| packed.starts_with(begin))
}

/// A saved session or a HAR that somebody pipes in: no live stream, but no reason to refuse it.
fn whole(begun: &[u8], input: &mut impl BufRead) -> Vec<Entry> {
    file::read(begun.chain(input), "", &Told::default()).map(|r| r.entries).unwrap_or_default()
}

/// Standard input as an exchange, number 0.
struct Pipe {
    open: Arc<AtomicBool>,
    clock: Clock,
    tell: Box<dyn Fn(Entry)>,
}

impl Pipe {
    /// Ends it, if it still runs: what comes from now on is not looked at.
    fn cancel(&self) {
        if self.open.swap(false, Ordering::SeqCst) {
            let what = EntryKind::End { cause: EndCause::Cancelled, detail: String::new() };
            (self.tell)(Entry { exchange: 0, at: Some(self.clock.now()), kind: what });
        }
    }
}

/// Does what the screen asks for.
struct Desk {
    config: Arc<Config>,
    transport: Transport,
    engine: Engine,
    recorder: Recorder,
    pipe: Pipe,
    /// Runs from the first request to it on.
    lab: Option<lab::Running>,
    options: LabOptions,
}

impl Desk {
    fn resolve(&mut self, draft: &Draft) -> Result<Outgoing, String> {
        if self.lab.is_none() && request::wants_lab(draft, &self.config) {
            self.lab =
                Some(lab::start(self.options.options()).map_err(|e| format!("the lab: {e}"))?);
        }
        let lab = self.lab.as_ref().map(|l| l.addr);
        resolve(draft, &self.config, &self.transport, lab)
    }

    fn send(&mut self, draft: &Draft) -> Result<(), String> {
        let outgoing = self.resolve(draft)?;
        self.engine.send(outgoing);
        Ok(())
    }

    /// Sends both or none: all that can be refused is refused before the first goes out.
    fn compare(&mut self, pair: Box<Pair>) -> Result<Done, String> {
        let a = self.resolve(&pair.drafts[0]).map_err(|why| format!("A: {why}"))?;
        let b = self.resolve(&pair.drafts[1]).map_err(|why| format!("B: {why}"))?;
        let ids = [self.engine.send(a), self.engine.send(b)];
        Ok(Done::Comparing { pair, ids })
    }

    /// The same with a body from a file as B.
    fn compare_with(&mut self, draft: Draft, path: &Path) -> Result<Done, String> {
        let body = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let b = Draft { body, ..draft.clone() };
        self.compare(Box::new(Pair { drafts: [draft, b], apart: true }))
    }

    /// Reads a recording to stand beside the session's exchanges. Its clock is another one, and it
    /// is in a file already: the session's own file does without.
    fn beside(&self, path: &Path) -> Result<Done, String> {
        let mut entries = file::open(path, &Told::default())?.entries;
        let numbers: BTreeSet<u32> = entries.iter().map(|e| e.exchange).collect();
        let first = self.engine.reserve(numbers.len() as u32);
        let renumbered: BTreeMap<u32, u32> = numbers.into_iter().zip(first..).collect();
        for entry in &mut entries {
            entry.exchange = renumbered.get(&entry.exchange).copied().unwrap_or(first);
        }
        Ok(Done::Beside { name: path.display().to_string(), entries })
    }

    fn save(&self, path: &Path) -> Result<String, String> {
        if path.exists() {
            return Err(format!("{} exists already; it was left as it is", path.display()));
        }
        let length = self.recorder.also(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(format!("saved to {}, {} so far", path.display(), crate::text::count(length, "byte")))
    }

    fn load(&self, path: PathBuf) -> Result<Done, String> {
        let recording = file::open(&path, &Told::default())?;
        self.engine.number_from(next_number(&recording.entries));
        let entries = Arc::new(recording.entries);
        self.recorder.begin(Arc::clone(&entries));
        Ok(Done::Loaded { name: path.display().to_string(), entries })
    }
}

impl Deeds for Desk {
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>) {
        let failed = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
        let result = match effect {
            Effect::Send(draft) => match self.send(&draft) {
                Ok(()) => return,
                Err(why) => Err(why),
            },
            Effect::Compare(pair) => self.compare(pair),
            Effect::CompareWith { draft, path } => self.compare_with(*draft, &path),
            Effect::LoadBeside(path) => self.beside(&path),
            Effect::Cancel(x) => {
                if x == 0 {
                    self.pipe.cancel();
                }
                return self.engine.cancel(x);
            }
            Effect::SaveSession(path) => self.save(&path).map(Done::Said),
            Effect::WriteFile { path, bytes } => write_new(&path, &bytes)
                .map(|()| Done::Said(format!("wrote {}", path.display())))
                .map_err(|e| failed(&path, e)),
            Effect::LoadRequest(path) => {
                std::fs::read(&path).map(Done::Request).map_err(|e| failed(&path, e))
            }
            Effect::LoadFile(path) => self.load(path),
            // The loop does these itself.
            Effect::Copy { .. } | Effect::Redraw | Effect::Suspend | Effect::Quit => return,
        };
        let _ = done.send(result.unwrap_or_else(Done::Failed));
    }
}
