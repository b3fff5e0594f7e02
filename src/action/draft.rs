//! What the user wants to send.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is to be sent, as the editor or the command line has it: text that is not
/// interpreted yet. `transport::request::resolve` turns it into a request.
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
    /// Address, headers and body hold `${NAME}`, to be filled in when it is sent; without this they
    /// are sent as they stand.
    pub variables: Option<Box<Variables>>,
}

/// Where the variables of a request get their values from, beside the environment of the program.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variables {
    /// The file that the request was read from.
    pub file: Option<PathBuf>,
    /// What holds where the environment says nothing.
    pub defaults: BTreeMap<String, String>,
    /// Named environments of the file, each with its values.
    pub environments: BTreeMap<String, BTreeMap<String, String>>,
    /// Which of them is chosen; its values win over the program's environment.
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

/// Where the value of a variable is from.
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
    /// Where its value is from; `None` where it has none, and the request cannot be sent.
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
