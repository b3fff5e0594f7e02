//! `sselens compare`: one request to two providers at the same time, or two recordings.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::args::{Compare, Format, Global, Request, Told};
use super::output::Printer;
use super::{Exit, Failure, input, request, signals};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::dialect::request::{Fate, Note, are_alike, translate};
use crate::inspect::compare::{Expect, compare};
use crate::journal::{Entry, HEADERS, What};
use crate::source::request::{Outgoing, resolve, speaks};
use crate::source::{Clock, Draft, Engine, News, Recorder};
use crate::{lab, report};

/// What A or B stands for.
enum Place {
    /// A provider or an address, and the model if one was named with it.
    Call(Box<Request>),
    /// A recording, and which of its exchanges.
    File(PathBuf, Option<u32>),
}

pub(super) fn run(global: &Global, args: &Compare) -> Result<Exit, Failure> {
    let mut config = super::load(global)?;
    if args.request.provider.is_some() || args.request.url.is_some() {
        let why = "A and B say where the request goes; -p and --url have no place here";
        return Err(Failure::Usage(why.into()));
    }
    if args.output.output == Format::Raw {
        let why = "two bodies cannot be written as one: use `sselens export FILE --to raw`";
        return Err(Failure::Usage(why.into()));
    }
    let places = (place(&args.a, args, &config)?, place(&args.b, args, &config)?);
    let mut printer = Printer::new(global, &args.output, &config)?.keeping();
    let ended = match places {
        (Place::File(a, i), Place::File(b, j)) => {
            for (x, (path, which)) in [(0, (a, i)), (1, (b, j))] {
                for entry in recorded(global, &path, which, args, x)? {
                    printer.take(&entry)?;
                }
            }
            Ended::default()
        }
        (Place::Call(a), Place::Call(b)) => {
            let calls = [*a, *b];
            live(global, args, calls, &mut config, &mut printer)?
        }
        _ => {
            let why = "a recording is compared with a recording: nothing is sent then";
            return Err(Failure::Usage(why.into()));
        }
    };
    let mut exit = printer.exit();
    // Stopped by a signal, what has come is compared all the same.
    if let (Some(a), Some(b)) = (printer.kept(0), printer.kept(1)) {
        let expect = match (args.same, args.different) {
            (true, _) => Expect::Same,
            (_, true) => Expect::Different,
            _ => Expect::guess(a, b),
        };
        let found = compare(a, b, expect);
        let mut out = Vec::new();
        match args.output.output {
            Format::Text => report::compare([a, b], &found, global.palette(), &mut out)?,
            _ => {
                crate::text::write_json(&mut out, &report::comparison(0, 1, &found))?;
                out.push(b'\n');
            }
        }
        std::io::stdout().write_all(&out)?;
        std::io::stdout().flush()?;
        if found.worst().is_some_and(|w| w >= args.output.fail_on.severity()) {
            exit = Exit::Found;
        }
    }
    Ok(match ended {
        Ended { signal: Some(signal), .. } => signal,
        Ended { save_failed: true, .. } => Exit::Found,
        _ => exit,
    })
}

/// Tries, in this order: an address, a provider's name, a name with a model, a file.
fn place(text: &str, args: &Compare, config: &Config) -> Result<Place, Failure> {
    let call = |provider: Option<&str>, model: Option<&str>, url: Option<&str>| {
        let mut request = args.request.clone();
        request.provider = provider.map(Into::into);
        request.url = url.map(Into::into);
        request.model = model.map(Into::into).or(request.model);
        Place::Call(Box::new(request))
    };
    if text.contains("://") {
        return Ok(call(None, None, Some(text)));
    }
    if config.providers.contains_key(text) {
        return Ok(call(Some(text), None, None));
    }
    if let Some((name, model)) = text.split_once(':')
        && config.providers.contains_key(name)
    {
        return Ok(call(Some(name), Some(model), None));
    }
    if Path::new(text).exists() {
        return Ok(Place::File(text.into(), None));
    }
    if let Some((path, number)) = text.rsplit_once('#')
        && let Ok(number) = number.parse()
        && Path::new(path).exists()
    {
        return Ok(Place::File(path.into(), Some(number)));
    }
    let known: Vec<_> = config.providers.keys().map(String::as_str).collect();
    Err(Failure::Usage(format!(
        "{text:?} is no address, no provider (known are {}) and no file",
        known.join(", ")
    )))
}

/// The entries of one exchange of a recording, as number `x`.
fn recorded(
    global: &Global,
    path: &Path,
    which: Option<u32>,
    args: &Compare,
    x: u32,
) -> Result<Vec<Entry>, Failure> {
    let told = Told { dialect: args.request.dialect.clone(), status: None, content_type: None };
    let mut entries = input::open(global, path, &told)?.entries;
    let numbers: std::collections::BTreeSet<u32> = entries.iter().map(|e| e.x).collect();
    let shown = path.display();
    let list = || {
        let list: Vec<_> = numbers.iter().map(u32::to_string).collect();
        list.join(", ")
    };
    let number = match (which, numbers.len()) {
        (Some(n), _) if numbers.contains(&n) => n,
        (Some(n), _) => {
            return Err(Failure::Usage(format!("{shown} has no exchange {n}; it has {}", list())));
        }
        (None, 1) => numbers.iter().next().copied().unwrap_or(0),
        (None, _) => {
            let why = format!("{shown} holds several exchanges ({}): name one, {shown}#N", list());
            return Err(Failure::Usage(why));
        }
    };
    entries.retain(|e| e.x == number);
    entries.iter_mut().for_each(|e| e.x = x);
    Ok(entries)
}

/// Says the body that was given for A in the words of B, where these are others, and tells on
/// standard error what that costs.
fn translated(
    global: &Global,
    from: Option<&'static dyn Dialect>,
    draft: &mut Draft,
    config: &Config,
) {
    let (Some(from), Some(to)) = (from, speaks(draft, config)) else { return };
    if are_alike(from, to) {
        return;
    }
    // A model's name means nothing to another provider: its own stands there, if it has one.
    if draft.model.is_empty()
        && let Ok(provider) = config.provider(&draft.provider)
    {
        draft.model.clone_from(&provider.model);
    }
    let model = Some(draft.model.as_str()).filter(|m| !m.is_empty());
    let done = std::str::from_utf8(&draft.body)
        .map_err(|_| "it is not text".to_owned())
        .and_then(|body| translate(from, to, body, model));
    let done = match done {
        Ok(done) => done,
        Err(why) => return global.say(&format!("!! B: the body stays as it is: {why}")),
    };
    global.say(&format!("B: the body is translated from {} to {}", from.name(), to.name()));
    for note in done.notes.iter().filter(|n| n.fate != Fate::Elsewhere) {
        let Note { fate, path, value, why } = note;
        global.say(&format!("B: {} {path} = {value}: {why}", fate.name()));
    }
    draft.body = done.body.into_bytes();
}

/// How the sending ended.
#[derive(Default)]
struct Ended {
    signal: Option<Exit>,
    save_failed: bool,
}

/// Sends both requests at once, and follows both to their ends.
fn live(
    global: &Global,
    args: &Compare,
    calls: [Request; 2],
    config: &mut Config,
    printer: &mut Printer,
) -> Result<Ended, Failure> {
    let mut drafts = Vec::new();
    for call in &calls {
        let (mut draft, transport) = request::draft(global, call, args.prompt.as_deref(), config)?;
        if call.curl.is_some() && call.provider.is_some() {
            // The command gives the body; where it goes, and with which key, its provider says.
            draft.url = None;
            let own = |name: &str| {
                call.headers.iter().any(|h| {
                    h.split_once(':').is_some_and(|(k, _)| k.trim().eq_ignore_ascii_case(name))
                })
            };
            draft.headers.retain(|(name, _)| {
                own(name) || !HEADERS.contains(&name.to_ascii_lowercase().as_str())
            });
        }
        drafts.push((draft, transport));
    }
    if args.request.body.is_some() || args.request.curl.is_some() {
        let from = speaks(&drafts[0].0, config);
        translated(global, from, &mut drafts[1].0, config);
    }
    let wants_lab = drafts.iter().any(|(draft, _)| request::wants_lab(draft, config));
    let lab = if wants_lab {
        Some(lab::start(args.lab.options()).map_err(|e| format!("the lab: {e}"))?)
    } else {
        None
    };
    let mut outgoing: Vec<Outgoing> = Vec::new();
    for (name, (draft, transport)) in ["A", "B"].into_iter().zip(&drafts) {
        let one = resolve(draft, config, transport, lab.as_ref().map(|l| l.addr))
            .map_err(|why| format!("{name}: {why}"))?;
        for warning in &one.request.warnings {
            global.say(&format!("!! {name}: {warning}"));
        }
        outgoing.push(one);
    }
    let clock = Clock::start();
    let (news, mut heard) = mpsc::unbounded_channel();
    let trouble = {
        let news = news.clone();
        move |text: String| drop(news.send(News::Trouble { x: None, text }))
    };
    let recorder = match &args.save {
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
    let mut ended = Ended::default();
    let result = runtime.block_on(async {
        let mut stopped = Box::pin(signals::wait());
        let mut open = outgoing.len();
        for one in outgoing {
            engine.send(one);
        }
        while open > 0 {
            let news = tokio::select! {
                biased;
                exit = &mut stopped, if ended.signal.is_none() => {
                    ended.signal = Some(exit);
                    engine.cancel_all();
                    continue;
                }
                news = heard.recv() => news,
            };
            let entry = match news {
                Some(News::Entry(entry)) => entry,
                Some(News::Over { .. }) => {
                    open -= 1;
                    continue;
                }
                Some(News::Trouble { x, text }) => {
                    global.say(&text);
                    ended.save_failed = true;
                    let what = What::Note { code: super::SAVE_FAILED.into(), text };
                    Entry { x: x.unwrap_or(0), at: Some(clock.now()), what }
                }
                None => break,
            };
            printer.take(&entry)?;
        }
        Ok::<_, Failure>(())
    });
    engine.close();
    if let Some(recorder) = recorder {
        recorder.close();
    }
    result?;
    while let Ok(news) = heard.try_recv() {
        if let News::Trouble { text, .. } = news {
            global.say(&text);
            ended.save_failed = true;
        }
    }
    Ok(ended)
}
