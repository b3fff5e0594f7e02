//! The terminal UI.
//!
//! `app.rs` turns events into effects: no IO, no clock, no runtime. It holds the model (`model/`:
//! what is shown) and a stack of screens (`screen/`, `panes.rs`, `compare/`: how it is looked at),
//! of which the top one gets the keys. `run.rs` is the one loop around it, `terminal.rs` the real
//! terminal. Screens, panes and widgets draw from `&Model` into a buffer; what they cache can be
//! dropped at any time without changing a cell.

mod app;
pub mod background;
mod band;
mod colors;
mod commands;
mod compare;
mod draw;
mod layout;
mod looks;
mod model;
mod pane;
mod panes;
mod panes_draw;
mod run;
mod screen;
pub mod terminal;
mod theme;
mod widget;
mod work;

pub use app::{App, Event};
pub use colors::Colors;
pub use looks::{AUTO, Looks, UnknownTheme};
pub use run::{
    Console, EditError, EffectRunner, Ended, FirstDrawing, Run, Signal, first_drawing, run,
    run_from,
};
pub use theme::{Role, Theme};
pub use work::{Work, Worked, aside};

use std::path::PathBuf;
use std::sync::Arc;

use crate::action::{Draft, Keymap, Opened, OwnContext, VariableState};
use crate::config::Notifications;
use crate::config::keys::Preset;
use crate::inspect::compare::Comparison;
use crate::inspect::outcomes::Tally;
use crate::inspect::{InspectOptions, Inspection};
use crate::journal::{ExchangeId, Request};
use crate::storage::curl::CurlError;

/// A provider as the screen needs to know it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderInfo {
    /// Its name.
    pub name: String,
    /// Name of its dialect, or `auto`.
    pub dialect: String,
    /// Everything before the dialect's path, for display.
    pub base_url: String,
    /// The path after it, where it is not the dialect's.
    pub path: Option<String>,
    /// The model of a new request.
    pub model: String,
    /// The environment variable that holds its key.
    pub key_variable: Option<String>,
    /// True if that variable is set.
    pub key_is_set: bool,
    /// One line for lists.
    pub about: String,
    /// Models to choose from, each with a line about it.
    pub models: Arc<[(String, String)]>,
}

impl ProviderInfo {
    /// Returns whether it is the embedded lab.
    fn is_lab(&self) -> bool {
        self.base_url.starts_with("lab:")
    }

    /// Returns the destination of a request, as far as it is known before it is sent.
    fn address(&self) -> String {
        if self.is_lab() {
            return "the embedded lab".to_owned();
        }
        let base = self.base_url.trim_end_matches('/');
        let path =
            crate::dialect::find(&self.dialect).and_then(|d| d.request()).map(|side| side.path);
        match self.path.as_deref().or(path) {
            Some(path) if !base.ends_with(path) => {
                format!("{base}{}", path.replace("{model}", &self.model))
            }
            _ => base.to_owned(),
        }
    }
}

/// The places where the panes' own keys count, with the actions that the panes bring.
pub fn pane_contexts() -> Vec<&'static OwnContext> {
    pane::all().iter().map(|pane| pane.spec().keys).collect()
}

/// Reads a curl command line.
pub type ParseCurl = Arc<dyn Fn(&str) -> Result<Draft, CurlError> + Send + Sync>;
/// Writes a request as a curl command line.
pub type ToCurl = Arc<dyn Fn(&Request) -> String + Send + Sync>;
/// Writes a bug report in Markdown.
pub type ToMarkdown = Arc<dyn Fn(BugReport<'_>) -> String + Send + Sync>;
/// The variables that a request uses, and where their values are from.
pub type FindVariables = Arc<dyn Fn(&Draft) -> Vec<VariableState> + Send + Sync>;
/// The body of a minimal request to a provider (its `model` is the one to ask), with a prompt.
pub type PromptBody = Arc<dyn Fn(&ProviderInfo, &str) -> String + Send + Sync>;

/// The subject of a bug report.
#[derive(Debug, Clone, Copy)]
pub enum BugReport<'a> {
    /// Exchanges of a session.
    Exchanges(&'a [(ExchangeId, &'a Inspection)]),
    /// A and B, as they were compared.
    Compared {
        /// The two, in this order.
        sides: [(ExchangeId, &'a Inspection); 2],
        /// Their differences.
        found: &'a Comparison,
        /// The differences between their requests, if these were two.
        requests: Option<&'a str>,
    },
    /// A request that was sent many times.
    Repeated {
        /// Their outcomes.
        tally: &'a Tally,
        /// Number of requests that were to be sent.
        asked: u64,
        /// Those that were kept.
        examples: &'a [(ExchangeId, &'a Inspection)],
    },
}

impl BugReport<'_> {
    /// Writes it. `key` returns the variable that holds the key of a provider, by its name.
    pub fn markdown(self, key: crate::report::KeyVariable<'_>) -> String {
        use crate::report::{RecordingOrigin, markdown, markdown_compared, markdown_repeated};
        let (origin, mut page) = (RecordingOrigin::default(), Vec::new());
        // Writing to memory does not fail.
        let _ = match self {
            BugReport::Exchanges(all) => markdown(all, &origin, key, &mut page),
            BugReport::Compared { sides, found, requests } => {
                markdown_compared(sides, (found, requests), &origin, key, &mut page)
            }
            BugReport::Repeated { tally, asked, examples } => {
                markdown_repeated((tally, asked), examples, &origin, key, &mut page)
            }
        };
        String::from_utf8(page).unwrap_or_default()
    }
}

/// Functions that the screen needs from code that it may not name.
#[derive(Clone)]
pub struct Tools {
    /// Reads a curl command line.
    pub parse_curl: ParseCurl,
    /// Writes a request as a curl command line.
    pub to_curl: ToCurl,
    /// Writes a bug report.
    pub to_markdown: ToMarkdown,
    /// Makes the body of a new request.
    pub body: PromptBody,
    /// Finds the variables of a request.
    pub variables: FindVariables,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}

/// Settings that another reading of the configuration changes while the screen is there.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// The providers to choose from.
    pub providers: Vec<ProviderInfo>,
    /// The folder with requests in files.
    pub requests: PathBuf,
    /// Settings for notifications of what happened in the background.
    pub notify: Notifications,
    /// Thresholds and severities, for exchanges that begin from now on.
    pub options: Arc<InspectOptions>,
    /// Key bindings.
    pub keys: Keymap,
    /// The preset for the keys.
    pub keymap: Preset,
    /// The themes, and which is shown.
    pub looks: Looks,
    /// Code that the screen may not name.
    pub tools: Tools,
}

/// Everything that the screen begins with.
#[derive(Debug)]
pub struct Startup {
    /// The providers to choose from.
    pub providers: Vec<ProviderInfo>,
    /// The request in the editor. An empty body is replaced by the provider's minimal request.
    pub draft: Draft,
    /// The folder with requests in files.
    pub requests: PathBuf,
    /// Settings for notifications of what happened in the background.
    pub notify: Notifications,
    /// Edits are kept for the next start: ending the program loses none.
    pub keeps_drafts: bool,
    /// The recording that was opened.
    pub session: Option<Opened>,
    /// A recording that is opened while the screen is there already.
    pub open: Option<PathBuf>,
    /// Thresholds and severities.
    pub options: Arc<InspectOptions>,
    /// Key bindings.
    pub keys: Keymap,
    /// The preset for the keys, and for how the body is typed.
    pub keymap: Preset,
    /// The themes, and which is shown.
    pub looks: Looks,
    /// Messages that are shown to the user at once.
    pub messages: Vec<String>,
    /// Code that the screen may not name.
    pub tools: Tools,
}
