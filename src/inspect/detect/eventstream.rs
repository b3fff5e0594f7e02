//! Rules about AWS's binary messages.

use super::{Code, Detector, FrameView, Out, Place, Severity, cut, ours, refused};
use crate::frame::eventstream::{Damage, Message};
use crate::frame::{Framing, Kind};
use crate::inspect::Inspection;
use crate::text;

#[derive(Default)]
pub(super) struct EventStream {
    /// A damaged prelude was told: what follows it is no message that was cut.
    lost: bool,
}

impl Detector for EventStream {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        if now.framing() != Some(Framing::EventStream) || refused(now) || self.lost {
            return;
        }
        let message = match Message::of(seen.bytes).damage() {
            Some(Damage::Message) => format!(
                "The checksum of message {} is wrong: its {} were changed on the way.",
                seen.index,
                text::count(seen.frame.len, "byte")
            ),
            Some(Damage::Prelude) => {
                self.lost = true;
                format!(
                    "The prelude of message {} is damaged: the {} from there on cannot be divided.",
                    seen.index,
                    text::count(seen.frame.len, "byte")
                )
            }
            Some(Damage::Short(..)) | None => return,
        };
        out.raise(Code::EventstreamCrc, seen.place(), message);
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if now.framing() != Some(Framing::EventStream) || refused(now) || ours(now) || self.lost {
            return;
        }
        let Some((index, frame)) = now.frames().iter().enumerate().next_back() else { return };
        if frame.kind != Kind::Incomplete {
            return;
        }
        let message = match Message::of(frame.bytes(now.body())).damage() {
            Some(Damage::Short(have, Some(total))) => {
                format!("The body ends inside message {index}, after {have} of {total} bytes.")
            }
            _ => format!(
                "The body ends inside message {index}, after {} of it.",
                text::count(frame.len, "byte")
            ),
        };
        // Where the connection was cut, that is the finding.
        let severity = if cut(now) { Severity::Info } else { Severity::Error };
        let place = Place { frame: Some(index as u32), offset: Some(frame.offset) };
        out.raise_as(Code::EventstreamIncomplete, severity, place, message);
    }
}
