//! Where keys come from: the environment, and `.env` files.

use std::collections::BTreeMap;
use std::path::Path;

/// Variables by name: those of the process, then those of a `.env` file. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    process: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} + {:?})", self.process.len(), self.file.keys())
    }
}

impl Environment {
    /// The process's own variables; what is not UTF-8 is left out.
    pub fn of_process() -> Self {
        let process = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        Self { process, file: BTreeMap::new() }
    }

    /// Only these; for tests.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let process = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { process, file: BTreeMap::new() }
    }

    /// Reads a `.env` file; what the process has set already wins. Gives the names it defines.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not `NAME=value`; the sentence names file and line.
    pub fn add_file(&mut self, path: &Path) -> Result<Vec<String>, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=') else {
                // The line itself may be a secret: it is not quoted.
                return Err(format!("{}:{}: not NAME=value", path.display(), number + 1));
            };
            let value = value.trim();
            let value = match value.as_bytes() {
                [q @ (b'"' | b'\''), .., last] if q == last => &value[1..value.len() - 1],
                _ => value.split(" #").next().unwrap_or(value).trim_end(),
            };
            self.file.insert(name.trim().to_owned(), value.to_owned());
        }
        Ok(self.file.keys().cloned().collect())
    }

    /// The variable's value.
    pub fn get(&self, name: &str) -> Option<String> {
        self.process.get(name).or_else(|| self.file.get(name)).cloned()
    }
}
