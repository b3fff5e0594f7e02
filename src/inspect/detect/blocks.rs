//! Rules about the life of blocks: what the fold over their events found at fault.

use super::{Code, Detector, FindingPlace, Findings, FrameView, Severity, refused};
use crate::dialect::Channel;
use crate::inspect::Facts;
use crate::inspect::blocks::BlockFault;
use crate::text;

/// A shorter answer may equal a thought by chance.
const TELLING: usize = 40;

#[derive(Default)]
pub(super) struct BlocksDetector;

impl Detector for BlocksDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        raise_all(facts, facts.blocks.faults_of(view.index), findings);
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        raise_all(facts, facts.blocks.last_faults(), findings);
        if !refused(facts) {
            restated_otherwise(facts, findings);
            thought_aloud(facts, findings);
        }
    }
}

fn raise_all(facts: &Facts, faults: &[BlockFault], findings: &mut Findings) {
    if facts.misread().is_some() || refused(facts) {
        return;
    }
    for fault in faults {
        let offset = facts.frames().get(fault.frame as usize).map(|f| f.offset);
        let place = FindingPlace { frame: Some(fault.frame), offset };
        findings.raise_as(fault.code, fault.severity, place, fault.message.clone());
    }
}

/// Reports a difference in the whole text that a protocol without events for blocks sends at the end.
fn restated_otherwise(facts: &Facts, findings: &mut Findings) {
    let Some(other) = facts.answer().otherwise.as_ref().filter(|_| facts.misread().is_none())
    else {
        return;
    };
    let offset = facts.frames().get(other.frame as usize).map(|f| f.offset);
    let channel = if other.channel == Channel::Reasoning { "Reasoning" } else { "Content" };
    let count = text::group;
    let message = format!(
        "{channel}: {} characters streamed, {} in frame {}, which restates the whole; they differ at {}",
        count(other.streamed),
        count(other.restated),
        other.frame,
        count(other.same)
    );
    let place = FindingPlace { frame: Some(other.frame), offset };
    findings.raise(Code::DeltasDifferFromDone, place, message);
}

/// Reports an answer that arrived as reasoning, and once more as content.
fn thought_aloud(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    for (choice, content) in answer.texts(Channel::Content) {
        let (content, thought) = (content.trim(), answer.text(Channel::Reasoning, choice).trim());
        let chars = content.chars().count();
        if content != thought || chars < TELLING {
            continue;
        }
        let first = answer.delta_at(Channel::Content, choice, 0).map(|d| d.frame);
        let offset = first.and_then(|f| facts.frames().get(f as usize)).map(|f| f.offset);
        let message = format!(
            "The whole answer ({}) streamed as reasoning, then again as content",
            text::count(chars as u64, "character")
        );
        let place = FindingPlace { frame: first, offset };
        findings.raise_as(Code::AnswerAsReasoning, Severity::Warn, place, message);
    }
}
