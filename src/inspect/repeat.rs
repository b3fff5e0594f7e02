//! The short way of a frame into the inspection: it repeats the last two but for some values
//! ([`super::skeleton`]).

use super::blocks::Surroundings;
use super::detect::{Each, Seen};
use super::skeleton::{Emitted, Part};
use super::{Facts, Inspection};
use crate::journal::Micros;

impl Facts {
    /// Whether what the last frame was read by is settled: the frames after it are read alike.
    pub(super) fn can_repeat(&self, emitted: &Emitted) -> bool {
        self.detection.is_settled()
            && self.blocks.can_repeat(emitted.only())
            && self.shape.can_repeat()
    }
}

impl Inspection {
    /// Takes in a frame that has the skeleton of the last two. False if it has not: then it is to be
    /// read in full, and nothing was done.
    pub(super) fn take_repeat(&mut self, index: usize, at: Option<Micros>) -> bool {
        let Self { facts, findings, detectors, reading, .. } = self;
        let skeleton = &reading.skeleton;
        let (frame, number) = (facts.frames.at(index), index as u32);
        if !skeleton.confirmed || frame.len > findings.options.giant_frame {
            return false;
        }
        let body = if facts.is_decoded() { &facts.decoded } else { &facts.wire };
        let Some(filled) = skeleton.fill(&frame, frame.bytes(body)) else { return false };
        facts.shape.repeat();
        for (n, part) in skeleton.parts().enumerate() {
            if let Part::Text { channel, .. } = part {
                facts.timing.text(channel, at);
            }
            facts.answer.add(number, part.with(filled.text(n)));
        }
        facts.timing.delta(at);
        let text = filled.text(0);
        reading.decoder.repeat(&text);
        let request = facts.request.as_deref();
        // Runs of blocks are Gemini's, whose frames are all read in full.
        let around = Surroundings { answer: &mut facts.answer, request, runs: false };
        facts.blocks.take_repeat(number, &text, &around);
        facts.timing.last_data = at.or(facts.timing.last_data);
        facts.timing.data_frame = Some(number);
        findings.judge_by(facts.detection.context(), at);
        findings.count_again(&skeleton.counted);
        let each = Each { index: number, frame: &frame, body, seen: Seen::Repeat(&filled) };
        for detector in &skeleton.asked {
            detectors[*detector].each(facts, &each, findings);
        }
        true
    }
}
