//! The configuration: default < file < environment < flag.
//!
//! The default is a file too (`assets/default-config.toml`), so it documents itself; `build.rs` takes it apart,
//! and a test holds that to what the code for the user's file reads. Unknown names are errors that name file
//! and line.

mod env;
mod error;
pub mod keys;
mod layers;
mod litellm;
mod load;
mod provider;
pub mod theme;
mod variables;

pub use env::{EnvFileError, Environment};
pub use error::{ConfigError, ImportError, LayerProblem, SkipReason, UnknownProvider};
pub use litellm::{Imported, import};
pub use load::{ConfigSources, default_text, path, schema, starter};
pub use provider::{
    AwsKeys, LAB_URL, Provider, ProviderError, ProviderHeader, ProviderOrigin, Secret,
};
pub use variables::VariableError;

use std::collections::BTreeMap;

use crate::inspect::{InspectOptions, Severity};
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
    /// The part of sessions that is kept.
    pub autosave: Autosave,
    /// Ways to notify the user of what happened in the background.
    pub notify: Notifications,
    /// Thresholds and severities of findings.
    pub options: InspectOptions,
    /// Source of keys.
    pub environment: Environment,
    /// Warnings about the sources of settings.
    pub notes: Vec<String>,
    /// The folder with requests in files.
    pub requests: std::path::PathBuf,
    /// The program whose keys they are like.
    pub keymap: keys::Preset,
    /// Key bindings, layer by layer.
    pub keys: Vec<keys::WrittenBinding>,
    /// Themes.
    pub themes: theme::Themes,
}

/// Bounds of an exchange; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Time until the connection is established.
    pub connect_timeout: Option<Micros>,
    /// Between two reads (and until the first).
    pub idle_timeout: Option<Micros>,
    /// For the whole exchange.
    pub total_timeout: Option<Micros>,
    /// Bytes of body.
    pub max_body: Option<u64>,
    /// Bytes that were read and are not yet written or printed.
    pub max_backlog: u64,
}

/// Ways to notify the user of what happened in the background.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notifications {
    /// The terminal's bell rings.
    pub bell: bool,
    /// A message goes to the desktop, through the terminal.
    pub desktop: Desktop,
    /// Streams that ended sooner are not worth it.
    pub after: Micros,
}

/// The sequence by which the terminal shows a message on the desktop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum Desktop {
    /// None.
    #[default]
    Off,
    /// iTerm2, kitty, WezTerm, Windows Terminal, ConEmu.
    #[strum(serialize = "osc9")]
    Osc9,
    /// urxvt, foot, Ghostty, VTE.
    #[strum(serialize = "osc777")]
    Osc777,
}

impl Notifications {
    /// Returns whether there is anything to be done.
    pub fn is_on(self) -> bool {
        self.bell || self.desktop != Desktop::Off
    }
}

/// The part of the user interface's sessions that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autosave {
    /// True if anything is.
    pub enabled: bool,
    /// Number of files.
    pub keep_files: usize,
    /// Number of bytes.
    pub keep_bytes: u64,
}

impl Config {
    /// The provider of that name.
    ///
    /// # Errors
    /// There is no such provider; the error names similar ones.
    pub fn provider(&self, name: &str) -> Result<&Provider, UnknownProvider> {
        self.providers.get(name).ok_or_else(|| {
            let similar = |known: &&String| {
                let same = known.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
                same >= 3 || (name.len() >= 3 && known.contains(name))
            };
            let similar = self.providers.keys().filter(similar).cloned().collect();
            UnknownProvider { name: name.to_owned(), similar, count: self.providers.len() }
        })
    }
}

/// A severity as the configuration spells it; `None` is `off`.
fn severity(text: &str) -> Option<Option<Severity>> {
    if text == "off" {
        return Some(None);
    }
    text.parse().ok().map(Some)
}

#[cfg(test)]
mod tests;
