//! A stream that changes its dialect: something in between continued with the answer of another server,
//! untranslated.

use super::{Code, Detector, FindingPlace, Findings, FrameView, Severity, cut, refused};
use crate::dialect::{self, Channel, Confidence, Dialect, Payload};
use crate::inspect::Facts;
use crate::text;

#[derive(Default)]
pub(super) struct ForeignDetector {
    /// Size of the shape table when a frame was last asked for its dialect: a frame of another makes it grow.
    paths: usize,
    /// The first frame of another dialect, and how much of the answer arrived before.
    first: Option<(FindingPlace, &'static dyn Dialect, u64)>,
}

impl Detector for ForeignDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, _findings: &mut Findings) {
        let grew = std::mem::replace(&mut self.paths, facts.shape().len()) != facts.shape().len();
        let chars = facts.answer().chars(Channel::Content) as u64;
        let Some(own) = facts.dialect().filter(|_| grew && chars > 0 && self.first.is_none())
        else {
            return;
        };
        if facts.answer().finished()
            || facts.answer().deltas_of(view.index).next().is_some()
            || !facts.dialect_is_guessed() && facts.misread().is_some()
        {
            return;
        }
        let (Some(data), Some(_)) = (view.data, view.json) else { return };
        let (kind, event, json) = (view.frame.kind, view.event, view.json);
        let payload = Payload { kind, event, data, json, id: None };
        let Some((other, sign)) = dialect::recognize(&payload) else { return };
        let is_own = own.allows(&payload) || own.recognizes(&payload).is_some();
        if sign.confidence == Confidence::Certain && other.family() != own.family() && !is_own {
            self.first = Some((view.place(), other, chars));
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let fails = facts.answer().finished() || !facts.answer().errors.is_empty();
        if fails || refused(facts) || cut(facts) {
            return;
        }
        let (Some((place, other, chars)), Some(own)) = (self.first, facts.dialect()) else {
            return;
        };
        let message = format!(
            "From frame {} on the events are {} and no longer {}: another answer follows {}, untranslated",
            place.frame.unwrap_or_default(),
            other.name(),
            own.name(),
            text::count(chars, "character")
        );
        findings.raise_as(Code::IdChanges, Severity::Error, place, message);
    }
}
