//! Reasons that a configuration cannot be used.

use std::io;
use std::path::PathBuf;

use super::env::EnvFileError;
use super::keys::Problem;
use super::provider::ProviderError;
use crate::rule::Code;

/// Reason that a configuration cannot be used; the text names file, line and remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{}: {why}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// The text is not TOML, or a name or a type in it is wrong.
    #[error("{place}: {message}")]
    Toml {
        /// File, line and column.
        place: String,
        /// The problem there.
        message: String,
    },
    /// The built-in configuration is wrong, which a test excludes.
    #[error("the built-in configuration: {0}")]
    BuiltIn(#[from] serde_json::Error),
    /// A key binding or a theme is wrong.
    #[error(transparent)]
    Line(#[from] Problem),
    /// The file of `--env-file` cannot be used.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    /// A layer has a value that is not possible.
    #[error("{file}: {problem}")]
    Layer {
        /// The layer's file.
        file: String,
        /// The problem.
        problem: LayerProblem,
    },
    /// A provider cannot be made from what all layers say of it.
    #[error("{file}: providers.{name}: {why}")]
    Provider {
        /// The file that names it last.
        file: String,
        /// The provider's name.
        name: String,
        /// The problem.
        why: ProviderError,
    },
    /// The provider that is to be selected first does not exist.
    #[error("provider = …: {0}")]
    Selected(UnknownProvider),
}

/// A problem in one layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerProblem {
    /// The LiteLLM configuration cannot be imported.
    #[error("litellm_config: {0}")]
    LiteLlm(#[from] ImportError),
    /// A provider is to be a copy of one that is not there.
    #[error("providers.{name}: like = {like:?}: no such provider")]
    Like {
        /// The copy's name.
        name: String,
        /// The provider that it is to be a copy of.
        like: String,
    },
    /// A way to the desktop is misspelled.
    #[error("notify.desktop: {0:?} is none of off, osc9, osc777")]
    Desktop(String),
    /// A preset of keys is misspelled.
    #[error("keymap: {0:?} is none of default, vim, emacs")]
    Keymap(String),
    /// A share is not between 0 and 1.
    #[error("findings.burst: {0} is not a share from 0 to 1")]
    Share(f64),
    /// A severity is set for a code that does not exist.
    #[error("findings.severity: no finding has the code {0:?}; `sselens explain` lists them")]
    Code(String),
    /// A severity is misspelled.
    #[error("findings.severity.{code}: {value:?} is none of info, warn, error, fatal, off")]
    Severity {
        /// The code.
        code: Code,
        /// The value there.
        value: String,
    },
}

/// A provider's name that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown provider {name:?}{} `sselens providers` lists all {count}; --url takes an address",
    perhaps(similar)
)]
pub struct UnknownProvider {
    /// The name.
    pub name: String,
    /// Names that are similar.
    pub similar: Vec<String>,
    /// Number of providers.
    pub count: usize,
}

fn perhaps(similar: &[String]) -> String {
    match similar {
        [] => ";".to_owned(),
        similar => format!("; perhaps {}?", similar.join(", ")),
    }
}

/// Reason that a LiteLLM configuration cannot be imported. The texts quote nothing of the file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("{file}: {why}")]
    Read {
        /// The file.
        file: String,
        /// The system's word.
        why: std::io::Error,
    },
    /// It is too long to be one.
    #[error("{0}: longer than 8 MiB; it cannot be a LiteLLM configuration")]
    TooLong(String),
    /// It is not YAML.
    #[error("{place}: {why}; LiteLLM could not read it either")]
    Yaml {
        /// File, line and column.
        place: String,
        /// The parser's words, without values.
        why: String,
    },
    /// It lists no models.
    #[error("{0}: no model_list; name the file that LiteLLM is started with (litellm --config)")]
    NoModels(String),
}

/// Reason that an entry cannot be asked directly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// It has no name.
    #[error("it has no model_name")]
    NoName,
    /// It names no model.
    #[error("litellm_params has no model")]
    NoModel,
    /// It does not stream answers.
    #[error("its mode is {0:?}, which is no chat that streams")]
    Mode(String),
    /// Its key is elsewhere.
    #[error("its key is in a credential_list; give api_key: os.environ/NAME")]
    CredentialList,
    /// It needs an address and has none.
    #[error("{0}/ needs an api_base")]
    NoBase(&'static str),
    /// The gateway decides where the request goes.
    #[error("LiteLLM chooses the provider by the request's model")]
    Router,
    /// Its model names no provider.
    #[error("{0:?} names no provider; write it as PROVIDER/{0}")]
    NoProvider(String),
    /// The prefix is known, and cannot be asked.
    #[error("{0}")]
    NotDirect(&'static str),
    /// The prefix is not known.
    #[error("no preset is like {0:?}; write a [providers.…] of your own")]
    NoPreset(String),
    /// The address depends on the gateway's version.
    #[error(
        "what LiteLLM makes of api_base for gemini/ differs between its versions; \
         write a [providers.…] of your own"
    )]
    GeminiBase,
    /// Its address has no scheme.
    #[error("its api_base {0:?} has no scheme; http://{0} perhaps?")]
    NoScheme(String),
    /// An AWS key is not where this program looks for it.
    #[error("its {key} is not os.environ/{variable}; set {variable}")]
    AwsKey {
        /// The key of the entry.
        key: &'static str,
        /// The variable that is read.
        variable: &'static str,
    },
}
