//! Reading the layers, and laying them over each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeTable;

use super::error::{ConfigError, LayerProblem};
use super::keys::{Document, Preset};
use super::layers::Layers;
use super::provider::{ProviderFile, ProviderOrigin};
use super::theme::Themes;
use super::{Autosave, Config, Environment, Limits, Notifications, keys, severity};
use crate::client_sim;
use crate::inspect::{InspectOptions, Simulate};
use crate::journal::Micros;
use crate::journal::file::micros;
use crate::rule::Code;

const DEFAULT: &str = include_str!("../../assets/default-config.toml");

/// The built-in configuration, as text.
pub fn default_text() -> &'static str {
    DEFAULT
}

/// Returns what `config init` writes: every built-in line as a comment.
pub fn starter() -> String {
    let mut out = String::from(
        "# sselens: your configuration. Take the comment sign from what you want to change.\n\n",
    );
    for line in DEFAULT.lines().skip_while(|l| !l.is_empty()).skip(1) {
        let comment = if line.is_empty() || line.starts_with('#') { "" } else { "# " };
        out.push_str(&format!("{comment}{line}\n"));
    }
    out
}

/// Returns the path of the user's file: `--config`, then `SSELENS_CONFIG`, then the platform's place.
pub fn path(flag: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    flag.map(Path::to_owned)
        .or_else(|| environment.get("SSELENS_CONFIG").filter(|p| !p.is_empty()).map(PathBuf::from))
        .or_else(|| {
            directories::ProjectDirs::from("", "", "sselens")
                .map(|d| d.config_dir().join("config.toml"))
        })
}

/// The JSON Schema of the configuration file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ConfigFile).to_value()
}

/// Sources of the layers.
#[derive(Debug, Clone, Default)]
pub struct ConfigSources {
    /// `--config FILE`: it must exist.
    pub config: Option<PathBuf>,
    /// `--env-file FILE`: it must exist. Without it, a `.env` in the working directory is read for keys, and
    /// for nothing else.
    pub env_file: Option<PathBuf>,
    /// The process's environment.
    pub environment: Environment,
}

/// One layer: everything may be missing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// Name of the provider that is selected first.
    provider: Option<String>,
    /// Providers by name.
    #[serde(default)]
    providers: BTreeMap<String, ProviderFile>,
    /// A LiteLLM `config.yaml` whose `model_list` becomes providers, relative to this file.
    litellm_config: Option<PathBuf>,
    /// The folder with requests in files, relative to the working directory.
    requests: Option<PathBuf>,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    autosave: AutosaveFile,
    #[serde(default)]
    notify: NotifyFile,
    #[serde(default)]
    findings: FindingsFile,
    /// Keys for those who are used to another program's: `default`, `vim` or `emacs`.
    keymap: Option<String>,
    /// Key bindings: for each place where keys count, keys and the actions that they ask for.
    #[serde(default, deserialize_with = "not_here")]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, String>>")]
    #[expect(dead_code, reason = "read by `keys::rows`, which knows the lines")]
    keys: (),
    /// The theme's name, and themes: for each role a style in words.
    #[serde(default, deserialize_with = "not_here")]
    #[schemars(with = "BTreeMap<String, ThemeFile>")]
    #[expect(dead_code, reason = "read by `Themes::take`, which knows the lines")]
    theme: (),
}

/// Passes over a table that is read and checked elsewhere.
fn not_here<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(drop)
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "for the schema")]
enum ThemeFile {
    /// The name of the theme to use.
    Name(String),
    /// Styles by role.
    Styles(BTreeMap<String, String>),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    /// Seconds until the connection is established; 0 is no limit.
    connect_timeout: Option<f64>,
    /// Seconds between two reads; 0 is no limit.
    idle_timeout: Option<f64>,
    /// Seconds for the whole exchange; 0 is no limit.
    total_timeout: Option<f64>,
    /// Bytes of body; 0 is no limit.
    max_body: Option<u64>,
    /// Bytes that are read ahead of the disk and of standard output; reading pauses there.
    max_backlog: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AutosaveFile {
    /// True if sessions of the user interface are kept.
    enabled: Option<bool>,
    /// Number of files that are kept.
    keep_files: Option<usize>,
    /// Number of bytes that are kept.
    keep_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NotifyFile {
    /// True if the terminal's bell rings.
    bell: Option<bool>,
    /// Way that a message reaches the desktop: `off`, `osc9` or `osc777`.
    desktop: Option<String>,
    /// Seconds; a stream that ended sooner is not worth it.
    after: Option<f64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindingsFile {
    /// A frame longer than this, in bytes, is a finding.
    giant_frame: Option<u64>,
    /// A wait longer than this, in seconds, is a finding.
    stall: Option<f64>,
    /// A first byte later than this, in seconds, is a finding.
    slow_first_byte: Option<f64>,
    /// Response headers later than this, in seconds, that arrive together with the first frame are a finding.
    late_head: Option<f64>,
    /// Frames that arrived together are a finding if they are at least this share of all, from 0 to 1.
    burst: Option<f64>,
    /// Another severity for a code: `info`, `warn`, `error`, `fatal`, or `off`.
    #[serde(default)]
    severity: BTreeMap<String, String>,
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// A file that was named is missing, or one cannot be used.
    pub fn load(sources: ConfigSources) -> Result<Self, ConfigError> {
        let ConfigSources { config, env_file, mut environment } = sources;
        if let Some(file) = &env_file {
            environment.add_file(file)?;
        }
        let mut rows = Vec::new();
        let mut themes = Themes::built_in();
        rows.push(keys::built_in());
        let file: ConfigFile = serde_json::from_str(keys::BUILT_IN.rest)?;
        let mut layers = vec![(file, "the built-in configuration".to_owned())];
        if let Some(file) = path(config.as_deref(), &environment) {
            match std::fs::read_to_string(&file) {
                Ok(text) => {
                    let name = file.display().to_string();
                    let misread = |e| misread(&text, &name, &e);
                    let document =
                        Document::new(&name, &text, DeTable::parse(&text).map_err(misread)?);
                    rows.push(keys::rows(&document)?);
                    themes.take(&document)?;
                    let table = toml::Deserializer::from(document.into_table());
                    let file = ConfigFile::deserialize(table);
                    layers.push((file.map_err(misread)?, name.clone()));
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && config.is_none() => {}
                Err(why) => return Err(ConfigError::Read { file, why }),
            }
        }
        let mut built = Self::empty(environment, themes);
        let mut providers = Layers::default();
        for (i, (mut layer, name)) in layers.into_iter().enumerate() {
            let origin = if i == 0 { ProviderOrigin::BuiltIn } else { ProviderOrigin::User };
            let wrong = |problem| ConfigError::Layer { file: name.clone(), problem };
            // The user's own tables override what they import.
            if let Some(file) = layer.litellm_config.take() {
                built.import_litellm(&mut providers, &name, &file).map_err(wrong)?;
            }
            let own = std::mem::take(&mut layer.providers);
            providers.lay(own, origin, &name).map_err(wrong)?;
            built.lay(layer).map_err(wrong)?;
        }
        // The preset goes between the default keys and the user's keys.
        rows.insert(1, built.keymap.rows()?);
        built.keys = rows.concat();
        if env_file.is_none() {
            built.keys_lying_here(&providers);
        }
        built.providers = providers.build(&built.environment)?;
        built.provider(&built.provider).map_err(ConfigError::Selected)?;
        Ok(built)
    }

    /// Returns the configuration before any layer says something.
    fn empty(environment: Environment, themes: Themes) -> Self {
        Self {
            provider: String::new(),
            providers: BTreeMap::new(),
            limits: Limits {
                connect_timeout: None,
                idle_timeout: None,
                total_timeout: None,
                max_body: None,
                max_backlog: 0,
            },
            notify: Notifications::default(),
            autosave: Autosave { enabled: true, keep_files: 0, keep_bytes: 0 },
            options: InspectOptions {
                simulate: Some(Simulate(client_sim::views)),
                ..InspectOptions::default()
            },
            environment,
            notes: Vec::new(),
            keymap: Preset::Default,
            requests: PathBuf::new(),
            keys: Vec::new(),
            themes,
        }
    }

    /// Takes keys, and nothing but keys, from a `.env` in the working directory.
    fn keys_lying_here(&mut self, providers: &Layers) {
        let file = Path::new(".env");
        if !file.is_file() {
            return;
        }
        let (keys, mut wanted) = providers.variables();
        wanted.insert("SSELENS_CONFIG".into());
        match self.environment.add_keys(file, &keys, &wanted) {
            Ok((taken, ignored)) => {
                if !taken.is_empty() {
                    self.notes.push(format!("took from .env here: {}", taken.join(", ")));
                }
                if !ignored.is_empty() {
                    self.notes.push(format!(
                        "ignored in .env here: {}; a .env file that is not named provides keys only (name it with --env-file .env)",
                        ignored.join(", ")
                    ));
                }
            }
            // Not an error: a file that was not named belongs to another program.
            Err(why) => self.notes.push(format!("did not read {why}")),
        }
    }

    /// Adds the providers of a LiteLLM configuration that the file `name` names.
    fn import_litellm(
        &mut self,
        providers: &mut Layers,
        name: &str,
        file: &Path,
    ) -> Result<(), LayerProblem> {
        let file = Path::new(name).parent().unwrap_or(Path::new("")).join(file);
        let imported = super::litellm::import(&file)?;
        let place = file.display().to_string();
        if !imported.skipped.is_empty() {
            self.notes.push(format!(
                "{place}: {} of its models cannot be called directly; `sselens providers --litellm {place}` shows why",
                imported.skipped.len()
            ));
        }
        let files = imported.entries.into_iter().map(|e| (e.name, e.file)).collect();
        providers.lay(files, ProviderOrigin::LiteLlm, &place)
    }

    fn lay(&mut self, layer: ConfigFile) -> Result<(), LayerProblem> {
        if let Some(provider) = layer.provider {
            self.provider = provider;
        }
        if let Some(folder) = layer.requests {
            self.requests = folder;
        }
        if let Some(keymap) = layer.keymap {
            self.keymap = keymap.parse().map_err(|_| LayerProblem::Keymap(keymap))?;
        }
        let LimitsFile { connect_timeout, idle_timeout, total_timeout, max_body, max_backlog } =
            layer.limits;
        let limits = &mut self.limits;
        for (slot, value) in [
            (&mut limits.connect_timeout, connect_timeout),
            (&mut limits.idle_timeout, idle_timeout),
            (&mut limits.total_timeout, total_timeout),
        ] {
            if let Some(seconds) = value {
                *slot = limit(seconds);
            }
        }
        if let Some(bytes) = max_body {
            limits.max_body = (bytes > 0).then_some(bytes);
        }
        limits.max_backlog = max_backlog.unwrap_or(limits.max_backlog);
        let AutosaveFile { enabled, keep_files, keep_bytes } = layer.autosave;
        let autosave = &mut self.autosave;
        autosave.enabled = enabled.unwrap_or(autosave.enabled);
        autosave.keep_files = keep_files.unwrap_or(autosave.keep_files);
        autosave.keep_bytes = keep_bytes.unwrap_or(autosave.keep_bytes);
        let NotifyFile { bell, desktop, after } = layer.notify;
        let notify = &mut self.notify;
        notify.bell = bell.unwrap_or(notify.bell);
        notify.after = after.map_or(notify.after, micros);
        if let Some(desktop) = desktop {
            notify.desktop = desktop.parse().map_err(|_| LayerProblem::Desktop(desktop))?;
        }
        let findings = layer.findings;
        let options = &mut self.options;
        options.giant_frame = findings.giant_frame.unwrap_or(options.giant_frame);
        options.stall = findings.stall.map_or(options.stall, micros);
        options.slow_first_byte = findings.slow_first_byte.map_or(options.slow_first_byte, micros);
        options.late_head = findings.late_head.map_or(options.late_head, micros);
        if let Some(share) = findings.burst {
            if !(0.0..=1.0).contains(&share) {
                return Err(LayerProblem::Share(share));
            }
            options.burst = share;
        }
        for (code, value) in findings.severity {
            let code: Code = code.parse().map_err(|_| LayerProblem::Code(code))?;
            let severity = severity(&value).ok_or(LayerProblem::Severity { code, value })?;
            options.severities.insert(code, severity);
        }
        Ok(())
    }
}

/// A limit in seconds; 0 and below is none.
fn limit(seconds: f64) -> Option<Micros> {
    Some(micros(seconds)).filter(|m| *m > 0)
}

/// Returns the reason that a layer cannot be used: the place, and the problem there.
fn misread(text: &str, name: &str, e: &toml::de::Error) -> ConfigError {
    let place = e.span().map_or(String::new(), |s| {
        let (line, column) = crate::json::line_column(text, s.start);
        format!(":{line}:{column}")
    });
    ConfigError::Toml { place: format!("{name}{place}"), message: e.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_is_what_its_text_says() {
        assert_eq!(keys::built_in(), keys::read("built-in configuration", DEFAULT).unwrap());
        let built: ConfigFile = serde_json::from_str(keys::BUILT_IN.rest).unwrap();
        let read: ConfigFile = toml::from_str(DEFAULT).unwrap();
        assert_eq!(format!("{built:#?}"), format!("{read:#?}"));
    }
}
