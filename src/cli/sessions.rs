//! `sselens sessions`: what was saved, and what autosave keeps.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::args::{Global, SessionsArgs};
use super::exit::{Exit, Failure};
use crate::inspect::{Inspection, Options};
use crate::journal::ExchangeId;
use crate::storage::file::{self, Told};
use crate::text::{Newlines, count, to_json, visible};

/// The folder that autosave writes to.
pub(super) fn folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "sselens").map(|d| d.data_dir().join("sessions"))
}

/// What is shown of one exchange.
struct Row {
    x: ExchangeId,
    host: String,
    model: String,
    outcome: &'static str,
    verdict: String,
}

/// Lists the sessions in the folder, the newest first, or the files that are named.
pub(super) fn run(global: &Global, args: &SessionsArgs) -> Result<Exit, Failure> {
    let config = global.load()?;
    let options = Arc::new(config.options.clone());
    let files = match args.files.is_empty() {
        true => saved(folder().as_deref()),
        false => args.files.clone(),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    if files.is_empty() {
        global.notify("No saved sessions");
    }
    for path in &files {
        let size = path.metadata().map_or(0, |m| m.len());
        let shown = path.display().to_string();
        match read(path, &options) {
            Ok((created, rows)) if args.json => {
                for row in rows {
                    let Row { x, host, model, outcome, verdict } = row;
                    let line = json!({
                        "file": shown, "created": created, "size": size, "x": x, "host": host,
                        "model": model, "outcome": outcome, "verdict": verdict,
                    });
                    writeln!(out, "{}", to_json(&line))?;
                }
            }
            Err(why) if args.json => {
                writeln!(out, "{}", to_json(&json!({"file": shown, "size": size, "error": why})))?;
            }
            Ok((created, rows)) => {
                let head = format!("{created}  {shown}  {}", count(size, "byte"));
                writeln!(out, "{}", visible(head.trim_start(), Newlines::Show))?;
                for row in rows {
                    let Row { x, host, model, outcome, verdict } = row;
                    let line = format!("  {x:>3}  {outcome:<8}  {host}  {model}  {verdict}");
                    writeln!(out, "{}", visible(line.trim_end(), Newlines::Show))?;
                }
            }
            Err(why) => writeln!(out, "{}", visible(&why, Newlines::Show))?,
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
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

/// Reads a session: when it was begun, and its exchanges.
fn read(path: &Path, options: &Arc<Options>) -> Result<(String, Vec<Row>), String> {
    let recording = file::open(path, &Told::default())?;
    let mut exchanges = BTreeMap::<ExchangeId, Inspection>::new();
    for entry in &recording.entries {
        let fresh = || Inspection::new(Arc::clone(options));
        exchanges.entry(entry.exchange).or_insert_with(fresh).push(entry);
    }
    let row = |(x, inspection): (&ExchangeId, &Inspection)| {
        let request = inspection.request.as_ref();
        let host = request.and_then(|r| url::Url::parse(&r.url).ok());
        Row {
            x: *x,
            host: host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default(),
            model: request.map(|r| r.model.clone()).unwrap_or_default(),
            outcome: inspection.outcome().name(),
            verdict: inspection.verdict(),
        }
    };
    Ok((recording.created, exchanges.iter().map(row).collect()))
}
