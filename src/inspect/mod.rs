//! The fold: it receives entries and derives everything that is known about an exchange.
//!
//! [`Inspection::push`] is synchronous, infallible and reads no clock: the same entries produce the same
//! inspection, whether they arrive from the network, a file or a pipe. It points down from finding to delta to
//! frame to bytes to the read that delivered them.

mod answer;
pub mod around;
mod aside;
mod author;
mod blame;
mod blocks;
mod chunked;
mod client_view;
mod coding;
pub mod compare;
mod deltas;
pub mod detect;
mod detection;
mod ending;
mod facts;
mod filled;
mod findings;
mod fold;
mod galloping;
mod grouping;
mod metrics;
pub mod outcomes;
mod packing;
mod reads;
mod repeat;
mod shape;
mod skeleton;
mod surrogate;
mod think;
mod verdict;
mod web_socket;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::rule::{Code, Party, Phase, Rule, Rules, Severity};
pub use answer::{Answer, Otherwise, StreamError, ToolCall};
pub use aside::Judges;
pub use blame::{Blame, Certainty};
pub use blocks::{Block, MAX_BLOCKS};
pub use client_view::{ClientView, Returned, Standing};
pub use coding::ContentDecoder;
pub use deltas::{Delta, Deltas};
pub use detection::Recognized;
pub use ending::{Ending, Outcome, Reason, TransportEnd};
pub use facts::Facts;
pub use findings::{CodeCounts, Finding, Findings};
pub use galloping::partition_galloping;
pub use grouping::Group;
pub use metrics::{Gaps, Timing};
pub use packing::Packing;
pub use reads::{Read, Reads};
pub use shape::{Shape, ShapeRow};
pub use think::Think;
pub use web_socket::{Closing, WebSocket, WsFrame, switches};

use crate::journal::Micros;

/// Options of the fold that the shell may set: thresholds and severities, from the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectOptions {
    /// The rules: what is wrong, and what follows from what.
    pub rules: Rules,
    /// Another severity for a code; `None` silences it.
    pub severities: BTreeMap<Code, Option<Severity>>,
    /// A frame longer than this is a finding, in bytes.
    pub giant_frame: u64,
    /// A wait longer than this between two reads is a finding, in microseconds.
    pub stall: Micros,
    /// A first byte later than this is a finding, in microseconds.
    pub slow_first_byte: Micros,
    /// A head later than this is a finding if the first frame arrives with it, in microseconds.
    pub late_head: Micros,
    /// The share of all frames, up to 1, from which frames that arrived together are a burst.
    pub burst: f64,
    /// The function that computes the client views at the end; without it there are none.
    pub simulate: Option<Simulate>,
    /// Every frame is read and judged in full, also one that repeats the one before. The result is
    /// the same and takes several times as long: for holding one way against the other.
    pub in_full: bool,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            severities: BTreeMap::new(),
            giant_frame: 64 << 10,
            stall: 10_000_000,
            slow_first_byte: 10_000_000,
            late_head: 2_000_000,
            burst: 0.9,
            simulate: None,
            in_full: false,
        }
    }
}

impl InspectOptions {
    fn severity(&self, code: Code, default: Severity) -> Option<Severity> {
        self.severities.get(&code).copied().unwrap_or(Some(default))
    }
}

/// The function that works out the views of an exchange that is over.
#[derive(Clone, Copy)]
pub struct Simulate(pub fn(&Facts) -> Vec<ClientView>);

impl std::fmt::Debug for Simulate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Simulate")
    }
}

impl PartialEq for Simulate {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

/// All that is known about one exchange: the [`Facts`], and the [`Findings`] that detectors made of
/// them. It can be asked for each fact directly.
pub struct Inspection {
    facts: Facts,
    findings: Findings,
    detectors: Vec<Box<dyn detect::Detector>>,
    /// The places of those that look at reads.
    of_reads: Vec<usize>,
    reading: fold::PayloadReader,
}

impl std::ops::Deref for Inspection {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl std::fmt::Debug for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inspection({} frames, {} findings)", self.frames().len(), self.findings().len())
    }
}

impl Inspection {
    /// An exchange of which nothing has happened yet.
    pub fn new(options: Arc<InspectOptions>) -> Self {
        let detectors = detect::detectors();
        let looks = |i: &usize| detectors[*i].looks_at().contains(&detect::Look::Reads);
        Self {
            facts: Facts::default(),
            findings: Findings::new(options),
            of_reads: (0..detectors.len()).filter(looks).collect(),
            detectors,
            reading: fold::PayloadReader::default(),
        }
    }

    /// Returns what is known, without any judgment.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The findings, in the order in which they were made.
    pub fn findings(&self) -> &[Finding] {
        &self.findings.list
    }

    /// Returns how often each code was raised.
    pub fn tally(&self) -> &CodeCounts {
        &self.findings.tally
    }

    /// The gravest severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings().iter().map(|f| f.severity).max()
    }

    /// Returns the number of findings of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings().iter().filter(|f| f.severity == severity).count()
    }

    /// Returns the outcome so far.
    pub fn outcome(&self) -> Outcome {
        match self.worst() {
            Some(Severity::Fatal | Severity::Error) => Outcome::Failed,
            Some(Severity::Warn) => Outcome::Degraded,
            _ => Outcome::Ok,
        }
    }

    /// The rule of a code, as this fold judges by it.
    pub fn rule(&self, code: Code) -> &Rule {
        self.options().rules.of(code)
    }

    /// The options of this fold.
    pub fn options(&self) -> &InspectOptions {
        &self.findings.options
    }
}

#[cfg(test)]
mod tests;
