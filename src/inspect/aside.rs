//! An exchange that takes long, taken in on another thread while the last state of it is looked at.
//!
//! What takes long is a frame of megabytes, and the judgement of an end. For a frame a [copy](Inspection::copy)
//! is shown while the exchange itself is elsewhere. At an end the facts do not change any more: only the
//! [`Judges`] go elsewhere.

use super::detect::Detector;
use super::{ClientView, ContentDecoder, Facts, Findings, Inspection, Phase};
use crate::frame::Framing;
use crate::frame::web_socket::Sender;
use crate::journal::{Entry, EntryKind};

/// The judges of an exchange that is over, and what they found by then.
pub struct Judges {
    detectors: Vec<Box<dyn Detector>>,
    findings: Findings,
}

impl std::fmt::Debug for Judges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Judges({} findings)", self.findings.list.len())
    }
}

impl Judges {
    /// Judges the end.
    #[must_use]
    pub fn judge(mut self, facts: &Facts) -> Self {
        judge_end(&mut self.detectors, facts, &mut self.findings);
        self
    }
}

fn judge_end(detectors: &mut [Box<dyn Detector>], facts: &Facts, findings: &mut Findings) {
    findings.judge_by(facts.detection.context(), facts.timing.end);
    let before = findings.list.len();
    for detector in detectors {
        detector.end(facts, findings);
    }
    findings.stamp(facts, before);
    // Findings about the end itself come last.
    findings.list[before..].sort_by_key(|f| f.phase() == Phase::End);
}

impl Inspection {
    /// Takes in what happened next as [`push`](Self::push) does, but leaves the judgement of an end to the caller,
    /// since it takes long: true where it is wanted. Then [`take_judges`](Self::take_judges) is to be called with
    /// the [`views`](Self::views), and [`return_judges`](Self::return_judges) with what these judged; until then
    /// nothing is judged that is only known at the end.
    pub fn push_but_judge(&mut self, entry: &Entry) -> bool {
        match &entry.kind {
            EntryKind::End { cause, detail } => self.begin_end(entry.at, *cause, detail),
            _ => {
                self.push(entry);
                false
            }
        }
    }

    /// Returns what clients would have returned; nothing where the options cannot work it out.
    pub fn views(&self) -> Vec<ClientView> {
        self.options().simulate.map_or_else(Vec::new, |simulate| simulate.0(&self.facts))
    }

    /// Takes in what clients would have returned, and hands the judges of the end out.
    pub fn take_judges(&mut self, views: Vec<ClientView>) -> Judges {
        self.end_facts(views);
        let detectors = std::mem::take(&mut self.detectors);
        Judges { detectors, findings: self.findings.clone() }
    }

    /// Takes in what the judges of the end found.
    pub fn return_judges(&mut self, judges: Judges) {
        self.detectors = judges.detectors;
        self.findings = judges.findings;
    }

    /// Judges an end that was taken in.
    pub(super) fn finish(&mut self) {
        self.end_facts(self.views());
        judge_end(&mut self.detectors, &self.facts, &mut self.findings);
    }

    /// The last facts.
    fn end_facts(&mut self, views: Vec<ClientView>) {
        self.facts.clients = views;
        self.facts.blocks.finish();
    }

    /// About how many bytes are read when this entry is taken in: its own, those of a frame that it may complete,
    /// and what they decode to.
    pub fn cost(&self, entry: &Entry) -> u64 {
        let facts = &self.facts;
        if let Some(web_socket) = &facts.web_socket {
            return match &entry.kind {
                EntryKind::Body { len, .. } => {
                    web_socket.completes(Some(Sender::Server), u64::from(*len))
                }
                EntryKind::Sent { len, .. } => {
                    web_socket.completes(Some(Sender::Client), u64::from(*len))
                }
                EntryKind::End { .. } => web_socket.completes(None, 0),
                _ => 0,
            };
        }
        let read = facts.frames.last().map_or(0, |frame| frame.end());
        let unread = (facts.body().len() as u64).saturating_sub(read);
        let unpacks = |new: u64| {
            let coding = facts.coding.as_ref();
            coding.map_or(new, |c| c.unpacks(new, facts.wire_len, facts.decoded.len() as u64))
        };
        match &entry.kind {
            EntryKind::Body { bytes, .. } => {
                let completes = match facts.framing() {
                    Some(Framing::Whole) => false,
                    _ if unread == 0 || facts.coding.is_some() => true,
                    None | Some(Framing::Sse | Framing::Ndjson) => {
                        memchr::memchr2(b'\n', b'\r', bytes).is_some()
                    }
                    Some(_) => true,
                };
                unpacks(bytes.len() as u64) + if completes { unread } else { 0 }
            }
            EntryKind::End { .. } => unread + unpacks(0),
            _ => 0,
        }
    }

    /// A copy to be looked at while this one is changed elsewhere. It takes nothing in.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut copy = Self::new(std::sync::Arc::clone(&self.findings.options));
        copy.facts = self.facts.copy();
        copy.findings = self.findings.clone();
        copy
    }
}

impl ContentDecoder {
    /// About how many bytes so many more will decode to, where so many did to so many.
    fn unpacks(&self, new: u64, wire: u64, decoded: u64) -> u64 {
        // Streams usually arrive in small reads, which decode to little even in the worst case.
        let usual = new.saturating_mul(decoded / wire.max(1));
        usual.max(new.saturating_mul(self.most_per_byte()))
    }
}
