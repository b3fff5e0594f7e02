//! Rules about AWS's binary messages.

use super::page::begins_page;
use super::{Code, Detector, FindingPlace, Findings, FrameView, Severity, cut, ours, refused};
use crate::frame::eventstream::{Damage, EventStreamMessage};
use crate::frame::{FrameKind, Framing};
use crate::inspect::Facts;
use crate::text;

#[derive(Default)]
pub(super) struct EventStreamDetector {
    /// A damaged prelude was reported: what follows it is no message that was cut.
    lost: bool,
}

impl Detector for EventStreamDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if facts.framing() != Some(Framing::EventStream) || refused(facts) || self.lost {
            return;
        }
        let message = match EventStreamMessage::of(view.bytes).damage() {
            Some(Damage::Message) => format!(
                "Wrong checksum in message {}: its {} were changed in transit",
                view.index,
                text::count(view.frame.len, "byte")
            ),
            Some(Damage::Prelude) if view.index > 0 && begins_page(view.bytes) => {
                self.lost = true;
                return;
            }
            Some(Damage::Prelude) => {
                self.lost = true;
                format!(
                    "Prelude of message {} is damaged: the remaining {} cannot be parsed",
                    view.index,
                    text::count(view.frame.len, "byte")
                )
            }
            Some(Damage::Short(..)) | None => return,
        };
        findings.raise(Code::EventstreamCrc, view.place(), message);
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if facts.framing() != Some(Framing::EventStream)
            || refused(facts)
            || ours(facts)
            || self.lost
        {
            return;
        }
        let Some((index, frame)) = facts.frames().iter().enumerate().next_back() else { return };
        if frame.kind != FrameKind::Incomplete {
            return;
        }
        let message = match EventStreamMessage::of(frame.bytes(facts.body())).damage() {
            Some(Damage::Short(have, Some(total))) => {
                format!("Body ends inside message {index}, after {have} of {total} bytes")
            }
            _ => format!(
                "Body ends inside message {index}, after {} of it",
                text::count(frame.len, "byte")
            ),
        };
        // If the connection was cut, that is the finding.
        let severity = if cut(facts) { Severity::Info } else { Severity::Error };
        let place = FindingPlace { frame: Some(index as u32), offset: Some(frame.offset) };
        findings.raise_as(Code::EventstreamIncomplete, severity, place, message);
    }
}
