//! Frames that repeat the one before with another text, as nearly all of a stream do.
//!
//! Two frames in a row that differ in nothing but the text of their only delta are read and judged in
//! full. What they have in common, the skeleton, is then compared byte for byte with each frame that
//! follows: where it is the same, only the text between is read, and a detector is asked again only
//! where it declares that it looks at texts, times or numbers of frames
//! ([`super::detect::Detector::repeat`]). `Options::in_full` turns this off; `tests/it/skeleton.rs`
//! holds one way against the other.

use std::borrow::Cow;
use std::ops::Range;

use super::blocks::Surroundings;
use super::detect::{FrameView, Repeat};
use super::surrogate::Lone;
use super::{Facts, Findings, Inspection, Tally};
use crate::dialect::{Channel, DecodeEvent, Path};
use crate::frame::{Frame, Kind};
use crate::journal::Micros;
use crate::rule::Code;

/// A longer frame is read in full, in bytes: to keep a copy of it is not worth its memory.
const MAX_FRAME: u64 = 16 << 10;

/// The only delta of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Only {
    choice: u32,
    channel: Channel,
    path: Path,
}

/// The deltas that a decoder emits for one frame, as far as a skeleton needs to know them.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    only: Option<Only>,
    /// Where the text is in the data.
    text: Range<usize>,
    /// Something else was emitted, or a text that is not verbatim in the data.
    other: bool,
}

impl Emitted {
    /// Takes note of what the decoder emits for `data`.
    pub(super) fn note(&mut self, event: &DecodeEvent<'_>, data: &str) {
        match event {
            DecodeEvent::Text {
                choice,
                channel,
                path,
                text: Cow::Borrowed(text),
                duplicate: false,
            } if self.only.is_none() => {
                let start = (text.as_ptr() as usize).wrapping_sub(data.as_ptr() as usize);
                let end = start.saturating_add(text.len());
                self.text = start..end;
                self.other |= data.get(self.text.clone()) != Some(text);
                self.only = Some(Only { choice: *choice, channel: *channel, path: *path });
            }
            _ => self.other = true,
        }
    }
}

/// What a frame that is judged in full is for.
pub(super) enum Attempt {
    /// No frame is to be compared with it.
    Forget,
    /// The next ones are.
    Replace,
    /// It has the skeleton of the one before.
    Confirm(Counts),
}

/// What the detectors that are not asked again find in a frame.
pub(super) struct Counts {
    /// The tally and the number of findings before the next detector.
    before: (Tally, usize),
    counted: Vec<Code>,
    /// A finding was added to the list.
    is_listed: bool,
}

impl Attempt {
    /// Takes note of what a detector found. What one that is asked again finds is its own matter.
    pub(super) fn note(&mut self, is_asked_again: bool, findings: &Findings) {
        let Self::Confirm(counts) = self else { return };
        let (tally, listed) = &counts.before;
        if *tally == findings.tally {
            return;
        }
        if !is_asked_again {
            counts.counted.extend(findings.tally.since(tally));
            counts.is_listed |= *listed != findings.list.len();
        }
        counts.before = (findings.tally.clone(), findings.list.len());
    }
}

/// The last frame that was read in full, if the next ones may be compared with it.
#[derive(Debug, Default)]
pub(super) struct Skeleton {
    /// The frame's bytes; empty where there is no skeleton.
    bytes: Vec<u8>,
    /// Where in them the text is.
    text: Range<usize>,
    only: Option<Only>,
    /// Where the frame's data is, without the length that differs, and its id.
    form: Option<(Kind, usize, u32)>,
    /// Another frame with this skeleton was read in full as well.
    confirmed: bool,
    /// The codes that were counted again for that frame, each as often as listed.
    counted: Vec<Code>,
}

impl Skeleton {
    /// Returns the text of a frame that has this skeleton, and is sound text without an escape.
    #[inline]
    fn text_of<'a>(&self, frame: &Frame, bytes: &'a [u8]) -> Option<&'a str> {
        if self.bytes.is_empty() {
            return None;
        }
        let text = bytes.strip_prefix(&self.bytes[..self.text.start])?;
        let text = text.strip_suffix(&self.bytes[self.text.end..])?;
        if text.is_empty() || Self::form_of(frame) != self.form {
            return None;
        }
        let is_plain = |b: &u8| *b >= 0x20 && !matches!(b, b'"' | b'\\');
        if !text.iter().all(is_plain) {
            return None;
        }
        std::str::from_utf8(text).ok()
    }

    fn form_of(frame: &Frame) -> Option<(Kind, usize, u32)> {
        let start = frame.data_span()?.start - frame.offset as usize;
        Some((frame.kind, start, frame.id()))
    }

    /// What a frame is for, that is read and about to be judged in full. `is_repeatable`: nothing about
    /// the stream forbids to compare the next frames with it.
    pub(super) fn attempt(
        &self,
        view: &FrameView<'_>,
        emitted: &Emitted,
        is_repeatable: bool,
        findings: &Findings,
    ) -> Attempt {
        if !is_repeatable || emitted.other || emitted.only.is_none() {
            return Attempt::Forget;
        }
        if emitted.only == self.only && self.text_of(view.frame, view.bytes).is_some() {
            let before = (findings.tally.clone(), findings.list.len());
            let counted = Vec::new();
            return Attempt::Confirm(Counts { before, counted, is_listed: false });
        }
        Attempt::Replace
    }

    /// Learns from a frame that was judged in full.
    pub(super) fn learn(&mut self, view: &FrameView<'_>, emitted: &Emitted, attempt: Attempt) {
        match attempt {
            Attempt::Forget => self.forget(),
            // What is kept in the list is raised frame by frame.
            Attempt::Confirm(counts) => {
                self.confirmed = !counts.is_listed;
                self.counted = counts.counted;
            }
            Attempt::Replace => self.replace(view, emitted),
        }
    }

    fn forget(&mut self) {
        self.bytes.clear();
        (self.only, self.form, self.confirmed) = (None, None, false);
    }

    fn replace(&mut self, view: &FrameView<'_>, emitted: &Emitted) {
        self.forget();
        let (Some(data), Some(form)) = (view.data, Self::form_of(view.frame)) else { return };
        let Range { start, end } = emitted.text;
        let quoted = |at: usize| data.as_bytes().get(at) == Some(&b'"');
        let is_string = start > 0 && start < end && quoted(start - 1) && quoted(end);
        let is_whole = view.frame.data_span().is_some_and(|span| span.len() == data.len());
        let fits = view.frame.kind != Kind::Body && view.frame.len <= MAX_FRAME;
        // A whole message beside the delta is compared with all of the text so far.
        let restates = || memchr::memmem::find(view.bytes, b"\"message\"").is_some();
        if is_string && is_whole && fits && !restates() && Lone::find(data).is_none() {
            self.bytes.extend_from_slice(view.bytes);
            self.text = form.1 + start..form.1 + end;
            (self.only, self.form) = (emitted.only, Some(form));
        }
    }
}

impl Facts {
    /// Whether what the last frame was read by is settled: the frames after it are read alike.
    pub(super) fn can_repeat(&self) -> bool {
        self.detection.is_settled() && self.blocks.follow_deltas() && self.shape.can_repeat()
    }
}

impl Inspection {
    /// Takes in a frame that has the skeleton of the last two. False if it has not: then it is to be
    /// read in full, and nothing was done.
    pub(super) fn take_repeat(&mut self, index: usize, at: Option<Micros>) -> bool {
        let Self { facts, findings, detectors, reading, .. } = self;
        let skeleton = &reading.skeleton;
        let (frame, number) = (facts.frames[index], index as u32);
        if !skeleton.confirmed || frame.len > findings.options.giant_frame {
            return false;
        }
        let body = if facts.is_decoded() { &facts.decoded } else { &facts.wire };
        let bytes = frame.bytes(body);
        let Some((text, only)) = skeleton.text_of(&frame, bytes).zip(skeleton.only) else {
            return false;
        };
        let Only { choice, channel, path } = only;
        facts.shape.repeat();
        facts.timing.text(channel, at);
        let text = Cow::Borrowed(text);
        facts
            .answer
            .add(number, DecodeEvent::Text { choice, channel, path, text, duplicate: false });
        facts.timing.delta(at);
        let runs = facts.detection.dialect().is_some_and(|d| d.name().starts_with("gemini"));
        let request = facts.request.as_deref();
        let around = Surroundings { answer: &mut facts.answer, request, runs };
        facts.blocks.take_repeat(number, &around);
        facts.timing.last_data = at.or(facts.timing.last_data);
        facts.timing.data_frame = Some(number);
        findings.judge_by(facts.detection.context(), at);
        findings.count_again(&skeleton.counted);
        let repeat = Repeat { index: number, frame: &frame, body };
        for detector in detectors.iter_mut().filter(|d| d.looks_at_each()) {
            detector.repeat(facts, &repeat, findings);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inspect;
    use crate::dialect::Channel;
    use crate::journal::EndCause;

    fn frame(text: &str) -> String {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    }

    /// Whether the last of these frames is known by its skeleton.
    fn is_repeat(frames: &[String]) -> bool {
        let (last, before) = frames.split_last().unwrap();
        let before: Vec<&[u8]> = before.iter().map(|f| f.as_bytes()).collect();
        let mut inspection = inspect(&before, EndCause::Unknown);
        let index = inspection.facts.frames.len();
        inspection.facts.wire.extend_from_slice(last.as_bytes());
        let facts = &mut inspection.facts;
        facts.framer.push(&facts.wire, &mut facts.frames);
        inspection.take_repeat(index, None)
    }

    #[test]
    fn a_third_frame_with_another_text_is_a_repeat() {
        let seen = [frame("a"), frame("b c")];
        let with = |frame: String| is_repeat(&[seen.as_slice(), &[frame]].concat());
        assert!(with(frame("é and more")));
        assert!(!is_repeat(&seen));
        for other in [
            frame(""),
            frame("a\\n"),
            frame("a\",\"role\":\"b"),
            frame("a").replace("0,", "1,"),
            frame("a").replace("content", "reasoning"),
            frame("a").replace("\n\n", "\nid: 1\n\n"),
            frame("a").replace("data: ", "data:"),
        ] {
            assert!(!with(other.clone()), "{other}");
        }
    }

    #[test]
    fn what_repeats_is_in_the_answer_and_in_the_shape_table() {
        let frames: Vec<String> = (0..9).map(|n| frame(&format!("{n} "))).collect();
        let reads: Vec<&[u8]> = frames.iter().map(|f| f.as_bytes()).collect();
        let i = inspect(&reads, EndCause::Complete);
        assert!(i.reading.skeleton.confirmed);
        assert_eq!(i.answer().text(Channel::Content, 0), "0 1 2 3 4 5 6 7 8 ");
        assert_eq!(i.answer().deltas().len(), 9);
        assert_eq!(i.shape().count("choices[].delta.content"), 9);
        assert_eq!(i.blocks()[0].deltas, 9);
    }
}
