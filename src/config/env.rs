//! Sources of keys: the environment, and `.env` files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Reason that a `.env` file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It cannot be read.
    #[error("{}: {why}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// A line is not an assignment; it is not quoted, since it may be a secret.
    #[error("{}:{line}: not NAME=value", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Variables by name: those of the process, then those of a `.env` file that was named, and keys of one that
/// was there but not named. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    process: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    keys: BTreeMap<String, String>,
    /// All of a `.env` that was not named.
    here: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = (self.file.keys(), self.keys.keys());
        write!(f, "Environment({} + {:?} + {:?})", self.process.len(), files.0, files.1)
    }
}

impl Environment {
    /// The process's own variables; what is not UTF-8 is left out.
    pub fn of_process() -> Self {
        let process = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        Self { process, ..Self::default() }
    }

    /// The variables of the process.
    pub fn process(&self) -> impl Iterator<Item = (&str, &str)> {
        self.process.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Only these; for tests.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let process = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { process, ..Self::default() }
    }

    /// Reads a `.env` file that the user named; what the process has set already wins. Returns
    /// the names it defines.
    ///
    /// # Errors
    /// It cannot be read, or a line is not `NAME=value`.
    pub fn add_file(&mut self, path: &Path) -> Result<Vec<String>, EnvFileError> {
        self.file.extend(read(path)?);
        Ok(self.file.keys().cloned().collect())
    }

    /// Reads a `.env` file that was not named, which whoever created the folder may have put there. Only its
    /// keys are used, so that it cannot send a key of the process to another server. Returns which of the
    /// names in `keys` it defines, and which other names of `wanted` it defines that the process has not set.
    ///
    /// # Errors
    /// As for [`Environment::add_file`].
    pub(super) fn add_keys(
        &mut self,
        path: &Path,
        keys: &BTreeSet<String>,
        wanted: &BTreeSet<String>,
    ) -> Result<(Vec<String>, Vec<String>), EnvFileError> {
        let (mut taken, mut ignored) = (Vec::new(), Vec::new());
        self.here = read(path)?;
        for (name, value) in self.here.clone() {
            if keys.contains(&name) {
                taken.push(name.clone());
                self.keys.insert(name, value);
            } else if wanted.contains(&name) && self.get(&name).is_none() {
                ignored.push(name);
            }
        }
        Ok((taken, ignored))
    }

    /// A variable's value, for anything but a key: where a request goes is never set by a file
    /// that was not named.
    pub fn get(&self, name: &str) -> Option<String> {
        self.process.get(name).or_else(|| self.file.get(name)).cloned()
    }

    /// The value of a variable that the user's own request names in its headers or body: a `.env` that
    /// was not named has a say too, for it does not decide where that is sent.
    pub fn anywhere(&self, name: &str) -> Option<String> {
        self.key(name).or_else(|| self.here.get(name).cloned())
    }

    /// The value of a variable that is sent as a credential.
    pub fn key(&self, name: &str) -> Option<String> {
        self.get(name).or_else(|| self.keys.get(name).cloned())
    }
}

/// The variables of a `.env` file.
fn read(path: &Path) -> Result<BTreeMap<String, String>, EnvFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|why| EnvFileError::Read { file: path.into(), why })?;
    let mut variables = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(EnvFileError::Line { file: path.into(), line: number + 1 });
        };
        let value = value.trim();
        let value = match value.as_bytes() {
            [q @ (b'"' | b'\''), .., last] if q == last => &value[1..value.len() - 1],
            _ => value.split(" #").next().unwrap_or(value).trim_end(),
        };
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(variables)
}
