//! The request that the user wants to send.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The request to send, as the editor or the command line has it: text that is not interpreted yet.
/// `transport::request::resolve` turns it into a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Name of the provider.
    pub provider: String,
    /// The model; empty for the provider's default.
    pub model: String,
    /// The exact address, instead of the provider's base URL and path.
    pub url: Option<String>,
    /// The dialect, instead of the provider's.
    pub dialect: Option<String>,
    /// The method; `POST` where it is empty.
    pub method: String,
    /// Headers beside the provider's; one of the same name replaces it.
    pub headers: Vec<(String, String)>,
    /// The body, sent byte for byte.
    pub body: Vec<u8>,
    /// Variables for each `${NAME}` in address, headers and body, filled in when it is sent. Without this
    /// they are sent as they are.
    pub variables: Option<Box<Variables>>,
}

/// Sources of the values of a request's variables, besides the environment of the program.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variables {
    /// The file that the request was read from.
    pub file: Option<PathBuf>,
    /// Values that apply if the environment has none.
    pub defaults: BTreeMap<String, String>,
    /// Named environments of the file, each with its values.
    pub environments: BTreeMap<String, BTreeMap<String, String>>,
    /// Name of the chosen environment. Its values win over the program's environment.
    pub environment: Option<String>,
    /// Values that the user typed for this run. They win over all others, count as credentials, and
    /// are kept nowhere.
    #[serde(skip)]
    pub typed: BTreeMap<String, String>,
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = (self.defaults.keys(), self.environments.keys(), self.typed.keys());
        write!(f, "Variables({:?} {:?} {:?} {:?})", names.0, names.1, self.environment, names.2)
    }
}

/// Source of a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueSource {
    /// The user typed it.
    Typed,
    /// The environment of the request's file that is chosen.
    Chosen,
    /// The environment of the program, or a `.env` file.
    Environment,
    /// The request's file.
    File,
    /// The place where it is used: `${NAME:-value}`.
    Place,
}

/// A variable that a request uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableState {
    /// Its name.
    pub name: String,
    /// Source of its value; `None` if it has none, and the request cannot be sent.
    pub source: Option<ValueSource>,
}

/// Two requests that go out at the same instant, A and B of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DraftPair {
    /// A and B.
    pub drafts: [Draft; 2],
    /// They are two requests, and not one in two places: their answers need not be alike.
    pub apart: bool,
}
