//! What an inspection can be asked: its bytes, reads, frames and answer, and the way from one to
//! the other.

use super::{Answer, Coding, Finding, Inspection, Options, Read, Severity, Shape, Tally};
use crate::frame::{Frame, Framing};
use crate::journal::Micros;

impl Inspection {
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
