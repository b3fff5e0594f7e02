//! The short way of a frame into the inspection: it repeats the last two but for some values
//! ([`super::skeleton`]).

use super::detect::{EachFrame, FrameReading};
use super::skeleton::{Emitted, SkeletonPart};
use super::{Facts, Inspection};
use crate::frame::Frame;
use crate::journal::Micros;

impl Facts {
    /// Returns whether the state by which the last frame was read is settled. If so, the frames after it are
    /// read the same way.
    pub(super) fn can_repeat(&self, emitted: &Emitted) -> bool {
        self.detection.is_settled()
            && self.blocks.can_repeat(emitted.only())
            && self.shape.can_repeat()
    }
}

impl Inspection {
    /// Takes in a frame that has the skeleton of the last two. False if it has not: then it is to be
    /// read in full, and nothing was done.
    pub(super) fn take_repeat(&mut self, index: usize, frame: &Frame, at: Option<Micros>) -> bool {
        let Self { facts, findings, detectors, reading, .. } = self;
        let skeleton = &reading.skeleton;
        let number = index as u32;
        if !skeleton.confirmed || frame.len > findings.options.giant_frame {
            return false;
        }
        let body = if facts.is_decoded() { &facts.decoded } else { &facts.wire };
        let Some(filled) = skeleton.fill(frame, frame.bytes(body)) else { return false };
        facts.shape.repeat();
        facts.blocks.begin_repeat(number);
        for (n, part) in skeleton.parts().enumerate() {
            let text = filled.text(n);
            if let SkeletonPart::Text { channel, .. } = part {
                facts.timing.text(channel, at);
            }
            if n == 0 {
                reading.decoder.repeat(&text);
            }
            facts.blocks.repeat(&text, part.is_duplicate());
            facts.answer.add(number, part.with(text));
        }
        facts.timing.delta(at);
        facts.timing.last_data = at.or(facts.timing.last_data);
        facts.timing.data_frame = Some(number);
        findings.judge_by(facts.detection.context(), at);
        findings.count_again(&skeleton.counted);
        let each = EachFrame { index: number, frame, body, seen: FrameReading::Repeat(&filled) };
        for detector in &skeleton.asked {
            detectors[*detector].each(facts, &each, findings);
        }
        true
    }
}
