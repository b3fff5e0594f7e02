//! Adding of entries to an inspection: each read through the framer, each frame through the decoder and the
//! rules.

use std::borrow::Cow;

use super::blocks::{Blocks, Surroundings};
use super::detect::FrameReading;
use super::detection::Detection;
use super::skeleton::{Emitted, Skeleton, SkeletonAttempt};
use super::surrogate::{Joiner, Lone};
use super::web_socket::WebSocket;
use super::{Answer, ContentDecoder, Delta, Facts, Findings, Inspection, Phase, Timing, detect};
use crate::dialect::{self, DecodeEvent, Payload};
use crate::frame::eventstream::EventStreamMessage;
use crate::frame::sse::SseBlock;
use crate::frame::web_socket::Sender;
use crate::frame::{Frame, FrameKind, Framer, Frames, Framing, Hint};
use crate::journal::{EndCause, Entry, EntryKind, Head, Micros, Request};
use crate::json::Tape;

/// The means by which payloads become facts.
pub(super) struct PayloadReader {
    pub(super) decoder: Box<dyn dialect::Decoder>,
    surrogates: Joiner,
    /// The JSON of the frame at hand, reused from frame to frame.
    tape: Tape,
    pub(super) skeleton: Skeleton,
    /// The deltas of the frame at hand.
    pub(super) added: Vec<Delta>,
}

impl Default for PayloadReader {
    fn default() -> Self {
        let surrogates = Joiner::default();
        let (tape, skeleton) = (Tape::new(), Skeleton::default());
        Self { decoder: dialect::unknown(), surrogates, tape, skeleton, added: Vec::new() }
    }
}

impl Inspection {
    /// Takes in what happened next.
    pub fn push(&mut self, entry: &Entry) {
        let at = entry.at;
        let facts = &mut self.facts;
        let is_received = matches!(
            entry.kind,
            EntryKind::Head(_)
                | EntryKind::Body { .. }
                | EntryKind::Sent { .. }
                | EntryKind::Bare { .. }
        );
        // Entries after an end, in a damaged file, are from another exchange whose beginning is lost.
        if is_received && facts.end.is_some() {
            return;
        }
        match &entry.kind {
            EntryKind::Request(request) => {
                facts.timing.request = at;
                facts.detection.request(request);
                facts.request = Some(request.clone());
                self.configure(&request.dialect);
                self.judge(at, |detector, facts, findings| detector.request(facts, findings));
            }
            EntryKind::Bare { status, content_type, dialect, named_sse } => {
                // A pipe that is watched has times: they count from its beginning.
                facts.timing.request = at;
                facts.bare = Some((*status, content_type.clone()));
                if !facts.has_begun() {
                    facts.framer = Framer::new(Hint {
                        content_type: content_type.clone(),
                        named_sse: *named_sse,
                    });
                }
                self.configure(dialect.as_deref().unwrap_or("auto"));
                self.judge(at, |detector, facts, findings| detector.head(facts, findings));
            }
            EntryKind::Resolved { addresses } => {
                facts.timing.resolved = at;
                facts.connection.push(format!("resolved to {}", addresses.join(", ")));
            }
            EntryKind::Connected { peer } => {
                facts.timing.connected = at;
                let peer = peer.as_deref().unwrap_or("the server");
                facts.connection.push(format!("connected to {peer}"));
            }
            EntryKind::Tls { detail } => {
                facts.timing.tls = at;
                facts.connection.push(detail.clone());
            }
            EntryKind::Head(head) if head.interim => facts.interim.push((at, head.clone())),
            EntryKind::Head(head) => self.take_head(at, head),
            EntryKind::Body { len, bytes, masked } => self.take_body(at, *len, bytes, masked),
            EntryKind::Sent { bytes, masked, .. } => self.take_sent(at, bytes, masked),
            EntryKind::Trailers(headers) => facts.trailers = Some(headers.clone()),
            EntryKind::Note { code, text, since } => {
                facts.timing.pauses.extend(since.zip(at).filter(|(since, at)| since < at));
                self.judge(at, |detector, facts, findings| {
                    detector.note(facts, code, text, findings);
                });
            }
            EntryKind::End { cause, detail } => self.take_end(at, *cause, detail),
        }
    }

    fn configure(&mut self, name: &str) {
        let dialect = self.facts.detection.configure(name);
        self.reading.decoder = dialect.map_or_else(dialect::unknown, |d| d.decoder());
    }

    fn take_head(&mut self, at: Option<Micros>, head: &Head) {
        let facts = &mut self.facts;
        facts.timing.head = at;
        if let Some(dialect) = facts.detection.head(head, facts.request.as_deref()) {
            self.reading.decoder = dialect.decoder();
        }
        if !facts.has_begun() {
            facts.coding = ContentDecoder::of_head(head);
            facts.framer = Framer::new(Hint {
                content_type: head.header("content-type").map(Into::into),
                named_sse: false,
            });
            if let Some(web_socket) = WebSocket::of(head) {
                facts.web_socket = Some(Box::new(web_socket));
                facts.framer = Framer::of_messages();
            }
        }
        facts.head = Some(head.clone());
        self.judge(at, |detector, facts, findings| detector.head(facts, findings));
    }

    fn take_body(&mut self, at: Option<Micros>, len: u32, bytes: &[u8], masked: &[(u64, u64)]) {
        self.facts.receive(at, len, bytes, masked);
        if self.facts.web_socket.is_some() {
            return self.take_messages(at);
        }
        // What repeats needs no framing.
        while !self.facts.is_framed() && self.take_repeat(None, at) {}
        if !self.facts.is_framed() {
            self.advance(at, |framer, body, frames| framer.push(body, frames));
        }
        self.judge_read(at);
    }

    fn take_sent(&mut self, at: Option<Micros>, bytes: &[u8], masked: &[(u64, u64)]) {
        self.facts.receive_messages((Sender::Client, at), bytes, masked);
        self.take_messages(at);
    }

    /// Reads the messages that are new: what the server says is decoded, what the client says may
    /// name the model.
    fn take_messages(&mut self, at: Option<Micros>) {
        let from = self.facts.messages_read;
        self.facts.messages_read = self.facts.frames.len();
        for index in from..self.facts.frames.len() {
            let Some(message) = self.facts.ws_frame(index).copied() else { continue };
            self.judge(message.at, |detector, facts, findings| {
                detector.message(facts, index as u32, findings);
            });
            match message.sender {
                Sender::Server if !message.opcode.is_control() => {
                    self.take_frame(index, message.at)
                }
                Sender::Server => self.facts.note_control(index as u32, message.at),
                Sender::Client if !message.opcode.is_control() => self.facts.note_request(index),
                Sender::Client => {}
            }
        }
        self.judge_read(at);
    }

    fn take_end(&mut self, at: Option<Micros>, cause: EndCause, detail: &str) {
        if self.begin_end(at, cause, detail) {
            self.finish();
        }
    }

    /// Takes in an end without judging it; false where there was one.
    pub(super) fn begin_end(&mut self, at: Option<Micros>, cause: EndCause, detail: &str) -> bool {
        if self.facts.end.is_some() {
            return false;
        }
        let undecoded = self.facts.finish_coding();
        if let Some(web_socket) = &mut self.facts.web_socket {
            web_socket.finish(at, &mut self.facts.decoded, &mut self.facts.frames);
        }
        self.facts.timing.end = at;
        self.facts.end = Some((cause, detail.to_owned()));
        self.advance(at, |framer, body, frames| {
            if undecoded { Framer::give_up(body, frames) } else { framer.finish(body, frames) }
        });
        self.facts.ask_tail();
        true
    }

    /// Lets the framer take what is new, and reads each frame that it completes.
    fn advance(&mut self, at: Option<Micros>, step: impl FnOnce(&mut Framer, &[u8], &mut Frames)) {
        let facts = &mut self.facts;
        if facts.web_socket.is_some() {
            return;
        }
        let from = facts.frames.len();
        let body = if facts.is_decoded() { &facts.decoded } else { &facts.wire };
        step(&mut facts.framer, body, &mut facts.frames);
        for index in from..self.facts.frames.len() {
            let frame = self.facts.frames.at(index);
            // A frame that was held back until the framing was certain arrived with an earlier read.
            let at = self.facts.completed_at(&frame).or(at);
            if !self.take_repeat(Some((index, frame)), at) {
                self.take_frame(index, at);
            }
        }
    }

    fn take_frame(&mut self, index: usize, at: Option<Micros>) {
        let Self { facts, findings, detectors, reading, .. } = self;
        let mut emitted = Emitted::default();
        let (frame, number) = (facts.frames.at(index), index as u32);
        // Not `facts.body()`: the other facts change while the body is read.
        let body = if facts.is_decoded() { &facts.decoded } else { &facts.wire };
        facts.timing.first_frame = facts.timing.first_frame.or(at);
        let data = frame.data(body);
        let event = event_of(&frame, body);
        let mut json_error = None;
        let mut duplicate_key = None;
        let PayloadReader { decoder, surrogates, tape, skeleton, added } = reading;
        if let Some(text) = data.as_deref() {
            json_error = tape.parse(text).err();
            // After an error the tape is empty, unless a whole value precedes the error.
            duplicate_key = facts.shape.add(number, tape, text);
            let id = facts.framer.sse().map(|sse| sse.id(&frame)).filter(|id| !id.is_empty());
            let json = tape.root(text);
            let payload = Payload { kind: frame.kind, event: &event, data: text, json, id };
            let mut decoding = Decoding {
                detection: &mut facts.detection,
                answer: &mut facts.answer,
                timing: &mut facts.timing,
                blocks: &mut facts.blocks,
                request: facts.request.as_deref(),
                paths: facts.shape.len(),
                decoder,
                surrogates,
                emitted: &mut emitted,
            };
            decoding.take(number, at, &payload);
        } else if frame.kind == FrameKind::Block && frame.is_named() {
            let answer = &mut facts.answer;
            decoder.decode_name(&event, &mut |fact| answer.add(number, fact));
        }
        let keep_alive = is_keep_alive(frame.kind, &event, data.as_deref());
        if keep_alive {
            facts.keep_alives.push(number);
        } else if data.is_some() {
            facts.timing.last_data = at.or(facts.timing.last_data);
            facts.timing.data_frame = Some(number);
        }
        let json = data.as_deref().and_then(|text| tape.root(text));
        let view = detect::FrameView {
            index: number,
            frame: &frame,
            bytes: frame.bytes(body),
            event: &event,
            data: data.as_deref(),
            json,
            chunk: detect::ChatChunk::of(facts, &frame, json),
            json_error,
            tape,
            duplicate_key: duplicate_key.as_deref(),
            keep_alive,
        };
        findings.judge_by(facts.detection.context(), at);
        let varying = decoder.repeats().filter(|_| {
            !findings.options.in_full
                && json_error.is_none()
                && !keep_alive
                && surrogates.is_idle()
                && facts.can_repeat(&emitted)
        });
        let judges = (&**detectors, &*findings);
        let mut attempt = skeleton.attempt(&view, &emitted, varying.is_some(), judges);
        added.clear();
        added.extend(facts.answer.deltas_of_last(number));
        let each = detect::EachFrame {
            index: number,
            frame: &frame,
            body,
            deltas: added,
            seen: FrameReading::Whole(&view),
        };
        for (n, detector) in detectors.iter_mut().enumerate() {
            if !detector.looks_at().is_empty() {
                detector.each(facts, &each, findings);
                attempt.note(skeleton.asked.contains(&n), findings);
            }
            detector.frame(facts, &view, findings);
            attempt.note(false, findings);
        }
        if std::mem::take(&mut findings.is_frame_counted) {
            attempt = SkeletonAttempt::Forget;
        }
        skeleton.learn(&view, &emitted, varying.unwrap_or_default(), attempt);
    }

    /// Asks the detectors that look at reads.
    fn judge_read(&mut self, at: Option<Micros>) {
        let Self { facts, findings, detectors, of_reads, .. } = self;
        findings.judge_by(facts.detection.context(), at);
        let before = findings.list.len();
        for detector in of_reads {
            if let Some(detector) = detectors.get_mut(*detector) {
                detector.read(facts, findings);
            }
        }
        findings.stamp(facts, before);
    }

    /// Asks every detector.
    fn judge(
        &mut self,
        at: Option<Micros>,
        mut ask: impl FnMut(&mut dyn detect::Detector, &Facts, &mut Findings),
    ) {
        let Self { facts, findings, detectors, .. } = self;
        findings.judge_by(facts.detection.context(), at);
        let before = findings.list.len();
        for detector in detectors {
            ask(detector.as_mut(), facts, findings);
        }
        findings.stamp(facts, before);
    }
}

impl Findings {
    /// Some frames are judged only later. Their findings, those from `before` on, have their time all
    /// the same.
    pub(super) fn stamp(&mut self, facts: &Facts, before: usize) {
        for finding in &mut self.list[before..] {
            if let Some(frame) = finding.frame.filter(|_| finding.phase() != Phase::End) {
                finding.at = facts.frame_at(frame as usize).or(finding.at);
            }
        }
    }
}

impl Facts {
    /// Takes in a read of the body, and undoes its content coding.
    fn receive(&mut self, at: Option<Micros>, len: u32, bytes: &[u8], masked: &[(u64, u64)]) {
        if len > 0 && self.timing.first_byte.is_none() {
            self.timing.first_byte = at;
        }
        self.wire_len += u64::from(len);
        self.wire.extend_from_slice(bytes);
        self.masked.extend_from_slice(masked);
        if let Some(coding) = &mut self.coding {
            // Masked bytes are not what the encoder wrote: stop decoding before the first of them.
            let start = (self.wire.len() - bytes.len()) as u64;
            let clear = self.masked.first().map_or(bytes.len(), |(offset, _)| {
                bytes.len().min(offset.saturating_sub(start) as usize)
            });
            if let Err(why) = coding.feed(&bytes[..clear], &mut self.decoded) {
                self.coding_error = Some(why.to_string());
            }
            if clear < bytes.len() && coding.stop() {
                self.withheld = true;
                self.coding_error = Some("the rest is masked, for a secret is in it".into());
            }
        }
        self.receive_messages((Sender::Server, at), bytes, masked);
        let decoded = self.body().len() as u64;
        self.reads.push(at, self.wire_len, decoded);
    }

    /// Ends the content coding. Returns whether it could not be undone at all: then the bytes are
    /// shown as they arrived.
    fn finish_coding(&mut self) -> bool {
        if let Some(coding) = &mut self.coding
            && let Err(why) = coding.finish(&mut self.decoded)
        {
            self.coding_cut = !self.decoded.is_empty();
            self.coding_error = Some(why.to_string());
        }
        let undecoded = self.coding_error.is_some() && self.decoded.is_empty();
        if undecoded {
            self.decoded.clone_from(&self.wire);
        }
        let decoded = self.body().len() as u64;
        self.reads.set_decoded(decoded);
        undecoded
    }

    /// Returns whether its body has begun. In a damaged file, one that has begun continues as it was, so that
    /// its frames tile it.
    fn has_begun(&self) -> bool {
        // A damaged file may have bytes, and yet say that none arrived.
        self.wire_len > 0 || !self.wire.is_empty() || self.web_socket.is_some()
    }

    /// Returns whether the body ends with a whole event, behind which the framer has seen nothing.
    #[inline]
    fn is_framed(&self) -> bool {
        self.framer.next_event().is_some_and(|(begin, _)| begin == self.body().len())
    }

    /// Takes in a read of a WebSocket, of either side.
    fn receive_messages(
        &mut self,
        from: (Sender, Option<Micros>),
        bytes: &[u8],
        masked: &[(u64, u64)],
    ) {
        if let Some(web_socket) = &mut self.web_socket {
            web_socket.receive(from, bytes, masked, &mut self.decoded, &mut self.frames);
        }
    }

    /// A control frame of the server's carries nothing, but the connection lives.
    fn note_control(&mut self, frame: u32, at: Option<Micros>) {
        self.timing.first_frame = self.timing.first_frame.or(at);
        self.keep_alives.push(frame);
    }

    /// A message of the client's: the first that names a model is what the handshake could not say.
    fn note_request(&mut self, index: usize) {
        self.timing.turn();
        let Some(request) = self.request.as_deref_mut().filter(|r| r.model.is_empty()) else {
            return;
        };
        let text = self.frames.get(index).and_then(|f| f.data(&self.decoded));
        let mut tape = Tape::new();
        let Some(text) = text.filter(|text| tape.parse(text).is_ok()) else { return };
        let Some(root) = tape.root(&text) else { return };
        let paths: [&[&str]; 3] = [&["model"], &["session", "model"], &["setup", "model"]];
        if let Some(model) = paths.iter().find_map(|path| root.at(path)?.as_str()) {
            request.model = model.into_owned();
        }
    }

    /// An event that never ended adds nothing to the answer, but it may name the dialect.
    fn ask_tail(&mut self) {
        let index = self.frames.len().saturating_sub(1);
        let Some(tail) = self.frames.last().filter(|f| f.kind == FrameKind::Incomplete) else {
            return;
        };
        if self.recognized().is_some() || self.framing() != Some(Framing::Sse) {
            return;
        }
        let block = SseBlock::of(&tail, self.body());
        let (event, data) = (block.event().into_owned(), block.data());
        let mut tape = Tape::new();
        if tape.parse(&data).is_err() {
            return;
        }
        let json = tape.root(&data);
        let payload =
            Payload { kind: FrameKind::Event, event: &event, data: &data, json, id: None };
        if dialect::recognize(&payload).is_some() {
            let paths = self.shape.len() + 1;
            self.detection.ask(index as u32, &payload, paths);
        }
    }
}

/// The facts that a payload adds to, and the means by which it is read.
struct Decoding<'a> {
    detection: &'a mut Detection,
    answer: &'a mut Answer,
    timing: &'a mut Timing,
    blocks: &'a mut Blocks,
    request: Option<&'a Request>,
    /// Size of the shape table.
    paths: usize,
    decoder: &'a mut Box<dyn dialect::Decoder>,
    surrogates: &'a mut Joiner,
    emitted: &'a mut Emitted,
}

impl Decoding<'_> {
    fn take(&mut self, frame: u32, at: Option<Micros>, payload: &Payload<'_>) {
        if let Some(dialect) = self.detection.ask(frame, payload, self.paths) {
            *self.decoder = dialect.decoder();
        }
        self.detection.ask_variant(payload, self.paths);
        let Self { answer, timing, detection, surrogates, emitted, .. } = self;
        let mut carries = false;
        let mut silent = true;
        let lone = Lone::find(payload.data);
        self.decoder.decode(payload, &mut |mut fact| {
            silent = false;
            emitted.note(&fact, payload.data);
            if let DecodeEvent::Text { choice, channel, text, duplicate, .. } = &mut fact {
                timing.text(*channel, at);
                if !*duplicate {
                    *text = surrogates.join(*channel, *choice, std::mem::take(text), lone);
                    if text.is_empty() {
                        return;
                    }
                }
            }
            if detection.makes_up(&fact, payload) {
                return;
            }
            carries |= matches!(fact, DecodeEvent::Text { .. } | DecodeEvent::Tool(_));
            answer.add(frame, fact);
        });
        if silent && let Some(error) = dialect::plain_error(payload) {
            let fact = DecodeEvent::Error(error);
            emitted.note(&fact, payload.data);
            answer.add(frame, fact);
        }
        if carries {
            self.timing.delta(at);
        }
        if let Some(dialect) = self.detection.dialect() {
            let mut around = Surroundings {
                answer: self.answer,
                request: self.request,
                runs: dialect.name().starts_with("gemini"),
            };
            self.blocks.take(frame, dialect.name(), payload, &mut around);
        }
    }
}

/// The type of a frame's event.
fn event_of<'a>(frame: &Frame, body: &'a [u8]) -> Cow<'a, str> {
    match frame.kind {
        FrameKind::Event | FrameKind::Block if frame.is_named() => {
            SseBlock::of(frame, body).event()
        }
        // The code in front of a line.
        FrameKind::Line if frame.is_named() => {
            String::from_utf8_lossy(frame.bytes(body).get(..1).unwrap_or_default())
        }
        FrameKind::Message => EventStreamMessage::of(frame.bytes(body)).event().into(),
        _ => Cow::Borrowed("message"),
    }
}

/// Returns whether a frame says no more than that the connection lives: a comment, or the events that
/// Anthropic (`ping`) and OpenAI's Responses (`keepalive`) send for that.
fn is_keep_alive(kind: FrameKind, event: &str, data: Option<&str>) -> bool {
    kind == FrameKind::Comment
        || matches!(event, "ping" | "keepalive" | "keep-alive")
            && data.is_none_or(|d| d.len() < KEEP_ALIVE)
}

/// A keep-alive carries nothing: an event with more data than this is none, whatever its name.
const KEEP_ALIVE: usize = 200;
