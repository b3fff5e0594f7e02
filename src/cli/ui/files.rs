//! Effects of the screen that need nothing but files. Each is a piece of work for a thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::EffectError;
use crate::action::{Done, Effect};
use crate::cli::{sent, sessions};
use crate::config::Config;
use crate::storage::is_live;
use crate::storage::request_file;
use crate::transport::Draft;
use crate::transport::request::key_in_words;

/// A piece of work that may take its time.
type FileWork = Box<dyn FnOnce() -> Result<Done, EffectError> + Send>;

/// The work of an effect that is done with files alone; `None` for every other one.
pub(super) fn work(effect: Effect, config: &Config) -> Option<FileWork> {
    let options = Arc::new(config.options.clone());
    Some(match effect {
        Effect::CompareWith { draft, path } => {
            Box::new(move || Ok(Done::BodyBeside { draft, body: read(&path)? }))
        }
        Effect::WriteFile { path, bytes } => Box::new(move || {
            write_new(&path, &bytes).map_err(EffectError::file(&path))?;
            Ok(Done::Notice(format!("wrote {}", place(&path))))
        }),
        Effect::LoadRequest(path) => Box::new(move || read(&path).map(Done::Request)),
        Effect::ListRequests => {
            let folder = config.requests.clone();
            Box::new(move || Ok(Done::Requests(request_file::list(&folder))))
        }
        Effect::ListSent => Box::new(move || Ok(Done::Sent(sent::list(&options)))),
        Effect::TakeSent { path, exchange } => Box::new(move || {
            let request = sent::request(&path, exchange).map_err(EffectError::file(&path))?;
            Ok(Done::SentRequest(request))
        }),
        Effect::OpenRequest { path, environment } => Box::new(move || {
            let draft = request_file::read(&path, environment.as_deref())?;
            Ok(Done::RequestOpened(Box::new(draft)))
        }),
        Effect::StoreRequest { path, draft, replaces } => {
            let key = key_in_words(&draft, config);
            Box::new(move || store(path, &draft, key, replaces))
        }
        Effect::ListSessions => Box::new(move || Ok(Done::Sessions(sessions::list(&options)))),
        Effect::DeleteSession(path) => Box::new(move || delete(&path)),
        Effect::PinSession(path) => Box::new(move || {
            if is_live(&path) {
                return Err(EffectError::Recorded(path));
            }
            sessions::pin(&path).map_err(EffectError::file(&path))?;
            Ok(Done::Sessions(sessions::list(&options)))
        }),
        Effect::SearchSessions(text) => Box::new(move || {
            let (hits, skipped) = sessions::search(&text, &options);
            Ok(Done::SessionHits { hits, skipped })
        }),
        Effect::CompletePath(typed) => Box::new(move || {
            let names = completions(&typed);
            Ok(Done::Completions { typed, names })
        }),
        _ => return None,
    })
}

/// Deletes a saved session that is not being recorded.
fn delete(path: &Path) -> Result<Done, EffectError> {
    if is_live(path) {
        return Err(EffectError::Live(path.to_owned()));
    }
    std::fs::remove_file(path).map_err(EffectError::file(path))?;
    Ok(Done::Notice(format!("deleted {}", path.display())))
}

/// Writes a file, unless there is one.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // Received data may hold something that only the owner of the key should see.
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
    let mut about = format!("Request saved to {}", place(&path));
    if !written.replaced.is_empty() {
        let names: Vec<String> = written.replaced.iter().map(|n| format!("${{{n}}}")).collect();
        about.push_str(&format!("; {} in place of credentials", names.join(", ")));
    }
    if written.starred {
        about.push_str("; credentials in its address or body are stars");
    }
    Ok(Done::RequestStored(path, about))
}

/// A path as the screen shows it: in full, so that the file is found again, with `~` for the home folder.
pub(super) fn place(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let at_home = home.and_then(|home| path.strip_prefix(home).ok());
    match at_home {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// Largest number of names that are offered for what is typed.
const MAX_COMPLETIONS: usize = 50;

/// Returns the completions of a file name: the entries of its folder that begin with it, folders with a
/// slash.
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
