//! The short way of a frame into the inspection: it repeats the last two but for some values
//! ([`super::skeleton`]).

use super::detect::{EachFrame, FrameReading};
use super::skeleton::{Emitted, SkeletonPart};
use super::{Facts, Inspection};
use crate::frame::{Frame, MAX_FRAME};
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
    /// Takes in a frame that has the skeleton of the last two: one that the framer has made, or the next one
    /// of the body. False if it has not: then it is to be read in full, and nothing was done.
    pub(super) fn take_repeat(&mut self, made: Option<(usize, Frame)>, at: Option<Micros>) -> bool {
        let Self { facts, findings, detectors, reading, .. } = self;
        let skeleton = &reading.skeleton;
        if !skeleton.confirmed {
            return false;
        }
        let giant = findings.options.giant_frame.min(MAX_FRAME as u64);
        let body = if facts.is_decoded() { &facts.decoded } else { &facts.wire };
        let mut filled = skeleton.unfilled();
        let taken = match made {
            Some((_, frame)) if frame.len > giant => None,
            Some((index, frame)) => {
                let is_filled = skeleton.fill(&frame, frame.bytes(body), &mut filled);
                is_filled.then_some((index, frame))
            }
            None => facts.framer.next_event().and_then(|(begin, id)| {
                let (event, len) = skeleton.next(body.get(begin..)?, id, &mut filled)?;
                if len as u64 > giant {
                    return None;
                }
                let index = facts.frames.len();
                Some((index, facts.framer.take_plain(event, len, &mut facts.frames)?))
            }),
        };
        let Some((index, frame)) = taken else { return false };
        let number = index as u32;
        facts.shape.repeat();
        facts.blocks.begin_repeat(number);
        reading.added.clear();
        for (n, part) in skeleton.parts().enumerate() {
            let text = filled.text(n);
            if let SkeletonPart::Text { channel, .. } = part {
                facts.timing.text(channel, at);
            }
            if n == 0 {
                reading.decoder.repeat(&text);
            }
            facts.blocks.repeat(&text, part.is_duplicate());
            reading.added.push(part.add_to(&mut facts.answer, number, &text));
        }
        facts.timing.delta(at);
        facts.timing.last_data = at.or(facts.timing.last_data);
        facts.timing.data_frame = Some(number);
        findings.judge_by(facts.detection.context(), at);
        findings.count_again(&skeleton.counted);
        let seen = FrameReading::Repeat(&filled);
        let each = EachFrame { index: number, frame: &frame, body, deltas: &reading.added, seen };
        for detector in &skeleton.asked {
            detectors[*detector].each(facts, &each, findings);
        }
        true
    }
}
