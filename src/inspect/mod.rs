//! The fold: entries in, everything that is known about an exchange out.
//!
//! [`Inspection::push`] is synchronous, infallible and reads no clock: the same entries give the
//! same inspection, whether they come from the network, a file or a pipe. It points down from
//! finding to delta to frame to bytes to the read that brought them.

mod answer;
mod coding;
pub mod compare;
mod ending;
mod known;
mod metrics;
mod near;
pub mod rule;
mod shape;
mod story;
pub mod tally;
mod think;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use answer::{Answer, Delta, StreamError, ToolCall};
pub use coding::Coding;
pub use ending::{Ending, Outcome, Reason, Transport};
pub use known::Recognised;
pub use metrics::{Gaps, Timing};
pub use near::partition_near;
pub use rule::{Finding, Phase, Rule, Severity};
pub use shape::{Row, Shape};
pub use story::Group;
pub use think::Think;

use crate::dialect::{self, Fact, Payload};
use crate::frame::{Frame, Framer, Framing, Hint, Kind};
use crate::journal::{EndCause, Entry, Head, Headers, Micros, Request, What};
use crate::json::Tape;

/// What the shell may set about the fold: thresholds and severities, from the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Another severity for a code; `None` silences it.
    pub severities: BTreeMap<String, Option<Severity>>,
    /// A frame longer than this is a finding, in bytes.
    pub giant_frame: u64,
    /// A wait longer than this between two reads is a finding, in microseconds.
    pub stall: Micros,
    /// A first byte later than this is a finding, in microseconds.
    pub slow_first_byte: Micros,
    /// A head later than this is a finding where the first frame comes with it, in microseconds.
    pub late_head: Micros,
    /// Frames that came together are a burst where they are this share of all, up to 1.
    pub burst: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            severities: BTreeMap::new(),
            giant_frame: 64 << 10,
            stall: 10_000_000,
            slow_first_byte: 10_000_000,
            late_head: 2_000_000,
            burst: 0.9,
        }
    }
}

impl Options {
    fn severity(&self, code: &str, default: Severity) -> Option<Severity> {
        self.severities.get(code).copied().unwrap_or(Some(default))
    }
}

/// One read of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// When; `None` for a bare body.
    pub at: Option<Micros>,
    /// How many bytes it brought over the wire.
    pub len: u32,
    /// Offset on the wire after it (before any content coding is undone).
    pub end: u64,
    /// Offset in the decoded body after it.
    pub decoded: u64,
}

/// How often each code was raised, kept findings or not.
///
/// A short list in order of the codes: a stream has a dozen of them, and what recurs in every
/// frame looks itself up in every frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    fn count(&mut self, code: &'static str) -> u64 {
        if let Some((_, n)) = self.0.iter_mut().find(|(c, _)| *c == code) {
            *n += 1;
            return *n;
        }
        let at = self.0.partition_point(|(c, _)| *c < code);
        self.0.insert(at, (code, 1));
        1
    }

    /// How often `code` was raised.
    pub fn of(&self, code: &str) -> u64 {
        self.0.iter().find(|(c, _)| *c == code).map_or(0, |(_, n)| *n)
    }
}

/// All that is known about one exchange.
pub struct Inspection {
    options: Arc<Options>,
    /// The request, if it is known.
    pub request: Option<Box<Request>>,
    /// Of a bare body: the status and content type that the user told.
    pub told: Option<(Option<u16>, Option<String>)>,
    /// Interim (1xx) heads, in order.
    pub interim: Vec<(Option<Micros>, Head)>,
    /// The response head.
    pub head: Option<Head>,
    /// Trailer fields.
    pub trailers: Option<Headers>,
    /// Addresses, peer and TLS as far as known, for display.
    pub connection: Vec<String>,
    /// How the exchange ended, with the HTTP library's words.
    pub end: Option<(EndCause, String)>,
    /// When things happened.
    pub timing: Timing,

    wire: Vec<u8>,
    wire_len: u64,
    coding: Option<Coding>,
    /// Why the content coding could not be undone.
    pub coding_error: Option<String>,
    /// Decoding stopped where the recording has `*` for what a coded body held.
    withheld: bool,
    decoded: Vec<u8>,
    reads: Vec<Read>,
    /// Spans of the wire body that were masked.
    pub masked: Vec<crate::journal::Span>,

    framer: Framer,
    frames: Vec<Frame>,
    /// Indices of the frames that only keep the connection warm.
    keep_alives: Vec<u32>,
    /// Where the bytes end that could be decoded, if decoding failed.
    tape: Tape,
    known: known::Known,
    decoder: Option<Box<dyn dialect::Decoder>>,
    answer: Answer,
    shape: Shape,

    families: Vec<Box<dyn rule::Family>>,
    findings: Vec<Finding>,
    tally: Tally,
}

impl std::fmt::Debug for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inspection({} frames, {} findings)", self.frames.len(), self.findings.len())
    }
}

impl Inspection {
    /// An exchange of which nothing has happened yet.
    pub fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            request: None,
            told: None,
            interim: Vec::new(),
            head: None,
            trailers: None,
            connection: Vec::new(),
            end: None,
            timing: Timing::default(),
            wire: Vec::new(),
            wire_len: 0,
            coding: None,
            coding_error: None,
            withheld: false,
            decoded: Vec::new(),
            reads: Vec::new(),
            masked: Vec::new(),
            framer: Framer::new(Hint::default()),
            frames: Vec::new(),
            keep_alives: Vec::new(),
            tape: Tape::new(),
            known: known::Known::default(),
            decoder: None,
            answer: Answer::default(),
            shape: Shape::default(),
            families: rule::families(),
            findings: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Takes in what happened next.
    pub fn push(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.what {
            What::Request(request) => {
                self.timing.request = at;
                self.configure(&request.dialect);
                self.known.request(request);
                self.request = Some(request.clone());
                self.rules(at, |family, now, out| family.request(now, out));
            }
            What::Bare { status, content_type, dialect, named_sse } => {
                // A pipe that is watched has times: they count from its beginning.
                self.timing.request = at;
                self.configure(dialect.as_deref().unwrap_or("auto"));
                self.told = Some((*status, content_type.clone()));
                self.framer =
                    Framer::new(Hint { content_type: content_type.clone(), named_sse: *named_sse });
                self.rules(at, |family, now, out| family.head(now, out));
            }
            What::Resolved { addresses } => {
                self.timing.resolved = at;
                self.connection.push(format!("resolved to {}", addresses.join(", ")));
            }
            What::Connected { peer } => {
                self.timing.connected = at;
                let peer = peer.as_deref().unwrap_or("the server");
                self.connection.push(format!("connected to {peer}"));
            }
            What::Tls { detail } => {
                self.timing.tls = at;
                self.connection.push(detail.clone());
            }
            What::Head(head) if head.interim => self.interim.push((at, head.clone())),
            What::Head(head) => self.take_head(at, head),
            What::Body { len, bytes, masked } => self.take_body(at, *len, bytes, masked),
            What::Trailers(headers) => self.trailers = Some(headers.clone()),
            What::Note { code, text } => {
                self.rules(at, |family, now, out| family.note(now, code, text, out));
            }
            What::End { cause, detail } => self.take_end(at, *cause, detail),
        }
    }

    fn configure(&mut self, name: &str) {
        self.decoder = self.known.configure(name).map(|d| d.decoder());
    }

    fn take_head(&mut self, at: Option<Micros>, head: &Head) {
        self.timing.head = at;
        self.known.head(head, self.request.as_deref());
        self.coding = head.header("content-encoding").and_then(Coding::of);
        self.framer = Framer::new(Hint {
            content_type: head.header("content-type").map(Into::into),
            named_sse: false,
        });
        self.head = Some(head.clone());
        self.rules(at, |family, now, out| family.head(now, out));
    }

    fn take_body(&mut self, at: Option<Micros>, len: u32, bytes: &[u8], masked: &[(u64, u64)]) {
        if len > 0 && self.timing.first_byte.is_none() {
            self.timing.first_byte = at;
        }
        self.wire_len += u64::from(len);
        self.wire.extend_from_slice(bytes);
        self.masked.extend_from_slice(masked);
        if let Some(coding) = &mut self.coding {
            // Masked bytes are not those that the coding made: it ends before the first of them.
            let start = (self.wire.len() - bytes.len()) as u64;
            let clear = self.masked.first().map_or(bytes.len(), |(offset, _)| {
                bytes.len().min(offset.saturating_sub(start) as usize)
            });
            if let Err(why) = coding.feed(&bytes[..clear], &mut self.decoded) {
                self.coding_error = Some(why);
            }
            if clear < bytes.len() && coding.stop() {
                self.withheld = true;
                self.coding_error = Some("the rest is masked, for a secret is in it".into());
            }
        }
        let decoded = self.body().len() as u64;
        self.reads.push(Read { at, len, end: self.wire_len, decoded });
        self.advance(at, |framer, body, frames| framer.push(body, frames));
        self.rules(at, |family, now, out| family.read(now, out));
    }

    fn take_end(&mut self, at: Option<Micros>, cause: EndCause, detail: &str) {
        if self.end.is_some() {
            return;
        }
        if let Some(coding) = &mut self.coding
            && let Err(why) = coding.finish(&mut self.decoded)
        {
            self.coding_error = Some(why);
        }
        // Of a coding that could not be undone at all, the bytes are shown as they came.
        let undecoded = self.coding_error.is_some() && self.decoded.is_empty();
        if undecoded {
            self.decoded.clone_from(&self.wire);
        }
        let decoded = self.body().len() as u64;
        if let Some(last) = self.reads.last_mut() {
            last.decoded = decoded;
        }
        self.timing.end = at;
        self.end = Some((cause, detail.to_owned()));
        self.advance(at, |framer, body, frames| {
            if undecoded { Framer::give_up(body, frames) } else { framer.finish(body, frames) }
        });
        self.ask_tail();
        self.rules(at, |family, now, out| family.end(now, out));
    }

    /// An event that never ended adds nothing to the answer, but it may tell the dialect.
    fn ask_tail(&mut self) {
        let index = self.frames.len().saturating_sub(1);
        let Some(tail) = self.frames.last().filter(|f| f.kind == Kind::Incomplete) else { return };
        if self.recognised().is_some() || self.framing() != Some(Framing::Sse) {
            return;
        }
        let block = crate::frame::sse::Block::of(tail, self.body());
        let (event, data) = (block.event().into_owned(), block.data());
        let mut tape = Tape::new();
        if tape.parse(&data).is_err() {
            return;
        }
        let payload =
            Payload { kind: Kind::Event, event: &event, data: &data, json: tape.root(&data) };
        if dialect::recognise(&payload).is_some() {
            self.known.ask(index as u32, &payload);
        }
    }

    /// Lets the framer take what is new, and reads each frame that it completes.
    fn advance(
        &mut self,
        at: Option<Micros>,
        step: impl FnOnce(&mut Framer, &[u8], &mut Vec<Frame>),
    ) {
        let from = self.frames.len();
        let body = if self.coding.is_some() { &self.decoded } else { &self.wire };
        step(&mut self.framer, body, &mut self.frames);
        for index in from..self.frames.len() {
            // A frame that was held back until the framing was certain came with an earlier read.
            let at = self.frame_at(index).or(at);
            self.take_frame(index, at);
        }
    }

    fn take_frame(&mut self, index: usize, at: Option<Micros>) {
        let frame = self.frames[index];
        // The body is put back below: nothing that is called in between looks at it through self.
        let body =
            std::mem::take(if self.coding.is_some() { &mut self.decoded } else { &mut self.wire });
        let mut tape = std::mem::take(&mut self.tape);
        let number = index as u32;
        self.timing.first_frame = self.timing.first_frame.or(at);
        let data = frame.data(&body);
        let event = match frame.kind {
            Kind::Event if frame.is_named() => crate::frame::sse::Block::of(&frame, &body).event(),
            Kind::Message => {
                crate::frame::eventstream::Message::of(frame.bytes(&body)).event().into()
            }
            _ => std::borrow::Cow::Borrowed("message"),
        };
        let mut json_error = None;
        let mut duplicate_key = None;
        if let Some(text) = data.as_deref() {
            json_error = tape.parse(text).err();
            // After an error the tape is empty, unless a whole value stands before it.
            duplicate_key = self.shape.add(number, &tape, text);
        }
        if let Some(text) = data.as_deref() {
            let json = tape.root(text);
            let payload = Payload { kind: frame.kind, event: &event, data: text, json };
            self.decode(number, at, &payload);
        }
        let mut families = std::mem::take(&mut self.families);
        let mut findings = std::mem::take(&mut self.findings);
        let mut tally = std::mem::take(&mut self.tally);
        let json = data.as_deref().and_then(|text| tape.root(text));
        let keep_alive = is_keep_alive(frame.kind, &event, data.as_deref());
        if keep_alive {
            self.keep_alives.push(number);
        } else if data.is_some() {
            self.timing.last_data = at.or(self.timing.last_data);
            self.timing.data_frame = Some(number);
        }
        let seen = rule::Seen {
            index: number,
            frame: &frame,
            bytes: frame.bytes(&body),
            event: &event,
            data: data.as_deref(),
            json,
            chunk: rule::Chunk::of(self, &frame, json),
            json_error,
            tape: &tape,
            duplicate_key: duplicate_key.as_deref(),
            keep_alive,
        };
        let options = &*self.options;
        let context = self.known.context();
        let mut out =
            rule::Out { findings: &mut findings, tally: &mut tally, options, context, at };
        for family in &mut families {
            family.frame(self, &seen, &mut out);
        }
        (self.families, self.findings, self.tally) = (families, findings, tally);
        drop(event);
        drop(data);
        self.tape = tape;
        *(if self.coding.is_some() { &mut self.decoded } else { &mut self.wire }) = body;
    }

    fn decode(&mut self, frame: u32, at: Option<Micros>, payload: &Payload<'_>) {
        if let Some(dialect) = self.known.ask(frame, payload) {
            self.decoder = Some(dialect.decoder());
        }
        self.known.ask_variant(payload, self.shape.len());
        let Some(decoder) = &mut self.decoder else { return };
        let (answer, timing, known) = (&mut self.answer, &mut self.timing, &self.known);
        let mut carries = false;
        decoder.decode(payload, &mut |fact| {
            if let Fact::Text { channel, .. } = &fact {
                timing.text(*channel, at);
            }
            if known.makes_up(&fact, payload) {
                return;
            }
            carries |= matches!(fact, Fact::Text { .. } | Fact::Tool(_));
            answer.add(frame, fact);
        });
        if carries {
            self.timing.delta(at);
        }
    }

    fn rules(
        &mut self,
        at: Option<Micros>,
        mut ask: impl FnMut(&mut dyn rule::Family, &Self, &mut rule::Out<'_>),
    ) {
        let mut families = std::mem::take(&mut self.families);
        let mut findings = std::mem::take(&mut self.findings);
        let mut tally = std::mem::take(&mut self.tally);
        let options = &*self.options;
        let context = self.known.context();
        let mut out =
            rule::Out { findings: &mut findings, tally: &mut tally, options, context, at };
        for family in &mut families {
            ask(family.as_mut(), self, &mut out);
        }
        (self.families, self.findings, self.tally) = (families, findings, tally);
    }

    /// The body after its content coding was undone; frames are spans of it.
    pub fn body(&self) -> &[u8] {
        if self.coding.is_some() { &self.decoded } else { &self.wire }
    }

    /// The body as it came over the wire (after the transfer coding).
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// How many bytes of body came over the wire.
    pub fn wire_len(&self) -> u64 {
        self.wire_len
    }

    /// Whether a coded body was masked, and could not be decoded from there on: what is missing
    /// is nobody's fault.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// The content coding, if there is one.
    pub fn coding(&self) -> Option<&Coding> {
        self.coding.as_ref()
    }

    /// The reads, in order.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The frames that only keep the connection warm, in order: comments and named pings.
    pub fn keep_alives(&self) -> &[u32] {
        &self.keep_alives
    }

    /// How many keep-alives came since the last data.
    pub fn keep_alives_since_data(&self) -> usize {
        let last = self.timing.data_frame;
        self.keep_alives.len() - self.keep_alives.partition_point(|k| Some(*k) < last)
    }

    /// The read that completed a frame.
    pub fn read_of(&self, frame: &Frame) -> Option<usize> {
        let i = self.reads.partition_point(|r| r.decoded < frame.end());
        (i < self.reads.len()).then_some(i)
    }

    /// The reads that brought a frame's bytes.
    pub fn reads_of(&self, frame: &Frame) -> std::ops::Range<usize> {
        let from = self.reads.partition_point(|r| r.decoded <= frame.offset);
        from..self.read_of(frame).map_or(self.reads.len(), |i| i + 1)
    }

    /// When a frame was complete: the time of the read that completed it.
    pub fn frame_at(&self, index: usize) -> Option<Micros> {
        let frame = self.frames.get(index)?;
        match self.reads.last() {
            Some(last)
                if frame.end()
                    > self.reads.len().checked_sub(2).map_or(0, |i| self.reads[i].decoded) =>
            {
                last.at
            }
            _ => self.reads.get(self.read_of(frame)?)?.at,
        }
    }

    /// The framing, once it is certain.
    pub fn framing(&self) -> Option<Framing> {
        self.framer.framing()
    }

    /// Whether a streamed array had its closing bracket; `None` for a body that is none.
    pub fn array_is_closed(&self) -> Option<bool> {
        self.framer.array_is_closed()
    }

    /// What the SSE framer counted; `None` for a body that is not SSE.
    pub fn sse(&self) -> Option<&crate::frame::sse::Sse> {
        self.framer.sse()
    }

    /// The answer as far as it has come.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The shape table.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The findings, in the order in which they were made.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How often each code was raised.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The gravest severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }

    /// How many findings there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }

    /// The response status, received or told.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|h| h.status).or_else(|| self.told.as_ref().and_then(|t| t.0))
    }

    /// The response's content type, received or told.
    pub fn content_type(&self) -> Option<&str> {
        match &self.head {
            Some(head) => head.header("content-type"),
            None => self.told.as_ref().and_then(|t| t.1.as_deref()),
        }
    }

    /// The options of this fold.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether the exchange is over.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }
}

/// Whether a frame says no more than that the connection lives: a comment, or the events that
/// Anthropic (`ping`) and OpenAI's Responses (`keepalive`) send for that.
fn is_keep_alive(kind: Kind, event: &str, data: Option<&str>) -> bool {
    kind == Kind::Comment
        || matches!(event, "ping" | "keepalive" | "keep-alive")
            && data.is_none_or(|d| d.len() < KEEP_ALIVE)
}

/// A keep-alive carries nothing: an event with more data than this is none, whatever its name.
const KEEP_ALIVE: usize = 200;

#[cfg(test)]
mod tests;
