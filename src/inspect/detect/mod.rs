//! Detectors: the judges of an exchange.
//!
//! A detector is one file. It sees each thing that happens once, in order, together with the
//! [`Facts`] so far, and puts what is wrong into [`Findings`]. It changes no fact, reads no clock, and
//! raises only codes that have a page in `assets/rules/`.

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
mod foreign;
mod gemini;
mod head;
mod identity;
mod json;
mod page;
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
mod web_socket;

pub(in crate::inspect) use end::{is_filter, is_length};
pub(in crate::inspect) use status::provider_words;

pub(super) use super::findings::{FindingPlace, Findings};

use std::borrow::Cow;

use super::filled::Filled;
use super::{Delta, Facts};
use crate::dialect::{self, Dialect, Varying};
use crate::frame::Frame;
use crate::journal::EndCause;
use crate::json::{Error, Kind, Tape, Value};
pub(super) use crate::rule::{Code, Phase, Severity};

/// One file's judgement of an exchange, step by step.
pub(super) trait Detector: Send + Sync {
    /// The request is on its way.
    fn request(&mut self, _facts: &Facts, _findings: &mut Findings) {}
    /// The head is there.
    fn head(&mut self, _facts: &Facts, _findings: &mut Findings) {}
    /// Handles a read whose frames have been passed already. Only for those that look at [`Look::Reads`].
    fn read(&mut self, _facts: &Facts, _findings: &mut Findings) {}
    /// A frame is complete; its deltas are in the answer.
    fn frame(&mut self, _facts: &Facts, _view: &FrameView<'_>, _findings: &mut Findings) {}
    /// A message of a WebSocket is complete, of either side; what the server says is a frame, too.
    fn message(&mut self, _facts: &Facts, _index: u32, _findings: &mut Findings) {}
    /// Returns what it looks at besides keys, and values that are the same in frames that repeat one another.
    fn looks_at(&self) -> &'static [Look] {
        &[]
    }
    /// The same frame before [`Detector::frame`], with what may be new in one that repeats those
    /// before it. Of such a frame it is all that is asked, and only where [`Detector::looks_at`] has
    /// what is new in it.
    fn each(&mut self, _facts: &Facts, _each: &EachFrame<'_>, _findings: &mut Findings) {}
    /// Something about this program itself.
    fn note(&mut self, _facts: &Facts, _code: &str, _text: &str, _findings: &mut Findings) {}
    /// Handles the end of the exchange: nothing more arrives.
    fn end(&mut self, _facts: &Facts, _findings: &mut Findings) {}
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
    /// Reason that the payload is not JSON.
    pub(super) json_error: Option<Error>,
    pub(super) tape: &'a Tape,
    /// The payload as a chunk of Chat Completions.
    pub(super) chunk: Option<ChatChunk<'a>>,
    /// A key that appeared twice in one object.
    pub(super) duplicate_key: Option<&'a str>,
    /// It only keeps the connection warm.
    pub(super) keep_alive: bool,
}

/// A thing that a detector looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The text, the time or the number of each frame.
    Frames,
    /// Each piece of a tool call.
    Calls,
    /// The value of a member that may differ from frame to frame.
    Member(Varying),
    /// Each read.
    Reads,
}

/// A frame, as far as it may differ from one that it repeats ([`super::skeleton`]).
pub(super) struct EachFrame<'a> {
    /// Its number.
    pub(super) index: u32,
    pub(super) frame: &'a Frame,
    /// The body that it is part of.
    pub(super) body: &'a [u8],
    /// Its additions to the answer.
    pub(super) deltas: &'a [Delta],
    pub(super) seen: FrameReading<'a>,
}

/// The way a frame was read.
pub(super) enum FrameReading<'a> {
    /// In full.
    Whole(&'a FrameView<'a>),
    /// By what differs from the frames that it repeats.
    Repeat(&'a Filled<'a>),
}

/// A frame of a stream that is read as Chat Completions, taken apart once for all detectors.
#[derive(Clone, Copy)]
pub(super) struct ChatChunk<'a> {
    /// The object.
    pub(super) json: Value<'a>,
    pub(super) choices: Option<Value<'a>>,
    pub(super) id: Option<Value<'a>>,
    pub(super) model: Option<Value<'a>>,
    pub(super) created: Option<Value<'a>>,
}

impl<'a> ChatChunk<'a> {
    /// The payload of a frame, if it is a chunk.
    pub(super) fn of(facts: &Facts, frame: &Frame, json: Option<Value<'a>>) -> Option<Self> {
        let json = json.filter(|j| j.kind() == Kind::Object)?;
        let chunk =
            frame.kind != crate::frame::FrameKind::Body && is_chat(facts) && !refused(facts);
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

impl<'a> EachFrame<'a> {
    /// This frame.
    pub(super) fn place(&self) -> FindingPlace {
        FindingPlace { frame: Some(self.index), offset: Some(self.frame.offset) }
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.frame.bytes(self.body)
    }

    /// Its payload, if it has one.
    pub(super) fn data(&self) -> Option<Cow<'a, str>> {
        match self.seen {
            FrameReading::Whole(view) => view.data.map(Cow::Borrowed),
            FrameReading::Repeat(_) => self.frame.data(self.body),
        }
    }

    /// Everything about the frame, where it was read in full.
    pub(super) fn view(&self) -> Option<&'a FrameView<'a>> {
        match self.seen {
            FrameReading::Whole(view) => Some(view),
            FrameReading::Repeat(_) => None,
        }
    }

    /// Returns whether its payload is a JSON object.
    pub(super) fn is_object(&self) -> bool {
        self.view().is_none_or(|view| view.json.is_some_and(|j| j.kind() == Kind::Object))
    }

    /// Returns the value of a field as it is written. In a frame that repeats others, `None` means the value
    /// that they had, too.
    pub(super) fn member(&self, member: Varying) -> Option<&'a str> {
        match self.seen {
            FrameReading::Whole(view) => view.json?.get(member.key()).map(Value::source),
            FrameReading::Repeat(filled) => filled.member(member),
        }
    }
}

impl FrameView<'_> {
    /// This frame.
    pub(super) fn place(&self) -> FindingPlace {
        FindingPlace { frame: Some(self.index), offset: Some(self.frame.offset) }
    }

    /// A byte of this frame's data.
    pub(super) fn place_in_data(&self, at: usize) -> FindingPlace {
        let data = self.frame.data_span().map_or(self.frame.offset, |s| (s.start + at) as u64);
        FindingPlace { frame: Some(self.index), offset: Some(data) }
    }
}

/// A fresh detector of each file.
pub(super) fn detectors() -> Vec<Box<dyn Detector>> {
    vec![
        Box::<connect::ConnectDetector>::default(),
        Box::<status::StatusDetector>::default(),
        Box::<head::HeadDetector>::default(),
        Box::<body::BodyDetector>::default(),
        Box::<raw::RawDetector>::default(),
        Box::<eventstream::EventStreamDetector>::default(),
        Box::<sse::SseDetector>::default(),
        Box::<json::JsonDetector>::default(),
        Box::<error::ErrorDetector>::default(),
        Box::<identity::IdentityDetector>::default(),
        Box::<foreign::ForeignDetector>::default(),
        Box::<chat::ChatDetector>::default(),
        Box::<blocks::BlocksDetector>::default(),
        Box::<anthropic::AnthropicDetector>::default(),
        Box::<responses::ResponsesDetector>::default(),
        Box::<gemini::GeminiDetector>::default(),
        Box::<finish::FinishDetector>::default(),
        Box::<tool::ToolDetector>::default(),
        Box::<usage::UsageDetector>::default(),
        Box::<semantic::SemanticDetector>::default(),
        Box::<timing::TimingDetector>::default(),
        Box::<clock::ClockDetector>::default(),
        Box::<session::SessionDetector>::default(),
        Box::<web_socket::WebSocketDetector>::default(),
        Box::<terminal::TerminalDetector>::default(),
        Box::<end::EndDetector>::default(),
        // Last, because it looks at what all others found.
        Box::<client::ClientDetector>::default(),
    ]
}

/// Returns whether the server refused the request. Then its error is the finding, and nothing about how a
/// stream should have continued.
fn refused(facts: &Facts) -> bool {
    facts.status().is_some_and(|s| s >= 300)
}

/// Returns whether this side ended the exchange: what is missing then is no one's fault.
fn ours(facts: &Facts) -> bool {
    // A recording whose writer was interrupted is no fault of the server, either.
    let interrupted = facts.bare.is_none() && matches!(facts.end, Some((EndCause::Unknown, _)));
    interrupted
        || facts.is_withheld()
        || matches!(
            facts.end,
            Some((EndCause::Cancelled | EndCause::Limit(_) | EndCause::Timeout(_), _))
        )
}

/// Returns whether the transport failed: what is missing then is a consequence.
fn cut(facts: &Facts) -> bool {
    use EndCause::*;
    matches!(
        facts.end,
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

/// Returns whether a payload that is not a JSON object is still one of the dialect's.
fn allowed(facts: &Facts, view: &FrameView<'_>) -> bool {
    let Some(data) = view.data else { return false };
    let (kind, event, json) = (view.frame.kind, view.event, view.json);
    let payload = dialect::Payload { kind, event, data, json, id: None };
    facts.dialect().is_some_and(|d| d.allows(&payload))
}

/// Returns whether the payloads are read as chunks of OpenAI Chat Completions.
fn is_chat(facts: &Facts) -> bool {
    facts.dialect().is_some_and(Dialect::speaks_chat)
}

/// Returns whether the dialect's streams end with `[DONE]`.
fn wants_done(facts: &Facts) -> bool {
    facts.dialect().is_some_and(|d| d.ending().sentinel)
}

#[cfg(test)]
mod tests;
