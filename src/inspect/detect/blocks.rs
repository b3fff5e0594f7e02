//! Rules about the life of blocks: what the fold over their events found at fault.

use super::{Code, Detector, FrameView, Out, Place, Severity, refused};
use crate::dialect::Channel;
use crate::inspect::Inspection;
use crate::inspect::blocks::Fault;
use crate::text;

/// A shorter answer may equal a thought by chance.
const TELLING: usize = 40;

#[derive(Default)]
pub(super) struct Blocks;

impl Detector for Blocks {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        tell(now, now.blocks.faults_of(seen.index), out);
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        tell(now, now.blocks.last_faults(), out);
        if !refused(now) {
            thought_aloud(now, out);
        }
    }
}

fn tell(now: &Inspection, faults: &[Fault], out: &mut Out<'_>) {
    if now.misread().is_some() || refused(now) {
        return;
    }
    for fault in faults {
        let offset = now.frames().get(fault.frame as usize).map(|f| f.offset);
        let place = Place { frame: Some(fault.frame), offset };
        out.raise_as(fault.code, fault.severity, place, fault.message.clone());
    }
}

/// The answer came as reasoning, and once more as content.
fn thought_aloud(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    for (choice, content) in answer.texts(Channel::Content) {
        let (content, thought) = (content.trim(), answer.text(Channel::Reasoning, choice).trim());
        let chars = content.chars().count();
        if content != thought || chars < TELLING {
            continue;
        }
        let first = answer.delta_at(Channel::Content, choice, 0).map(|d| d.frame);
        let offset = first.and_then(|f| now.frames().get(f as usize)).map(|f| f.offset);
        let message = format!(
            "The whole answer ({}) streamed as reasoning and is repeated as content.",
            text::count(chars as u64, "character")
        );
        let place = Place { frame: first, offset };
        out.raise_as(Code::AnswerAsReasoning, Severity::Warn, place, message);
    }
}
