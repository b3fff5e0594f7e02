//! The configuration: default < file < environment < flag.
//!
//! The default is a file too (`assets/default-config.toml`), read by the same code as the user's,
//! so it documents itself. Unknown names are errors that name file and line.

mod env;
pub mod keys;
mod load;
pub mod theme;

pub use env::Environment;
pub use load::{Error, Sources, default_text, path, schema, starter};

use std::collections::BTreeMap;

use crate::inspect::{Options, Severity};
use crate::journal::Micros;

/// All of it, layers merged and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the provider that is selected first.
    pub provider: String,
    /// The providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// Bounds of an exchange.
    pub limits: Limits,
    /// What is kept of sessions.
    pub autosave: Autosave,
    /// Thresholds and severities of findings.
    pub options: Options,
    /// Where keys come from.
    pub environment: Environment,
    /// What the user ought to be told about where things came from.
    pub notes: Vec<String>,
    /// Key bindings, layer by layer.
    pub keys: Vec<keys::Row>,
    /// Themes.
    pub themes: theme::Themes,
}

/// An endpoint, how it speaks, and what a request to it begins with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// One line for lists.
    pub about: String,
    /// How it speaks, or `auto`.
    pub dialect: String,
    /// Everything before the path.
    pub base_url: String,
    /// The path after it, where it is not the dialect's.
    pub path: Option<String>,
    /// The environment variable that holds the key.
    pub key_env: Option<String>,
    /// The model of a new request.
    pub model: String,
    /// Further headers; `$NAME` values already replaced.
    pub headers: Vec<(String, String)>,
    /// Further members of a new request's body.
    pub body: serde_json::Map<String, serde_json::Value>,
}

/// The base URL of the embedded provider, which has no address before it is started.
pub const LAB_URL: &str = "lab://";

impl Provider {
    /// Whether this is the embedded provider.
    pub fn is_lab(&self) -> bool {
        self.base_url.starts_with(LAB_URL)
    }
}

/// Bounds of an exchange; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Until the connection stands.
    pub connect_timeout: Option<Micros>,
    /// Between two reads (and until the first).
    pub idle_timeout: Option<Micros>,
    /// For the whole exchange.
    pub total_timeout: Option<Micros>,
    /// Bytes of body.
    pub max_body: Option<u64>,
}

/// What is kept of the user interface's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autosave {
    /// Whether anything is.
    pub enabled: bool,
    /// How many files.
    pub keep_files: usize,
    /// How many bytes.
    pub keep_bytes: u64,
}

impl Config {
    /// The provider of that name.
    ///
    /// # Errors
    /// A sentence that names the known ones, the nearest first.
    pub fn provider(&self, name: &str) -> Result<&Provider, String> {
        self.providers.get(name).ok_or_else(|| {
            let known: Vec<_> = self.providers.keys().map(String::as_str).collect();
            format!("unknown provider {name:?}; known are {}", known.join(", "))
        })
    }

    /// The key of a provider, if its variable is set and not empty.
    pub fn key(&self, provider: &Provider) -> Option<String> {
        self.environment.get(provider.key_env.as_deref()?).filter(|k| !k.trim().is_empty())
    }
}

/// A severity as the configuration spells it; `None` is `off`.
fn severity(text: &str) -> Option<Option<Severity>> {
    if text == "off" {
        return Some(None);
    }
    Severity::ALL.into_iter().find(|s| s.name() == text).map(Some)
}

#[cfg(test)]
mod tests;
