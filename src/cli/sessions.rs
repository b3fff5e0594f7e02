//! `sselens sessions`: what was saved, and what autosave keeps.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::args::{Global, SessionsArgs};
use super::exit::{Exit, Failure};
use crate::action::{SavedExchange, SavedSession, SessionHit, UnreadSession};
use crate::inspect::{InspectOptions, Inspection};
use crate::journal::{Entry, ExchangeId};
use crate::query::{self, Needle};
use crate::storage::file::{self, BodyHints};
use crate::text::{Newlines, count, to_json, to_the_second, visible};

/// The folder that autosave writes to.
pub(super) fn folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "sselens").map(|d| d.data_dir().join("sessions"))
}

/// A session of more bytes is not read for a list of others.
pub(super) const MAX_LISTED: u64 = 32 << 20;

/// Lists the sessions in the folder, the newest first, or those in the files and folders that are
/// named.
pub(super) fn run(global: &Global, args: &SessionsArgs) -> Result<Exit, Failure> {
    let config = global.load()?;
    let options = Arc::new(config.options.clone());
    let files = match args.files.is_empty() {
        true => kept(),
        false => expanded(&args.files),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    if files.is_empty() {
        global.notify("No saved sessions");
    }
    let mut exit = Exit::Ok;
    for path in files {
        let session = read(path, &options, u64::MAX);
        if let (Err(UnreadSession::Failed(why)), false) =
            (&session.exchanges, args.files.is_empty())
        {
            exit = Exit::Usage;
            if !args.json {
                global.notify(why);
                continue;
            }
        }
        match args.json {
            true => write_json(&session, &mut out)?,
            false => write_text(&session, &mut out)?,
        }
    }
    out.flush()?;
    Ok(exit)
}

/// The saved sessions, the newest first; those that are too large to be read at once say so.
pub(super) fn list(options: &Arc<InspectOptions>) -> Vec<SavedSession> {
    kept().into_iter().map(|path| read(path, options, MAX_LISTED)).collect()
}

/// The name of the folder with the sessions that are kept for good, beside the others.
const PINNED: &str = "pinned";

/// The pinned sessions, then the others; the newest first.
pub(super) fn kept() -> Vec<PathBuf> {
    let folder = folder();
    let pinned = folder.as_ref().map(|folder| folder.join(PINNED));
    saved(pinned.as_deref()).into_iter().chain(saved(folder.as_deref())).collect()
}

fn is_pinned(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == PINNED)
}

/// Moves a session to those that are kept for good, or back to those that autosave prunes.
pub(super) fn pin(path: &Path) -> std::io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let to = match is_pinned(path) {
        true => folder.parent().unwrap_or(folder).to_owned(),
        false => folder.join(PINNED),
    };
    std::fs::create_dir_all(&to)?;
    std::fs::rename(path, to.join(name))
}

/// Every exchange of the saved sessions in which a text is found, of the newest sessions first; and
/// how many sessions were too large to be searched.
pub(super) fn search(text: &str, options: &Arc<InspectOptions>) -> (Vec<SessionHit>, usize) {
    let Some(needle) = Needle::new(text) else { return (Vec::new(), 0) };
    let is_small = |path: &PathBuf| path.metadata().is_ok_and(|m| m.len() <= MAX_LISTED);
    let (small, large): (Vec<_>, Vec<_>) = kept().into_iter().partition(is_small);
    let mut hits = Vec::new();
    for path in small {
        let Ok(recording) = file::open(&path, &BodyHints::default()) else { continue };
        for (id, inspection) in folded(&recording.entries, options) {
            let places = query::search(&needle, &inspection, 0).len();
            if places > 0 {
                let exchange = exchange(id, &inspection);
                let (path, created) = (path.clone(), recording.created.clone());
                hits.push(SessionHit { path, created, exchange, places });
            }
        }
    }
    (hits, large.len())
}

/// The exchanges of a recording, by their numbers.
pub(super) fn folded(
    entries: &[Entry],
    options: &Arc<InspectOptions>,
) -> BTreeMap<ExchangeId, Inspection> {
    let mut exchanges = BTreeMap::<ExchangeId, Inspection>::new();
    for entry in entries {
        let fresh = || Inspection::new(Arc::clone(options));
        exchanges.entry(entry.exchange).or_insert_with(fresh).push(entry);
    }
    exchanges
}

/// Files as they are, folders as the sessions in them.
pub(super) fn expanded(files: &[PathBuf]) -> Vec<PathBuf> {
    let each = files.iter().map(|path| match path.is_dir() {
        true => saved(Some(path)),
        false => vec![path.clone()],
    });
    each.flatten().collect()
}

fn write_json(session: &SavedSession, out: &mut impl Write) -> std::io::Result<()> {
    let (file, size) = (session.path.display().to_string(), session.size);
    let exchanges = match &session.exchanges {
        Ok(exchanges) => exchanges,
        Err(why) => {
            return writeln!(
                out,
                "{}",
                to_json(&json!({"file": file, "size": size, "error": why.to_string()}))
            );
        }
    };
    for e in exchanges {
        let line = json!({
            "file": file, "created": session.created, "size": size, "x": e.id, "host": e.host,
            "model": e.model, "outcome": e.outcome, "verdict": e.verdict,
            "first_token": e.first_token.map(|t| t as f64 / 1e6),
        });
        writeln!(out, "{}", to_json(&line))?;
    }
    Ok(())
}

fn write_text(session: &SavedSession, out: &mut impl Write) -> std::io::Result<()> {
    let shown = session.path.display();
    let exchanges = match &session.exchanges {
        Ok(exchanges) => exchanges,
        Err(why) => return writeln!(out, "{}", visible(&why.to_string(), Newlines::Show)),
    };
    let when = to_the_second(&session.created);
    let head = format!("{when}  {shown}  {}", count(session.size, "byte"));
    writeln!(out, "{}", visible(head.trim_start(), Newlines::Show))?;
    for e in exchanges {
        let ttft = e.first_token.map_or(String::new(), |t| format!("TTFT {} ms  ", t / 1000));
        let SavedExchange { id, outcome, host, model, verdict, .. } = e;
        let line = format!("  {id:>3}  {outcome:<8}  {host}  {model}  {ttft}{verdict}");
        writeln!(out, "{}", visible(line.trim_end(), Newlines::Show))?;
    }
    Ok(())
}

/// The files of the folder; their names begin with the time.
fn saved(folder: Option<&Path>) -> Vec<PathBuf> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    files
}

/// Reads a session of at most so many bytes: when it was begun, and its exchanges.
fn read(path: PathBuf, options: &Arc<InspectOptions>, most: u64) -> SavedSession {
    let size = path.metadata().map_or(0, |m| m.len());
    let (pinned, created, exchanges) = (is_pinned(&path), String::new(), Ok(Vec::new()));
    let mut session = SavedSession { path, pinned, size, created, exchanges };
    if size > most {
        session.exchanges = Err(UnreadSession::Large);
        return session;
    }
    let recording = match file::open(&session.path, &BodyHints::default()) {
        Ok(recording) => recording,
        Err(why) => {
            session.exchanges = Err(UnreadSession::Failed(why.to_string()));
            return session;
        }
    };
    let exchanges = folded(&recording.entries, options);
    session.created = recording.created;
    session.exchanges = Ok(exchanges.iter().map(|(id, i)| exchange(*id, i)).collect());
    session
}

pub(super) fn exchange(id: ExchangeId, inspection: &Inspection) -> SavedExchange {
    let request = inspection.request.as_ref();
    let host = request.and_then(|r| url::Url::parse(&r.url).ok());
    let timing = &inspection.timing;
    let token = [timing.first_reasoning, timing.first_content].into_iter().flatten().min();
    SavedExchange {
        id,
        host: host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default(),
        model: request.map(|r| r.model.clone()).unwrap_or_default(),
        outcome: inspection.outcome().name(),
        verdict: inspection.verdict(),
        first_token: token.zip(timing.request).map(|(at, from)| at.saturating_sub(from)),
    }
}
