//! `-o ndjson`: one JSON object a line, in order of arrival.

use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine as _;
use serde_json::json;

use super::summary::{FindingsDetail, at, digits, finding, summary};
use crate::frame::FrameKind;
use crate::frame::eventstream::EventStreamMessage;
use crate::frame::sse::SseBlock;
use crate::inspect::{Delta, Finding, Inspection, Phase};
use crate::journal::{Entry, EntryKind};
use crate::query::Filter;
use crate::text::write_json;

/// Follows one exchange and writes a line for each thing that happens, once.
#[derive(Debug, Default)]
pub struct Ndjson {
    wire: u64,
    frames: usize,
    findings: usize,
    trailers: Option<serde_json::Value>,
    /// Frames that do not match have no lines.
    only: Option<Arc<Filter>>,
}

impl Ndjson {
    /// The lines of an exchange, with those frames only that a filter selects; what a JSONPath query
    /// selects in a frame is its `matches`.
    pub fn only(filter: Option<Arc<Filter>>) -> Self {
        Self { only: filter, ..Self::default() }
    }

    /// Writes what `entry` brought; `inspection` has taken it in already.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn follow(
        &mut self,
        entry: &Entry,
        inspection: &Inspection,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let (x, time) = (entry.exchange, at(entry.at));
        match &entry.kind {
            EntryKind::Request(r) => {
                self.line(
                    out,
                    &json!({"type": "request", "x": x, "at": time, "method": r.method,
                    "url": r.url, "headers": r.headers, "body_len": r.body.len()}),
                )?;
            }
            EntryKind::Head(h) => {
                let mut line = json!({"type": "head", "x": x, "at": time, "status": h.status,
                    "version": h.version, "headers": h.headers});
                if h.interim {
                    line["interim"] = true.into();
                }
                self.line(out, &line)?;
            }
            EntryKind::Body { len, .. } => {
                if *len > 0 && inspection.bare.is_none() {
                    self.line(
                        out,
                        &json!({"type": "chunk", "x": x, "at": time,
                        "offset": self.wire, "len": len}),
                    )?;
                }
                self.wire += u64::from(*len);
            }
            EntryKind::Trailers(headers) => {
                self.trailers =
                    Some(json!({"type": "trailers", "x": x, "at": time, "headers": headers}));
            }
            EntryKind::End { .. } => {
                self.frames(x, inspection, out)?;
                self.findings(x, inspection, out, |f| f.phase() != Phase::End)?;
                if let Some(trailers) = self.trailers.take() {
                    self.line(out, &trailers)?;
                }
                let reason = inspection.reason().map(|r| r.name());
                self.line(out, &json!({"type": "end", "x": x, "at": time, "reason": reason}))?;
                self.findings(x, inspection, out, |_| true)?;
                return self.line(out, &summary(x, inspection, FindingsDetail::Counted));
            }
            // The client's messages have frames, but are not part of the body.
            EntryKind::Sent { .. }
            | EntryKind::Bare { .. }
            | EntryKind::Resolved { .. }
            | EntryKind::Connected { .. }
            | EntryKind::Tls { .. }
            | EntryKind::Note { .. } => {}
        }
        self.frames(x, inspection, out)?;
        self.findings(x, inspection, out, |_| true)
    }

    /// The frames that are new, each with its deltas and findings.
    fn frames(&mut self, x: u32, inspection: &Inspection, out: &mut impl Write) -> io::Result<()> {
        while self.frames < inspection.frames().len() {
            let index = self.frames;
            self.frames += 1;
            let own = |f: &Finding| f.frame == Some(index as u32) && f.phase() != Phase::End;
            if self.only.as_ref().is_some_and(|only| !only.matches(inspection, index)) {
                self.findings(x, inspection, &mut io::sink(), own)?;
                continue;
            }
            let time = at(inspection
                .frame_at(index)
                .or_else(|| inspection.reads().last().and_then(|r| r.at)));
            let line = self.frame(x, time, index, inspection);
            self.line(out, &line)?;
            for delta in inspection.answer().deltas_of(index as u32) {
                self.line(out, &delta_line(x, time, index, &delta, inspection))?;
            }
            self.findings(x, inspection, out, own)?;
        }
        Ok(())
    }

    /// The line of a frame.
    fn frame(
        &self,
        x: u32,
        time: Option<f64>,
        index: usize,
        inspection: &Inspection,
    ) -> serde_json::Value {
        let Some(frame) = inspection.frames().get(index) else { return serde_json::Value::Null };
        let mut line = json!({"type": "frame", "x": x, "at": time, "index": index,
            "offset": frame.offset, "len": frame.len, "kind": frame.kind.name(), "event": null,
            "data": frame.data(inspection.body()), "id": null, "retry": null});
        let binary = match (frame.kind, frame.data_span()) {
            (FrameKind::Message, Some(span)) => inspection.body().get(span),
            (FrameKind::Ws, None) => Some(frame.bytes(inspection.body())),
            _ => None,
        };
        if let Some(bytes) = binary.filter(|bytes| std::str::from_utf8(bytes).is_err()) {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            if let Some(members) = line.as_object_mut() {
                members.shift_remove("data");
                members.insert("data_base64".into(), text.into());
            }
        }
        if let Some(message) = inspection.ws_frame(index) {
            line["direction"] = message.sender.direction().into();
            line["opcode"] = message.opcode.name().into();
        }
        if frame.kind == FrameKind::Message {
            let headers = EventStreamMessage::of(frame.bytes(inspection.body())).headers();
            let headers: serde_json::Map<_, _> =
                headers.map(|(name, value)| (name.to_owned(), value.into())).collect();
            line["headers"] = headers.into();
        }
        if frame.kind == FrameKind::Event {
            let block = SseBlock::of(&frame, inspection.body());
            line["event"] = block.event().into();
            line["id"] = inspection.sse().map_or("", |s| s.id(&frame)).into();
            line["retry"] = digits(block.retry().as_deref()).unwrap_or_default();
        }
        if let Some(query) = self.only.as_ref().and_then(|only| only.query()) {
            line["matches"] = query.select(inspection, index).into();
        }
        line
    }

    /// Writes the findings that are new, as long as they are `wanted`: they arrive in order.
    fn findings(
        &mut self,
        x: u32,
        inspection: &Inspection,
        out: &mut impl Write,
        wanted: impl Fn(&Finding) -> bool,
    ) -> io::Result<()> {
        while let Some(f) = inspection.findings().get(self.findings).filter(|f| wanted(f)) {
            self.findings += 1;
            self.line(out, &finding(x, f))?;
        }
        Ok(())
    }

    fn line(&self, out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
        write_json(&mut *out, value)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// The line of a delta.
fn delta_line(
    x: u32,
    time: Option<f64>,
    frame: usize,
    delta: &Delta,
    inspection: &Inspection,
) -> serde_json::Value {
    let mut line = json!({"type": "delta", "x": x, "at": time, "frame": frame,
        "choice": delta.choice, "channel": delta.channel.name(),
        "path": delta.path.to_string(), "text": inspection.answer().text_of(delta)});
    if let Some(tool) = inspection.answer().tool_of(delta) {
        line["tool"] = json!({"index": tool.index, "id": tool.id, "name": tool.name});
    }
    if delta.duplicate {
        line["duplicate"] = true.into();
    }
    line
}
