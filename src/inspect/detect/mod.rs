//! Rules: what can be wrong with a stream, and the folds that find it.
//!
//! A rule is a row of data: code, severity, phase, and the explanation that `sselens explain`, the
//! screen and the reference print alike. A *family* is one file: its rules, and the pure,
//! clock-free fold that raises them. A family sees each thing that happens once, in order, and the
//! inspection so far. Facts are never changed by a rule.

mod anthropic;
mod blocks;
mod body;
mod chat;
mod client;
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
mod tail;
mod terminal;
mod timing;
mod tool;
mod usage;

pub(in crate::inspect) use connect::said;
pub(in crate::inspect) use end::{is_filter, is_length};
pub(in crate::inspect) use status::provider_words;

use super::{Inspection, Options};
use crate::dialect::{self, Dialect, Variant};
use crate::frame::Frame;
use crate::journal::{EndCause, Micros};
use crate::json::{Error, Tape, Value};
use crate::rule::Rule;
pub(super) use crate::rule::{Code, Phase, Severity};

/// One diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which rule it is a case of.
    pub code: Code,
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
    /// The page of its rule.
    pub fn rule(&self) -> &'static Rule {
        self.code.rule()
    }

    /// The layer it is about.
    pub fn phase(&self) -> Phase {
        self.code.phase()
    }
}

/// One file's rules and the fold that raises them.
pub(super) trait Detector: Send {
    /// The request is on its way.
    fn request(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
    /// The head is there.
    fn head(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
    /// A read came; its frames have been given.
    fn read(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
    /// A frame is complete; its deltas are in the answer.
    fn frame(&mut self, _now: &Inspection, _seen: &FrameView<'_>, _out: &mut Out<'_>) {}
    /// Something about this program itself.
    fn note(&mut self, _now: &Inspection, _code: &str, _text: &str, _out: &mut Out<'_>) {}
    /// The exchange is over, nothing more comes.
    fn end(&mut self, _now: &Inspection, _out: &mut Out<'_>) {}
}

/// A frame as the rules see it.
pub(super) struct FrameView<'a> {
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

/// A frame of a stream that is read as Chat Completions, taken apart once for all detectors.
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

impl Context {
    /// How bad a finding is here, and where it is normal.
    fn judge(self, code: Code, severity: Severity) -> (Severity, Option<&'static str>) {
        let decoded = matches!(code.phase(), Phase::Schema | Phase::Semantic | Phase::End);
        if self.misread && decoded && !code.rule().by_bytes {
            return (Severity::Info, None);
        }
        // What is lost is lost, however often.
        match self.variant.filter(|v| severity < Severity::Fatal && v.is_normal(code)) {
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

impl FrameView<'_> {
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
    pub(super) fn raise(&mut self, code: Code, place: Place, message: impl Into<String>) {
        self.raise_as(code, code.severity(), place, message);
    }

    /// Raises a finding of another severity.
    pub(super) fn raise_as(
        &mut self,
        code: Code,
        severity: Severity,
        place: Place,
        message: impl Into<String>,
    ) {
        let (severity, normal) = self.context.judge(code, severity);
        let Some(severity) = self.options.severity(code, severity) else { return };
        let n = self.tally.count(code);
        if n > MAX_PER_CODE {
            return;
        }
        let mut message = message.into();
        if let Some(name) = normal {
            message.push_str(&format!(" This is normal at {name}."));
        }
        self.findings.push(Finding {
            code,
            severity,
            frame: place.frame,
            offset: place.offset,
            at: self.at,
            message,
        });
    }

    /// Whether a finding that was raised leaves nothing to add for this rule.
    pub(super) fn is_hidden(&self, code: Code) -> bool {
        self.tally.codes().any(|raised| raised.rule().hides.contains(&code))
    }

    /// Raises a finding once in an exchange: for what repeats frame after frame, and of which the
    /// first place tells all.
    pub(super) fn raise_once(&mut self, code: Code, place: Place, message: impl Into<String>) {
        if !self.again(code) {
            self.raise(code, place, message);
        }
    }

    /// Whether the rule was raised before, counting this time too: for what repeats and whose
    /// message is not to be made each time.
    pub(super) fn again(&mut self, code: Code) -> bool {
        let again = self.tally.of(code) > 0;
        if again {
            self.tally.count(code);
        }
        again
    }
}

/// A fresh fold of every family.
pub(super) fn detectors() -> Vec<Box<dyn Detector>> {
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
        Box::<blocks::Blocks>::default(),
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
        // Looks at what all others found.
        Box::<client::Client>::default(),
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

/// Whether a payload that is no JSON object is one of the dialect's all the same.
fn allowed(now: &Inspection, seen: &FrameView<'_>) -> bool {
    let Some(data) = seen.data else { return false };
    let (kind, event, json) = (seen.frame.kind, seen.event, seen.json);
    let payload = dialect::Payload { kind, event, data, json, id: None };
    now.dialect().is_some_and(|d| d.allows(&payload))
}

/// Whether the payloads are read as chunks of OpenAI Chat Completions.
fn is_chat(now: &Inspection) -> bool {
    now.dialect().is_some_and(Dialect::speaks_chat)
}

/// Whether the dialect's streams end with `[DONE]`.
fn wants_done(now: &Inspection) -> bool {
    now.dialect().is_some_and(|d| d.ending().sentinel)
}

#[cfg(test)]
mod tests;
