//! Rules that only the end decides: whether the answer finished, and what it came to.

use super::{Code, Detector, Out, Place, Severity, cut, ours, refused, unless_healthy, wants_done};
use crate::dialect::Channel;
use crate::frame::{Framing, Kind};
use crate::inspect::Inspection;
use crate::text;

/// Where reasoning stands that only the provider can read.
const ENCRYPTED: &[&str] = &[
    "choices[].delta.reasoning_details[].data",
    "content_block.data",
    "delta.reasoningContent.redactedContent",
];

#[derive(Default)]
pub(super) struct End;

impl Detector for End {
    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let Some(dialect) = now.dialect() else { return };
        if refused(now) || ours(now) || now.frames().is_empty() {
            return;
        }
        came_to(now, out);
        if now.framing() == Some(Framing::Whole) || cut(now) {
            return;
        }
        if !now.answer().errors.is_empty() {
            if wants_done(now) {
                after_error(now, out);
            }
        } else if !dialect.ending().terminal || now.answer().terminal.is_some() {
            // A terminal event that is missing is another family's matter.
            finished(now, out);
        }
    }
}

fn after_error(now: &Inspection, out: &mut Out<'_>) {
    let Some(error) = now.answer().errors.first() else { return };
    let words = text::preview(&error.message, 80);
    match now.answer().sentinel {
        Some(done) if done > error.frame => {
            let message = format!("[DONE] follows the error \"{words}\" as if all were well.");
            out.raise(Code::DoneAfterError, frame(now, Some(done)), message);
        }
        Some(_) => {}
        None if !wants_done(now) => {}
        None => {
            let message = format!("No [DONE] follows the error \"{words}\".");
            out.raise(Code::NoDoneAfterError, Place::default(), message);
        }
    }
}

fn frame(now: &Inspection, index: Option<u32>) -> Place {
    Place {
        frame: index,
        offset: index.and_then(|i| now.frames().get(i as usize)).map(|f| f.offset),
    }
}

/// Whether the stream said that it is over.
fn finished(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    if let (Some((_, reason)), Some(done)) =
        (answer.finish().find(|f| f.1 == "abort"), answer.sentinel)
    {
        let message = format!("[DONE] follows the finish \"{reason}\" as if all were well.");
        out.raise(Code::DoneAfterError, frame(now, Some(done)), message);
    }
    if lost_frames(out) {
        return;
    }
    if !answer.finished() {
        if !finish_in_tail(now) && !now.needs_no_finish() {
            unfinished(now, out);
        }
        return;
    }
    // A [DONE] that was not read as one is told as what is wrong with it.
    let hidden = [
        Code::DoneVariant,
        Code::SseTwoSpaces,
        Code::SseNoFinalBlank,
        Code::SseMissingBlank,
        Code::NdjsonInSse,
    ];
    if wants_done(now) && answer.sentinel.is_none() && !hidden.iter().any(|c| out.tally.of(*c) > 0)
    {
        let severity = unless_healthy(now, Severity::Warn);
        out.raise_as(
            Code::MissingDone,
            severity,
            Place::default(),
            "The answer finished, and no [DONE] came.",
        );
    }
}

/// Whether frames, or an error, were lost and told as lost: the end was lost with them.
pub(super) fn lost_frames(out: &Out<'_>) -> bool {
    const LOST: &[Code] = &[
        Code::TruncatedMidFrame,
        Code::SseSingleNewlineFrames,
        Code::SseRawJson,
        Code::DialectMismatch,
        Code::WrongContentType,
        Code::BadContentEncoding,
        Code::TruncatedJsonArray,
        Code::EventstreamCrc,
        Code::EventstreamIncomplete,
        Code::EmptyStream,
    ];
    LOST.iter().any(|c| out.tally.of(*c) > 0)
        || out
            .findings
            .iter()
            .any(|f| f.code == Code::SseUnknownField && f.severity == Severity::Fatal)
}

/// Whether the finish stands in the last event, which has no blank line: it is lost for clients,
/// and told as that.
fn finish_in_tail(now: &Inspection) -> bool {
    let Some(last) = now.frames().last().filter(|f| f.kind == Kind::Incomplete) else {
        return false;
    };
    let bytes = last.bytes(now.body());
    [&b"\"finish_reason\":"[..], b"\"finishReason\":"].iter().any(|key| {
        memchr::memmem::find(bytes, key)
            .is_some_and(|at| bytes[at + key.len()..].trim_ascii_start().starts_with(b"\""))
    })
}

fn unfinished(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    let done = match (answer.sentinel, now.ending().terminal) {
        (Some(_), _) => "[DONE] came",
        (None, Some(true)) => "the event that ends such a stream came",
        (None, Some(false)) => "the event that ends such a stream did not come either",
        (None, None) if wants_done(now) => "there is no [DONE] either",
        (None, None) => "nothing else says that it is whole",
    };
    let carries = |k: Kind| matches!(k, Kind::Event | Kind::Line | Kind::Element | Kind::Message);
    let payloads = now.frames().iter().filter(|f| carries(f.kind)).count() as u64
        - u64::from(answer.sentinel.is_some());
    let another = answer.finish().next().is_some();
    let message = if payloads == 0 {
        let frames = text::count(now.frames().len() as u64, "frame");
        format!("Nothing of an answer came ({frames} without any payload), and no finish; {done}.")
    } else if another {
        let open: Vec<_> = answer
            .choices()
            .into_iter()
            .filter(|c| answer.finish_frame(*c).is_none())
            .map(|c| c.to_string())
            .collect();
        format!("No finish reason came for choice {}; {done}.", open.join(", "))
    } else {
        let chars = answer.chars(Channel::Content) as u64;
        let content = text::count(chars, "character");
        format!("The stream ends after {content} of content without a finish reason; {done}.")
    };
    // With a finish and [DONE] the stream did say that it is over: only the word for this choice
    // is missing. LiteLLM's proxy loses it when it joins choices.
    let said = another && (answer.sentinel.is_some() || answer.terminal.is_some());
    let severity = match (said, answer.terminal) {
        (true, _) => Severity::Info,
        // Ollama had no word for it in its first years.
        (_, Some(_)) if now.dialect().is_some_and(|d| d.name() == "ollama") => Severity::Info,
        // Nothing is lost but the word.
        (_, Some(_)) => Severity::Warn,
        (_, None) => Severity::Error,
    };
    out.raise_as(Code::FinishMissing, severity, frame(now, answer.sentinel), message);
}

/// Whether a finish reason means that the token limit was reached.
pub(in crate::inspect) fn is_length(reason: &str) -> bool {
    matches!(
        reason,
        "length"
            | "LENGTH"
            | "max_tokens"
            | "MAX_TOKENS"
            | "max_output_tokens"
            | "model_length"
            | "limit"
            | "model_context_window_exceeded"
            | "ERROR_LIMIT"
    )
}

/// Whether a finish reason means that a filter ended the answer.
pub(in crate::inspect) fn is_filter(reason: &str) -> bool {
    matches!(
        reason,
        "content_filter"
            | "content-filter"
            | "content_filtered"
            | "CONTENT_FILTERED"
            | "guardrail_intervened"
            | "sensitive"
            | "safety"
            | "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR"
            | "ERROR_TOXIC"
    )
}

/// What the answer came to: said, thought, refused, nothing.
fn came_to(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    let usage = answer.usage;
    if answer.has(Channel::Refusal) {
        let chars = text::count(answer.chars(Channel::Refusal) as u64, "character");
        out.raise(Code::Refusal, Place::default(), format!("The model refused, in {chars}."));
    }
    let thought = answer.has(Channel::Reasoning);
    if !thought {
        let encrypted = now.shape().rows().iter().any(|r| ENCRYPTED.contains(&r.path.as_str()));
        let tokens = usage.reasoning.unwrap_or(0);
        if encrypted {
            let message = "Reasoning comes encrypted, without text.";
            out.raise(Code::ReasoningEncryptedOnly, Place::default(), message);
        } else if tokens > 0
            && !answer.choices().iter().any(|c| answer.think(*c).is_some_and(|t| t.any()))
        {
            let message =
                format!("{tokens} reasoning tokens are counted, and no reasoning text came.");
            out.raise(Code::ReasoningHidden, Place::default(), message);
        }
    }
    for (choice, reason) in answer.finish() {
        choice_came_to(now, choice, reason, out);
    }
    // Of a choice that never finished, too.
    for (choice, _) in
        answer.texts(Channel::Content).filter(|(c, _)| answer.finish_frame(*c).is_none())
    {
        if !cut(now) {
            unclosed(now, choice, out);
        }
    }
}

fn unclosed(now: &Inspection, choice: u32, out: &mut Out<'_>) {
    if now.answer().think(choice).is_some_and(|t| t.open.is_some()) {
        let message = "A think tag is opened in the content and never closed: nothing says where the answer begins.";
        out.raise(Code::ThinkOpenUnclosed, Place::default(), message);
    }
}

/// Finishes of answers that may be empty: they call, go on elsewhere, failed, were cancelled, met at
/// once what they were told to stop at, or answer a request for no answer.
const EMPTY_BY_RIGHT: &[&str] = &[
    "tool_calls",
    "function_call",
    "tool_use",
    "TOOL_CALL",
    "requires_action",
    "pause_turn",
    "compaction",
    "error",
    "ERROR",
    "TIMEOUT",
    "failed",
    "cancelled",
    "USER_CANCEL",
    "in_progress",
    "queued",
    "stop_sequence",
    "STOP_SEQUENCE",
    "word",
    "load",
    "unload",
];

/// Whether an answer has something in it that is no text.
fn brought_matter(now: &Inspection) -> bool {
    const MATTER: &[&str] = &["inlineData", "fileData", "image", "images", "audio", "video"];
    let rows = now.shape().rows();
    rows.iter().any(|r| r.path.split(['.', '[']).any(|part| MATTER.contains(&part)))
}

/// A choice's finish as it is told: the word, and the cause beside it.
pub(super) fn told(now: &Inspection, choice: u32, reason: &str) -> String {
    match now.answer().cause(choice) {
        Some(cause) => format!("\"{reason}\", {cause}"),
        None => format!("\"{reason}\""),
    }
}

fn choice_came_to(now: &Inspection, choice: u32, reason: &str, out: &mut Out<'_>) {
    let answer = now.answer();
    let at = frame(now, answer.finish_frame(choice));
    let said = told(now, choice, reason);
    let shown = text::preview(&said, 60);
    let reason = answer.cause(choice).unwrap_or(reason);
    let content = answer.text(Channel::Content, choice);
    let inline = answer.think(choice);
    let wrote = match inline {
        Some(think) => think
            .stretches(content)
            .iter()
            .any(|(t, r)| !t && !content[r.clone()].trim().is_empty()),
        None => !content.trim().is_empty(),
    };
    let called = answer.calls_of(choice) > 0;
    let spoke = wrote
        || called
        || [Channel::Refusal, Channel::Other].iter().any(|c| !answer.text(*c, choice).is_empty());
    let reasoning = answer.text(Channel::Reasoning, choice).chars().count() as u64;
    let thought = reasoning > 0 || inline.is_some_and(|t| t.any());
    let tokens = answer.usage.reasoning.unwrap_or(0);
    if is_length(reason) {
        if !spoke && (thought || tokens > 0) {
            let message = format!(
                "The token limit was reached while the model was thinking: no answer (finish {shown})."
            );
            // A finish by length is a normal end on the wire, however little came of it.
            let severity = unless_healthy(now, Severity::Error);
            out.raise_as(Code::LengthDuringReasoning, severity, at, message);
        } else {
            let message = format!("The token limit ended the answer (finish {shown}).");
            out.raise(Code::LengthTruncated, at, message);
        }
        return;
    }
    if reason == "refusal" {
        let message = format!("The model refused (finish {shown}).");
        return out.raise_once(Code::Refusal, at, message);
    }
    if is_filter(reason) {
        let message = format!("A filter ended the answer (finish {shown}).");
        return out.raise(Code::ContentFiltered, at, message);
    }
    if !spoke && inline.is_some_and(|t| t.open.is_some()) {
        return unclosed(now, choice, out);
    }
    unclosed(now, choice, out);
    // What an error or a cut left empty is told as that.
    if spoke
        || cut(now)
        || !answer.errors.is_empty()
        || EMPTY_BY_RIGHT.contains(&reason)
        || brought_matter(now)
    {
        return;
    }
    // The answer of a whole body or a message is no delta, and is there.
    if out.tally.of(Code::FullObjectInStream) > 0 {
        return;
    }
    came_to_nothing(thought, reasoning, &shown, at, out);
}

/// A choice that finished well and said nothing.
fn came_to_nothing(thought: bool, reasoning: u64, shown: &str, at: Place, out: &mut Out<'_>) {
    if thought {
        let how = if reasoning > 0 {
            format!("{} of reasoning", text::count(reasoning, "character"))
        } else {
            "between tags in the content".to_owned()
        };
        let message = format!("The model thought ({how}), said nothing, and finished {shown}.");
        out.raise(Code::ReasoningOnly, at, message);
    } else {
        let message = format!(
            "The answer is empty: no content, no reasoning, no tool call, and finish {shown}."
        );
        out.raise(Code::EmptyCompletion, at, message);
    }
}
