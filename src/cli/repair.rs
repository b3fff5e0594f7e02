//! `sselens repair`: what can be read of damaged sessions, written anew; several as one, or one
//! exchange a file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::args::{Global, RepairArgs};
use super::exit::{Exit, Failure};
use crate::journal::{Entry, ExchangeId, file as format};
use crate::storage::file::{self, BodyHints};
use crate::text::count;

pub(super) fn run(global: &Global, args: &RepairArgs) -> Result<Exit, Failure> {
    let mut all: Vec<Entry> = Vec::new();
    let mut created = String::new();
    for path in &args.files {
        let recording = file::open(path, &BodyHints::default())?;
        if !recording.is_session {
            return Err(Failure::Usage(format!("{} is not a session", path.display())));
        }
        for warning in &recording.warnings {
            global.notify(&format!("{}: {warning}", path.display()));
        }
        if created.is_empty() {
            created = recording.created;
        }
        // Exchange numbers continue across the files.
        let base = all.iter().map(|e| e.exchange + 1).max().unwrap_or(0);
        all.extend(recording.entries.into_iter().map(|mut entry| {
            entry.exchange += base;
            entry
        }));
    }
    let into = args.into.clone().unwrap_or_else(|| {
        let mut name = args.files.first().cloned().unwrap_or_default().into_os_string();
        name.push(".repaired");
        name.into()
    });
    let mut parts: BTreeMap<Option<ExchangeId>, Vec<&Entry>> = BTreeMap::new();
    for entry in &all {
        parts.entry(args.split.then_some(entry.exchange)).or_default().push(entry);
    }
    for (x, entries) in parts {
        let path = match x {
            Some(x) => numbered(&into, x),
            None => into.clone(),
        };
        let bytes =
            write(&path, &created, &entries).map_err(|e| format!("{}: {e}", path.display()))?;
        let what = format!("{} with {}", path.display(), count(entries.len() as u64, "line"));
        global.notify(&format!("wrote {what}, {}", count(bytes, "byte")));
    }
    Ok(Exit::Ok)
}

/// The name of one exchange's file.
fn numbered(into: &Path, x: ExchangeId) -> PathBuf {
    let mut name = into.as_os_str().to_owned();
    name.push(format!(".{x}"));
    name.into()
}

/// Writes a session for its owner alone; a file that is there already stays as it is.
fn write(path: &Path, created: &str, entries: &[&Entry]) -> std::io::Result<u64> {
    let mut bytes = format::header(env!("CARGO_PKG_VERSION"), created).into_bytes();
    for entry in entries {
        format::encode(entry, &mut bytes);
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(bytes.len() as u64)
}
