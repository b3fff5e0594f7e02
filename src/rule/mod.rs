//! The registry of rules: everything that sselens can find, as data.
//!
//! A rule is one page, `assets/rules/CODE.md`: severity, phase and relations in its front matter,
//! what `explain` prints under its headings. The build makes of all pages the enum [`Code`] and one
//! table, so a code without a page does not compile, and neither does a misspelled one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

include!(concat!(env!("OUT_DIR"), "/codes.rs"));

/// One thing that can be wrong, as its page describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Its code.
    pub code: Code,
    /// The code's stable spelling in output: `empty-stream`.
    pub name: &'static str,
    /// Its severity, unless a detector has reason to say otherwise.
    pub severity: Severity,
    /// The layer it is about.
    pub phase: Phase,
    /// True if it depends on reads or times, so the same bytes cut differently can produce another result.
    pub depends_on_reads: bool,
    /// A description in one or two sentences.
    pub what: &'static str,
    /// An example in bytes: `⏎` is a line feed.
    pub example: &'static str,
    /// The clients that it breaks, and how.
    pub breaks: &'static str,
    /// The way to fix it.
    pub fix: &'static str,
    /// Places where it was seen: issue addresses, documents; `none collected` where it is derived from a
    /// specification only.
    pub seen_in: &'static str,
    /// The way to see it where no scenario of the lab shows it by itself: the command for it, or why there is
    /// none. Empty where a scenario does.
    pub reproduce: &'static str,
    /// A difference as part of a sentence that names several: `a fabricated finish`. Empty for
    /// rules about one exchange.
    pub brief: &'static str,
    /// The rules whose findings bring this one about: it is grouped under them, and is the verdict
    /// only where none of them was found.
    pub follows_from: &'static [Code],
    /// The rules that have nothing to add where this one was found.
    pub hides: &'static [Code],
    /// Although harmless, it says more about the exchange than its figures do.
    pub leads: bool,
    /// True if it is about the recording rather than the answer: the verdict only where it is alone.
    pub aside: bool,
    /// Of the upper layers, and still true where the payloads are read as the wrong dialect.
    pub by_bytes: bool,
    /// The party that has to act, unless the evidence of the exchange says otherwise. `None`: its layer
    /// decides.
    pub blame: Option<Party>,
    /// The subject of a difference, where the verdict of a comparison has a place for that.
    pub subject: Option<Subject>,
    /// A difference that is certain as soon as it shows, while the exchanges still run.
    pub while_running: bool,
}

impl Rule {
    /// Returns who has to act where nothing else is known: what the page says, otherwise who owns the layer.
    pub fn party(&self) -> Party {
        self.blame.unwrap_or(match self.phase {
            Phase::Connect | Phase::Tls | Phase::Body => Party::Network,
            Phase::Compare => Party::Gateway,
            Phase::Session => Party::You,
            _ => Party::Provider,
        })
    }
}

/// The subject of a difference between two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The request that was sent: it precedes what is odd about the answers.
    Request,
    /// The outcome of the call, in other words: where nothing worse differs, it says all there is.
    Outcome,
}

/// The rules by which exchanges are judged: those of the pages, unless some of them are changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules(Cow<'static, [Rule]>);

impl Default for Rules {
    fn default() -> Self {
        Self(Cow::Borrowed(RULES))
    }
}

impl Rules {
    /// Returns the rule of a code.
    pub fn of(&self, code: Code) -> &Rule {
        &self.0[code as usize]
    }

    /// Returns the rule of a code, to be changed.
    pub fn of_mut(&mut self, code: Code) -> &mut Rule {
        &mut self.0.to_mut()[code as usize]
    }
}

/// The party that has to act on a failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Party {
    /// The bytes of the provider are wrong.
    Provider,
    /// A gateway or proxy between the client and the provider.
    Gateway,
    /// The network: names, connections, TLS.
    Network,
    /// A client that misreads a correct stream.
    Client,
    /// The user: request, key, limits, configuration.
    You,
    /// Nothing here shows it.
    Unknown,
}

impl Party {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Code {
    /// Every code, in alphabetical order.
    pub fn all() -> impl ExactSizeIterator<Item = Code> {
        RULES.iter().map(|rule| rule.code)
    }

    /// The page of this code.
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    /// The stable spelling in output and options: `empty-stream`.
    pub fn name(self) -> &'static str {
        self.rule().name
    }

    /// The default severity.
    pub fn severity(self) -> Severity {
        self.rule().severity
    }

    /// The layer it is about.
    pub fn phase(self) -> Phase {
        self.rule().phase
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A text that is the name of no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no finding has this code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(name: &str) -> Result<Self, UnknownCode> {
        RULES
            .binary_search_by(|rule| rule.name.cmp(name))
            .map(|at| RULES[at].code)
            .map_err(|_| UnknownCode)
    }
}

/// The severity, for the wire and not for one weak client; ordered.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[cfg_attr(feature = "program", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// A deviation worth showing, harmless to robust clients.
    Info,
    /// Some real client yields a wrong result.
    Warn,
    /// The stream failed and says so.
    Error,
    /// The answer is lost, or a failure is presented as success.
    Fatal,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Severity; 4] =
        [Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];

    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The part of an exchange that a finding is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the layers, from the wire upwards")]
#[strum(serialize_all = "lowercase")]
pub enum Phase {
    Connect,
    Tls,
    Head,
    Body,
    Frame,
    Json,
    Schema,
    Semantic,
    /// Only to be reported when the stream is over.
    End,
    Timing,
    /// Needs two recordings.
    Compare,
    /// About this program itself: a bound of the user's, a disk that is full.
    Session,
}

impl Phase {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests;
