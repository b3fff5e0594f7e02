//! Rules about AWS's binary messages.

use super::{Family, Out, Phase, Place, Rule, Seen, Severity, cut, ours, refused, rule};
use crate::frame::eventstream::{Damage, Message};
use crate::frame::{Framing, Kind};
use crate::inspect::Inspection;
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "eventstream-crc",
        severity: Severity::Error,
        phase: Phase::Frame,
        means: "The checksum of an AWS event stream message, or of its prelude, is wrong.",
        example: "00 00 00 7b 00 00 00 4b ?? ?? ?? ??",
        breaks: "Decoders raise and end there; after a damaged prelude nobody knows where the next message begins.",
        remedy: "Something on the way changed bytes: a proxy that takes the body for text, a damaged recording.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "eventstream-incomplete",
        severity: Severity::Error,
        phase: Phase::End,
        means: "The body ends inside an AWS event stream message.",
        example: "00 00 00 7b … after 60 bytes EOF",
        breaks: "The bytes of the message are lost; few decoders say so.",
        remedy: "Take the answer for cut. Look who closed.",
        evidence: "vercel/ai packages/amazon-bedrock/src/amazon-bedrock-event-stream-decoder.ts",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct EventStream {
    /// A damaged prelude was told: what follows it is no message that was cut.
    lost: bool,
}

impl Family for EventStream {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
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
        out.raise(rule!("eventstream-crc"), seen.place(), message);
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
        out.raise_as(rule!("eventstream-incomplete"), severity, place, message);
    }
}
