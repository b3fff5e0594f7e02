//! Frames that repeat the previous one with other values, as nearly all of a stream do.
//!
//! A frame whose deltas are verbatim in it is a skeleton: its bytes, without the texts of the deltas and the
//! values of fields that are not needed to understand the rest ([`Varying`]). The second frame in a row with
//! that skeleton is read and judged in full like the first; what it was counted for is kept. For each further
//! one ([`super::repeat`]) the bytes are compared and the values read. What was counted is counted again, and
//! only those detectors are asked that look at what is new in it ([`super::detect::Look`]). `Options::in_full`
//! turns this off; `tests/it/skeleton.rs` compares one way with the other.

use std::borrow::Cow;
use std::ops::Range;

use super::detect::{Detector, FrameView, Look};
use super::filled::{Filled, Fixed, MAX_DELTAS, MAX_VALUES};
use super::surrogate::Lone;
use super::{Answer, CodeCounts, Delta, Findings};
use crate::dialect::{Channel, DecodeEvent, Path, ToolPiece, Varying};
use crate::frame::sse::PlainEvent;
use crate::frame::{Frame, FrameKind};
use crate::json;
use crate::rule::Code;

/// A longer frame is read in full, in bytes: to keep a copy of it is not worth its memory.
const MAX_FRAME: u64 = 16 << 10;

/// A whole number with more digits is read in full.
const MAX_DIGITS: usize = 15;

/// A delta without its text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SkeletonPart {
    /// Of a channel.
    Text { choice: u32, channel: Channel, path: Path, duplicate: bool },
    /// A delta of a call that continues.
    Call { choice: u32, path: Path, index: Option<u64>, free_text: bool },
}

impl SkeletonPart {
    /// The delta without its text, and the text; `None` for anything else.
    fn of<'a>(event: &'a DecodeEvent<'_>) -> Option<(Self, &'a Cow<'a, str>)> {
        match event {
            DecodeEvent::Text { choice, channel, path, text, duplicate } => {
                let (choice, channel, path, duplicate) = (*choice, *channel, *path, *duplicate);
                Some((Self::Text { choice, channel, path, duplicate }, text))
            }
            DecodeEvent::Tool(piece) => match &**piece {
                ToolPiece { choice, path, index, id: None, name: None, arguments, free_text } => {
                    let (choice, path, index) = (*choice, *path, *index);
                    let part = Self::Call { choice, path, index, free_text: *free_text };
                    Some((part, arguments.as_ref()?))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns whether its text is that of another delta, by another path.
    pub(super) fn is_duplicate(self) -> bool {
        matches!(self, Self::Text { duplicate: true, .. })
    }

    /// Adds the delta, with this text, to an answer; returns it whole.
    pub(super) fn add_to(self, answer: &mut Answer, frame: u32, text: &str) -> Delta {
        match self {
            Self::Text { choice, channel, path, duplicate } => {
                answer.add_text(frame, choice, channel, path, text, duplicate)
            }
            Self::Call { choice, path, index, free_text } => {
                let arguments = Some(Cow::Borrowed(text));
                let (id, name) = (None, None);
                let piece = ToolPiece { choice, path, index, id, name, arguments, free_text };
                answer.add_tool(frame, piece)
            }
        }
    }
}

/// The deltas that a decoder emits for one frame, as far as a skeleton needs to know them.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    /// Each with the place of its text in the data, if it is there as it is.
    deltas: [Option<(SkeletonPart, Option<Range<usize>>)>; MAX_DELTAS],
    /// Something else was emitted.
    other: bool,
}

impl Emitted {
    /// Takes note of what the decoder emits for `data`.
    pub(super) fn note(&mut self, event: &DecodeEvent<'_>, data: &str) {
        let free = self.deltas.iter_mut().find(|delta| delta.is_none());
        let (Some((part, text)), Some(free)) = (SkeletonPart::of(event), free) else {
            self.other = true;
            return;
        };
        let place = || {
            let Cow::Borrowed(text) = text else { return None };
            let start = (text.as_ptr() as usize).wrapping_sub(data.as_ptr() as usize);
            let place = start..start.checked_add(text.len())?;
            (data.get(place.clone()) == Some(text)).then_some(place)
        };
        *free = Some((part, place()));
    }

    /// The deltas, unless there are none or something else was emitted.
    fn parts(&self) -> Option<[Option<SkeletonPart>; MAX_DELTAS]> {
        let parts = self.deltas.each_ref().map(|delta| delta.as_ref().map(|delta| delta.0));
        (!self.other && parts[0].is_some()).then_some(parts)
    }

    /// Returns where in the data the text of the only delta is, if there is only one, and its text is there
    /// as it is.
    pub(super) fn only(&self) -> Option<Option<&Range<usize>>> {
        match &self.deltas {
            [Some((_, place)), None] => Some(place.as_ref()),
            _ => None,
        }
    }
}

/// The purpose of a frame that is judged in full.
pub(super) enum SkeletonAttempt {
    /// No frame is to be compared with it.
    Forget,
    /// The next ones are.
    Replace,
    /// It has the skeleton of the one before.
    Confirm(Counts),
}

/// The findings in a frame that are found again in each that repeats it.
pub(super) struct Counts {
    /// The tally and the number of findings before the next detector.
    before: (CodeCounts, usize),
    counted: Vec<Code>,
    /// A finding was added to the list.
    is_listed: bool,
}

impl SkeletonAttempt {
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

/// A value that is read from each frame.
#[derive(Debug, Clone, PartialEq)]
struct Hole {
    /// Its place in the skeleton's bytes, without quotes.
    at: Range<usize>,
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    /// The text of a delta.
    Text(usize),
    Member(Varying),
}

/// The last frame that was read in full, if the next ones may be compared with it.
#[derive(Debug, Default)]
pub(super) struct Skeleton {
    /// The frame's bytes; empty where there is no skeleton.
    bytes: Vec<u8>,
    /// The values in it, in order.
    holes: Vec<Hole>,
    /// The members that may have other values elsewhere, as they are written here.
    fixed: Fixed,
    parts: [Option<SkeletonPart>; MAX_DELTAS],
    /// Its two texts are the same.
    is_twice: bool,
    /// The place of the frame's data, without the length that differs, and its id.
    form: Option<(FrameKind, usize, u32)>,
    /// Its layout, if that is plain.
    plain: Option<PlainEvent>,
    /// Another frame with this skeleton was read in full as well.
    pub(super) confirmed: bool,
    /// The codes that were counted for that frame, each as often as listed.
    pub(super) counted: Vec<Code>,
    /// The detectors that look at what is new in a frame that repeats it.
    pub(super) asked: Vec<usize>,
}

impl Skeleton {
    /// The deltas of a frame with this skeleton.
    pub(super) fn parts(&self) -> impl Iterator<Item = SkeletonPart> {
        self.parts.iter().copied().flatten()
    }

    /// The values of a frame before those that differ are read.
    #[inline]
    pub(super) fn unfilled(&self) -> Filled<'_> {
        Filled::new(&self.fixed)
    }

    /// Reads the values of a frame into `filled`. Returns whether it has this skeleton.
    #[inline]
    pub(super) fn fill<'a>(
        &'a self,
        frame: &Frame,
        bytes: &'a [u8],
        filled: &mut Filled<'a>,
    ) -> bool {
        !self.bytes.is_empty()
            && self.values(bytes, filled) == Some(bytes.len())
            && Self::form_of(frame) == self.form
    }

    /// Reads the values of the event that `bytes` begin with into `filled`, and returns its layout and length,
    /// if it has this skeleton and can be framed in no other way. `id` is the number of its event id.
    #[inline]
    pub(super) fn next<'a>(
        &'a self,
        bytes: &'a [u8],
        id: u32,
        filled: &mut Filled<'a>,
    ) -> Option<(PlainEvent, usize)> {
        // No value holds a line end.
        let plain = self.plain.filter(|_| self.form.is_some_and(|form| form.2 == id))?;
        Some((plain, self.values(bytes, filled)?))
    }

    /// Reads the values of the frame that `bytes` begin with. Returns its length.
    #[inline]
    fn values<'a>(&'a self, bytes: &'a [u8], filled: &mut Filled<'a>) -> Option<usize> {
        // How far the skeleton and the frame are the same.
        let (mut old, mut new) = (0, 0);
        for (n, hole) in self.holes.iter().enumerate() {
            let fixed = &self.bytes[old..hole.at.start];
            if !bytes.get(new..)?.starts_with(fixed) {
                return None;
            }
            new += fixed.len();
            let (source, escaped) = value(bytes, new, hole.of)?;
            match hole.of {
                Of::Text(delta) => filled.texts[delta] = (text(source, escaped)?, escaped),
                Of::Member(member) => filled.members[n] = Some((member, source)),
            }
            (old, new) = (hole.at.end, new + hole.width(source));
        }
        let rest = &self.bytes[old..];
        let is_same = bytes.get(new..)?.starts_with(rest);
        let is_fit = is_same && (self.parts[1].is_none() || self.is_twice == is_twice(filled));
        is_fit.then_some(new + rest.len())
    }

    fn form_of(frame: &Frame) -> Option<(FrameKind, usize, u32)> {
        let start = frame.data_span()?.start - frame.offset as usize;
        Some((frame.kind, start, frame.id()))
    }

    /// Returns the purpose of a frame that was read and is about to be judged in full. `is_repeatable`:
    /// nothing about the stream forbids comparing the next frames with it.
    pub(super) fn attempt(
        &mut self,
        view: &FrameView<'_>,
        emitted: &Emitted,
        is_repeatable: bool,
        (detectors, findings): (&[Box<dyn Detector>], &Findings),
    ) -> SkeletonAttempt {
        let Some(parts) = emitted.parts().filter(|_| is_repeatable) else {
            return SkeletonAttempt::Forget;
        };
        let mut filled = self.unfilled();
        if parts != self.parts || !self.fill(view.frame, view.bytes, &mut filled) {
            return SkeletonAttempt::Replace;
        }
        let same = self.same(&filled);
        self.fix(same);
        let is_asked = |i: &usize| detectors[*i].looks_at().iter().any(|look| self.has_new(*look));
        self.asked = (0..detectors.len()).filter(is_asked).collect();
        let before = (findings.tally.clone(), findings.list.len());
        SkeletonAttempt::Confirm(Counts { before, counted: Vec::new(), is_listed: false })
    }

    /// Returns whether a frame that repeats this one has something of that kind to look at.
    fn has_new(&self, look: Look) -> bool {
        match look {
            Look::Frames => true,
            Look::Calls => self.parts().any(|part| matches!(part, SkeletonPart::Call { .. })),
            Look::Member(member) => self.holes.iter().any(|hole| hole.of == Of::Member(member)),
            Look::Reads => false,
        }
    }

    /// The members that have the values which they have in the skeleton.
    fn same(&self, filled: &Filled<'_>) -> Fixed {
        let values = self.holes.iter().filter_map(|hole| {
            // Among sequence numbers, one that does not increase is as informative as any other.
            let Of::Member(member) = hole.of else { return None };
            let source = value(&self.bytes, hole.at.start, hole.of)?.0;
            let source = filled.member(member).filter(|read| read.as_bytes() == source)?;
            (member != Varying::SequenceNumber).then(|| (member, source.to_owned()))
        });
        values.collect()
    }

    /// Has members compared with all that is the same in each frame, which is quicker than to read them.
    fn fix(&mut self, same: Fixed) {
        let is_fixed = |of| same.iter().any(|(member, _)| of == Of::Member(*member));
        self.holes.retain(|hole| !is_fixed(hole.of));
        self.fixed.extend(same);
    }

    /// Learns from a frame that was judged in full. `varying` are the members that may differ.
    pub(super) fn learn(
        &mut self,
        view: &FrameView<'_>,
        emitted: &Emitted,
        varying: &[Varying],
        attempt: SkeletonAttempt,
    ) {
        match attempt {
            SkeletonAttempt::Forget => self.forget(),
            // Listed findings are raised again frame by frame.
            SkeletonAttempt::Confirm(counts) => {
                self.confirmed = !counts.is_listed;
                self.counted = counts.counted;
            }
            SkeletonAttempt::Replace => {
                self.forget();
                self.replace(view, emitted, varying);
            }
        }
    }

    fn forget(&mut self) {
        self.bytes.clear();
        (self.parts, self.form, self.confirmed) = ([None; MAX_DELTAS], None, false);
        self.plain = None;
    }

    fn replace(&mut self, view: &FrameView<'_>, emitted: &Emitted, varying: &[Varying]) {
        let (Some(data), Some(form)) = (view.data, Self::form_of(view.frame)) else { return };
        let is_whole = view.bytes.get(form.1..).is_some_and(|d| d.starts_with(data.as_bytes()));
        let fits = view.frame.kind != FrameKind::Body && view.frame.len <= MAX_FRAME;
        // A whole message next to the delta is compared with all of the text so far.
        let restates = || memchr::memmem::find(view.bytes, b"\"message\"").is_some();
        let chat = view.chunk.is_some();
        if !is_whole || !fits || chat && restates() || Lone::find(data).is_some() {
            return;
        }
        let Some((holes, fixed)) = holes(view, emitted, varying, form.1) else { return };
        self.bytes.extend_from_slice(view.bytes);
        (self.holes, self.fixed, self.form) = (holes, fixed, Some(form));
        self.plain = PlainEvent::of(view.bytes).filter(|_| form.0 == FrameKind::Event);
        self.parts = emitted.deltas.each_ref().map(|delta| delta.as_ref().map(|delta| delta.0));
        let texts = self.holes.iter().filter(|hole| matches!(hole.of, Of::Text(_)));
        let mut texts = texts.map(|hole| &view.bytes[hole.at.clone()]);
        self.is_twice = texts.next() == texts.next();
    }
}

impl Hole {
    /// Returns the number of bytes that a value of it occupies.
    fn width(&self, source: &[u8]) -> usize {
        let quotes = matches!(self.of, Of::Member(member) if !member.is_number());
        source.len() - if quotes { 2 } else { 0 }
    }
}

/// Returns whether both texts are the same.
fn is_twice(filled: &Filled<'_>) -> bool {
    filled.text(0) == filled.text(1)
}

/// The value in a frame at `at`, and whether it is written with escapes: the inside of a text, or a member's
/// source, which is ASCII. `None` where it is of another kind, empty or otherwise not one that is read so
/// quickly.
#[inline]
fn value(bytes: &[u8], at: usize, of: Of) -> Option<(&[u8], bool)> {
    if matches!(of, Of::Member(member) if member.is_number()) {
        let digits = bytes[at..].iter().take(MAX_DIGITS + 1).take_while(|b| b.is_ascii_digit());
        let digits = &bytes[at..at + digits.count()];
        let is_number = (1..=MAX_DIGITS).contains(&digits.len());
        let is_written_so = is_number && (digits[0] != b'0' || digits.len() == 1);
        return is_written_so.then_some((digits, false));
    }
    let begin = at.checked_sub(1)?;
    let (end, escaped) = json::string_end(bytes, begin)?;
    match of {
        _ if end - begin <= 2 => None,
        Of::Member(_) => {
            let source = &bytes[begin..end];
            (!escaped && source.is_ascii()).then_some((source, false))
        }
        Of::Text(_) => Some((&bytes[at..end - 1], escaped)),
    }
}

/// The inside of a text, unless it is not UTF-8 or has half a surrogate pair.
#[inline]
fn text(source: &[u8], escaped: bool) -> Option<&str> {
    let text = std::str::from_utf8(source).ok()?;
    (!escaped || Lone::find(text).is_none()).then_some(text)
}

/// The values of a frame, in order (the texts of its deltas, each of which must be there as it is, and
/// members of `varying`), and those members that are not read so quickly. `start` is where the data
/// begins.
fn holes(
    view: &FrameView<'_>,
    emitted: &Emitted,
    varying: &[Varying],
    start: usize,
) -> Option<(Vec<Hole>, Fixed)> {
    let (mut holes, mut fixed) = (Vec::new(), Vec::new());
    for (n, (_, place)) in emitted.deltas.iter().flatten().enumerate() {
        let place = place.as_ref()?;
        let at = start + place.start..start + place.end;
        let is_quoted = at.start > 0 && view.bytes.get(at.start - 1) == Some(&b'"');
        let (source, escaped) = value(view.bytes, at.start, Of::Text(n)).filter(|_| is_quoted)?;
        if text(source, escaped)?.len() != at.len() {
            return None;
        }
        holes.push(Hole { at, of: Of::Text(n) });
    }
    let mut seen = Vec::new();
    for (key, member) in view.json.into_iter().flat_map(json::Value::entries) {
        let Some(of) = varying.iter().copied().find(|v| key.is(v.key())) else { continue };
        // If a key occurs twice, readers differ in which one they use.
        if seen.contains(&of) {
            return None;
        }
        seen.push(of);
        let span = member.span();
        let quote = usize::from(!of.is_number());
        let at = start + span.start + quote..(start + span.end).saturating_sub(quote);
        let kind = if of.is_number() { json::Kind::Number } else { json::Kind::String };
        let read = (member.kind() == kind).then(|| value(view.bytes, at.start, Of::Member(of)));
        match read.flatten() {
            Some((source, _)) if source.len() == span.len() => {
                holes.push(Hole { at, of: Of::Member(of) });
            }
            // Whether it increases is checked in each frame.
            _ if of == Varying::SequenceNumber => return None,
            _ => fixed.push((of, member.source().to_owned())),
        }
    }
    holes.sort_by_key(|hole| hole.at.start);
    let apart = holes.windows(2).all(|two| two[0].at.end < two[1].at.start);
    (apart && holes.len() <= MAX_VALUES).then_some((holes, fixed))
}

#[cfg(test)]
mod tests {
    use super::super::tests::inspect;
    use crate::dialect::Channel;
    use crate::journal::EndCause;

    fn frame(text: &str) -> String {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    }

    /// Returns whether the last of these frames is recognized by its skeleton.
    fn is_repeat(frames: &[String]) -> bool {
        let (last, before) = frames.split_last().unwrap();
        let before: Vec<&[u8]> = before.iter().map(|f| f.as_bytes()).collect();
        let mut inspection = inspect(&before, EndCause::Unknown);
        let index = inspection.facts.frames.len();
        inspection.facts.wire.extend_from_slice(last.as_bytes());
        let facts = &mut inspection.facts;
        facts.framer.push(&facts.wire, &mut facts.frames);
        let frame = facts.frames.at(index);
        inspection.take_repeat(Some((index, frame)), None)
    }

    #[test]
    fn a_third_frame_with_another_text_is_a_repeat() {
        let seen = [frame("a"), frame("b c")];
        let with = |frame: String| is_repeat(&[seen.as_slice(), &[frame]].concat());
        assert!(with(frame("é and more")));
        assert!(with(frame("a\\n")));
        assert!(!is_repeat(&seen));
        for other in [
            frame(""),
            frame("a\\ud83d"),
            frame("a\\x"),
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
