//! Rules: what can be wrong with a stream, and the folds that find it.
//!
//! A rule is a row of data: code, severity, phase, and the explanation that `sselens explain`, the
//! screen and the reference print alike. A *family* is one file: its rules, and the pure,
//! clock-free fold that raises them. A family sees each thing that happens once, in order, and the
//! inspection so far. Facts are never changed by a rule.

mod anthropic;
mod body;
mod chat;
mod clock;
mod connect;
mod end;
mod error;
mod eventstream;
mod finish;
mod gemini;
mod head;
mod identity;
mod json;
mod raw;
mod responses;
mod semantic;
mod session;
mod sse;
mod status;
mod terminal;
mod timing;
mod tool;
mod usage;

pub(in crate::inspect) use connect::said;
pub(in crate::inspect) use end::{is_filter, is_length};
pub(in crate::inspect) use status::provider_words;

use serde::Serialize;

use super::{Inspection, Options};
use crate::dialect::{Dialect, Variant};
use crate::frame::Frame;
use crate::journal::{EndCause, Micros};
use crate::json::{Error, Tape, Value};

/// How bad it is, for the wire and not for one weak client; ordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "program", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
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
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }
}

/// Which part of an exchange a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the layers, from the wire upwards")]
pub enum Phase {
    Connect,
    Tls,
    Head,
    Body,
    Frame,
    Json,
    Schema,
    Semantic,
    /// Only to be told when the stream is over.
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
        match self {
            Phase::Connect => "connect",
            Phase::Tls => "tls",
            Phase::Head => "head",
            Phase::Body => "body",
            Phase::Frame => "frame",
            Phase::Json => "json",
            Phase::Schema => "schema",
            Phase::Semantic => "semantic",
            Phase::End => "end",
            Phase::Timing => "timing",
            Phase::Compare => "compare",
            Phase::Session => "session",
        }
    }
}

/// One thing that can be wrong.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Its stable name.
    pub code: &'static str,
    /// How bad it is, as a rule. A finding can be milder where the rest of the stream is sound.
    pub severity: Severity,
    /// Where it sits.
    pub phase: Phase,
    /// It is about reads or times, so another cut of the same bytes can give another result.
    pub reads: bool,
    /// What it means, one or two sentences.
    pub means: &'static str,
    /// An example in bytes: `⏎` is a line feed.
    pub example: &'static str,
    /// Which clients stumble, and how.
    pub breaks: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Where it was seen: issue addresses, documents; `none collected` where it is derived from a
    /// specification only.
    pub evidence: &'static str,
    /// How to see it where no scenario of the lab shows it by itself: the command for it, or why
    /// there is none. Empty where a scenario does.
    pub see: &'static str,
}

impl Rule {
    /// A rule with the defaults of most: severity info, phase frame, no texts. For `const` tables.
    pub const DEFAULT: Rule = Rule {
        code: "",
        severity: Severity::Info,
        phase: Phase::Frame,
        reads: false,
        means: "",
        example: "",
        breaks: "",
        remedy: "",
        evidence: "none collected",
        see: "",
    };
}

/// One diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule that made it.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// The frame that it is about.
    pub frame: Option<u32>,
    /// The byte of the body that it points at.
    pub offset: Option<u64>,
    /// When that came.
    pub at: Option<Micros>,
    /// A sentence about this very case. Text from the wire in it is not yet made visible.
    pub message: String,
}

impl Finding {
    /// Its rule's code.
    pub fn code(&self) -> &'static str {
        self.rule.code
    }
}

/// One file's rules and the fold that raises them.
pub(super) trait Family: Send {
    /// The request is on its way.
    fn request(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
    /// The head is there.
    fn head(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
    /// A read came; its frames have been given.
    fn read(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
    /// A frame is complete; its deltas are in the answer.
    fn frame(&mut self, _now: &Inspection, _seen: &Seen<'_>, _out: &mut Out<'_>) {}
    /// Something about this program itself.
    fn note(&mut self, _now: &Inspection, _code: &str, _text: &str, _out: &mut Out<'_>) {}
    /// The exchange is over, nothing more comes.
    fn end(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
}

/// A frame as the rules see it.
pub(super) struct Seen<'a> {
    /// Its number.
    pub(super) index: u32,
    pub(super) frame: &'a Frame,
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// The SSE event type.
    pub(super) event: &'a str,
    /// Its payload, if it has one.
    pub(super) data: Option<&'a str>,
    /// The payload's JSON; where `json_error` is trailing text, the first value.
    pub(super) json: Option<Value<'a>>,
    /// Why the payload is not JSON.
    pub(super) json_error: Option<Error>,
    pub(super) tape: &'a Tape,
    /// The payload as a chunk of Chat Completions.
    pub(super) chunk: Option<Chunk<'a>>,
    /// A key that stood twice in one object.
    pub(super) duplicate_key: Option<&'a str>,
    /// It only keeps the connection warm.
    pub(super) keep_alive: bool,
}

/// A frame of a stream that is read as Chat Completions, taken apart once for all families.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    /// The object.
    pub(super) json: Value<'a>,
    pub(super) choices: Option<Value<'a>>,
    pub(super) id: Option<Value<'a>>,
    pub(super) model: Option<Value<'a>>,
    pub(super) created: Option<Value<'a>>,
}

impl<'a> Chunk<'a> {
    /// The payload of a frame, if it is a chunk.
    pub(super) fn of(now: &Inspection, frame: &Frame, json: Option<Value<'a>>) -> Option<Self> {
        let json = json.filter(|j| j.kind() == crate::json::Kind::Object)?;
        let chunk = frame.kind != crate::frame::Kind::Body && is_chat(now) && !refused(now);
        if !chunk {
            return None;
        }
        let mut chunk = Self { json, choices: None, id: None, model: None, created: None };
        for (key, value) in json.entries() {
            match key.raw() {
                b"\"choices\"" => chunk.choices = Some(value),
                b"\"id\"" => chunk.id = Some(value),
                b"\"model\"" => chunk.model = Some(value),
                b"\"created\"" => chunk.created = Some(value),
                _ => {}
            }
        }
        Some(chunk)
    }
}

/// How many findings of one code are kept for each exchange; the rest is counted.
pub const MAX_PER_CODE: u64 = 100;

/// What findings are judged by beside their rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context {
    /// Whose variant of Chat Completions this is.
    pub(super) variant: Option<&'static Variant>,
    /// The user has it read as a dialect that it is not: what the decoder missed is no news.
    pub(super) misread: bool,
}

/// Rules of the upper layers that go by bytes, whatever the decoder made of them.
const BY_BYTES: &[&str] = &["truncated-json-array", "empty-stream"];

impl Context {
    /// How bad a finding is here, and where it is normal.
    fn judge(self, rule: &Rule, severity: Severity) -> (Severity, Option<&'static str>) {
        let decoded = matches!(rule.phase, Phase::Schema | Phase::Semantic | Phase::End);
        if self.misread && decoded && !BY_BYTES.contains(&rule.code) {
            return (Severity::Info, None);
        }
        // What is lost is lost, however often.
        match self.variant.filter(|v| severity < Severity::Fatal && v.is_normal(rule.code)) {
            Some(variant) => (Severity::Info, Some(variant.name)),
            None => (severity, None),
        }
    }
}

/// Where a family puts its findings.
pub(super) struct Out<'a> {
    pub(super) findings: &'a mut Vec<Finding>,
    pub(super) tally: &'a mut super::Tally,
    pub(super) options: &'a Options,
    pub(super) context: Context,
    /// When what is looked at came.
    pub(super) at: Option<Micros>,
}

/// What a finding points at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) frame: Option<u32>,
    pub(super) offset: Option<u64>,
}

impl Seen<'_> {
    /// This frame.
    pub(super) fn place(&self) -> Place {
        Place { frame: Some(self.index), offset: Some(self.frame.offset) }
    }

    /// A byte of this frame's data.
    pub(super) fn place_in_data(&self, at: usize) -> Place {
        let data = self.frame.data_span().map_or(self.frame.offset, |s| (s.start + at) as u64);
        Place { frame: Some(self.index), offset: Some(data) }
    }
}

impl Out<'_> {
    /// Raises a finding of the rule's own severity.
    pub(super) fn raise(&mut self, rule: &'static Rule, place: Place, message: impl Into<String>) {
        self.raise_as(rule, rule.severity, place, message);
    }

    /// Raises a finding of another severity.
    pub(super) fn raise_as(
        &mut self,
        rule: &'static Rule,
        severity: Severity,
        place: Place,
        message: impl Into<String>,
    ) {
        let (severity, normal) = self.context.judge(rule, severity);
        let Some(severity) = self.options.severity(rule.code, severity) else { return };
        let n = self.tally.count(rule.code);
        if n > MAX_PER_CODE {
            return;
        }
        let mut message = message.into();
        if let Some(name) = normal {
            message.push_str(&format!(" This is normal at {name}."));
        }
        self.findings.push(Finding {
            rule,
            severity,
            frame: place.frame,
            offset: place.offset,
            at: self.at,
            message,
        });
    }

    /// Raises a finding once in an exchange: for what repeats frame after frame, and of which the
    /// first place tells all.
    pub(super) fn raise_once(
        &mut self,
        rule: &'static Rule,
        place: Place,
        message: impl Into<String>,
    ) {
        if !self.again(rule) {
            self.raise(rule, place, message);
        }
    }

    /// Whether the rule was raised before, counting this time too: for what repeats and whose
    /// message is not to be made each time.
    pub(super) fn again(&mut self, rule: &'static Rule) -> bool {
        let again = self.tally.of(rule.code) > 0;
        if again {
            self.tally.count(rule.code);
        }
        again
    }
}

/// Every family's rules.
const TABLES: &[&[Rule]] = &[
    connect::RULES,
    status::RULES,
    head::RULES,
    body::RULES,
    raw::RULES,
    eventstream::RULES,
    sse::RULES,
    json::RULES,
    error::RULES,
    identity::RULES,
    chat::RULES,
    anthropic::RULES,
    responses::RULES,
    gemini::RULES,
    finish::RULES,
    tool::RULES,
    usage::RULES,
    semantic::RULES,
    timing::RULES,
    clock::RULES,
    session::RULES,
    terminal::RULES,
    end::RULES,
    super::compare::RULES,
];

/// A fresh fold of every family.
pub(super) fn families() -> Vec<Box<dyn Family>> {
    vec![
        Box::<connect::Connect>::default(),
        Box::<status::Status>::default(),
        Box::<head::Head>::default(),
        Box::<body::Body>::default(),
        Box::<raw::Raw>::default(),
        Box::<eventstream::EventStream>::default(),
        Box::<sse::Sse>::default(),
        Box::<json::Json>::default(),
        Box::<error::Error>::default(),
        Box::<identity::Identity>::default(),
        Box::<chat::Chat>::default(),
        Box::<anthropic::Anthropic>::default(),
        Box::<responses::Responses>::default(),
        Box::<gemini::Gemini>::default(),
        Box::<finish::Finish>::default(),
        Box::<tool::Tool>::default(),
        Box::<usage::Usage>::default(),
        Box::<semantic::Semantic>::default(),
        Box::<timing::Timing>::default(),
        Box::<clock::Clock>::default(),
        Box::<session::Session>::default(),
        Box::<terminal::Terminal>::default(),
        Box::<end::End>::default(),
    ]
}

/// Whether the server refused the request: then its error is the finding, and nothing about how a
/// stream should have gone on.
fn refused(now: &Inspection) -> bool {
    now.status().is_some_and(|s| s >= 300)
}

/// Whether this side ended the exchange: what is missing then is nobody's fault.
fn ours(now: &Inspection) -> bool {
    // A recording that stops where its writer was interrupted has no request to blame either.
    let interrupted = now.told.is_none() && matches!(now.end, Some((EndCause::Unknown, _)));
    interrupted
        || now.is_withheld()
        || matches!(
            now.end,
            Some((EndCause::Cancelled | EndCause::Limit(_) | EndCause::Timeout(_), _))
        )
}

/// Whether the transport was cut: what is missing then is a consequence.
fn cut(now: &Inspection) -> bool {
    use EndCause::*;
    matches!(
        now.end,
        Some((
            Truncated
                | Reset
                | Protocol
                | Tls
                | ClosedBeforeHead
                | ClosedInsideHead
                | Dns
                | Refused,
            _
        ))
    )
}

/// What is odd about a sound stream is worth no more than `info`.
fn unless_healthy(now: &Inspection, severity: Severity) -> Severity {
    if now.is_healthy() { Severity::Info } else { severity }
}

/// Whether the payloads are read as chunks of OpenAI Chat Completions.
fn is_chat(now: &Inspection) -> bool {
    now.dialect().is_some_and(Dialect::speaks_chat)
}

/// Whether the dialect's streams end with `[DONE]`.
fn wants_done(now: &Inspection) -> bool {
    now.dialect().is_some_and(|d| d.ending().sentinel)
}

/// Every rule, family by family.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().flat_map(|t| t.iter())
}

/// The rule of that code.
pub fn find(code: &str) -> Option<&'static Rule> {
    rules().find(|r| r.code == code)
}

/// The rule of that code in a family's own table; the table's first where there is none, which a
/// test excludes. Usable in `const`.
#[expect(clippy::panic, reason = "evaluated by the compiler only: a wrong code does not build")]
pub(in crate::inspect) const fn lookup(table: &'static [Rule], code: &str) -> &'static Rule {
    let mut i = 0;
    while i < table.len() {
        if same(table[i].code, code) {
            return &table[i];
        }
        i += 1;
    }
    panic!("no such rule in this family")
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Names a rule of this family's table; a wrong code does not compile.
macro_rules! rule {
    ($code:literal) => {
        const { crate::inspect::rule::lookup(RULES, $code) }
    };
}
pub(in crate::inspect) use rule;

#[cfg(test)]
mod tests;
