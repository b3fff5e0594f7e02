//! How an entry becomes part of an inspection: each read through the framer, each frame through the
//! decoder and the rules.

use std::borrow::Cow;

use super::blocks::Surroundings;
use super::surrogate::Lone;
use super::{Coding, Inspection, Phase, Read, detect};
use crate::dialect::{self, DecodeEvent, Payload};
use crate::frame::eventstream::Message;
use crate::frame::sse::Block;
use crate::frame::{Frame, Framer, Framing, Hint, Kind};
use crate::journal::{EndCause, Entry, EntryKind, Head, Micros};
use crate::json::Tape;

impl Inspection {
    /// Takes in what happened next.
    pub fn push(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.kind {
            EntryKind::Request(request) => {
                self.timing.request = at;
                self.configure(&request.dialect);
                self.detection.request(request);
                self.request = Some(request.clone());
                self.rules(at, |family, now, out| family.request(now, out));
            }
            EntryKind::Bare { status, content_type, dialect, named_sse } => {
                // A pipe that is watched has times: they count from its beginning.
                self.timing.request = at;
                self.configure(dialect.as_deref().unwrap_or("auto"));
                self.told = Some((*status, content_type.clone()));
                self.framer =
                    Framer::new(Hint { content_type: content_type.clone(), named_sse: *named_sse });
                self.rules(at, |family, now, out| family.head(now, out));
            }
            EntryKind::Resolved { addresses } => {
                self.timing.resolved = at;
                self.connection.push(format!("resolved to {}", addresses.join(", ")));
            }
            EntryKind::Connected { peer } => {
                self.timing.connected = at;
                let peer = peer.as_deref().unwrap_or("the server");
                self.connection.push(format!("connected to {peer}"));
            }
            EntryKind::Tls { detail } => {
                self.timing.tls = at;
                self.connection.push(detail.clone());
            }
            EntryKind::Head(head) if head.interim => self.interim.push((at, head.clone())),
            EntryKind::Head(head) => self.take_head(at, head),
            EntryKind::Body { len, bytes, masked } => self.take_body(at, *len, bytes, masked),
            EntryKind::Trailers(headers) => self.trailers = Some(headers.clone()),
            EntryKind::Note { code, text } => {
                self.rules(at, |family, now, out| family.note(now, code, text, out));
            }
            EntryKind::End { cause, detail } => self.take_end(at, *cause, detail),
        }
    }

    fn configure(&mut self, name: &str) {
        let told = self.detection.configure(name);
        self.decoder = told.map_or_else(dialect::unknown, |d| d.decoder());
    }

    fn take_head(&mut self, at: Option<Micros>, head: &Head) {
        self.timing.head = at;
        if let Some(dialect) = self.detection.head(head, self.request.as_deref()) {
            self.decoder = dialect.decoder();
        }
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
        if let Some(simulate) = self.options.simulate {
            self.clients = simulate.0(self);
        }
        self.blocks.finish();
        let before = self.findings.len();
        self.rules(at, |family, now, out| family.end(now, out));
        // What is about the end itself comes last.
        self.findings[before..].sort_by_key(|f| f.phase() == Phase::End);
    }

    /// An event that never ended adds nothing to the answer, but it may tell the dialect.
    fn ask_tail(&mut self) {
        let index = self.frames.len().saturating_sub(1);
        let Some(tail) = self.frames.last().filter(|f| f.kind == Kind::Incomplete) else { return };
        if self.recognized().is_some() || self.framing() != Some(Framing::Sse) {
            return;
        }
        let block = Block::of(tail, self.body());
        let (event, data) = (block.event().into_owned(), block.data());
        let mut tape = Tape::new();
        if tape.parse(&data).is_err() {
            return;
        }
        let json = tape.root(&data);
        let payload = Payload { kind: Kind::Event, event: &event, data: &data, json, id: None };
        if dialect::recognize(&payload).is_some() {
            self.detection.ask(index as u32, &payload);
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
        let event = event_of(&frame, &body);
        let mut json_error = None;
        let mut duplicate_key = None;
        if let Some(text) = data.as_deref() {
            json_error = tape.parse(text).err();
            // After an error the tape is empty, unless a whole value stands before it.
            duplicate_key = self.shape.add(number, &tape, text);
            let json = tape.root(text);
            let id = self.framer.sse().map(|sse| sse.id(&frame)).filter(|id| !id.is_empty());
            let id = id.map(str::to_owned);
            let id = id.as_deref();
            let payload = Payload { kind: frame.kind, event: &event, data: text, json, id };
            self.decode(number, at, &payload);
        } else if frame.kind == Kind::Block && frame.is_named() {
            let answer = &mut self.answer;
            self.decoder.decode_name(&event, &mut |fact| answer.add(number, fact));
        }
        let mut detectors = std::mem::take(&mut self.detectors);
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
        let seen = detect::FrameView {
            index: number,
            frame: &frame,
            bytes: frame.bytes(&body),
            event: &event,
            data: data.as_deref(),
            json,
            chunk: detect::Chunk::of(self, &frame, json),
            json_error,
            tape: &tape,
            duplicate_key: duplicate_key.as_deref(),
            keep_alive,
        };
        let options = &*self.options;
        let context = self.detection.context();
        let mut out =
            detect::Out { findings: &mut findings, tally: &mut tally, options, context, at };
        for family in &mut detectors {
            family.frame(self, &seen, &mut out);
        }
        (self.detectors, self.findings, self.tally) = (detectors, findings, tally);
        drop(event);
        drop(data);
        self.tape = tape;
        *(if self.coding.is_some() { &mut self.decoded } else { &mut self.wire }) = body;
    }

    fn decode(&mut self, frame: u32, at: Option<Micros>, payload: &Payload<'_>) {
        if let Some(dialect) = self.detection.ask(frame, payload) {
            self.decoder = dialect.decoder();
        }
        self.detection.ask_variant(payload, self.shape.len());
        let (answer, timing, known) = (&mut self.answer, &mut self.timing, &self.detection);
        let mut carries = false;
        let lone = Lone::find(payload.data);
        let surrogates = &mut self.surrogates;
        self.decoder.decode(payload, &mut |mut fact| {
            if let DecodeEvent::Text { choice, channel, text, duplicate, .. } = &mut fact {
                timing.text(*channel, at);
                if !*duplicate {
                    *text = surrogates.join(*channel, *choice, std::mem::take(text), lone);
                    if text.is_empty() {
                        return;
                    }
                }
            }
            if known.makes_up(&fact, payload) {
                return;
            }
            carries |= matches!(fact, DecodeEvent::Text { .. } | DecodeEvent::Tool(_));
            answer.add(frame, fact);
        });
        if carries {
            self.timing.delta(at);
        }
        if let Some(dialect) = self.detection.dialect() {
            let answer = &mut self.answer;
            let mut around = Surroundings {
                answer,
                request: self.request.as_deref(),
                runs: dialect.name().starts_with("gemini"),
            };
            self.blocks.take(frame, dialect.name(), payload, &mut around);
        }
    }

    fn rules(
        &mut self,
        at: Option<Micros>,
        mut ask: impl FnMut(&mut dyn detect::Detector, &Self, &mut detect::Out<'_>),
    ) {
        let mut detectors = std::mem::take(&mut self.detectors);
        let mut findings = std::mem::take(&mut self.findings);
        let mut tally = std::mem::take(&mut self.tally);
        let options = &*self.options;
        let context = self.detection.context();
        let mut out =
            detect::Out { findings: &mut findings, tally: &mut tally, options, context, at };
        let before = out.findings.len();
        for family in &mut detectors {
            ask(family.as_mut(), self, &mut out);
        }
        // Some frames are judged only later. Their findings have their time all the same.
        for finding in &mut findings[before..] {
            if let Some(frame) = finding.frame.filter(|_| finding.phase() != Phase::End) {
                finding.at = self.frame_at(frame as usize).or(finding.at);
            }
        }
        (self.detectors, self.findings, self.tally) = (detectors, findings, tally);
    }
}

/// The type of a frame's event.
fn event_of<'a>(frame: &Frame, body: &'a [u8]) -> Cow<'a, str> {
    match frame.kind {
        Kind::Event | Kind::Block if frame.is_named() => Block::of(frame, body).event(),
        // The code in front of a line.
        Kind::Line if frame.is_named() => {
            String::from_utf8_lossy(frame.bytes(body).get(..1).unwrap_or_default())
        }
        Kind::Message => Message::of(frame.bytes(body)).event().into(),
        _ => Cow::Borrowed("message"),
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
