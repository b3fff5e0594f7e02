//! Rules about what the text says of how it was made: thoughts in the content, repeated snapshots,
//! damage that happened before the wire.

use super::{Code, Detector, EachFrame, FindingPlace, Findings, Look, Severity, refused};
use crate::dialect::Channel;
use crate::frame::FrameKind;
use crate::inspect::{Delta, Facts};
use crate::text;

/// Length below which a text repeats by chance.
const TELLING: usize = 12;

/// Frames longer than this are not kept for comparison.
const MAX_COMPARED: usize = 64 << 10;

/// One channel's last delta: its choice, and the position of its text.
#[derive(Default, Clone)]
struct Last {
    choice: u32,
    range: std::ops::Range<usize>,
    /// Number of deltas in a row that began with all of the one before.
    grown: u32,
}

#[derive(Default)]
pub(super) struct SemanticDetector {
    content: Option<Last>,
    reasoning: Option<Last>,
    /// The data of the last frame with text, for comparison; its memory is used again.
    data: String,
    /// The first frame that had content to read.
    spoke: Option<u32>,
    think_reported: bool,
    /// The first frame that repeats the one before it.
    twice: Option<u32>,
}

impl Detector for SemanticDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Frames]
    }

    fn each(&mut self, facts: &Facts, each: &EachFrame<'_>, findings: &mut Findings) {
        if !refused(facts) && each.frame.kind != FrameKind::Body {
            self.deltas(facts, each, findings);
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        for (choice, content) in facts.answer().texts(Channel::Content) {
            leak(facts, choice, content, findings);
            if let Some((piece, times)) = looped(content) {
                let message = format!(
                    "Content ends in a loop: \"{}\" {times} times in its last 2 KB",
                    text::preview(piece, 40)
                );
                findings.raise(Code::RepetitionLoop, at(facts, choice, content.len() - 1), message);
            }
            if let Some((span, was)) = text::mojibake(content) {
                let message = format!(
                    "Text was read as Latin-1 and encoded again: \"{}\" for \"{}\"",
                    text::preview(&content[span.clone()], 20),
                    text::preview(&was, 20)
                );
                let place = at(facts, choice, span.start);
                // Nothing is lost, and it may be what the model wrote.
                let code = Code::ReplacementCharUpstream;
                findings.raise_as(code, Severity::Info, place, message);
            }
            if musing(facts, choice, content) {
                let begins = text::preview(content.trim_start(), 40);
                let message =
                    format!("Content begins \"{begins}\": most likely unmarked reasoning");
                findings.raise(Code::ThinkUntagged, at(facts, choice, 0), message);
            }
            let Some(think) = facts.answer().think(choice) else { continue };
            let reasoning = facts.answer().text(Channel::Reasoning, choice).trim();
            let twice = !reasoning.is_empty()
                && findings.tally.of(Code::ReasoningTwoChannels) == 0
                && think.spans.iter().any(|s| content[s.clone()].contains(reasoning));
            if twice {
                let message =
                    "The same reasoning is in a separate field and between tags in the content";
                findings.raise(Code::ReasoningTwoChannels, FindingPlace::default(), message);
            }
        }
        // Endless repetition has its own finding.
        if let Some(index) = self.twice.filter(|_| findings.tally.of(Code::RepetitionLoop) == 0) {
            let offset = facts.frames().get(index as usize).map(|f| f.offset);
            let message = format!("Frame {index} repeats the previous one, byte for byte");
            let place = FindingPlace { frame: Some(index), offset };
            findings.raise(Code::ChunkDuplicate, place, message);
        }
    }
}

/// Returns whether a frame's own bytes are sound, so that what is broken in its text was so before. In a
/// binary message only the payload is text, and only if it is UTF-8.
fn is_sound_text(each: &EachFrame<'_>) -> bool {
    each.frame.kind == FrameKind::Message || std::str::from_utf8(each.bytes()).is_ok()
}

/// The reasoning fields of one frame.
#[derive(Default)]
struct Fields {
    first: Option<&'static str>,
    second: Option<&'static str>,
    differ: bool,
    repeated: bool,
}

impl Fields {
    fn add(&mut self, delta: &Delta) {
        // Parts of one list are one field.
        let field = delta.path.template().split("[#].").take(2).last().unwrap_or_default();
        match self.first {
            None => self.first = Some(field),
            Some(first) if first != field => {
                self.second = Some(field);
                self.differ = true;
            }
            Some(_) => {}
        }
    }

    /// Two fields of one frame with reasoning.
    #[inline]
    fn judge(&self, each: &EachFrame<'_>, findings: &mut Findings) {
        // They differ, so both are shown; a client that reads one of them misses the other.
        if self.differ && !findings.again(Code::ReasoningTwoChannels) {
            let message =
                format!("Frame {} has two texts of reasoning, in {}", each.index, self.names());
            findings.raise(Code::ReasoningTwoChannels, each.place(), message);
        } else if self.repeated && findings.tally.of(Code::ReasoningTwoChannels) == 0 {
            let message = "Each frame has the same reasoning in two fields; it counts once";
            findings.raise_as(Code::ReasoningTwoChannels, Severity::Info, each.place(), message);
        }
    }

    fn names(&self) -> String {
        format!("{} and {}", self.first.unwrap_or_default(), self.second.unwrap_or_default())
    }
}

impl SemanticDetector {
    /// Looks at what a frame added to the text.
    fn deltas(&mut self, facts: &Facts, each: &EachFrame<'_>, findings: &mut Findings) {
        let (mut same, mut telling, mut fields) = (false, false, Fields::default());
        for delta in each.deltas {
            let content = delta.channel == Channel::Content;
            if !content && delta.channel != Channel::Reasoning {
                continue;
            }
            let text = facts.answer().text_of(delta);
            if !text.is_ascii()
                && text.contains('\u{fffd}')
                && is_sound_text(each)
                && findings.tally.of(Code::SurrogateSplit) == 0
                && !findings.again(Code::ReplacementCharUpstream)
            {
                let message = format!(
                    "U+FFFD in the text of frame {}: it was damaged before it was sent",
                    each.index
                );
                findings.raise(Code::ReplacementCharUpstream, each.place(), message);
            }
            if delta.duplicate {
                fields.repeated |= delta.channel == Channel::Reasoning;
                continue;
            }
            if content {
                self.think(facts, each, delta, findings);
                if self.spoke.is_none() && !text.trim().is_empty() && !self.think_reported {
                    self.spoke = Some(each.index);
                }
            } else {
                fields.add(delta);
                if self.spoke.is_some_and(|f| f < each.index)
                    && !findings.again(Code::ReasoningAfterContent)
                {
                    let message =
                        format!("Reasoning continues in frame {}, after content", each.index);
                    findings.raise(Code::ReasoningAfterContent, each.place(), message);
                }
            }
            telling |= text.len() >= TELLING;
            same |= self.compare(facts, each, delta, text, findings);
        }
        fields.judge(each, findings);
        if !each.deltas.is_empty() {
            self.same_data(each, same, telling);
        }
    }

    /// Checks whether two frames with the same text, `same`, are the same altogether. Keeps the data of a
    /// frame if it has text that is `telling`.
    fn same_data(&mut self, each: &EachFrame<'_>, same: bool, telling: bool) {
        if !telling && !same {
            return self.data.clear();
        }
        let data = each.data().unwrap_or_default();
        if same && self.data == data {
            self.twice.get_or_insert(each.index);
        }
        self.data.clear();
        if telling && data.len() <= MAX_COMPARED {
            self.data.push_str(&data);
        }
    }

    /// Tags in the content: reported once, at the first.
    fn think(
        &mut self,
        facts: &Facts,
        each: &EachFrame<'_>,
        delta: &Delta,
        findings: &mut Findings,
    ) {
        if self.think_reported {
            return;
        }
        let Some(think) = facts.answer().think(delta.choice).filter(|t| t.any()) else { return };
        self.think_reported = true;
        let start = facts.answer().range_of(delta).start;
        if think.close_only {
            let message =
                "Closing think tag without an opening one: all content before it is reasoning";
            findings.raise(Code::ThinkCloseOnly, each.place(), message);
            return;
        }
        let message =
            format!("Reasoning between tags in the content, from frame {} on", each.index);
        findings.raise(Code::ThinkInContent, each.place(), message);
        let tag = think.spans.first().map(|s| s.start).or(think.open);
        if tag.is_some_and(|tag| tag < start) {
            let message = "The opening think tag is split across deltas";
            findings.raise(Code::ThinkTagSplit, each.place(), message);
        }
    }

    /// Compares a delta with the one before it in its channel. Returns whether their texts are the same and
    /// too long for a repeated token.
    fn compare(
        &mut self,
        facts: &Facts,
        each: &EachFrame<'_>,
        delta: &Delta,
        words: &str,
        findings: &mut Findings,
    ) -> bool {
        let last =
            if delta.channel == Channel::Content { &mut self.content } else { &mut self.reasoning };
        let range = facts.answer().range_of(delta);
        let Some(last) = last.as_mut().filter(|l| l.choice == delta.choice) else {
            *last = Some(Last { choice: delta.choice, range, grown: 0 });
            return false;
        };
        // It is neither longer than the previous one nor long enough to be distinguished from a repeated
        // token.
        if words.len() <= last.range.len() && words.len() < TELLING {
            (last.grown, last.range) = (0, range);
            return false;
        }
        let before = facts
            .answer()
            .text(delta.channel, delta.choice)
            .get(last.range.clone())
            .unwrap_or_default();
        // Two steps of growth do not happen by chance, unless it is white space or one letter.
        let grows = words.len() > before.len()
            && words.as_bytes().starts_with(before.as_bytes())
            && before.trim().len() >= 3;
        last.grown = if grows { last.grown + 1 } else { 0 };
        if last.grown == 2 {
            let message = format!(
                "Deltas repeat all text so far: frame {} begins with all of the previous one",
                each.index
            );
            findings.raise_once(Code::CumulativeDeltas, each.place(), message);
        }
        let same =
            words.len() >= TELLING && words == before && words.trim().contains(char::is_whitespace);
        last.range = range;
        same
    }
}

/// Returns where a byte of the content arrived.
fn at(facts: &Facts, choice: u32, byte: usize) -> FindingPlace {
    let frame = facts.answer().delta_at(Channel::Content, choice, byte).map(|d| d.frame);
    FindingPlace {
        frame,
        offset: frame.and_then(|f| facts.frames().get(f as usize)).map(|f| f.offset),
    }
}

/// Returns whether content reads like thought that nothing marks: it begins as reasoning models begin, and
/// speaks of the user or corrects itself soon after.
fn musing(facts: &Facts, choice: u32, content: &str) -> bool {
    /// Openings of reasoning models (R1, QwQ, Qwen3, gpt-oss), in lower case.
    const OPENINGS: &[&str] = &[
        "okay, ",
        "ok, ",
        "okay so ",
        "alright, ",
        "hmm, ",
        "so, ",
        "first, ",
        "let me think",
        "the user ",
        "we need to ",
        "thinking process:",
    ];
    /// Phrases that an answer does not use about its reader, or itself.
    const ASIDES: &[&str] = &[
        "the user is ",
        "the user wants",
        "the user asks",
        "the user asked",
        "the user said",
        "so i need to ",
        ". wait, ",
    ];
    /// Number of bytes of the beginning that are looked at.
    const BEGINNING: usize = 400;
    let marked = facts.answer().think(choice).is_some_and(|t| t.any())
        || facts.answer().has(Channel::Reasoning);
    let content = content.trim_start();
    let mut end = content.len().min(BEGINNING);
    while !content.is_char_boundary(end) {
        end -= 1;
    }
    let begins = content[..end].to_ascii_lowercase();
    !marked
        && OPENINGS.iter().any(|o| begins.starts_with(o))
        && ASIDES.iter().any(|a| begins.contains(a))
}

fn leak(facts: &Facts, choice: u32, content: &str, findings: &mut Findings) {
    let Some((byte, mark)) = marks(content).find(|(at, mark)| !is_quoted(content, *at, mark.len()))
    else {
        return;
    };
    let message = format!("Control token \"{}\" in the content", text::preview(mark, 40));
    findings.raise(Code::SpecialTokenLeak, at(facts, choice, byte), message);
}

/// The marks in a text that are no text: control tokens of models, and what programs make of an
/// object, with their places.
fn marks(content: &str) -> impl Iterator<Item = (usize, &str)> {
    /// Those that begin with no bar.
    const PLAIN: &[&str] = &[
        "</s>",
        "[object Object]",
        "<end_of_turn>",
        "<start_of_turn>",
        "<tool_call>",
        "<minimax:tool_call>",
        "[TOOL_CALLS]",
        "[/INST]",
    ];
    memchr::memchr2_iter(b'<', b'[', content.as_bytes()).filter_map(|at| {
        let rest = &content[at..];
        let plain = PLAIN.iter().find(|mark| rest.starts_with(**mark)).map(|mark| mark.len());
        let len =
            plain.or_else(|| token(rest, "<|", "|>")).or_else(|| token(rest, "<｜", "｜>"))?;
        Some((at, &rest[..len]))
    })
}

/// The length of a control token at the beginning of a text: `<|im_end|>`, `<|tool_call_begin|>`,
/// DeepSeek's `<｜tool▁calls▁begin｜>`.
fn token(text: &str, open: &str, close: &str) -> Option<usize> {
    /// Parts of the names of such tokens, in all families of models.
    const WORDS: &[&str] = &[
        "tool",
        "call",
        "im_",
        "end",
        "begin",
        "start",
        "eot",
        "eom",
        "channel",
        "message",
        "header",
        "return",
        "constrain",
        "python_tag",
        "assistant",
        "user",
        "system",
        "observation",
        "fim",
        "pad",
        "dsml",
        "think",
        "answer",
    ];
    /// None is longer, in bytes.
    const LONGEST: usize = 64;
    let inside = text.strip_prefix(open)?;
    let end = inside.find(close).filter(|end| (1..=LONGEST).contains(end))?;
    let name = inside[..end].to_ascii_lowercase();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '▁' | '-'));
    let known = WORDS.iter().any(|w| name.contains(w));
    (is_name && known).then_some(open.len() + end + close.len())
}

/// Returns whether a mark is only mentioned: it is between quotes or backticks.
fn is_quoted(content: &str, at: usize, len: usize) -> bool {
    let quote = |c: Option<char>| c.is_some_and(|c| matches!(c, '`' | '"' | '\'' | '“' | '”'));
    quote(content[..at].chars().next_back()) || quote(content[at + len..].chars().next())
}

/// The piece that a text's last stretch repeats, and how often. Linear in the stretch.
fn looped(content: &str) -> Option<(&str, usize)> {
    const STRETCH: usize = 2 << 10;
    const PIECE: usize = 256;
    let mut from = content.len().checked_sub(STRETCH)?;
    while !content.is_char_boundary(from) {
        from -= 1;
    }
    let tail = &content.as_bytes()[from..];
    // The shortest period, by the failure function of Knuth, Morris and Pratt.
    let mut border = vec![0usize; tail.len()];
    let mut k = 0;
    for i in 1..tail.len() {
        while k > 0 && tail[i] != tail[k] {
            k = border[k - 1];
        }
        k += usize::from(tail[i] == tail[k]);
        border[i] = k;
    }
    let period = tail.len() - border.last()?;
    let piece = content.get(from..from + period)?;
    (period <= PIECE && !piece.trim().is_empty()).then_some((piece, tail.len() / period))
}

#[cfg(test)]
mod tests {
    use super::{is_quoted, looped, marks};

    #[test]
    fn control_tokens_are_known_by_their_form() {
        for text in [
            "done<|im_end|>",
            "<|tool_calls_section_begin|>",
            "<｜tool▁calls▁begin｜>",
            "<|start|>assistant<|channel|>",
            "[TOOL_CALLS] f",
            "x</s>",
        ] {
            assert!(marks(text).next().is_some(), "{text}");
        }
        for text in ["a <| b |> c", "<|x|>", "[1] <b>", "<|>", "x |> y"] {
            assert!(marks(text).next().is_none(), "{text}");
        }
        let spoken = "The token `<|im_end|>` ends a turn.";
        assert!(marks(spoken).all(|(at, mark)| is_quoted(spoken, at, mark.len())));
    }

    #[test]
    fn a_loop_is_found_by_its_period() {
        let text = format!("An answer. {}", "again and ".repeat(300));
        let (piece, times) = looped(&text).unwrap();
        assert_eq!((piece.len(), times), (10, 204));
        assert!(looped(&"again and ".repeat(100)).is_none());
        assert!(looped(&" ".repeat(5000)).is_none());
        let prose: String = (0..2000).map(|i| format!("{} ", i * 7919 % 1013)).collect();
        assert!(looped(&prose).is_none());
    }
}
