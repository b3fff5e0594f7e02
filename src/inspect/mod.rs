//! The fold: entries in, everything that is known about an exchange out.
//!
//! [`Inspection::push`] is synchronous, infallible and reads no clock: the same entries give the
//! same inspection, whether they come from the network, a file or a pipe. It points down from
//! finding to delta to frame to bytes to the read that brought them.

mod answer;
mod blame;
mod blocks;
mod chunked;
mod client_view;
mod coding;
pub mod compare;
pub mod detect;
mod detection;
mod ending;
mod fold;
mod galloping;
mod grouping;
mod lookup;
mod metrics;
pub mod outcomes;
mod shape;
mod surrogate;
mod think;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::rule::{Code, Party, Phase, Rule, Severity};
pub use answer::{Answer, Delta, StreamError, ToolCall};
pub use blame::{Blame, Certainty};
pub use blocks::{Block, MAX_BLOCKS};
pub use client_view::{ClientView, Returned, Simulate, Standing};
pub use coding::Coding;
pub use detect::Finding;
pub use detection::Recognized;
pub use ending::{Ending, Outcome, Reason, Transport};
pub use galloping::partition_galloping;
pub use grouping::Group;
pub use metrics::{Gaps, Timing};
pub use shape::{Row, Shape};
pub use think::Think;

use crate::dialect;
use crate::frame::{Frame, Framer, Hint};
use crate::journal::{EndCause, Head, Headers, Micros, Request};
use crate::json::Tape;

/// What the shell may set about the fold: thresholds and severities, from the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Another severity for a code; `None` silences it.
    pub severities: BTreeMap<Code, Option<Severity>>,
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
    /// What works out the client views at the end; without it there are none.
    pub simulate: Option<Simulate>,
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
            simulate: None,
        }
    }
}

impl Options {
    fn severity(&self, code: Code, default: Severity) -> Option<Severity> {
        self.severities.get(&code).copied().unwrap_or(Some(default))
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
pub struct Tally(Vec<(Code, u64)>);

impl Tally {
    fn count(&mut self, code: Code) -> u64 {
        if let Some((_, n)) = self.0.iter_mut().find(|(c, _)| *c == code) {
            *n += 1;
            return *n;
        }
        let at = self.0.partition_point(|(c, _)| *c < code);
        self.0.insert(at, (code, 1));
        1
    }

    /// The codes that were raised.
    fn codes(&self) -> impl Iterator<Item = Code> {
        self.0.iter().map(|(code, _)| *code)
    }

    /// How often `code` was raised.
    pub fn of(&self, code: Code) -> u64 {
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
    /// The JSON of the frame at hand, reused from frame to frame.
    tape: Tape,
    detection: detection::Detection,
    decoder: Box<dyn dialect::Decoder>,
    answer: Answer,
    surrogates: surrogate::Joiner,
    blocks: blocks::Blocks,
    shape: Shape,

    detectors: Vec<Box<dyn detect::Detector>>,
    findings: Vec<Finding>,
    tally: Tally,
    clients: Vec<ClientView>,
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
            detection: detection::Detection::default(),
            decoder: dialect::unknown(),
            answer: Answer::default(),
            surrogates: surrogate::Joiner::default(),
            blocks: blocks::Blocks::default(),
            shape: Shape::default(),
            detectors: detect::detectors(),
            findings: Vec::new(),
            tally: Tally::default(),
            clients: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
